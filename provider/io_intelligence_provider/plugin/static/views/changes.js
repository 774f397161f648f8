// Shows the changes by day, then by model; the fields of a model are side by side.

import { get } from "../api.js";
import { bars } from "../charts/bars.js";
import { prepareCharts } from "../charts/plot.js";
import { catalogue, find } from "../catalogue.js";
import { h, icon, replaceChildren } from "../dom.js";
import { drawFeed, PAGE } from "../changes/feed.js";
import { keepFocus } from "../focus.js";
import { cut } from "../format.js";
import {
  cardHead,
  csvButton,
  daysField,
  emptyState,
  searchField,
  segments,
  select,
  shortName,
  skeleton,
} from "../components.js";
import { query, KINDS, save, SIZES, stateOf } from "../changes/query.js";
import { update } from "../route.js";

prepareCharts();

/** Show the view; its parameters: q, kind, size, direction, start, end, model. */
export async function show({ node, params, status }) {
  const ask = (state, signal) => get("changes", { ...query(state), limit: PAGE }, signal);
  let first = ask(stateOf(params, status)); // requested in parallel with the days, which do not depend on it
  first.catch(() => null); // draw reports the error
  const history = await get("changes/days");
  const controls = h("div", { class: "controls" });
  const pills = h("div", { class: "pills" });
  const strip = h("section", { class: "card strip" });
  const feed = h("section", { class: "card" });
  const search = searchField(params.get("q") ?? "", (text) => update({ q: text || null }));
  let stopStrip = () => {};
  let asked = null;
  let waiting = 0;
  replaceChildren(node, controls, pills, strip, feed);

  async function draw(now) {
    const state = stateOf(now, status);
    asked?.abort();
    asked = new AbortController();
    const { signal } = asked;
    keepFocus(node, () => {
      replaceChildren(
        controls,
        search,
        controlsOf(state, status, () => save(state)),
      );
      pill(pills, state);
    });
    stopStrip();
    stopStrip = drawStrip(strip, state, history.days, status);
    try {
      const answer = first ?? ask(state, signal);
      first = null;
      const data = await answer;
      if (!signal.aborted) drawFeed(feed, data, state);
    } catch (error) {
      if (error.name !== "AbortError")
        replaceChildren(
          feed,
          emptyState(error.title ?? "Something went wrong", `${error.message} ${error.action ?? ""}`),
        );
    }
  }

  replaceChildren(feed, skeleton(6));
  return {
    placed: () => draw(params),
    stop() {
      asked?.abort();
      stopStrip();
    },
    change(now) {
      // Only the last key press of fast typing sends a request.
      clearTimeout(waiting);
      waiting = setTimeout(
        () => draw(now),
        document.activeElement === search.querySelector("input") ? 120 : 0,
      );
    },
  };
}

function controlsOf(state, status, save_) {
  const direction = (side, arrow) => ({
    value: side,
    text: [h("span", { class: side, "aria-hidden": "true" }, `${arrow} `), side],
  });
  return [
    select(
      "Kind",
      Object.entries(KINDS).map(([value, { text }]) => ({ value, text })),
      state.kind,
      (kind) => update({ kind: kind || null }),
    ),
    segments(
      "Size",
      SIZES.map((value) => ({ value, text: value ? `≥ ${value}\u202f%` : "Any size" })),
      state.size,
      (size) => update({ size: size || null }),
    ),
    segments(
      "Direction",
      [{ value: "", text: "Both" }, direction("up", "▲"), direction("down", "▼")],
      state.direction,
      (side) => update({ direction: side || null }),
    ),
    daysField("Days", [state.start, state.end], { min: status.dates[0], max: status.latest }, (start, end) =>
      update({ start, end }),
    ),
    h("span", { class: "end" }, csvButton(save_)),
  ];
}

function pill(node, state) {
  if (!state.model) {
    replaceChildren(node);
    node.hidden = true;
    return;
  }
  node.hidden = false;
  const text = h("span", { class: "text", dir: "auto" }, cut(state.model, 80));
  replaceChildren(
    node,
    h(
      "span",
      { class: "pill" },
      h("span", { class: "muted" }, "Model"),
      text,
      h(
        "button",
        { type: "button", "aria-label": "Show all models", onclick: () => update({ model: null }) },
        icon("cross", 12),
      ),
    ),
  );
  catalogue().then(({ items }) => {
    const found = find(items, state.model);
    if (found) text.textContent = cut(shortName(found.name), 80);
  });
}

function drawStrip(card, state, days, status) {
  const plot = h("div", { class: "plot" });
  const whole = state.start === status.dates[0] && state.end === status.latest;
  const choose = whole
    ? h("a", { href: "#/changes" }, "latest days")
    : h(
        "button",
        {
          class: "button bare",
          type: "button",
          onclick: () => update({ start: status.dates[0], end: status.latest }),
        },
        "whole history",
      );
  const key = h(
    "span",
    { class: "sub" },
    h("span", { class: "up move" }, "▲ up"),
    " above the line, ",
    h("span", { class: "down move" }, "▼ down"),
    " below, ○ model added or removed",
  );
  const head = cardHead(
    "Changes per day",
    null,
    h("span", { class: "muted" }, `${state.start} to ${state.end} `),
    choose,
  );
  head.insertBefore(key, head.lastChild);
  if (!days.length) {
    replaceChildren(card, head, emptyState("No changes on file yet", "They are found from the second snapshot on."));
    return () => {};
  }
  replaceChildren(card, head, plot);
  return bars(plot, {
    days,
    title: "Changes per day",
    marks: true,
    selected: [state.start, state.end],
    choose: (day) => update({ start: day, end: day }, { push: true }),
  });
}
