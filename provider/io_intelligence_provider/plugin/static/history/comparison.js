// Builds the table below a chart: the first, last, lowest and highest value of each line, as text.

import { h } from "../dom.js";
import { cut, days, field, plusDays } from "../format.js";
import { modelName, move, notPublished } from "../components.js";
import { colour } from "../charts/stepchart.js";
import { at, change, moves, value } from "../charts/steps.js";
import { link } from "../route.js";

/** Return the table of the series of one column over a range. */
export function comparison(state, series, kind) {
  const from = state.compare ?? state.start;
  const inRange = (item) =>
    item.steps.filter((step) => step[0] > state.start || step === at(item.steps, state.start));
  const rows = series.map((item) => {
    const known = inRange(item)
      .map(value)
      .filter((text) => text !== null)
      .sort((a, b) => Number(a) - Number(b));
    return {
      item,
      old: value(at(item.steps, from)),
      now: value(at(item.steps, state.end)),
      low: known[0] ?? null,
      high: known[known.length - 1] ?? null,
      moves: moves(inRange(item)),
    };
  });
  const cells = (key) => kind.cells(
    rows.map((row) => row[key]),
    state.column,
  );
  const text = kind.isText?.(state.column) ?? false;
  const [olds, nows, lows, highs] = ["old", "now", "low", "high"].map(cells);
  const th = (text, className = "") => h("th", { scope: "col", class: `number ${className}` }, text);
  return h(
    "table",
    { class: "table comparison" },
    h(
      "caption",
      { class: "unseen" },
      text
        ? `${field(state.column)}, ${from} compared with ${state.end}`
        : `${field(state.column)} ${kind.word}, ${kind.unit(state.column)}, ${from} compared with ${state.end}`,
    ),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col", class: "w-model" }, "Model"),
        th(from, "large"),
        th(state.end),
        !text && [
          th("Change"),
          th("Factor", "wide"),
          th("Lowest", "large middle"),
          th("Highest", "large middle"),
        ],
        th("Changes in range", "wide w-count"),
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
            { scope: "row" },
            h(
              "span",
              { class: "with-key" },
              h("span", { class: "key", style: { background: `var(--${colour(row.item.index).token})` } }),
              modelName(row.item.name, { href: link("models", { model: row.item.model_id }) }),
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

/** Draw texts over a range of days: a lane per model, divided where its text changes. */
export function states(state, series) {
  const whole = days(state.start, state.end) + 1;
  const lane = (item) => {
    const parts = item.steps.filter((step) => step[0] <= state.end);
    return parts.map((step, index) => {
      const next = parts[index + 1]?.[0];
      const until = next ? plusDays(next, -1) : state.end;
      const said = value(step);
      const words = step[2] ? (said === null ? "not published" : cut(said, 80)) : "not on file";
      const share = (100 * (days(step[0], until) + 1)) / whole;
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
        h("div", { class: "of" }, modelName(item.name)),
        h("ol", { class: "states", "aria-label": cut(item.name, 80) }, lane(item)),
      ),
    ),
  );
}

function factor(old, now) {
  if (old === null || now === null || Number(old) === 0) return notPublishedOrNone(old, now);
  const times = Number(now) / Number(old);
  return `× ${times >= 100 ? Math.round(times) : times.toPrecision(times >= 1 ? 3 : 2)}`;
}

function notPublishedOrNone(old, now) {
  return old === null || now === null ? notPublished() : "n/a";
}
