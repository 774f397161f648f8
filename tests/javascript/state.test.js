// Tests the address, the queries made from it, and the state that all views share.

import assert from "node:assert/strict";
import test from "node:test";

// The modules look at the window and the document only when something happens.
globalThis.window = { addEventListener() {}, location: { hash: "" } };
globalThis.document = { addEventListener() {}, visibilityState: "visible" };

const STATIC = "../../provider/io_intelligence_provider/plugin/static/";
const route = await import(`${STATIC}route.js`);
const changes = await import(`${STATIC}changes/query.js`);
const store = await import(`${STATIC}store.js`);
const { queryOf } = await import(`${STATIC}api.js`);

test("parameters become a query, arrays repeat", () => {
  assert.equal(queryOf({ a: ["x", "y z"], b: null, c: "", d: 0 }), "?a=x&a=y+z&d=0");
  assert.equal(queryOf({}), "");
});

test("an address is read and changed, and what it does not know is kept", () => {
  const read = route.parse("#/prices?model=a%2Fb&model=c&scale=log");
  assert.equal(read.view, "prices");
  assert.deepEqual(read.params.getAll("model"), ["a/b", "c"]);
  assert.equal(route.changed(read, { model: ["d"], scale: null }), "#/prices?model=d");
  assert.equal(route.parse("#/nothing?x=1").view, "overview");
  assert.equal(route.link("models", { q: "a b" }), "#/models?q=a+b");
  assert.equal(route.parse("#/models?q=what?&sort=name").params.toString(), "q=what%3F&sort=name");
});

test("another page has views of its own", () => {
  route.useViews(["datasets", "dataset"]);
  assert.deepEqual(
    ["#/dataset?id=a", "", "#/models"].map((hash) => route.parse(hash).view),
    ["dataset", "datasets", "datasets"],
  );
  route.useViews(route.VIEWS);
});

test("the panel of a model has the published parameter in the table of models, another elsewhere", () => {
  assert.equal(route.panelKey("models"), "model");
  assert.equal(route.panelKey("prices"), "open");
});

const STATUS = { latest: "2026-06-30", dates: ["2026-06-28", "2026-06-29", "2026-06-30"] };

test("a changes query has the filters of the address, and only known ones", () => {
  const state = changes.stateOf(new URLSearchParams("kind=price&size=20&direction=up&q=glm&model=a"), STATUS);
  assert.equal(state.filtered, true);
  assert.deepEqual(changes.query(state), {
    start: "2026-06-28",
    end: "2026-06-30",
    kinds: ["price_changed"],
    q: "glm",
    min_pct: "20",
    direction: "up",
    model: "a",
  });
  const bad = changes.stateOf(
    new URLSearchParams("kind=__proto__&size=7&direction=left&start=x&end=2026-06-29"),
    STATUS,
  );
  assert.equal(bad.filtered, false);
  assert.deepEqual([bad.start, bad.end], ["2026-06-28", "2026-06-29"]);
});

test("a model is named in an address by its name where that is unique, else by its id", () => {
  const items = [
    { model_id: "1", name: "a" },
    { model_id: "2", name: "a" },
    { model_id: "3", name: "b" },
    { model_id: "4", name: "" },
  ];
  assert.deepEqual(
    items.map((model) => store.reference(model, items)),
    ["1", "2", "b", "4"],
  );
  assert.equal(store.find(items, "b")?.model_id, "3");
  assert.equal(store.find(items, "nothing"), undefined);
});

test("a search finds every word in name or developer", () => {
  const matches = store.matcher("GLM z-ai");
  assert.equal(matches({ name: "z-ai/glm-5", developer: null }), true);
  assert.equal(matches({ name: "glm-5", developer: "z-ai" }), true);
  assert.equal(matches({ name: "glm-5", developer: null }), false);
});

test("a day without a snapshot is the one before", () => {
  assert.equal(store.snapshotDay(STATUS.dates, "2026-07-05"), "2026-06-30");
  assert.equal(store.snapshotDay(STATUS.dates, "2020-01-01"), "2026-06-28");
});

/** Answer every request with the next of some answers; an error is thrown. */
function serve(...answers) {
  globalThis.fetch = async () => {
    const answer = answers.shift();
    if (answer instanceof Error) throw answer;
    return { ok: true, json: async () => answer };
  };
}

const status = (over = {}) => ({
  state: "ok",
  latest: "2026-06-30",
  latest_on_file: "2026-06-30",
  snapshot_id: "one",
  changes: null,
  models: 2,
  dates: STATUS.dates,
  unreadable: [],
  stale: false,
  ...over,
});

