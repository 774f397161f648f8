// Loads the models of a day for the views that list them or look them up.

import { all } from "./api.js";

const kept = new Map();

/** Return {date, then_date, items} of a day (default: the latest); requested once while the page is open. */
export function catalogue(date = null) {
  const key = date ?? "";
  if (!kept.has(key)) {
    if (kept.size > 4) kept.delete(kept.keys().next().value);
    const asked = all("models", { date }, undefined, 5000);
    kept.set(key, asked);
    asked.catch(() => kept.delete(key));
  }
  return kept.get(key);
}

/** Return the name of a model for the URL if it is short and unique, else its id. */
export function reference(model, items) {
  const alone = items.filter((other) => other.name === model.name).length < 2;
  return alone && model.name.length <= 200 && model.name.trim() === model.name ? model.name : model.model_id;
}

/** Return the model that a URL names, undefined when the day has none. */
export function find(items, named) {
  return items.find((model) => model.model_id === named) ?? items.find((model) => model.name === named);
}

/** Return a search function: every word may be anywhere in the name or the developer. */
export function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return (model) => {
    const text = `${model.name} ${model.developer ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/** Return the latest day with a snapshot up to a day; before the first one, the first. */
export function snapshotDay(dates, day) {
  return dates.findLast((date) => date <= day) ?? dates[0];
}
