// @ts-check
// Builds the rows of the feed: one per model for its prices, one more per change of another kind.

import { modelName, move, places, priceCell } from "../components.js";
import { h, icon } from "../dom.js";
import { anyValue, capital, field } from "../format.js";

export const WHOLE_MODEL = ["model_added", "model_removed"];

/**
 * Return the rows of a day's changes.
 * @param {Api.Change[]} items
 * @param {string[]} columns
 */
export function changeRows(items, columns) {
  const widths = columns.map((column) => {
    const prices = items.filter((item) => item.field === column);
    return [places(prices.map((item) => item.old_value)), places(prices.map((item) => item.new_value))];
  });
  const byModel = Map.groupBy(items, (item) => item.model_id);
  return [...byModel.values()].flatMap((changes) => rowsOf(changes, columns, widths));
}

/**
 * @param {Api.Change} change
 * @param {number} [width] decimals
 */
const oldPrice = ({ old_value, doubtful }, width) => priceCell(old_value, width, doubtful === "old");

/**
 * @param {Api.Change} change
 * @param {number} [width] decimals
 */
const newPrice = ({ new_value, doubtful }, width) => priceCell(new_value, width, doubtful === "new");

/**
 * @param {Api.Change[]} changes of one model
 * @param {string[]} columns
 * @param {number[][]} widths
 */
function rowsOf(changes, columns, widths) {
  const isPrice = (/** @type {Api.Change} */ change) => change.field !== null && columns.includes(change.field);
  const [{ name, model_id }] = changes;
  const head = () => h("th", { scope: "row", class: "takes-rest" }, modelName(name, model_id));
  const rows = changes
    .filter((change) => !isPrice(change))
    .map((change) =>
      h(
        "tr",
        {},
        head(),
        h("td", { class: "large other", colspan: columns.length * 3 }, other(change)),
        h("td", { class: "phone-cell" }, other(change)),
      ),
    );
  const prices = changes.filter(isPrice);
  if (!prices.length) return rows;
  const found = columns.map((column) => prices.find((change) => change.field === column));
  const written = (/** @type {Api.Change} */ change) =>
    h(
      "span",
      { class: "phone-move" },
      h("span", { class: "muted" }, `${field(change.field)} `, oldPrice(change), " → "),
      newPrice(change),
      " ",
      move(change.pct, change.passes),
    );
  rows.push(
    h(
      "tr",
      {},
      head(),
      found.map((change, index) => cells(change, widths[index])),
      h("td", { class: "phone-cell" }, found.filter((change) => change !== undefined).map(written)),
    ),
  );
  return rows;
}

/**
 * @param {Api.Change | undefined} change
 * @param {number[]} widths
 */
function cells(change, [old, now]) {
  if (!change) return h("td", { class: "large", colspan: 3 });
  return [
    h("td", { class: `number large ${change.passes ? "strong" : ""}` }, move(change.pct, change.passes)),
    h("td", { class: "number large muted" }, oldPrice(change, old)),
    h(
      "td",
      { class: "large to" },
      h("span", { class: "arrow-cell", "aria-hidden": "true" }, "→"),
      h("span", { class: "unseen" }, "to"),
      newPrice(change, now),
    ),
  ];
}

/** @param {Api.Change} change */
function label(change) {
  const name = field(change.field);
  if (change.field?.startsWith("extra.")) return name; // a key of `extra`, as the API writes it
  return `${capital(name)}${change.change === "quota_changed" ? " quota" : ""}`;
}

/** @param {Api.Change} change */
function other(change) {
  const { field: column, old_value, new_value, doubtful } = change;
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
    h("span", { class: "muted", dir: "auto" }, anyValue(column, old_value, doubtful === "old")),
    " → ",
    h("span", { dir: "auto" }, anyValue(column, new_value, doubtful === "new")),
    " ",
    change.pct === null ? null : move(change.pct, change.passes),
  );
}
