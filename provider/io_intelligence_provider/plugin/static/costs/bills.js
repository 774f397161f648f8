// @ts-check
// Shows what traffic costs: the bills compared, over time, by model, and cheaper models for it.

import { change } from "../charts/geometry.js";
import { stepChart } from "../charts/stepchart.js";
import { cardHead, digits, emptyState, modelName, move, tile } from "../components.js";
import { h, replaceChildren } from "../dom.js";
import { count, cut, decimals, plural } from "../format.js";
import { words } from "./traffic.js";

/** @typedef {Api.CostsAnswer} Costs */

/**
 * Write an exact amount: its digits in groups, with at least two decimals.
 * @param {string | null} text
 */
export function money(text) {
  if (text === null) return "unknown";
  const [whole, part] = decimals(text.replace("-", "")).split(".");
  return `${text.startsWith("-") ? "−" : ""}${count(whole)}.${part}`;
}

/** @param {string} text */
export function signed(text) {
  return /^-?0(\.0*)?$/.test(text) || text.startsWith("-") ? money(text) : `+${money(text)}`;
}

/** @param {string} text which may be on several lines, whole */
const amount = (text) => h("span", { class: "amount" }, text);

/** @param {number} days */
const dayWords = (days) => (days ? `${days} days ago` : "today");

/**
 * Return whether two bills hold the same parts: a percentage of partial sums would say what was added, not what it costs.
 * @param {Pick<Api.DayBill, "unknown">[]} bills
 */
export const areComplete = (...bills) => bills.every(({ unknown }) => !unknown.length);

/** @param {Costs} data */
export function tiles(data) {
  const [now] = data.bills;
  return h(
    "div",
    { class: "card tiles costs-tiles" },
    data.bills.map((bill) =>
      tile(
        bill.days ? `Bill of ${dayWords(bill.days)}` : "Bill a month",
        bill.date ? amount(money(bill.total)) : h("span", { class: "muted" }, "—"),
        bill.date ? note(bill, now) : "no snapshot is that old",
        { unit: "USD" },
      ),
    ),
  );
}

/**
 * @param {Api.DayBill} bill
 * @param {Api.DayBill} now
 */
function note(bill, now) {
  const { change: moved, unknown } = bill;
  const left = unknown.length ? h("p", { class: "warned" }, `without ${plural(unknown.length, "unknown part")}`) : null;
  return [
    moved &&
      (bill.total !== null || now.total !== null) &&
      h(
        "p",
        {},
        h("b", {}, amount(signed(moved.total))),
        " since",
        areComplete(bill, now) && [" ", move(change(bill.total, now.total))],
        h("br"),
        "by prices ",
        amount(signed(moved.price)),
        ", by models ",
        amount(signed(moved.models)),
      ),
    h("p", {}, `snapshot of ${bill.date}`),
    left,
  ];
}

/**
 * List what the bills leave out, and why.
 * @param {Costs} data
 */
export function unknownParts(data) {
  const parts = data.bills.flatMap(({ days, unknown }) => unknown.map((part) => ({ ...part, days })));
  if (!parts.length) return null;
  const groups = [...Map.groupBy(parts, (part) => JSON.stringify([part.model, part.reason])).values()];
  const of = (/** @type {string[]} */ list) => [...new Set(list)].join(", ");
  return h(
    "section",
    { class: "card" },
    cardHead("Not in the bills", "an unknown price is never counted as 0"),
    h(
      "ul",
      { class: "unknown-parts" },
      groups
        .slice(0, 50)
        .map((group) =>
          h(
            "li",
            {},
            modelName(cut(group[0].model)),
            h("span", {}, `${of(group.map(({ kind }) => words(kind)))}: `, h("b", {}, group[0].reason)),
            h("span", { class: "muted" }, of(group.map(({ days }) => dayWords(days)))),
          ),
        ),
      groups.length > 50 && h("li", { class: "muted" }, `and ${count(groups.length - 50)} more`),
    ),
  );
}

/**
 * Draw the bill over time: the part that is known is a line of its own where the rest is unknown.
 * @param {Element} card
 * @param {Costs} data
 * @param {string[]} dates
 */
export function drawBill(card, data, dates) {
  const plot = h("div", { class: "plot" });
  const start = data.series.find(([, total]) => total !== null)?.[0];
  if (start === undefined) {
    replaceChildren(card, cardHead("Bill over time"), emptyState("No price of these models is known"));
    return () => {};
  }
  /** @type {(known: boolean) => import("../charts/geometry.js").Step[]} */
  const steps = (known) => data.series.map(([day, total, unknown]) => [day, total, known === (unknown === 0)]);
  const lines = [
    { label: "Bill", index: 0, steps: steps(true) },
    { label: "Known part", index: 8, steps: steps(false) },
  ].filter((line) => line.steps.some(([, total, known]) => known && total !== null));
  replaceChildren(
    card,
    cardHead("Bill over time", "USD a month at the prices of each day; drag to zoom"),
    plot,
    lines.some(({ index }) => index) &&
      h("p", { class: "chart-note muted" }, "Dashed: what is known, where a price is unknown or a model is absent."),
  );
  return stepChart(plot, {
    series: lines,
    start,
    end: data.date,
    days: dates.filter((day) => day >= start && day <= data.date),
    format: money,
    alternate: true,
    title: "Bill over time",
  });
}

/** @param {Costs} data */
export function byModel(data) {
  const head = (/** @type {Api.DayBill} */ bill) =>
    h("th", { scope: "col", class: `number ${bill.days ? "large" : ""}` }, bill.date ?? dayWords(bill.days));
  const cell = (/** @type {Api.LineTotal} */ { total, complete }, /** @type {number} */ index) => {
    const text = complete || total === null ? money(total) : `${money(total)} + unknown`;
    return h("td", { class: `number ${index ? "large" : "strong"}` }, digits(text));
  };
  return h(
    "section",
    { class: "card" },
    cardHead("By model", "USD a month"),
    h(
      "table",
      { class: "table natural" },
      h("caption", { class: "unseen" }, "Costs by model"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Model"), data.bills.map(head))),
      h(
        "tbody",
        {},
        data.lines.map((line) =>
          h(
            "tr",
            {},
            h("th", { scope: "row", class: "takes-rest" }, modelName(line.name ?? line.model, line.model_id)),
            line.totals.map(cell),
          ),
        ),
      ),
    ),
  );
}

/** @param {Costs} data */
export function candidates(data) {
  const item = (/** @type {Api.Candidate} */ one) =>
    h(
      "li",
      {},
      modelName(one.name, one.model_id),
      h("b", {}, amount(money(one.cost))),
      one.difference !== null &&
        h("span", { class: one.difference.startsWith("-") ? "down" : "muted" }, amount(signed(one.difference))),
      one.context_window !== null && h("span", { class: "muted" }, `context ${count(one.context_window)}`),
    );
  const block = (/** @type {Api.CostsLine} */ line) =>
    h(
      "section",
      { class: "candidates" },
      h("h3", {}, "Instead of ", modelName(line.name ?? line.model)),
      line.candidates.length
        ? h("ol", {}, line.candidates.map(item))
        : h(
            "p",
            { class: "muted" },
            line.suitable
              ? "No other model has all prices that it takes."
              : "No other model is known to satisfy the needs.",
          ),
      line.unpriced > 0 &&
        h("p", { class: "muted small" }, `${plural(line.unpriced, "suitable model")} left out: a price is unknown.`),
    );
  return h(
    "section",
    { class: "card" },
    cardHead("Cheapest for the same tokens", "of the models that satisfy the needs; a doubtful 0 is not offered"),
    data.lines.map(block),
  );
}
