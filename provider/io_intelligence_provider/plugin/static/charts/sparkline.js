// Draws thirty days as a line of the size of a word: its own scale, steps, gaps where values are unknown.

import { svg } from "../dom.js";

/** @param points [[day 0..30, decimal text or null], …], only where the value changes. */
export function sparkline(points, { width = 84, height = 18 } = {}) {
  const box = { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" };
  const known = (points || []).filter((point) => point[1] !== null).map((point) => Number(point[1]));
  if (!known.length) return svg("svg", box);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const x = (day) => ((day / 30) * (width - 6) + 2).toFixed(1);
  const y = (value) =>
    (high === low ? height / 2 : height - 3 - ((value - low) / (high - low)) * (height - 6)).toFixed(1);
  let path = "";
  let last = null;
  points.forEach(([day, text], index) => {
    const until = index + 1 < points.length ? points[index + 1][0] : 30;
    if (text === null) {
      last = null;
      return;
    }
    last = Number(text);
    const joined = index > 0 && points[index - 1][1] !== null;
    path += `${joined ? `L${x(day)} ${y(last)}` : `M${x(day)} ${y(last)}`}H${x(until)}`;
  });
  const line = svg("path", { d: path, fill: "none", stroke: "currentColor", "stroke-width": 1.3 });
  const end = last === null ? null : svg("circle", { cx: x(30), cy: y(last), r: 2, fill: "currentColor" });
  return svg("svg", box, line, end);
}
