// @ts-check
// Reads monthly tokens as they are typed or pasted, and keeps them in this browser only.

/** @typedef {"input" | "output" | "cache_read" | "cache_write"} Kind */
/** @typedef {{model: string} & Record<Kind, string>} Line the tokens as they were typed */

/** @type {Kind[]} */
export const KINDS = ["input", "output", "cache_read", "cache_write"];
export const MOST = 200;
const KEY = "io-intelligence-traffic";
const DIGITS = 30;
/** @type {Record<string, number>} */
const SIZES = { "": 0, k: 3, m: 6, g: 9, b: 9, t: 12 };

/** @returns {Line} */
export const emptyLine = () => ({ model: "", input: "", output: "", cache_read: "", cache_write: "" });

/**
 * Return a number of tokens as digits; null when the text is none. "1 000 000", "2.5M" and "1e9" are read. Several
 * digits that begin with 0 are none: they are the end of a number that was divided, as in 1,000 of CSV without quotes.
 * @param {string} text
 */
export function tokens(text) {
  const plain = text.trim();
  if (!plain) return "0";
  const grouped = /^[1-9]\d{0,2}([ '_,.\u00a0\u202f])\d{3}(\1\d{3})*$/.test(plain) ? plain.replace(/\D/g, "") : plain;
  const found = /^(0|[1-9]\d*)(?:\.(\d+))?(?:e\+?(\d{1,2})|\s*([kmgbt])?)$/i.exec(grouped);
  if (!found) return null;
  const [, whole, part = "", exponent, size = ""] = found;
  const zeros = (exponent ? Number(exponent) : SIZES[size.toLowerCase()]) - part.replace(/0+$/, "").length;
  if (zeros < 0) return null;
  const digits = `${whole}${part.replace(/0+$/, "")}${"0".repeat(zeros)}`.replace(/^0+(?=\d)/, "");
  return digits.length > DIGITS ? null : digits;
}

/**
 * Return the lines that name a model, as the route takes them, and what is wrong with others.
 * @param {Line[]} lines
 */
export function checked(lines) {
  /** @type {string[]} */
  const problems = [];
  const found = lines.map((line, index) => {
    const read = KINDS.map((kind) => {
      const digits = tokens(line[kind]);
      if (digits === null) problems.push(`Line ${index + 1}: ${words(kind)} ${problemOf(line[kind])}.`);
      return [kind, digits ?? "0"];
    });
    const some = read.some(([, digits]) => digits !== "0");
    if (some && !line.model.trim()) problems.push(`Line ${index + 1} names no model.`);
    if (line.model.length > 512) problems.push(`Line ${index + 1}: the name has more than 512 letters.`);
    return { model: line.model.trim(), .../** @type {Record<Kind, string>} */ (Object.fromEntries(read)) };
  });
  return { lines: found.filter((line) => line.model), problems };
}

/** @param {string} text which is no number of tokens */
const problemOf = (text) =>
  /^0\d+$/.test(text.trim())
    ? "begins with 0; a number with separators, such as 1,000, has to be in quotes"
    : "is no whole number of tokens";

/**
 * Return the lines of the configured traffic that are taken, and a warning when these are not all.
 * @param {Line[]} lines
 */
export function taken(lines) {
  const kept = lines.slice(0, MOST);
  const left = lines.length > MOST;
  return { kept, warning: left ? `${MOST} of ${lines.length} models are taken: ${MOST} are the most here.` : null };
}

/** @param {string} kind */
export const words = (kind) => kind.replace("_", " ");

/**
 * Read pasted text: JSON as in io_intelligence_traffic or a list of objects, else CSV with , ; or tabs.
 * An error names lines and columns, and quotes nothing.
 * @param {string} text
 * @returns {Line[]}
 */
export function parsePasted(text) {
  const trimmed = text.trim();
  if (!trimmed) throw new Error("There is nothing to read.");
  const lines = /^[[{]/.test(trimmed) ? fromJson(trimmed) : fromTable(trimmed);
  if (!lines.length) throw new Error("No line names a model.");
  if (lines.length > MOST) throw new Error(`These are ${lines.length} models; ${MOST} are the most.`);
  const [problem] = checked(lines).problems;
  if (problem) throw new Error(problem);
  return lines;
}

/** @param {string} text */
function fromJson(text) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("This starts like JSON, but is none.");
  }
  /** @type {[unknown, unknown][]} */
  const pairs = Array.isArray(value)
    ? value.map((item) => [item?.model, item])
    : Object.entries(/** @type {object} */ (value));
  return pairs.map(([model, given], index) => {
    const at = `Model ${index + 1}`;
    if (typeof model !== "string" || !given || typeof given !== "object" || Array.isArray(given))
      throw new Error(`${at} is no name with ${KINDS.map(words).join(", ")}.`);
    const line = { ...emptyLine(), model };
    for (const [key, count] of Object.entries(given)) {
      if (key === "model") continue;
      const kind = KINDS.find((known) => known === key);
      if (!kind) throw new Error(`${at} has a key that is none of ${KINDS.join(", ")}.`);
      if (typeof count !== "string" && !Number.isSafeInteger(count))
        throw new Error(`${at}: ${words(kind)} is no whole number; more than 15 digits have to be in quotes.`);
      line[kind] = String(count);
    }
    return line;
  });
}

/** @param {string} text */
function fromTable(text) {
  const [first] = text.split("\n", 1);
  const separator = ["\t", ";", ","].find((one) => first.includes(one)) ?? ",";
  const rows = cells(text, separator).filter((row) => row.some((cell) => cell.trim()));
  const names = rows[0].map((cell) =>
    cell
      .trim()
      .toLowerCase()
      .replace(/[\s-]+/g, "_")
      .replace(/_tokens$/, ""),
  );
  /** @type {string[]} */
  let columns = ["model", ...KINDS];
  if (names.includes("model")) {
    columns = names;
    const unknown = names.findIndex((name) => name !== "model" && !KINDS.some((kind) => kind === name));
    if (unknown >= 0) throw new Error(`Column ${unknown + 1} is none of model, ${KINDS.join(", ")}.`);
    rows.shift();
  }
  return rows.map((row, index) => {
    if (row.length > columns.length)
      throw new Error(`Line ${index + 1} has ${row.length} columns; there are ${columns.length}.`);
    const given = Object.fromEntries(row.map((cell, place) => [columns[place], cell.trim()]));
    return { ...emptyLine(), ...given };
  });
}

/**
 * Return the cells of CSV (RFC 4180).
 * @param {string} text
 * @param {string} separator
 */
function cells(text, separator) {
  /** @type {string[][]} */
  const rows = [[""]];
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i];
    const row = rows[rows.length - 1];
    if (quoted && letter === '"' && text[i + 1] === '"') {
      row[row.length - 1] += '"';
      i += 1;
    } else if (letter === '"' && (quoted || row[row.length - 1] === "")) quoted = !quoted;
    else if (!quoted && letter === separator) row.push("");
    else if (!quoted && letter === "\n") rows.push([""]);
    else if (letter !== "\r") row[row.length - 1] += letter;
  }
  return rows;
}

/** @type {Line[]} */
let held = []; // where the browser keeps nothing

/** Return what was typed before; a damaged entry counts as none. */
export function load() {
  try {
    const found = JSON.parse(window.localStorage.getItem(KEY) ?? "[]");
    const isLine = (/** @type {any} */ line) => ["model", ...KINDS].every((key) => typeof line?.[key] === "string");
    held = Array.isArray(found) && found.every(isLine) ? found.slice(0, MOST) : [];
  } catch {
    // no storage, or no JSON
  }
  return held;
}

/** @param {Line[]} lines */
export function keep(lines) {
  held = lines;
  try {
    if (lines.length) window.localStorage.setItem(KEY, JSON.stringify(lines));
    else window.localStorage.removeItem(KEY);
  } catch {
    // no storage: it is kept while the page is open
  }
}
