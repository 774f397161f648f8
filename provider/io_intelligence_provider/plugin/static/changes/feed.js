// @ts-check
// Shows the days of the feed, and the changes that filters hide.

import { get } from "../api.js";
import { counted, emptyState } from "../components.js";
import { attempt } from "../controls.js";
import { h, replaceChildren } from "../dom.js";
import { capital, count, daysBetween, field, PRICES, plural, today, weekday } from "../format.js";
import { update } from "../route.js";
import { query } from "./query.js";
import { changeRows, WHOLE_MODEL } from "./rows.js";

/** @typedef {import("./query.js").State} State */

export const PAGE = 1000;

/**
 * @param {Element} card
 * @param {Api.ChangesAnswer} data
 * @param {State} state
 */
export function drawFeed(card, data, state) {
  if (!data.total && (state.filtered || !data.days.length)) {
    replaceChildren(card, nothing(state));
    return;
  }
  const columns = columnsOf(data.items);
  // A filter also leaves out the days on which nothing matches.
  const days = state.filtered ? data.days.filter((day) => day.shown) : data.days;
  const body = h("tbody");
  const items = [...data.items];
  const more = h("div", { class: "more" });
  replaceChildren(
    card,
    h("table", { class: "table natural feed" }, h("caption", { class: "unseen" }, "Changes"), head(columns), body),
    more,
  );

  function fill() {
    replaceChildren(
      body,
      days.map((day) => dayRows(day, items, columns, state)),
    );
    const left = data.total - items.length;
    const text = `Show ${count(Math.min(left, PAGE))} more of ${count(left)}`;
    /** @type {HTMLButtonElement} */
    const button = h("button", { class: "button", type: "button", onclick: () => attempt(button, next) }, text);
    replaceChildren(more, left > 0 && button);
  }

  async function next() {
    const page = await get("changes", { ...query(state), limit: PAGE, offset: items.length });
    items.push(...page.items);
    fill();
  }

  fill();
}

/** @param {State} state */
function nothing(state) {
  const clear = () => update({ q: null, kind: null, size: null, direction: null, model: null });
  return emptyState(
    state.filtered ? "No change matches" : "Nothing changed",
    `${state.start} to ${state.end}`,
    state.filtered &&
      h("p", {}, h("button", { class: "button", type: "button", onclick: clear }, "Clear search and filters")),
  );
}

/**
 * Return the columns: one per price that moved; cache write only when it did.
 * @param {Api.Change[]} items
 */
function columnsOf(items) {
  const moved = new Set(items.map((item) => item.field));
  return PRICES.filter((column) => column !== "cache_write_token_price" || moved.has(column));
}

/** @param {string[]} columns */
function head(columns) {
  const group = (/** @type {string} */ column, /** @type {number} */ index) =>
    h(
      "th",
      { scope: "colgroup", colspan: 3, class: "large" },
      capital(field(column)),
      index ? null : h("span", { class: "unit inline" }, " USD per 1M tokens"),
    );
  return h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"), columns.map(group)));
}

/**
 * Build a day's header and models; changes hidden by filters are counted, and shown on request.
 * @param {Api.ChangesDay} day
 * @param {Api.Change[]} all
 * @param {string[]} columns
 * @param {State} state
 */
function dayRows(day, all, columns, state) {
  const items = all.filter((item) => item.date === day.date);
  const skipped = day.previous_date && daysBetween(day.previous_date, day.date) > 1;
  const line = h(
    "tr",
    { class: "day" },
    h(
      "th",
      { scope: "rowgroup", colspan: 1 + columns.length * 3 },
      h(
        "div",
        { class: "day-line" },
        h("b", {}, day.date),
        h("span", { class: "muted" }, `${weekday(day.date)}${day.date === today() ? ", today" : ""}`),
        state.filtered ? h("span", {}, `${count(day.shown)} of ${plural(day.changes, "change")}`) : summary(day),
        skipped && h("span", { class: "muted" }, `against ${day.previous_date}`),
        day.hidden > 0 && hiddenCount(day, columns, state),
      ),
    ),
  );
  return [line, changeRows(items, columns)];
}

/** @param {Api.ChangesDay} day */
function summary(day) {
  const others = day.changes - day.price_changes;
  return [
    day.price_changes
      ? h(
          "span",
          {},
          `${plural(day.price_changes, "price change")} `,
          counted("up", day.up),
          " ",
          counted("down", day.down),
        )
      : h("span", { class: "muted" }, "no price change"),
    others > 0 && h("span", { class: "muted" }, `${day.price_changes ? "+ " : ""}${plural(others, "other")}`),
  ];
}

/**
 * @param {Api.ChangesDay} day
 * @param {string[]} columns
 * @param {State} state
 */
function hiddenCount(day, columns, state) {
  const way = state.direction === "up" ? "not up" : "not down";
  const words = !state.direction ? "smaller" : state.size ? `smaller or ${way}` : way;
  return h(
    "span",
    { class: "end" },
    h("span", { class: "muted" }, `${count(day.hidden)} ${words} `),
    h(
      "button",
      {
        class: "button bare",
        type: "button",
        onclick: (event) => {
          const button = /** @type {HTMLButtonElement} */ (event.currentTarget);
          attempt(button, () => reveal(button, day, columns, state));
        },
      },
      "show",
      h("span", { class: "unseen" }, ` the ${words} changes of ${day.date}`),
    ),
  );
}

/**
 * @param {HTMLButtonElement} button
 * @param {Api.ChangesDay} day
 * @param {string[]} columns
 * @param {State} state
 */
async function reveal(button, day, columns, state) {
  const line = /** @type {HTMLTableRowElement} */ (button.closest("tr"));
  const data = await get("changes", {
    ...query(state, { start: day.date, end: day.date, min_pct: null, direction: null }),
    limit: 5000,
  });
  while (line.nextElementSibling && !line.nextElementSibling.classList.contains("day"))
    line.nextElementSibling.remove();
  line.after(
    ...changeRows(
      data.items.map((item) => ({ ...item, passes: passes(item, state) })),
      columns,
    ),
  );
  const end = /** @type {Element} */ (line.querySelector(".end"));
  end.textContent = "all shown";
  end.className = "end muted";
}

/**
 * @param {Api.Change} item
 * @param {State} state
 */
function passes(item, state) {
  if (WHOLE_MODEL.includes(item.change)) return true;
  return (
    (!state.size || item.pct === null || Math.abs(item.pct) >= Number(state.size)) &&
    (!state.direction || item.direction === state.direction)
  );
}