test("a newer snapshot is offered, and shown only when asked for", async () => {
  serve(status(), status({ stale: true }), new Error("down"), status({ snapshot_id: "two", latest: "2026-07-01" }));
  await store.load();
  await store.refresh(); // the same files: shown at once
  assert.equal(store.status().stale, true);
  assert.equal(store.news(), null);
  await store.refresh();
  assert.equal(store.problem().kind, "network");
  assert.equal(store.status().snapshot_id, "one");
  await store.refresh();
  assert.equal(store.problem(), null);
  assert.equal(store.status().snapshot_id, "one");
  assert.equal(store.news().latest, "2026-07-01");
  store.showNewest();
  assert.equal(store.status().snapshot_id, "two");
  assert.equal(store.news(), null);
});

test("changes that were detected later are news, an age is not", () => {
  assert.equal(store.sameFiles(status(), status({ stale: true, age_hours: 5 })), true);
  assert.equal(store.sameFiles(status(), status({ changes: 3 })), false);
});

test("an old snapshot is stale by the calendar, whatever the server said when it was asked", () => {
  assert.equal(store.isStale(status()), true);
  assert.equal(store.isStale(status({ latest: new Date().toISOString().slice(0, 10) })), false);
});

const needs = await import(`${STATIC}models/needs.js`);
const bills = await import(`${STATIC}costs/bills.js`);
const { columnsOf } = await import(`${STATIC}models/table.js`);
const { sorted } = await import(`${STATIC}table.js`);
const traffic = await import(`${STATIC}costs/traffic.js`);

const model = (input, output, more = {}) => ({
  prices: {
    input_token_price: input,
    output_token_price: output,
    cache_read_token_price: null,
    cache_write_token_price: null,
  },
  quotas: {},
  capabilities: [],
  context_window: null,
  doubtful: [],
  ...more,
});
const asks = (query) => needs.finds(new URLSearchParams(query));

test("a blended price is exact where it is compared, and rounded where it is shown", () => {
  const { parts } = needs.pricing(new URLSearchParams("by=blended&ratio=2:1"));
  assert.equal(needs.blended(model("1", "2"), parts), "1.333333");
  assert.equal(needs.blended(model("0.1", "0.1"), parts), "0.1");
  assert.equal(needs.blended(model("1", null), parts), null);
  const blend = "by=blended&ratio=2:1&max=";
  assert.equal(asks(`${blend}1.333333333333333333`)(model("1", "2")), false);
  assert.equal(asks(`${blend}1.333333333333333334`)(model("1", "2")), true);
  assert.equal(asks("max=0.3")(model("1", "0.300000000000000001")), false);
});

test("what is unknown satisfies no bound, and a doubtful or free price can be hidden", () => {
  assert.equal(asks("max=5")(model("1", null)), false);
  assert.equal(asks("context=128k")(model("1", "1")), false);
  assert.equal(asks("context=128k")(model("1", "1", { context_window: 128_000 })), true);
  assert.equal(asks("context=128k")(model("1", "1", { context_window: "9007199254740993" })), true);
  assert.equal(asks("capability=tools&capability=chat")(model("1", "1", { capabilities: ["tools"] })), false);
  assert.equal(asks("zero=hide")(model("1", "0")), false);
  assert.equal(asks("zero=hide&by=input")(model("1", "0")), true);
  assert.equal(asks("zero=hide&by=blended&ratio=1:0")(model("1", "0")), true); // only input is asked for
  assert.equal(asks("zero=hide&by=blended&ratio=1:1")(model("1", "0")), false);
});

test("a doubtful 0 is no price: no bound lists it, and no blended price counts it as 0", () => {
  const fell = model("0", "0", { doubtful: ["input_token_price", "output_token_price"] });
  const { parts } = needs.pricing(new URLSearchParams("by=blended"));
  assert.equal(needs.blended(fell, parts), null);
  assert.equal(needs.blended(model("0", "4", { doubtful: ["input_token_price"] }), parts), null);
  assert.equal(asks("by=blended&max=1")(fell), false);
  assert.equal(asks("max=1")(fell), false);
  assert.equal(asks("max=1")(model("0", "0")), true); // published as free
  assert.equal(needs.blended(model("0", "0"), parts), "0");
});

test("a blended price is never rounded to free", () => {
  const { parts } = needs.pricing(new URLSearchParams("by=blended&ratio=3:1"));
  assert.equal(needs.blended(model("0", "0.000001"), parts), "0.0000003");
  assert.equal(needs.blended(model("0", "0.000000000000000001"), parts), "0.0000000000000000003");
});

