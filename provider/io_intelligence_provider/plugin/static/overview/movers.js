// @ts-check
// Builds the lists of the largest moves: dearer on one side, cheaper on the other.

import { sparkline } from "../charts/sparkline.js";
import { cardHead, emptyState, modelName, move, places, priceCell } from "../components.js";
import { segments } from "../controls.js";
import { h, keepFocus, replaceChildren } from "../dom.js";
import { field, plural } from "../format.js";
import { update } from "../route.js";

export const SPANS = ["1", "7", "30"];
/** @type {Record<string, string>} */
const WORDS = { 1: "1 day", 7: "7 days", 30: "30 days" };

/**
 * @param {Element} card
 * @param {Api.OverviewAnswer} data
 */
export function drawMovers(card, data) {
  const choice = segments(
    "Span of the largest moves",
    SPANS.map((value) => ({ value, text: WORDS[value] })),
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

/**
 * @param {Api.OverviewAnswer} data
 * @param {"up" | "down"} direction
 */
function side(data, direction) {
  const rows = data.movers[direction];
  const total = data.movers[`${direction}_total`];
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
  const { since } = data.movers;
  if (!rows.length || since === null)
    return h(
      "div",
      { class: "side" },
      head,
      emptyState(`Nothing got ${word.toLowerCase()}`, `since ${since ?? data.previous_date ?? data.date}`),
    );
  const [olds, news] = [places(rows.map((row) => row.old_value)), places(rows.map((row) => row.new_value))];
  const old = (/** @type {Api.Mover} */ row, width = 2) => priceCell(row.old_value, width, row.doubtful === "old");
  const now = (/** @type {Api.Mover} */ row, width = 2) => priceCell(row.new_value, width, row.doubtful === "new");
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      h(
        "td",
        { class: "takes-rest" },
        modelName(row.name, row.model_id),
        h("span", { class: "phone two muted" }, field(row.field)),
      ),
      h("td", { class: "large" }, field(row.field)),
      h("td", { class: "large roomy" }, sparkline(row.spark)),
      h("td", { class: "number large muted" }, old(row, olds)),
      h("td", { class: "arrow-cell large", "aria-hidden": "true" }, "→"),
      h("td", { class: "number strong large" }, now(row, news)),
      h(
        "td",
        { class: "number" },
        move(row.pct),
        h("span", { class: "phone two" }, h("span", { class: "muted" }, old(row), " → "), h("b", {}, now(row))),
      ),
    ),
  );
  const th = (/** @type {string} */ text, className = "") => h("th", { scope: "col", class: className }, text);
  return h(
    "div",
    { class: "side" },
    head,
    h(
      "table",
      { class: "table natural plain" },
      h("caption", { class: "unseen" }, `${word}: largest moves`),
      h(
        "thead",
        { class: "large" },
        h(
          "tr",
          {},
          th("Model"),
          th("Price", "large"),
          th("30 days", "large roomy"),
          th(since.slice(5), "number large"),
          h("td", { class: "large" }),
          th(data.date.slice(5), "number large"),
          th("Change", "number"),
        ),
      ),
      h("tbody", {}, body),
    ),
  );
}
