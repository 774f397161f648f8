// @ts-check
// Builds the filters of the table of models, and the finder: what a model has to offer, for what price.

import { select } from "../controls.js";
import { h, icon } from "../dom.js";
import { cut } from "../format.js";
import { link, update } from "../route.js";
import { matcher } from "../store.js";
import { sortOptions } from "../table.js";
import { FILTERS, finds, needField, needs, pricing, ratioOf, scaled } from "./needs.js";
import { columnsOf, DEFAULT_SORT } from "./table.js";

/**
 * @param {Api.Model[]} items
 * @param {URLSearchParams} params
 */
export function filtered(items, params) {
  const matches = matcher(params.get("q") ?? "");
  const suits = finds(params);
  const [developer, state] = ["developer", "status"].map((key) => params.get(key));
  return items.filter(
    (model) =>
      matches(model) &&
      (!developer || (model.developer ?? "") === developer) &&
      (!state || (model.status ?? "unknown") === state) &&
      suits(model),
  );
}

/**
 * @param {Api.ModelsAnswer} data
 * @param {URLSearchParams} params
 */
export function filters(data, params) {
  const distinct = (/** @type {(model: Api.Model) => (string | null)[]} */ pick) =>
    [...new Set(data.items.flatMap(pick))].filter((value) => value !== null).sort((a, b) => a.localeCompare(b, "en"));
  const developers = distinct((model) => [model.developer]);
  const options = (/** @type {string} */ all, /** @type {string[]} */ values) => [
    { value: "", text: all },
    ...values.map((value) => ({ value, text: cut(value, 40) })),
  ];
  const states = options(
    "Any",
    distinct((model) => [model.status]),
  );
  if (data.items.some((model) => model.status === null)) states.push({ value: "unknown", text: "not published" });
  const box = h(
    "span",
    { class: "filters" },
    select("Developer", options(`All ${developers.length}`, developers), params.get("developer") ?? "", (value) =>
      update({ developer: value || null }),
    ),
    select("Status", states, params.get("status") ?? "", (value) => update({ status: value || null })),
    finder(data, params),
  );
  const opened = FILTERS.some((key) => params.get(key));
  box.classList.toggle("shown", opened);
  const sort = select("Sort", sortOptions(columnsOf(data.items, params)), params.get("sort") ?? DEFAULT_SORT, (value) =>
    update({ sort: value === DEFAULT_SORT ? null : value }),
  );
  sort.classList.add("phone-only");
  /** @type {HTMLButtonElement} */
  const toggle = h(
    "button",
    {
      type: "button",
      class: "button phone-only",
      "aria-expanded": String(opened),
      onclick: () => toggle.setAttribute("aria-expanded", String(box.classList.toggle("shown"))),
    },
    icon("filter"),
    "Filter",
  );
  return [sort, toggle, box];
}

/**
 * @param {Api.ModelsAnswer} data
 * @param {URLSearchParams} params
 */
function finder(data, params) {
  const { by } = pricing(params);
  const hide = params.get("zero") === "hide";
  const cheapest = { context: "128k", capability: "tools", by: "blended", zero: "hide", sort: "blended" };
  return h(
    "details",
    { class: "finder", open: FILTERS.slice(2).some((key) => params.get(key)) },
    h("summary", { class: "button" }, icon("search", 14), "Finder"),
    h(
      "div",
      { class: "controls" },
      needs(data.items, params),
      select(
        "Price",
        ["output", "input", "blended"].map((value) => ({ value, text: value })),
        by,
        (value) => update({ by: value === "output" ? null : value, ratio: null }),
      ),
      by === "blended" && needField("Input : output", "ratio", params, { read: ratioOf, placeholder: "3:1" }),
      needField("At most, USD", "max", params, { read: scaled, placeholder: "any", letters: 8 }),
      h(
        "span",
        { class: "toggles" },
        h(
          "button",
          { type: "button", "aria-pressed": String(hide), onclick: () => update({ zero: hide ? null : "hide" }) },
          "Hide free and doubtful",
        ),
      ),
      h("a", { href: link("models", cheapest) }, "Cheapest with 128k and tools"),
    ),
  );
}
