// @ts-check
// Shows all models of a day as a table to search, filter, sort and open.

import { doubtText } from "../components.js";
import { csvMenu, dayField, searchField } from "../controls.js";
import { download } from "../csv.js";
import { h, keepFocus, replaceChildren, say } from "../dom.js";
import { ACCESS, PRICES, plural, QUOTAS } from "../format.js";
import { filtered, filters } from "../models/filters.js";
import { FILTERS } from "../models/needs.js";
import { columnsOf, DEFAULT_SORT, DOUBT, drawRemoved, drawTable } from "../models/table.js";
import { link, update } from "../route.js";
import { catalogue, matcher, snapshotDay } from "../store.js";
import { sorted } from "../table.js";

/**
 * Show the view; its parameters: q, sort, date, model, tick (repeated), and those of `FILTERS`.
 * @param {import("../app.js").Context} context
 * @returns {Promise<import("../app.js").View>}
 */
export async function show({ node, params, status }) {
  const dayOf = (/** @type {URLSearchParams} */ now) => now.get("date") ?? status.latest;
  let asked = params; // an answer is dropped when it arrives after the next question
  let data = await catalogue(dayOf(params));
  let forget = () => {};
  const bar = h("div", { class: "controls" });
  const table = h("section", { class: "card" });
  const removed = h("section", { class: "card" });
  const notes = h("div", { class: "footnotes" });
  const { field, input } = searchField(params.get("q") ?? "", (text) => update({ q: text || null }));
  replaceChildren(node, bar, table, removed, notes);

  /** @param {URLSearchParams} now */
  function draw(now) {
    const query = now.get("q") ?? "";
    if (input !== document.activeElement) input.value = query;
    const rows = sorted(filtered(data.items, now), now.get("sort") ?? DEFAULT_SORT, columnsOf(data.items, now));
    keepFocus(node, () => {
      replaceChildren(
        bar,
        field,
        filters(data, now),
        h(
          "span",
          { class: "end" },
          compare(now.getAll("tick")),
          h("span", { class: "muted" }, plural(rows.length, "model")),
          dayField("As of", data.date, { min: status.dates[0], max: status.latest }, toDay),
          csvMenu((form) => save(rows, data, form)),
        ),
      );
      forget();
      forget = drawTable(table, rows, data, now, clear);
    });
    const gone = query ? data.removed.filter(matcher(query)) : [];
    removed.hidden = !gone.length;
    if (gone.length) drawRemoved(removed, gone);
    drawNotes(notes, data);
    return rows;
  }

  function clear() {
    input.value = "";
    update(Object.fromEntries(["q", ...FILTERS].map((key) => [key, null])));
  }

  /** @param {string} day */
  function toDay(day) {
    const found = snapshotDay(status.dates, day);
    if (found !== day) say(`No snapshot of ${day}; showing ${found}`);
    update({ date: found === status.latest ? null : found }, { push: true });
  }

  return {
    warnings: data.warnings,
    placed: () => draw(params),
    stop: () => forget(),
    async change(now) {
      asked = now;
      const found = await catalogue(dayOf(now));
      if (asked !== now) return;
      data = found;
      say(plural(draw(now).length, "model"));
    },
    pinned: () => ({ date: data.date }),
  };
}

/** @param {string[]} ticked */
function compare(ticked) {
  if (!ticked.length) return null;
  return [
    h("a", { class: "button primary", href: link("prices", { model: ticked }) }, `Compare ${ticked.length} in Prices`),
    h("button", { type: "button", class: "button bare", onclick: () => update({ tick: null }) }, "Untick all"),
  ];
}

/**
 * @param {Element} node
 * @param {Api.ModelsAnswer} data
 */
function drawNotes(node, data) {
  const doubtful = data.items.some((model) => model.doubtful.length);
  replaceChildren(
    node,
    h("span", {}, h("b", {}, "—"), " not published"),
    h("span", {}, h("b", {}, "free"), " published as 0"),
    doubtful && h("span", { id: DOUBT.id }, doubtText(DOUBT)),
    data.removed.length > 0 && h("span", {}, `The search also finds ${plural(data.removed.length, "earlier model")}`),
  );
}

/**
 * Save every column that the table or its panel shows of a model's row.
 * @param {Api.Model[]} rows
 * @param {Api.ModelsAnswer} data
 * @param {import("../csv.js").Form} form
 */
function save(rows, data, form) {
  const text = (/** @type {string} */ name) => ({ name });
  const number = (/** @type {string} */ name) => ({ name, number: true });
  const columns = [
    ...["name", "model_id", "developer", "status"].map(text),
    ...PRICES.map(number),
    text("doubtful"),
    number("output_token_price_before"),
    number("output_token_price_change_pct"),
    ...["context_window", "max_tokens", ...QUOTAS].map(number),
    text(ACCESS),
    number("trendiness"),
    text("capabilities"),
  ];
  const lines = rows.map((model) => [
    model.name,
    model.model_id,
    model.developer,
    model.status,
    ...PRICES.map((key) => model.prices[key]),
    model.doubtful.join("; "),
    model.change.old,
    model.change.pct,
    model.context_window,
    model.max_tokens,
    ...QUOTAS.map((key) => model.quotas[key]),
    model[ACCESS],
    model.trendiness,
    model.capabilities.join("; "),
  ]);
  download(`io-intelligence-models-${data.date}.csv`, columns, lines, form);
}
