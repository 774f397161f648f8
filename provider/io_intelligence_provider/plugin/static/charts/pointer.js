// @ts-check
// Reads a chart by pointer and keyboard: a card for the day, a click for the day, a drag for a range of days.

import { h, replaceChildren, say, svg } from "../dom.js";
import { shortDay } from "../format.js";
import { brushedDays, nearestDay } from "./geometry.js";

/** @typedef {import("./geometry.js").Scale} Scale */

const DRAG = 6; // pixels from which on a press is a drag

/**
 * @typedef {object} Options
 * @property {string} title
 * @property {(day: string) => Node[]} card the rows that describe a day
 * @property {((day: string, scale: Scale) => Node[]) | undefined} [marks] drawn on the line of the day
 * @property {((day: string) => void) | null | undefined} [choose]
 * @property {((start: string, end: string) => void) | null | undefined} [zoom]
 * @property {(() => boolean) | undefined} [reset] returns whether there was a zoom to end
 */

/**
 * Make an area respond to pointer and keyboard.
 * @param {HTMLElement} area
 * @param {Options} options
 */
export function pointing(area, options) {
  const overlay = svg("svg", { class: "chart-overlay", "aria-hidden": "true" });
  const pill = h("div", { class: "day-pill", hidden: true });
  const card = h("div", { class: "hover-card", hidden: true });
  area.append(overlay, pill, card);
  area.tabIndex = 0;
  area.setAttribute("role", "img");
  const zooms = options.zoom ? " Shift and arrow keys select days, Enter zooms in, Escape out." : "";
  area.setAttribute("aria-label", `${options.title}. Arrow keys read the days.${zooms}`);
  /** @type {Scale | null} */
  let scale = null;
  /** @type {string[]} */
  let days = [];
  /** @type {string | null} */
  let shown = null;
  /** @type {string | null} */
  let anchor = null; // the other end of a selection by keyboard
  /** @type {number | null} */
  let pressed = null; // where a drag may have begun

  function hide() {
    shown = anchor = pressed = null;
    overlay.replaceChildren();
    pill.hidden = card.hidden = true;
  }

  /**
   * @param {string} day
   * @param {[number, number] | null} [selection] in pixels
   */
  function show(day, selection = null) {
    if (!scale || (day === shown && !selection && !overlay.querySelector(".selection"))) return;
    shown = day;
    const x = scale.x(day);
    const [from, to] = selection ? [Math.min(...selection), Math.max(...selection)] : [0, 0];
    const { top, bottom } = scale;
    replaceChildren(
      overlay,
      selection && svg("rect", { class: "selection", x: from, y: top, width: to - from, height: bottom - top }),
      svg("path", { class: "day-line", d: `M${x} ${top - 8}V${bottom}` }),
      options.marks?.(day, scale),
    );
    replaceChildren(pill, shortDay(day));
    replaceChildren(card, options.card(day));
    pill.hidden = card.hidden = false;
    pill.style.left = `${x}px`;
    pill.style.top = `${bottom + 3}px`;
    place(x, scale);
  }

  /**
   * Put the card beside the line, on the side with more room, and never over the names at the right end.
   * @param {number} x
   * @param {Scale} now
   */
  function place(x, now) {
    const room = now.right - x;
    const left = room > card.offsetWidth + 24 || room > x - now.left ? x + 16 : x - card.offsetWidth - 16;
    card.style.left = `${Math.max(0, Math.min(now.right - card.offsetWidth, left))}px`;
    card.style.top = `${Math.max(0, now.bottom - card.offsetHeight - 12)}px`;
  }

  /** @param {PointerEvent} event */
  const placeOf = (event) => event.clientX - area.getBoundingClientRect().left;

  area.onpointerdown = (event) => {
    if (event.button !== 0 || !scale) return;
    pressed = placeOf(event);
    if (event.pointerType !== "mouse") area.onpointermove?.(event);
  };
  area.onpointermove = (event) => {
    if (!scale) return;
    const x = placeOf(event);
    if (pressed !== null && !(event.buttons & 1)) pressed = null;
    const dragged = options.zoom && pressed !== null && Math.abs(x - pressed) > DRAG;
    if (dragged && !area.hasPointerCapture(event.pointerId)) area.setPointerCapture(event.pointerId);
    const day = nearestDay(days, x, scale);
    if (day === null || (!dragged && (x < scale.left - 8 || x > scale.right + 8))) {
      const begun = pressed;
      hide();
      pressed = begun;
      return;
    }
    const within = Math.max(scale.left, Math.min(scale.right, x));
    show(day, dragged && pressed !== null ? [pressed, within] : null);
  };
  area.onpointerup = (event) => {
    const begun = pressed;
    pressed = null;
    if (begun === null || !scale) return;
    const x = placeOf(event);
    if (options.zoom && Math.abs(x - begun) > DRAG) {
      const range = brushedDays(days, begun, x, scale);
      hide();
      if (range) options.zoom(...range);
      return;
    }
    const day = nearestDay(days, x, scale);
    if (day !== null && options.choose) options.choose(day);
  };
  area.onpointerleave = () => {
    if (pressed === null) hide();
  };
  area.onpointercancel = area.onblur = hide;
  area.onkeydown = (event) => {
    if (!scale || !days.length) return;
    const last = days.length - 1;
    const index = shown === null ? last + (event.key === "ArrowRight" ? -1 : 1) : days.indexOf(shown);
    const target = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last }[event.key];
    if (target !== undefined) {
      event.preventDefault();
      const day = days[Math.max(0, Math.min(last, target))];
      anchor = event.shiftKey && options.zoom ? (anchor ?? shown ?? day) : null;
      show(day, anchor === null ? null : [scale.x(anchor), scale.x(day)]);
      say(card.innerText.replaceAll("\n", ", "));
    } else if (event.key === "Enter" && shown !== null) {
      event.preventDefault();
      const range = [anchor ?? shown, shown].sort();
      if (range[0] < range[1]) {
        hide();
        options.zoom?.(range[0], range[1]);
      } else options.choose?.(shown);
    } else if (event.key === "Escape" && (shown !== null || options.reset?.())) {
      event.preventDefault(); // else a panel around the chart would close
      event.stopPropagation();
      hide();
    }
  };
  return {
    /**
     * Take what was drawn.
     * @param {Scale} found
     * @param {string[]} drawn its days
     */
    ready(found, drawn) {
      scale = found;
      days = drawn;
      hide();
    },
  };
}

/**
 * Keep a chart drawn: now, and when its size changes. Colours need no new drawing: they come from the style sheet.
 * @param {HTMLElement} area whose size the style sheet sets
 * @param {(width: number, height: number) => void} draw
 * @returns a function that stops it
 */
export function keepDrawn(area, draw) {
  let size = "";
  const look = () => {
    const now = `${area.clientWidth}×${area.clientHeight}`;
    if (!area.clientWidth || now === size) return;
    size = now;
    draw(area.clientWidth, area.clientHeight);
  };
  const observer = new ResizeObserver(look);
  observer.observe(area);
  look();
  return () => observer.disconnect();
}
