// Shows that a store is empty, old or damaged; every problem ends with what to do.

import { h, icon } from "./dom.js";
import { age, shortDay } from "./format.js";
import { banner } from "./components.js";
import { hostLink } from "./route.js";

/** Build the first page of a new installation: three ways to the first snapshot. */
export function emptyStore(status) {
  const dag = hostLink(`dags/${encodeURIComponent(status.dag_id)}`);
  const step = (number, what, name, note) =>
    h(
      "li",
      {},
      h("span", { class: "step" }, number),
      h("b", {}, what),
      name,
      h("span", { class: "note" }, note),
    );
  return h(
    "section",
    { class: "card first-steps" },
    h("div", { class: "big-icon" }, icon("trend", 28)),
    h(
      "div",
      {},
      h("h2", {}, "No snapshot yet"),
      h(
        "p",
        { class: "muted" },
        "Prices, quotas and changes appear here after the first snapshot. Nothing is wrong with this page: the store is reachable and empty.",
      ),
      h(
        "ol",
        {},
        step("1", "Check the connection", h("code", {}, status.conn_id), "Admin, Connections"),
        step(
          "2",
          "Unpause the Dag",
          h("a", dag, status.dag_id),
          "one snapshot a day, labelled with the UTC date",
        ),
        step("3", "Or load real history", h("code", {}, "make demo"), "replays recorded prices"),
      ),
      h(
        "p",
        { class: "buttons" },
        h("a", { class: "button primary", ...dag }, icon("play", 14), "Open the Dag"),
      ),
      h("p", { class: "faint" }, "Looked in ", h("code", {}, status.root)),
    ),
  );
}

/** Build the banners above a view: an old snapshot, unreadable days, and the view's own warnings. */
export function warnings(status, others = []) {
  const isReported = (text) => status.unreadable.some(({ date }) => text.includes(date));
  const dag = hostLink(`dags/${encodeURIComponent(status.dag_id)}`);
  const found = [];
  if (status.unreadable?.length) {
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
        h("a", dag, "Open the Dag"),
      ),
    );
  }
  if (status.stale && status.latest) {
    found.push(
      banner(
        "warn",
        h(
          "b",
          {},
          `The last snapshot is ${age(status.latest) === "yesterday" ? "of yesterday" : age(status.latest)}. `,
        ),
        `One a day is expected; what you see are the prices of ${shortDay(status.latest, true)}. `,
        h("a", dag, "Open the Dag"),
      ),
    );
  }
  for (const text of new Set([...status.warnings, ...others].filter((said) => !isReported(said))))
    found.push(banner("warn", text));
  return found;
}
