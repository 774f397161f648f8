// Builds sortable column headers, and the same choice as a list for phones.

import { h } from "./dom.js";

/** Parse "-output_token_price" to {column, descending}; an unknown column gives the first one. */
export function sortOf(text, columns) {
  const descending = text.startsWith("-");
  const column = columns.find((item) => item.key === text.replace(/^-/, "") && item.order) ?? columns[0];
  return { column, descending };
}

/** Build a header; the first click sorts numbers down and text up. */
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

/** Set the widths of the columns, which a first row of grouped headers would otherwise determine. */
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
