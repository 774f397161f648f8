// Heads of columns that sort, and the same choice as a list for phones.

import { h } from "./dom.js";

/** Return {column, descending} of "-output_token_price"; what no column is called falls back on the first. */
export function sortOf(text, columns) {
  const descending = text.startsWith("-");
  const column = columns.find((item) => item.key === text.replace(/^-/, "") && item.order) ?? columns[0];
  return { column, descending };
}

/** A head; numbers go down at first, text goes up. */
export function sortable(column, now, choose) {
  const unit = column.unit && h("span", { class: "unit" }, column.unit);
  const className = `${column.className ?? ""} ${column.number ? "number" : ""}`;
  if (!column.order) return h("th", { scope: "col", class: className }, column.text, unit);
  const chosen = now.replace(/^-/, "") === column.key;
  const descending = now.startsWith("-");
  const next = chosen
    ? descending
      ? column.key
      : `-${column.key}`
    : column.number
      ? `-${column.key}`
      : column.key;
  return h(
    "th",
    {
      scope: "col",
      class: className,
      "aria-sort": chosen ? (descending ? "descending" : "ascending") : null,
    },
    h(
      "button",
      { class: "sort", type: "button", onclick: () => choose(next) },
      column.text,
      chosen && h("span", { "aria-hidden": "true" }, descending ? " ↓" : " ↑"),
    ),
    unit,
  );
}

/** The widths of the columns, which a first line of grouped heads would else decide. */
export function widthsOf(columns) {
  return h(
    "colgroup",
    {},
    columns.map((column) => h("col", { class: column.className })),
  );
}

export function sortOptions(columns) {
  return columns
    .filter((column) => column.order)
    .flatMap((column) => [
      { value: `-${column.key}`, text: `${column.text} ↓` },
      { value: column.key, text: `${column.text} ↑` },
    ]);
}
