// Builds elements from text nodes and attributes only, so that text from outside never becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(node.style, value);
    else node.setAttribute(key, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
}

/** Make an HTML element: h("p", {class: "lead"}, "text", otherNode). */
export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element. */
export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Replace all children of a node. */
export function replaceChildren(node, ...children) {
  node.replaceChildren();
  append(node, children);
  return node;
}

/** Return a colour or length from tokens.css. */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const ICONS = {
  check: ["m4 12.5 5 5L20 6.5"],
  cross: ["M5 5l14 14", "M19 5 5 19"],
  warn: ["M12 4 2.5 20.5h19z", "M12 10v5", "M12 17.8v.2"],
  search: ["M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "m15.5 15.5 5 5"],
  chevron: ["m6 9 6 6 6-6"],
  download: ["M12 3v13", "m6 11 6 6 6-6", "M4 21h16"],
  plus: ["M12 4v16", "M4 12h16"],
  minus: ["M4 12h16"],
  pencil: ["m4 20 1-4L16.5 4.5l3 3L8 19z"],
  play: ["M7 4.5v15l12-7.5z"],
  trend: ["M3 17 9 11l4 4 8-8", "M15 7h6v6"],
  calendar: ["M4 6h16v14H4z", "M4 10.5h16", "M8.5 3v5", "M15.5 3v5"],
  filter: ["M4 5h16l-6 7v7l-4-2v-5z"],
};

/** Return a line icon, hidden from screen readers because the text beside it says the same. */
export function icon(name, size = 16) {
  const attributes = {
    class: "icon",
    width: size,
    height: size,
    viewBox: "0 0 24 24",
    fill: "none",
    stroke: "currentColor",
    "stroke-width": 2,
    "stroke-linecap": "round",
    "stroke-linejoin": "round",
    "aria-hidden": "true",
  };
  return svg(
    "svg",
    attributes,
    ICONS[name].map((d) => svg("path", { d })),
  );
}

let said = 0;

/** Announce a line to screen readers. */
export function say(text) {
  const live = document.getElementById("live");
  // A repeated text is announced again only if it differs.
  live.textContent = (said = 1 - said) ? text : `${text}\u00a0`;
}
