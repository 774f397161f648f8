// @ts-check
// Computes what charts draw, from steps and scales to paths: pure functions, without document or colours.

/** @typedef {[day: string, value: string | null, onFile: boolean]} Step  A value that holds until the next step. */
/** @typedef {[from: string, until: string | null][]} Doubts  From which day to before which a price is a doubtful 0. */
/** @typedef {{left: number, right: number, top: number, bottom: number}} Box  The drawing area, in pixels. */
/** @typedef {Box & {x: (day: string) => number, y: (value: number) => number}} Scale */

/**
 * Return the step in force on a day, null before the first one.
 * @param {Step[]} steps
 * @param {string} day
 */
export function stepAt(steps, day) {
  return steps.findLast((step) => step[0] <= day) ?? null;
}

/**
 * Return the step in force before a day.
 * @param {Step[]} steps
 * @param {string} day
 */
export function stepBefore(steps, day) {
  return steps.findLast((step) => step[0] < day) ?? null;
}

/**
 * Return the value of a step, null where it is unknown.
 * @param {Step | null} step
 */
export function knownValue(step) {
  return step?.[2] ? step[1] : null;
}

/**
 * Return whether a value is a doubtful 0 on a day.
 * @param {Doubts} doubts
 * @param {string | undefined} day
 */
export const isDoubtful = (doubts, day) =>
  day !== undefined && doubts.some(([from, until]) => from <= day && (until === null || day < until));

/**
 * Return the steps from a day on. The one in force on that day is moved to it, also from before the range.
 * @param {Step[]} steps
 * @param {string} start
 * @param {Step | null} [before] the step in force before the first of `steps`
 * @returns {Step[]}
 */
export function stepsFrom(steps, start, before = null) {
  const every = before ? [before, ...steps] : steps;
  const held = stepAt(every, start);
  /** @type {Step[]} */
  const found = held ? [[start, held[1], held[2]]] : [];
  for (const step of every) {
    const last = found[found.length - 1];
    // A repeated state is not a change.
    if (step[0] > start && !(last && last[1] === step[1] && last[2] === step[2])) found.push(step);
  }
  return found;
}

/**
 * Count the changes from one known value to another.
 * @param {Step[]} steps
 */
export function changesIn(steps) {
  const known = steps.map(knownValue).filter((value) => value !== null);
  return known.filter((value, index) => index > 0 && value !== known[index - 1]).length;
}

/**
 * Return the change in per cent between two known values, null where there is none.
 * @param {string | null} from
 * @param {string | null} to
 */
export function change(from, to) {
  if (from === null || to === null || Number(from) === 0) return null;
  return (100 * (Number(to) - Number(from))) / Number(from);
}

/**
 * Return the number that is drawn, null for a gap. A log scale has no place for zero.
 * @param {Step} step
 * @param {boolean} log
 */
function drawn(step, log) {
  const text = knownValue(step);
  return text === null || (log && Number(text) === 0) ? null : Number(text);
}

/**
 * Return all numbers that steps draw.
 * @param {Step[]} steps
 * @param {string} end
 * @param {boolean} [log]
 * @returns {number[]}
 */
export function drawnValues(steps, end, log = false) {
  return steps
    .filter((step) => step[0] <= end)
    .map((step) => drawn(step, log))
    .filter((value) => value !== null);
}

/** @param {number} pixels */
const round = (pixels) => Math.round(pixels * 10) / 10;

/**
 * Return the scale of a chart.
 * @param {Box} box
 * @param {[string, string]} days the days at the left and right edge
 * @param {[number, number]} values the values at the bottom and the top; of a log axis their logarithms
 * @param {boolean} [log]
 * @returns {Scale}
 */
export function scaleOf(box, [start, end], [low, high], log = false) {
  const from = Date.parse(start);
  const length = Date.parse(end) - from;
  const part = (/** @type {number} */ value) => ((log ? Math.log10(value) : value) - low) / (high - low);
  return {
    ...box,
    x: (day) => round(box.left + (box.right - box.left) * (length > 0 ? (Date.parse(day) - from) / length : 0.5)),
    y: (value) => round(box.bottom - (box.bottom - box.top) * part(value)),
  };
}

/**
 * Return the path of a step line up to a day. Unknown values are gaps.
 * @param {Step[]} steps
 * @param {Scale} scale
 * @param {string} end
 * @param {boolean} [log]
 */
export function stepPath(steps, scale, end, log = false) {
  let path = "";
  let open = false;
  for (const step of steps) {
    if (step[0] > end) break;
    const value = drawn(step, log);
    const x = scale.x(step[0]);
    if (open) path += `H${x}`;
    if (value !== null) path += open ? `V${scale.y(value)}` : `M${x} ${scale.y(value)}`;
    open = value !== null;
  }
  return open ? `${path}H${scale.x(end)}` : path;
}

/**
 * Return one path of all bars of a side: an element for each bar would slow down a chart of three years.
 * @param {{date: string, number: number}[]} bars numbers below 0 hang from the line
 * @param {Scale} scale
 * @param {number} width in pixels
 */
export function barPath(bars, scale, width) {
  const zero = scale.y(0);
  return bars
    .filter((bar) => bar.number)
    .map((bar) => `M${round(scale.x(bar.date) - width / 2)} ${zero}V${scale.y(bar.number)}h${round(width)}V${zero}z`)
    .join("");
}

/**
 * Give each label its own place, as near to its line as the others allow.
 * @template {{y: number, place: number}} End
 * @param {End[]} ends
 * @param {number} top
 * @param {number} bottom
 * @param {number} height of a label
 */
export function spread(ends, top, bottom, height) {
  ends.sort((a, b) => a.y - b.y);
  let free = top;
  for (const end of ends) {
    end.place = Math.max(free, end.y - 8);
    free = end.place + height;
  }
  let limit = bottom;
  for (const end of [...ends].reverse()) {
    end.place = Math.min(end.place, limit);
    limit = end.place - height;
  }
  return ends;
}

/**
 * Return the day that is drawn nearest to a place, null without days.
 * @param {string[]} days oldest first
 * @param {number} place in pixels from the left
 * @param {Scale} scale
 */
export function nearestDay(days, place, scale) {
  let [low, high] = [0, days.length - 1];
  if (high < 0) return null;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (scale.x(days[middle]) <= place) low = middle;
    else high = middle;
  }
  return place - scale.x(days[low]) < scale.x(days[high]) - place ? days[low] : days[high];
}

/**
 * Return the days between two places, null when they are fewer than two.
 * @param {string[]} days
 * @param {number} from
 * @param {number} to
 * @param {Scale} scale
 * @returns {[string, string] | null}
 */
export function brushedDays(days, from, to, scale) {
  const first = nearestDay(days, Math.min(from, to), scale);
  const last = nearestDay(days, Math.max(from, to), scale);
  return first !== null && last !== null && first < last ? [first, last] : null;
}
