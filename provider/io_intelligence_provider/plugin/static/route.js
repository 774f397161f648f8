// @ts-check
// Keeps the page's state in the address after the hash, "#/prices?model=a&model=b&scale=log", also in Airflow's frame.

import { queryOf } from "./api.js";

export const VIEWS = ["overview", "models", "prices", "costs", "quotas", "changes", "alerts", "quality"];

/** The views of this page: another page, with views of its own, sets them before it reads the address. */
let own = VIEWS;

/** @param {string[]} views the first is shown when the address names none */
export function useViews(views) {
  own = views;
}

/** @typedef {{view: string, params: URLSearchParams}} Route */
/** @typedef {import("./api.js").Parameters} Parameters */

/** @type {((route: Route) => void)[]} */
const listeners = [];

/**
 * Return {view, params} of a hash; an unknown view is the first one.
 * @param {string} [hash]
 * @returns {Route}
 */
export function parse(hash = window.location.hash) {
  const [path, ...query] = hash.replace(/^#\/?/, "").split("?");
  return { view: own.includes(path) ? path : own[0], params: new URLSearchParams(query.join("?")) };
}

/**
 * Return the address of a view.
 * @param {string} view
 * @param {Parameters | URLSearchParams} [params]
 */
export function link(view, params = {}) {
  if (!(params instanceof URLSearchParams)) return `#/${view}${queryOf(params)}`;
  const text = params.toString();
  return `#/${view}${text ? `?${text}` : ""}`;
}

/**
 * Return an address with parts changed; null removes.
 * @param {Route} route
 * @param {Parameters} changes
 */
export function changed({ view, params }, changes) {
  const next = new URLSearchParams(params);
  for (const [key, value] of Object.entries(changes)) {
    next.delete(key);
    for (const item of Array.isArray(value) ? value : [value])
      if (item !== null && item !== undefined && item !== "") next.append(key, item);
  }
  return link(view, next);
}

/**
 * Change parts of the address; null removes. `push` adds an entry to the browser's history.
 * @param {Parameters} changes
 * @param {{push?: boolean}} [how]
 */
export function update(changes, { push = false } = {}) {
  const address = changed(parse(), changes);
  if (address === (window.location.hash || `#/${own[0]}`)) return;
  window.history[push ? "pushState" : "replaceState"](null, "", address);
  notify();
}

/**
 * Return the parameter that opens the panel of a model: in the table of models the published one.
 * @param {string} view
 */
export const panelKey = (view) => (view === "models" ? "model" : "open");

/**
 * Return the attributes of a link that opens a model over the current view, or in a tab of its own.
 * @param {string} model
 */
export function modelLink(model) {
  const open = (/** @type {MouseEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    update({ [panelKey(parse().view)]: model }, { push: true });
  };
  return { href: link("models", { model }), onclick: open };
}

/** Return the page of Airflow that frames this one; null without one, or if it is of another origin. */
function host() {
  try {
    return window.parent !== window && window.parent.document ? window.parent : null;
  } catch {
    return null;
  }
}

/** Take the view from the address of the framing page, where this page's own says none: Airflow 3.2 after a reload. */
export function restore() {
  const hash = host()?.location.hash ?? "";
  if (!window.location.hash && hash.startsWith("#/")) window.history.replaceState(null, "", hash);
}

/**
 * Write the view into the address of the framing page, so that a reload or a copy of that keeps it.
 *
 * Airflow 3.3 copies the frame's address behind its own when the frame "loads". Airflow 3.2 does not look: there only
 * the hash of its address is ours.
 */
export function mirror() {
  const frame = host();
  if (!frame || !window.location.hash) return;
  if (frame.location.pathname.endsWith(window.location.pathname)) window.frameElement?.dispatchEvent(new Event("load"));
  else if (frame.location.hash !== window.location.hash)
    // The whole address, because a hash alone is resolved against the `<base>` of Airflow's page.
    frame.history.replaceState(frame.history.state, "", shareable(window.location.hash));
}

/**
 * Return the whole address of a view as a colleague can open it: in Airflow, if it is open there.
 * @param {string} hash
 */
export function shareable(hash) {
  return (host() ?? window).location.href.replace(/#.*$/, "") + hash;
}

/**
 * Call `listener` on every change of the address.
 * @param {(route: Route) => void} listener
 */
export function onChange(listener) {
  listeners.push(listener);
}

function notify() {
  mirror();
  for (const listener of listeners) listener(parse());
}

window.addEventListener("hashchange", notify);
window.addEventListener("popstate", notify);

// The skip link and footnotes lead to an element: in the address it would take the place of the view.
document.addEventListener("click", (event) => {
  const clicked = /** @type {Element} */ (event.target).closest?.('a[href^="#"]:not([href^="#/"])');
  const target = clicked && document.getElementById(clicked.getAttribute("href")?.slice(1) ?? "");
  if (!target) return;
  event.preventDefault();
  target.tabIndex = -1;
  target.focus();
});

/**
 * Link to a page of Airflow. In its frame the framing page must navigate: the sandbox forbids it to the frame.
 * @param {string} path
 */
export function hostLink(path) {
  const href = `../${path}`;
  return { href, onclick: (/** @type {MouseEvent} */ event) => inHost(event, href, {}) };
}

/**
 * Link to the run of a task.
 * @param {Api.Task} task
 */
export function taskLink({ dag_id, run_id, task_id }) {
  const [dag, run, task] = [dag_id, run_id, task_id].map(encodeURIComponent);
  return hostLink(`dags/${dag}/runs/${run}/tasks/${task}`);
}

/** Link to Airflow's login, which comes back to this view. */
export function loginLink() {
  const next = shareable(window.location.hash);
  return hostLink(`api/v2/auth/login?${new URLSearchParams({ next })}`);
}

/**
 * Link to a page of its own of ours, in a new tab.
 * @param {string} path
 */
export function pageLink(path) {
  const ways = { target: "_blank", rel: "noopener" };
  return { href: path, ...ways, onclick: (/** @type {MouseEvent} */ event) => inHost(event, path, ways) };
}

/**
 * Link to another site in a new tab; `url` must be https.
 * @param {URL} url
 */
export function outerLink(url) {
  const ways = { target: "_blank", rel: "noopener noreferrer nofollow" };
  return { href: url.href, ...ways, onclick: (/** @type {MouseEvent} */ event) => inHost(event, url.href, ways) };
}

/**
 * @param {MouseEvent} event
 * @param {string} href
 * @param {{target?: string, rel?: string}} ways
 */
function inHost(event, href, ways) {
  if (!host() || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  follow({ href: new URL(href, window.location.href).href, ...ways });
}

/**
 * Follow a link in the framing page, or in this page without one: the frame's sandbox forbids this page to navigate,
 * and in Airflow 3.2 to download.
 * @param {{href: string, target?: string, rel?: string, download?: string}} link
 */
export function follow(link) {
  const page = (host() ?? window).document;
  const anchor = Object.assign(page.createElement("a"), link);
  page.body.append(anchor);
  anchor.click();
  anchor.remove();
}
