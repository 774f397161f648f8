// @ts-check
// Shows one to ten models over time, one column at a time, in the views of prices and quotas.

import { get } from "../api.js";
import { isDoubtful, knownValue, stepAt } from "../charts/geometry.js";
import { shadeOf, stepChart } from "../charts/stepchart.js";
import * as components from "../components.js";
import * as controls from "../controls.js";
import { download } from "../csv.js";
import { h, icon, keepFocus, replaceChildren } from "../dom.js";
import { capital, cut, field, isDay, plural, plusDays, shortDay } from "../format.js";
import { link, update } from "../route.js";
import { catalogue, find, reference } from "../store.js";
import { modelCombo } from "./combo.js";
import { comparison, lanes } from "./comparison.js";

const RANGES = [
  ["30d", "30 d"],
  ["60d", "60 d"],
  ["90d", "90 d"],
  ["all", "All"],
  ["days", "Days"],
];
const MOST = 10;

/**
 * The columns of a view, and how it writes them.
 * @typedef {object} Kind
 * @property {string[]} fields the columns
 * @property {string} fallback the column by default
 * @property {string} range the range by default
 * @property {string} word for a value of the column
 * @property {boolean} whole whether values are whole numbers
 * @property {(column: string) => boolean} isText
 * @property {(column: string) => string} unit
 * @property {import("../charts/stepchart.js").Options["format"]} format
 * @property {(texts: (string | null)[], column: string, doubtful: boolean[]) => import("../dom.js").Child[]} cells
 * @property {(models: Api.Model[]) => Promise<Api.Model[]>} choose the models when the address names none
 * @property {string} empty why none was chosen
 * @property {boolean} [marked] whether the days of alerts are marked
 */
/** @typedef {{name: string, model_id: string, label: string, index: number, doubtful: import("../charts/geometry.js").Doubts, steps: import("../charts/geometry.js").Step[]}} Line */
/** @typedef {Awaited<ReturnType<typeof stateOf>>} State */

/**
 * Build the part of a view that shows histories.
 * @param {import("../app.js").Context} context
 * @param {Kind} kind
 * @returns {Promise<import("../app.js").View>}
 */
export async function history({ node, params, status }, kind) {
  const listed = await catalogue();
  const [pills, bar] = [h("div", { class: "pills" }), h("div", { class: "controls" })];
  const [card, table] = [h("section", { class: "card" }), h("section", { class: "card" })];
  const notes = h("div", {});
  replaceChildren(node, bar, pills, notes, card, table);
  let stop = () => {};
  let asked = 0;
  let state = await stateOf(params, status, kind, listed.items);

  /** @param {URLSearchParams} now */
  async function draw(now) {
    asked += 1;
    const mine = asked;
    const next = await stateOf(now, status, kind, listed.items);
    if (mine !== asked) return;
    state = next;
    const { models, column, start, end, compare } = state;
    const first = compare && compare < start ? compare : start;
    const last = compare && compare > end ? compare : end;
    const answered = models.length ? get("history", { models, fields: [column], start: first, end: last }) : null;
    // A ledger that cannot be read leaves the marks out, not the prices.
    const alerted = kind.marked && models.length ? get("alerts", { models, start, end, limit: 5000 }) : null;
    const marks = alerted?.then(({ items }) => items.filter((item) => item.field === column)).catch(() => []);
    keepFocus(node, () => {
      drawPills(pills, state, listed);
      replaceChildren(
        bar,
        // A press before the answer has arrived saves the file when it arrives.
        controlsOf(state, kind, (form) =>
          answered?.then(
            (answer) => save(state, answer, form),
            () => null,
          ),
        ),
      );
    });
    if (!answered) {
      stop();
      replaceChildren(
        card,
        components.emptyState("No model chosen", state.named ? "" : kind.empty, " Add up to ten above."),
      );
      table.hidden = true;
      return;
    }
    let answer;
    try {
      answer = await answered;
    } catch (error) {
      if (mine !== asked) return;
      const { kind: what, title } = components.described(error);
      if (what !== "not_on_file" && what !== "invalid") throw error;
      replaceChildren(card, components.banner("warn", h("b", {}, `${title}. `), /** @type {Error} */ (error).message));
      table.hidden = true;
      return;
    }
    if (mine !== asked) return;
    replaceChildren(
      notes,
      answer.warnings.map((text) => components.banner("warn", text)),
    );
    const chart = (/** @type {Api.SentChange[]} */ alerts) =>
      keepFocus(card, () => {
        stop();
        stop = drawChart(card, state, answer, kind, alerts);
      });
    chart([]);
    table.hidden = false;
    replaceChildren(table, comparison(state, linesOf(answer), kind));
    const marked = (await marks) ?? []; // of a slow storage, so the chart does not wait for them
    if (mine !== asked || !marked.length) return;
    chart(marked);
  }

  replaceChildren(card, components.skeleton(6));
  table.hidden = true;
  return {
    placed: () => draw(params),
    stop: () => stop(),
    change: draw,
    pinned: () => ({ model: state.models, start: state.start, end: state.end }),
  };
}

