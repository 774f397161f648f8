// @ts-check
// Lets the user choose a model by typing a part of its name.

import { h, icon, replaceChildren } from "../dom.js";
import { absence, cut } from "../format.js";
import { matcher } from "../store.js";

/** @typedef {import("../store.js").Named & {developer?: string | null, last_seen?: string, in_quarantine?: boolean | null}} Offered */

const MOST = 30;
let made = 0;

/**
 * Build a field that offers models. The list opens by typing, a click or an arrow key; not by mere focus, which the
 * field keeps after a choice: the list would cover what the user wants to click next.
 * @param {Offered[]} models
 * @param {string} label
 * @param {string} note
 * @param {(model: Offered) => void} choose
 */
export function modelCombo(models, label, note, choose) {
  made += 1;
  const id = `models-${made}`;
  const list = h("ul", { class: "options", id, role: "listbox", "aria-label": label, hidden: true });
  const input = h("input", {
    type: "text",
    role: "combobox",
    placeholder: label,
    "aria-label": label,
    "aria-expanded": "false",
    "aria-controls": id,
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
  });
  /** @type {Offered[]} */
  let found = [];
  let active = 0;

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function draw() {
    const option = (/** @type {Offered} */ model, /** @type {number} */ index) =>
      h(
        "li",
        {
          id: `${id}-${index}`,
          role: "option",
          "aria-selected": String(index === active),
          dir: "auto",
          title: cut(model.name, 300),
          onmousedown: (event) => {
            event.preventDefault();
            take(index);
          },
        },
        cut(model.name),
        model.last_seen
          ? h("span", { class: "faint" }, ` ${absence(model.in_quarantine)}, last seen ${model.last_seen}`)
          : null,
      );
    const none = h("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, "No model matches");
    replaceChildren(list, found.length ? found.map(option) : none);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    if (found.length) input.setAttribute("aria-activedescendant", `${id}-${active}`);
    list.children[active]?.scrollIntoView({ block: "nearest" });
  }

  function open() {
    found = models.filter(matcher(input.value)).slice(0, MOST);
    active = 0;
    draw();
  }

  /** @param {number} index */
  function take(index) {
    if (!found[index]) return;
    close();
    input.value = "";
    choose(found[index]);
  }

  input.oninput = input.onclick = open;
  input.onblur = close;
  input.onkeydown = (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter") {
      // Otherwise the same key press would activate the rebuilt control in this place.
      event.preventDefault();
      if (!list.hidden) take(active);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) open();
      else {
        active = Math.max(0, Math.min(found.length - 1, active + (event.key === "ArrowDown" ? 1 : -1)));
        draw();
      }
    }
  };
  return h(
    "span",
    { class: "combo" },
    h("span", { class: "field" }, icon("plus", 14), input, h("span", { class: "faint" }, note)),
    list,
  );
}
