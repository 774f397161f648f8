// Shows one to ten models over time, one column at a time, in the views of prices and quotas.

import { get } from "../api.js";
import { catalogue, find, reference } from "../catalogue.js";
import { modelCombo } from "./combo.js";
import { download } from "../csv.js";
import { h, icon, replaceChildren } from "../dom.js";
import { capital, cut, field, plural, plusDays, shortDay } from "../format.js";
import { keepFocus } from "../focus.js";
import {
  banner,
  cardHead,
  csvButton,
  dayInput,
  daysField,
  emptyState,
  segments,
  shortName,
  skeleton,
} from "../components.js";
import { update } from "../route.js";
import { prepareCharts } from "../charts/plot.js";
import { colour, stepChart } from "../charts/stepchart.js";
import { at, value } from "../charts/steps.js";
import { comparison, states } from "./comparison.js";

prepareCharts();

const RANGES = [
  ["30d", "30 d"],
  ["60d", "60 d"],
  ["90d", "90 d"],
  ["all", "All"],
  ["days", "Days"],
];
const MOST = 10;

/**
 * Build the part of a view that shows histories.
 *
 * @param kind {fields, fallback, unit, word, format, cells, whole, choose, isText}: the columns, the default
 *             column, their unit, the word for a column, how to write a value as text and in cells, whether
 *             values are whole numbers, which models to show when the URL names none, and whether a column
 *             holds text.
 */
export async function history({ node, params, status }, kind) {
  const listed = await catalogue();
  const pills = h("div", { class: "pills" });
  const controls = h("div", { class: "controls" });
  const card = h("section", { class: "card" });
  const table = h("section", { class: "card" });
  replaceChildren(node, pills, controls, card, table);
  let stop = () => {};
  let asked = 0;

  async function draw(now) {
    const mine = (asked += 1);
    const state = stateOf(now, status, kind, listed.items);
    const answered = state.models.length
      ? get("history", {
          models: state.models,
          fields: [state.column],
          start: earliest(state),
          end: state.end,
        })
      : null;
    keepFocus(node, () => {
      drawPills(pills, state, listed.items, kind);
      replaceChildren(
        controls,
        // A press before the answer has arrived saves the file when it arrives.
        controlsOf(state, kind, () =>
          answered?.then(
            (answer) => save(state, answer),
            () => null,
          ),
        ),
      );
    });
    if (!answered) {
      stop();
      replaceChildren(card, emptyState("No model chosen", "Add up to ten above."));
      replaceChildren(table);
      table.hidden = true;
      return;
    }
    let answer;
    try {
      answer = await answered;
    } catch (error) {
      if (mine !== asked) return;
      if (error.kind !== "not_on_file" && error.kind !== "invalid") throw error;
      replaceChildren(card, banner("warn", h("b", {}, `${error.title}. `), error.message));
      table.hidden = true;
      return;
    }
    if (mine !== asked) return;
    stop();
    stop = drawChart(card, state, answer, kind);
    table.hidden = false;
    replaceChildren(table, comparison(state, seriesOf(answer), kind));
  }

  replaceChildren(card, skeleton(6));
  table.hidden = true;
  return { placed: () => draw(params), stop: () => stop(), change: draw };
}

function earliest(state) {
  return state.compare && state.compare < state.start ? state.compare : state.start;
}

function stateOf(params, status, kind, items) {
  const column = kind.fields.includes(params.get("field")) ? params.get("field") : kind.fallback;
  const named = params.getAll("model");
  const models = (
    named.length
      ? named
      : params.has("none")
        ? []
        : kind.choose(items).map((model) => reference(model, items))
  ).slice(0, MOST);
  const range = params.has("start")
    ? "days"
    : RANGES.some(([key]) => key === params.get("range"))
      ? params.get("range")
      : "60d";
  const last = status.latest;
  const first = status.dates[0];
  let end = params.get("end") && params.get("end") <= last ? params.get("end") : last;
  let start =
    range === "all"
      ? first
      : range === "days"
        ? (params.get("start") ?? plusDays(last, -60))
        : plusDays(last, -Number.parseInt(range, 10));
  if (!/^\d{4}-\d{2}-\d{2}$/.test(end)) end = last;
  if (!/^\d{4}-\d{2}-\d{2}$/.test(start) || start > end) start = first;
  if (start < first) start = first;
  const asked = params.get("compare") ?? "";
  const compare = /^\d{4}-\d{2}-\d{2}$/.test(asked) && asked >= first && asked <= last ? asked : null;
  return {
    column,
    models,
    range,
    start,
    end,
    first,
    last,
    compare,
    log: params.get("scale") === "log",
    named: named.length > 0,
  };
}

