// Reads histories as the routes return them: [[day, value or null, on file], …], one entry per change.

/** Return the entry in force on a day, null before the first one. */
export function at(steps, day) {
  let found = null;
  for (const step of steps) {
    if (step[0] > day) break;
    found = step;
  }
  return found;
}

export function value(step) {
  return step && step[2] ? step[1] : null;
}

/** Return the entry before the one in force on a day. */
export function before(steps, day) {
  const index = steps.findLastIndex((step) => step[0] < day);
  return index < 0 ? null : steps[index];
}

/** Count the changes from one known value to another. */
export function moves(steps) {
  let number = 0;
  let last = null;
  for (const step of steps) {
    const now = value(step);
    if (now !== null && last !== null && now !== last) number += 1;
    if (now !== null) last = now;
  }
  return number;
}

/** Return the points of a step line up to `end`; a null point is a gap. A log axis cannot show zero. */
export function points(steps, end, log = false) {
  const x = [];
  const y = [];
  let last = null;
  for (const step of steps) {
    const text = value(step);
    const known = text !== null && !(log && Number(text) === 0);
    if (!known && last !== null) {
      x.push(step[0], step[0]);
      y.push(last, null);
    }
    if (known) {
      x.push(step[0]);
      y.push(Number(text));
    }
    last = known ? Number(text) : null;
  }
  if (last !== null) {
    x.push(end);
    y.push(last);
  }
  return { x, y };
}

/** Return the change in per cent between two known values, null where there is none. */
export function change(from, to) {
  if (from === null || to === null || Number(from) === 0) return null;
  return (100 * (Number(to) - Number(from))) / Number(from);
}
