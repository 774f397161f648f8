"""Tests reading a store: dates, history, quarantine and reports; a mistake never gives an empty result."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider.contract.columns import arrow_schema
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError
from io_intelligence_provider.store.store import SnapshotStore

DAYS = ["2026-01-01", "2026-01-02", "2026-01-04"]


@pytest.fixture(scope="module", params=["local", "memory"])
def filed(request, tmp_path_factory):
    """Three days, which no test changes."""
    root = tmp_path_factory.mktemp("filed")
    store = SnapshotStore(root if request.param == "local" else f"memory:/{root}")
    for number, day in enumerate(DAYS):
        records = [
            model_record("a", {"input_token_price": f"{number + 1}"}),
            model_record("b"),
            model_record(f"bad-{day}", status="?"),
        ]
        file_records(store, records, day, max_quarantine_share=1)
    return store


def test_an_empty_store(store):
    assert store.dates() == []
    assert store.runs() == []
    assert store.before(date(2026, 1, 1)) is None
    assert store.quarantine().num_rows == 0
    history = store.history()
    assert history.schema.names == ["snapshot_date", *arrow_schema().names]
    assert history.num_rows == 0
    for read in (store.read, store.info, store.quality, store.resolve):
        with pytest.raises(NotOnFileError, match="no snapshot"):
            read()


def test_dates_and_latest(filed):
    assert filed.dates() == [date.fromisoformat(day) for day in DAYS]
    assert filed.resolve() == date(2026, 1, 4)
    assert filed.before(date(2026, 1, 4)) == date(2026, 1, 2)
    assert filed.before(date(2026, 1, 1)) is None
    assert filed.read().equals(filed.read("2026-01-04"))
    assert filed.read(date(2026, 1, 1))["input_token_price"].to_pylist() == [1, 1]


@pytest.mark.parametrize("when", ["2026-01-03", date(2030, 1, 1), datetime(2026, 1, 5, tzinfo=UTC)])
def test_a_date_without_a_snapshot_is_told(filed, when):
    for read in (filed.read, filed.info, filed.quality):
        with pytest.raises(NotOnFileError):
            read(when)


BEFORE_ALL_DATES = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))
AFTER_ALL_DATES = datetime.max.replace(tzinfo=timezone(-timedelta(hours=5)))


@pytest.mark.parametrize(
    "when", ["", "yesterday", "2026-02-30", "Latest", 20260101, None, BEFORE_ALL_DATES, AFTER_ALL_DATES]
)
def test_what_is_no_date_is_told(filed, when):
    with pytest.raises(ConfigurationError, match="is no date; write YYYY-MM-DD or latest"):
        filed.read(when)


def test_a_range_has_no_latest(filed):
    with pytest.raises(ConfigurationError, match=r"is no date; write YYYY-MM-DD\.$"):
        filed.history(end="latest")


def test_some_columns_in_the_order_asked(filed):
    table = filed.read(columns=["output_token_price", "name"])
    assert table.column_names == ["output_token_price", "name"]
    assert table["name"].to_pylist() == ["a", "b"]
    with pytest.raises(ConfigurationError, match="nope"):
        filed.read(columns=["nope"])
    with pytest.raises(ConfigurationError, match="nope"):
        filed.history(columns=["name", "nope"])


def test_history(filed):
    import pyarrow as pa

    table = filed.history()
    assert table.schema.names == ["snapshot_date", *arrow_schema().names]
    assert table.schema.field("snapshot_date").type == pa.date32()
    assert [str(day) for day in table["snapshot_date"].to_pylist()] == [day for day in DAYS for _ in range(2)]
    prices = filed.history(models=["a"], columns=["input_token_price"])
    assert prices.column_names == ["snapshot_date", "input_token_price"]
    assert prices["input_token_price"].to_pylist() == [1, 2, 3]
    assert filed.history(models=[model_record("a")["model_id"]]).num_rows == 3
    assert filed.history(models=["nobody"]).num_rows == 0
    assert filed.history(models=[]).num_rows == 0


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        (None, None, DAYS),
        ("2026-01-02", None, DAYS[1:]),
        (None, "2026-01-02", DAYS[:2]),
        ("2026-01-02", "2026-01-03", DAYS[1:2]),
        ("2026-01-05", None, []),
        (date(2026, 1, 4), datetime(2026, 1, 4, 12, tzinfo=UTC), DAYS[2:]),
    ],
)
def test_ranges_include_both_ends(filed, start, end, days):
    assert sorted({str(day) for day in filed.history(start, end)["snapshot_date"].to_pylist()}) == days
    assert [str(day) for day in filed.quarantine(start, end)["snapshot_date"].to_pylist()] == days
    assert [str(run.snapshot_date) for run in filed.runs(start, end)] == days


def test_quarantine_carries_the_date_first(filed):
    table = filed.quarantine()
    assert table.column_names == [
        "snapshot_date",
        "model_id",
        "name",
        "record",
        "failures",
        "snapshot_id",
        "fetched_at",
    ]
    assert table["name"].to_pylist() == [f"bad-{day}" for day in DAYS]


def test_a_column_that_is_newer_than_a_snapshot_is_null_there(local_store):
    import pyarrow.parquet as pq

    path = file_records(local_store, [model_record("a")], "2026-01-01").path
    file_records(local_store, [model_record("a", {"precision": "fp8"})], "2026-01-02")
    old = pq.ParquetFile(path).read()
    pq.write_table(old.drop(["precision"]), path)
    assert local_store.history(columns=["precision"])["precision"].to_pylist() == [None, "fp8"]
    assert local_store.read("2026-01-01", columns=["precision"])["precision"].to_pylist() == [None]
    assert local_store.history().num_rows == 2


@pytest.mark.long
def test_prune_deletes_what_is_older_and_nothing_else(store):
    today = datetime.now(UTC).date()
    days = [today - timedelta(days=age) for age in (400, 31, 30, 0)]
    for day in days:
        file_records(store, [model_record()], day)
        for part in ("changes", "alerts"):
            store.files.put(f"{part}/snapshot_date={day}/file", b"x")
    store.files.put("models/notes.txt", b"x")
    assert store.prune(keep_days=30) == days[:2]
    assert store.dates() == days[2:]
    assert [run.snapshot_date for run in store.runs()] == days[2:]
    for part in ("models", "quarantine", "quality", "changes", "alerts"):
        kept = [name for name in store.files.list(part) if name != "notes.txt"]
        assert kept == [f"snapshot_date={day}" for day in days[2:]]
    assert "notes.txt" in store.files.list("models")
    assert store.prune(keep_days=30) == []


def test_prune_also_takes_the_artifacts_of_failed_runs(store):
    from io_intelligence_provider.errors import QualityError

    with pytest.raises(QualityError):
        file_records(store, [], "2020-01-01")
    assert store.prune(keep_days=1) == []
    assert store.runs() == []


def test_prune_keeps_all_of_more_days_than_there_are(store):
    file_records(store, [model_record()], "2020-01-01")
    assert store.prune(keep_days=10**12) == []
    assert store.dates()


@pytest.mark.parametrize("keep_days", [0, -1, True, 1.5, float("nan"), "30"])
def test_prune_keeps_at_least_a_day(store, keep_days):
    with pytest.raises(ConfigurationError, match="keep_days"):
        store.prune(keep_days=keep_days)
