// @ts-check
// Shows all data of one model in a panel beside the table.

import { get } from "../api.js";
import { stepChart } from "../charts/stepchart.js";
import { banner, failure, shortName, skeleton } from "../components.js";
import { h, icon, replaceChildren } from "../dom.js";
import { absence, capital, cut, field, isZero, PRICES, plural, price } from "../format.js";
import { link } from "../route.js";
import { facts } from "./facts.js";
import { changes, priceTable } from "./tables.js";

/**
 * Open the panel; returns what closes it. `closed` is called when the user closes it.
 * @param {{named: string, date: string, status: import("../store.js").Status, closed: () => void}} options
 */
export function openModel({ named, date, status, closed }) {
  const content = h("div", {}, skeleton(6));
  const close = h(
    "button",
    { class: "button close", type: "button", "aria-label": "Close", onclick: () => dialog.close() },
    icon("cross", 14),
  );
  const title = h("div", { class: "panel-title" }, h("h2", { id: "panel-name" }, "…"));
  /** @type {HTMLDialogElement} */
  const dialog = h(
    "dialog",
    { class: "panel", "aria-labelledby": "panel-name" },
    h("div", { class: "panel-head" }, title, close),
    content,
  );
  const came = /** @type {HTMLElement | null} */ (document.activeElement);
  let stop = () => {};
  let silent = false;
  let gone = false;
  dialog.addEventListener("close", () => {
    gone = true;
    stop();
    dialog.remove();
    if (came?.isConnected) came.focus({ preventScroll: true });
    if (!silent) closed();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();

  async function load() {
    try {
      const data = await get("model", { model: named, date });
      if (!gone) stop = draw(title, content, data, status);
    } catch (error) {
      if (!gone) replaceChildren(content, failure(error, load));
    }
  }
  load();
  return () => {
    silent = true;
    dialog.close();
  };
}

/**
 * @param {Element} title
 * @param {Element} content
 * @param {Api.ModelAnswer} data
 * @param {import("../store.js").Status} status
 */
function draw(title, content, data, status) {
  const { model } = data;
  const chart = h("div", { class: "plot" });
  replaceChildren(
    title,
    h("h2", { id: "panel-name", dir: "auto", class: "new-line" }, shortName(model.name)),
    h("code", { class: "muted", dir: "auto" }, model.name),
  );
  replaceChildren(
    content,
    data.warnings.map((text) => banner("warn", text)),
    data.as_of < data.date &&
      banner("warn", `${capital(absence(data.in_quarantine))}: not on file after ${data.as_of}.`),
    priceTable(data),
    h(
      "div",
      { class: "section-head" },
      h("h3", {}, "Price history"),
      h(
        "a",
        {
          href: link("prices", {
            model: model.model_id, // two models may have the same name
            field: "output_token_price",
            range: "all",
          }),
        },
        "Open in Prices",
      ),
    ),
    h("p", { class: "muted" }, "USD per 1M tokens"),
    chart,
    facts(data),
    changes(data),
    source(data),
  );
  const series = [PRICES[1], PRICES[0], ...PRICES.slice(2)]
    .map((column) => ({ column, steps: data.series[column] ?? [], doubtful: data.doubts[column] }))
    .filter(({ steps }) => steps.some((step) => step[2] && step[1] !== null && !isZero(step[1])))
    .map(({ column, ...line }, index) => ({ label: capital(field(column)), ...line, index }));
  if (!series.length) {
    replaceChildren(chart, h("p", { class: "muted" }, "No price above 0 was ever published."));
    return () => {};
  }
  const start = data.first_seen;
  return stepChart(chart, {
    series,
    start,
    end: data.date,
    days: status.dates.filter((day) => day >= start && day <= data.date),
    format: price,
    title: `Price history of ${cut(model.name, 80)}`,
  });
}

/** @param {Api.ModelAnswer} data */
function source(data) {
  return h(
    "p",
    { class: "faint" },
    `As of the snapshot of ${data.as_of}${data.as_of < data.date ? ", the last one that has it" : ""}. On file on ${plural(data.days_on_file, "day")}, ${data.first_seen} to ${data.last_seen}.`,
  );
}
