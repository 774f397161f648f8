// @ts-check
// Shows the changes by day, then by model; the fields of a model are side by side.

import { get } from "../api.js";
import { drawFeed, PAGE } from "../changes/feed.js";
import { KINDS, query, SIZES, save, stateOf } from "../changes/query.js";
import { bars } from "../charts/bars.js";
import * as components from "../components.js";
import * as controls from "../controls.js";
import { h, icon, keepFocus, replaceChildren } from "../dom.js";
import { cut } from "../format.js";
import { update } from "../route.js";
import { catalogue, find } from "../store.js";

/** @typedef {import("../changes/query.js").State} State */
/** @typedef {import("../store.js").Status} Status */

/**
 * Show the view; its parameters: q, kind, size, direction, start, end, model.
 * @param {import("../app.js").Context} context
 * @returns {Promise<import("../app.js").View>}
 */
export async function show({ node, params, status }) {
  const ask = (/** @type {State} */ state, /** @type {AbortSignal | undefined} */ signal = undefined) =>
    get("changes", { ...query(state), limit: PAGE }, signal);
  let state = stateOf(params, status);
  /** @type {Promise<Api.ChangesAnswer> | null} */
  let first = ask(state); // requested in parallel with the days, which do not depend on it
  first.catch(() => null); // draw reports the error
  const history = await get("changes/days");
  const days = history.days.filter((day) => day.date <= status.latest);
  const bar = h("div", { class: "controls" });
  const pills = h("div", { class: "pills" });
  const notes = h("div", {});
  const strip = h("section", { class: "card strip" });
  const feed = h("section", { class: "card" });
  const search = controls.searchField(params.get("q") ?? "", (text) => update({ q: text || null }));
  let stopStrip = () => {};
  let asked = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  replaceChildren(node, bar, pills, strip, notes, feed);

  /** @param {URLSearchParams} now */
  async function draw(now) {
    state = stateOf(now, status);
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    if (search.input !== document.activeElement) search.input.value = state.q;
    keepFocus(node, () => {
      replaceChildren(bar, search.field, controlsOf(state, status));
      drawPill(pills, state);
    });
    keepFocus(strip, () => {
      stopStrip();
      stopStrip = drawStrip(strip, state, days, status);
    });
    try {
      const answer = first ?? ask(state, signal);
      first = null;
      const data = await answer;
      if (signal.aborted) return;
      replaceChildren(
        notes,
        data.warnings.map((text) => components.banner("warn", text)),
      );
      drawFeed(feed, data, state);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return;
      const { title, text } = components.described(error);
      replaceChildren(feed, components.emptyState(title, text));
    }
  }

  replaceChildren(feed, components.skeleton(6));
  return {
    warnings: history.warnings,
    placed: () => draw(params),
    stop() {
      clearTimeout(waiting);
      asked.abort();
      stopStrip();
    },
    change(now) {
      // Only the last key press of fast typing sends a request.
      clearTimeout(waiting);
      waiting = setTimeout(() => draw(now), document.activeElement === search.input ? 120 : 0);
    },
    pinned: () => ({ start: state.start, end: state.end }),
  };
}

/**
 * @param {State} state
 * @param {Status} status
 */
function controlsOf(state, status) {
  const direction = (/** @type {string} */ side, /** @type {string} */ arrow) => ({
    value: side,
    text: [h("span", { class: side, "aria-hidden": "true" }, `${arrow} `), side],
  });
  return [
    controls.select(
      "Kind",
      Object.entries(KINDS).map(([value, { text }]) => ({ value, text })),
      state.kind,
      (kind) => update({ kind: kind || null }),
    ),
    controls.segments(
      "Size",
      SIZES.map((value) => ({ value, text: value ? `≥ ${value}\u202f%` : "Any size" })),
      state.size,
      (size) => update({ size: size || null }),
    ),
    controls.segments(
      "Direction",
      [{ value: "", text: "Both" }, direction("up", "▲"), direction("down", "▼")],
      state.direction,
      (side) => update({ direction: side || null }),
    ),
    controls.daysField([state.start, state.end], { min: status.dates[0], max: status.latest }, (start, end) =>
      update({ start, end }),
    ),
    h(
      "span",
      { class: "end" },
      controls.csvMenu((form) => save(state, form)),
    ),
  ];
}

/**
 * @param {HTMLElement} node
 * @param {State} state
 */
async function drawPill(node, state) {
  const { model } = state;
  node.hidden = model === null;
  if (model === null) return replaceChildren(node);
  const text = h("span", { class: "text", dir: "auto" }, cut(model, 80));
  const all = { type: "button", "aria-label": "Show all models", onclick: () => update({ model: null }) };
  replaceChildren(
    node,
    h("span", { class: "pill" }, h("span", { class: "muted" }, "Model"), text, h("button", all, icon("cross", 12))),
  );
  const { items, removed } = await catalogue();
  const found = find([...items, ...removed], model);
  if (found) replaceChildren(text, cut(components.shortName(found.name), 80));
}

/**
 * @param {Element} card
 * @param {State} state
 * @param {Api.DayCounts[]} days
 * @param {Status} status
 */
function drawStrip(card, state, days, status) {
  const plot = h("div", { class: "plot" });
  const [first, last] = [status.dates[0], status.latest];
  const whole = state.start === first && state.end === last;
  const range = (/** @type {string | null} */ start, /** @type {string | null} */ end) => () =>
    update({ start, end }, { push: true });
  const all = h(
    "button",
    { class: "button bare", type: "button", onclick: whole ? range(null, null) : range(first, last) },
    whole ? "latest days" : "whole history",
  );
  const key = [
    h("span", { class: "up move" }, "▲ up"),
    " above the line, ",
    h("span", { class: "down move" }, "▼ down"),
    " below, ○ model added or removed; drag to select days",
  ];
  const shown = h("span", { class: "muted" }, `${state.start} to ${state.end} `);
  const title = components.cardHead("Changes per day", key, shown, all);
  if (!days.length) {
    const none = components.emptyState("No changes on file yet", "They are found from the second snapshot on.");
    replaceChildren(card, title, none);
    return () => {};
  }
  replaceChildren(card, title, plot);
  return bars(plot, {
    days,
    title: "Changes per day",
    marks: true,
    selected: [state.start, state.end],
    choose: (day) => update({ start: day, end: day }, { push: true }),
    zoom: (start, end) => update({ start, end }, { push: true }),
  });
}
