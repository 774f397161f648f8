// Shows daily quotas of tier 1, or the access tiers that the live API publishes instead: of every model now,
// and of some over time.

import { catalogue, matcher, reference } from "../catalogue.js";
import { download } from "../csv.js";
import { h, replaceChildren } from "../dom.js";
import { ACCESS, byNumber, byText, capital, count, cut, field, plural, QUOTAS } from "../format.js";
import { keepFocus } from "../focus.js";
import { history } from "../history/history.js";
import { cardHead, csvButton, emptyState, modelName, notPublished, searchField } from "../components.js";
import { link, update } from "../route.js";
import { windowed } from "../rows.js";
import { sortable, sortOf, widthsOf } from "../sorting.js";

const UNITS = {
  audio_transcriptions_daily_quota_tier_1: "seconds per day",
  audio_speech_daily_quota_tier_1: "characters per day",
};
const DEFAULT_SORT = "name";
const NAME = {
  key: "name",
  text: "Model",
  pick: (model) => model.name,
  order: byText,
  className: "w-model",
};
const TIER = { key: ACCESS, text: capital(field(ACCESS)), pick: (model) => model[ACCESS], order: byText };
const quotaColumn = (key, index) => ({
  key,
  text: capital(field(key)),
  unit: UNITS[key] ?? "per day",
  pick: (model) => model.quotas[key],
  order: byNumber,
  number: true,
  className: index > 1 ? "large" : "",
});

/** Return the columns to show: those that some models publish. */
function published(items) {
  const quotas = items.some((model) => QUOTAS.some((key) => model.quotas[key] !== null));
  const tiers = items.some((model) => model[ACCESS] !== null);
  return [...(tiers ? [TIER] : []), ...(quotas ? QUOTAS.map(quotaColumn) : [])];
}

function written(column, value) {
  if (value === null) return notPublished();
  return column.key === ACCESS ? cut(value, 80) : count(value);
}

const isText = (column) => column === ACCESS;

/** Return the properties of the columns that the history part needs. */
function kindOf(columns) {
  const fields = columns.map((column) => column.key);
  const [first] = columns.filter((column) => column.number).concat(columns);
  return {
    fields,
    fallback: first.key,
    word: "quota",
    isText,
    unit: (column) => (isText(column) ? "" : (UNITS[column] ?? "per day")),
    format: (text) => (text === null ? "—" : count(text)),
    cells: (texts, column) =>
      texts.map((text) => (text === null ? notPublished() : isText(column) ? cut(text, 80) : count(text))),
    whole: true,
    choose: (models) => {
      const known = models.filter((model) => first.pick(model) !== null);
      // Quotas: the largest. Tiers: some, because tiers have no order.
      return (first.number ? [...known].sort(byNumber(first.pick, true)) : known).slice(0, first.number ? 4 : 10);
    },
  };
}

/** Show the view; its parameters: q, sort, and those of a history. */
export async function show({ node, params, status }) {
  const data = await catalogue();
  const past = h("div", {});
  const controls = h("div", { class: "controls" });
  const card = h("section", { class: "card" });
  let forget = () => {};
  const search = searchField(params.get("q") ?? "", (text) => update({ q: text || null }));
  const columns = published(data.items);
  const known = columns.length > 0;
  const title = columns.some((column) => column.number) ? "Quotas over time" : "Access tiers over time";
  replaceChildren(node, controls, card, known ? [h("h2", { class: "part" }, title), past] : null);

  function draw(now) {
    const sort = now.get("sort") ?? DEFAULT_SORT;
    const { column, descending } = sortOf(sort, [NAME, ...columns]);
    const rows = data.items.filter(matcher(now.get("q") ?? "")).sort(column.order(column.pick, descending));
    keepFocus(node, () => {
      replaceChildren(
        controls,
        search,
        h(
          "span",
          { class: "end" },
          h("span", { class: "muted" }, plural(rows.length, "model")),
          csvButton(() => save(rows, columns, data.date)),
        ),
      );
      forget();
      forget = drawTable(card, rows, columns, sort, data, now);
    });
  }

  const shown = known ? await history({ node: past, params, status }, kindOf(columns)) : null;
  return {
    placed() {
      draw(params);
      return shown?.placed();
    },
    stop() {
      forget();
      shown?.stop();
    },
    change(now) {
      draw(now);
      return shown?.change(now);
    },
  };
}

function drawTable(card, rows, columns, sort, data, params) {
  const words = columns.some((column) => column.number)
    ? "Daily quotas of tier 1"
    : columns.length
      ? "Lowest access tier that may call a model"
      : "Quotas and access tiers";
  const title = cardHead(words, `as of ${data.date}`);
  if (!rows.length) {
    replaceChildren(
      card,
      title,
      emptyState(
        `No model matches “${params.get("q")}”`,
        h(
          "p",
          {},
          h(
            "button",
            { class: "button", type: "button", onclick: () => update({ q: null }) },
            "Clear the search",
          ),
        ),
      ),
    );
    return () => {};
  }
  if (!columns.length) {
    replaceChildren(card, title, emptyState("Neither quotas nor access tiers are published"));
    return () => {};
  }
  const body = h("tbody");
  replaceChildren(
    card,
    title,
    h(
      "table",
      { class: "table sticky" },
      h("caption", { class: "unseen" }, `Quotas of ${data.date}`),
      widthsOf([NAME, ...columns]),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          [NAME, ...columns].map((column) =>
            sortable(column, sort, (value) => update({ sort: value === DEFAULT_SORT ? null : value })),
          ),
        ),
      ),
      body,
    ),
  );
  return windowed(body, rows, (model) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        modelName(model.name, { href: link("models", { model: reference(model, data.items) }) }),
      ),
      columns.map((column) =>
        h(
          "td",
          { class: `${column.number ? "number" : ""} ${column.className ?? ""}`, dir: column.number ? null : "auto" },
          written(column, column.pick(model)),
        ),
      ),
    ),
  );
}

function save(rows, columns, date) {
  download(`io-intelligence-quotas-${date}.csv`, [
    ["name", "model_id", ...columns.map((column) => column.key)],
    ...rows.map((model) => [model.name, model.model_id, ...columns.map((column) => column.pick(model))]),
  ]);
}
