// Shows a chart's values and their moves on the day under the pointer or selected with the arrow keys.

import { h, replaceChildren, say, svg, token } from "../dom.js";
import { cut, shortDay } from "../format.js";
import { move } from "../components.js";
import { at, before, change, value } from "./steps.js";

/** Make a chart's element respond to pointer and keyboard. */
export function hovering(node, options) {
  const line = svg("svg", { class: "chart-overlay", "aria-hidden": "true" });
  const pill = h("div", { class: "day-pill", hidden: true });
  const card = h("div", { class: "hover-card", hidden: true });
  node.append(line, pill, card);
  node.tabIndex = 0;
  node.setAttribute("role", "img");
  node.setAttribute(
    "aria-label",
    `${options.title}. Arrow keys read the days; the table below holds the same values.`,
  );
  let scale = null;
  let plotted = [];
  let shown = null;

  function hide() {
    shown = null;
    line.replaceChildren();
    pill.hidden = card.hidden = true;
  }

  function show(day) {
    if (!scale || day === shown) return;
    shown = day;
    const x = scale.x(day);
    replaceChildren(
      line,
      svg("path", { d: `M${x} ${scale.top - 8}V${scale.bottom}`, stroke: token("muted"), fill: "none" }),
    );
    const rows = plotted
      .map((series) => row(series, day))
      .sort((a, b) => (b.number ?? -1) - (a.number ?? -1));
    for (const item of rows) {
      if (item.number === null || (options.log && item.number === 0)) continue;
      line.append(
        svg("circle", {
          cx: x,
          cy: scale.y(item.number),
          r: 4.5,
          fill: token("bg"),
          stroke: token(item.series.token),
          "stroke-width": 2,
        }),
      );
    }
    replaceChildren(pill, shortDay(day));
    pill.hidden = card.hidden = false;
    pill.style.left = `${x}px`;
    pill.style.top = `${scale.bottom + 3}px`;
    replaceChildren(
      card,
      h("div", { class: "hover-head" }, h("b", {}, day), h("span", { class: "muted" }, "change on the day")),
      rows.map((item) => cells(item, options.format)),
    );
    place(x);
  }

  function place(x) {
    // Beside the line, on the side with more room, and never over the names at the right end.
    const roomRight = scale.right - x;
    const left =
      roomRight > card.offsetWidth + 24 || roomRight > x - scale.left ? x + 16 : x - card.offsetWidth - 16;
    const most = Math.max(0, Math.min(scale.right - card.offsetWidth, left));
    card.style.left = `${Math.max(0, most)}px`;
    card.style.top = `${Math.max(0, scale.bottom - card.offsetHeight - 12)}px`;
  }

  function nearest(clientX) {
    const x = clientX - node.getBoundingClientRect().left;
    if (x < scale.left - 8 || x > scale.right + 8) return null;
    let [low, high] = [0, options.days.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (scale.x(options.days[middle]) <= x) low = middle;
      else high = middle;
    }
    return x - scale.x(options.days[low]) < scale.x(options.days[high]) - x
      ? options.days[low]
      : options.days[high];
  }

  node.onpointermove = node.onpointerdown = (event) => {
    if (!scale || !options.days.length) return;
    const day = nearest(event.clientX);
    if (day) show(day);
    else hide();
  };
  node.onpointerleave = hide;
  node.onblur = hide;
  node.onkeydown = (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape" && shown) {
      event.stopPropagation();
      hide();
    } else if (step && scale && options.days.length) {
      event.preventDefault();
      const index = shown ? options.days.indexOf(shown) + step : options.days.length - 1;
      show(options.days[Math.max(0, Math.min(options.days.length - 1, index))]);
      say(card.innerText.replaceAll("\n", ", "));
    }
  };
  return {
    ready(found, series) {
      scale = found;
      plotted = series;
      hide();
    },
    stop: hide,
  };
}

function row(series, day) {
  const now = at(series.steps, day);
  const text = value(now);
  const changed = now && now[0] === day && series.steps[0] !== now;
  const earlier = value(before(series.steps, day));
  return {
    series,
    text,
    number: text === null ? null : Number(text),
    pct: changed ? change(earlier, text) : undefined,
    absent: now === null || !now[2],
    changed,
  };
}

function cells(item, format) {
  const label = item.text === null ? (item.absent ? "not on file" : "not published") : format(item.text);
  const moved =
    item.text === null ? "" : item.changed ? move(item.pct) : h("span", { class: "muted" }, "unchanged");
  return h(
    "div",
    { class: "hover-row" },
    h("span", { class: "key", style: { background: token(item.series.token) } }),
    h("span", { class: "hover-name", dir: "auto" }, cut(item.series.label, 60)),
    h("span", {}, label),
    h("span", { class: "number" }, moved),
  );
}
