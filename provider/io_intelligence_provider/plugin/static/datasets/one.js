// @ts-check
// Shows one data set: a run of it with its findings and refused rows, and each check and figure over time.

import { get } from "../api.js";
import { cardHead, emptyState, outcomeMark, tile } from "../components.js";
import { h, icon, replaceChildren } from "../dom.js";
import { count, cut, minute, plural, share } from "../format.js";
import { checkTable } from "../quality/checks.js";
import { flagItem, refusedItem, withheldNote } from "../quality/evidence.js";
import { link, pageLink } from "../route.js";
import { pages, taskLink, trend } from "./list.js";

const LIMIT = 20;

/**
 * Return what the address asks for; its parameters: id, run, offset among the refused rows.
 * @param {URLSearchParams} params
 * @returns {Promise<import("./app.js").Shown>}
 */
export async function load(params) {
  const asked = { id: params.get("id") ?? "", run: params.get("run") };
  const offset = Number.parseInt(params.get("offset") ?? "", 10) || 0;
  const data = await get("dataset", asked);
  const { run } = data;
  const refused =
    run.quarantined && !run.withheld
      ? await get("dataset/refused", { id: data.id, run: run.run_id, limit: LIMIT, offset })
      : null;
  return {
    name: data.dataset,
    pinned: { run: run.run_id },
    warnings: [...data.warnings, ...(refused?.warnings ?? [])],
    print: JSON.stringify(data),
    load: () => load(params),
    draw: (node) =>
      replaceChildren(
        node,
        head(data),
        tiles(data),
        checkTable({
          sub: `run of ${minute(run.checked_at)}`,
          dates: data.runs.map((one) => one.checked_at.slice(0, 10)),
          scores: data.runs.map((one) => one.score),
          rows: data.checks,
          score: run.score,
          results: run.checks,
          byColumn: !run.date,
          silence: "in these runs",
        }),
        h("div", { class: "columns" }, findings(data), refusedRows(data, refused, offset)),
        data.profile.length > 0 && profile(data),
        runs(data),
      ),
  };
}

/** @param {Api.DatasetAnswer} data */
function head({ id, dataset, schema_name, run }) {
  const report = `api/dataset/report?${new URLSearchParams({ id, run: run.run_id })}`;
  const onPage = `./#/quality?${new URLSearchParams({ day: run.date ?? "", run: run.run_id })}`;
  return h(
    "div",
    { class: "controls" },
    h("b", { dir: "auto", title: cut(dataset, 300) }, cut(dataset, 80)),
    h("span", { class: "muted", title: cut(schema_name, 300) }, cut(schema_name, 80)),
    h(
      "span",
      { class: "end" },
      run.date && h("a", { class: "button", ...pageLink(onPage) }, "In IO Models"),
      h("a", { class: "button", ...pageLink(report) }, "HTML report"),
    ),
  );
}

/** @param {Api.DatasetAnswer} data */
function tiles({ run }) {
  const flags = run.checks.filter((check) => !check.passed).length;
  const drift = run.drift?.map(({ column, change, before, after }) =>
    change === "type" ? `${column}: ${before} → ${after}` : `${change}: ${column}`,
  );
  return h(
    "div",
    { class: "card tiles quality-tiles" },
    tile("Score", share(run.score), `${count(flags)} of ${plural(run.checks.length, "check")} flagged`),
    tile("Outcome", outcomeMark(run.outcome), run.outcome === "failed" ? "the run was stopped" : "the run went on"),
    tile(
      "Rows",
      h(
        "span",
        { class: "equation" },
        h("b", {}, count(run.rows)),
        " read ",
        h("b", {}, `= ${count(run.valid)}`),
        " valid ",
        h("b", {}, `+ ${count(run.quarantined)}`),
        " refused",
      ),
      run.seconds === null ? "" : `in ${run.seconds.toFixed(1)} s`,
    ),
    tile(
      "Columns",
      drift?.length ? `${count(drift.length)} changed` : drift ? "as before" : "—",
      drift?.length ? cut(drift.join(", "), 120) : drift ? "no drift since the run before" : "no run to compare with",
    ),
    tile("Run", h("span", { class: "small" }, minute(run.checked_at)), taskLink(run.task)),
  );
}

/** @param {Api.DatasetAnswer} data */
function findings({ run }) {
  const failed = run.checks.filter((check) => !check.passed);
  const title = cardHead("Findings", `of the run of ${minute(run.checked_at)}`);
  if (!failed.length)
    return h("section", { class: "card span-6" }, title, emptyState("Nothing flagged", "All checks passed."));
  return h(
    "section",
    { class: "card span-6" },
    title,
    h(
      "ul",
      { class: "flags" },
      failed
        .slice(0, 50)
        .map((check) => flagItem(check, h("span", { class: "muted" }, check.dimension ?? check.severity), 5)),
      failed.length > 50 && h("li", { class: "muted" }, `${count(failed.length - 50)} more are in the result's file.`),
    ),
    run.withheld && withheldNote([run.task?.dag_id ?? null]),
  );
}

