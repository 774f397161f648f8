// The five daily quotas of tier 1: of every model now, and of some over time.

import { catalogue, matcher, reference } from "../catalogue.js";
import { download } from "../csv.js";
import { h, put } from "../dom.js";
import { byNumber, byText, capital, count, field, plural, QUOTAS } from "../format.js";
import { keepFocus } from "../focus.js";
import { history } from "../history/history.js";
import { cardHead, csvButton, modelName, nothing, notPublished, searchField } from "../parts.js";
import { link, update } from "../route.js";
import { windowed } from "../rows.js";
import { sortable, sortOf, widthsOf } from "../sorting.js";

const UNITS = {
  audio_transcriptions_daily_quota_tier_1: "seconds per day",
  audio_speech_daily_quota_tier_1: "characters per day",
};
const DEFAULT_SORT = "name";
const COLUMNS = [
  { key: "name", text: "Model", pick: (model) => model.name, order: byText, className: "w-model" },
  ...QUOTAS.map((key, index) => ({
    key,
    text: capital(field(key)),
    unit: UNITS[key] ?? "per day",
    pick: (model) => model.quotas[key],
    order: byNumber,
    number: true,
    className: index > 1 ? "large" : "",
  })),
];

const KIND = {
  fields: QUOTAS,
  fallback: QUOTAS[0],
  word: "quota",
  unit: (column) => UNITS[column] ?? "per day",
  format: (text) => (text === null ? "—" : count(text)),
  cells: (texts) => texts.map((text) => (text === null ? notPublished() : count(text))),
  whole: true,
  choose: (models) =>
    [...models]
      .sort(byNumber((model) => model.quotas[QUOTAS[0]], true))
      .filter((model) => model.quotas[QUOTAS[0]] !== null)
      .slice(0, 4),
};

/** Show the view; its parameters: q, sort, and those of a history. */
export async function show({ node, params, status }) {
  const data = await catalogue();
  const past = h("div", {});
  const controls = h("div", { class: "controls" });
  const card = h("section", { class: "card" });
  let forget = () => {};
  const search = searchField(params.get("q") ?? "", (text) => update({ q: text || null }));
  const known = data.items.some((model) => QUOTAS.some((key) => model.quotas[key] !== null));
  put(node, controls, card, known ? [h("h2", { class: "part" }, "Quotas over time"), past] : null);

  function draw(now) {
    const sort = now.get("sort") ?? DEFAULT_SORT;
    const { column, descending } = sortOf(sort, COLUMNS);
    const rows = data.items.filter(matcher(now.get("q") ?? "")).sort(column.order(column.pick, descending));
    keepFocus(node, () => {
      put(
        controls,
        search,
        h(
          "span",
          { class: "end" },
          h("span", { class: "muted" }, plural(rows.length, "model")),
          csvButton(() => save(rows, data.date)),
        ),
      );
      forget();
      forget = drawTable(card, rows, sort, data, now);
    });
  }

  const shown = known ? await history({ node: past, params, status }, KIND) : null;
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

function drawTable(card, rows, sort, data, params) {
  const title = cardHead("Daily quotas of tier 1", `as of ${data.date}`);
  if (!rows.length) {
    put(
      card,
      title,
      nothing(
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
  if (rows.every((model) => QUOTAS.every((key) => model.quotas[key] === null))) {
    put(
      card,
      title,
      nothing("No quotas are published", "The answers of this endpoint's observed form carry none."),
    );
    return () => {};
  }
  const body = h("tbody");
  put(
    card,
    title,
    h(
      "table",
      { class: "table sticky" },
      h("caption", { class: "unseen" }, `Quotas of ${data.date}`),
      widthsOf(COLUMNS),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          COLUMNS.map((column) =>
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
      QUOTAS.map((key, index) =>
        h(
          "td",
          { class: `number ${index > 1 ? "large" : ""}` },
          model.quotas[key] === null ? notPublished() : count(model.quotas[key]),
        ),
      ),
    ),
  );
}

function save(rows, date) {
  download(`io-intelligence-quotas-${date}.csv`, [
    ["name", "model_id", ...QUOTAS],
    ...rows.map((model) => [model.name, model.model_id, ...QUOTAS.map((key) => model.quotas[key])]),
  ]);
}
