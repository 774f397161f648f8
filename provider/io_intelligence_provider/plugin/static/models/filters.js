// @ts-check
// Builds the filters of the table of models.

import { select } from "../controls.js";
import { h, icon } from "../dom.js";
import { cut } from "../format.js";
import { update } from "../route.js";
import { matcher } from "../store.js";
import { sortOptions } from "../table.js";
import { columnsOf, DEFAULT_SORT } from "./table.js";

/**
 * @param {Api.Model[]} items
 * @param {URLSearchParams} params
 */
export function filtered(items, params) {
  const matches = matcher(params.get("q") ?? "");
  const [developer, state, capability] = ["developer", "status", "capability"].map((key) => params.get(key));
  return items.filter(
    (model) =>
      matches(model) &&
      (!developer || (model.developer ?? "") === developer) &&
      (!state || (model.status ?? "unknown") === state) &&
      (!capability || model.capabilities.includes(capability)),
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
    ...values.map((value) => ({ value, text: value === "unknown" ? "not published" : cut(value, 40) })),
  ];
  const states = distinct((model) => [model.status]);
  if (data.items.some((model) => model.status === null)) states.push("unknown");
  const box = h(
    "span",
    { class: "filters" },
    select("Developer", options(`All ${developers.length}`, developers), params.get("developer") ?? "", (value) =>
      update({ developer: value || null }),
    ),
    select("Status", options("Any", states), params.get("status") ?? "", (value) => update({ status: value || null })),
    select(
      "Capability",
      options(
        "Any",
        distinct((model) => model.capabilities),
      ),
      params.get("capability") ?? "",
      (value) => update({ capability: value || null }),
    ),
  );
  const opened = ["developer", "status", "capability"].some((key) => params.get(key));
  box.classList.toggle("shown", opened);
  const sort = select("Sort", sortOptions(columnsOf(data.items)), params.get("sort") ?? DEFAULT_SORT, (value) =>
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
