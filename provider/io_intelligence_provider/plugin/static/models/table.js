// @ts-check
// Builds the table of models: columns, header and rows.

import { sparkline } from "../charts/sparkline.js";
import * as components from "../components.js";
import { h, replaceChildren } from "../dom.js";
import { ACCESS, absence, byNumber, byText, capital, count, cut, field, PRICES, plural, QUOTAS } from "../format.js";
import { update } from "../route.js";
import { reference } from "../store.js";
import { columnWidths, sortable, windowed } from "../table.js";
import { blended, FILTERS, pricing } from "./needs.js";

/** @typedef {import("../table.js").Column<Api.Model> & {cell: (model: Api.Model) => import("../dom.js").Child}} Column */

export const DEFAULT_SORT = "-output_token_price";
const SHOWN_QUOTAS = QUOTAS.slice(0, 2);

export const MOST_TICKS = 10;

/** @param {Api.Model[]} items */
function hasTiersOnly(items) {
  return (
    items.some((model) => model[ACCESS] !== null) &&
    items.every((model) => SHOWN_QUOTAS.every((key) => model.quotas[key] === null))
  );
}

export const DOUBT = components.doubtNote("note-1");

/**
 * @param {string} key
 * @param {number} width decimals of the column
 * @returns {Column}
 */
function priceColumn(key, width) {
  const cache = key.includes("write") ? "wide" : "middle large";
  return {
    key,
    text: capital(field(key)),
    pick: (model) => (model.doubtful.includes(key) ? null : model.prices[key]), // sorts as unknown
    order: byNumber,
    number: true,
    className: `${key.startsWith("cache") ? cache : ""} ${key === "output_token_price" ? "strong" : ""}`,
    letters: (model) => components.priceLetters(model.prices[key], width),
    cell: (model) => components.priceCell(model.prices[key], width, model.doubtful.includes(key) ? DOUBT : null),
  };
}

/**
 * @param {string} key
 * @param {string} text
 * @param {string} className
 * @param {(model: Api.Model) => string | number | null} pick
 * @returns {Column}
 */
const countColumn = (key, text, className, pick) => ({
  key,
  text,
  pick,
  order: byNumber,
  number: true,
  className,
  letters: (model) => count(pick(model)).length,
  cell: (model) => (pick(model) === null ? components.notPublished() : components.digits(count(pick(model)))),
});

/**
 * @param {Api.Model[]} items
 * @param {[string, bigint][]} parts
 * @returns {Column}
 */
function blendedColumn(items, parts) {
  const texts = new Map(items.map((model) => [model, blended(model, parts)]));
  const text = (/** @type {Api.Model} */ model) => texts.get(model) ?? null;
  const width = components.places([...texts.values()]);
  return {
    key: "blended",
    text: "Blended",
    unit: parts.map(([, part]) => part).join(" : "),
    pick: text,
    order: byNumber,
    number: true,
    className: "large middle",
    letters: (model) => components.priceLetters(text(model), width),
    cell: (model) =>
      components.priceCell(
        text(model),
        width,
        parts.some(([key, part]) => part && model.doubtful.includes(key)) ? DOUBT : null,
      ),
  };
}

/**
 * Build the box that chooses a model for the comparison.
 * @param {Api.Model} model
 * @param {string} named
 * @param {string[]} ticked
 */
function tick(model, named, ticked) {
  const checked = ticked.includes(named);
  return h("input", {
    type: "checkbox",
    "aria-label": `Compare ${cut(model.name, 80)}`,
    checked,
    disabled: !checked && ticked.length >= MOST_TICKS,
    onclick: (event) => event.stopPropagation(),
    onchange: () => update({ tick: checked ? ticked.filter((other) => other !== named) : [...ticked, named] }),
  });
}

/**
 * Return the columns; with an API that publishes access tiers, a tier replaces the quotas.
 * @param {Api.Model[]} items
 * @param {URLSearchParams} params
 * @returns {Column[]}
 */
export function columnsOf(items, params) {
  const { by, parts } = pricing(params);
  const width = (/** @type {string} */ key) => components.places(items.map((model) => model.prices[key]));
  /** @type {Column} */
  const access = {
    key: ACCESS,
    text: capital(field(ACCESS)),
    pick: (model) => model[ACCESS],
    order: byText,
    className: "w-tier wide",
    cell: (model) => {
      const tier = model[ACCESS];
      return tier === null ? components.notPublished() : h("span", { dir: "auto" }, cut(tier, 60));
    },
  };
  return [
    {
      key: "name",
      text: "Model",
      pick: (model) => model.name,
      order: byText,
      className: "w-model",
      cell: (model) =>
        h(
          "span",
          { class: "with-tick" },
          tick(model, reference(model, items), params.getAll("tick")),
          h(
            "span",
            {},
            components.modelName(model.name, reference(model, items)),
            h("span", { class: "phone two faint name" }, model.developer ?? "developer not published"),
          ),
        ),
    },
    ...PRICES.map((key) => priceColumn(key, width(key))),
    by === "blended"
      ? blendedColumn(items, parts)
      : { key: "trend", text: "Trend", className: "w-trend large middle", cell: (model) => sparkline(model.spark) },
    {
      key: "change",
      text: "Change",
      pick: (model) => model.change.pct,
      order: byNumber,
      number: true,
      className: "large",
      letters: (model) => components.moveLetters(model.change.pct),
      cell: (model) => (model.change.new ? h("span", { class: "tag" }, "new") : components.move(model.change.pct)),
    },
    { ...countColumn("context_window", "Context", "large", (model) => model.context_window), unit: "tokens" },
    ...(hasTiersOnly(items)
      ? [access]
      : SHOWN_QUOTAS.map((key) => countColumn(key, capital(field(key)), "wide", (model) => model.quotas[key]))),
  ];
}

