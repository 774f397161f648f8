// Shows the quality of the data: the score, each check over time, flags and refused records.

import { get } from "../api.js";
import { snapshotDay } from "../catalogue.js";
import { checks } from "../quality/checks.js";
import { h, replaceChildren } from "../dom.js";
import { failedRuns, flagged, quarantine } from "../quality/evidence.js";
import { keepFocus } from "../focus.js";
import { count, cut, plural, share } from "../format.js";
import { dayField, emptyState, outcome } from "../components.js";
import { update } from "../route.js";

/** Show the view; its parameters: day, and run: the id of one run of that day. */
export async function show({ node, params, status }) {
  let said = [];

  async function draw(now) {
    const day = now.get("day");
    const run = now.get("run");
    const [data, refused] = await Promise.all([
      get("quality", { date: day, run }),
      get("quarantine", { limit: 20, date: day, run }),
    ]);
    said = data.warnings;
    keepFocus(node, () =>
      replaceChildren(
        node,
        controls(data, status),
        tiles(data),
        checks(data),
        h("div", { class: "columns" }, flagged(data), quarantine(refused, day, data)),
        failedRuns(data),
      ),
    );
  }

  await draw(params);
  return { warnings: said, stop() {}, change: draw };
}

function controls(data, status) {
  const choose = (day) =>
    update(
      {
        day: snapshotDay(status.dates, day) === status.latest ? null : snapshotDay(status.dates, day),
        run: null,
      },
      { push: true },
    );
  return h(
    "div",
    { class: "controls" },
    h("span", { class: "muted" }, "What the checks said of the snapshot of that day"),
    h(
      "span",
      { class: "end" },
      dayField("Snapshot of", data.date, { min: status.dates[0], max: status.latest }, choose),
    ),
  );
}

function tile(title, value, note) {
  return h(
    "div",
    { class: "tile" },
    h("h2", {}, title),
    h("p", { class: "figure" }, value),
    h("p", { class: "note" }, note),
  );
}

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
  const drift = report.drift;
  const unknown = drift.unknown_fields.length;
  const missing = drift.missing_fields.length;
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
  const kept = served === valid + quarantined;
  return h(
    "div",
    { class: "card tiles quality-tiles" },
    tile(
      "Score",
      share(report.score),
      `${count(data.report.evaluated)} evaluated, ${count(data.report.failed)} failed`,
    ),
    tile(
      "Outcome",
      outcome(report.outcome),
      report.outcome === "failed"
        ? `run ${report.snapshot_id} was not committed`
        : `snapshot of ${data.date}`,
    ),
    tile(
      "Records",
      equation,
      kept
        ? "nothing lost between answer and file"
        : h("span", { class: "failed" }, "the sum does not hold: records were lost"),
    ),
    tile(
      "Drift",
      unknown + missing ? plural(unknown + missing, "field") : "none",
      unknown + missing
        ? cut(
            [
              ...drift.unknown_fields.map((name) => `new: ${name}`),
              ...drift.missing_fields.map((name) => `gone: ${name}`),
            ].join(", "),
            120,
          )
        : "no unknown, no missing field",
    ),
    tile(
      "Flagged days",
      h(
        "span",
        {},
        count(data.flagged_days),
        h("span", { class: "small muted" }, ` of ${count(data.history.dates.length)}`),
      ),
      data.flagged.length ? `last on ${data.flagged[0].date}` : "none so far",
    ),
  );
}
