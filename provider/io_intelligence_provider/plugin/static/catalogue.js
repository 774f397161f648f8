// The models of a day, shared by the views that list or look them up.

import { all } from "./api.js";

const kept = new Map();

/** Return {date, then_date, items} of a day (the latest unless given); asked once while the page is open. */
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

/** How the address names a model: by its name where that is short and its own, else by its id. */
export function reference(model, items) {
  const alone = items.filter((other) => other.name === model.name).length < 2;
  return alone && model.name.length <= 200 && model.name.trim() === model.name ? model.name : model.model_id;
}

/** Return the model that an address names, undefined when the day has none. */
export function find(items, named) {
  return items.find((model) => model.model_id === named) ?? items.find((model) => model.name === named);
}

/** Match as one types: every word anywhere in the name or the developer. */
export function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return (model) => {
    const text = `${model.name} ${model.developer ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/** The latest day with a snapshot on or before a day; the first one before all. */
export function snapshotDay(dates, day) {
  return dates.findLast((date) => date <= day) ?? dates[0];
}
