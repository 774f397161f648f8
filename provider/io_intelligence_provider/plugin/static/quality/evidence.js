// @ts-check
// Lists what the checks found: flags, refused records, stopped runs.

import { cardHead, emptyState, modelName } from "../components.js";
import { h, icon } from "../dom.js";
import { count, cut, field, plural, share } from "../format.js";
import { link, pageLink } from "../route.js";
import { record } from "./record.js";

/** @param {unknown} found an example as the check wrote it: an object, of which a few keys are known, or a value */
function example(found) {
  const item = /** @type {Record<string, unknown>} */ (
    found !== null && typeof found === "object" ? found : { value: found }
  );
  const { name, message, column, old_value: old, new_value: now_, ...rest } = item;
  const { value = null, row = null } = rest;
  const moved =
    old !== undefined || now_ !== undefined
      ? `${column ? field(String(column)) : "value"} ${old ?? "—"} → ${now_ ?? "—"}`
      : column && `column ${column}`;
  const others = Object.entries(rest)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : value}`);
  const place = row === null ? "" : `row ${row}: `;
  const told = message && `${place}${value === null ? "" : `${value} `}${message}`;
  const text = told ?? [moved, ...others].filter(Boolean).join(", ");
  return h(
    "p",
    { class: "new-line", dir: "auto" },
    name ? [h("b", {}, cut(String(name), 80)), ": "] : null,
    cut(String(text), 240),
  );
}

/**
 * Build a failed check with its first examples.
 * @param {Api.Flagged | Api.RunCheck} flag
 * @param {import("../dom.js").Child} lead
 * @param {number} [most] examples
 */
export function flagItem({ check, column, severity, failed, examples }, lead, most = 2) {
  return h(
    "li",
    {},
    lead,
    h(
      "div",
      {},
      h(
        "p",
        {},
        h(
          "span",
          { class: `${severity === "warn" ? "warned" : "failed"} move` },
          icon("warn", 15),
          " ",
          h("code", {}, cut(check)),
        ),
        h("span", { class: "muted" }, ` ${column ? `${cut(column)}, ` : ""}${count(failed)} failed`),
      ),
      examples.slice(0, most).map(example),
      examples.length > most && h("p", { class: "muted" }, "and others"),
    ),
  );
}

/**
 * Say which rights the user lacks to see values.
 * @param {(string | null)[]} dags that filed them; null is no known Dag
 * @param {string} [title]
 */
export function withheldNote(dags, title = "Values are not shown to you") {
  const named = dags.filter((dag) => dag !== null).map((dag) => cut(dag, 80));
  const those = `${named.length > 1 ? "the Dags" : "the Dag"} ${cut(named.join(", "), 300)}`;
  const needed = !named.length
    ? "all Dags, as no Dag is known to have filed it"
    : named.length < dags.length
      ? `${those}, and to all Dags for what no known Dag filed`
      : those;
  return emptyState(title, h("p", {}, `This needs read access to ${needed}.`));
}

/**
 * @param {Api.QualityAnswer} data
 * @param {string | null} check of which only the flags are listed
 */
export function flagged(data, check) {
  const found = data.flagged.filter((flag) => !check || flag.check === check);
  const all = check && h("a", { href: link("quality", { day: data.date }) }, "All checks");
  const head = cardHead(check ? `Flagged by ${cut(check, 40)}` : "Flagged", "what the checks found, latest first", all);
  if (!found.length)
    return h(
      "section",
      { class: "card span-6" },
      head,
      emptyState("Nothing flagged", "in the latest snapshots on file"),
    );
  const drawn = found.slice(0, 20);
  const withheldBy = [...new Set(drawn.flatMap((flag) => flag.withheld_by))];
  return h(
    "section",
    { class: "card span-6" },
    head,
    h(
      "ul",
      { class: "flags" },
      drawn.map((flag) =>
        flagItem(flag, h("a", { class: "muted", href: link("quality", { day: flag.date }) }, flag.date)),
      ),
    ),
    withheldBy.length > 0 && withheldNote(withheldBy),
  );
}

/**
 * @param {Api.QuarantineAnswer} data
 * @param {Api.QualityAnswer} quality
 */
export function quarantine(data, quality) {
  const head = cardHead("Quarantine", "records refused, as served, with each reason");
  const where = data.date
    ? `in the snapshot of ${data.date}`
    : `in ${plural(quality.history.dates.length, "snapshot")}`;
  if (!data.total)
    return h(
      "section",
      { class: "card span-6" },
      head,
      h("p", { class: "none-refused" }, icon("check", 15), h("b", {}, " No record refused "), where, "."),
    );
  const items = data.items.map((item) =>
    refusedItem(item, data.items.length < 3, [
      h("span", { class: "muted" }, `${item.date} `),
      modelName(item.name ?? item.model_id ?? "a record without a name"),
    ]),
  );
  const more = data.total - data.items.length - data.withheld;
  return h(
    "section",
    { class: "card span-6" },
    head,
    data.withheld < data.total &&
      h(
        "ul",
        { class: "refused" },
        items,
        more > 0 && h("li", { class: "muted" }, `${count(more)} more are in the Parquet files below quarantine/.`),
      ),
    data.withheld > 0 && withheldNote(data.withheld_by, `${plural(data.withheld, "refused record")} not shown to you`),
  );
}

/**
 * Build a refused record with each reason, to be opened.
 * @param {Api.Refused | Api.RefusedRow} item
 * @param {boolean} open
 * @param {import("../dom.js").Child} name
 */
export function refusedItem({ record: text, truncated, failures }, open, name) {
  return h(
    "li",
    {},
    h(
      "details",
      { open },
      h("summary", {}, name, h("span", { class: "muted" }, ` ${plural(failures.length, "reason")}`)),
      h(
        "div",
        { class: "evidence" },
        record(text, failures, truncated),
        h(
          "ul",
          { class: "reasons" },
          failures.map((failure) =>
            h(
              "li",
              {},
              h("code", { class: "failed" }, cut(failure.check ?? "")),
              " ",
              h("b", {}, cut(failure.column ?? "")),
              h(
                "p",
                { class: "muted new-line", dir: "auto" },
                `${failure.value === null ? "" : `${cut(failure.value, 120)} `}${cut(failure.message ?? "", 2_000)}`,
              ),
            ),
          ),
        ),
      ),
    ),
  );
}

/** @param {Api.QualityAnswer} data */
export function failedRuns(data) {
  if (!data.failed_runs.length) return null;
  return h(
    "section",
    { class: "card" },
    cardHead("Runs that were stopped", "nothing was committed; the last good snapshot stayed"),
    h(
      "table",
      { class: "table" },
      h("caption", { class: "unseen" }, "Runs that were stopped"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Day"),
          h("th", { scope: "col" }, "At"),
          h("th", { scope: "col", class: "number" }, "Score"),
          h("th", { scope: "col" }, "Checks that failed"),
          h("th", { scope: "col" }, "Report"),
        ),
      ),
      h(
        "tbody",
        {},
        data.failed_runs.map((run) =>
          h(
            "tr",
            {},
            h("td", {}, h("a", { href: link("quality", { day: run.date, run: run.snapshot_id }) }, run.date)),
            h("td", { class: "muted" }, run.fetched_at.slice(11, 19)),
            h("td", { class: "number" }, share(run.score)),
            h("td", {}, h("code", {}, run.checks.join("  "))),
            h(
              "td",
              {},
              h("a", pageLink(`api/report?${new URLSearchParams({ snapshot_id: run.snapshot_id })}`), "Report"),
            ),
          ),
        ),
      ),
    ),
  );
}
