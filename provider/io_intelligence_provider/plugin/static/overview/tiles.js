// @ts-check
// Builds the sentence and the five figures at the top of the overview.

import { counted, move, outcomeMark, shortName, tile } from "../components.js";
import { h } from "../dom.js";
import { count, cut, daysBetween, field, plural, price, share, shortDay } from "../format.js";
import { link, modelLink } from "../route.js";

/** @typedef {Api.OverviewAnswer} Overview */

/** @param {Overview} data */
const changesOf = (data) => link("changes", { start: data.date, end: data.date });

/** @param {Overview} data */
function skipped(data) {
  const gap = data.previous_date ? daysBetween(data.previous_date, data.date) : 0;
  return gap > 1 ? `, against ${data.previous_date}` : "";
}

/**
 * Return the sentence that summarizes the day.
 * @param {Overview} data
 */
export function lead(data) {
  const all = h("a", { href: link("models", { date: data.date }) }, plural(data.models, "model"));
  if (!data.previous_date)
    return h(
      "p",
      { class: "lead" },
      `First snapshot, of ${data.date}: `,
      all,
      ". Changes are found from the second one on.",
    );
  if (!data.repriced)
    return h("p", { class: "lead" }, `Snapshot of ${data.date}: `, all, ". What changed on that day is not known.");
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
      other.length ? [" ", h("a", { href: changesOf(data) }, other.join(", ")), "."] : "",
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
    h("a", { href: changesOf(data) }, h("b", {}, `${count(models)} of ${plural(data.models, "model")}`)),
    " changed price",
    note.length ? ": " : "",
    note,
    ".",
    data.largest && largest(data.largest),
  );
}

/** @param {Api.Mover} mover */
function largest(mover) {
  return [
    " Largest: ",
    h("a", { dir: "auto", ...modelLink(mover.model_id) }, h("b", {}, cut(shortName(mover.name), 80))),
    ` ${field(mover.field)} ${price(mover.old_value, mover.doubtful === "old")} → ${price(mover.new_value, mover.doubtful === "new")} USD, `,
    move(mover.pct),
    ".",
  ];
}

/** @param {Overview} data */
export function tiles(data) {
  const { total, up, down } = data.price_changes ?? { total: null, up: 0, down: 0 };
  const gone = [data.added && `${data.added} added`, data.removed && `${data.removed} removed`]
    .filter(Boolean)
    .join(", ");
  const quality = data.quality;
  const { date } = data;
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
      { href: changesOf(data) },
    ),
    tile(
      "Models",
      count(data.models),
      gone || (data.added === null ? "changes not on file" : "none added or removed"),
      { href: link("models", { date }) },
    ),
    tile(
      "Active",
      count(data.active),
      data.active === null ? "status not published" : plural(data.models - data.active, "other"),
      { href: link("models", { date, status: data.active === null ? null : "active" }) },
    ),
    tile("Like for like", likeForLike(data), indexNote(data), {
      unit: "input and output 3 : 1",
      href: link("prices", { end: date }),
    }),
    tile(
      "Data quality",
      quality ? share(quality.score) : "—",
      quality
        ? [
            outcomeMark(quality.outcome),
            h(
              "span",
              {},
              `${count(quality.served)} served = ${count(quality.valid)} valid${quality.quarantined ? ` + ${count(quality.quarantined)} refused` : ""}`,
            ),
          ]
        : "the report cannot be read",
      { href: link("quality", { day: date }) },
    ),
  );
}

/** @param {Overview} data */
function likeForLike({ price_index: { blended } }) {
  return blended.then === null || blended.then.pct === null ? "—" : move(blended.then.pct);
}

/** @param {Overview} data */
function indexNote({ price_index: { blended, then_date }, previous_date }) {
  const { day, then } = blended;
  if (!then_date || !then) return "nothing to compare with yet";
  if (then.pct === null) return `no model has both prices on ${shortDay(then_date)} and now`;
  const moved = day &&
    then_date !== previous_date && ["; ", day.pct === 0 ? "unchanged" : move(day.pct), " on the day"];
  return h("span", {}, `since ${shortDay(then_date)}, ${pairs(then)}`, moved);
}

/** @param {Api.IndexMove} move */
function pairs({ pairs: fewest, most_pairs: most }) {
  return fewest === most ? plural(most, "pair") : `${count(fewest)} to ${plural(most, "pair")}`;
}
