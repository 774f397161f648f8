// @ts-check
// Shows the overview: the day's events, the largest moves and the quality.

import { get } from "../api.js";
import { banner, described } from "../components.js";
import { h, replaceChildren } from "../dom.js";
import { drawMovers, SPANS } from "../overview/movers.js";
import { events, perDay, priceIndex } from "../overview/panels.js";
import { lead, tiles } from "../overview/tiles.js";
import { trustLine } from "../overview/trust.js";

/**
 * Show the view; its parameters: days, date.
 * @param {import("../app.js").Context} context
 * @returns {Promise<import("../app.js").View>}
 */
export async function show({ node, params, status }) {
  const ask = (/** @type {URLSearchParams} */ now) => {
    const days = now.get("days") ?? "";
    const date = now.get("date") ?? status.latest;
    // The prices do not depend on the ledger: what is wrong with it is shown in the place of its line.
    const trusted = get("trust", { date }).catch((error) => ({ problem: described(error), warnings: [] }));
    return Promise.all([get("overview", { days: SPANS.includes(days) ? days : "1", date }), trusted]);
  };
  let asked = params; // an answer is dropped when it arrives after the next question
  let [data, trust] = await ask(params);
  const movers = h("section", { class: "card movers" });
  /** @type {(() => void)[]} */
  let running = [];

  function stop() {
    for (const end of running) end();
    running = [];
  }

  function draw() {
    stop();
    /** @type {import("../overview/panels.js").Chart[]} */
    const charts = [];
    const panels = [perDay(data, charts), priceIndex(data, charts, status), events(data)];
    drawMovers(movers, data);
    replaceChildren(
      node,
      lead(data),
      "problem" in trust
        ? banner("warn", h("b", {}, `${trust.problem.title}. `), trust.problem.text)
        : trustLine(trust),
      tiles(data),
      movers,
      h("div", { class: "columns panels" }, panels),
    );
    running = charts.map((start) => start());
  }

  const warnings = () => [...new Set([...data.warnings, ...trust.warnings])];

  return {
    warnings: warnings(),
    placed: draw,
    stop,
    async change(now) {
      asked = now;
      const before = data.date;
      const found = await ask(now);
      if (asked !== now) return null;
      [data, trust] = found;
      if (data.date === before) drawMovers(movers, data);
      else draw();
      return warnings();
    },
    pinned: () => ({ date: data.date }),
  };
}
