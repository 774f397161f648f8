// Tests how values are written: on the page and in CSV.

import assert from "node:assert/strict";
import test from "node:test";
import { visible } from "../../provider/io_intelligence_provider/plugin/static/dom.js";
import * as format from "../../provider/io_intelligence_provider/plugin/static/format.js";

// The module that downloads listens to the window and the document.
globalThis.window = { addEventListener() {} };
globalThis.document = { addEventListener() {} };
const { formsFor, toCsv } = await import("../../provider/io_intelligence_provider/plugin/static/csv.js");

test("a price keeps every digit", () => {
  for (const [text, written] of [
    ["2", "2.00"],
    ["2.3", "2.30"],
    ["0.18024", "0.18024"],
    ["0", "free"],
    [null, "—"],
  ])
    assert.equal(format.price(text), written);
  assert.equal(format.price("0", true), "0 (doubtful)");
  assert.equal(format.price("12345678901234567890.123456789012345678"), "12345678901234567890.123456789012345678");
});

test("a model that was refused is not removed", () => {
  for (const [value, text] of [
    [true, "in quarantine"],
    [false, "removed"],
    [undefined, "removed"],
    [null, "perhaps in quarantine"],
  ])
    assert.equal(format.absence(value), text);
});

test("a value of any column is written as that column is", () => {
  for (const [column, value, doubtful, written] of [
    ["cache_read_token_price", "0", true, "0 (doubtful)"],
    ["cache_read_token_price", "0", false, "free"],
    ["cache_read_token_price", "1200", false, "1200.00"],
    ["context_window", "0", false, "0"],
    ["context_window", "131072", false, "131\u202f072"],
    [null, null, false, "—"],
  ])
    assert.equal(format.anyValue(column, value, doubtful), written);
});

test("a percentage has a sign, and none where there is none", () => {
  for (const [value, text] of [
    [21, "+21.0\u202f%"],
    [-6.25, "−6.3\u202f%"],
    [0, "0.0\u202f%"],
    [0.004, "+0.004\u202f%"],
    [-99.97, "−99.9\u202f%"],
    [-100, "−100.0\u202f%"],
    [99.97, "+100.0\u202f%"],
    [1395, "+1\u202f395.0\u202f%"],
    [null, "n/a"],
  ])
    assert.equal(format.percent(value), text);
});

test("a day is one of the calendar", () => {
  for (const day of ["2024-02-29", "2026-12-31"]) assert.equal(format.isDay(day), true);
  for (const text of ["2026-02-29", "2026-02-31", "2026-13-01", "2026-1-1", "2026-00-10", "", "soon"])
    assert.equal(format.isDay(text), false);
});

test("a share is never rounded up to all", () => {
  assert.equal(format.share(0.99999), "99.9\u202f%");
  assert.equal(format.share(1), "100\u202f%");
  assert.equal(format.share(null), "—");
});

test("a share of something is never rounded down to none", () => {
  assert.equal(format.share(0.0004), "<0.1\u202f%");
  assert.equal(format.share(0.001), "0.1\u202f%");
  assert.equal(format.share(0), "0\u202f%");
});

test("a product of shares is written as what it stands for", () => {
  assert.equal(format.share((1 / 3) * (3 / 5)), "20\u202f%");
  assert.equal(format.share(0.9999999), "99.9\u202f%");
});

test("numbers are grouped and counted", () => {
  assert.equal(format.count(1048576), "1\u202f048\u202f576");
  assert.equal(format.count("9007199254740993"), "9\u202f007\u202f199\u202f254\u202f740\u202f993");
  assert.equal(format.plural(1, "model"), "1 model");
  assert.equal(format.plural(0, "match", "matches"), "0 matches");
});

test("dates are those of UTC", () => {
  assert.equal(format.plusDays("2026-02-28", 1), "2026-03-01");
  assert.equal(format.daysBetween("2026-02-28", "2026-03-01"), 1);
  assert.equal(format.shortDay("2026-05-09", true), "9 May 2026");
  assert.equal(format.age(format.today()), "today");
  assert.equal(format.age(format.plusDays(format.today(), -2)), "2 days old");
});

test("unpublished values sort last, both ways", () => {
  const pick = (value) => value;
  const values = ["2", null, "10", "0"];
  assert.deepEqual([...values].sort(format.byNumber(pick)), ["0", "2", "10", null]);
  assert.deepEqual([...values].sort(format.byNumber(pick, true)), ["10", "2", "0", null]);
  assert.deepEqual(["b", null, "A2", "a10"].sort(format.byText(pick)), ["A2", "a10", "b", null]);
});

test("what cannot be seen is written out", () => {
  assert.equal(visible("\u202eevil\u202c"), "\\u202eevil\\u202c");
  assert.equal(visible("a\u200bb\u0000\u001b[31m\ufeff"), "a\\u200bb\\u0000\\u001b[31m\\ufeff");
  assert.equal(visible("{\u{e0041}}"), "{\\ue0041}");
  const plain = "مرحبا, two\nlines\tand 1\u202f000 – “é”";
  assert.equal(visible(plain), plain);
});

const COLUMNS = [{ name: "name" }, { name: "price", number: true }];

test("a spreadsheet of either locale reads the numbers", () => {
  assert.equal(toCsv(COLUMNS, [["a", "1.422"]], "point"), "name,price\r\na,1.422\r\n");
  assert.equal(toCsv(COLUMNS, [["a", "1.422"]], "comma"), "name;price\r\na;1,422\r\n");
  assert.equal(toCsv(COLUMNS, [["v1.5", null]], "comma"), "name;price\r\nv1.5;\r\n"); // a name is no number
});

test("the reader's form is offered first", () => {
  assert.deepEqual(formsFor("de-DE"), ["comma", "point"]);
  assert.deepEqual(formsFor("en-US"), ["point", "comma"]);
});

test("no cell starts a formula", () => {
  for (const name of ["=1+1", "+1-1", "-2+3", "@SUM(1)", "\t=1", " =1", "|x", "%x"])
    for (const form of ["point", "comma"]) assert.match(toCsv(COLUMNS, [[name, "1"]], form).split("\r\n")[1], /^"'/);
  assert.match(toCsv(COLUMNS, [["a", "-1.5"]], "comma"), /a;-1,5\r\n$/);
});

test("separators and quotes are quoted", () => {
  assert.match(toCsv(COLUMNS, [['a,b;c"d', 1]], "point"), /"a,b;c""d",1/);
  assert.match(toCsv(COLUMNS, [["a,b", 1]], "comma"), /\na,b;1/);
  assert.match(toCsv(COLUMNS, [["a;b", 1]], "comma"), /"a;b";1/);
});

test("a time is written in UTC to the minute", () => {
  assert.equal(format.minute("2026-06-30T23:59:59+00:00"), "2026-06-30 23:59");
  assert.equal(format.minute("2026-06-30T23:59:59-02:00"), "2026-07-01 01:59");
});
