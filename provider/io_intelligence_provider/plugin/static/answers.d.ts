// The answers of the JSON routes. Generated from the pydantic models in plugin/api: make docs

declare namespace Api {

  /** Holds a page of the alerts that were sent, the last sent first. */
  interface AlertsAnswer {
    warnings: string[];
    total: number;
    items: SentChange[];
  }

  /** Splits the change of a bill since a day; `total` is `price` plus `models`, exactly. It leaves out parts that are unknown on one of the days, unless their model was not in the catalogue then. */
  interface BillChange {
    total: string;
    price: string;
    models: string;
  }

  /** Describes another model for the same tokens; `difference`: from the cost of the line. */
  interface Candidate {
    name: string;
    model_id: string;
    context_window: number | string | null;
    cost: string;
    difference: string | null;
  }

  /** Describes a change of any model; `passes`: by itself, not because of its model's other changes. */
  interface Change {
    date: string;
    previous_date: string;
    change: string;
    field: string | null;
    old_value: string | null;
    new_value: string | null;
    pct: number | null;
    direction: string | null;
    doubtful: "old" | "new" | null;
    model_id: string;
    name: string;
    passes: boolean;
  }

  /** Holds a page of changes, newest day first. */
  interface ChangesAnswer {
    warnings: string[];
    start: string;
    end: string;
    total: number;
    items: Change[];
    days: ChangesDay[];
  }

  /** Holds counts over the whole history; a day whose changes were never detected is absent. */
  interface ChangesByDayAnswer {
    warnings: string[];
    days: DayCounts[];
  }

  /** Counts the changes of a day; `hidden`: those left out only by `min_pct` and `direction`. */
  interface ChangesDay {
    date: string;
    previous_date: string | null;
    changes: number;
    price_changes: number;
    up: number;
    down: number;
    shown: number;
    hidden: number;
  }

  /** Holds the result of a check of a run. */
  interface Check {
    check: string;
    column: string | null;
    level: "row" | "snapshot" | "dataset";
    severity: "error" | "warn";
    evaluated: number;
    failed: number;
    examples: unknown[];
    passed: boolean;
  }

  /** Holds one check over all days; `states`: a letter per day, p passed, f flagged, - not run. */
  interface CheckRow {
    check: string;
    column: string | null;
    columns: string[];
    level: "row" | "snapshot" | "dataset";
    severity: "error" | "warn";
    states: string;
    flagged: number;
  }

  /** Describes a column that came, went or changed its type. */
  interface ColumnDrift {
    column: string;
    change: "new" | "gone" | "type";
    before: string | null;
    after: string | null;
  }

  /** Holds the profile of a column, and two of its figures for each run; `None` is unknown or withheld. */
  interface ColumnSeries {
    column: string;
    nulls: number | null;
    distinct: number | null;
    min: number | string | null;
    max: number | string | null;
    median: number | null;
    null_shares: (number | null)[];
    medians: (number | null)[];
  }

  /** Describes a column of the models file. */
  interface ColumnText {
    name: string;
    description: string;
    unit: string | null;
  }

  /** Holds the bills of some traffic, in USD a month; `series`: day, bill, number of unknown parts. */
  interface CostsAnswer {
    warnings: string[];
    date: string;
    bills: DayBill[];
    lines: CostsLine[];
    series: ([string, string | null, number])[];
  }

  /** Holds the costs of a line; `totals` in the order of the bills. `suitable`: the number of models that satisfy the needs; `unpriced`: those without a price it takes. */
  interface CostsLine {
    model: string;
    name: string | null;
    model_id: string | null;
    totals: LineTotal[];
    candidates: Candidate[];
    suitable: number;
    unpriced: number;
  }

  /** Holds the last outcome of a data set; `last` is `None` if none of its runs can be read. */
  interface Dataset {
    id: string;
    dataset: string;
    schema_name: string | null;
    runs: number;
    last: RunHead | null;
    task: TaskInstance | null;
    scores: number[];
  }

  /** Holds the latest runs of a data set, oldest first, and one; `checks` have a letter for each run. */
  interface DatasetAnswer {
    warnings: string[];
    id: string;
    dataset: string;
    schema_name: string;
    on_file: number;
    runs: RunHead[];
    checks: CheckRow[];
    run: RunDetail;
    profile: ColumnSeries[];
  }

  /** Holds a page of data sets. */
  interface DatasetsAnswer {
    warnings: string[];
    root: string;
    total: number;
    items: Dataset[];
  }

