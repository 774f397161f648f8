// @ts-check
// Runs the page of all data sets: the list, one data set, and the message when neither can be shown.

import { banner, skeleton } from "../components.js";
import { copyButton, focusSearchBySlash } from "../controls.js";
import { h, keepFocus, part, replaceChildren } from "../dom.js";
import { cut } from "../format.js";
import { changed, link, mirror, onChange, parse, restore, useViews } from "../route.js";
import { failed, news } from "../states.js";
import * as list from "./list.js";
import * as one from "./one.js";

const MINUTE = 60_000;
const MODULES = { datasets: list, dataset: one };

/**
 * What is shown: its name, what it was drawn from, and how to ask for that again.
 * @typedef {{name: string | null, pinned: import("../api.js").Parameters, print: string, load: () => Promise<Shown>,
 *   draw: (node: HTMLElement) => void, warnings: string[]}} Shown
 */

const main = part("content");
const top = h("div", { class: "top-banners" });
const place = h("div", {});
/** @type {Shown | null} */
let shown = null;
/** What a later look found: newer results, or a problem. @type {{newer: boolean, problem: unknown}} */
let found = { newer: false, problem: null };
let turn = 0; // counts requests, so that an answer is dropped when it arrives after a later one

/** @param {import("../route.js").Route} route */
function ask({ view, params }) {
  return MODULES[/** @type {keyof typeof MODULES} */ (view)].load(params);
}

/** @param {string} view */
function drawTabs(view) {
  const current = (/** @type {boolean} */ is) => (is ? "page" : null);
  const name = view === "dataset" && (shown?.name ?? parse().params.get("id"));
  keepFocus(part("tabs"), () =>
    replaceChildren(
      part("tabs"),
      h("a", { href: link("datasets"), "aria-current": current(view === "datasets") }, "All data sets"),
      name && h("a", { href: window.location.hash, "aria-current": current(true), dir: "auto" }, cut(name, 60)),
    ),
  );
  document.title = name ? `${cut(name, 60)} · Data quality` : "Data quality";
}

function drawBanners() {
  const show_ = () => show(parse());
  keepFocus(top, () =>
    replaceChildren(
      top,
      found.newer &&
        banner(
          "news",
          h("b", {}, "New results are on file. "),
          h("button", { class: "button bare", type: "button", onclick: show_ }, "Show"),
        ),
      news(null, found.problem, show_),
      shown?.warnings.map((text) => banner("warn", text)),
    ),
  );
}

/** @param {import("../route.js").Route} route */
async function show(route) {
  turn += 1;
  const mine = turn;
  const same = place.firstElementChild?.classList.contains(route.view);
  if (!same) {
    shown = null;
    window.scrollTo(0, 0);
    replaceChildren(place, skeleton());
    replaceChildren(main, top, place); // not while the view stays: what is moved loses the focus
  }
  try {
    const next = await ask(route);
    if (mine !== turn) return;
    shown = next;
    found = { newer: false, problem: null };
    const node = /** @type {HTMLElement} */ (
      same ? place.firstElementChild : h("div", { class: `view ${route.view}` })
    );
    keepFocus(node, () => next.draw(node));
    if (!same) replaceChildren(place, node);
    drawBanners();
  } catch (error) {
    if (mine !== turn) return;
    shown = null;
    top.replaceChildren();
    replaceChildren(
      place,
      failed(error, "datasets", () => show(parse())),
    );
  }
  drawTabs(route.view);
}

/** Look whether there are newer results, and say so: what is open stays as it is. */
async function look() {
  if (!shown || document.visibilityState === "hidden") return;
  const mine = turn;
  try {
    const now = await shown.load();
    if (mine === turn) found = { newer: now.print !== shown?.print, problem: null };
  } catch (error) {
    if (mine === turn) found = { ...found, problem: error };
  }
  if (mine === turn) drawBanners();
}

focusSearchBySlash(main);
part("copy").replaceChildren(copyButton(() => changed(parse(), shown?.pinned ?? {})));

useViews(["datasets", "dataset"]);
restore();
mirror();
onChange(show);
document.addEventListener("visibilitychange", look);
setInterval(look, MINUTE);
drawTabs(parse().view);
show(parse());
