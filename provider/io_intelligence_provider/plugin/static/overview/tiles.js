// Builds the sentence and the five figures at the top of the overview.

import { h } from "../dom.js";
import { count, cut, field, plural, price, share, shortDay } from "../format.js";
import { counted, move, outcome, shortName } from "../components.js";

function skipped(data) {
  const gap = data.previous_date && (Date.parse(data.date) - Date.parse(data.previous_date)) / 86_400_000;
  return gap > 1 ? `, against ${data.previous_date}` : "";
}

/** Return the sentence that summarizes the day. */
export function lead(data) {
  if (!data.previous_date)
    return h(
      "p",
      { class: "lead" },
      `First snapshot, of ${data.date}: ${plural(data.models, "model")}. Changes are found from the second one on.`,
    );
  if (!data.repriced)
    return h(
      "p",
      { class: "lead" },
      `Snapshot of ${data.date}: ${plural(data.models, "model")}. What changed on that day is not known.`,
    );
  const { models, dearer, cheaper, both } = data.repriced;
  if (!models) {
    const other = [
      data.added && `${plural(data.added, "model")} added`,
      data.removed && `${plural(data.removed, "model")} removed`,
    ].filter(Boolean);
    return h(
      "p",
      { class: "lead" },
      h("b", {}, `No price changed on ${data.date}`),
      `${skipped(data)}.`,
      other.length ? ` ${other.join(", ")}.` : "",
    );
  }
  const parts = [];
  if (dearer) parts.push(counted("up", dearer, "dearer"));
  if (cheaper) parts.push(counted("down", cheaper, "cheaper"));
  if (both) parts.push(`${both} both ways`);
  const note = parts.flatMap((part, index) => (index ? [", ", part] : [part]));
  return h(
    "p",
    { class: "lead" },
    `On ${data.date}${skipped(data)}, `,
    h("b", {}, `${count(models)} of ${plural(data.models, "model")}`),
    " changed price",
    note.length ? ": " : "",
    note,
    ".",
    data.largest && largest(data.largest),
  );
}

export function largest(mover) {
  return [
    " Largest: ",
    h("b", { dir: "auto" }, cut(shortName(mover.name), 80)),
    ` ${field(mover.field)} ${price(mover.old_value)} → ${price(mover.new_value)} USD, `,
    move(mover.pct),
    ".",
  ];
}

function tile(title, value, note, unit = null) {
  return h(
    "div",
    { class: "tile" },
    h("h2", {}, title, unit && h("span", { class: "unit" }, ` ${unit}`)),
    h("p", { class: "figure" }, value),
    h("p", { class: "note" }, note),
  );
}

export function tiles(data) {
  const { total, up, down } = data.price_changes ?? { total: null, up: 0, down: 0 };
  const gone = [data.added && `${data.added} added`, data.removed && `${data.removed} removed`]
    .filter(Boolean)
    .join(", ");
  const active =
    data.active === null
      ? ["—", "status not published"]
      : [count(data.active), `${count(data.models - data.active)} inactive`];
  const quality = data.quality;
  return h(
    "div",
    { class: "card tiles" },
    tile(
      "Price changes",
      count(total),
      total
        ? [counted("up", up, "up"), counted("down", down, "down")]
        : total === null
          ? "not on file"
          : "none that day",
    ),
    tile(
      "Models",
      count(data.models),
      gone || (data.added === null ? "changes not on file" : "none added or removed"),
    ),
    tile("Active", active[0], active[1]),
    tile("Median output price", price(data.medians.output.value), medianNote(data), "USD / 1M tokens"),
    tile(
      "Data quality",
      quality ? share(quality.score) : "—",
      quality
        ? [
            outcome(quality.outcome),
            h(
              "span",
              {},
              `${count(quality.served)} served = ${count(quality.valid)} valid${quality.quarantined ? ` + ${count(quality.quarantined)} refused` : ""}`,
            ),
          ]
        : "the report cannot be read",
    ),
  );
}

export function pct(from, to) {
  return from === null || to === null || Number(from) === 0
    ? null
    : (100 * (Number(to) - Number(from))) / Number(from);
}

function medianNote({ medians: { output } }) {
  if (output.value === null) return "no price published";
  const day = pct(output.previous, output.value);
  const note =
    output.previous === null ? "" : day === 0 ? "unchanged on the day" : [move(day), " on the day"];
  const then = pct(output.then, output.value);
  return h(
    "span",
    {},
    note,
    note && then !== null ? ", " : "",
    then !== null && [move(then), ` since ${shortDay(output.then_date)}`],
  );
}