  /** Holds the bill at the prices of a day; `date`: `None` when no snapshot is that old. `total`: of what is known; `change`: from that day to the date of the answer. */
  interface DayBill {
    days: number;
    date: string | null;
    total: string | null;
    unknown: UnknownPart[];
    change: BillChange | null;
  }

  /** Counts the changes of a day; the six counts add up to all of them. */
  interface DayCounts {
    date: string;
    previous_date: string | null;
    up: number;
    down: number;
    added: number;
    removed: number;
    quota: number;
    other: number;
  }

  /** Lists the fields that came or went. */
  interface Drift {
    unknown_fields: string[];
    missing_fields: string[];
  }

  /** Describes a change that the overview lists. */
  interface Event {
    date: string;
    change: string;
    name: string;
    model_id: string;
    field: string | null;
    old_value: string | null;
    new_value: string | null;
  }

  /** Describes a column of a model that has no other place on the page. */
  interface Fact {
    column: string;
    label: string;
    value: unknown;
    unit: string | null;
  }

  /** Describes a run that a check stopped. */
  interface FailedRun {
    snapshot_id: string;
    date: string;
    fetched_at: string;
    score: number;
    checks: string[];
  }

  /** Describes why a record was refused. */
  interface Failure {
    check: string | null;
    column: string | null;
    value: string | null;
    message: string | null;
  }

  /** Describes a check that failed on a committed day. `withheld_by`: the Dag that filed its run, if the user may not read it, so that `examples` is empty; `None` is no Dag, or an unknown one. */
  interface Flagged {
    date: string;
    check: string;
    column: string | null;
    severity: "error" | "warn";
    failed: number;
    examples: unknown[];
    withheld_by: (string | null)[];
  }

  /** Holds the steps of some models and fields. */
  interface HistoryAnswer {
    warnings: string[];
    start: string;
    end: string;
    dates: string[];
    series: Series[];
  }

  /** Says how the index moved between two days; `pairs`: the fewest and the most of one of its steps. */
  interface IndexMove {
    pct: number | null;
    pairs: number;
    most_pairs: number;
  }

  /** Holds the index of a kind of price: since the day before, since `then_date`, and over time. */
  interface IndexOfKind {
    day: IndexMove | null;
    then: IndexMove | null;
    left_out: LeftOut | null;
    series: ([string, number | null])[];
  }

  /** Counts the models that were left out: a price not published, a doubtful 0, or free, on either day. */
  interface LeftOut {
    not_published: number;
    doubtful: number;
    free: number;
  }

  /** Holds the cost of a line at the prices of a day; `complete`: whether all of it is known. */
  interface LineTotal {
    total: string | null;
    complete: boolean;
  }

  /** Holds the exact medians of the models that publish the price; a doubtful 0 is none. */
  interface Medians {
    input: string | null;
    output: string | null;
  }

  /** Describes a row of the models table. */
  interface Model {
    model_id: string;
    name: string;
    developer: string | null;
    status: string | null;
    context_window: number | string | null;
    max_tokens: number | string | null;
    trendiness: number | string | null;
    prices: Record<string, string | null>;
    quotas: Record<string, number | string | null>;
    min_access_tier: string | null;
    capabilities: string[];
    spark: ([number, string | null])[];
    change: OutputChange;
    doubtful: string[];
  }

  /** Describes one model. `as_of`: the day of its row, before `date` if the model is gone by then. `in_quarantine`: whether it is gone because it was refused on `date`; `None` is unknown. `doubts`: when each price is a doubtful 0, from a day to before another; `None`: it still is. */
  interface ModelAnswer {
    warnings: string[];
    date: string;
    as_of: string;
    in_quarantine: boolean | null;
    model: ModelWithFacts;
    first_seen: string;
    last_seen: string;
    days_on_file: number;
    price_changes: number | null;
    price_change_days: number | null;
    since: Record<string, Since>;
    series: Record<string, ([string, string | null, boolean])[]>;
    doubts: Record<string, ([string, string | null])[]>;
    changes: ModelChange[];
  }

  /** Describes a change of one model; `doubtful`: which value is a doubtful 0. */
  interface ModelChange {
    date: string;
    previous_date: string;
    change: string;
    field: string | null;
    old_value: string | null;
    new_value: string | null;
    pct: number | null;
    direction: string | null;
    doubtful: "old" | "new" | null;
  }

  /** Describes a model with all stored columns. */
  interface ModelWithFacts {
    model_id: string;
    name: string;
    developer: string | null;
    status: string | null;
    context_window: number | string | null;
    max_tokens: number | string | null;
    trendiness: number | string | null;
    prices: Record<string, string | null>;
    quotas: Record<string, number | string | null>;
    min_access_tier: string | null;
    capabilities: string[];
    spark: ([number, string | null])[];
    change: OutputChange;
    doubtful: string[];
    facts: Fact[];
  }

