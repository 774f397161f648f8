// @ts-check
// Shows each check: its latest result, and one cell per snapshot.

import { cardHead, outcomeMark } from "../components.js";
import { h, svg } from "../dom.js";
import { count, plural, share, shortDay } from "../format.js";
import { link } from "../route.js";

const CELLS = 90;
const LEVELS = { row: "Row", snapshot: "Snapshot", dataset: "Data set" };

/**
 * Draw the score of each snapshot: share of valid rows times share of passed checks.
 * @param {Api.QualityAnswer} data
 * @param {number} width
 */
function scoreRow(data, width) {
  const scores = data.history.scores.slice(-width);
  const known = scores.filter((score) => score !== null);
  const lowest = known.length ? Math.min(...known) : null;
  return h(
    "tr",
    {},
    h("td", { class: "large muted level" }, h("b", {}, "All")),
    h("th", { scope: "row" }, "Score", h("span", { class: "columns-of muted large" }, " valid rows × passed checks")),
    h("td", { class: "large" }),
    h("td", { class: "large" }),
    h("td", { class: "large" }),
    h("td", {}, h("b", {}, data.report ? share(data.report.score) : "—")),
    h("td", { class: "large middle" }, scoreCells(scores)),
    h(
      "td",
      { class: `number ${lowest !== null && lowest < 1 ? "warned" : "muted"}` },
      lowest === null ? "—" : `lowest ${share(lowest)}`,
    ),
  );
}

/** @param {Api.QualityAnswer} data */
export function checks(data) {
  const { dates, checks: rows } = data.history;
  const width = Math.min(CELLS, dates.length);
  const from = dates[dates.length - width];
  const latest = latestResults(data);
  const silent = rows.filter((row) => !row.states.includes("p") && !row.states.includes("f"));
  const shown = rows.filter((row) => !silent.includes(row));
  const key = h(
    "span",
    { class: "keys muted" },
    h("span", { class: "cell passed" }),
    "passed",
    h("span", { class: "cell flagged" }),
    "flagged",
    h("span", { class: "cell none" }),
    "not run",
  );
  const body = shown.map((row, index) =>
    checkRow(data, row, latest.get(row.check + row.level), shown[index - 1]?.level !== row.level, width),
  );
  body.unshift(scoreRow(data, width));
  return h(
    "section",
    { class: "card" },
    cardHead("Checks", `snapshot of ${data.date}, and each of the latest ${width} since ${from ?? data.date}`, key),
    h(
      "table",
      { class: "table checks" },
      h("caption", { class: "unseen" }, "Checks and their results over time"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col", class: "w-level large" }, "Level"),
          h("th", { scope: "col" }, "Check"),
          h("th", { scope: "col", class: "w-severity large" }, "Severity"),
          h("th", { scope: "col", class: "number w-number large" }, "Evaluated"),
          h("th", { scope: "col", class: "number w-number large" }, "Failed"),
          h("th", { scope: "col", class: "w-result" }, "Result"),
          h(
            "th",
            { scope: "col", class: "w-cells large middle" },
            h(
              "span",
              { class: "from-to" },
              h("span", {}, from ? shortDay(from) : ""),
              h("span", {}, dates.length ? shortDay(dates[dates.length - 1]) : ""),
            ),
          ),
          h("th", { scope: "col", class: "number w-flagged" }, `In ${width}`),
        ),
      ),
      h("tbody", {}, body),
    ),
    silent.length > 0 &&
      h(
        "p",
        { class: "not-run muted" },
        h("b", {}, "Not run "),
        h("code", {}, [...new Set(silent.map((row) => row.check))].join(", ")),
        " the answers so far gave them nothing to look at",
      ),
  );
}

/** @typedef {{evaluated: number, failed: number}} Latest */

/**
 * Return the latest results by name and level: a check of several columns is one line.
 * @param {Api.QualityAnswer} data
 * @returns {Map<string, Latest>}
 */
