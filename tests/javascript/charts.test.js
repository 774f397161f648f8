// Tests the geometry of charts: what is drawn where, and that an unknown value is a gap, never zero.

import assert from "node:assert/strict";
import test from "node:test";
import { dayTicks, linearTicks, logTicks } from "../../provider/io_intelligence_provider/plugin/static/charts/axes.js";
import * as geometry from "../../provider/io_intelligence_provider/plugin/static/charts/geometry.js";

const BOX = { left: 0, right: 100, top: 0, bottom: 50 };
const SCALE = geometry.scaleOf(BOX, ["2026-01-01", "2026-01-11"], [0, 10]);

const steps = (...all) => all.map(([day, value, onFile = true]) => [`2026-01-${day}`, value, onFile]);

test("a line holds its value until it changes", () => {
  const path = geometry.stepPath(steps(["01", "5"], ["06", "10"]), SCALE, "2026-01-11");
  assert.equal(path, "M0 25H50V0H100");
});

test("an unknown value is a gap", () => {
  for (const unknown of [
    ["03", null],
    ["03", "7", false],
  ]) {
    const path = geometry.stepPath(steps(["01", "5"], unknown, ["06", "10"]), SCALE, "2026-01-11");
    assert.equal(path, "M0 25H20M50 0H100");
  }
  assert.equal(geometry.stepPath(steps(["01", null]), SCALE, "2026-01-11"), "");
  assert.equal(geometry.stepPath(steps(["01", "5"], ["06", null]), SCALE, "2026-01-11"), "M0 25H50");
});

test("zero is drawn at zero, and is a gap on a log axis", () => {
  const free = steps(["01", "10"], ["06", "0"]);
  assert.equal(geometry.stepPath(free, SCALE, "2026-01-11"), "M0 0H50V50H100");
  const log = geometry.scaleOf(BOX, ["2026-01-01", "2026-01-11"], [0, 1], true);
  assert.equal(geometry.stepPath(free, log, "2026-01-11", true), "M0 0H50");
  assert.deepEqual(geometry.drawnValues(free, "2026-01-11", true), [10]);
});

test("a series says on which days its 0 is doubtful", () => {
  const doubts = [
    ["2026-03-01", "2026-03-03"],
    ["2026-03-05", null],
  ];
  const days = ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03", "2026-03-09", undefined];
  assert.deepEqual(
    days.map((day) => geometry.isDoubtful(doubts, day)),
    [false, true, true, false, true, false],
  );
});

test("nothing is drawn after the last day", () => {
  assert.equal(geometry.stepPath(steps(["01", "5"], ["20", "9"]), SCALE, "2026-01-11"), "M0 25H100");
  assert.deepEqual(geometry.drawnValues(steps(["01", "5"], ["20", "9"]), "2026-01-11"), [5]);
});

test("what held before the range holds at its start", () => {
  const before = ["2025-12-01", "4", true];
  // The first snapshot of the range repeats the price: no change.
  const within = geometry.stepsFrom(steps(["05", "4"], ["08", "6"]), "2026-01-02", before);
  assert.deepEqual(within, [
    ["2026-01-02", "4", true],
    ["2026-01-08", "6", true],
  ]);
  assert.equal(geometry.changesIn(within), 1);
  assert.deepEqual(geometry.stepsFrom(steps(["05", "4"]), "2026-01-02"), steps(["05", "4"]));
  assert.deepEqual(geometry.stepsFrom([], "2026-01-02", before), [["2026-01-02", "4", true]]);
});

test("changes are counted between known values", () => {
  assert.equal(geometry.changesIn(steps(["01", "1"], ["02", null], ["03", "1"], ["04", "2"])), 1);
  assert.equal(geometry.changesIn(steps(["01", null], ["02", "1"])), 0);
});

test("a change has a percentage only from a known value above zero", () => {
  assert.equal(geometry.change("2", "3"), 50);
  for (const [from, to] of [
    [null, "1"],
    ["1", null],
    ["0", "1"],
  ])
    assert.equal(geometry.change(from, to), null);
});

