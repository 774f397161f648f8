// @ts-check
// Shows prices over time.

import { places, priceCell } from "../components.js";
import { PRICES, price } from "../format.js";
import { history } from "../history/history.js";

/** @type {import("../history/history.js").Kind} */
const KIND = {
  fields: PRICES,
  fallback: "output_token_price",
  range: "60d",
  word: "price",
  whole: false,
  isText: () => false,
  unit: () => "USD per 1M tokens",
  format: price,
  cells(texts, _, doubtful) {
    const width = places(texts);
    return texts.map((text, index) => priceCell(text, width, doubtful[index]));
  },
  async choose(models) {
    const size = (/** @type {Api.Model} */ model) => Math.abs(model.change.pct ?? 0);
    return [...models].sort((a, b) => size(b) - size(a)).slice(0, 6);
  },
  empty: "",
  marked: true,
};

/**
 * Show the view; its parameters: model (repeated), field, range or start and end, scale, compare.
 * @param {import("../app.js").Context} context
 */
export function show(context) {
  return history(context, KIND);
}
