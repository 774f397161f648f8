// Draws prices or quotas over time as steps; names are at the right end of their lines.

import { dayTicks, linearTicks, logTicks } from "./axes.js";
import { h, replaceChildren, svg, token } from "../dom.js";
import { cut, shortDay } from "../format.js";
import { hovering } from "./hover.js";
import { keepDrawn, layout } from "./plot.js";
import { at, points, value } from "./steps.js";

/** Return the n-th colour; the ninth and tenth are the first two again, dashed. */
export function colour(index) {
  return { token: `series-${(index % 8) + 1}`, dash: index >= 8 ? "dash" : "solid" };
}

/**
 * Draw series of steps.
 *
 * @param node    an element with a height.
 * @param options {series: [{label, steps, index}], start, end, days, log, compare, format, whole, title}
 *                `format` writes a value; `days` are those with a snapshot; `compare` is one of them or null.
 */
export function stepChart(node, options) {
  const overlay = svg("svg", { class: "chart-overlay", "aria-hidden": "true" });
  const labels = h("div", { class: "chart-labels", "aria-hidden": "true" });
  node.classList.add("chart");
  replaceChildren(node, overlay, labels);
  const hover = hovering(node, options);
  const stop = keepDrawn(node, (width) => {
    const narrow = width < 560;
    const longest = Math.max(0, ...options.series.map((series) => series.label.length));
    const right =
      options.labels === false ? 12 : Math.min(narrow ? width * 0.28 : 210, Math.max(92, longest * 7.6 + 28));
    const plotted = options.series.map((series) => ({
      ...series,
      ...colour(series.index),
      drawn: points(series.steps, options.end, options.log),
    }));
    const values = valueAxis(options, plotted);
    const margin = {
      l: Math.max(narrow ? 40 : 54, 7 * Math.max(...values.ticktext.map((text) => text.length)) + 16),
      r: right,
      t: 12,
      b: 28,
    };
    return {
      data: plotted.map(trace),
      layout: layout(margin, dayAxis(options, width - margin.l - right), values),
      after: (scale) => {
        drawLabels(overlay, labels, plotted, options, scale);
        hover.ready(scale, plotted);
      },
    };
  });
  return () => {
    stop();
    hover.stop();
  };
}

function trace(series) {
  return {
    type: "scatter",
    mode: "lines",
    ...series.drawn,
    connectgaps: false,
    line: { shape: "hv", width: 2, color: token(series.token), dash: series.dash },
  };
}

function dayAxis({ start, end }, width) {
  const ticks = dayTicks(start, end, width);
  return { range: [start, end], tickvals: ticks.values, ticktext: ticks.texts };
}

function valueAxis({ log, whole }, plotted) {
  const values = plotted.flatMap((series) => series.drawn.y.filter((y) => y !== null));
  if (log && values.length) {
    const ticks = logTicks(Math.min(...values), Math.max(...values));
    return { type: "log", range: ticks.range, tickvals: ticks.values, ticktext: ticks.texts };
  }
  const ticks = linearTicks(Math.max(0, ...values), whole);
  return { type: "linear", range: ticks.range, tickvals: ticks.values, ticktext: ticks.texts };
}

const LABEL = 32; // height in pixels of a name with its value

/** Draw the names at the right ends, spread apart, each connected to its line. */
function drawLabels(overlay, labels, plotted, options, scale) {
  overlay.replaceChildren();
  labels.replaceChildren();
  if (options.compare) compareLine(overlay, labels, options.compare, scale, options.start);
  const ends = plotted
    .map((series) => endOf(series, options, scale))
    .filter(Boolean)
    .sort((a, b) => a.y - b.y);
  spread(ends, scale.top - 6, scale.bottom - LABEL + 14);
  for (const end of ends) {
    const fill = token(end.series.token);
    if (end.drawn) overlay.append(svg("circle", { cx: scale.right, cy: end.y, r: 3.5, fill }));
    if (options.labels === false) continue;
    if (Math.abs(end.place + 8 - end.y) > 3) {
      overlay.append(
        svg("path", {
          d: `M${scale.right + 5} ${end.y}L${scale.right + 13} ${end.place + 8}`,
          stroke: fill,
          fill: "none",
        }),
      );
    }
    labels.append(
      h(
        "div",
        { class: "end-label", style: { left: `${scale.right + 16}px`, top: `${end.place}px` } },
        h("span", { class: "end-name", dir: "auto", style: { color: fill } }, cut(end.series.label, 60)),
        h("span", {}, end.text),
      ),
    );
  }
}

function endOf(series, options, scale) {
  const last = at(series.steps, options.end);
  const text = value(last);
  if (text === null) return null;
  const drawn = !(options.log && Number(text) === 0);
  return {
    series,
    drawn,
    text: options.format(text),
    y: drawn ? scale.y(Number(text)) : scale.bottom,
    place: 0,
  };
}

/** Give each label its own position, as near to its line as the others allow. */
function spread(ends, top, bottom) {
  let free = top;
  for (const end of ends) {
    end.place = Math.max(free, end.y - 8);
    free = end.place + LABEL;
  }
  let limit = bottom;
  for (const end of [...ends].reverse()) {
    end.place = Math.min(end.place, limit);
    limit = end.place - LABEL;
  }
}

function compareLine(overlay, labels, day, scale, start) {
  if (day < start) return;
  const x = scale.x(day);
  overlay.append(
    svg("path", {
      d: `M${x} ${scale.top - 8}V${scale.bottom}`,
      stroke: token("muted"),
      "stroke-dasharray": "4 3",
      fill: "none",
    }),
  );
  const right = x > (scale.left + scale.right) / 2;
  const style = right ? { right: `calc(100% - ${x - 7}px)` } : { left: `${x + 7}px` };
  labels.append(
    h(
      "div",
      { class: "compare-label", style: { ...style, top: `${scale.bottom - 24}px` } },
      `compared with ${shortDay(day)}`,
    ),
  );
}