  /** Holds a page of the models of a day, and all models that were removed before. */
  interface ModelsAnswer {
    warnings: string[];
    date: string;
    total: number;
    items: Model[];
    removed: RemovedModel[];
    then_date: string | null;
  }

  /** Describes the largest price move of a model in one direction. `doubtful`: which value is a doubtful 0. */
  interface Mover {
    name: string;
    model_id: string;
    field: string;
    old_value: string | null;
    new_value: string | null;
    pct: number | null;
    direction: string | null;
    doubtful: "old" | "new" | null;
    spark: ([number, string | null])[];
  }

  /** Lists the largest moves. `since`: the day compared with; `None` when there is none. */
  interface Movers {
    since: string | null;
    up: Mover[];
    down: Mover[];
    up_total: number;
    down_total: number;
  }

  /** Compares the output price with thirty days before; `new`: the model first appeared after that. */
  interface OutputChange {
    pct: number | null;
    new: boolean;
    old: string | null;
  }

  /** Holds the overview of a day. A part whose file is missing is `None`. */
  interface OverviewAnswer {
    warnings: string[];
    date: string;
    previous_date: string | null;
    days: number;
    models: number;
    added: number | null;
    removed: number | null;
    active: number | null;
    price_changes: PriceChanges | null;
    repriced: Repriced | null;
    largest: Mover | null;
    price_index: PriceIndex;
    medians: Medians;
    quality: QualityFigures | null;
    movers: Movers;
    per_day: DayCounts[];
    events: Event[];
  }

  /** Counts changed prices; those from or to null count in the total only. */
  interface PriceChanges {
    total: number;
    up: number;
    down: number;
  }

  /** Holds the like-for-like index; `blended` weighs input and output 3 to 1. */
  interface PriceIndex {
    then_date: string | null;
    input: IndexOfKind;
    output: IndexOfKind;
    blended: IndexOfKind;
  }

  /** Holds the results of all runs. `report`: of the day; `None` if it cannot be read. `withheld_by`: the Dag that filed the report, if the user may not read it, so that the report has no examples; each of `flagged` has its own. */
  interface QualityAnswer {
    warnings: string[];
    date: string | null;
    report: Report | null;
    fail_on: string | null;
    history: QualityHistory;
    flagged: Flagged[];
    withheld_by: (string | null)[];
    failed_runs: FailedRun[];
    flagged_days: number;
    runs: number;
  }

  /** Summarizes the report in five figures. */
  interface QualityFigures {
    score: number;
    outcome: string;
    served: number;
    valid: number;
    quarantined: number;
  }

  /** Holds the committed runs by day; `None` where there is no report. */
  interface QualityHistory {
    dates: string[];
    scores: (number | null)[];
    outcomes: ("passed" | "warned" | "failed" | null)[];
    served: (number | null)[];
    valid: (number | null)[];
    quarantined: (number | null)[];
    checks: CheckRow[];
  }

  /** Holds a page of refused records, newest day first. `withheld`: how many of the page are left out, of runs of the Dags `withheld_by`, which the user may not read. */
  interface QuarantineAnswer {
    warnings: string[];
    date: string | null;
    total: number;
    items: Refused[];
    withheld: number;
    withheld_by: (string | null)[];
  }

  /** Holds a refused record; `truncated`: whether the response leaves part of it out. */
  interface Refused {
    date: string;
    model_id: string | null;
    name: string | null;
    record: string;
    truncated: boolean;
    failures: Failure[];
  }

  /** Holds a page of refused rows; `missing`: why there are none. */
  interface RefusedAnswer {
    warnings: string[];
    total: number;
    items: RefusedRow[];
    missing: string | null;
  }

  /** Holds a refused row; `row` is its position in `file`. */
  interface RefusedRow {
    file: string | null;
    row: number | null;
    record: string;
    truncated: boolean;
    failures: Failure[];
  }

  /** Names a model that is not in the store any more. `in_quarantine`: whether it was refused that day, so that it need not be removed; `None` is unknown. */
  interface RemovedModel {
    model_id: string;
    name: string;
    last_seen: string;
    in_quarantine: boolean | null;
  }

  /** Holds the published form of a report, and the totals of evaluated and failed values. */
  interface Report {
    snapshot_id: string;
    snapshot_date: string;
    fetched_at: string;
    source_url: string;
    wire_shape: string;
    outcome: "passed" | "warned" | "failed";
    score: number;
    rows: Rows;
    checks: Check[];
    fields: string[];
    drift: Drift;
    evaluated: number;
    failed: number;
  }