test("bars of rises stand on those of falls", () => {
  const scale = geometry.scaleOf(BOX, ["2026-01-01", "2026-01-11"], [-10, 10]);
  const bars = [
    { date: "2026-01-06", number: 4 },
    { date: "2026-01-07", number: 0 },
    { date: "2026-01-08", number: -2 },
  ];
  assert.equal(geometry.barPath(bars, scale, 4), "M48 25V15h4V25zM68 25V30h4V25z");
});

test("one day alone is in the middle", () => {
  assert.equal(geometry.scaleOf(BOX, ["2026-01-01", "2026-01-01"], [0, 1]).x("2026-01-01"), 50);
});

test("labels do not overlap, and stay within the chart", () => {
  const ends = [10, 11, 95, 96].map((y) => ({ y, place: 0 }));
  const places = geometry.spread(ends, 0, 90, 20).map((end) => end.place);
  assert.deepEqual(places, [2, 22, 70, 90]);
});

test("the nearest day is found from either side", () => {
  const days = ["2026-01-01", "2026-01-03", "2026-01-11"];
  for (const [place, day] of [
    [-5, 0],
    [9, 0],
    [11, 1],
    [59, 1],
    [61, 2],
    [200, 2],
  ])
    assert.equal(geometry.nearestDay(days, place, SCALE), days[day]);
  assert.equal(geometry.nearestDay([], 5, SCALE), null);
});

test("a brushed range has at least two days, whatever the direction", () => {
  const days = ["2026-01-01", "2026-01-03", "2026-01-11"];
  assert.deepEqual(geometry.brushedDays(days, 90, 15, SCALE), ["2026-01-03", "2026-01-11"]);
  assert.equal(geometry.brushedDays(days, 8, 28, SCALE)?.[0], "2026-01-01");
  assert.equal(geometry.brushedDays(days, 18, 25, SCALE), null);
});

test("a linear axis starts at zero and holds the highest value", () => {
  for (const high of [1e-7, 0.3, 1, 7.2, 12_345, 3e9]) {
    const { range, values, texts } = linearTicks(high);
    assert.equal(values[0], 0);
    assert.ok(range[1] >= high, `${range[1]} < ${high}`);
    assert.ok(values.length >= 3 && values.length <= 6, String(values));
    assert.equal(new Set(texts).size, texts.length, String(texts));
  }
  assert.deepEqual(linearTicks(3, true).texts, ["0", "1", "2", "3"]);
  assert.equal(linearTicks(9.2e18, true).texts[0], "0");
  assert.deepEqual(linearTicks(0), { range: [0, 1], values: [0], texts: ["0.00"] });
});

test("a log axis has ticks within its range", () => {
  const { range, values, texts } = logTicks(0.02, 30);
  assert.ok(10 ** range[0] < 0.02 && 10 ** range[1] > 30);
  assert.deepEqual(texts.slice(0, 3), ["0.02", "0.05", "0.10"]);
  assert.equal(values.length, texts.length);
});

test("a narrow logarithmic axis has the ticks of a linear one", () => {
  assert.deepEqual(logTicks(92, 109).texts, ["80.00", "100.00", "120.00"]);
  assert.ok(logTicks(100, 100).texts.includes("100.00"));
});

test("the last day has a tick, and years are named where they change", () => {
  assert.equal(dayTicks("2026-05-01", "2026-06-30", 900).texts.at(-1), "30 Jun");
  const { texts } = dayTicks("2025-11-01", "2026-02-01", 900);
  assert.equal(texts.filter((text) => /\d{4}$/.test(text)).length, 2);
  assert.match(dayTicks("2024-01-01", "2026-06-30", 900).texts[0], /^[A-Z][a-z]{2} 202\d$/);
});

test("an axis of a bill of any size has texts", () => {
  for (const high of [1e-18, 1, 1e15, 1.78e23, 1e40]) assert.ok(linearTicks(high).texts.every(Boolean), String(high));
});
