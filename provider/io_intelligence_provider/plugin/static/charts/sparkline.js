// @ts-check
// Draws thirty days as a line of the size of a word: its own scale, steps, gaps where values are unknown.

import { svg } from "../dom.js";

const [WIDTH, HEIGHT] = [84, 18];

/**
 * @param {[day: number, value: string | null][]} points days 0 to 30, only where the value changes
 */
export function sparkline(points) {
  const box = {
    class: "spark",
    width: WIDTH,
    height: HEIGHT,
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    "aria-hidden": "true",
  };
  const known = points.filter((point) => point[1] !== null).map((point) => Number(point[1]));
  if (!known.length) return svg("svg", box);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (/** @type {number} */ day) => ((day / 30) * (WIDTH - 6) + 2).toFixed(1);
  const y = (/** @type {number} */ value) =>
    (high === low ? HEIGHT / 2 : HEIGHT - 3 - ((value - low) / (high - low)) * (HEIGHT - 6)).toFixed(1);
  let path = "";
  /** @type {number | null} */
  let last = null;
  points.forEach(([day, text], index) => {
    const until = index + 1 < points.length ? points[index + 1][0] : 30;
    const joined = last !== null;
    last = text === null ? null : Number(text);
    if (last !== null) path += `${joined ? "L" : "M"}${x(day)} ${y(last)}H${x(until)}`;
  });
  const line = svg("path", { d: path, fill: "none", stroke: "currentColor", "stroke-width": 1.3 });
  const end = last === null ? null : svg("circle", { cx: x(30), cy: y(last), r: 2, fill: "currentColor" });
  return svg("svg", box, line, end);
}