/**
 * @param {URLSearchParams} params
 * @param {import("../store.js").Status} status
 * @param {Kind} kind
 * @param {Api.Model[]} items
 */
async function stateOf(params, status, kind, items) {
  const day = (/** @type {string} */ key) =>
    isDay(params.get(key) ?? "") ? /** @type {string} */ (params.get(key)) : null;
  const asked = params.get("field") ?? "";
  const named = params.has("model") || params.has("none");
  const chosen = named ? [] : await kind.choose(items);
  const models = named ? params.getAll("model") : chosen.map((model) => reference(model, items));
  const range = RANGES.find(([key]) => key === params.get("range"))?.[0] ?? kind.range;
  const [first, last] = [status.dates[0], status.latest];
  const within = (/** @type {string} */ one) => (one < first ? first : one > last ? last : one);
  const end = within(day("end") ?? last);
  const usual = range === "all" ? first : plusDays(end, -(Number.parseInt(range, 10) || 60));
  const start = within(day("start") ?? usual);
  const compare = day("compare");
  return {
    column: kind.fields.includes(asked) ? asked : kind.fallback,
    models: models.slice(0, MOST),
    named,
    range: params.has("start") ? "days" : range,
    start: start > end ? first : start,
    end,
    first,
    last,
    compare: compare && compare >= first && compare <= last ? compare : null,
    log: params.get("scale") === "log",
  };
}

/**
 * @param {Element} node
 * @param {State} state
 * @param {Api.ModelsAnswer} listed
 */
function drawPills(node, state, { items, removed }) {
  /** @type {import("./combo.js").Offered[]} */
  const offered = [...items, ...removed];
  const without = (/** @type {string} */ model) => {
    const left = state.models.filter((other) => other !== model);
    update({ model: left, none: left.length ? null : "1" }, { push: true });
  };
  const pill = (/** @type {string} */ model, /** @type {number} */ index) => {
    const name = find(offered, model)?.name ?? model;
    return h(
      "span",
      { class: "pill" },
      h("span", { class: `key ${shadeOf(index)}` }),
      h("span", { class: "text", dir: "auto", title: cut(name, 300) }, cut(components.shortName(name), 80)),
      h(
        "button",
        { type: "button", "aria-label": `Remove ${cut(name, 80)}`, onclick: () => without(model) },
        icon("cross", 12),
      ),
    );
  };
  const chosen = new Set(state.models.map((model) => find(offered, model)?.model_id));
  const add = (/** @type {import("./combo.js").Offered} */ model) =>
    update({ model: [...state.models, reference(model, offered)], none: null }, { push: true });
  replaceChildren(
    node,
    state.models.map(pill),
    state.models.length < MOST &&
      modelCombo(
        offered.filter((model) => !chosen.has(model.model_id)),
        "Add model",
        `${state.models.length} of ${MOST}`,
        add,
      ),
  );
}

/**
 * @param {State} state
 * @param {Kind} kind
 * @param {(form: import("../csv.js").Form) => void} saveAs
 */