/**
 * @param {Column[]} columns
 * @param {string} now
 * @param {boolean} tiers
 * @param {string | null} then
 */
function head(columns, now, tiers, then) {
  const group = (/** @type {string} */ text, /** @type {number} */ number, className = "") =>
    h("th", { scope: "colgroup", colspan: number, class: `group ${className}` }, h("span", {}, text));
  const gap = (/** @type {string} */ className) => h("td", { class: className });
  const isBlended = columns.some((column) => column.key === "blended");
  const choose = (/** @type {string} */ value) => update({ sort: value === DEFAULT_SORT ? null : value });
  return h(
    "thead",
    {},
    h(
      "tr",
      { class: "large groups" },
      gap(""),
      group("USD per 1M tokens", 4, "wide"),
      group("USD per 1M tokens", 3, "narrow middle"),
      group("USD per 1M tokens", 2, "narrowest"),
      group(`${isBlended ? "Blended; output" : "Output price"}${then ? ` since ${then.slice(5)}` : ""}`, 2, "middle"),
      gap("narrowest"),
      gap(""),
      tiers ? gap("wide") : group("Quota per day", SHOWN_QUOTAS.length, "wide"),
    ),
    h(
      "tr",
      {},
      columns.map((column) => sortable(column, now, choose)),
    ),
  );
}

/**
 * @param {Element} card
 * @param {Api.Model[]} rows
 * @param {Api.ModelsAnswer} data
 * @param {URLSearchParams} params
 * @param {() => void} clear
 */
export function drawTable(card, rows, data, params, clear) {
  if (!rows.length) {
    const query = params.get("q");
    const filter = FILTERS.flatMap((key) => params.getAll(key).map((value) => `${key} ${cut(value, 40)}`));
    replaceChildren(
      card,
      components.emptyState(
        query ? `No model matches “${query}”` : "No model matches",
        h("span", { dir: "auto" }, [`among ${plural(data.items.length, "model")}`, ...filter].join(", ")),
        h("p", {}, h("button", { class: "button", type: "button", onclick: clear }, "Clear search and filter")),
      ),
    );
    return () => {};
  }
  const columns = columnsOf(data.items, params);
  const { group, letters } = columnWidths(columns, rows);
  const body = h("tbody");
  replaceChildren(
    card,
    h(
      "table",
      { class: "table sticky models-table" },
      h("caption", { class: "unseen" }, `Models of ${data.date}`),
      group,
      head(columns, params.get("sort") ?? DEFAULT_SORT, hasTiersOnly(data.items), data.then_date),
      body,
    ),
  );
  return windowed(body, rows, (model) => row(model, columns), letters);
}

/**
 * @param {Api.Model} model
 * @param {Column[]} columns
 */
function row(model, columns) {
  const [name, ...others] = columns;
  const made = h(
    "tr",
    { class: "open", "data-model": model.model_id },
    h("th", { scope: "row" }, name.cell(model)),
    others.map((column) =>
      h("td", { class: `${column.number ? "number" : ""} ${column.className ?? ""}` }, column.cell(model)),
    ),
  );
  made.onclick = (event) => {
    if (!(/** @type {Element} */ (event.target).closest("a"))) made.querySelector("a")?.click();
  };
  return made;
}

/**
 * List models of earlier snapshots that match the search.
 * @param {Element} card
 * @param {Api.RemovedModel[]} found
 */
export function drawRemoved(card, found) {
  const shown = found.slice(0, 50);
  replaceChildren(
    card,
    components.cardHead("Earlier models", `${plural(found.length, "match", "matches")}, the last seen first`),
    h(
      "ul",
      { class: "removed" },
      shown.map((model) =>
        h(
          "li",
          {},
          components.modelName(model.name, model.model_id),
          h("span", { class: "muted" }, `${absence(model.in_quarantine)}, last seen ${model.last_seen}`),
        ),
      ),
      found.length > shown.length && h("li", { class: "muted" }, `${count(found.length - shown.length)} more match.`),
    ),
  );
}
