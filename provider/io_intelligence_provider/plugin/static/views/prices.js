// Shows prices over time.

import { price } from "../format.js";
import { history } from "../history/history.js";
import { places, priceCell } from "../components.js";

const KIND = {
  fields: ["input_token_price", "output_token_price", "cache_read_token_price", "cache_write_token_price"],
  fallback: "output_token_price",
  word: "price",
  unit: () => "USD per 1M tokens",
  format: price,
  cells(texts) {
    const width = places(texts);
    return texts.map((text) => priceCell(text, width));
  },
  whole: false,
  choose: (models) =>
    [...models].sort((a, b) => Math.abs(b.change.pct ?? 0) - Math.abs(a.change.pct ?? 0)).slice(0, 6),
};

/** Show the view; its parameters: model (repeated), field, range or start and end, scale, compare. */
export function show(context) {
  return history(context, KIND);
}