function drawPills(node, state, items, kind) {
  const without = (model) => {
    const left = state.models.filter((other) => other !== model);
    update({ model: left, none: left.length ? null : "1" }, { push: true });
  };
  const pill = (model, index) => {
    const shade = colour(index);
    const name = find(items, model)?.name ?? model;
    return h(
      "span",
      { class: "pill" },
      h("span", { class: `key ${shade.dash}`, style: { background: `var(--${shade.token})` } }),
      h("span", { class: "text", dir: "auto", title: cut(name, 300) }, cut(shortName(name), 80)),
      h(
        "button",
        { type: "button", "aria-label": `Remove ${cut(name, 80)}`, onclick: () => without(model) },
        icon("cross", 12),
      ),
    );
  };
  const chosen = new Set(state.models.map((model) => find(items, model)?.model_id));
  const add = (model) =>
    update({ model: [...state.models, reference(model, items)], none: null }, { push: true });
  replaceChildren(
    node,
    state.models.map(pill),
    state.models.length < MOST &&
      modelCombo(
        items.filter((model) => !chosen.has(model.model_id)),
        "Add model",
        `${state.models.length} of ${MOST}`,
        add,
      ),
    kind.hint,
  );
}

function controlsOf(state, kind, save_) {
  const range = (key) =>
    update(
      key === "days"
        ? { range: null, start: state.start, end: state.end }
        : { range: key === "60d" ? null : key, start: null, end: null },
    );
  const compare = state.compare
    ? h(
        "span",
        { class: "field compare" },
        h("span", { class: "label", "aria-hidden": "true" }, "Compare with"),
        dayInput("Compare with", state.compare, { min: state.first, max: state.last }, (compare) =>
          update({ compare }),
        ),
        h(
          "button",
          {
            type: "button",
            class: "button bare",
            "aria-label": "Stop comparing",
            onclick: () => update({ compare: null }),
          },
          icon("cross", 12),
        ),
      )
    : h(
        "button",
        { type: "button", class: "button", onclick: () => update({ compare: state.start }) },
        "Compare with a day",
      );
  return [
    segments(
      capital(kind.word),
      kind.fields.map((column) => ({ value: column, text: capital(field(column)) })),
      state.column,
      (column) => update({ field: column === kind.fallback ? null : column }),
    ),
    segments(
      "Range",
      RANGES.map(([key, text]) => ({ value: key, text })),
      state.range,
      range,
    ),
    state.range === "days" &&
      daysField("Days", [state.start, state.end], { min: state.first, max: state.last }, (start, end) =>
        update({ start, end }),
      ),
    !kind.isText?.(state.column) &&
      segments(
        "Scale",
        [
          { value: false, text: "Linear" },
          { value: true, text: "Log" },
        ],
        state.log,
        (log) => update({ scale: log ? "log" : null }),
      ),
    compare,
    h("span", { class: "end" }, csvButton(save_)),
  ];
}

/** Return the series in the requested order, each with the index of its colour. */
function seriesOf(answer) {
  return answer.series.map((series, index) => ({ ...series, index, label: shortName(series.name) }));
}

function drawChart(card, state, answer, kind) {
  if (kind.isText?.(state.column)) {
    const series = seriesOf(answer).map((item) => ({ ...item, steps: clipped(item.steps, state.start) }));
    replaceChildren(
      card,
      cardHead(capital(field(state.column)), `${state.start} to ${state.end}; one holds until it changes`),
      states(state, series),
    );
    return () => {};
  }
  const title = `${capital(field(state.column))} ${kind.word}`;
  const plot = h("div", { class: "plot tall" });
  const series = seriesOf(answer).map((item) => ({ ...item, steps: clipped(item.steps, state.start) }));
  const days = answer.dates.filter((day) => day >= state.start && day <= state.end);
  const free =
    state.log &&
    series.some((item) => item.steps.some((step) => step[2] && step[1] !== null && Number(step[1]) === 0));
  replaceChildren(
    card,
    cardHead(
      title,
      `${kind.unit(state.column)}${state.log ? ", log scale" : ""}; a ${kind.word} holds until it changes`,
    ),
    plot,
    free &&
      h(
        "p",
        { class: "chart-note muted" },
        "Where a line is missing, its value is 0 (free) or not published: a log scale has no place for it.",
      ),
  );
  return stepChart(plot, {
    series,
    start: state.start,
    end: state.end,
    days,
    log: state.log,
    compare: state.compare,
    format: kind.format,
    whole: kind.whole,
    title: `${title}, ${shortDay(state.start)} to ${shortDay(state.end)}, ${plural(series.length, "model")}`,
  });
}

/** Return the steps from a day on; the step in force on that day is moved to it. */
function clipped(steps, start) {
  const held = at(steps, start);
  return held && held[0] < start
    ? [[start, held[1], held[2]], ...steps.filter((step) => step[0] > start)]
    : steps;
}

function save(state, answer) {
  const series = seriesOf(answer);
  const lines = answer.dates
    .filter((day) => day >= state.start)
    .flatMap((day) =>
      series.map((item) => {
        const step = at(item.steps, day);
        return [
          day,
          item.name,
          item.model_id,
          state.column,
          value(step),
          step && step[2] ? (step[1] === null ? "not published" : "published") : "not on file",
        ];
      }),
    );
  download(`io-intelligence-${state.column}-${state.start}-${state.end}.csv`, [
    ["snapshot_date", "name", "model_id", "field", "value", "state"],
    ...lines,
  ]);
}
