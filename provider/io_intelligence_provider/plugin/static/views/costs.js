// @ts-check
// Shows what the reader's traffic costs. What was typed stays in this browser: it is in no address and no log.

import { get, post } from "../api.js";
import { banner, cardHead, described, emptyState } from "../components.js";
import { dayField } from "../controls.js";
import { byModel, candidates, drawBill, tiles, unknownParts } from "../costs/bills.js";
import * as traffic from "../costs/traffic.js";
import { h, icon, keepFocus, replaceChildren, say } from "../dom.js";
import { capital, plural } from "../format.js";
import { contextOf, needs } from "../models/needs.js";
import { update } from "../route.js";
import { catalogue, reference, snapshotDay } from "../store.js";

/** @typedef {import("../costs/traffic.js").Line} Line */

/**
 * Show the view; its parameters: context, capability (repeated), date.
 * @param {import("../app.js").Context} context
 * @returns {Promise<import("../app.js").View>}
 */
export async function show({ node, params, status }) {
  const dayOf = (/** @type {URLSearchParams} */ now) => now.get("date") ?? status.latest;
  // What is typed has a bill without the configured traffic too, so a failure to read that is a warning.
  const asking = get("traffic").catch((error) => {
    const { title, text } = described(error);
    return { lines: null, warnings: [`io_intelligence_traffic: ${title}. ${text}`] };
  });
  const [listed, configured] = await Promise.all([catalogue(dayOf(params)), asking]);
  const [bar, form] = [h("div", { class: "controls" }), h("section", { class: "card" })];
  const [cut, notes, result] = [h("div", {}), h("div", {}), h("div", {})];
  const chart = h("section", { class: "card" });
  const models = h(
    "datalist",
    { id: "traffic-models" },
    listed.items.map((model) => h("option", { value: reference(model, listed.items) })),
  );
  let lines = traffic.load();
  let now = params;
  let asked = 0;
  let stop = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  replaceChildren(node, bar, form, models, cut, notes, result);

  /**
   * @param {Line[]} next
   * @param {string | null} [warning]
   */
  function replaceLines(next, warning = null) {
    lines = next;
    replaceChildren(cut, warning && banner("warn", warning));
    traffic.keep(lines);
    drawForm();
    compute();
  }

  function typed() {
    traffic.keep(lines);
    clearTimeout(waiting);
    waiting = setTimeout(compute, 400);
  }

  function drawForm() {
    keepFocus(form, () =>
      replaceChildren(
        form,
        cardHead("Tokens a month", "kept in this browser only"),
        h(
          "ul",
          { class: "traffic" },
          lines.map((line, index) => lineFields(line, index, typed, () => replaceLines(lines.toSpliced(index, 1)))),
        ),
        h(
          "div",
          { class: "controls traffic-buttons" },
          lines.length < traffic.MOST &&
            h(
              "button",
              {
                type: "button",
                class: "button",
                onclick: () => {
                  replaceLines([...lines, traffic.emptyLine()]);
                  /** @type {HTMLElement | null} */ (form.querySelector("li:last-child input"))?.focus();
                },
              },
              icon("plus", 14),
              "Add model",
            ),
          configured.lines &&
            h(
              "button",
              {
                type: "button",
                class: "button",
                onclick: () => {
                  const { kept, warning } = traffic.taken(/** @type {Line[]} */ (configured.lines));
                  replaceLines(kept, warning);
                },
              },
              `Take io_intelligence_traffic (${plural(configured.lines.length, "model")})`,
            ),
          lines.length > 0 &&
            h(
              "button",
              {
                type: "button",
                class: "button",
                onclick: () => {
                  replaceLines([]);
                  say("The tokens are forgotten");
                },
              },
              "Forget",
            ),
        ),
        paste(replaceLines),
      ),
    );
  }

  async function compute() {
    asked += 1;
    const mine = asked;
    const { lines: valid, problems } = traffic.checked(lines);
    if (problems.length || !valid.length) {
      stop();
      replaceChildren(
        notes,
        problems.slice(0, 5).map((text) => banner("warn", text)),
      );
      replaceChildren(result, !problems.length && nothing());
      return;
    }
    const context = contextOf(now.get("context"));
    const capabilities = now.getAll("capability");
    try {
      const data = await post("costs", { traffic: valid, context_window: context, capabilities, date: dayOf(now) });
      if (mine !== asked) return;
      replaceChildren(
        notes,
        data.warnings.map((text) => banner("warn", text)),
      );
      replaceChildren(result, tiles(data), unknownParts(data), chart, byModel(data), candidates(data), formula());
      stop();
      stop = drawBill(chart, data, status.dates);
    } catch (error) {
      if (mine !== asked) return;
      const { title, text } = described(error);
      replaceChildren(notes, banner("warn", h("b", {}, `${title}. `), text));
      replaceChildren(result);
    }
  }

  function draw() {
    const toDay = (/** @type {string} */ day) => {
      const found = snapshotDay(status.dates, day);
      update({ date: found === status.latest ? null : found }, { push: true });
    };
    const bounds = { min: status.dates[0], max: status.latest };
    keepFocus(bar, () =>
      replaceChildren(
        bar,
        h("span", { class: "muted" }, "Candidates need"),
        needs(listed.items, now),
        h("span", { class: "end" }, dayField("As of", dayOf(now), bounds, toDay)),
      ),
    );
    return compute();
  }

  drawForm();
  return {
    warnings: configured.warnings,
    placed: draw,
    stop() {
      clearTimeout(waiting);
      asked += 1;
      stop();
    },
    change(next) {
      now = next;
      return draw();
    },
    pinned: () => ({ date: dayOf(now) }),
  };
}

