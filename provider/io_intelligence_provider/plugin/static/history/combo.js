// Lets the user choose a model by typing a part of its name.

import { matcher } from "../catalogue.js";
import { h, icon, replaceChildren } from "../dom.js";
import { cut } from "../format.js";

const MOST = 30;
let made = 0;

/** Build a field that offers models; `choose` gets the chosen one. */
export function modelCombo(models, label, note, choose) {
  const id = `models-${(made += 1)}`;
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
  let found = [];
  let active = 0;

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function draw() {
    replaceChildren(
      list,
      found.map((model, index) =>
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
        ),
      ),
    );
    if (!found.length)
      replaceChildren(
        list,
        h("li", { role: "option", "aria-disabled": "true", "aria-selected": "false" }, "No model matches"),
      );
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

  function take(index) {
    if (!found[index]) return;
    close();
    input.value = "";
    choose(found[index]);
  }

  input.oninput = input.onfocus = open;
  input.onblur = close;
  input.onkeydown = (event) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter") {
      // Otherwise the same key press would activate the rebuilt control in this place.
      event.preventDefault();
      take(active);
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
    h("span", { class: "field" }, icon("plus", 14), input, note && h("span", { class: "faint" }, note)),
    list,
  );
}
