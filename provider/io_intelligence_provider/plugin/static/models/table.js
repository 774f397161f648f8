// Builds the table of models: columns, header and rows.

import { find, reference } from "../catalogue.js";
import { h, replaceChildren } from "../dom.js";
import { ACCESS, byNumber, byText, capital, count, cut, field, plural, PRICES, QUOTAS } from "../format.js";
import { emptyState, modelName, move, notPublished, places, priceCell } from "../components.js";
import { update } from "../route.js";
import { windowed } from "../rows.js";
import { sortable, widthsOf } from "../sorting.js";
import { sparkline } from "../charts/sparkline.js";

const SHOWN_QUOTAS = QUOTAS.slice(0, 2);

export const DEFAULT_SORT = "-output_token_price";

const COLUMNS = [
  { key: "name", text: "Model", pick: (model) => model.name, order: byText, className: "w-model" },
  ...PRICES.map((key) => ({
    key,
    text: capital(field(key)),
    pick: (model) => model.prices[key],
    order: byNumber,
    number: true,
    className: key.startsWith("cache")
      ? key.includes("write")
        ? "wide w-price"
        : "middle large w-price"
      : "w-price",
  })),
  { key: "trend", text: "Trend", className: "w-trend large middle" },
  {
    key: "change",
    text: "Change",
    pick: (model) => model.change.pct,
    order: byNumber,
    number: true,
    className: "w-move large",
  },
  {
    key: "context_window",
    text: "Context",
    unit: "tokens",
    pick: (model) => model.context_window,
    order: byNumber,
    number: true,
    className: "w-count large",
  },
];

const QUOTA_COLUMNS = SHOWN_QUOTAS.map((key) => ({
  key,
  text: capital(field(key)),
  pick: (model) => model.quotas[key],
  order: byNumber,
  number: true,
  className: "w-count wide",
}));

const ACCESS_COLUMN = {
  key: ACCESS,
  text: capital(field(ACCESS)),
  pick: (model) => model[ACCESS],
  order: byText,
  className: "w-tier wide",
};

/** Return the columns; with an API that publishes access tiers, a tier replaces the quotas. */
export function columnsOf(items) {
  return [...COLUMNS, ...(hasTiersOnly(items) ? [ACCESS_COLUMN] : QUOTA_COLUMNS)];
}

function hasTiersOnly(items) {
  return (
    items.some((model) => model[ACCESS] !== null) &&
    items.every((model) => SHOWN_QUOTAS.every((key) => model.quotas[key] === null))
  );
}

function head(params, items) {
  const now = params.get("sort") ?? DEFAULT_SORT;
  const group = (text, columns, className = "") =>
    h("th", { scope: "colgroup", colspan: columns, class: `group ${className}` }, h("span", {}, text));
  const gap = (className) => h("td", { class: className });
  const groups = h(
    "tr",
    { class: "large groups" },
    gap(""),
    group("USD per 1M tokens", 4, "wide"),
    group("USD per 1M tokens", 3, "narrow middle"),
    group("USD per 1M tokens", 2, "narrowest"),
    group("Output price, 30 days", 2, "middle"),
    gap("narrowest"),
    gap(""),
    hasTiersOnly(items) ? gap("wide") : group("Quota per day", SHOWN_QUOTAS.length, "wide"),
  );
  return h(
    "thead",
    {},
    groups,
    h(
      "tr",
      {},
      columnsOf(items).map((column) =>
        sortable(column, now, (value) => update({ sort: value === DEFAULT_SORT ? null : value })),
      ),
    ),
  );
}

export function drawTable(card, rows, data, params) {
  if (!rows.length) {
    const query = params.get("q");
    const filter = ["developer", "status", "capability"]
      .map((key) => params.get(key) && `${key} ${params.get(key)}`)
      .filter(Boolean);
    replaceChildren(
      card,
      emptyState(
        query ? `No model matches “${query}”` : "No model matches",
        h("span", { dir: "auto" }, ["among " + plural(data.items.length, "model"), ...filter].join(", ")),
        h(
          "p",
          {},
          h("button", { class: "button", type: "button", onclick: () => clear() }, "Clear search and filter"),
        ),
      ),
    );
    return () => {};
  }
  const body = h("tbody");
  const opened = find(data.items, params.get("model"))?.model_id;
  const widths = Object.fromEntries(
    PRICES.map((key) => [key, places(rows.map((model) => model.prices[key]))]),
  );
  replaceChildren(
    card,
    h(
      "table",
      { class: "table sticky models-table" },
      h("caption", { class: "unseen" }, `Models of ${data.date}`),
      widthsOf(columnsOf(data.items)),
      head(params, data.items),
      body,
    ),
  );
  const tiers = hasTiersOnly(data.items);
  return windowed(body, rows, (model) => row(model, widths, data, opened, tiers));
}

function clear() {
  document.querySelector(".view.models input[type=search]").value = "";
  update({ q: null, developer: null, status: null, capability: null });
}

function row(model, widths, data, opened, tiers) {
  const open = () => update({ model: reference(model, data.items) }, { push: true });
  const name = modelName(model.name, { href: "#" });
  name.onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    event.stopPropagation();
    open();
  };
  name.href = `#/models?${new URLSearchParams({ model: reference(model, data.items) })}`;
  const doubt = (key) =>
    model.doubtful.includes(key) ? { mark: "1", href: "#note-1", label: "footnote 1: fell to 0" } : null;
  const made = h(
    "tr",
    { class: "open", "data-model": model.model_id, onclick: open },
    h(
      "th",
      { scope: "row" },
      name,
      h("span", { class: "phone two faint name" }, model.developer ?? "developer not published"),
    ),
    PRICES.map((key, index) =>
      h(
        "td",
        { class: `number ${COLUMNS[index + 1].className} ${key === "output_token_price" ? "strong" : ""}` },
        priceCell(model.prices[key], widths[key], doubt(key)),
      ),
    ),
    h("td", { class: "large middle w-trend" }, sparkline(model.spark)),
    h(
      "td",
      { class: "number large" },
      model.change.new ? h("span", { class: "tag" }, "new") : move(model.change.pct, { weight: true }),
    ),
    h(
      "td",
      { class: "number large" },
      model.context_window === null ? notPublished() : count(model.context_window),
    ),
    tiers
      ? h("td", { class: "wide", dir: "auto" }, model[ACCESS] === null ? notPublished() : cut(model[ACCESS], 60))
      : SHOWN_QUOTAS.map((key) =>
          h(
            "td",
            { class: "number wide" },
            model.quotas[key] === null ? notPublished() : count(model.quotas[key]),
          ),
        ),
  );
  if (model.model_id === opened) made.classList.add("selected");
  return made;
}

export function mark(card, params, data) {
  const opened = find(data.items, params.get("model"))?.model_id;
  for (const made of card.querySelectorAll("tr[data-model]"))
    made.classList.toggle("selected", made.dataset.model === opened);
}
