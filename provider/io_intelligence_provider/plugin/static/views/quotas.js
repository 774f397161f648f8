// @ts-check
// Shows daily quotas of tier 1, or the access tiers that the live API publishes instead: of every model on the last day,
// and of some over time.

import { get } from "../api.js";
import * as components from "../components.js";
import * as controls from "../controls.js";
import { download } from "../csv.js";
import { h, keepFocus, replaceChildren } from "../dom.js";
import { ACCESS, byNumber, byText, capital, count, cut, field, plural, QUOTAS } from "../format.js";
import { history } from "../history/history.js";
import { update } from "../route.js";
import { catalogue, matcher, reference, snapshotDay } from "../store.js";
import { columnWidths, sortable, sorted, windowed } from "../table.js";

/** @typedef {import("../table.js").Column<Api.Model>} Column */

/** @type {Record<string, string>} */
const UNITS = {
  audio_transcriptions_daily_quota_tier_1: "seconds per day",
  audio_speech_daily_quota_tier_1: "characters per day",
};
const DEFAULT_SORT = "name";
/** @type {Column} */
const NAME = { key: "name", text: "Model", pick: (model) => model.name, order: byText, className: "w-model" };
/** @type {Column} */
const TIER = { key: ACCESS, text: capital(field(ACCESS)), pick: (model) => model[ACCESS], order: byText };

/**
 * @param {string} key
 * @param {number} index
 * @returns {Column}
 */
const quotaColumn = (key, index) => ({
  key,
  text: capital(field(key)),
  unit: UNITS[key] ?? "per day",
  pick: (model) => model.quotas[key],
  order: byNumber,
  number: true,
  className: index > 1 ? "large" : "",
  letters: (model) => count(model.quotas[key]).length,
});

/**
 * Return the columns to show: those that some models publish.
 * @param {Api.Model[]} items
 */
function published(items) {
  const quotas = items.some((model) => QUOTAS.some((key) => model.quotas[key] !== null));
  const tiers = items.some((model) => model[ACCESS] !== null);
  return [...(tiers ? [TIER] : []), ...(quotas ? QUOTAS.map(quotaColumn) : [])];
}

/** @param {string} column */
const isText = (column) => column === ACCESS;

/**
 * Return the models whose quotas changed last; with access tiers, which have no order, the first ones.
 * @param {Api.Model[]} models
 * @param {string} last
 * @param {boolean} text
 */
async function interesting(models, last, text) {
  if (text) return models.filter((model) => model[ACCESS] !== null).slice(0, 10);
  const data = await get("changes", { kinds: ["quota_changed"], start: "0001-01-01", end: last, limit: 200 });
  const changed = new Set(data.items.map((item) => item.model_id));
  return [...changed]
    .map((id) => models.find((model) => model.model_id === id))
    .filter((model) => model !== undefined)
    .slice(0, 6);
}

/**
 * Return the properties of the columns that the history part needs.
 * @param {Column[]} columns
 * @param {string} last
 * @returns {import("../history/history.js").Kind}
 */
function kindOf(columns, last) {
  const first = columns.find((column) => column.number) ?? columns[0];
  return {
    fields: columns.map((column) => column.key),
    fallback: first.key,
    range: "all",
    word: "quota",
    whole: true,
    isText,
    unit: (column) => (isText(column) ? "" : (UNITS[column] ?? "per day")),
    format: count,
    cells: (texts, column) =>
      texts.map((text) =>
        text === null ? components.notPublished() : isText(column) ? cut(text, 80) : components.digits(count(text)),
      ),
    choose: (models) => interesting(models, last, isText(first.key)),
    empty: "No quota has changed so far.",
  };
}

/**
 * Show the view; its parameters: q, sort, and those of a history.
 * @param {import("../app.js").Context} context
 * @returns {Promise<import("../app.js").View>}
 */
