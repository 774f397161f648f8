// @ts-check
// Draws prices or quotas over time as steps; names are at the right end of their lines.

import { move } from "../components.js";
import { h, replaceChildren, svg } from "../dom.js";
import { cut, shortDay } from "../format.js";
import { axes, dayTicks, linearTicks, logTicks } from "./axes.js";
import * as geometry from "./geometry.js";
import { keepDrawn, pointing } from "./pointer.js";

/** @typedef {import("./geometry.js").Step} Step */
/** @typedef {{label: string, steps: Step[], index: number, doubtful?: geometry.Doubts}} Series `index`: of its colour */
/** @typedef {Series & {shade: string, within: Step[]}} Plotted */

/**
 * @typedef {object} Options
 * @property {Series[]} series
 * @property {string} start
 * @property {string} end
 * @property {string[]} days those with a snapshot
 * @property {(text: string, doubtful: boolean) => string} format
 * @property {string} title
 * @property {boolean} [log]
 * @property {boolean} [whole] whether values are whole numbers
 * @property {string} [unknown] what a day without a value is called, "not published" unless given
 * @property {boolean} [alternate] whether the series take turns: a day names those that have a value
 * @property {string | null} [compare] a day to mark
 * @property {string[]} [marks] days to mark on the axis
 * @property {(start: string, end: string) => void} [zoom] takes a brushed range; by default the chart zooms itself
 * @property {(() => void) | null} [reset] ends such a zoom
 */

/**
 * Return the class of the n-th colour; the ninth and tenth are the first two again, dashed.
 * @param {number} index
 */
export function shadeOf(index) {
  return `series-${(index % 8) + 1}${index >= 8 ? " dash" : ""}`;
}

const LABEL = 32; // height in pixels of a name with its value

/**
 * Draw series of steps.
 * @param {HTMLElement} node an empty element with a height
 * @param {Options} options
 * @returns a function that stops it
 */
