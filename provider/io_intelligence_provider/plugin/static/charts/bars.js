// Draws the number of price rises (above the line) and falls (below it) by day.

import { dayTicks } from "./axes.js";
import { h, replaceChildren, svg, token } from "../dom.js";
import { plusDays } from "../format.js";
import { keepDrawn, layout } from "./plot.js";

const DAY = 86_400_000;

/**
 * Draw the bars.
 *
 * @param options {days: [{date, up, down, added, removed}], title, marks, selected: [from, to], choose}
 *                `marks` adds a circle for days with added or removed models; `choose` gets a clicked day.
 */
export function bars(node, { days, title, marks = false, selected = null, choose = null }) {
  const overlay = svg("svg", { class: "chart-overlay", "aria-hidden": "true" });
  const words = h("div", { class: "chart-labels", "aria-hidden": "true" });
  node.classList.add("chart");
  replaceChildren(node, overlay, words);
  if (!days.length) return () => {};
  const start = days[0].date;
  const end = days[days.length - 1].date;
  let scale = null;
  if (choose) {
    node.onclick = (event) => {
      const x = event.clientX - node.getBoundingClientRect().left;
      if (!scale) return;
      const near = days.reduce((best, day) =>
        Math.abs(scale.x(day.date) - x) < Math.abs(scale.x(best.date) - x) ? day : best,
      );
      choose(near.date);
    };
    node.title = `${title}: choose a day`;
  }
  return keepDrawn(node, (width) => {
    const high = Math.max(4, ...days.map((day) => day.up));
    const low = Math.max(4, ...days.map((day) => day.down));
    const margin = { l: marks ? 16 : 40, r: 16, t: marks ? 14 : 10, b: 28 };
    const ticks = dayTicks(start, end, width - 56);
    const step =
      [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000].findLast(
        (size) => size <= 0.8 * Math.max(high, low),
      ) ?? 1;
    const values = marks ? [0] : [-step, 0, step].filter((value) => value <= high && -value <= low);
    const pixels = (width - margin.l - margin.r) / ((Date.parse(end) - Date.parse(start)) / DAY + 2);
    const wide = Math.min(0.8, 18 / pixels) * DAY;
    const form = layout(
      margin,
      {
        range: [plusDays(start, -1), plusDays(end, 1)],
        tickvals: ticks.values,
        ticktext: ticks.texts,
        showline: false,
        ticks: "",
      },
      {
        range: [-low * 1.08, high * 1.08],
        tickvals: values,
        ticktext: values.map(Math.abs),
        zeroline: true,
        zerolinecolor: token("axis"),
        zerolinewidth: 1,
      },
    );
    return {
      data: [outline(days, "up", 1, wide), outline(days, "down", -1, wide)],
      layout: form,
      after: (found) => {
        scale = found;
        overlay.replaceChildren();
        words.replaceChildren();
        if (!marks) {
          const word = (side, text, top) =>
            h("div", { class: `bar-word ${side} move`, style: { top: `${top}px`, right: "20px" } }, text);
          words.append(word("up", "▲ up", scale.top - 4), word("down", "▼ down", scale.bottom - 16));
          return;
        }
        for (const day of days) {
          if (day.added || day.removed)
            overlay.append(
              svg("circle", {
                cx: scale.x(day.date),
                cy: 7,
                r: 3,
                fill: "none",
                stroke: token("muted"),
                "stroke-width": 1.5,
              }),
            );
        }
        if (selected) {
          const [from, to] = [
            Math.max(scale.left, scale.x(plusDays(selected[0], -1)) + 2),
            Math.min(scale.right, scale.x(plusDays(selected[1], 1)) - 2),
          ];
          if (to > from)
            overlay.append(
              svg("rect", {
                x: from,
                y: scale.top - 2,
                width: to - from,
                height: scale.bottom - scale.top + 4,
                rx: 3,
                fill: token("link"),
                "fill-opacity": 0.1,
                stroke: token("link"),
                "stroke-width": 1.5,
              }),
            );
        }
      },
    };
  });
}

/** Draw all bars of a side as one filled line: plotly's own bars, an element each, take a second for three years. */
function outline(days, side, sign, wide) {
  const drawn = days.filter((day) => day[side]);
  return {
    type: "scatter",
    mode: "lines",
    x: drawn.flatMap(({ date }) => {
      const [from, to] = [Date.parse(date) - wide / 2, Date.parse(date) + wide / 2];
      return [from, from, to, to];
    }),
    y: drawn.flatMap((day) => [0, sign * day[side], sign * day[side], 0]),
    line: { width: 0, simplify: false },
    fill: "tozeroy",
    fillcolor: token(side),
  };
}
