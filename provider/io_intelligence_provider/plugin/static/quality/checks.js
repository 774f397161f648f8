// @ts-check
// Shows each check: its result in one run, and one cell per run.

import { cardHead, outcomeMark } from "../components.js";
import { h, svg } from "../dom.js";
import { count, cut, plural, share, shortDay } from "../format.js";
import { link } from "../route.js";

const CELLS = 90;
const LEVELS = { row: "Row", snapshot: "Snapshot", dataset: "Data set" };

const RANK = Object.keys(LEVELS);

/** @typedef {Api.Check | Api.RunCheck} Result */
/**
 * What the table shows: the results of one run, and those of all runs, oldest first.
 * @typedef {object} Shown
 * @property {string} sub
 * @property {string[]} dates of the runs
 * @property {(number | null)[]} scores
 * @property {Api.CheckRow[]} rows
 * @property {number | null} score
 * @property {Result[]} results
 * @property {boolean} byColumn whether each column of a check has a row of its own
 * @property {(check: string) => string} [href] the address of a check's flags
 * @property {string} silence why a check may not have run
 */

/** @param {Api.QualityAnswer} data */
export function checks(data) {
  const { dates, scores, checks: rows } = data.history;
  return checkTable({
    sub: `snapshot of ${data.date}`,
    dates,
    scores,
    rows,
    score: data.report?.score ?? null,
    results: data.report?.checks ?? [],
    byColumn: false,
    href: (check) => link("quality", { day: data.date, check }),
    silence: "the answers so far gave them nothing to look at",
  });
}

/**
 * Build the card of all checks.
 * @param {Shown} shown
 */
export function checkTable(shown) {
  const { dates, rows } = shown;
  const width = Math.min(CELLS, dates.length);
  const from = dates[dates.length - width];
  const latest = latestResults(shown);
  const silent = rows.filter((row) => !row.states.includes("p") && !row.states.includes("f"));
  const run = rows.filter((row) => !silent.includes(row)).sort((a, b) => RANK.indexOf(a.level) - RANK.indexOf(b.level));
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
  const body = run.map((row, index) =>
    checkRow(shown, row, latest.get(keyOf(shown, row)), run[index - 1]?.level !== row.level, width),
  );
  body.unshift(scoreRow(shown, width));
  const since = width ? `, and each of the latest ${width} since ${from}` : "";
  return h(
    "section",
    { class: "card" },
    cardHead("Checks", shown.sub + since, key),
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
        h("code", {}, cut([...new Set(silent.map((row) => row.check))].join(", "), 400)),
        ` ${shown.silence}`,
      ),
  );
}

/**
 * Draw the score of each run: share of valid rows times share of passed checks.
 * @param {Shown} shown
 * @param {number} width
 */
function scoreRow(shown, width) {
  const scores = shown.scores.slice(-width);
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
    h("td", {}, h("b", {}, share(shown.score))),
    h("td", { class: "large middle" }, scoreCells(scores)),
    h(
      "td",
      { class: `number ${lowest !== null && lowest < 1 ? "warned" : "muted"}` },
      lowest === null ? "—" : `lowest ${share(lowest)}`,
    ),
  );
}

/** @typedef {{evaluated: number, failed: number, passed: boolean}} Latest */

/**
 * @param {Shown} shown
 * @param {Api.CheckRow | Result} item
 */
function keyOf({ byColumn }, { check, level, column }) {
  return JSON.stringify([check, level, byColumn ? column : null]);
}

/**
 * Return the latest results by row of the table.
 * @param {Shown} shown
 * @returns {Map<string, Latest>}
 */
function latestResults(shown) {
  const found = new Map();
  for (const result of shown.results) {
    const key = keyOf(shown, result);
    const sum = found.get(key) ?? { evaluated: 0, failed: 0, passed: true };
    found.set(key, {
      evaluated: sum.evaluated + result.evaluated,
      failed: sum.failed + result.failed,
      passed: sum.passed && result.passed,
    });
  }
  return found;
}

/**
 * @param {Shown} shown
 * @param {Api.CheckRow} row
 * @param {Latest | undefined} latest
 * @param {boolean} first of its level
 * @param {number} width
 */
function checkRow(shown, row, latest, first, width) {
  const states = row.states.slice(-width);
  const flags = [...states].filter((state) => state === "f").length;
  const { columns } = row;
  const word = !latest?.evaluated
    ? h("span", { class: "muted" }, "not run")
    : !latest.passed
      ? outcomeMark(row.severity === "warn" || row.level === "row" ? "warned" : "failed", "flagged")
      : outcomeMark("passed");
  const name = h("code", {}, cut(row.check, 120));
  return h(
    "tr",
    { class: first ? "first" : "" },
    h("td", { class: "large muted level" }, first ? h("b", {}, LEVELS[row.level] ?? row.level) : ""),
    h(
      "th",
      { scope: "row", title: cut(row.check, 300) },
      shown.href ? h("a", { href: shown.href(row.check) }, name) : name,
      h(
        "span",
        { class: "columns-of muted large", title: cut(columns.join(", "), 300) },
        ` ${columns.length > 3 ? plural(columns.length, "column") : cut(columns.join(", "))}`,
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
 * Draw "ppf-p…", one small cell per run: flagged tall, passed low, not run a dot. Screen readers get the totals.
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
