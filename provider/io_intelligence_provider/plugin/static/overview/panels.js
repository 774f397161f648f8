// @ts-check
// Builds the three panels at the bottom of the overview.

import { bars } from "../charts/bars.js";
import { stepChart } from "../charts/stepchart.js";
import { cardHead, emptyState, modelName } from "../components.js";
import { h, icon } from "../dom.js";
import { anyValue, field, plural, price } from "../format.js";
import { link } from "../route.js";

/** @typedef {() => () => void} Chart draws a chart once its element is in the document, and returns what stops it */

/**
 * @param {Api.OverviewAnswer} data
 * @param {Chart[]} charts
 */
export function perDay(data, charts) {
  const plot = h("div", { class: "plot" });
  const days = data.per_day;
  const go = (/** @type {string} */ start, end = start) => {
    window.location.hash = link("changes", { start, end });
  };
  if (days.length) charts.push(() => bars(plot, { days, title: "Price changes per day", choose: go, zoom: go }));
  const [up, down] = days.reduce(([rises, falls], day) => [rises + day.up, falls + day.down], [0, 0]);
  return h(
    "section",
    { class: "card span-4" },
    cardHead("Price changes per day", "all four prices"),
    days.length ? plot : emptyState("Nothing to compare yet"),
    h(
      "p",
      { class: "unseen" },
      `${up} rises and ${down} falls on ${plural(days.length, "day")}; the view Changes lists them.`,
    ),
  );
}

/**
 * @param {Api.OverviewAnswer} data
 * @param {Chart[]} charts
 * @param {import("../store.js").Status} status
 */
export function medians(data, charts, status) {
  const plot = h("div", { class: "plot" });
  const lines = [
    { column: "output_token_price", label: "Output" },
    { column: "input_token_price", label: "Input" },
  ];
  const series = lines
    .map(({ column, label }, index) => {
      /** @type {import("../charts/geometry.js").Step[]} */
      const steps = (data.median_series[column] ?? []).map(([day, value]) => [day, value, true]);
      return { label, index, steps };
    })
    .filter((item) => item.steps.length);
  const start = series.map((item) => item.steps[0][0]).sort()[0];
  const days = status.dates.filter((day) => start && day >= start && day <= data.date);
  if (series.length)
    charts.push(() => stepChart(plot, { series, start, end: data.date, days, format: price, title: "Median price" }));
  const table = h(
    "table",
    { class: "unseen" },
    h("caption", {}, "Median price, USD per 1M tokens"),
    h(
      "tbody",
      {},
      series.map(({ label, steps }) =>
        h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, price(steps[steps.length - 1][1]))),
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

/** @type {Record<string, [import("../dom.js").IconName, string]>} */
const KINDS = { model_added: ["plus", "added"], model_removed: ["minus", "removed"] };

/** @param {Api.OverviewAnswer} data */
export function events(data) {
  const row = (/** @type {Api.Event} */ event) => {
    const [sign, word] = KINDS[event.change] ?? ["pencil", field(event.field)];
    return h(
      "li",
      {},
      h("a", { class: "muted", href: link("changes", { start: event.date, end: event.date }) }, event.date),
      icon(sign, 14),
      h(
        "span",
        { class: "what" },
        modelName(event.name, event.model_id),
        !KINDS[event.change] &&
          h("span", { class: "values" }, `${anyValue(event.old_value)} → ${anyValue(event.new_value)}`),
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
