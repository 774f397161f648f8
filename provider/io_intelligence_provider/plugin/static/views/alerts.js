// @ts-check
// Shows the alerts that were sent, from the ledger: when, by which rule, through which notifier, and by which task.

import { get } from "../api.js";
import { banner, cardHead, emptyState, modelName, move, shortName } from "../components.js";
import { attempt, daysField } from "../controls.js";
import { h, icon, keepFocus, replaceChildren } from "../dom.js";
import { anyValue, count, cut, field, plural } from "../format.js";
import { modelCombo } from "../history/combo.js";
import { link, taskLink, update } from "../route.js";
import { catalogue, find, reference } from "../store.js";

const PAGE = 200;

/**
 * Show the view; its parameters: model (repeated), start, end.
 * @param {import("../app.js").Context} context
 * @returns {Promise<import("../app.js").View>}
 */
export async function show({ node, params, status }) {
  const listed = await catalogue();
  const [bar, pills, notes] = [h("div", { class: "controls" }), h("div", { class: "pills" }), h("div", {})];
  const card = h("section", { class: "card" });
  const [first, last] = [status.dates[0], status.latest];
  let asked = 0;
  let end = last;
  replaceChildren(node, bar, pills, notes, card);

  const query = (/** @type {URLSearchParams} */ now) => ({
    models: now.getAll("model").slice(0, 10),
    start: now.get("start"),
    end: now.get("end"),
    limit: PAGE,
  });

  /** @param {URLSearchParams} now */
  async function draw(now) {
    asked += 1;
    const mine = asked;
    const asks = query(now);
    end = asks.end ?? last;
    const days = /** @type {[string, string]} */ ([asks.start ?? first, end]);
    keepFocus(node, () => {
      replaceChildren(
        bar,
        h("span", { class: "muted" }, "Alerts about the snapshots of these days"),
        h(
          "span",
          { class: "end" },
          daysField(days, { min: first, max: last }, (start, end) => update({ start, end })),
        ),
      );
      drawPills(pills, asks.models, listed);
    });
    const data = await get("alerts", asks);
    if (mine !== asked) return;
    const items = [...data.items];
    replaceChildren(
      notes,
      data.warnings.map((text) => banner("warn", text)),
    );

    function fill() {
      const left = data.total - items.length;
      /** @type {HTMLButtonElement} */
      const more = h(
        "button",
        { type: "button", class: "button", onclick: () => attempt(more, next) },
        `Show more of ${count(left)}`,
      );
      replaceChildren(
        card,
        cardHead("Alerts", `${plural(data.total, "change")} sent, the last sent first`),
        items.length
          ? h("ul", { class: "alerts" }, items.map(row))
          : emptyState("No alert was sent", "about these days and models, as far as the ledger says."),
        left > 0 && h("div", { class: "more" }, more),
      );
    }

    async function next() {
      const page = await get("alerts", { ...asks, offset: items.length });
      if (mine !== asked) return;
      items.push(...page.items);
      fill();
    }

    fill();
  }

  return { placed: () => draw(params), stop: () => (asked += 1), change: draw, pinned: () => ({ end }) };
}

/**
 * @param {Element} node
 * @param {string[]} models
 * @param {Api.ModelsAnswer} listed
 */
function drawPills(node, models, { items, removed }) {
  /** @type {import("../history/combo.js").Offered[]} */
  const offered = [...items, ...removed];
  const pill = (/** @type {string} */ model) => {
    const name = find(offered, model)?.name ?? model;
    const without = () => update({ model: models.filter((other) => other !== model) }, { push: true });
    return h(
      "span",
      { class: "pill" },
      h("span", { class: "text", dir: "auto", title: cut(name, 300) }, cut(shortName(name), 80)),
      h("button", { type: "button", "aria-label": `Remove ${cut(name, 80)}`, onclick: without }, icon("cross", 12)),
    );
  };
  const add = (/** @type {import("../history/combo.js").Offered} */ model) =>
    update({ model: [...models, reference(model, offered)] }, { push: true });
  replaceChildren(
    node,
    models.map(pill),
    models.length < 10 && modelCombo(offered, "Filter by model", models.length ? "" : "all", add),
  );
}

/** @type {Record<string, string>} */
const WHOLE = { model_added: "model added", model_removed: "model removed", quarantined: "in quarantine" };

/** @param {Api.SentChange} item */
function row(item) {
  const value = (/** @type {string | null} */ text, /** @type {string} */ side) =>
    anyValue(item.field, text, item.doubtful === side);
  const what =
    WHOLE[item.change] ?? `${field(item.field)} ${value(item.old_value, "old")} → ${value(item.new_value, "new")}`;
  const run = item.task ? h("a", taskLink(item.task), "task run") : `run ${cut(item.run_id ?? "unknown", 60)}`;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "alert-what" },
      h("a", { class: "muted", href: link("changes", { start: item.date, end: item.date }) }, item.date),
      modelName(item.name, item.model_id),
      h("span", { class: "amount", dir: "auto" }, what),
      item.pct !== null && move(item.pct),
      item.correction && h("span", { class: "tag" }, "correction"),
    ),
    h(
      "div",
      { class: "muted small alert-how" },
      h("span", {}, `sent ${item.sent_at.slice(0, 19).replace("T", " ")}`),
      h("span", { dir: "auto" }, "rule ", h("b", {}, cut(item.rule, 80))),
      h("span", { dir: "auto", title: cut(item.notifier, 300) }, notifier(item.notifier)),
      h("span", {}, run),
      item.since !== null && h("span", {}, `since ${item.since}`),
    ),
  );
}

/**
 * Return the class of a notifier and its key, without the module.
 * @param {string} text
 */
function notifier(text) {
  const [path, ...key] = text.split(":");
  return cut([path.slice(path.lastIndexOf(".") + 1), ...key].join(" "), 80);
}
