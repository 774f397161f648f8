// Builds the tables of a model's current prices and latest changes.

import { h } from "../dom.js";
import { capital, count, cut, field, plural, price, PRICES, shortDay } from "../format.js";
import { move, places, priceCell } from "../components.js";
import { link } from "../route.js";

export function priceTable(data) {
  const shown = PRICES.map((key) => data.model.prices[key]);
  const width = places(shown);
  const since =
    PRICES.map((key) => data.since[key]?.first_date)
      .filter(Boolean)
      .sort()[0] ?? data.first_seen;
  const th = (text) => h("th", { scope: "col", class: "number" }, text);
  return h(
    "table",
    { class: "table plain prices-now" },
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
      PRICES.map((key, index) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, capital(field(key))),
          h("td", { class: "number strong" }, priceCell(shown[index], width)),
          h("td", { class: "number" }, move(data.since[key]?.pct_30 ?? null)),
          h("td", { class: "number" }, move(data.since[key]?.pct ?? null)),
        ),
      ),
    ),
  );
}

export function changes(data) {
  const { model } = data;
  if (!data.changes.length)
    return [
      h("div", { class: "section-head" }, h("h3", {}, "Changes")),
      h("p", { class: "muted" }, "None since the first snapshot."),
    ];
  const byDay = new Map();
  for (const change of data.changes) {
    if (!byDay.has(change.date)) byDay.set(change.date, []);
    byDay.get(change.date).push(change);
  }
  const prices = ["input_token_price", "output_token_price"];
  const days_ = [...byDay].slice(0, 8);
  const widths = prices.map((key) =>
    places(days_.flatMap(([, rows]) => rows.filter((row) => row.field === key).map((row) => row.new_value))),
  );
  const more = h(
    "a",
    { href: link("changes", { model: model.model_id, start: data.first_seen, end: data.date }) },
    `All ${plural(byDay.size, "day")}`,
  );
  return [
    h("div", { class: "section-head" }, h("h3", {}, "Changes"), more),
    h(
      "table",
      { class: "table plain day-changes" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Day"),
          prices.map((key) => h("th", { scope: "colgroup", colspan: 2 }, capital(field(key)))),
        ),
      ),
      h(
        "tbody",
        {},
        days_.map(([day, rows]) => dayRow(day, rows, prices, widths)),
      ),
    ),
  ];
}

function dayRow(day, rows, prices, widths) {
  const cells = prices.map((key, index) => {
    const row = rows.find((item) => item.field === key);
    return row
      ? [
          h("td", { class: "number" }, priceCell(row.new_value, widths[index])),
          h("td", { class: "number" }, move(row.pct)),
        ]
      : [h("td"), h("td")];
  });
  const other = rows.filter((row) => !prices.includes(row.field));
  const main = rows.some((row) => prices.includes(row.field));
  if (main) return h("tr", {}, h("td", {}, day), cells);
  const text = other
    .map((row) =>
      row.field
        ? `${field(row.field)} ${say(row.old_value)} → ${say(row.new_value)}`
        : row.change.replace("_", " "),
    )
    .join("; ");
  return h("tr", {}, h("td", {}, day), h("td", { colspan: 4, title: cut(text, 300) }, cut(text, 90)));
}

export function say(value) {
  if (value === null) return "—";
  return /^\d+(\.\d+)?$/.test(value) ? (value.includes(".") ? price(value) : count(value)) : cut(value, 40);
}