test("a doubtful 0 sorts as unknown, last both ways", () => {
  const models = [
    model(null, "0", { name: "fell", doubtful: ["output_token_price"] }),
    model(null, "0", { name: "free" }),
    model(null, "5", { name: "dear" }),
  ];
  const columns = columnsOf(models, new URLSearchParams());
  const names = (sort) => sorted(models, sort, columns).map(({ name }) => name);
  assert.deepEqual(names("output_token_price"), ["free", "dear", "fell"]);
  assert.deepEqual(names("-output_token_price"), ["dear", "free", "fell"]);
});

test("bounds that are none are ignored", () => {
  for (const query of ["max=1e3", "max=-1", "context=0", "context=lots", "ratio=0:0&by=blended", "by=__proto__"])
    assert.equal(asks(query)(model("1", "1")), true, query);
});

test("tokens are read as they are written", () => {
  for (const [text, digits] of [
    ["", "0"],
    ["0", "0"],
    ["1 000 000", "1000000"],
    ["1\u202f000", "1000"],
    ["1,234,567", "1234567"],
    ["1.234.567", "1234567"],
    ["2.5M", "2500000"],
    ["1e9", "1000000000"],
    ["9007199254740993", "9007199254740993"],
    ["1.5", null],
    ["-1", null],
    ["1e99", null],
    ["12,34", null],
    ["many", null],
    ["007", null],
    ["000", null],
    ["0.500", null],
    ["0,500", null],
    ["012 000", null],
    ["9".repeat(31), null],
  ])
    assert.equal(traffic.tokens(text), digits, text);
});

test("configured traffic that is too long is cut with a warning", () => {
  const lines = Array.from({ length: 250 }, (_, index) => ({ ...traffic.emptyLine(), model: `m${index}` }));
  const { kept, warning } = traffic.taken(lines);
  assert.equal(kept.length, 200);
  assert.match(warning, /^200 of 250 models/);
  assert.deepEqual(traffic.taken(lines.slice(0, 200)), { kept: lines.slice(0, 200), warning: null });
});

test("the percentage of a bill is shown only where no part of either is unknown", () => {
  const part = { model: "acme/one", kind: "input", reason: "unknown" };
  assert.equal(bills.areComplete({ unknown: [] }, { unknown: [] }), true);
  assert.equal(bills.areComplete({ unknown: [part] }, { unknown: [] }), false);
  assert.equal(bills.areComplete({ unknown: [] }, { unknown: [part] }), false);
});

test("a list is pasted from a spreadsheet, from CSV or as JSON", () => {
  const line = { ...traffic.emptyLine(), model: "acme/one", input: "1000", output: "20" };
  for (const text of [
    "acme/one\t1000\t20",
    "model,output,input\nacme/one,20,1000\n",
    'Model;Input tokens;Output tokens\r\n"acme/one";1000;20',
    '{"acme/one": {"input": 1000, "output": "20"}}',
    '[{"model": "acme/one", "input": 1000, "output": 20}]',
  ])
    assert.deepEqual(traffic.parsePasted(text), [line], text);
  const quoted = traffic.parsePasted('"a, ""b""",1');
  assert.equal(quoted[0].model, 'a, "b"');
});

test("a number that the commas of CSV divided is refused, not read as two", () => {
  assert.throws(
    () => traffic.parsePasted("glm,5,1\nglm,1,000,2"),
    /^Error: Line 2: output begins with 0; .* in quotes/,
  );
  assert.equal(traffic.parsePasted('glm,"1,000",2')[0].input, "1,000");
});

test("an error of a pasted list says where, and quotes nothing", () => {
  const secret = "secretname";
  for (const [text, said] of [
    ["", /nothing to read/],
    [`{"${secret}`, /is none/],
    [`{"${secret}": 5}`, /^Model 1 is no name with/],
    [`{"a": {"${secret}": 5}}`, /^Model 1 has a key/],
    ['{"a": {"input": 12345678901234567890}}', /in quotes/],
    [`model,${secret}\na,1`, /^Column 2/],
    [`a,1\nb,${secret}`, /^Line 2: input/],
    ["a,1,2,3,4,5", /has 6 columns/],
    ["a,1\n".repeat(201), /201 models/],
  ])
    assert.throws(
      () => traffic.parsePasted(text),
      (error) => said.test(error.message) && !error.message.includes(secret),
      text,
    );
});