export async function show({ node, params, status }) {
  const dayOf = (/** @type {URLSearchParams} */ now) => snapshotDay(status.dates, now.get("end") ?? status.latest);
  let asked = params; // an answer is dropped when it arrives after the next question
  let data = await catalogue(dayOf(params));
  let columns = published(data.items);
  const numbers = columns.some((column) => column.number);
  const past = h("div", {});
  const [bar, card] = [h("div", { class: "controls" }), h("section", { class: "card" })];
  const search = controls.searchField(params.get("q") ?? "", (text) => update({ q: text || null }));
  let forget = () => {};
  replaceChildren(
    node,
    bar,
    card,
    columns.length > 0 && [h("h2", { class: "part" }, `${numbers ? "Quotas" : "Access tiers"} over time`), past],
  );

  /** @param {URLSearchParams} now */
  function draw(now) {
    const sort = now.get("sort") ?? DEFAULT_SORT;
    if (search.input !== document.activeElement) search.input.value = now.get("q") ?? "";
    const rows = sorted(data.items.filter(matcher(now.get("q") ?? "")), sort, [NAME, ...columns]);
    keepFocus(node, () => {
      replaceChildren(
        bar,
        search.field,
        h(
          "span",
          { class: "end" },
          h("span", { class: "muted" }, plural(rows.length, "model")),
          controls.csvMenu((form) => save(rows, columns, data.date, form)),
        ),
      );
      forget();
      forget = drawTable(card, rows, columns, sort, data, now.get("q"));
    });
  }

  const shown = columns.length ? await history({ node: past, params, status }, kindOf(columns, status.latest)) : null;
  return {
    warnings: data.warnings,
    placed() {
      draw(params);
      return shown?.placed?.();
    },
    stop() {
      forget();
      shown?.stop();
    },
    async change(now) {
      asked = now;
      if (dayOf(now) !== data.date) {
        const found = await catalogue(dayOf(now));
        if (asked !== now) return undefined;
        data = found;
        columns = published(data.items); // an older day may publish quotas, a newer one access tiers
      }
      draw(now);
      return shown?.change(now);
    },
    pinned: () => shown?.pinned() ?? { end: data.date },
  };
}

/**
 * @param {Element} card
 * @param {Api.Model[]} rows
 * @param {Column[]} columns
 * @param {string} sort
 * @param {Api.ModelsAnswer} data
 * @param {string | null} query
 */
function drawTable(card, rows, columns, sort, data, query) {
  const words = columns.some((column) => column.number)
    ? "Daily quotas of tier 1"
    : columns.length
      ? "Lowest access tier that may call a model"
      : "Quotas and access tiers";
  const title = components.cardHead(words, `as of ${data.date}`);
  if (!rows.length || !columns.length) {
    const clear = h(
      "button",
      { class: "button", type: "button", onclick: () => update({ q: null }) },
      "Clear the search",
    );
    const nothing = rows.length
      ? components.emptyState("Neither quotas nor access tiers are published")
      : components.emptyState(`No model matches “${query}”`, h("p", {}, clear));
    replaceChildren(card, title, nothing);
    return () => {};
  }
  const body = h("tbody");
  const every = [NAME, ...columns];
  const { group, letters } = columnWidths(every, rows);
  const choose = (/** @type {string} */ value) => update({ sort: value === DEFAULT_SORT ? null : value });
  replaceChildren(
    card,
    title,
    h(
      "table",
      { class: "table sticky" },
      h("caption", { class: "unseen" }, `Quotas of ${data.date}`),
      group,
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          every.map((column) => sortable(column, sort, choose)),
        ),
      ),
      body,
    ),
  );
  const cell = (/** @type {Api.Model} */ model, /** @type {Column} */ column) => {
    const value = column.pick?.(model) ?? null;
    const text =
      value === null
        ? components.notPublished()
        : isText(column.key)
          ? cut(String(value), 80)
          : components.digits(count(value));
    const className = `${column.number ? "number" : ""} ${column.className ?? ""}`;
    return h("td", { class: className, dir: column.number ? null : "auto" }, text);
  };
  return windowed(
    body,
    rows,
    (model) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, components.modelName(model.name, reference(model, data.items))),
        columns.map((column) => cell(model, column)),
      ),
    letters,
  );
}

/**
 * @param {Api.Model[]} rows
 * @param {Column[]} columns
 * @param {string} date
 * @param {import("../csv.js").Form} form
 */
function save(rows, columns, date, form) {
  download(
    `io-intelligence-quotas-${date}.csv`,
    [{ name: "name" }, { name: "model_id" }, ...columns.map(({ key, number }) => ({ name: key, number }))],
    rows.map((model) => [model.name, model.model_id, ...columns.map((column) => column.pick?.(model))]),
    form,
  );
}
