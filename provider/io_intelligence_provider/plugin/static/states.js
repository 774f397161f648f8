// @ts-check
// Shows that a store is empty, old or damaged, or has news; every problem ends with what to do.

import { banner, described, emptyState, failure } from "./components.js";
import { h, icon } from "./dom.js";
import { age, shortDay } from "./format.js";
import { hostLink, link, loginLink } from "./route.js";
import { isStale } from "./store.js";

/** @param {Api.StatusAnswer} status */
const dagOf = (status) => hostLink(`dags/${encodeURIComponent(status.dag_id)}`);

/**
 * Build the first page of a new installation: three ways to the first snapshot.
 * @param {Api.StatusAnswer} status
 */
export function emptyStore(status) {
  const step = (
    /** @type {string} */ number,
    /** @type {string} */ what,
    /** @type {Node} */ name,
    /** @type {string} */ note,
  ) => h("li", {}, h("span", { class: "step" }, number), h("b", {}, what), name, h("span", { class: "note" }, note));
  const found = status.root_exists
    ? "Nothing is wrong with this page: the store is reachable and empty."
    : "The folder of the store does not exist yet; the first snapshot creates it. If there should be one, check [io_intelligence] root.";
  return h(
    "section",
    { class: "card first-steps" },
    h("div", { class: "big-icon" }, icon("trend", 28)),
    h(
      "div",
      {},
      h("h2", {}, "No snapshot yet"),
      h("p", { class: "muted" }, `Prices, quotas and changes appear here after the first snapshot. ${found}`),
      h(
        "ol",
        {},
        step("1", "Check the connection", h("code", {}, status.conn_id), "Admin, Connections"),
        step(
          "2",
          "Unpause the Dag",
          h("a", dagOf(status), status.dag_id),
          "one snapshot a day, labelled with the UTC date",
        ),
        step("3", "Or load real history", h("code", {}, "make demo"), "replays recorded prices"),
      ),
      h(
        "p",
        { class: "buttons" },
        h("a", { class: "button primary", ...dagOf(status) }, icon("play", 14), "Open the Dag"),
      ),
      h("p", { class: "faint" }, "Looked in ", h("code", {}, status.root)),
    ),
  );
}

/**
 * Build the banners above a view: an old snapshot, unreadable days, and the view's own warnings.
 * @param {Api.StatusAnswer} status
 * @param {string[]} [others]
 */
export function warnings(status, others = []) {
  const isReported = (/** @type {string} */ text) => status.unreadable.some(({ date }) => text.includes(date));
  const found = [];
  if (status.unreadable.length) {
    const [first] = status.unreadable;
    const more = status.unreadable.length > 1 ? ` So are ${status.unreadable.length - 1} earlier ones.` : "";
    found.push(
      banner(
        "warn",
        h("b", {}, `${first.date} cannot be read`),
        status.latest ? `, so ${status.latest} is shown.` : ".",
        more,
        ` ${first.message} `,
        "Clear the task snapshot of that day to write it again. ",
        h("a", dagOf(status), "Open the Dag"),
      ),
    );
  }
  if (status.latest && isStale(status)) {
    const old = age(status.latest);
    found.push(
      banner(
        "warn",
        h("b", {}, `The last snapshot is ${old === "yesterday" ? "of yesterday" : old}. `),
        `One a day is expected; what you see are the prices of ${shortDay(status.latest, true)}. `,
        h("a", dagOf(status), "Open the Dag"),
      ),
    );
  }
  for (const text of new Set([...status.warnings, ...others].filter((said) => !isReported(said))))
    found.push(banner("warn", text));
  return found;
}

/**
 * Build the line that offers a newer snapshot, or says why nothing newer is known.
 * @param {Api.StatusAnswer | null} newer
 * @param {unknown} problem
 * @param {() => void} show
 */
export function news(newer, problem, show) {
  if (newer)
    return banner(
      "news",
      h("b", {}, newer.latest ? `New data: snapshot of ${newer.latest}. ` : "The store has changed. "),
      h("button", { class: "button bare", type: "button", onclick: show }, "Show"),
    );
  if (!problem) return null;
  const { kind, title, text } = described(problem);
  return banner(
    "warn",
    h("b", {}, `${title}. `),
    `${text} What you see may be old. `,
    kind === "login" && h("a", loginLink(), "Log in"),
  );
}

/**
 * Build what is shown instead of a view that failed.
 * @param {unknown} error
 * @param {string} view
 * @param {() => void} retry
 */
export function failed(error, view, retry) {
  const { kind, title, text } = described(error);
  if (kind === "forbidden") return h("div", { class: "card" }, emptyState(title, text));
  if (kind === "login")
    return h(
      "div",
      { class: "card" },
      emptyState(title, `${text} `, h("p", {}, h("a", { class: "button primary", ...loginLink() }, "Log in"))),
    );
  if (kind === "not_on_file")
    return banner("warn", h("b", {}, `${title}. `), `${text} `, h("a", { href: link(view) }, "Show the latest"));
  if (kind === null) console.error(error);
  return failure(error, retry);
}
