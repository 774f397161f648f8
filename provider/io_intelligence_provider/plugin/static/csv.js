// Writes CSV that spreadsheets open as data: no cell can start a formula.

function cell(value) {
  let text = value === null || value === undefined ? "" : String(value);
  // Spreadsheets take these characters for the start of a formula, some also after blanks. Plain numbers stay.
  if (/^[\s\u0000-\u0020]*[=+\-@\t\r|%]/.test(text) && !/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text))
    text = `'${text}`;
  return /[",\r\n]/.test(text) || text.startsWith("'") ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Return rows as CSV (RFC 4180); the first one is the header. */
function toCsv(rows) {
  return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Download rows as a file. */
export function download(name, rows) {
  const url = URL.createObjectURL(new Blob(["\ufeff", toCsv(rows)], { type: "text/csv;charset=utf-8" }));
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.download = name;
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