function latestResults(data) {
  const found = new Map();
  for (const { check, level, evaluated, failed } of data.report?.checks ?? []) {
    const sum = found.get(check + level) ?? { evaluated: 0, failed: 0 };
    found.set(check + level, { evaluated: sum.evaluated + evaluated, failed: sum.failed + failed });
  }
  return found;
}

/**
 * @param {Api.QualityAnswer} data
 * @param {Api.CheckRow} row
 * @param {Latest | undefined} latest
 * @param {boolean} first of its level
 * @param {number} width
 */
function checkRow(data, row, latest, first, width) {
  const states = row.states.slice(-width);
  const flags = [...states].filter((state) => state === "f").length;
  const { columns } = row;
  const word = !latest?.evaluated
    ? h("span", { class: "muted" }, "not run")
    : latest.failed
      ? outcomeMark(row.severity === "warn" || row.level === "row" ? "warned" : "failed", "flagged")
      : outcomeMark("passed");
  return h(
    "tr",
    { class: first ? "first" : "" },
    h("td", { class: "large muted level" }, first ? h("b", {}, LEVELS[row.level] ?? row.level) : ""),
    h(
      "th",
      { scope: "row" },
      h("a", { href: link("quality", { day: data.date, check: row.check }) }, h("code", {}, row.check)),
      h(
        "span",
        { class: "columns-of muted large", title: columns.join(", ") },
        ` ${columns.length > 3 ? plural(columns.length, "column") : columns.join(", ")}`,
      ),
    ),
    h("td", { class: "large" }, h("span", { class: "tag" }, row.severity)),
    h("td", { class: "number large" }, latest ? count(latest.evaluated) : "—"),
    h("td", { class: "number large" }, latest ? count(latest.failed) : "—"),
    h("td", {}, word),
    h("td", { class: "large middle" }, cells(states)),
    h(
      "td",
      { class: `number ${flags ? "warned" : "muted"}`, title: `${count(row.flagged)} of all` },
      flags ? h("b", {}, `${flags} flagged`) : "none",
    ),
  );
}

/** @param {number} number */
function measure(number) {
  const width = Math.min(6, Math.max(1.6, 412 / Math.max(number, 1) - 1.2));
  return { width, step: (412 - width) / Math.max(number - 1, 1) };
}

/** @param {Record<string, string>} paths */
function strip(paths) {
  const drawn = Object.entries(paths).map(([name, d]) => svg("path", { d, class: name }));
  return svg(
    "svg",
    { class: "cells", viewBox: "0 0 412 18", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn,
  );
}

/**
 * Draw scores of 0 to 1 as bars, amber below 1; a missing score is a dot.
 * @param {(number | null)[]} scores
 */
function scoreCells(scores) {
  const { width, step } = measure(scores.length);
  const paths = { passed: "", flagged: "", none: "" };
  scores.forEach((score, index) => {
    const x = (index * step).toFixed(1);
    if (score === null) paths.none += `M${x} 9h1v1h-1z`;
    else {
      const height = Math.max(1, 16 * score).toFixed(1);
      paths[score < 1 ? "flagged" : "passed"] += `M${x} 17h${width}v-${height}h-${width}z`;
    }
  });
  return strip(paths);
}

/**
 * Draw "ppf-p…", one small cell per snapshot: flagged tall, passed low, not run a dot. Screen readers get the totals.
 * @param {string} states
 */
function cells(states) {
  const { width, step } = measure(states.length);
  const paths = { p: "", f: "", "-": "" };
  [...states].forEach((state, index) => {
    const x = (index * step).toFixed(1);
    if (state === "f") paths.f += `M${x} 1h${width}v16h-${width}z`;
    else if (state === "p") paths.p += `M${x} 7h${width}v5h-${width}z`;
    else paths["-"] += `M${(index * step + width / 2 - 0.5).toFixed(1)} 9h1v1h-1z`;
  });
  const number = (/** @type {string} */ state) => [...states].filter((other) => other === state).length;
  return [
    strip({ passed: paths.p, flagged: paths.f, none: paths["-"] }),
    h(
      "span",
      { class: "unseen" },
      `${plural(number("p"), "time")} passed, ${number("f")} flagged, ${number("-")} not run`,
    ),
  ];
}
