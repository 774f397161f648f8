// Runs the page: title, tabs, the view that is shown, and the message when none can be.

import { get } from "./api.js";
import { h, icon, replaceChildren } from "./dom.js";
import { keepFocus } from "./focus.js";
import { age, capital, count } from "./format.js";
import { banner, emptyState, failure, skeleton } from "./components.js";
import { hostLink, link, onChange, parse, VIEWS } from "./route.js";
import { emptyStore, warnings } from "./states.js";

const main = document.getElementById("content");
let status = null;
let current = null; // {view, change, stop}
let turn = 0; // counts requests, so that a view is dropped when it arrives after a later request

const COUNTS = { models: "models", changes: "changes" };

function drawTabs(view) {
  const tabs = document.getElementById("tabs");
  keepFocus(tabs, () =>
    replaceChildren(
      tabs,
      VIEWS.map((name) => {
        const number = COUNTS[name] && status?.state !== "empty" ? status?.[COUNTS[name]] : null;
        return h(
          "a",
          { href: link(name), "aria-current": name === view ? "page" : null },
          capital(name),
          number !== null && number !== undefined && h("span", { class: "count" }, count(number)),
        );
      }),
    ),
  );
  tabs.querySelector("[aria-current]").scrollIntoView?.({ block: "nearest", inline: "nearest" });
  document.title = `${capital(view)} · IO Intelligence`;
}

function drawFrame() {
  const dag = status?.dag_id ?? "io_intelligence_daily_pricing";
  replaceChildren(document.getElementById("dag"), "Dag ", h("a", hostLink(`dags/${encodeURIComponent(dag)}`), dag));
  const node = document.getElementById("snapshot");
  if (!status || !status.latest) {
    replaceChildren(node, status && h("span", { class: "chip" }, "No snapshot yet"));
    return;
  }
  replaceChildren(
    node,
    h(
      "span",
      { class: `chip ${status.stale ? "warn" : "ok"}`, title: `Fetched ${status.fetched_at}` },
      icon(status.stale ? "warn" : "check", 15),
      `Snapshot ${status.latest} · ${age(status.latest)}`,
    ),
  );
}

async function loadStatus() {
  status = await get("status");
  drawFrame();
}

async function show({ view, params }) {
  if (current?.view === view && current.change) {
    try {
      await current.change(params);
    } catch (error) {
      current?.stop();
      current = null;
      showError(error, view);
    }
    return;
  }
  const mine = (turn += 1);
  current?.stop();
  current = null;
  drawTabs(view);
  window.scrollTo(0, 0);
  replaceChildren(main, skeleton());
  try {
    const [module] = await Promise.all([import(`./views/${view}.js`), status ?? loadStatus()]);
    if (mine !== turn) return;
    drawTabs(view);
    if (status.state === "empty") {
      replaceChildren(main, emptyStore(status));
      return;
    }
    if (!status.latest) {
      replaceChildren(main, warnings(status));
      return;
    }
    const node = h("div", { class: `view ${view}` });
    const shown = await module.show({ node, params, status });
    if (mine !== turn) {
      shown.stop();
      return;
    }
    current = { view, ...shown };
    replaceChildren(main, warnings(status, shown.warnings), node);
    await shown.placed?.();
  } catch (error) {
    if (mine === turn) showError(error, view);
  }
}

function showError(error, view) {
  if (error.kind === "forbidden")
    replaceChildren(main, h("div", { class: "card" }, emptyState(error.title, error.action)));
  else if (error.kind === "login") {
    replaceChildren(
      main,
      h(
        "div",
        { class: "card" },
        emptyState(
          error.title,
          `${error.message} ${error.action} `,
          h("p", {}, h("a", { class: "button primary", ...hostLink("auth/login") }, "Log in")),
        ),
      ),
    );
  } else if (error.kind === "not_on_file") {
    replaceChildren(
      main,
      banner(
        "warn",
        h("b", {}, `${error.title}. `),
        `${error.message} `,
        h("a", { href: link(view) }, "Show the latest"),
      ),
    );
  } else {
    if (!error.kind) console.error(error);
    replaceChildren(
      main,
      failure(error, () => {
        status = null;
        show(parse());
      }),
    );
  }
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, select, textarea, dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = main.querySelector("input[type=search]");
  if (search) {
    event.preventDefault();
    search.focus();
  }
});

onChange(show);
show(parse());
