// Builds the filters of the table of models.

import { matcher } from "../catalogue.js";
import { h, icon } from "../dom.js";
import { select } from "../components.js";
import { update } from "../route.js";
import { sortOptions } from "../sorting.js";
import { columnsOf, DEFAULT_SORT } from "./table.js";

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

export function filters(data, params) {
  const distinct = (pick) =>
    [...new Set(data.items.flatMap(pick))]
      .filter((value) => value !== null)
      .sort((a, b) => a.localeCompare(b));
  const developers = distinct((model) => [model.developer]);
  const options = (all, values) => [
    { value: "", text: all },
    ...values.map((value) => ({ value, text: value.length > 40 ? `${value.slice(0, 40)}…` : value })),
  ];
  const states = distinct((model) => [model.status]);
  if (data.items.some((model) => model.status === null)) states.push("unknown");
  const box = h(
    "span",
    { class: "filters" },
    select(
      "Developer",
      options(`All ${developers.length}`, developers),
      params.get("developer") ?? "",
      (value) => update({ developer: value || null }),
    ),
    select(
      "Status",
      options("Any", states).map((option) =>
        option.value === "unknown" ? { ...option, text: "not published" } : option,
      ),
      params.get("status") ?? "",
      (value) => update({ status: value || null }),
    ),
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
