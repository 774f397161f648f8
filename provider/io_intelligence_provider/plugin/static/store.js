// @ts-check
// The state that all views share: the status of the store, and the models of a day.
//
// What is shown stays as it is until the user asks for a newer snapshot: chip, counts and views always agree.

import { all, get } from "./api.js";
import { daysBetween, today } from "./format.js";

const MINUTE = 60_000;
const SOON = 5_000; // a tab that is looked at again this soon asks nothing

/** @typedef {Api.StatusAnswer & {latest: string}} Status of a store with a readable snapshot */

/** @type {{shown: Api.StatusAnswer | null, newer: Api.StatusAnswer | null, problem: unknown, asked: number}} */
const state = { shown: null, newer: null, problem: null, asked: 0 };
/** @type {Map<string, Promise<Api.ModelsAnswer>>} */
const catalogues = new Map();
/** @type {(() => void)[]} */
const listeners = [];

/** Return the status that is shown, null before the first answer. */
export function status() {
  return state.shown;
}

/** Return the status of a newer snapshot than the one shown, null when there is none. */
export function news() {
  return state.newer;
}

/** Return the error of the last refresh, null when it succeeded. */
export function problem() {
  return state.problem;
}

/** Return the first status; requested once. */
export async function load() {
  if (!state.shown) {
    state.shown = await get("status");
    state.asked = Date.now();
    tell();
  }
  return state.shown;
}

/** Forget everything, so that the next `load` requests it. */
export function forget() {
  state.shown = state.newer = state.problem = null;
  catalogues.clear();
}

/** Show the newest status from now on. */
export function showNewest() {
  if (state.newer) state.shown = state.newer;
  state.newer = null;
  catalogues.clear();
  tell();
}

/**
 * Call `listener` after every refresh, which also makes ages count.
 * @param {() => void} listener
 */
export function onRefresh(listener) {
  listeners.push(listener);
}

function tell() {
  for (const listener of listeners) listener();
}

/**
 * Return whether two answers describe the same files: views of one are right for the other.
 * @param {Api.StatusAnswer} a
 * @param {Api.StatusAnswer} b
 */
export function sameFiles(a, b) {
  const known = (
    /** @type {Api.StatusAnswer} */ { latest, latest_on_file, snapshot_id, changes, models, dates, unreadable },
  ) => JSON.stringify([latest, latest_on_file, snapshot_id, changes, models, dates.length, unreadable.length]);
  return known(a) === known(b);
}

/** Request the status again. */
export async function refresh() {
  state.asked = Date.now();
  try {
    const found = await get("status");
    state.problem = null;
    if (!state.shown || sameFiles(state.shown, found)) {
      state.shown = found;
      state.newer = null;
    } else state.newer = found;
  } catch (error) {
    state.problem = error;
  }
  tell();
}

/** Refresh every minute, and when the page is looked at again. */
export function keepFresh() {
  setInterval(() => document.visibilityState === "visible" && refresh(), MINUTE);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible" && Date.now() - state.asked > SOON) refresh();
  });
}

/**
 * Return whether the shown snapshot is old, by the server's word or by the calendar since.
 * @param {Api.StatusAnswer} found
 */
export function isStale(found) {
  return found.stale || (found.latest !== null && daysBetween(found.latest, today()) > 1);
}

/**
 * Return the models of a day, by default the one that is shown; requested once.
 * @param {string | null} [date]
 */
export function catalogue(date = null) {
  const day = date ?? state.shown?.latest ?? "";
  const known = catalogues.get(day);
  if (known) return known;
  const [oldest] = catalogues.keys();
  if (catalogues.size > 4) catalogues.delete(oldest);
  const asked = all("models", { date: day }, 5000);
  catalogues.set(day, asked);
  asked.catch(() => catalogues.delete(day));
  return asked;
}

/** @typedef {{model_id: string, name: string}} Named */

/**
 * Return the name of a model for the URL if it is short and unique, else its id.
 * @param {Named} model
 * @param {readonly Named[]} items
 */
export function reference(model, items) {
  const alone = items.filter((other) => other.name === model.name).length < 2;
  return alone && model.name.length <= 200 && model.name.trim() === model.name && model.name
    ? model.name
    : model.model_id;
}

/**
 * Return the model that a URL names, undefined when the day has none.
 * @template {Named} M
 * @param {readonly M[]} items
 * @param {string | null} named
 */
export function find(items, named) {
  return items.find((model) => model.model_id === named) ?? items.find((model) => model.name === named);
}

/**
 * Return a search function: every word may be anywhere in the name or the developer.
 * @param {string} query
 */
export function matcher(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return (/** @type {Named & {developer?: string | null}} */ model) => {
    const text = `${model.name} ${model.developer ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/**
 * Return the latest day with a snapshot up to a day; before the first one, the first.
 * @param {string[]} dates oldest first
 * @param {string} day
 */
export function snapshotDay(dates, day) {
  return dates.findLast((date) => date <= day) ?? dates[0];
}