export function stepChart(node, options) {
  const drawing = svg("svg", { class: "drawing", "aria-hidden": "true" });
  const area = h("div", { class: "chart-area" }, drawing);
  /** @type {[string, string]} */
  const full = [options.start, options.end];
  let range = full;
  /** @type {Plotted[]} */
  let plotted = [];

  const reset = () => {
    if (options.reset) options.reset();
    else if (range === full) return false;
    else zoomTo(full);
    return true;
  };
  const back = h("button", { class: "button zoom-reset", type: "button", onclick: reset }, "Reset zoom");
  const pointer = pointing(area, {
    title: options.title,
    zoom: options.zoom ?? ((start, end) => zoomTo([start, end])),
    reset,
    card: (day) => dayCard(plotted, day, options),
    marks: (day, scale) => dots(plotted, day, scale, options.log),
  });
  node.classList.add("chart");
  replaceChildren(node, area, back);

  /** @param {[string, string]} to */
  function zoomTo(to) {
    range = to;
    draw(area.clientWidth, area.clientHeight);
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  function draw(width, height) {
    const [start, end] = range;
    const log = options.log ?? false;
    plotted = options.series.map((series) => ({
      ...series,
      shade: shadeOf(series.index),
      within: geometry.stepsFrom(series.steps, start),
    }));
    const values = plotted.flatMap((series) => geometry.drawnValues(series.within, end, log));
    const ticks =
      log && values.length
        ? logTicks(Math.min(...values), Math.max(...values))
        : linearTicks(Math.max(0, ...values), options.whole);
    const narrow = width < 560;
    const longest = Math.max(0, ...plotted.map((series) => series.label.length));
    const written = plotted.map((series) => valueAt(series, end, options.format)?.text ?? "");
    const digits = 7.4 * Math.max(0, ...written.map((text) => text.length)) + 22;
    // A value that takes too much of the chart is in the table only.
    const fits = digits < width * 0.45;
    const name = Math.min(narrow ? width * 0.28 : 210, Math.max(92, longest * 7.6 + 28));
    const named = fits ? Math.max(name, digits) : name;
    const left = Math.max(narrow ? 40 : 54, 7 * Math.max(...ticks.texts.map((text) => text.length)) + 16);
    const box = { left, right: width - named, top: 12, bottom: height - 28 };
    const scale = geometry.scaleOf(box, range, ticks.range, log && values.length > 0);
    const ends = plotted.map((series) => endOf(series, end, scale, options)).filter((one) => one !== null);
    replaceChildren(
      drawing,
      axes(scale, dayTicks(start, end, box.right - box.left), ticks),
      options.compare && options.compare >= start && options.compare <= end && compared(options.compare, scale),
      svg("path", { class: "alert-marks", d: markPath(options.marks ?? [], range, scale) }),
      plotted.map((series) =>
        svg("path", { class: `line ${series.shade}`, d: geometry.stepPath(series.within, scale, end, log) }),
      ),
      geometry.spread(ends, box.top - 6, box.bottom - LABEL + 6, LABEL).map((one) => label(one, scale, width, fits)),
    );
    back.hidden = range === full && !options.reset;
    pointer.ready(
      scale,
      options.days.filter((day) => day >= start && day <= end),
    );
  }

  return keepDrawn(area, draw);
}

/**
 * Return the value of a series on a day, and how it is written; null where it is unknown.
 * @param {Plotted} series
 * @param {string} day
 * @param {Options["format"]} format
 */
function valueAt({ within, doubtful = [] }, day, format) {
  const value = geometry.knownValue(geometry.stepAt(within, day));
  return value === null ? null : { value, text: format(value, geometry.isDoubtful(doubtful, day)) };
}

/** @typedef {{series: Plotted, text: string, y: number, place: number, drawn: boolean}} End */

/**
 * @param {Plotted} series
 * @param {string} end
 * @param {geometry.Scale} scale
 * @param {Options} options
 * @returns {End | null}
 */
function endOf(series, end, scale, { log, format }) {
  const found = valueAt(series, end, format);
  if (!found) return null;
  const value = Number(found.value);
  const drawn = !(log && value === 0);
  return { series, drawn, text: found.text, y: drawn ? scale.y(value) : scale.bottom, place: 0 };
}

/**
 * Draw the name and value at the end of a line, connected to it. The name is cut by its own width, never the value.
 * @param {End} end
 * @param {geometry.Scale} scale
 * @param {number} width
 * @param {boolean} fits whether there is room for the value
 */
function label({ series, text, y, place, drawn }, { right }, width, fits) {
  const apart = Math.abs(place + 8 - y) > 3;
  const letters = Math.max(3, Math.floor((width - right - 20) / 7.4));
  return svg(
    "g",
    { class: `end ${series.shade}` },
    drawn && svg("circle", { cx: right, cy: y, r: 3.5 }),
    apart && svg("path", { d: `M${right + 5} ${y}L${right + 13} ${place + 8}` }),
    svg("text", { class: "end-name", x: right + 16, y: place + 12 }, cut(series.label, letters)),
    fits && svg("text", { class: "end-value", x: right + 16, y: place + 27 }, text),
  );
}

/**
 * Return one path of a triangle on the axis for each day.
 * @param {string[]} days
 * @param {[string, string]} range
 * @param {geometry.Scale} scale
 */
function markPath(days, [start, end], { x, bottom }) {
  const within = days.filter((day) => day >= start && day <= end);
  return within.map((day) => `M${x(day)} ${bottom - 9}l5 9h-10z`).join("");
}

/**
 * @param {string} day
 * @param {geometry.Scale} scale
 */
function compared(day, { x, left, right, top, bottom }) {
  const at = x(day);
  const far = at > (left + right) / 2;
  return svg(
    "g",
    { class: "compared" },
    svg("path", { d: `M${at} ${top - 8}V${bottom}` }),
    svg(
      "text",
      { x: far ? at - 7 : at + 7, y: bottom - 10, "text-anchor": far ? "end" : "start" },
      `compared with ${shortDay(day)}`,
    ),
  );
}

/**
 * Build the card of a day: each value and its move, the highest first.
 * @param {Plotted[]} plotted
 * @param {string} day
 * @param {Options} options
 */
function dayCard(plotted, day, { format, alternate, unknown = "not published" }) {
  const rows = plotted.map((series) => {
    const now = geometry.stepAt(series.within, day);
    const found = valueAt(series, day, format);
    const last = geometry.stepBefore(series.steps, day);
    const earlier = geometry.knownValue(last);
    const value = found?.value ?? null;
    // Without a step before, it is new on that day.
    const changed = now?.[0] === day && (last === null || earlier !== value || last[2] !== now[2]);
    return { series, found, changed, pct: geometry.change(earlier, value), absent: !now?.[2] };
  });
  rows.sort((a, b) => Number(b.found?.value ?? -1) - Number(a.found?.value ?? -1));
  return [
    h("div", { class: "hover-head" }, h("b", {}, day), h("span", { class: "muted" }, "change on the day")),
    ...rows
      .filter(({ absent }) => !(alternate && absent))
      .map(({ series, found, changed, pct, absent }) =>
        h(
          "div",
          { class: "hover-row" },
          h("span", { class: `key ${series.shade}` }),
          h("span", { class: "hover-name", dir: "auto" }, cut(series.label, 60)),
          h("span", {}, found?.text ?? (absent ? "not on file" : unknown)),
          h(
            "span",
            { class: "number" },
            !found ? "" : changed ? move(pct) : h("span", { class: "muted" }, "unchanged"),
          ),
        ),
      ),
  ];
}

/**
 * @param {Plotted[]} plotted
 * @param {string} day
 * @param {geometry.Scale} scale
 * @param {boolean} [log]
 */
function dots(plotted, day, scale, log = false) {
  return plotted.flatMap((series) => {
    const now = geometry.stepAt(series.within, day);
    const [value] = now ? geometry.drawnValues([now], day, log) : [];
    if (value === undefined) return [];
    return [svg("circle", { class: `dot ${series.shade}`, cx: scale.x(day), cy: scale.y(value), r: 4.5 })];
  });
}
