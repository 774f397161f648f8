// @ts-check
// Builds the controls that several views share: groups of buttons, lists, fields of days, search, CSV, Copy link.

import { described } from "./components.js";
import { FORMS, formsFor } from "./csv.js";
import { h, icon, say } from "./dom.js";
import { isDay } from "./format.js";
import { shareable } from "./route.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {{min: string, max: string}} Bounds */

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
    const bounded = isDay(day) ? (day < min ? min : day > max ? max : day) : value;
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
 * Let the key "/" focus the search field of an element, where there is one.
 * @param {HTMLElement} main
 */
export function focusSearchBySlash(main) {
  document.addEventListener("keydown", (event) => {
    const typing = /** @type {Element} */ (event.target).closest?.("input, select, textarea, dialog");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const search = /** @type {HTMLInputElement | null} */ (main.querySelector("input[type=search]"));
    if (search) {
      event.preventDefault();
      search.focus();
    }
  });
}

/**
 * Build the search field; "/" focuses it. Every key press calls `onInput`.
 * @param {string} value
 * @param {(text: string) => void} onInput
 * @param {string} [what] is searched
 */
export function searchField(value, onInput, what = "models") {
  const input = h("input", {
    type: "search",
    placeholder: `Search ${what}`,
    "aria-label": `Search ${what}`,
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
 * Do what a control asks for, once at a time; an error is told beside the control.
 * @param {HTMLElement} control
 * @param {() => unknown} ask
 */
export async function attempt(control, ask) {
  if (control.getAttribute("aria-busy")) return;
  if (control.nextElementSibling?.classList.contains("told")) control.nextElementSibling.remove();
  control.setAttribute("aria-busy", "true");
  try {
    await ask();
  } catch (error) {
    const { title, text } = described(error);
    control.after(h("span", { class: "told warned", role: "alert" }, ` ${title}. ${text}`));
  }
  control.removeAttribute("aria-busy");
}

/**
 * Build the button that opens the forms of CSV, the one of the reader's locale first.
 * @param {(form: import("./csv.js").Form) => unknown} save
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
              attempt(menu, () => save(form));
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
