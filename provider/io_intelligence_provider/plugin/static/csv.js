// @ts-check
// Writes CSV that spreadsheets open as data: no cell can start a formula, and numbers have the reader's decimal sign.

import { follow } from "./route.js";

/** @typedef {{name: string, number?: boolean}} Column */
/** @typedef {"point" | "comma"} Form */
/** @typedef {string | number | null | undefined} Value */

/** @type {Record<Form, {separator: string, decimal: string, text: string}>} */
export const FORMS = {
  point: { separator: ",", decimal: ".", text: "Decimal point, values separated by ," },
  comma: { separator: ";", decimal: ",", text: "Decimal comma, values separated by ;" },
};

const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;

/**
 * Return the forms, the one that spreadsheets of a locale read first.
 * @param {string} [locale]
 * @returns {Form[]}
 */
export function formsFor(locale) {
  const sign = new Intl.NumberFormat(locale).formatToParts(1.5).find((part) => part.type === "decimal")?.value;
  return sign === "," ? ["comma", "point"] : ["point", "comma"];
}

/**
 * @param {Value} value
 * @param {Column} column
 * @param {Form} form
 */
function cell(value, column, form) {
  const { separator, decimal } = FORMS[form];
  let text = value === null || value === undefined ? "" : String(value);
  if (column.number && NUMBER.test(text)) text = text.replace(".", decimal);
  // Spreadsheets take these characters for the start of a formula, some also after blanks.
  else if (/^[\s\u0000-\u0020]*[=+\-@\t\r|%]/.test(text) && !NUMBER.test(text)) text = `'${text}`;
  const quoted = text.includes(separator) || /["\r\n]/.test(text) || text.startsWith("'");
  return quoted ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Return rows below a header as CSV (RFC 4180).
 * @param {Column[]} columns
 * @param {Value[][]} rows
 * @param {Form} form
 */
export function toCsv(columns, rows, form) {
  const head = columns.map((column) => column.name);
  const lines = rows.map((row) => row.map((value, index) => cell(value, columns[index], form)));
  return [head, ...lines].map((line) => `${line.join(FORMS[form].separator)}\r\n`).join("");
}

/**
 * Download rows as a file.
 * @param {string} name
 * @param {Column[]} columns
 * @param {Value[][]} rows
 * @param {Form} form
 */
export function download(name, columns, rows, form) {
  const url = URL.createObjectURL(new Blob(["\ufeff", toCsv(columns, rows, form)], { type: "text/csv;charset=utf-8" }));
  follow({ href: url, download: name });
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
