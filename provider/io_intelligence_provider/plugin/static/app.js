// @ts-check
// Runs the page: title, tabs, the view that is shown, the panel of a model over it, and the message when none can be.

import { skeleton } from "./components.js";
import { copyButton, focusSearchBySlash } from "./controls.js";
import { h, icon, keepFocus, part, replaceChildren } from "./dom.js";
import { age, capital, count } from "./format.js";
import { openModel } from "./model/panel.js";
import { changed, hostLink, link, mirror, onChange, panelKey, parse, restore, update, VIEWS } from "./route.js";
import { emptyStore, failed, news, warnings } from "./states.js";
import * as store from "./store.js";

/** @typedef {import("./route.js").Route} Route */
/**
 * What a view is given, and what it returns: `placed` is called once it is in the document, `change` when the address
 * has changed, and may return the warnings of what it shows then; `pinned` returns the parameters that fix its days.
 * @typedef {{node: HTMLElement, params: URLSearchParams, status: store.Status}} Context
 * @typedef {{
 *   warnings?: string[],
 *   placed?: () => unknown,
 *   change: (params: URLSearchParams) => unknown,
 *   stop: () => void,
 *   pinned: () => import("./api.js").Parameters,
 * }} View
 */

const main = part("content");
const COUNTS = /** @type {const} */ ({ models: "models", changes: "changes" });
const top = h("div", { class: "top-banners" });
const place = h("div", {});
/** @type {(View & {name: string, query: string}) | null} */
let current = null;
/** @type {{model: string, date: string, close: () => void} | null} */
let panel = null;
let turn = 0; // counts requests, so that a view is dropped when it arrives after a later request

/** @param {string} view */
function drawTabs(view) {
  const tabs = part("tabs");
  const known = store.status();
  keepFocus(tabs, () =>
    replaceChildren(
      tabs,
      VIEWS.map((name) => {
        const key = name in COUNTS ? COUNTS[/** @type {keyof typeof COUNTS} */ (name)] : null;
        const number = key && known && known.state !== "empty" ? known[key] : null;
        return h(
          "a",
          { href: link(name), "aria-current": name === view ? "page" : null },
          capital(name),
          number !== null && h("span", { class: "count" }, count(number)),
        );
      }),
    ),
  );
  tabs.querySelector("[aria-current]")?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
  document.title = `${capital(view)} · IO Intelligence`;
}

/** Draw the chip of the snapshot and the link to the Dag; its age counts on. */
function drawFrame() {
  const known = store.status();
  const dag = known?.dag_id ?? "io_intelligence_daily_pricing";
  keepFocus(part("dag"), () =>
    replaceChildren(part("dag"), "Dag ", h("a", hostLink(`dags/${encodeURIComponent(dag)}`), dag)),
  );
  const stale = known && store.isStale(known);
  replaceChildren(
    part("snapshot"),
    known && !known.latest && h("span", { class: "chip" }, "No snapshot yet"),
    known?.latest &&
      h(
        "span",
        { class: `chip ${stale ? "warn" : "ok"}`, title: `Fetched ${known.fetched_at}, provider ${known.version}` },
        icon(stale ? "warn" : "check", 15),
        `Snapshot ${known.latest} · ${age(known.latest)}`,
      ),
  );
}

/** Draw the banners: news, an old snapshot, what cannot be read. */
function drawBanners() {
  const known = store.status();
  keepFocus(top, () =>
    replaceChildren(
      top,
      known && news(store.news(), store.problem(), showNewest),
      known && current && warnings(known, current.warnings),
    ),
  );
}

function showNewest() {
  store.showNewest();
  current?.stop();
  current = null;
  show(parse());
}

function refreshed() {
  drawFrame();
  const { view } = parse();
  drawTabs(view);
  // Nothing is lost where nothing was shown.
  if (store.news() && !store.status()?.latest) showNewest();
  else drawBanners();
}

/**
 * Open, keep or close the panel of a model, as the address says.
 * @param {Route} route
 */
function drawPanel({ view, params }) {
  const named = params.get(panelKey(view));
  const known = store.status();
  const date = params.get("date") ?? known?.latest ?? "";
  if (panel?.model === named && panel?.date === date) return;
  panel?.close();
  panel = null;
  if (named === null || !known?.latest) return;
  panel = {
    model: named,
    date,
    close: openModel({
      named,
      date,
      status: /** @type {store.Status} */ (known),
      closed() {
        panel = null;
        update({ [panelKey(parse().view)]: null });
      },
    }),
  };
}

/** @param {Route} route */
function queryOf({ view, params }) {
  return changed({ view, params }, { [panelKey(view)]: null });
}

/** @param {Route} route */
async function show(route) {
  const { view, params } = route;
  const query = queryOf(route);
  if (current?.name === view) {
    const same = current.query === query;
    current.query = query;
    drawPanel(route);
    if (same) return;
    turn += 1;
    const mine = turn;
    try {
      const found = await current.change(params);
      if (mine !== turn) return;
      if (current && Array.isArray(found)) current.warnings = found;
      drawBanners();
    } catch (error) {
      if (mine !== turn) return;
      current?.stop();
      current = null;
      showError(error, view);
    }
    return;
  }
  turn += 1;
  const mine = turn;
  current?.stop();
  current = null;
  panel?.close();
  panel = null;
  drawTabs(view);
  window.scrollTo(0, 0);
  replaceChildren(place, skeleton());
  replaceChildren(main, top, place);
  try {
    const [module, known] = await Promise.all([import(`./views/${view}.js`), store.load()]);
    if (mine !== turn) return;
    if (known.state === "empty" || !known.latest) {
      replaceChildren(place, known.state === "empty" ? emptyStore(known) : warnings(known));
      return;
    }
    const node = h("div", { class: `view ${view}` });
    /** @type {View} */
    const shown = await module.show({ node, params, status: known });
    if (mine !== turn) {
      shown.stop();
      return;
    }
    current = { ...shown, name: view, query };
    drawBanners();
    replaceChildren(place, node);
    drawPanel(route);
    await shown.placed?.();
  } catch (error) {
    if (mine === turn) showError(error, view);
  }
}

/**
 * @param {unknown} error
 * @param {string} view
 */
function showError(error, view) {
  top.replaceChildren();
  replaceChildren(
    place,
    failed(error, view, () => {
      store.forget();
      show(parse());
    }),
  );
}

focusSearchBySlash(main);
part("copy").replaceChildren(copyButton(() => changed(parse(), current?.pinned() ?? {})));

restore();
mirror();
onChange(show);
store.onRefresh(refreshed);
store.keepFresh();
show(parse());
