// Renders only the visible rows of a table body, however many there are.

import { h, token } from "./dom.js";

const BEYOND = 16; // rows kept above and below the window, so that the keyboard finds its next row
const STEP = 6; // the window moves in steps: most scroll events then change nothing

/**
 * Show `rows` in `body`, each made by `make(row, index)`, all of the same height.
 *
 * @returns a function that removes the listeners when the view closes.
 */
export function windowed(body, rows, make) {
  // One cell: spanning columns that a narrow window hides would give them a width again.
  const above = h("td");
  const below = h("td");
  const before = h("tr", { class: "space", "aria-hidden": "true" }, above);
  const after = h("tr", { class: "space", "aria-hidden": "true" }, below);
  const shown = new Map();
  let first = -1;
  let last = -1;
  let asked = false;
  body.replaceChildren(before, after);
  body.parentElement.setAttribute("aria-rowcount", rows.length + body.parentElement.tHead.rows.length);

  function draw() {
    asked = false;
    if (!body.isConnected) return;
    const height = parseFloat(token("row"));
    const top = body.getBoundingClientRect().top;
    const from = Math.max(0, Math.floor((-top / height - BEYOND) / STEP) * STEP);
    const until = Math.min(
      rows.length,
      Math.ceil(((window.innerHeight - top) / height + BEYOND) / STEP) * STEP,
    );
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
        row = make(rows[index], index);
        row.setAttribute("aria-rowindex", index + 1 + body.parentElement.tHead.rows.length);
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