function controlsOf(state, kind, saveAs) {
  const range = (/** @type {string} */ key) =>
    update(
      key === "days"
        ? { start: state.start, end: state.end }
        : { range: key === kind.range ? null : key, start: null, end: null },
    );
  const bounds = { min: state.first, max: state.last };
  const compare = state.compare
    ? h(
        "span",
        { class: "field compare" },
        h("span", { class: "label", "aria-hidden": "true" }, "Compare with"),
        controls.dayInput("Compare with", state.compare, bounds, (day) => update({ compare: day })),
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
    controls.segments(
      capital(kind.word),
      kind.fields.map((column) => ({ value: column, text: capital(field(column)) })),
      state.column,
      (column) => update({ field: column === kind.fallback ? null : column }),
    ),
    controls.segments(
      "Range",
      RANGES.map(([value, text]) => ({ value, text })),
      state.range,
      range,
    ),
    state.range === "days" &&
      controls.daysField([state.start, state.end], bounds, (start, end) => update({ start, end })),
    !kind.isText(state.column) &&
      controls.segments(
        "Scale",
        [
          { value: false, text: "Linear" },
          { value: true, text: "Log" },
        ],
        state.log,
        (log) => update({ scale: log ? "log" : null }),
      ),
    compare,
    h("span", { class: "end" }, controls.csvMenu(saveAs)),
  ];
}

/**
 * Return the series in the requested order, each with the index of its colour and what held before the range.
 * @param {Api.HistoryAnswer} answer
 * @returns {Line[]}
 */
function linesOf(answer) {
  return answer.series.map(({ name, model_id, steps, before, doubtful }, index) => ({
    name,
    model_id,
    doubtful,
    index,
    label: components.shortName(name),
    steps: before ? [before, ...steps] : steps,
  }));
}

/**
 * @param {Element} card
 * @param {State} state
 * @param {Api.HistoryAnswer} answer
 * @param {Kind} kind
 * @param {Api.SentChange[]} alerts
 */
function drawChart(card, state, answer, kind, alerts) {
  const series = linesOf(answer);
  const { start, end, log } = state;
  const name = capital(field(state.column));
  if (kind.isText(state.column)) {
    replaceChildren(
      card,
      components.cardHead(name, `${start} to ${end}; one holds until it changes`),
      lanes(state, series),
    );
    return () => {};
  }
  const title = `${name} ${kind.word}`;
  const plot = h("div", { class: "plot tall" });
  const marks = [...new Set(alerts.map((alert) => alert.date))].sort();
  const days = answer.dates.filter((day) => day >= start && day <= end);
  const gaps = log && series.some(({ steps }) => steps.some((step) => step[2] && Number(step[1] ?? 1) === 0));
  const unit = kind.unit(state.column);
  replaceChildren(
    card,
    components.cardHead(title, `${unit}${log ? ", log scale" : ""}; a ${kind.word} holds until it changes`),
    plot,
    gaps &&
      h(
        "p",
        { class: "chart-note muted" },
        "Where a line is missing, its value is 0 or not published: a log scale has no place for it.",
      ),
    marks.length > 0 &&
      h(
        "p",
        { class: "chart-note muted" },
        `▲ on ${plural(marks.length, "day")} a change was alerted: `,
        h("a", { href: link("alerts", { model: state.models, start, end }) }, "the alerts"),
      ),
  );
  return stepChart(plot, {
    series,
    start,
    end,
    days,
    log,
    compare: state.compare,
    marks,
    format: kind.format,
    whole: kind.whole,
    zoom: (from, to) => update({ start: from, end: to }, { push: true }),
    reset: state.range === "days" ? () => update({ start: null, end: null }, { push: true }) : null,
    title: `${title}, ${shortDay(start)} to ${shortDay(end)}, ${plural(series.length, "model")}`,
  });
}

/**
 * @param {State} state
 * @param {Api.HistoryAnswer} answer
 * @param {import("../csv.js").Form} form
 */
function save(state, answer, form) {
  const series = linesOf(answer);
  const rows = answer.dates
    .filter((day) => day >= state.start && day <= state.end)
    .flatMap((day) =>
      series.map((item) => {
        const step = stepAt(item.steps, day);
        const value = knownValue(step);
        const published = isDoubtful(item.doubtful, day) ? "doubtful" : "published";
        const known = value !== null ? published : step?.[2] ? "not published" : "not on file";
        return [day, item.name, item.model_id, state.column, value, known];
      }),
    );
  const columns = ["snapshot_date", "name", "model_id", "field", "value", "state"];
  download(
    `io-intelligence-${state.column}-${state.start}-${state.end}.csv`,
    columns.map((name) => ({ name, number: name === "value" })),
    rows,
    form,
  );
}
