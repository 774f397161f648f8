// Builds the rows of the feed: one per model for its prices, one more per change of another kind.

import { h, icon } from "../dom.js";
import { capital, count, cut, field, price } from "../format.js";
import { modelName, move, places, priceCell } from "../components.js";
import { link } from "../route.js";

export const WHOLE_MODEL = ["model_added", "model_removed"];

/** Return the rows of a day's changes. */
export function changeRows(items, columns) {
  const widths = Object.fromEntries(
    columns.map((column) => {
      const prices = items.filter((item) => item.field === column);
      return [
        column,
        [places(prices.map((item) => item.old_value)), places(prices.map((item) => item.new_value))],
      ];
    }),
  );
  const models = new Map();
  for (const item of items) {
    const key = `${item.model_id}\n${item.name}`;
    if (!models.has(key)) models.set(key, []);
    models.get(key).push(item);
  }
  return [...models.values()].flatMap((changes) => rowsOf(changes, columns, widths));
}

function rowsOf(changes, columns, widths) {
  const prices = changes.filter((change) => columns.includes(change.field));
  const others = changes.filter((change) => !columns.includes(change.field));
  const name = () =>
    h(
      "th",
      { scope: "row" },
      modelName(changes[0].name, { href: link("models", { model: changes[0].model_id }) }),
    );
  const rows = others.map((change) =>
    h(
      "tr",
      {},
      name(),
      h("td", { class: "large other", colspan: columns.length * 3 }, other(change)),
      h("td", { class: "phone-cell" }, other(change)),
    ),
  );
  if (prices.length) {
    const found = columns.map((column) => prices.find((change) => change.field === column));
    rows.push(
      h(
        "tr",
        {},
        name(),
        found.map((change, index) => cells(change, widths[columns[index]])),
        h(
          "td",
          { class: "phone-cell" },
          found
            .filter(Boolean)
            .map((change) =>
              h(
                "span",
                { class: "phone-move" },
                h("span", { class: "muted" }, `${field(change.field)} ${price(change.old_value)} → `),
                price(change.new_value),
                " ",
                move(change.pct, { weight: change.passes }),
              ),
            ),
        ),
      ),
    );
  }
  return rows;
}

function cells(change, [old, now]) {
  if (!change) return h("td", { class: "large", colspan: 3 });
  return [
    h("td", { class: `large ${change.passes ? "strong" : ""}` }, move(change.pct, { weight: change.passes })),
    h("td", { class: "number large muted" }, priceCell(change.old_value, old)),
    h(
      "td",
      { class: "large to" },
      h("span", { class: "arrow-cell", "aria-hidden": "true" }, "→"),
      h("span", { class: "unseen" }, "to"),
      priceCell(change.new_value, now),
    ),
  ];
}

function written(value) {
  if (value === null) return "—";
  return /^\d+$/.test(value) ? count(value) : cut(value, 80);
}

function label(change) {
  const name = field(change.field);
  if (change.field.startsWith("extra.")) return name; // a key of `extra`, as the API writes it
  return `${capital(name)}${change.change === "quota_changed" ? " quota" : ""}`;
}

function other(change) {
  if (WHOLE_MODEL.includes(change.change)) {
    const added = change.change === "model_added";
    return h(
      "span",
      { class: "event" },
      icon(added ? "plus" : "minus", 14),
      h("b", {}, added ? " Model added" : " Model removed"),
    );
  }
  return h(
    "span",
    { class: "event" },
    icon("pencil", 14),
    h("b", { dir: "auto" }, ` ${label(change)} `),
    h("span", { class: "muted", dir: "auto" }, written(change.old_value)),
    " → ",
    h("span", { dir: "auto" }, written(change.new_value)),
    " ",
    change.pct === null ? null : move(change.pct, { weight: change.passes }),
  );
}
