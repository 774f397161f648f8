// The address after the hash is the whole state of the page: "#/prices?model=a&model=b&scale=log".

const VIEWS = ["overview", "models", "prices", "quotas", "changes", "quality"];
const listeners = [];

export { VIEWS };

/** Return {view, params} of an address; an unknown view is the overview. */
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

/** Return the address of a view. */
export function link(view, params = {}) {
  return `#/${view}${search(params)}`;
}

/** Change some of the state; null removes. A new entry of the browser's history only where asked. */
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
  tell();
}

/** Be told of every change of the address. */
export function onChange(listener) {
  listeners.push(listener);
}

function tell() {
  for (const listener of listeners) listener(parse());
}

window.addEventListener("hashchange", () => {
  // The skip link leads to an element, not to a view.
  if (window.location.hash !== "#content") tell();
});
window.addEventListener("popstate", () => window.location.hash !== "#content" && tell());

/** Link to a page of Airflow. In its iframe the host page must follow it: the frame's sandbox forbids it to us. */
export function hostLink(path) {
  const href = `../${path}`;
  return { href, onclick: (event) => inHost(event, href, {}) };
}

/** Link to a page elsewhere, in a tab of its own; `url` is one of https. */
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
