// Shows all models of a day as a table to search, filter, sort and open.

import { catalogue, find, snapshotDay } from "../catalogue.js";
import { download } from "../csv.js";
import { h, replaceChildren, say } from "../dom.js";
import { filtered, filters } from "../models/filters.js";
import { keepFocus } from "../focus.js";
import { ACCESS, QUOTAS, PRICES, plural } from "../format.js";
import { openModel } from "../model/panel.js";
import { csvButton, dayField, searchField } from "../components.js";
import { update } from "../route.js";
import { sortOf } from "../sorting.js";
import { columnsOf, DEFAULT_SORT, drawTable, mark } from "../models/table.js";

/** Show the view; its parameters: q, developer, status, capability, sort, date, model. */
export async function show({ node, params, status }) {
  let data = await catalogue(params.get("date"));
  let forget = () => {};
  let panel = null;
  let rows = [];
  const controls = h("div", { class: "controls" });
  const table = h("section", { class: "card" });
  const notes = h("div", { class: "footnotes" });
  const search = searchField(params.get("q") ?? "", (text) => update({ q: text || null }));
  replaceChildren(node, controls, table, notes);

  function draw(now) {
    const shownSearch = search.querySelector("input");
    if (shownSearch !== document.activeElement) shownSearch.value = now.get("q") ?? "";
    rows = filtered(data.items, now);
    const { column, descending } = sortOf(now.get("sort") ?? DEFAULT_SORT, columnsOf(data.items));
    rows.sort(column.order(column.pick, descending));
    keepFocus(node, () => {
      replaceChildren(
        controls,
        search,
        filters(data, now),
        h(
          "span",
          { class: "end" },
          h("span", { class: "muted" }, plural(rows.length, "model")),
          dayField("As of", data.date, { min: status.dates[0], max: status.latest }, (day) => toDay(day)),
          csvButton(() => save(rows, data)),
        ),
      );
      forget();
      forget = drawTable(table, rows, data, now);
    });
    drawNotes(notes, data);
  }

  function toDay(day) {
    const found = snapshotDay(status.dates, day);
    if (found !== day) say(`No snapshot of ${day}; showing ${found}`);
    update({ date: found === status.latest ? null : found }, { push: true });
  }

  function panelOf(now) {
    const named = now.get("model");
    panel?.close(named !== null);
    panel =
      named === null
        ? null
        : openModel({
            named: find(data.items, named)?.model_id ?? named,
            date: now.get("date"),
            status,
            closed: () => update({ model: null }),
          });
  }

  let before = params;
  return {
    warnings: data.warnings,
    placed() {
      draw(params);
      panelOf(params);
    },
    stop() {
      forget();
      panel?.close(true);
    },
    async change(now) {
      const opened = now.get("model") !== before.get("model");
      const moved = now.get("date") !== before.get("date");
      before = now;
      if (moved) data = await catalogue(now.get("date"));
      if (!opened || moved) {
        draw(now);
        say(plural(rows.length, "model"));
      } else mark(table, now, data);
      if (opened) panelOf(now);
    },
  };
}

function drawNotes(node, data) {
  const doubtful = data.items.some((model) => model.doubtful.length);
  replaceChildren(
    node,
    h("span", {}, h("b", {}, "—"), " not published"),
    h("span", {}, h("b", {}, "free"), " published as 0"),
    doubtful &&
      h(
        "span",
        { id: "note-1" },
        h("sup", {}, "1"),
        " 0 now, but it had a price before: it may mean “not published”",
      ),
  );
}

function save(rows, data) {
  const keys = [...PRICES, ...QUOTAS, ACCESS];
  const lines = rows.map((model) => [
    model.name,
    model.model_id,
    model.developer,
    model.status,
    ...PRICES.map((key) => model.prices[key]),
    ...QUOTAS.map((key) => model.quotas[key]),
    model.min_access_tier,
    model.context_window,
    model.max_tokens,
    model.capabilities.join("; "),
  ]);
  download(`io-intelligence-models-${data.date}.csv`, [
    ["name", "model_id", "developer", "status", ...keys, "context_window", "max_tokens", "capabilities"],
    ...lines,
  ]);
}
