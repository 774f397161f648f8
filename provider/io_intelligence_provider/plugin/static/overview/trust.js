// @ts-check
// Builds the line that says what was done with a snapshot: each step with its time, its run and its evidence.

import { h, icon } from "../dom.js";
import { link, pageLink, taskLink } from "../route.js";

/** @param {Api.TrustAnswer} data */
export function trustLine({ date, steps }) {
  /** @type {Record<Api.TrustStep["step"], [string, import("../dom.js").Attributes]>} */
  const evidence = {
    served: ["models", { href: link("models", { date }) }],
    checked: ["report", pageLink(`api/report?date=${date}`)],
    filed: ["quality", { href: link("quality", { day: date }) }],
    compared: ["changes", { href: link("changes", { start: date, end: date }) }],
    alerted: ["alerts", { href: link("alerts", { start: date, end: date }) }],
  };
  const item = (/** @type {Api.TrustStep} */ { step, done, at, task, note }) => {
    const [word, href] = evidence[step];
    const time = at ? at.slice(0, 16).replace("T", " ") : "time unknown";
    return h(
      "li",
      {},
      h("b", { class: done ? "" : "muted" }, icon(done ? "check" : "minus", 13), ` ${done ? step : `not ${step}`}`),
      done && h("span", { class: "muted" }, [time, note].filter(Boolean).join(", ")),
      done && h("a", { ...href, "aria-label": `${word} of ${date}` }, word),
      done && (task ? h("a", { ...taskLink(task), "aria-label": `run that ${step} it` }, "run") : h("span", { class: "faint" }, "run unknown")),
    );
  };
  return h("ul", { class: "trust", "aria-label": `What was done with the snapshot of ${date}` }, steps.map(item));
}
