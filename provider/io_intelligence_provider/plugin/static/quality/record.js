// @ts-check
// Shows a refused record exactly as served, with line breaks and its refused values marked.

import { h } from "../dom.js";

const TOKEN = /"(?:[^"\\]|\\.)*"?|-?[0-9][-+.0-9eE]*|true|false|null|[{}[\],:]|[^\s]/g;

/** @typedef {{depth: number, key: string | null, keys: (string | null)[]}} Line */
/** @typedef {Set<string | null>} Columns */

/**
 * Return the record as text with line breaks.
 *
 * It shows the record's tokens, not its parsed values, so that a number keeps every digit that was served.
 * @param {string} text
 * @param {Api.Failure[]} failures
 * @param {boolean} truncated whether the answer leaves part of it out
 */
export function record(text, failures, truncated) {
  const columns = new Set(failures.map((failure) => failure.column));
  /** @type {Line} */
  const line = { depth: 0, key: null, keys: [] };
  /** @type {(string | Node)[]} */
  const parts = [];
  const tokens = text.match(TOKEN) ?? [];
  for (const [index, token] of tokens.entries()) place(parts, line, token, tokens[index + 1], columns);
  if (truncated) parts.push("…\nThe Parquet file holds all of it.");
  return h("pre", { class: "record", tabindex: "0", "aria-label": "Record as served" }, h("code", {}, parts));
}

/** @param {Line} line */
function newLine(line) {
  return `\n${"  ".repeat(line.depth)}`;
}

/**
 * @param {(string | Node)[]} parts
 * @param {Line} line
 * @param {string} token
 * @param {string | undefined} next
 * @param {Columns} columns
 */
function place(parts, line, token, next, columns) {
  if (token === "{" || token === "[") {
    line.keys.push(line.key);
    line.depth += 1;
    parts.push(token, next === "}" || next === "]" ? "" : newLine(line));
  } else if (token === "}" || token === "]") {
    line.depth = Math.max(0, line.depth - 1);
    line.key = line.keys.pop() ?? null;
    const last = parts[parts.length - 1];
    parts.push(last === "" ? "" : newLine(line), token);
  } else if (token === ",") parts.push(token, newLine(line));
  else if (token === ":") parts.push(": ");
  else if (next === ":") {
    line.key = token.slice(1, -1);
    parts.push(h("span", { class: "muted" }, token));
  } else parts.push(refused(line, columns) ? h("mark", {}, token) : token);
}

/**
 * Return whether a line is of a column, at the top or in the metadata; the observed form has "id" as the name.
 * @param {Line} line
 * @param {Columns} columns
 */
function refused(line, columns) {
  const above = line.keys[line.keys.length - 1] ?? null;
  const ours = line.depth === 1 || (line.depth === 2 && (above === "metadata" || columns.has(above)));
  return (
    ours &&
    (columns.has(line.key) ||
      columns.has(above) ||
      (line.key === "id" && columns.has("name")) ||
      (line.key === "created" && columns.has("created_at")))
  );
}
