// @ts-check
// Builds elements from text nodes and attributes only, so that text from outside never becomes markup.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {{readonly [index: number]: Child, readonly length: number}} Children an array, in words that may recur */
/** @typedef {Node | string | number | false | null | undefined | Children} Child */
/**
 * @typedef {{
 *   [name: string]: unknown,
 *   style?: Partial<CSSStyleDeclaration>,
 *   onclick?: (event: MouseEvent) => unknown,
 *   onkeydown?: (event: KeyboardEvent) => unknown,
 *   onchange?: (event: Event & {target: HTMLInputElement | HTMLSelectElement}) => unknown,
 *   oninput?: (event: Event & {target: HTMLInputElement}) => unknown,
 *   onmousedown?: (event: MouseEvent) => unknown,
 *   onfocusout?: (event: FocusEvent) => unknown,
 * }} Attributes
 */

// Control characters (but not tab and line feed), and what is invisible or turns the direction of the text around it.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/**
 * Return text with its invisible characters written out, as in "\u202e". All text of elements goes through this.
 * @param {string} text
 */
export function visible(text) {
  return text.replace(HIDDEN, (letter) => `\\u${(letter.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}

/** Attributes whose text is read, not interpreted. */
const READ = ["title", "aria-label", "placeholder"];

/**
 * @param {Element} node
 * @param {Attributes | null | undefined} attributes
 * @param {readonly Child[]} children
 */
function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), /** @type {EventListener} */ (value));
    else if (key === "style") Object.assign(/** @type {HTMLElement} */ (node).style, value);
    else node.setAttribute(key, value === true ? "" : READ.includes(key) ? visible(String(value)) : String(value));
  }
  append(node, children);
}

/**
 * @param {Element} node
 * @param {readonly Child[]} children
 */
function append(node, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(node, child);
    else if (typeof child === "string" || typeof child === "number") node.append(visible(String(child)));
    else if (child) node.append(/** @type {Node} */ (child));
  }
}

/**
 * Make an HTML element: h("p", {class: "lead"}, "text", otherNode).
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes | null} [attributes]
 * @param {...Child} children
 */
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  fill(node, attributes, children);
  return node;
}

/**
 * Make an SVG element.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes | null} [attributes]
 * @param {...Child} children
 */
export function svg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  fill(node, attributes, children);
  return node;
}

/**
 * Replace all children of a node.
 * @param {Element} node
 * @param {...Child} children
 */
export function replaceChildren(node, ...children) {
  node.replaceChildren();
  append(node, children);
}

/**
 * Return an element that page.html has.
 * @param {string} id
 */
export function part(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

/** @satisfies {Record<string, string[]>} */
const ICONS = {
  check: ["m4 12.5 5 5L20 6.5"],
  cross: ["M5 5l14 14", "M19 5 5 19"],
  warn: ["M12 4 2.5 20.5h19z", "M12 10v5", "M12 17.8v.2"],
  search: ["M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13z", "m15.5 15.5 5 5"],
  chevron: ["m6 9 6 6 6-6"],
  download: ["M12 3v13", "m6 11 6 6 6-6", "M4 21h16"],
  link: ["M9.5 14.5l5-5", "M8 11l-3 3a3.5 3.5 0 0 0 5 5l3-3", "M16 13l3-3a3.5 3.5 0 0 0-5-5l-3 3"],
  plus: ["M12 4v16", "M4 12h16"],
  minus: ["M4 12h16"],
  pencil: ["m4 20 1-4L16.5 4.5l3 3L8 19z"],
  play: ["M7 4.5v15l12-7.5z"],
  trend: ["M3 17 9 11l4 4 8-8", "M15 7h6v6"],
  calendar: ["M4 6h16v14H4z", "M4 10.5h16", "M8.5 3v5", "M15.5 3v5"],
  filter: ["M4 5h16l-6 7v7l-4-2v-5z"],
};

/** @typedef {keyof typeof ICONS} IconName */

/**
 * Return a line icon, hidden from screen readers because the text beside it says the same.
 * @param {IconName} name
 * @param {number} [size]
 */
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

let said = false;

/**
 * Announce a line to screen readers.
 * @param {string} text
 */
export function say(text) {
  said = !said;
  // A repeated text is announced again only if it differs.
  part("live").textContent = said ? text : `${text}\u00a0`;
}

const FOCUSABLE = "a[href], button, input, select, [tabindex='0']";

/**
 * Run `rebuild`, which replaces the content of `node`; focus the same control again, else the one in its place.
 * @param {Element} node
 * @param {() => void} rebuild
 */
export function keepFocus(node, rebuild) {
  const known = (/** @type {Element} */ element) =>
    [element.tagName, element.getAttribute("aria-label"), element.textContent?.slice(0, 60)].join("|");
  const controls = () => /** @type {HTMLElement[]} */ ([...node.querySelectorAll(FOCUSABLE)]);
  const active = /** @type {HTMLElement} */ (document.activeElement);
  const index = node.contains(active) ? controls().indexOf(active) : -1;
  const name = index < 0 ? null : known(active);
  rebuild();
  if (index < 0) return;
  const now = controls();
  const target = active.isConnected ? active : (now.find((control) => known(control) === name) ?? now[index]);
  if (target !== document.activeElement) target?.focus({ preventScroll: true });
}
