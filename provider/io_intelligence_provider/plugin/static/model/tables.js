// @ts-check
// Builds the tables of a model's current prices and latest changes.

import { isDoubtful } from "../charts/geometry.js";
import { doubtNote, doubtText, move, places, priceCell } from "../components.js";
import { h } from "../dom.js";
import { anyValue, capital, cut, field, PRICES, plural, price, shortDay } from "../format.js";
import { link } from "../route.js";

const DOUBT = doubtNote("panel-note");

/** @param {Api.ModelAnswer} data */
export function priceTable(data) {
  const shown = PRICES.map((key) => data.model.prices[key]);
  const width = places(shown);
  const firsts = PRICES.map((key) => data.since[key]?.first_date).filter((day) => day !== null && day !== undefined);
  const since = firsts.sort()[0] ?? data.first_seen;
  const th = (/** @type {string} */ text) => h("th", { scope: "col", class: "number" }, text);
  const doubtful = data.model.doubtful.length > 0;
  const table = h(
    "table",
    { class: "table natural plain prices-now" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "USD per 1M tokens"),
        th(data.date),
        th("30 days"),
        th(`Since ${shortDay(since, since.slice(0, 4) !== data.date.slice(0, 4))}`),
      ),
    ),
    h(
      "tbody",
      {},
      PRICES.map((key, index) => {
        const { pct, pct_30, first_value, first_date } = data.since[key];
        const first = first_date !== null && isDoubtful(data.doubts[key], first_date);
        const from = first_value === null ? null : `from ${price(first_value, first)} on ${first_date}`;
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, capital(field(key))),
          h(
            "td",
            { class: "number strong" },
            priceCell(shown[index], width, data.model.doubtful.includes(key) ? DOUBT : null),
          ),
          h("td", { class: "number" }, move(pct_30)),
          h("td", { class: "number", title: from }, move(pct)),
        );
      }),
    ),
  );
  return [table, doubtful && h("p", { class: "muted", id: DOUBT.id }, doubtText(DOUBT))];
}

/** @param {Api.ModelAnswer} data */
export function changes(data) {
  const { model } = data;
  const head = h("h3", {}, "Changes");
  if (!data.changes.length) {
    const none = data.price_changes === null ? "Not on file." : "None since the first snapshot.";
    return [h("div", { class: "section-head" }, head), h("p", { class: "muted" }, none)];
  }
  const byDay = Map.groupBy(data.changes, (change) => change.date);
  const prices = ["input_token_price", "output_token_price"];
  const days = [...byDay].slice(0, 8);
  const widths = prices.map((key) =>
    places(days.flatMap(([, rows]) => rows.filter((row) => row.field === key).map((row) => row.new_value))),
  );
  const href = link("changes", { model: model.model_id, start: data.first_seen, end: data.date });
  return [
    h("div", { class: "section-head" }, head, h("a", { href }, `All ${plural(byDay.size, "day")}`)),
    h(
      "table",
      { class: "table natural plain day-changes" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Day"),
          prices.map((key) => h("th", { scope: "colgroup", class: "number", colspan: 2 }, capital(field(key)))),
        ),
      ),
      h(
        "tbody",
        {},
        days.map(([day, rows]) => dayRow(day, rows, prices, widths)),
      ),
    ),
  ];
}

/**
 * @param {string} day
 * @param {Api.ModelChange[]} rows
 * @param {string[]} prices
 * @param {number[]} widths
 */
function dayRow(day, rows, prices, widths) {
  const year = h("span", { class: "year" }, day.slice(0, 5));
  const head = h("td", { title: `against ${rows[0].previous_date}` }, year, day.slice(5));
  if (rows.some((row) => row.field !== null && prices.includes(row.field)))
    return h(
      "tr",
      {},
      head,
      prices.map((key, index) => {
        const row = rows.find((item) => item.field === key);
        return [
          h("td", { class: "number" }, row && priceCell(row.new_value, widths[index], row.doubtful === "new")),
          h("td", { class: "number" }, row && move(row.pct)),
        ];
      }),
    );
  const written = (/** @type {Api.ModelChange} */ row) =>
    row.field
      ? `${field(row.field)} ${anyValue(row.field, row.old_value, row.doubtful === "old")} → ${anyValue(row.field, row.new_value, row.doubtful === "new")}`
      : row.change.replace("_", " ");
  const text = rows.map(written).join("; ");
  return h("tr", {}, head, h("td", { colspan: 4, class: "wraps" }, cut(text, 300)));
}
