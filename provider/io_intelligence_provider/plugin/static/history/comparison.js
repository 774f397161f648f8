// @ts-check
// Builds the table below a chart: the first, last, lowest and highest value of each line, as text.

import { change, changesIn, isDoubtful, knownValue, stepAt, stepsFrom } from "../charts/geometry.js";
import { shadeOf } from "../charts/stepchart.js";
import { modelName, move, notPublished } from "../components.js";
import { h } from "../dom.js";
import { cut, daysBetween, field, plusDays } from "../format.js";

/** @typedef {import("./history.js").State} State */
/** @typedef {import("./history.js").Kind} Kind */
/** @typedef {import("./history.js").Line} Line */

/**
 * Return the table of the series of one column over a range.
 * @param {State} state
 * @param {Line[]} series
 * @param {Kind} kind
 */
export function comparison(state, series, kind) {
  const from = state.compare ?? state.start;
  const rows = series.map((item) => {
    const within = stepsFrom(item.steps, state.start).filter((step) => step[0] <= state.end);
    const known = within
      .map(knownValue)
      .filter((value) => value !== null)
      .sort((a, b) => Number(a) - Number(b));
    return {
      item,
      old: knownValue(stepAt(item.steps, from)),
      now: knownValue(stepAt(item.steps, state.end)),
      low: known[0] ?? null,
      high: known[known.length - 1] ?? null,
      days: {
        old: from,
        now: state.end,
        low: within.find((step) => knownValue(step) === known[0])?.[0],
        high: within.find((step) => knownValue(step) === known[known.length - 1])?.[0],
      },
      moves: changesIn(within),
    };
  });
  const text = kind.isText(state.column);
  const cells = (/** @type {"old" | "now" | "low" | "high"} */ key) =>
    kind.cells(
      rows.map((row) => row[key]),
      state.column,
      rows.map((row) => isDoubtful(row.item.doubtful, row.days[key])),
    );
  const [olds, nows, lows, highs] = [cells("old"), cells("now"), cells("low"), cells("high")];
  const th = (/** @type {string} */ words, className = "") =>
    h("th", { scope: "col", class: `number ${className}` }, words);
  const unit = text ? "" : ` ${kind.word}, ${kind.unit(state.column)}`;
  return h(
    "table",
    { class: "table natural comparison" },
    h("caption", { class: "unseen" }, `${field(state.column)}${unit}, ${from} compared with ${state.end}`),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Model"),
        th(from, "large"),
        th(state.end),
        !text && [th("Change"), th("Factor", "wide"), th("Lowest", "large middle"), th("Highest", "large middle")],
        th("Changes", "wide"),
      ),
    ),
    h(
      "tbody",
      {},
      rows.map((row, index) =>
        h(
          "tr",
          {},
          h(
            "th",
            { scope: "row", class: "takes-rest" },
            h(
              "span",
              { class: "with-key" },
              h("span", { class: `key ${shadeOf(row.item.index)}` }),
              modelName(row.item.name, row.item.model_id),
            ),
          ),
          h("td", { class: "number large" }, olds[index]),
          h("td", { class: "number strong" }, nows[index]),
          !text && [
            h("td", { class: "number" }, move(change(row.old, row.now))),
            h("td", { class: "number wide muted" }, factor(row.old, row.now)),
            h("td", { class: "number large middle" }, lows[index]),
            h("td", { class: "number large middle" }, highs[index]),
          ],
          h("td", { class: "number wide" }, row.moves),
        ),
      ),
    ),
  );
}

/**
 * @param {string | null} old
 * @param {string | null} now
 */
function factor(old, now) {
  if (old === null || now === null) return notPublished();
  if (Number(old) === 0) return "n/a";
  const times = Number(now) / Number(old);
  return `× ${times >= 100 ? Math.round(times) : times.toPrecision(times >= 1 ? 3 : 2)}`;
}

/**
 * Draw texts over a range of days: a lane per model, divided where its text changes.
 * @param {State} state
 * @param {Line[]} series
 */
export function lanes(state, series) {
  const whole = daysBetween(state.start, state.end) + 1;
  const lane = (/** @type {Line} */ item) => {
    const parts = stepsFrom(item.steps, state.start).filter((step) => step[0] <= state.end);
    return parts.map((step, index) => {
      const next = parts[index + 1]?.[0];
      const until = next ? plusDays(next, -1) : state.end;
      const said = knownValue(step);
      const words = step[2] ? (said === null ? "not published" : cut(said, 80)) : "not on file";
      const share = (100 * (daysBetween(step[0], until) + 1)) / whole;
      return h(
        "li",
        {
          class: `state ${said === null ? "none" : ""}`,
          style: { width: `${share}%` },
          title: `${step[0]} to ${until}: ${words}`,
        },
        h("span", { class: "unseen" }, `${step[0]} to ${until}: `),
        h("span", { class: "text", dir: "auto" }, words),
      );
    });
  };
  return h(
    "div",
    { class: "lanes" },
    series.map((item) =>
      h(
        "div",
        { class: "lane" },
        h("div", { class: "of" }, modelName(item.name, item.model_id)),
        h("ol", { class: "states", "aria-label": cut(item.name, 80) }, lane(item)),
      ),
    ),
  );
}
