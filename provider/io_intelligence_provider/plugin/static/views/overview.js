// Shows the overview: the day's events, the largest moves and the quality.

import { get } from "../api.js";
import { prepareCharts } from "../charts/plot.js";
import { h, replaceChildren } from "../dom.js";
import { drawMovers, SPANS } from "../overview/movers.js";
import { events, medians, perDay } from "../overview/panels.js";
import { lead, tiles } from "../overview/tiles.js";

prepareCharts();

/** Show the view; its parameters: days. */
export async function show({ node, params, status }) {
  const data = await get("overview", { days: span(params) });
  const movers = h("section", { class: "card movers" });
  const charts = [];
  replaceChildren(
    node,
    lead(data),
    tiles(data),
    movers,
    h("div", { class: "columns panels" }, perDay(data, charts), medians(data, charts, status), events(data)),
  );
  drawMovers(movers, data);
  return {
    warnings: data.warnings,
    placed: () => charts.forEach((chart) => chart.start()),
    stop: () => charts.forEach((chart) => chart.stop?.()),
    async change(now) {
      drawMovers(movers, await get("overview", { days: span(now) }));
    },
  };
}

export function span(params) {
  return SPANS.includes(params.get("days")) ? params.get("days") : "1";
}