/**
 * @param {Api.DatasetAnswer} data
 * @param {Api.RefusedAnswer | null} refused
 * @param {number} offset
 */
function refusedRows({ run }, refused, offset) {
  const title = cardHead("Refused rows", "as filed, with each reason");
  const none = [h("p", { class: "none-refused" }, icon("check", 15), h("b", {}, " No row refused "), "in this run.")];
  const body = !run.quarantined
    ? none
    : !refused
      ? withheldNote([run.task?.dag_id ?? null])
      : refused.missing !== null
        ? emptyState(`${plural(run.quarantined, "row")} refused`, h("p", {}, cut(refused.missing, 600)))
        : [
            h(
              "ul",
              { class: "refused" },
              refused.items.map((item) =>
                refusedItem(item, refused.items.length < 3, [
                  item.row !== null && h("span", {}, `row ${count(item.row)}`),
                  item.file !== null && h("span", { class: "muted", dir: "auto" }, cut(item.file, 80)),
                ]),
              ),
            ),
            h("p", { class: "pages" }, pages(refused.total, refused.items.length, offset, LIMIT)),
          ];
  return h("section", { class: "card span-6" }, title, body);
}

/** @param {Api.DatasetAnswer} data */
function profile({ profile: columns, runs: all, run }) {
  const col = (/** @type {string} */ text, className = "") => h("th", { scope: "col", class: className }, text);
  const value = (/** @type {string | number | null} */ figure) => (figure === null ? "—" : cut(String(figure), 40));
  return h(
    "section",
    { class: "card" },
    cardHead("Profile", `of the run of ${minute(run.checked_at)}, and its drift over ${plural(all.length, "run")}`),
    h(
      "table",
      { class: "table natural" },
      h("caption", { class: "unseen" }, "The profile of each column"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          col("Column", "takes-rest"),
          col("Nulls", "number"),
          col("over time", "middle"),
          col("Distinct", "number large"),
          col("Smallest", "number wide"),
          col("Greatest", "number wide"),
          col("Median", "number large"),
          col("over time", "middle"),
        ),
      ),
      h(
        "tbody",
        {},
        columns.map((column) =>
          h(
            "tr",
            {},
            h("th", { scope: "row", class: "takes-rest", dir: "auto" }, h("code", {}, cut(column.column))),
            h("td", { class: "number" }, share(column.nulls)),
            h("td", { class: "middle" }, trend(column.null_shares)),
            h("td", { class: "number large" }, count(column.distinct)),
            h("td", { class: "number wide" }, value(column.min)),
            h("td", { class: "number wide" }, value(column.max)),
            h("td", { class: "number large" }, value(column.median)),
            h("td", { class: "middle" }, trend(column.medians)),
          ),
        ),
      ),
    ),
  );
}

/** @param {Api.DatasetAnswer} data */
function runs({ id, runs: all, on_file, run }) {
  const col = (/** @type {string} */ text, className = "") => h("th", { scope: "col", class: className }, text);
  const sub = on_file > all.length ? `the latest ${count(all.length)} of ${count(on_file)}` : "newest first";
  return h(
    "section",
    { class: "card" },
    cardHead("Runs", sub),
    h(
      "table",
      { class: "table natural" },
      h("caption", { class: "unseen" }, "Runs of this data set"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          col("Checked", "takes-rest"),
          col("Outcome"),
          col("Score", "number"),
          col("Rows", "number large"),
          col("Refused", "number"),
          col("Run", "wide"),
        ),
      ),
      h(
        "tbody",
        {},
        [...all]
          .reverse()
          .map((one) =>
            h(
              "tr",
              { "aria-selected": one.run_id === run.run_id ? "true" : null },
              h(
                "th",
                { scope: "row", class: "takes-rest" },
                h("a", { href: link("dataset", { id, run: one.run_id }) }, minute(one.checked_at)),
              ),
              h("td", {}, outcomeMark(one.outcome)),
              h("td", { class: "number" }, share(one.score)),
              h("td", { class: "number large" }, count(one.rows)),
              h("td", { class: `number ${one.quarantined ? "warned" : "muted"}` }, count(one.quarantined)),
              h("td", { class: "wide muted" }, h("code", {}, cut(one.run_id, 40))),
            ),
          ),
      ),
    ),
  );
}
