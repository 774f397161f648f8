// Builds the lists of the largest moves: dearer on one side, cheaper on the other.

import { h, replaceChildren } from "../dom.js";
import { keepFocus } from "../focus.js";
import { field, plural, price } from "../format.js";
import { reference } from "./panels.js";
import { cardHead, emptyState, modelName, move, places, priceCell, segments } from "../components.js";
import { link, update } from "../route.js";
import { sparkline } from "../charts/sparkline.js";

export const SPANS = ["1", "7", "30"];

export function drawMovers(card, data) {
  const words = { 1: "1 day", 7: "7 days", 30: "30 days" };
  const choice = segments(
    "Span of the largest moves",
    SPANS.map((value) => ({ value, text: words[value] })),
    String(data.days),
    (value) => update({ days: value === "1" ? null : value }),
  );
  keepFocus(card, () =>
    replaceChildren(
      card,
      cardHead("Largest moves", "USD per 1M tokens, the biggest of each model", choice),
      h("div", { class: "sides" }, side(data, "up"), side(data, "down")),
    ),
  );
}

function side(data, direction) {
  const rows = data.movers[direction];
  const total = data.movers[`${direction}_total`] ?? rows.length;
  const [word, what] = direction === "up" ? ["Dearer", "rise"] : ["Cheaper", "fall"];
  const head = h(
    "h3",
    { class: `side-head ${direction}` },
    h("span", { class: "arrow", "aria-hidden": "true" }, direction === "up" ? "▲" : "▼"),
    ` ${word}`,
    h(
      "span",
      { class: "sub" },
      ` ${plural(total, "model")} with a ${what}${total > rows.length ? `, the ${rows.length} largest` : ""}`,
    ),
  );
  if (!rows.length)
    return h(
      "div",
      { class: "side" },
      head,
      emptyState(
        direction === "up" ? "Nothing got dearer" : "Nothing got cheaper",
        `since ${data.movers.since ?? data.previous_date ?? data.date}`,
      ),
    );
  const since = data.movers.since.slice(5); // rows exist only if there is a day to compare with
  const [olds, news] = [places(rows.map((row) => row.old_value)), places(rows.map((row) => row.new_value))];
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      h(
        "td",
        {},
        modelName(row.name, { href: link("models", { model: reference(row) }) }),
        h("span", { class: "phone two muted" }, field(row.field)),
      ),
      h("td", { class: "large" }, field(row.field)),
      h("td", { class: "large middle" }, sparkline(row.spark)),
      h("td", { class: "number large muted" }, priceCell(row.old_value, olds)),
      h("td", { class: "arrow-cell large", "aria-hidden": "true" }, "→"),
      h("td", { class: "number strong large" }, priceCell(row.new_value, news)),
      h(
        "td",
        { class: "number" },
        move(row.pct),
        h(
          "span",
          { class: "phone two" },
          h("span", { class: "muted" }, `${price(row.old_value)} → `),
          h("b", {}, price(row.new_value)),
        ),
      ),
    ),
  );
  const th = (text, className = "") => h("th", { scope: "col", class: className }, text);
  return h(
    "div",
    { class: "side" },
    head,
    h(
      "table",
      { class: "table plain" },
      h("caption", { class: "unseen" }, `${word}: largest moves`),
      h(
        "thead",
        { class: "large" },
        h(
          "tr",
          {},
          th("Model", "w-name"),
          th("Price", "w-kind large"),
          th("30 days", "w-spark large middle"),
          th(since, "number w-price large"),
          h("td", { class: "w-arrow large" }),
          th(data.date.slice(5), "number w-price large"),
          th("Change", "number w-move"),
        ),
      ),
      h("tbody", {}, body),
    ),
  );
}