/**
 * @param {Line} line
 * @param {number} index
 * @param {() => void} typed
 * @param {() => void} remove
 */
function lineFields(line, index, typed, remove) {
  const field = (
    /** @type {"model" | import("../costs/traffic.js").Kind} */ key,
    /** @type {string} */ label,
    /** @type {import("../dom.js").Attributes} */ more,
  ) => {
    const input = h("input", {
      type: "text",
      value: line[key],
      "aria-label": `${label}, line ${index + 1}`,
      autocomplete: "off",
      spellcheck: "false",
      ...more,
    });
    input.oninput = () => {
      line[key] = input.value;
      typed();
    };
    return h("label", { class: `field ${key}` }, h("span", { class: "label", "aria-hidden": "true" }, label), input);
  };
  return h(
    "li",
    {},
    field("model", "Model", { list: "traffic-models", maxlength: 512 }),
    traffic.KINDS.map((kind) => field(kind, capital(traffic.words(kind)), { maxlength: 60 })),
    h(
      "button",
      { type: "button", class: "button bare", "aria-label": `Remove line ${index + 1}`, onclick: remove },
      icon("cross", 14),
    ),
  );
}

/** @param {(lines: Line[]) => void} take */
function paste(take) {
  const area = h("textarea", {
    rows: 6,
    "aria-label": "Tokens to paste",
    spellcheck: "false",
    placeholder: "model,input,output,cache_read,cache_write",
  });
  const told = h("p", { class: "warned", role: "alert" });
  const read = () => {
    try {
      take(traffic.parsePasted(area.value));
    } catch (error) {
      told.textContent = /** @type {Error} */ (error).message;
    }
  };
  return h(
    "details",
    { class: "paste" },
    h("summary", {}, "Paste CSV, a range of a spreadsheet, or JSON"),
    area,
    told,
    h("button", { type: "button", class: "button", onclick: read }, "Replace the list"),
  );
}

function nothing() {
  return h(
    "div",
    { class: "card" },
    emptyState("No tokens yet", "Add a model and the tokens of a month, such as 250M, or paste a list."),
  );
}

function formula() {
  return h(
    "div",
    { class: "footnotes" },
    h("span", {}, h("b", {}, "By prices"), " tokens × (price now − price then), of what is known on both days"),
    h("span", {}, h("b", {}, "By models"), " what is known now only, less what was known then only"),
    h("span", {}, "Both add up to the change, exactly"),
  );
}
