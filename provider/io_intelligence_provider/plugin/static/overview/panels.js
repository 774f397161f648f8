// @ts-check
// Builds the three panels at the bottom of the overview.

import { bars } from "../charts/bars.js";
import { stepChart } from "../charts/stepchart.js";
import { cardHead, emptyState, modelName, move } from "../components.js";
import { h, icon } from "../dom.js";
import { anyValue, count, field, plural, price } from "../format.js";
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

/** @type {["output" | "input" | "blended", string][]} */
const KINDS_OF_PRICE = [
  ["output", "Output"],
  ["input", "Input"],
  ["blended", "Blended"],
];

/**
 * @param {Api.OverviewAnswer} data
 * @param {Chart[]} charts
 * @param {import("../store.js").Status} status
 */
export function priceIndex(data, charts, status) {
  const plot = h("div", { class: "plot" });
  const { price_index: index, medians } = data;
  const series = KINDS_OF_PRICE.map(([kind, label], place) => {
    /** @type {import("../charts/geometry.js").Step[]} */
    const steps = index[kind].series.map(([day, value]) => [day, value === null ? null : String(value), true]);
    return { label, index: place, steps };
  }).filter(({ steps }) => steps.some(([, value]) => value !== null));
  const start = series.map(({ steps }) => steps[0][0]).sort()[0];
  const days = status.dates.filter((day) => start && day >= start && day <= data.date);
  const format = (/** @type {string} */ value) => Number(value).toFixed(1);
  if (series.length)
    charts.push(() =>
      stepChart(plot, {
        series,
        start,
        end: data.date,
        days,
        format,
        log: true,
        unknown: "no index",
        title: "Like-for-like price index",
      }),
    );
  const listed = `input ${price(medians.input)}, output ${price(medians.output)}`;
  return h(
    "section",
    { class: "card span-4" },
    cardHead("Like-for-like index", start && `the same models, 100 on ${start}`),
    series.length ? [plot, index.then_date && indexTable(index)] : emptyState("No price published"),
    h(
      "p",
      { class: "muted aside" },
      leftOut(index.blended.left_out),
      `Median of what is listed: ${listed} USD; it also moves when models come and go.`,
    ),
  );
}

/** @param {Api.PriceIndex} index */
function indexTable(index) {
  const th = (/** @type {string} */ text) => h("th", { scope: "col", class: "number" }, text);
  return h(
    "table",
    { class: "table natural plain" },
    h("caption", { class: "unseen" }, "How the prices of the same models moved"),
    h("thead", {}, h("tr", {}, h("td"), th("On the day"), th(`Since ${index.then_date?.slice(5)}`), th("Pairs"))),
    h(
      "tbody",
      {},
      KINDS_OF_PRICE.map(([kind, label]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, label),
          h("td", { class: "number" }, move(index[kind].day?.pct ?? null)),
          h("td", { class: "number" }, move(index[kind].then?.pct ?? null)),
          h("td", { class: "number" }, count(index[kind].day?.pairs)),
        ),
      ),
    ),
  );
}

/**
 * Say how many models of the newest comparison have no part in the blended index, and why.
 * @param {Api.LeftOut | null} models
 */
function leftOut(models) {
  if (!models) return "";
  const { not_published: unknown, doubtful, free } = models;
  const why = [
    unknown && `${count(unknown)} not published`,
    doubtful && `${count(doubtful)} with a doubtful 0`,
    free && `${count(free)} free`,
  ].filter(Boolean);
  return why.length ? `Left out: ${why.join(", ")}. ` : "No model of both days is left out. ";
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
          h(
            "span",
            { class: "values" },
            `${anyValue(event.field, event.old_value)} → ${anyValue(event.field, event.new_value)}`,
          ),
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
