// Shows each check: its latest result, and one cell per snapshot.

import { CELLS, cells, scoreCells } from "./cells.js";
import { h } from "../dom.js";
import { count, plural, share, shortDay } from "../format.js";
import { cardHead, outcome } from "../components.js";

const LEVELS = { row: "Row", snapshot: "Snapshot", history: "History" };

/** Draw the score of each snapshot: share of valid rows times share of passed checks. */
function scoreRow(data, width) {
  const scores = data.history.scores.slice(-width);
  const known = scores.filter((score) => score !== null);
  const lowest = known.length ? Math.min(...known) : null;
  return h(
    "tr",
    {},
    h("td", { class: "large muted level" }, h("b", {}, "All")),
    h(
      "th",
      { scope: "row" },
      "Score",
      h("span", { class: "columns-of muted large" }, " valid rows × passed checks"),
    ),
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

export function checks(data) {
  const { dates, checks: rows } = data.history;
  const width = Math.min(CELLS, dates.length);
  const from = dates[dates.length - width];
  const latest = new Map(now(data).map((check) => [check.check + check.level, check]));
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
    checkRow(row, latest.get(row.check + row.level), shown[index - 1]?.level !== row.level, width),
  );
  body.unshift(scoreRow(data, width));
  return h(
    "section",
    { class: "card" },
    cardHead(
      "Checks",
      `snapshot of ${data.date}, and each of the latest ${width} since ${from ?? data.date}`,
      key,
    ),
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

/** Return the latest results, one per check: a check of several columns is one line. */
export function now(data) {
  const found = new Map();
  for (const check of data.report?.checks ?? []) {
    const key = check.check + check.level;
    const sum = found.get(key) ?? { ...check, evaluated: 0, failed: 0, columns: [] };
    sum.evaluated += check.evaluated;
    sum.failed += check.failed;
    if (check.column) sum.columns.push(check.column);
    found.set(key, sum);
  }
  return [...found.values()];
}

function checkRow(row, latest, first, width) {
  const states = row.states.slice(-width);
  const flags = [...states].filter((state) => state === "f").length;
  const columns = row.columns ?? (row.column ? [row.column] : []);
  const word =
    !latest || !latest.evaluated
      ? h("span", { class: "muted" }, "not run")
      : latest.failed
        ? outcome(row.severity === "warn" || row.level === "row" ? "warned" : "failed")
        : outcome("passed");
  if (latest?.failed) word.lastChild.textContent = " flagged";
  return h(
    "tr",
    { class: first ? "first" : "" },
    h("td", { class: "large muted level" }, first ? h("b", {}, LEVELS[row.level] ?? row.level) : ""),
    h(
      "th",
      { scope: "row" },
      h("code", {}, row.check),
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
      { class: `number ${flags ? "warned" : "muted"}` },
      flags ? h("b", {}, `${flags} flagged`) : "none",
    ),
  );
}
