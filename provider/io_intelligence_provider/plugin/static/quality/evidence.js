// Lists what the checks found: flags, refused records, stopped runs.

import { h, icon } from "../dom.js";
import { count, cut, field, plural, share } from "../format.js";
import { cardHead, emptyState, modelName } from "../components.js";
import { link } from "../route.js";
import { record } from "./record.js";

function example(item) {
  const { name, message, column, old_value: old, new_value: now_, ...rest } = item;
  const moved =
    old !== undefined || now_ !== undefined
      ? `${column ? field(column) : "value"} ${old ?? "—"} → ${now_ ?? "—"}`
      : column && `column ${column}`;
  const others = Object.entries(rest)
    .filter(([, value]) => value !== null)
    .map(
      ([key, value]) =>
        `${key.replaceAll("_", " ")} ${typeof value === "object" ? JSON.stringify(value) : value}`,
    );
  const text = message ?? [moved, ...others].filter(Boolean).join(", ");
  return h(
    "p",
    { class: "new-line", dir: "auto" },
    name ? [h("b", {}, cut(String(name), 80)), ": "] : null,
    cut(String(text), 240),
  );
}

export function flagged(data) {
  const head = cardHead("Flagged", "what the checks found, latest first");
  if (!data.flagged.length)
    return h(
      "section",
      { class: "card span-6" },
      head,
      emptyState("Nothing flagged", "in any snapshot on file"),
    );
  return h(
    "section",
    { class: "card span-6" },
    head,
    h(
      "ul",
      { class: "flags" },
      data.flagged
        .slice(0, 20)
        .map((flag) =>
          h(
            "li",
            {},
            h("span", { class: "muted" }, flag.date),
            h(
              "div",
              {},
              h(
                "p",
                {},
                h("span", { class: "warned move" }, icon("warn", 15), " ", h("code", {}, flag.check)),
                h(
                  "span",
                  { class: "muted" },
                  ` ${flag.column ? `${flag.column}, ` : ""}${count(flag.failed)} failed`,
                ),
              ),
              flag.examples.slice(0, 2).map(example),
              flag.examples.length > 2 && h("p", { class: "muted" }, "and others"),
            ),
          ),
        ),
    ),
  );
}

export function quarantine(data, day, quality) {
  const head = cardHead("Quarantine", "records refused, as served, with each reason");
  const where = day ? `in the snapshot of ${day}` : `in ${plural(quality.history.dates.length, "snapshot")}`;
  if (!data.total)
    return h(
      "section",
      { class: "card span-6" },
      head,
      h("p", { class: "none-refused" }, icon("check", 15), h("b", {}, " No record refused "), where, "."),
    );
  return h(
    "section",
    { class: "card span-6" },
    head,
    h(
      "ul",
      { class: "refused" },
      data.items.map((item) =>
        h(
          "li",
          {},
          h(
            "details",
            { open: data.items.length < 3 },
            h(
              "summary",
              {},
              h("span", { class: "muted" }, `${item.date} `),
              modelName(item.name ?? item.model_id ?? "a record without a name"),
              h("span", { class: "muted" }, ` ${plural(item.failures.length, "reason")}`),
            ),
            h(
              "div",
              { class: "evidence" },
              record(item.record, item.failures),
              h(
                "ul",
                { class: "reasons" },
                item.failures.map((failure) =>
                  h(
                    "li",
                    {},
                    h("code", { class: "failed" }, failure.check),
                    " ",
                    h("b", {}, failure.column),
                    h(
                      "p",
                      { class: "muted new-line", dir: "auto" },
                      `${failure.value === null ? "" : `${cut(failure.value, 120)} `}${failure.message}`,
                    ),
                  ),
                ),
              ),
            ),
          ),
        ),
      ),
      data.total > data.items.length &&
        h(
          "li",
          { class: "muted" },
          `${count(data.total - data.items.length)} more are in the Parquet files below quarantine/.`,
        ),
    ),
  );
}

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
        ),
      ),
      h(
        "tbody",
        {},
        data.failed_runs.map((run) =>
          h(
            "tr",
            {},
            h(
              "td",
              {},
              h("a", { href: link("quality", { day: run.date, run: run.snapshot_id }) }, run.date),
            ),
            h("td", { class: "muted" }, run.fetched_at.slice(11, 19)),
            h("td", { class: "number" }, share(run.score)),
            h("td", {}, h("code", {}, run.checks.join("  "))),
          ),
        ),
      ),
    ),
  );
}
