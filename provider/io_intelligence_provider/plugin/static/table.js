// @ts-check
// Builds tables of models: sortable headers, columns as wide as their longest number, and only the visible rows.

import { h } from "./dom.js";

/**
 * @template M
 * @typedef {object} Column
 * @property {string} key
 * @property {string} text
 * @property {string} [unit]
 * @property {(model: M) => string | number | null} [pick]
 * @property {import("./format.js").Order<M>} [order]
 * @property {boolean} [number]
 * @property {string} [className]
 * @property {(model: M) => number} [letters] how many letters wide a number is written
 */

const BEYOND = 16; // rows kept above and below the window, so that the keyboard finds its next row
const STEP = 6; // the window moves in steps: most scroll events then change nothing
const LINE = 18; // pixels

/**
 * Show `rows` in `body`, each made by `make(row)`, all of the same height.
 * @template M
 * @param {HTMLTableSectionElement} body
 * @param {M[]} rows
 * @param {(row: M) => HTMLTableRowElement} make
 * @param {number} [letters] of the longest number, which may take several lines
 * @returns a function that removes the listeners when the view closes
 */
export function windowed(body, rows, make, letters = 0) {
  const table = /** @type {HTMLTableElement} */ (body.parentElement);
  const heads = table.tHead?.rows.length ?? 0;
  // One cell: spanning columns that a narrow window hides would give them a width again.
  const [above, below] = [h("td"), h("td")];
  const before = h("tr", { class: "space", "aria-hidden": "true" }, above);
  const after = h("tr", { class: "space", "aria-hidden": "true" }, below);
  /** @type {Map<number, HTMLTableRowElement>} */
  const shown = new Map();
  let [first, last] = [-1, -1];
  let asked = false;
  body.replaceChildren(before, after);
  table.setAttribute("aria-rowcount", String(rows.length + heads));

  function draw() {
    asked = false;
    if (!body.isConnected) return;
    const root = getComputedStyle(document.documentElement);
    const token = (/** @type {string} */ name) => Number.parseFloat(root.getPropertyValue(name));
    const height = Math.max(token("--row"), LINE * Math.ceil(letters / token("--longest")) + 11);
    table.style.setProperty("--height", `${height}px`);
    const { top } = body.getBoundingClientRect();
    const from = Math.max(0, Math.floor((-top / height - BEYOND) / STEP) * STEP);
    const until = Math.min(rows.length, Math.ceil(((window.innerHeight - top) / height + BEYOND) / STEP) * STEP);
    if (from === first && until === last) return;
    [first, last] = [from, Math.max(from, until)];
    for (const [index, row] of shown) {
      if (index < first || index >= last) {
        row.remove();
        shown.delete(index);
      }
    }
    let next = before;
    for (let index = first; index < last; index += 1) {
      let row = shown.get(index);
      if (!row) {
        row = make(rows[index]);
        row.setAttribute("aria-rowindex", String(index + 1 + heads));
        shown.set(index, row);
        next.after(row);
      }
      next = row;
    }
    above.style.height = `${first * height}px`;
    below.style.height = `${(rows.length - last) * height}px`;
    before.hidden = first === 0;
    after.hidden = last === rows.length;
  }

  function later() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(draw);
  }

  function resized() {
    first = -1;
    later();
  }

  window.addEventListener("scroll", later, { passive: true });
  window.addEventListener("resize", resized);
  draw();
  requestAnimationFrame(draw);
  return () => {
    window.removeEventListener("scroll", later);
    window.removeEventListener("resize", resized);
  };
}

/**
 * Return the columns' elements: a column of numbers is as wide as its longest one.
 * @template M
 * @param {Column<M>[]} columns
 * @param {M[]} rows
 */
export function columnWidths(columns, rows) {
  const group = h("colgroup");
  let letters = 0;
  for (const column of columns) {
    const made = h("col", { class: column.className });
    if (column.letters) {
      const longest = rows.reduce((most, row) => Math.max(most, column.letters?.(row) ?? 0), 0);
      letters = Math.max(letters, longest);
      made.style.setProperty("--letters", String(longest));
      made.style.setProperty("--head", String(column.text.length + 2)); // with the arrow of its order
      made.classList.add("sized");
    }
    group.append(made);
  }
  return { group, letters };
}

/**
 * Parse "-output_token_price" to {column, descending}; an unknown column gives the first one.
 * @template M
 * @param {string} text
 * @param {Column<M>[]} columns
 */
export function sortOf(text, columns) {
  const column = columns.find((item) => item.key === text.replace(/^-/, "") && item.order) ?? columns[0];
  return { column, descending: text.startsWith("-") };
}

/**
 * Return rows in the order that the address names.
 * @template M
 * @param {M[]} rows
 * @param {string} text
 * @param {Column<M>[]} columns
 */
export function sorted(rows, text, columns) {
  const { column, descending } = sortOf(text, columns);
  return column.order && column.pick ? [...rows].sort(column.order(column.pick, descending)) : rows;
}

/**
 * Build a header; the first click sorts numbers down and text up.
 * @template M
 * @param {Column<M>} column
 * @param {string} now
 * @param {(sort: string) => void} choose
 */
export function sortable(column, now, choose) {
  const unit = column.unit && h("span", { class: "unit" }, column.unit);
  const className = `${column.className ?? ""} ${column.number ? "number" : ""}`;
  if (!column.order) return h("th", { scope: "col", class: className }, column.text, unit);
  const chosen = now.replace(/^-/, "") === column.key;
  const descending = now.startsWith("-");
  const down = chosen ? !descending : column.number;
  return h(
    "th",
    { scope: "col", class: className, "aria-sort": chosen ? (descending ? "descending" : "ascending") : null },
    h(
      "button",
      { class: "sort", type: "button", onclick: () => choose(down ? `-${column.key}` : column.key) },
      column.text,
      chosen && h("span", { "aria-hidden": "true" }, descending ? " ↓" : " ↑"),
    ),
    unit,
  );
}

/**
 * Return the orders as options of a list, for phones.
 * @template M
 * @param {Column<M>[]} columns
 */
export function sortOptions(columns) {
  return columns
    .filter((column) => column.order)
    .flatMap(({ key, text }) => [
      { value: `-${key}`, text: `${text} ↓` },
      { value: key, text: `${text} ↑` },
    ]);
}
