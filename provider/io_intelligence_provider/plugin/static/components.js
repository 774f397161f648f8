// @ts-check
// Builds what several views show: names, numbers, cards and banners.

import { h, icon } from "./dom.js";
import { cut, decimals, isZero, percent, price } from "./format.js";
import { modelLink } from "./route.js";

/** @typedef {import("./dom.js").Child} Child */

/**
 * Build a model's name, the developer faint: always text, on one line, with its direction isolated.
 * @param {string} name
 * @param {string | null} [open] the reference of the model that a click opens
 */
export function modelName(name, open = null) {
  const slash = name.indexOf("/");
  const [developer, model] =
    slash > 0 && slash < name.length - 1 ? [name.slice(0, slash + 1), name.slice(slash + 1)] : ["", name];
  const parts = [developer && h("span", { class: "developer" }, cut(developer)), h("b", {}, cut(model || "(no name)"))];
  const common = { dir: "auto", title: cut(name, 300) };
  if (open === null) return h("span", { class: "name", ...common }, parts);
  return h("a", { class: "name row", ...common, ...modelLink(open) }, parts);
}

/**
 * Return the name of a model without its developer.
 * @param {string} name
 */
export function shortName(name) {
  const slash = name.lastIndexOf("/");
  return slash > 0 && slash < name.length - 1 ? name.slice(slash + 1) : name;
}

/** @param {string} side */
const arrow = (side) => h("span", { class: "arrow", "aria-hidden": "true" }, side === "up" ? "▲" : "▼");

/**
 * Build a percentage with arrow, sign and colour, so that it is clear without any one of them.
 * @param {number | null} pct
 * @param {boolean} [strong]
 */
export function move(pct, strong = true) {
  if (pct === null) return h("span", { class: "muted" }, "n/a");
  if (pct === 0) return h("span", { class: "muted" }, percent(0));
  const side = pct > 0 ? "up" : "down";
  return h("span", { class: `${side} percent ${strong ? "move" : ""}` }, arrow(side), percent(pct));
}

/**
 * Return how many letters wide a move is written.
 * @param {number | null} pct
 */
export function moveLetters(pct) {
  return percent(pct).length + 2;
}

/**
 * Build "▲ 16 up": a count of one direction.
 * @param {"up" | "down"} side
 * @param {number} number
 * @param {string} [word]
 */
export function counted(side, number, word = "") {
  return h(
    "span",
    { class: `${side} move` },
    arrow(side),
    `${number}${word ? ` ${word}` : ""}`,
    word ? null : h("span", { class: "unseen" }, ` ${side}`),
  );
}

export function notPublished() {
  return h(
    "span",
    { class: "faint" },
    h("span", { "aria-hidden": "true" }, "—"),
    h("span", { class: "unseen" }, "not published"),
  );
}

/**
 * Return the decimals of the longest price of a column: the others are padded to it, invisibly.
 * @param {(string | null)[]} texts
 */
export function places(texts) {
  const fraction = (/** @type {string | null} */ text) =>
    text === null || isZero(text) ? 2 : Math.min(6, decimals(text).split(".")[1].length);
  return texts.reduce((longest, text) => Math.max(longest, fraction(text)), 2);
}

/**
 * Build a number, which is written on several lines where it is very long: no digit is ever cut.
 * @param {...Child} parts
 */
export function digits(...parts) {
  return h("span", { class: "digits" }, parts);
}

/** @typedef {{id: string, mark: string, label: string}} Note */

const DOUBT = "a price, or a snapshot that cannot be read, is at most 30 days old, so it may mean “not published”";

/**
 * Return the footnote of doubtful zeros: the element of that id holds its text.
 * @param {string} id
 * @returns {Note}
 */
export const doubtNote = (id) => ({ id, mark: "1", label: "footnote 1: a doubtful 0" });

/** @param {Note} note */
export const doubtText = ({ mark }) => [h("sup", {}, mark), ` a doubtful 0: ${DOUBT}`];

/**
 * Build a price, aligned on its point by invisible zeros.
 * @param {string | null} text
 * @param {number} [width] decimals
 * @param {Note | boolean | null} [doubtful] the footnote of a doubtful 0; true: without a footnote
 */
