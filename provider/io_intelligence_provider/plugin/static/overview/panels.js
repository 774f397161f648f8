// Builds the three panels at the bottom of the overview.

import { bars } from "../charts/bars.js";
import { h, icon } from "../dom.js";
import { count, cut, field, plural, price } from "../format.js";
import { cardHead, emptyState, modelName } from "../components.js";
import { link } from "../route.js";
import { stepChart } from "../charts/stepchart.js";

export function reference(row) {
  return row.name.length <= 200 && row.name.trim() === row.name ? row.name : row.model_id;
}

export function perDay(data, charts) {
  const plot = h("div", { class: "plot" });
  charts.push(
    later((start) => (start.stop = bars(plot, { days: data.per_day, title: "Price changes per day" }))),
  );
  const total = data.per_day.reduce((sum, day) => [sum[0] + day.up, sum[1] + day.down], [0, 0]);
  return h(
    "section",
    { class: "card span-4" },
    cardHead("Price changes per day", "all four prices"),
    data.per_day.length ? plot : emptyState("Nothing to compare yet"),
    h(
      "p",
      { class: "unseen" },
      `${total[0]} rises and ${total[1]} falls on ${plural(data.per_day.length, "day")}; the view Changes lists them.`,
    ),
  );
}

export function medians(data, charts, status) {
  const plot = h("div", { class: "plot" });
  const series = [
    ["output_token_price", "Output"],
    ["input_token_price", "Input"],
  ]
    .map(([column, label], index) => ({
      label,
      index,
      steps: (data.median_series[column] ?? []).map(([day, value]) => [day, value, true]),
    }))
    .filter((item) => item.steps.length);
  const first = series.map((item) => item.steps[0][0]).sort()[0];
  const days = status.dates.filter((day) => first && day >= first && day <= data.date);
  if (series.length) {
    charts.push(
      later(
        (start) =>
          (start.stop = stepChart(plot, {
            series,
            start: first,
            end: data.date,
            days,
            log: false,
            format: price,
            title: "Median price",
          })),
      ),
    );
  }
  const table = h(
    "table",
    { class: "unseen" },
    h("caption", {}, "Median price, USD per 1M tokens"),
    h(
      "tbody",
      {},
      series.map((item) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, item.label),
          h("td", {}, price(item.steps[item.steps.length - 1][1])),
        ),
      ),
    ),
  );
  return h(
    "section",
    { class: "card span-4" },
    cardHead("Median price", "all models, USD per 1M tokens"),
    series.length ? [plot, table] : emptyState("No price published"),
  );
}

/** Draw a chart once its element is in the document and has a width. */
function later(begin) {
  const chart = { start: () => begin(chart) };
  return chart;
}

const KINDS = { model_added: ["plus", "added"], model_removed: ["minus", "removed"] };

export function events(data) {
  const row = (event) => {
    const [sign, word] = KINDS[event.change] ?? ["pencil", field(event.field)];
    const written = (value) => (value === null ? "—" : /^\d+$/.test(value) ? count(value) : cut(value, 40));
    return h(
      "li",
      {},
      h("span", { class: "muted" }, event.date),
      icon(sign, 14),
      h(
        "span",
        { class: "what" },
        modelName(event.name, { href: link("models", { model: reference(event) }) }),
        !KINDS[event.change] &&
          h("span", { class: "values" }, `${written(event.old_value)} → ${written(event.new_value)}`),
      ),
      h("span", { class: "muted" }, word),
    );
  };
  return h(
    "section",
    { class: "card span-4" },
    cardHead("Models and limits", null, h("a", { href: link("changes") }, "All changes")),
    data.events.length
      ? h("ul", { class: "events" }, data.events.map(row))
      : emptyState("No model came or went", "and no limit, quota or access tier moved"),
  );
}
