// Shows the days of the feed, and the changes that filters hide.

import { query } from "./query.js";
import { get } from "../api.js";
import { changeRows, WHOLE_MODEL } from "./rows.js";
import { h, replaceChildren } from "../dom.js";
import { capital, count, field, plural, PRICES, today, weekday } from "../format.js";
import { counted, emptyState } from "../components.js";
import { update } from "../route.js";

export const PAGE = 1000;

export function drawFeed(card, data, state) {
  if (!data.days.length) {
    const filtered = state.q || state.kind || state.size || state.direction || state.model;
    replaceChildren(
      card,
      emptyState(
        filtered ? "No change matches" : "Nothing changed",
        `${state.start} to ${state.end}`,
        filtered
          ? h(
              "p",
              {},
              h(
                "button",
                {
                  class: "button",
                  type: "button",
                  onclick: () => update({ q: null, kind: null, size: null, direction: null, model: null }),
                },
                "Clear search and filters",
              ),
            )
          : null,
      ),
    );
    return;
  }
  const columns = columnsOf(data.items);
  const body = h("tbody");
  const table = h(
    "table",
    { class: "table feed" },
    h("caption", { class: "unseen" }, "Changes"),
    widths(columns),
    head(columns),
    body,
  );
  const loaded = { items: [...data.items], total: data.total };
  const more = h("div", { class: "more" });
  replaceChildren(card, table, more);

  function fill() {
    replaceChildren(
      body,
      data.days.map((day) => dayRows(day, loaded, columns, state)),
    );
    const left = loaded.total - loaded.items.length;
    replaceChildren(
      more,
      left > 0 &&
        h(
          "button",
          { class: "button", type: "button", onclick: next },
          `Show ${count(Math.min(left, PAGE))} more of ${count(left)}`,
        ),
    );
  }

  async function next() {
    const page = await get("changes", { ...query(state), limit: PAGE, offset: loaded.items.length });
    loaded.items.push(...page.items);
    fill();
  }

  fill();
}

/** Return the columns: one per price that moved; cache write only when it did. */
function columnsOf(items) {
  const moved = new Set(items.map((item) => item.field));
  return PRICES.filter((column) => column !== "cache_write_token_price" || moved.has(column));
}

function widths(columns) {
  const share = 72 / columns.length;
  const column = (part) => h("col", { class: "large", style: { width: `${(share * part).toFixed(2)}%` } });
  return h(
    "colgroup",
    {},
    h("col", { class: "w-model" }),
    columns.map(() => [column(0.29), column(0.31), column(0.4)]),
  );
}

export function head(columns) {
  return h(
    "thead",
    {},
    h(
      "tr",
      {},
      h("th", { scope: "col", class: "w-model" }, "Model"),
      columns.map((column, index) =>
        h(
          "th",
          { scope: "colgroup", colspan: 3, class: "large" },
          capital(field(column)),
          index ? null : h("span", { class: "unit inline" }, " USD per 1M tokens"),
        ),
      ),
    ),
  );
}

/** Build a day's header and models; changes hidden by filters are counted, and shown on request. */
function dayRows(day, loaded, columns, state) {
  const items = loaded.items.filter((item) => item.date === day.date);
  const skipped =
    day.previous_date && (Date.parse(day.date) - Date.parse(day.previous_date)) / 86_400_000 > 1;
  const other = day.changes - day.price_changes;
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
        day.price_changes
          ? h(
              "span",
              {},
              plural(day.price_changes, "price change"),
              " ",
              counted("up", day.up),
              " ",
              counted("down", day.down),
            )
          : h("span", { class: "muted" }, "no price change"),
        other
          ? h("span", { class: "muted" }, `${day.price_changes ? "+ " : ""}${plural(other, "other")}`)
          : null,
        skipped && h("span", { class: "muted" }, `against ${day.previous_date}`),
        day.hidden
          ? h(
              "span",
              { class: "end" },
              h("span", { class: "muted" }, `${count(day.hidden)} smaller `),
              h(
                "button",
                {
                  class: "button bare",
                  type: "button",
                  onclick: (event) => reveal(event.target, day, columns, state),
                },
                "show",
                h("span", { class: "unseen" }, ` the smaller changes of ${day.date}`),
              ),
            )
          : null,
      ),
    ),
  );
  return [line, changeRows(items, columns)];
}

async function reveal(button, day, columns, state) {
  button.disabled = true;
  const line = button.closest("tr");
  const data = await get("changes", {
    ...query(state, { start: day.date, end: day.date, min_pct: null, direction: null }),
    limit: 5000,
  });
  while (line.nextElementSibling && !line.nextElementSibling.classList.contains("day"))
    line.nextElementSibling.remove();
  const passing = (item) => ({ ...item, passes: strong(item, state) });
  line.after(...changeRows(data.items.map(passing), columns));
  const end = line.querySelector(".end");
  end.textContent = "all shown";
  end.className = "end muted";
}

function strong(item, state) {
  if (WHOLE_MODEL.includes(item.change)) return true;
  return (
    (!state.size || item.pct === null || Math.abs(item.pct) >= Number(state.size)) &&
    (!state.direction || item.direction === state.direction)
  );
}
