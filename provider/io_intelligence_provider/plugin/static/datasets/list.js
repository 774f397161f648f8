// @ts-check
// Lists all data sets: last outcome, score and its trend, rows, when, and by which task.

import { get } from "../api.js";
import { sparkline } from "../charts/sparkline.js";
import { emptyState, outcomeMark } from "../components.js";
import { searchField } from "../controls.js";
import { h, replaceChildren } from "../dom.js";
import { age, count, cut, minute, plural, share } from "../format.js";
import { hostLink, link, parse, update } from "../route.js";

const LIMIT = 50;
const PAUSE = 200; // milliseconds after the last letter

// One field for all answers: what is typed while one is on its way stays.
const search = searchField("", typed, "data sets");
let timer = 0;

/** @param {string} text */
function typed(text) {
  clearTimeout(timer);
  timer = setTimeout(() => parse().view === "datasets" && update({ q: text, offset: null }), PAUSE);
}

/**
 * Return what the address asks for; its parameters: q, offset.
 * @param {URLSearchParams} params
 * @returns {Promise<import("./app.js").Shown>}
 */
export async function load(params) {
  const q = params.get("q") ?? "";
  const offset = Number.parseInt(params.get("offset") ?? "", 10) || 0;
  const data = await get("datasets", { q, offset, limit: LIMIT });
  return {
    name: null,
    pinned: {},
    warnings: data.warnings,
    print: JSON.stringify(data),
    load: () => load(params),
    draw: (node) => draw(node, data, q, offset),
  };
}

/**
 * @param {HTMLElement} node
 * @param {Api.DatasetsAnswer} data
 * @param {string} q
 * @param {number} offset
 */
function draw(node, data, q, offset) {
  if (!data.total && !q) {
    replaceChildren(node, empty(data));
    return;
  }
  if (document.activeElement !== search.input) search.input.value = q;
  replaceChildren(
    node,
    h(
      "div",
      { class: "controls" },
      search.field,
      h("b", {}, plural(data.total, "data set")),
      h("span", { class: "muted large" }, "the newest results first"),
      h("span", { class: "end" }, pages(data.total, data.items.length, offset, LIMIT)),
    ),
    h(
      "section",
      { class: "card" },
      data.items.length
        ? table(data)
        : emptyState(
            q ? `No data set matches “${cut(q, 80)}”` : "No data set on this page",
            h("p", {}, h("a", { href: link("datasets") }, "All data sets")),
          ),
    ),
  );
}

/** @param {Api.DatasetsAnswer} data */
function empty(data) {
  return h(
    "section",
    { class: "card" },
    emptyState(
      "No results yet",
      h(
        "p",
        {},
        "Each run of PanderaCheckOperator or @task.pandera files one, and so does each snapshot of the models.",
      ),
      h("p", { class: "faint" }, "Looked in ", h("code", {}, data.root)),
    ),
  );
}

/**
 * Build the buttons of a list that is shown in pages; null for a single page.
 * @param {number} total
 * @param {number} shown
 * @param {number} offset
 * @param {number} limit
 */
export function pages(total, shown, offset, limit) {
  if (total <= limit && !offset) return null;
  const go = (/** @type {string} */ text, /** @type {number} */ to, /** @type {boolean} */ can) =>
    h(
      "button",
      { class: "button", type: "button", disabled: !can, onclick: () => update({ offset: to ? String(to) : null }) },
      text,
    );
  return [
    h("span", { class: "muted" }, `${count(offset + Math.min(1, shown))}–${count(offset + shown)} of ${count(total)} `),
    go("Previous", Math.max(0, offset - limit), offset > 0),
    go("Next", offset + limit, offset + shown < total),
  ];
}

/** @param {Api.DatasetsAnswer} data */
function table(data) {
  const head = (/** @type {string} */ text, className = "") => h("th", { scope: "col", class: className }, text);
  return h(
    "table",
    { class: "table natural datasets-table" },
    h("caption", { class: "unseen" }, "Data sets and their last results"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        head("Data set", "takes-rest"),
        head("Outcome"),
        head("Score", "number"),
        head("Trend", "middle"),
        head("Rows", "number large"),
        head("Refused", "number large"),
        head("Last run", "large"),
        head("Filed by", "wide"),
        head("Runs", "number wide"),
      ),
    ),
    h("tbody", {}, data.items.map(row)),
  );
}

/** @param {Api.Dataset} item */
function row(item) {
  const { last } = item;
  const name = h(
    "th",
    { scope: "row", class: "takes-rest" },
    h(
      "a",
      { class: "name row", dir: "auto", title: cut(item.dataset, 300), href: link("dataset", { id: item.id }) },
      h("b", {}, cut(item.dataset || "(no name)")),
    ),
    item.schema_name && h("span", { class: "schema muted", title: cut(item.schema_name, 300) }, cut(item.schema_name)),
  );
  if (!last)
    return h(
      "tr",
      {},
      name,
      h("td", {}, outcomeMark("failed", "unreadable")),
      Array.from({ length: 7 }, (_, index) =>
        h("td", { class: ["", "middle", "large", "large", "large", "wide", "wide"][index] }),
      ),
    );
  return h(
    "tr",
    {},
    name,
    h("td", {}, outcomeMark(last.outcome)),
    h("td", { class: "number" }, share(last.score)),
    h("td", { class: "middle" }, trend(item.scores)),
    h("td", { class: "number large" }, count(last.rows)),
    h("td", { class: `number large ${last.quarantined ? "warned" : "muted"}` }, count(last.quarantined)),
    h(
      "td",
      { class: "large" },
      minute(last.checked_at),
      h("span", { class: "muted wide" }, ` ${age(last.checked_at.slice(0, 10))}`),
    ),
    h("td", { class: "wide" }, taskLink(item.task)),
    h("td", { class: "number wide muted" }, count(item.runs)),
  );
}

/**
 * Draw values of consecutive runs, oldest first; unknown ones are gaps.
 * @param {(number | null)[]} values
 */
export function trend(values) {
  const step = 30 / Math.max(values.length - 1, 1);
  return sparkline(values.map((value, index) => [index * step, value === null ? null : String(value)]));
}

/**
 * Build the link to the task instance that filed a result.
 * @param {Api.TaskInstance | null} task
 */
export function taskLink(task) {
  if (!task) return h("span", { class: "faint" }, "no Dag");
  const { dag_id, dag_run_id, task_id, map_index, try_number } = task;
  const [dag, run, id] = [dag_id, dag_run_id, task_id].map(encodeURIComponent);
  const mapped = map_index < 0 ? "" : `/mapped/${map_index}`;
  const path = `dags/${dag}/runs/${run}/tasks/${id}${mapped}?try_number=${try_number}`;
  const name = `${cut(dag_id, 60)}.${cut(task_id, 60)}${map_index < 0 ? "" : `[${map_index}]`}`;
  return h("a", { ...hostLink(path), title: cut(dag_run_id, 300) }, name);
}
