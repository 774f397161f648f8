// Builds components that several views share.

import { h, icon } from "./dom.js";
import { cut, decimals, isZero, percent } from "./format.js";

/** Build a model's name, the developer faint: always text, on one line, with its direction isolated. */
export function modelName(name, { tag = "span", href = null, whole = false } = {}) {
  const slash = name.indexOf("/");
  const [developer, model] =
    slash > 0 && slash < name.length - 1 ? [name.slice(0, slash + 1), name.slice(slash + 1)] : ["", name];
  const text = whole ? (part) => part : cut;
  const attributes = { class: "name", dir: "auto", title: whole ? null : cut(name, 300), href };
  return h(
    href ? "a" : tag,
    href ? { ...attributes, class: "name row" } : attributes,
    developer && h("span", { class: "developer" }, text(developer)),
    h("b", {}, text(model)),
  );
}

/** Return the name of a model without its developer. */
export function shortName(name) {
  const slash = name.lastIndexOf("/");
  return slash > 0 && slash < name.length - 1 ? name.slice(slash + 1) : name;
}

/** Build a percentage with arrow, sign and colour, so that it is clear without any one of them. */
export function move(pct, { digits = null, weight = true } = {}) {
  if (pct === null || pct === undefined) return h("span", { class: "muted" }, digits ?? "n/a");
  if (pct === 0) return h("span", { class: "muted" }, percent(0));
  const [side, arrow] = pct > 0 ? ["up", "▲"] : ["down", "▼"];
  return h(
    "span",
    { class: `${side} ${weight ? "move" : ""}`, style: { whiteSpace: "nowrap" } },
    h(
      "span",
      {
        class: "arrow",
        "aria-hidden": "true",
        style: { fontSize: "9px", marginRight: "4px", verticalAlign: "1px" },
      },
      arrow,
    ),
    percent(pct),
  );
}

/** Build "▲ 16 up": a count of one direction. */
export function counted(side, number, word = "") {
  return h(
    "span",
    { class: `${side} move` },
    h("span", { class: "arrow", "aria-hidden": "true" }, side === "up" ? "▲" : "▼"),
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

/** Return the decimals of the longest price of a column: the others are padded to it, invisibly. */
export function places(texts, most = 6) {
  return texts.reduce(
    (longest, text) =>
      text === null || isZero(text)
        ? longest
        : Math.max(longest, Math.min(most, decimals(text).split(".")[1].length)),
    2,
  );
}

/** Build a price, aligned on its point by invisible zeros. */
export function priceCell(text, width = 2, note = null) {
  if (text === null || text === undefined) return notPublished();
  const doubt = note && h("sup", {}, h("a", { href: note.href, "aria-label": note.label }, note.mark));
  if (isZero(text)) return note ? h("span", { class: "muted" }, "0", doubt) : h("span", {}, "free");
  const shown = decimals(text);
  const missing = width - shown.split(".")[1].length;
  // The cell cuts a longer price; hovering and the model's panel show all of it.
  return h(
    "span",
    { title: shown.length > 9 ? shown : null },
    shown,
    missing > 0 && h("span", { class: "pad", "aria-hidden": "true" }, "0".repeat(missing)),
  );
}

/** Build a group of buttons of which one is on. */
export function segments(label, options, chosen, choose) {
  return h(
    "div",
    { class: "segments", role: "group", "aria-label": label },
    options.map(({ value, text, ...rest }) =>
      h(
        "button",
        { type: "button", "aria-pressed": String(value === chosen), onclick: () => choose(value), ...rest },
        text,
      ),
    ),
  );
}

/** Build a drop-down that looks like the other controls. */
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

/**
 * Build a field for a day in ISO form between two others, typed or chosen from the browser's calendar.
 *
 * The browser's own field would write the day in the user's local format; the rest of the page uses ISO.
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
  const take = (day) => {
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

/** Build the field of a day and its label as one control. */
export function dayField(label, value, bounds, choose) {
  return h(
    "span",
    { class: "field" },
    h("span", { class: "label", "aria-hidden": "true" }, label),
    dayInput(label, value, bounds, choose),
  );
}

/** Build the fields of a range of days as one control. */
export function daysField(label, [start, end], { min, max }, choose) {
  return h(
    "span",
    { class: "field", role: "group", "aria-label": label },
    h("span", { class: "label" }, label),
    dayInput("First day", start, { min, max: end }, (day) => choose(day, end)),
    h("span", { class: "label" }, "to"),
    dayInput("Last day", end, { min: start, max }, (day) => choose(start, day)),
  );
}

/** Build the search field; "/" focuses it. Every key press calls `onInput`. */
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
  return h(
    "label",
    { class: "field search" },
    icon("search"),
    input,
    h("kbd", { "aria-hidden": "true" }, "/"),
  );
}

export function csvButton(onclick) {
  return h(
    "button",
    { class: "button", type: "button", onclick },
    icon("download"),
    "CSV",
    h("span", { class: "unseen" }, " download"),
  );
}

export function cardHead(title, sub, ...end) {
  return h(
    "div",
    { class: "card-head" },
    h("h2", {}, title),
    sub && h("span", { class: "sub" }, sub),
    end.length ? h("span", { class: "end" }, end) : null,
  );
}

export function banner(kind, ...children) {
  return h(
    "div",
    { class: `banner ${kind}`, role: kind === "error" ? "alert" : null },
    icon(kind === "error" ? "cross" : "warn", 20),
    h("div", {}, children),
  );
}

export function emptyState(title, ...rest) {
  return h("div", { class: "empty" }, h("b", {}, title), rest);
}

/** Build static grey rows as a placeholder for data that is loading. */
export function skeleton(rows = 8) {
  return h(
    "div",
    { class: "card skeleton", "aria-busy": "true", "aria-label": "Loading" },
    Array.from({ length: rows }, (_, i) => h("span", { style: { width: `${90 - ((i * 37) % 50)}%` } })),
  );
}

export function failure(error, retry) {
  return banner(
    "error",
    h("b", {}, `${error.title || "Something went wrong"}. `),
    `${error.message || ""} ${error.action || ""} `,
    h("button", { class: "button bare", type: "button", onclick: retry }, "Try again"),
  );
}

const OUTCOMES = { passed: ["check", "ok"], warned: ["warn", "warned"], failed: ["cross", "failed"] };

/** Build "✓ passed" and the other outcomes. */
export function outcome(word) {
  const [sign, className] = OUTCOMES[word] || ["minus", "muted"];
  return h("span", { class: `move ${className}` }, icon(sign, 15), ` ${word}`);
}
