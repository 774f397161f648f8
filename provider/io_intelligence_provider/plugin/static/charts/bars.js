// @ts-check
// Draws the number of price rises (above the line) and falls (below it) by day.

import { counted } from "../components.js";
import { h, replaceChildren, svg } from "../dom.js";
import { count, daysBetween, plural, plusDays } from "../format.js";
import { axes, dayTicks } from "./axes.js";
import { barPath, scaleOf } from "./geometry.js";
import { keepDrawn, pointing } from "./pointer.js";

/**
 * @typedef {object} Options
 * @property {Api.DayCounts[]} days
 * @property {string} title
 * @property {boolean} [marks] whether days with added or removed models have a circle
 * @property {[string, string] | null} [selected]
 * @property {(day: string) => void} choose takes a clicked day
 * @property {(start: string, end: string) => void} [zoom] takes a brushed range
 */

/**
 * Draw the bars.
 * @param {HTMLElement} node an empty element with a height
 * @param {Options} options
 * @returns a function that stops it
 */
export function bars(node, { days, title, marks = false, selected = null, choose, zoom }) {
  const drawing = svg("svg", { class: "drawing", "aria-hidden": "true" });
  const area = h("div", { class: "chart-area choosable" }, drawing);
  const dates = days.map((day) => day.date);
  const byDate = new Map(days.map((day) => [day.date, day]));
  const pointer = pointing(area, { title, choose, zoom, card: (day) => dayCard(day, byDate.get(day)) });
  node.classList.add("chart");
  replaceChildren(node, area);

  return keepDrawn(area, (width, height) => {
    const high = Math.max(4, ...days.map((day) => day.up));
    const low = Math.max(4, ...days.map((day) => day.down));
    /** @type {[string, string]} */
    const range = [plusDays(dates[0], -1), plusDays(dates[dates.length - 1], 1)];
    const box = { left: marks ? 16 : 40, right: width - 22, top: marks ? 14 : 10, bottom: height - 28 };
    const scale = scaleOf(box, range, [-low * 1.08, high * 1.08]);
    const wide = Math.max(0.5, Math.min(18, (0.8 * (box.right - box.left)) / daysBetween(...range)));
    const step =
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].findLast((size) => size <= 0.8 * Math.max(high, low)) ?? 1;
    const values = marks ? [] : [-step, 0, step].filter((value) => value <= high && -value <= low);
    const side = (/** @type {"up" | "down"} */ way, /** @type {number} */ sign) =>
      svg("path", {
        class: `bar ${way}`,
        d: barPath(
          days.map((day) => ({ date: day.date, number: sign * day[way] })),
          scale,
          wide,
        ),
      });
    replaceChildren(
      drawing,
      axes(
        scale,
        dayTicks(dates[0], dates[dates.length - 1], width - 56),
        { values, texts: values.map((value) => count(Math.abs(value))) },
        0,
      ),
      side("up", 1),
      side("down", -1),
      !marks && [
        svg("text", { class: "bar-word up", x: box.right - 4, y: box.top + 8 }, "▲ up"),
        svg("text", { class: "bar-word down", x: box.right - 4, y: box.bottom - 4 }, "▼ down"),
      ],
      marks &&
        days
          .filter((day) => day.added || day.removed)
          .map((day) => svg("circle", { class: "came-or-went", cx: scale.x(day.date), cy: 7, r: 3 })),
      selected && frame(selected, scale),
    );
    pointer.ready(scale, dates);
  });
}

/**
 * @param {[string, string]} selected
 * @param {import("./geometry.js").Scale} scale
 */
function frame(selected, { x, left, right, top, bottom }) {
  const from = Math.max(left, x(plusDays(selected[0], -1)) + 2);
  const to = Math.min(right, x(plusDays(selected[1], 1)) - 2);
  if (to <= from) return null;
  return svg("rect", { class: "selected", x: from, y: top - 2, width: to - from, height: bottom - top + 4, rx: 3 });
}

/**
 * @param {string} day
 * @param {Api.DayCounts | undefined} counts
 */
function dayCard(day, counts) {
  if (!counts) return [];
  const others = counts.quota + counts.other;
  const since = counts.previous_date && counts.previous_date !== plusDays(day, -1);
  const lines = [
    counted("up", counts.up, "up"),
    counted("down", counts.down, "down"),
    counts.added ? `${plural(counts.added, "model")} added` : null,
    counts.removed ? `${plural(counts.removed, "model")} removed` : null,
    others ? plural(others, "other change") : null,
  ];
  return [
    h(
      "div",
      { class: "hover-head" },
      h("b", {}, day),
      h("span", { class: "muted" }, since ? `against ${counts.previous_date}` : "price changes"),
    ),
    ...lines.filter((line) => line !== null).map((line) => h("div", {}, line)),
  ];
}
