// Keeps the page's state in the URL after the hash: "#/prices?model=a&model=b&scale=log".

const VIEWS = ["overview", "models", "prices", "quotas", "changes", "quality"];
const listeners = [];

export { VIEWS };

/** Return {view, params} of a URL; an unknown view is the overview. */
export function parse(hash = window.location.hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const view = VIEWS.includes(path) ? path : "overview";
  return { view, params: new URLSearchParams(query) };
}

function search(params) {
  const query = new URLSearchParams();
  const pairs = params instanceof URLSearchParams ? params : pairsOf(params);
  for (const [key, value] of pairs) {
    if (value !== null && value !== undefined && value !== "") query.append(key, value);
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

function* pairsOf(params) {
  for (const [key, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) yield [key, item];
  }
}

/** Return the URL of a view. */
export function link(view, params = {}) {
  return `#/${view}${search(params)}`;
}

/** Change parts of the state; null removes. `push` adds an entry to the browser's history. */
export function update(changes, { push = false } = {}) {
  const { view, params } = parse();
  for (const [key, value] of Object.entries(changes)) {
    params.delete(key);
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== null && item !== undefined && item !== "") params.append(key, item);
    }
  }
  const address = link(view, params);
  if (address === (window.location.hash || "#/overview")) return;
  window.history[push ? "pushState" : "replaceState"](null, "", address);
  notify();
}

/** Call `listener` on every change of the URL. */
export function onChange(listener) {
  listeners.push(listener);
}

function notify() {
  for (const listener of listeners) listener(parse());
}

window.addEventListener("hashchange", () => {
  // The skip link targets an element, not a view.
  if (window.location.hash !== "#content") notify();
});
window.addEventListener("popstate", () => window.location.hash !== "#content" && notify());

/** Link to a page of Airflow. In its iframe the host page must navigate: the sandbox forbids it to the frame. */
export function hostLink(path) {
  const href = `../${path}`;
  return { href, onclick: (event) => inHost(event, href, {}) };
}

/** Link to another site in a new tab; `url` must be https. */
export function outerLink(url) {
  const ways = { target: "_blank", rel: "noopener noreferrer nofollow" };
  return { href: url.href, ...ways, onclick: (event) => inHost(event, url.href, ways) };
}

function inHost(event, href, ways) {
  if (window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const anchor = window.parent.document.createElement("a");
  Object.assign(anchor, { href: new URL(href, window.location.href).href, ...ways });
  window.parent.document.body.append(anchor);
  anchor.click();
  anchor.remove();
}