  /** Counts models with a changed price: only up, only down, both. */
  interface Repriced {
    models: number;
    dearer: number;
    cheaper: number;
    both: number;
  }

  /** Counts the records of a run. */
  interface Rows {
    served: number;
    valid: number;
    quarantined: number;
  }

  /** Holds the result of a check of a run of any data set. */
  interface RunCheck {
    check: string;
    column: string | null;
    level: "row" | "snapshot" | "dataset";
    severity: "error" | "warn";
    evaluated: number;
    failed: number;
    passed: boolean;
    dimension: "completeness" | "validity" | "uniqueness" | "timeliness" | "consistency" | null;
    examples: unknown[];
  }

  /** Holds one run. `withheld`: values are left out, because the user may not read the Dag. */
  interface RunDetail {
    run_id: string;
    checked_at: string;
    outcome: "passed" | "warned" | "failed";
    score: number;
    rows: number;
    quarantined: number;
    date: string | null;
    valid: number;
    seconds: number | null;
    task: TaskInstance | null;
    withheld: boolean;
    checks: RunCheck[];
    drift: ColumnDrift[] | null;
  }

  /** Holds the outcome of a run. */
  interface RunHead {
    run_id: string;
    checked_at: string;
    outcome: "passed" | "warned" | "failed";
    score: number;
    rows: number;
    quarantined: number;
  }

  /** Holds one change as a notifier was sent it; what the ledger does not say is `None`. `date`: of the snapshot; `since`: the day of `old_value`; `doubtful`: which value is a doubtful 0. */
  interface SentChange {
    sent_at: string;
    date: string;
    rule: string;
    notifier: string;
    run_id: string | null;
    task: Task | null;
    change: string;
    name: string;
    model_id: string;
    field: string | null;
    old_value: string | null;
    new_value: string | null;
    pct: number | null;
    since: string | null;
    doubtful: string | null;
    correction: boolean;
  }

  /** Holds one field of one model; `before`: the step in force before the range. `doubtful`: when a price is a doubtful 0, from a day to before another; `None`: it still is. */
  interface Series {
    model: string;
    model_id: string;
    name: string;
    field: string;
    steps: ([string, string | null, boolean])[];
    before: [string, string | null, boolean] | null;
    doubtful: ([string, string | null])[];
  }

  /** Compares a price with its first published value, and with thirty days before. */
  interface Since {
    first_value: string | null;
    first_date: string | null;
    pct: number | null;
    pct_30: number | null;
  }

  /** Holds the state of the store. `changes`: of the latest day, `None` if never detected. `root_exists`: whether there is a folder; an object store may have none before its first object. `age_hours`: the age of the data. */
  interface StatusAnswer {
    warnings: string[];
    state: "empty" | "partial" | "ok";
    root: string;
    root_exists: boolean;
    dag_id: string;
    conn_id: string;
    dates: string[];
    latest: string | null;
    latest_on_file: string | null;
    unreadable: Unreadable[];
    snapshot_id: string | null;
    fetched_at: string | null;
    wire_shape: string | null;
    age_hours: number | null;
    stale: boolean;
    models: number | null;
    changes: number | null;
    columns: ColumnText[];
    version: string;
    now: string;
  }

  /** Names the task of a Dag run. */
  interface Task {
    dag_id: string;
    run_id: string;
    task_id: string;
  }

  /** Names the task instance that filed a result. */
  interface TaskInstance {
    dag_id: string;
    task_id: string;
    dag_run_id: string;
    map_index: number;
    try_number: number;
  }

  /** Holds the traffic of Airflow's Variable; `lines`: `None` without one, or the right to read it. */
  interface TrafficAnswer {
    warnings: string[];
    lines: Record<string, string>[] | null;
  }

  /** Holds what was done with the snapshot of a day, in order. */
  interface TrustAnswer {
    warnings: string[];
    date: string;
    steps: TrustStep[];
  }

  /** Says whether a step was done, when, by which task, and how it ended; `None` is unknown. */
  interface TrustStep {
    step: "served" | "checked" | "filed" | "compared" | "alerted";
    done: boolean;
    at: string | null;
    task: Task | null;
    note: string | null;
  }

  /** Names a kind of tokens whose cost is unknown on a day: it is not in the bill. */
  interface UnknownPart {
    model: string;
    kind: string;
    reason: string;
  }

  /** Reports a day whose snapshot cannot be read. */
  interface Unreadable {
    date: string;
    message: string;
  }
}
