// @ts-check
// Computes ticks and draws axes.

import { svg } from "../dom.js";
import { count, daysBetween, decimals, monthYear, plusDays, shortDay } from "../format.js";

/** @typedef {{values: number[], texts: string[], range: [number, number]}} ValueTicks */
/** @typedef {{values: string[], texts: string[]}} DayTicks */

/** @param {number} value */
function label(value) {
  if (value >= 1e15) return value.toExponential(0).replace("e+", "e");
  if (value >= 10_000) return count(Math.round(value));
  const text = Number(value.toPrecision(6)).toString();
  return decimals(text.includes("e") ? value.toFixed(12).replace(/0+$/, "") : text);
}

/**
 * Return 1, 2, 2.5 or 5 times a power of ten: the smallest that is not below a size.
 * @param {number} rough
 */
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
}

/**
 * Return ticks of a linear axis from zero: three to five, at 1, 2, 2.5 or 5 times a power of ten.
 * @param {number} high
 * @param {boolean} [whole]
 * @returns {ValueTicks}
 */
export function linearTicks(high, whole = false) {
  if (!(high > 0)) return { range: [0, 1], values: [0], texts: [whole ? "0" : "0.00"] };
  const nice = niceStep(high / 4);
  const step = whole ? Math.max(1, Math.ceil(nice)) : nice;
  const values = [];
  for (let i = 0; (i - 1) * step < high * 0.999; i += 1) values.push(i * step);
  const top = values[values.length - 1] * 1.02;
  const fraction = (/** @type {number} */ value) => (value.toFixed(12).replace(/0+$/, "").split(".")[1] ?? "").length; // 1e21 has no point
  const most = whole ? 0 : Math.max(2, ...values.map(fraction));
  const text = (/** @type {number} */ value) => {
    if (value === 0) return whole ? "0" : "0.00";
    if (high >= 1e15) return value.toExponential(1).replace("e+", "e");
    return whole || high >= 10_000 ? count(Math.round(value)) : value.toFixed(most);
  };
  return { range: [0, top], values, texts: values.map(text) };
}

/**
 * Return ticks of a logarithmic axis at 1, 2 and 5 times a power of ten; at the powers alone if there are many.
 * A range too narrow for two of these has those of a linear axis. The range is in logarithms.
 * @param {number} low
 * @param {number} high
 * @returns {ValueTicks}
 */
export function logTicks(low, high) {
  let [from, to] = [Math.log10(low), Math.log10(high)];
  const air = Math.max(0.08, (to - from) * 0.06);
  [from, to] = [from - air, to + air];
  const factors = to - from > 4 ? [1] : [1, 2, 5];
  let values = [];
  for (let power = Math.floor(from); power <= Math.ceil(to); power += 1) {
    for (const factor of factors) {
      const value = factor * 10 ** power;
      if (Math.log10(value) >= from && Math.log10(value) <= to) values.push(value);
    }
  }
  if (values.length < 2) {
    const [bottom, top] = [10 ** from, 10 ** to];
    const step = niceStep((top - bottom) / 4);
    values = [];
    for (let i = Math.ceil(bottom / step); i * step <= top; i += 1) values.push(i * step);
  }
  return { range: [from, to], values, texts: values.map(label) };
}

/**
 * Return ticks of days, about one for every 110 pixels; the last day has one.
 * @param {string} start
 * @param {string} end
 * @param {number} width
 * @returns {DayTicks}
 */
export function dayTicks(start, end, width) {
  const length = daysBetween(start, end);
  if (length <= 0) return { values: [start], texts: [shortDay(start)] };
  const number = Math.max(2, Math.min(10, Math.floor(width / 110)));
  if (length > 400) return monthTicks(start, end, number);
  const step = [1, 2, 7, 14, 28, 56, 91].find((size) => length / size <= number) || Math.ceil(length / number);
  /** @type {string[]} */
  const values = [];
  for (let day = end; day >= start; day = plusDays(day, -step)) values.unshift(day);
  const years = start.slice(0, 4) !== end.slice(0, 4);
  const newYear = (/** @type {number} */ i) => i === 0 || values[i].slice(0, 4) !== values[i - 1].slice(0, 4);
  return { values, texts: values.map((day, i) => shortDay(day, years && newYear(i))) };
}

/**
 * @param {string} start
 * @param {string} end
 * @param {number} number
 */
function monthTicks(start, end, number) {
  const [year, month] = start.split("-").map(Number);
  const months = (Number(end.slice(0, 4)) - year) * 12 + Number(end.slice(5, 7)) - month + 1;
  const step = [1, 2, 3, 6, 12, 24].find((size) => months / size <= number) || 36;
  const values = [];
  for (let i = 0; i < months; i += 1) {
    const index = month - 1 + i;
    const day = `${year + Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, "0")}-01`;
    if (day >= start && day <= end && (index % 12) % step === 0) values.push(day);
  }
  return { values, texts: values.map(monthYear) };
}

/**
 * Draw the grid, the axis of days and the labels of both.
 * @param {import("./geometry.js").Scale} scale
 * @param {DayTicks} days
 * @param {{values: number[], texts: string[]}} values
 * @param {number} [base] the value at which the axis of days is drawn; by default it is at the bottom
 */
export function axes(scale, days, values, base) {
  const line = base === undefined ? scale.bottom : scale.y(base);
  const rows = values.values.map((value) => Math.round(scale.y(value)) + 0.5);
  const marks = days.values.map((day) => scale.x(day));
  const across = (/** @type {number} */ y) => `M${scale.left} ${y}H${scale.right}`;
  return [
    svg("path", { class: "grid", d: rows.map(across).join("") }),
    svg("path", {
      class: "axis",
      d: across(Math.round(line) + 0.5) + (base === undefined ? marks.map((x) => `M${x} ${line}v4`).join("") : ""),
    }),
    rows.map((y, i) => svg("text", { class: "tick value", x: scale.left - 8, y: y + 4 }, values.texts[i])),
    marks.map((x, i) => svg("text", { class: "tick day", x, y: scale.bottom + 19 }, days.texts[i])),
  ];
}