export function priceCell(text, width = 2, doubtful = null) {
  const note = typeof doubtful === "boolean" ? null : doubtful;
  const doubt = note && h("sup", {}, h("a", { href: `#${note.id}`, "aria-label": note.label }, note.mark));
  if (text === null) return note ? h("span", { class: "faint" }, "—", doubt) : notPublished();
  if (isZero(text)) {
    if (note) return h("span", { class: "muted" }, "0", doubt);
    return doubtful ? h("span", { class: "muted", title: DOUBT }, price(text, true)) : h("span", {}, price(text));
  }
  const shown = decimals(text);
  const missing = width - shown.split(".")[1].length;
  const long = shown.length + missing > 9; // on a phone these zeros would make a number wrap
  return digits(
    shown,
    missing > 0 && h("span", { class: `pad ${long ? "long" : ""}`, "aria-hidden": "true" }, "0".repeat(missing)),
  );
}

/**
 * Return how many letters wide a price is written.
 * @param {string | null} text
 * @param {number} width decimals
 */
export function priceLetters(text, width) {
  return text === null || isZero(text)
    ? 4
    : decimals(text).split(".")[0].length + 1 + Math.max(width, decimals(text).split(".")[1].length);
}

/**
 * @param {string} title
 * @param {Child} [sub]
 * @param {...Child} end
 */
export function cardHead(title, sub, ...end) {
  return h(
    "div",
    { class: "card-head" },
    h("h2", {}, title),
    sub && h("span", { class: "sub" }, sub),
    end.length ? h("span", { class: "end" }, end) : null,
  );
}

/**
 * @param {"warn" | "error" | "news"} kind
 * @param {...Child} children
 */
export function banner(kind, ...children) {
  const sign = { warn: "warn", error: "cross", news: "trend" };
  return h(
    "div",
    { class: `banner ${kind}`, role: kind === "error" ? "alert" : null },
    icon(/** @type {import("./dom.js").IconName} */ (sign[kind]), 20),
    h("div", {}, children),
  );
}

/**
 * @param {string} title
 * @param {...Child} rest
 */
export function emptyState(title, ...rest) {
  return h("div", { class: "empty" }, h("b", {}, title), rest);
}

/**
 * Build static grey rows as a placeholder for data that is loading.
 * @param {number} [rows]
 */
export function skeleton(rows = 8) {
  return h(
    "div",
    { class: "card skeleton", role: "progressbar", "aria-busy": "true", "aria-label": "Loading" },
    Array.from({ length: rows }, (_, i) => h("span", { style: { width: `${90 - ((i * 37) % 50)}%` } })),
  );
}

/**
 * Return the title, the message and what to do of any error.
 * @param {unknown} error
 * @returns {{kind: string | null, title: string, text: string}}
 */
export function described(error) {
  const { kind, title, message, action } = /** @type {Partial<import("./api.js").ApiError>} */ (error ?? {});
  return {
    kind: kind ?? null,
    title: title ?? "Something went wrong",
    text: [message, action].filter(Boolean).join(" "),
  };
}

/**
 * @param {unknown} error
 * @param {() => void} retry
 */
export function failure(error, retry) {
  const { title, text } = described(error);
  return banner(
    "error",
    h("b", {}, `${title}. `),
    `${text} `,
    h("button", { class: "button bare", type: "button", onclick: retry }, "Try again"),
  );
}

/**
 * Build a figure with a title and a note; `href` leads to the view that has more of it.
 * @param {string} title
 * @param {Child} value
 * @param {Child} note
 * @param {{unit?: string, href?: string}} [more]
 */
export function tile(title, value, note, { unit, href } = {}) {
  const words = [title, unit && h("span", { class: "unit" }, ` ${unit}`)];
  return h(
    "div",
    { class: "tile" },
    h("h2", {}, href ? h("a", { href }, words) : words),
    h("p", { class: "figure" }, value),
    h("p", { class: "note" }, note),
  );
}

/** @type {Record<string, [import("./dom.js").IconName, string]>} */
const OUTCOMES = { passed: ["check", "ok"], warned: ["warn", "warned"], failed: ["cross", "failed"] };

/**
 * Build "✓ passed" and the other outcomes.
 * @param {string} outcome
 * @param {string} [word]
 */
export function outcomeMark(outcome, word = outcome) {
  const [sign, className] = OUTCOMES[outcome] ?? ["minus", "muted"];
  return h("span", { class: `move ${className}` }, icon(sign, 15), ` ${word}`);
}
