// Translates the state in the URL into the parameters of the changes route.

import { get } from "../api.js";
import { download } from "../csv.js";
import { plusDays } from "../format.js";

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

export function stateOf(params, status) {
  const last = status.latest;
  const day = (key) => (/^\d{4}-\d{2}-\d{2}$/.test(params.get(key) ?? "") ? params.get(key) : null);
  const end = day("end") ?? last;
  const shown = status.dates.filter((date) => date <= end).slice(-10);
  const start = day("start") ?? shown[0] ?? plusDays(end, -13);
  return {
    kind: KINDS[params.get("kind") ?? ""] ? (params.get("kind") ?? "") : "",
    size: SIZES.includes(params.get("size") ?? "") ? (params.get("size") ?? "") : "",
    direction: ["up", "down"].includes(params.get("direction")) ? params.get("direction") : "",
    q: params.get("q") ?? "",
    model: params.get("model"),
    start: start > end ? end : start,
    end,
    chosen: params.has("start") || params.has("end"),
  };
}

export function query(state, over = {}) {
  return {
    start: state.start,
    end: state.end,
    kinds: KINDS[state.kind].kinds,
    q: state.q || null,
    min_pct: state.size || null,
    direction: state.direction || null,
    model: state.model,
    ...over,
  };
}

export async function save(state) {
  const data = await get("changes", { ...query(state), limit: 5000 });
  while (data.items.length < data.total) {
    const page = await get("changes", { ...query(state), limit: 5000, offset: data.items.length });
    if (!page.items.length) break;
    data.items.push(...page.items);
  }
  const keys = [
    "date",
    "previous_date",
    "name",
    "model_id",
    "change",
    "field",
    "old_value",
    "new_value",
    "pct",
    "direction",
  ];
  download(`io-intelligence-changes-${state.start}-${state.end}.csv`, [
    keys,
    ...data.items.map((item) => keys.map((key) => item[key])),
  ]);
}
