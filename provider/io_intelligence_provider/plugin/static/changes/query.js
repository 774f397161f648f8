// @ts-check
// Translates the state in the address into the parameters of the changes route.

import { all } from "../api.js";
import { download } from "../csv.js";
import { isDay, plusDays } from "../format.js";

/** @type {Record<string, {text: string, kinds: string[]}>} */
export const KINDS = {
  "": {
    text: "All but attributes",
    kinds: [
      "price_changed",
      "quota_changed",
      "access_changed",
      "limit_changed",
      "status_changed",
      "model_added",
      "model_removed",
    ],
  },
  price: { text: "Prices", kinds: ["price_changed"] },
  quota: { text: "Quotas and access", kinds: ["quota_changed", "access_changed"] },
  model: { text: "Models added, removed", kinds: ["model_added", "model_removed"] },
  limit: { text: "Limits", kinds: ["limit_changed"] },
  status: { text: "Status", kinds: ["status_changed"] },
  attribute: { text: "Attributes", kinds: ["attribute_changed"] },
  all: { text: "Everything", kinds: [] },
};

export const SIZES = ["", "5", "10", "20"];

/** @typedef {ReturnType<typeof stateOf>} State */

/**
 * @param {URLSearchParams} params
 * @param {{latest: string, dates: string[]}} status
 */
export function stateOf(params, status) {
  const known = (/** @type {string} */ key, /** @type {readonly string[]} */ values) => {
    const value = params.get(key) ?? "";
    return values.includes(value) ? value : "";
  };
  const day = (/** @type {string} */ key) => (isDay(params.get(key) ?? "") ? params.get(key) : null);
  const end = day("end") ?? status.latest;
  const shown = status.dates.filter((date) => date <= end).slice(-10);
  const start = day("start") ?? shown[0] ?? plusDays(end, -13);
  const state = {
    kind: known("kind", Object.keys(KINDS)),
    size: known("size", SIZES),
    direction: known("direction", ["up", "down"]),
    q: params.get("q") ?? "",
    model: params.get("model"),
    start: start > end ? end : start,
    end,
  };
  const filtered = Boolean(state.q || state.kind || state.size || state.direction || state.model);
  return { ...state, filtered };
}

/**
 * @param {State} state
 * @param {import("../api.js").Parameters} [over]
 */
export function query(state, over = {}) {
  return {
    start: state.start,
    end: state.end,
    kinds: KINDS[state.kind].kinds,
    q: state.q,
    min_pct: state.size,
    direction: state.direction,
    model: state.model,
    ...over,
  };
}

/**
 * @param {State} state
 * @param {import("../csv.js").Form} form
 */
export async function save(state, form) {
  const data = await all("changes", query(state), 5000);
  const text = ["date", "previous_date", "name", "model_id", "change", "field"].map((name) => ({ name }));
  const numbers = ["old_value", "new_value", "pct"].map((name) => ({ name, number: true }));
  const rows = data.items.map((item) => [
    item.date,
    item.previous_date,
    item.name,
    item.model_id,
    item.change,
    item.field,
    item.old_value,
    item.new_value,
    item.pct,
    item.direction,
    item.doubtful,
  ]);
  const name = `io-intelligence-changes-${data.start}-${data.end}.csv`;
  download(name, [...text, ...numbers, { name: "direction" }, { name: "doubtful" }], rows, form);
}
