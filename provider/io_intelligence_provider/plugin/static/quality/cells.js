// Draws one small cell per snapshot: flagged tall and amber, passed low and green, not run a dot.

import { h, svg } from "../dom.js";
import { plural } from "../format.js";

export const CELLS = 90;

function measure(number) {
  const width = Math.min(6, Math.max(1.6, 412 / Math.max(number, 1) - 1.2));
  return { width, step: (412 - width) / Math.max(number - 1, 1) };
}

function strip(paths) {
  const drawn = Object.entries(paths).map(([name, d]) => svg("path", { d, class: name }));
  return svg(
    "svg",
    { class: "cells", viewBox: "0 0 412 18", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawn,
  );
}

/** Draw scores of 0 to 1 as bars, amber below 1; a missing score is a dot. */
export function scoreCells(scores) {
  const { width, step } = measure(scores.length);
  const paths = { passed: "", flagged: "", none: "" };
  scores.forEach((score, index) => {
    const x = (index * step).toFixed(1);
    if (score === null) paths.none += `M${x} 9h1v1h-1z`;
    else {
      const height = Math.max(1, 16 * score).toFixed(1);
      paths[score < 1 ? "flagged" : "passed"] += `M${x} 17h${width}v-${height}h-${width}z`;
    }
  });
  return strip(paths);
}

/** Draw "ppf-p…"; screen readers get the totals. */
export function cells(states) {
  const { width, step } = measure(states.length);
  const paths = { p: "", f: "", "-": "" };
  [...states].forEach((state, index) => {
    const x = (index * step).toFixed(1);
    if (state === "f") paths.f += `M${x} 1h${width}v16h-${width}z`;
    else if (state === "p") paths.p += `M${x} 7h${width}v5h-${width}z`;
    else paths["-"] += `M${(index * step + width / 2 - 0.5).toFixed(1)} 9h1v1h-1z`;
  });
  const number = (state) => [...states].filter((other) => other === state).length;
  return [
    strip({ passed: paths.p, flagged: paths.f, none: paths["-"] }),
    h(
      "span",
      { class: "unseen" },
      `${plural(number("p"), "time")} passed, ${number("f")} flagged, ${number("-")} not run`,
    ),
  ];
}
