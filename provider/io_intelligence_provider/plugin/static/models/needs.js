// @ts-check
// Compares models with what is needed of them: the context, what a model can do, its price. Exact, without floats.

import { h } from "../dom.js";
import { capital, isZero } from "../format.js";
import { update } from "../route.js";

export const FILTERS = ["developer", "status", "context", "capability", "by", "ratio", "max", "zero"];

/** @type {Record<string, string[]>} the prices that each choice is about */
const PRICED = {
  output: ["output_token_price"],
  input: ["input_token_price"],
  blended: ["input_token_price", "output_token_price"],
};
const SCALE = 18; // decimals of a price

/**
 * Return a decimal as a whole number of its smallest unit, null when the text is none.
 * @param {string | null} text
 */
export function scaled(text) {
  const found = new RegExp(`^(\\d{1,20})(?:\\.(\\d{1,${SCALE}}))?$`).exec((text ?? "").trim());
  return found && BigInt(found[1] + (found[2] ?? "").padEnd(SCALE, "0"));
}

/**
 * Return the parts of input and output in a blended price: "3:1" by default; null when the text is no ratio.
 * @param {string | null} text
 * @returns {[bigint, bigint] | null}
 */
export function ratioOf(text) {
  const found = /^(\d{1,6}):(\d{1,6})$/.exec((text ?? "3:1").trim());
  return found && Number(found[1]) + Number(found[2]) > 0 ? [BigInt(found[1]), BigInt(found[2])] : null;
}

/**
 * Return how the address asks to price a model: the prices with their parts.
 * @param {URLSearchParams} params
 * @returns {{by: string, parts: [string, bigint][]}}
 */
export function pricing(params) {
  const asked = params.get("by") ?? "";
  const by = Object.hasOwn(PRICED, asked) ? asked : "output";
  const ratio = by === "blended" ? (ratioOf(params.get("ratio")) ?? [3n, 1n]) : [1n];
  return { by, parts: PRICED[by].map((key, index) => [key, ratio[index]]) };
}

/**
 * Return the weighted sum of prices and the sum of the weights; null when one is not published, or a doubtful 0.
 * @param {Api.Model} model
 * @param {[string, bigint][]} parts
 */
function weighted(model, parts) {
  let [sum, weight] = [0n, 0n];
  for (const [key, part] of parts) {
    const value = model.doubtful.includes(key) ? null : scaled(model.prices[key]);
    if (value === null && part) return null;
    sum += (value ?? 0n) * part;
    weight += part;
  }
  return { sum, weight };
}

/**
 * Return the blended price of a model as text, rounded to six decimals; null when one price is not published, or
 * a doubtful 0. More decimals are kept where six would round a price to 0, which is shown as free.
 * @param {Api.Model} model
 * @param {[string, bigint][]} parts
 */
export function blended(model, parts) {
  const found = weighted(model, parts);
  if (!found) return null;
  const unit = 10n ** BigInt(SCALE) * found.weight;
  const rounded = (/** @type {number} */ places) => (2n * found.sum * 10n ** BigInt(places) + unit) / (2n * unit);
  let places = 6;
  while (found.sum > 0n && rounded(places) === 0n) places += 1;
  const digits = String(rounded(places)).padStart(places + 1, "0");
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`.replace(/\.?0+$/, "");
}

/**
 * Return whether a model satisfies the finder. An unknown value satisfies no bound.
 * @param {URLSearchParams} params
 */
export function finds(params) {
  const context = contextOf(params.get("context"));
  const capabilities = params.getAll("capability");
  const { parts } = pricing(params);
  const most = scaled(params.get("max"));
  const hide = params.get("zero") === "hide";
  return (/** @type {Api.Model} */ model) => {
    if (context !== null && !(Number(model.context_window) >= context)) return false;
    if (!capabilities.every((word) => model.capabilities.includes(word))) return false;
    if (hide && parts.some(([key, part]) => part && isZero(model.prices[key]))) return false;
    if (most === null) return true;
    const found = weighted(model, parts);
    return found !== null && found.sum <= most * found.weight;
  };
}

/**
 * Return a number of tokens: "128k" and "1M" are read as such; null when the text is none.
 * @param {string | null} text
 */
export function contextOf(text) {
  const found = /^(\d{1,12})([km]?)$/i.exec((text ?? "").trim());
  if (!found || Number(found[1]) === 0) return null;
  return Number(found[1]) * { "": 1, k: 1_000, m: 1_000_000 }[/** @type {"" | "k" | "m"} */ (found[2].toLowerCase())];
}

/**
 * Build a field for text that is part of the address; what `read` does not accept is put back.
 * @param {string} label
 * @param {string} key
 * @param {URLSearchParams} params
 * @param {{read: (text: string) => unknown, placeholder: string, letters?: number}} how
 */
export function needField(label, key, params, { read, placeholder, letters = 6 }) {
  const value = params.get(key) ?? "";
  const input = h("input", {
    type: "text",
    class: "short",
    "aria-label": label,
    value,
    placeholder,
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 24,
    style: { width: `${letters}ch` },
    onchange: (event) => {
      const text = event.target.value.trim();
      if (text && read(text) === null) event.target.value = value;
      else update({ [key]: text || null });
    },
  });
  return h("label", { class: "field" }, h("span", { class: "label", "aria-hidden": "true" }, label), input);
}

/**
 * Build the needs that both views have: the context at least, and what a model can do.
 * @param {Api.Model[]} items
 * @param {URLSearchParams} params
 */
export function needs(items, params) {
  const known = new Set(items.flatMap((model) => model.capabilities));
  const chosen = params.getAll("capability");
  const toggle = (/** @type {string} */ word) =>
    update({ capability: chosen.includes(word) ? chosen.filter((other) => other !== word) : [...chosen, word] });
  const button = (/** @type {string} */ word) =>
    h(
      "button",
      { type: "button", "aria-pressed": String(chosen.includes(word)), onclick: () => toggle(word) },
      capital(word),
    );
  return [
    needField("Context at least", "context", params, { read: contextOf, placeholder: "128k" }),
    known.size > 0 &&
      h(
        "span",
        { class: "toggles", role: "group", "aria-label": "Capabilities" },
        [...known].sort((a, b) => a.localeCompare(b, "en")).map(button),
      ),
  ];
}
