// @ts-check
// Shows the quality of the data: the score, each check over time, flags and refused records.

import { get } from "../api.js";
import { emptyState, outcomeMark, tile } from "../components.js";
import { dayField } from "../controls.js";
import { h, keepFocus, replaceChildren } from "../dom.js";
import { count, cut, plural, share } from "../format.js";
import { checks } from "../quality/checks.js";
import { failedRuns, flagged, quarantine } from "../quality/evidence.js";
import { link, pageLink, update } from "../route.js";
import { snapshotDay } from "../store.js";

/** @typedef {import("../store.js").Status} Status */

/**
 * Show the view; its parameters: day, check, and run: the id of one run of that day.
 * @param {import("../app.js").Context} context
 * @returns {Promise<import("../app.js").View>}
 */
export async function show({ node, params, status }) {
  let day = status.latest;
  let asked = params; // an answer is dropped when it arrives after the next question

  /** @param {URLSearchParams} now */
  async function draw(now) {
    asked = now;
    day = now.get("day") ?? status.latest;
    const run = now.get("run");
    const [data, refused] = await Promise.all([
      get("quality", { date: day, run }),
      get("quarantine", { limit: 20, date: now.get("day"), run }),
    ]);
    if (asked !== now) return [];
    keepFocus(node, () =>
      replaceChildren(
        node,
        controls(data, status),
        tiles(data),
        checks(data),
        h("div", { class: "columns" }, flagged(data, now.get("check")), quarantine(refused, data)),
        failedRuns(data),
      ),
    );
    return [...data.warnings, ...refused.warnings];
  }

  return { warnings: await draw(params), stop() {}, change: draw, pinned: () => ({ day }) };
}

/**
 * @param {Api.QualityAnswer} data
 * @param {Status} status
 */
function controls(data, status) {
  const choose = (/** @type {string} */ day) => {
    const found = snapshotDay(status.dates, day);
    update({ day: found === status.latest ? null : found, run: null }, { push: true });
  };
  const day = data.date ?? status.latest;
  const report = new URLSearchParams({ snapshot_id: data.report?.snapshot_id ?? "" });
  return h(
    "div",
    { class: "controls" },
    h("span", { class: "muted" }, "What the checks said of the snapshot of that day"),
    h(
      "span",
      { class: "end" },
      data.report && h("a", { class: "button", ...pageLink(`api/report?${report}`) }, "HTML report"),
      dayField("Snapshot of", day, { min: status.dates[0], max: status.latest }, choose),
    ),
  );
}

/** @param {Api.QualityAnswer} data */
function tiles(data) {
  const { report } = data;
  if (!report)
    return h(
      "div",
      { class: "card" },
      emptyState(
        `The report of ${data.date} cannot be read`,
        "The snapshot itself is on file. Clear its task to write the report again.",
      ),
    );
  const { served, valid, quarantined } = report.rows;
  const { unknown_fields, missing_fields } = report.drift;
  const drift = unknown_fields.length + missing_fields.length;
  const equation = h(
    "span",
    { class: "equation" },
    h("b", {}, count(served)),
    " served ",
    h("b", {}, `= ${count(valid)}`),
    " valid ",
    h("b", {}, `+ ${count(quarantined)}`),
    " refused",
  );
  const fields = [...unknown_fields.map((name) => `new: ${name}`), ...missing_fields.map((name) => `gone: ${name}`)];
  const [last] = data.flagged;
  return h(
    "div",
    { class: "card tiles quality-tiles" },
    tile("Score", share(report.score), `${count(report.evaluated)} evaluated, ${count(report.failed)} failed`),
    tile(
      "Outcome",
      outcomeMark(report.outcome),
      report.outcome === "failed" ? `run ${report.snapshot_id} was not committed` : `snapshot of ${data.date}`,
    ),
    tile(
      "Records",
      equation,
      served === valid + quarantined
        ? "nothing lost between answer and file"
        : h("span", { class: "failed" }, "the sum does not hold: records were lost"),
    ),
    tile(
      "Drift",
      drift ? plural(drift, "field") : "none",
      drift ? cut(fields.join(", "), 120) : "no unknown, no missing field",
    ),
    tile(
      "Flagged days",
      h(
        "span",
        {},
        count(data.flagged_days),
        h("span", { class: "small muted" }, ` of ${count(data.history.dates.length)}`),
      ),
      last ? h("a", { href: link("quality", { day: last.date }) }, `last on ${last.date}`) : "none so far",
    ),
  );
}
