// @ts-check
// Builds components that several views share.

import { FORMS, formsFor } from "./csv.js";
import { h, icon, say } from "./dom.js";
import { cut, decimals, isZero, percent } from "./format.js";
import { modelLink, shareable } from "./route.js";

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

/** @typedef {{mark: string, href: string, label: string}} Note */

/**
 * Build a price, aligned on its point by invisible zeros. A very long one is written on several lines.
 * @param {string | null} text
 * @param {number} [width] decimals
 * @param {Note | null} [note]
 */
export function priceCell(text, width = 2, note = null) {
  if (text === null) return notPublished();
  const doubt = note && h("sup", {}, h("a", { href: note.href, "aria-label": note.label }, note.mark));
  if (isZero(text)) return note ? h("span", { class: "muted" }, "0", doubt) : h("span", {}, "free");
  const shown = decimals(text);
  const missing = width - shown.split(".")[1].length;
  return h(
    "span",
    { class: shown.length > 14 ? "long" : null },
    shown,
    missing > 0 && h("span", { class: "pad", "aria-hidden": "true" }, "0".repeat(missing)),
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
 * Build a group of buttons of which one is on.
 * @template T
 * @param {string} label
 * @param {{value: T, text: Child}[]} options
 * @param {T} chosen
 * @param {(value: T) => void} choose
 */
export function segments(label, options, chosen, choose) {
  return h(
    "div",
    { class: "segments", role: "group", "aria-label": label },
    options.map(({ value, text }) =>
      h("button", { type: "button", "aria-pressed": String(value === chosen), onclick: () => choose(value) }, text),
    ),
  );
}

/**
 * Build a drop-down that looks like the other controls.
 * @param {string} label
 * @param {{value: string, text: string}[]} options
 * @param {string} chosen
 * @param {(value: string) => void} choose
 */
export function select(label, options, chosen, choose) {
  const list = h(
    "select",
    { onchange: (event) => choose(event.target.value) },
    options.map(({ value, text }) => h("option", { value, selected: value === chosen }, text)),
  );
  return h(
    "label",
    { class: "field" },
    h("span", { class: "label" }, label),
    list,
    h("span", { class: "chevron" }, icon("chevron", 14)),
  );
}

/** @typedef {{min: string, max: string}} Bounds */

/**
 * Build a field for a day in ISO form between two others, typed or chosen from the browser's calendar.
 *
 * The browser's own field would write the day in the user's local format; the rest of the page uses ISO.
 * @param {string} label
 * @param {string} value
 * @param {Bounds} bounds
 * @param {(day: string) => void} choose
 */
export function dayInput(label, value, { min, max }, choose) {
  const calendar = h("input", {
    type: "date",
    class: "calendar",
    value,
    min,
    max,
    tabindex: "-1",
    "aria-hidden": "true",
  });
  const text = h("input", {
    type: "text",
    class: "day",
    value,
    "aria-label": label,
    inputmode: "numeric",
    maxlength: 10,
    autocomplete: "off",
    spellcheck: "false",
  });
  const take = (/** @type {string} */ day) => {
    const known = /^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(Date.parse(day));
    const bounded = known ? (day < min ? min : day > max ? max : day) : value;
    text.value = bounded;
    if (bounded !== value) choose(bounded);
  };
  text.onchange = () => take(text.value.trim());
  calendar.onchange = () => calendar.value && take(calendar.value);
  const open = h(
    "button",
    {
      type: "button",
      class: "open-calendar",
      "aria-label": `${label}: open the calendar`,
      onclick: () => calendar.showPicker?.(),
    },
    icon("calendar", 15),
  );
  return [text, h("span", { class: "calendar-place" }, open, calendar)];
}

/**
 * Build the field of a day and its label as one control.
 * @param {string} label
 * @param {string} value
 * @param {Bounds} bounds
 * @param {(day: string) => void} choose
 */
export function dayField(label, value, bounds, choose) {
  return h(
    "span",
    { class: "field" },
    h("span", { class: "label", "aria-hidden": "true" }, label),
    dayInput(label, value, bounds, choose),
  );
}

/**
 * Build the fields of a range of days as one control.
 * @param {[string, string]} days
 * @param {Bounds} bounds
 * @param {(start: string, end: string) => void} choose
 */
export function daysField([start, end], { min, max }, choose) {
  return h(
    "span",
    { class: "field", role: "group", "aria-label": "Days" },
    h("span", { class: "label" }, "Days"),
    dayInput("First day", start, { min, max: end }, (day) => choose(day, end)),
    h("span", { class: "label" }, "to"),
    dayInput("Last day", end, { min: start, max }, (day) => choose(start, day)),
  );
}

/**
 * Build the search field; "/" focuses it. Every key press calls `onInput`.
 * @param {string} value
 * @param {(text: string) => void} onInput
 */
export function searchField(value, onInput) {
  const input = h("input", {
    type: "search",
    placeholder: "Search models",
    "aria-label": "Search models",
    value,
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 200,
    oninput: (event) => onInput(event.target.value),
  });
  const field = h("label", { class: "field search" }, icon("search"), input, h("kbd", { "aria-hidden": "true" }, "/"));
  return { field, input };
}

/**
 * Build the button that opens the forms of CSV, the one of the reader's locale first.
 * @param {(form: import("./csv.js").Form) => void} save
 */
export function csvMenu(save) {
  /** @type {HTMLDetailsElement} */
  const menu = h(
    "details",
    {
      class: "menu",
      onfocusout: (event) =>
        menu.contains(/** @type {Node | null} */ (event.relatedTarget)) || menu.removeAttribute("open"),
      onkeydown: (event) => {
        if (event.key !== "Escape" || !menu.open) return;
        event.preventDefault();
        menu.open = false;
        menu.querySelector("summary")?.focus();
      },
    },
    h(
      "summary",
      { class: "button", role: "button" },
      icon("download"),
      "CSV",
      h("span", { class: "unseen" }, " download"),
    ),
    h(
      "div",
      { class: "menu-list" },
      formsFor(navigator.language).map((form) =>
        h(
          "button",
          {
            type: "button",
            onclick: () => {
              menu.open = false;
              save(form);
            },
          },
          FORMS[form].text,
        ),
      ),
    ),
  );
  return menu;
}

/**
 * Build the button that copies the address of what is shown, pinned to its days.
 * @param {() => string} address returns the hash
 */
export function copyButton(address) {
  const text = h("span", {}, "Copy link");
  const copy = async () => {
    const url = shareable(address());
    try {
      await navigator.clipboard.writeText(url);
    } catch {
      copyBySelection(url); // no secure context, or a frame that may not use the clipboard
    }
    text.textContent = "Copied";
    say("The link is copied");
    setTimeout(() => (text.textContent = "Copy link"), 2_000);
  };
  return h("button", { class: "button bare", type: "button", onclick: copy }, icon("link", 14), text);
}

/** @param {string} text */
function copyBySelection(text) {
  const field = h("textarea", { class: "unseen", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
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
    { class: "card skeleton", "aria-busy": "true", "aria-label": "Loading" },
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
