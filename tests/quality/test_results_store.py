"""The history of results: append-only, whole or not at all, and readable by others."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.result import CheckResult, CheckRun, ColumnProfile
from io_intelligence_provider.quality.results_store import ResultHistory, dataset_id, read_past, runs_table

START = datetime(2026, 1, 1, 6, tzinfo=UTC)
CHECKS = (
    CheckResult("price", "input", "row", "error", 9, 2, [{"value": "-1", "message": None}], threshold=3),
    CheckResult("few", None, "dataset", "warn", 9, 1, threshold=0.5),
    CheckResult("volume", None, "dataset", "warn", 0, 0, [{"message": "not evaluated"}]),
)
PROFILE = (
    ColumnProfile("input", 9, 1, 8, True, 0.5, 9.0, 2.5, 0.25),
    ColumnProfile("at", 9, 0, 5_000, False, "2026-01-01", "2026-01-02T00:00:00+00:00"),
    ColumnProfile("tags", 9, 9, None),
)


@pytest.fixture
def run_of() -> Callable[..., CheckRun]:
    def build(day: int = 0, **changes: Any) -> CheckRun:
        at = START + timedelta(days=day)
        fields: dict[str, Any] = {
            "run_id": f"{at:%Y%m%dT%H%M%S}Z-0a1b2c3d",
            "dataset": "orders",
            "schema": "schemas:Orders",
            "checked_at": at,
            "seconds": 1.5,
            "engine": "local",
            "mode": "rows",
            "outcome": "warned",
            "score": 0.75,
            "rows": 9 + day,
            "valid": 7,
            "quarantined": 2 + day,
            "files": 1,
            "checks": CHECKS,
            "columns": (("input", "double"), ("at", "string")),
            "quarantine_path": "q.parquet",
            "profile": PROFILE,
        }
        return CheckRun(**{**fields, **changes})

    return build


def test_times_of_another_zone_are_the_same_instants(tmp_path, run_of, monkeypatch):
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", "1")  # as pandera does
    zone = timezone(timedelta(hours=5, minutes=30))
    ResultHistory(tmp_path).add(
        run_of(checked_at=START.astimezone(zone), data_interval_start=START.astimezone(zone))
    )
    (run,) = ResultHistory(tmp_path).runs()
    assert (run.checked_at, run.data_interval_start) == (START, START)


def test_what_is_added_comes_back_whole_and_in_order(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    runs = [run_of(day) for day in range(3)]
    for run in reversed(runs):
        path = Path(history.add(run))
        assert path.parent.parent == tmp_path / "results"
        assert path.name == f"{run.run_id}.parquet"
    assert history.runs("orders") == runs
    assert history.runs("orders", limit=2) == runs[1:]
    assert history.runs("orders", limit=0) == []
    assert history.runs("other") == []
    assert sorted(file.name for file in tmp_path.rglob("*") if file.is_file()) == [
        f"{run.run_id}.parquet" for run in runs
    ], "one small file a run, and nothing else"


def test_a_name_keeps_runs_on_changing_paths_together(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    for day in range(2):
        history.add(run_of(day, dataset=f"s3://lake/orders/day={day}/*.parquet"), "orders")
    history.add(run_of(5), "customers")
    assert [run.dataset for run in history.runs("orders")] == ["orders", "orders"]
    assert len(history.runs()) == 3
    table = history.table("runs", "orders")
    assert table["source"].to_pylist() == [f"s3://lake/orders/day={day}/*.parquet" for day in range(2)]


def test_two_schemas_on_one_data_set_are_two_histories(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    first, second = run_of(0), run_of(1, schema="schemas:Strict")
    one, other = Path(history.add(first)), Path(history.add(second))
    assert one.parent != other.parent
    assert one.parent.name == f"dataset_id={dataset_id('orders', first.schema)}"
    assert history.runs("orders") == [first, second]
    assert history.runs("orders", schema="schemas:Strict") == [second]
    assert read_past(history, "orders", first.schema) == [first]
    assert history.table("runs", "orders").num_rows == 2
    assert history.run(second.run_id, "orders") == second


def test_a_name_that_begins_like_another_is_another(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    history.add(run_of(0), "orders")
    history.add(run_of(1), dataset_id("orders"))
    history.add(run_of(2), dataset_id("orders", run_of().schema))
    assert len(history.runs("orders")) == 1


def test_the_data_interval_is_filed_and_older_files_lack_it(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    older = Path(history.add(run_of(0)))
    pq.write_table(pq.read_table(older, partitioning=None).drop_columns(["data_interval_start"]), older)
    newer = run_of(1, data_interval_start=START)
    history.add(newer)
    assert history.runs("orders") == [run_of(0), newer]
    assert history.table("runs")["data_interval_start"].to_pylist() == [None, START]
    assert CheckRun.from_dict(json.loads(newer.to_json())) == newer
    assert "data_interval_start" not in run_of(0).to_dict()


@pytest.mark.parametrize("kind", ["runs", "checks", "columns"])
def test_tables_of_an_empty_history_have_their_columns(tmp_path, run_of, kind):
    history = ResultHistory(tmp_path)
    empty = history.table(kind)
    assert empty.num_rows == 0
    history.add(run_of())
    assert history.table(kind).schema == empty.schema


def test_tables_to_plot(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    for day in (1, 0):
        history.add(run_of(day))
    runs = history.table("runs")
    assert runs["rows"].to_pylist() == [9, 10]
    assert "checks" not in runs.column_names
    checks = history.table("checks").to_pylist()
    assert [(row["checked_at"].day, row["check"], row["passed"]) for row in checks] == [
        (1 + day, name, True) for day in range(2) for name in ("price", "few", "volume")
    ]
    assert [(row["threshold_count"], row["threshold_share"]) for row in checks[:3]] == [
        (3, None), (None, 0.5), (None, None),
    ]  # fmt: skip
    assert json.loads(checks[0]["examples"]) == CHECKS[0].examples
    columns = history.table("columns", "orders").to_pylist()
    assert [(row["column"], row["median"], row["latest"]) for row in columns[:2]] == [
        ("input", 2.5, None), ("at", None, "2026-01-02T00:00:00+00:00"),
    ]  # fmt: skip
    assert columns[0]["of_rows"] == 9
    with pytest.raises(ConfigurationError, match="no table 'rows'"):
        history.table("rows")
    assert runs_table([run_of(1), run_of(0)], "checks") == history.table("checks")


def test_another_engine_reads_it(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    history.add(run_of(), "s3://lake/ä b/*.parquet")
    query = (
        "SELECT dataset, c.check, c.failed FROM (SELECT dataset, unnest(checks) AS c FROM "
        "read_parquet(?, hive_partitioning = true)) ORDER BY 2"
    )
    found = duckdb.execute(query, [f"{tmp_path}/results/*/*.parquet"]).fetchall()
    assert found == [("s3://lake/ä b/*.parquet", name, failed) for name, failed in
                     (("few", 1), ("price", 2), ("volume", 0))]  # fmt: skip


@given(st.text(max_size=200), st.text(max_size=200))
def test_each_name_has_a_safe_folder_of_its_own(one, other):
    folder = dataset_id(one)
    assert folder.isascii()
    assert not set(folder) & set("/=%*? \\")
    assert len(folder) < 80
    assert (dataset_id(other) == folder) == (one == other)
    assert (dataset_id(one, other) == dataset_id(one, "x")) == (other == "x")
    assert dataset_id(one, other).partition("--")[0] == folder


@pytest.mark.long
def test_runs_at_once_never_meet(tmp_path, run_of):
    runs = [run_of(0, run_id=f"20260101T060000Z-{number:08x}") for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ResultHistory(tmp_path).add, runs))
    assert {run.run_id for run in ResultHistory(tmp_path).runs()} == {run.run_id for run in runs}


def test_a_file_that_is_no_result_is_passed_over(tmp_path, run_of, caplog):
    history = ResultHistory(tmp_path)
    folder = Path(history.add(run_of())).parent
    (folder / "20250101T000000Z-x.parquet").write_bytes(b"PAR1 half a file")
    (folder / "notes.txt").write_text("mine")
    assert history.runs("orders") == [run_of()]
    assert "is no readable Parquet file" in caplog.text


def test_on_an_object_store(run_of):
    history = ResultHistory("memory://results-test/root", filesystem=MemoryFileSystem())
    runs = [run_of(day) for day in range(12)]
    for run in runs:
        history.add(run)
    assert history.runs("orders") == runs
    assert history.table("columns").num_rows == 36


def test_the_report_of_a_run_is_made_from_its_file(tmp_path, run_of):
    history, run = ResultHistory(tmp_path), run_of()
    history.add(run, "trips")
    assert [path.suffix for path in tmp_path.rglob("*.*")] == [".parquet"]
    assert history.run(run.run_id, "trips") == run, "its dataset is the path again"
    assert f"Data quality of {run.dataset}" in report_html(history.run(run.run_id, "trips"))


def test_a_run_that_is_not_on_file(tmp_path, run_of):
    history = ResultHistory(tmp_path)
    history.add(run_of(), "trips")
    with pytest.raises(NotOnFileError, match="20250101T000000Z-x"):
        history.run("20250101T000000Z-x", "trips")
    with pytest.raises(StorageError, match="no id of a run"):
        history.run("../victim", "trips")


def test_a_file_that_is_no_result_is_named(tmp_path, run_of):
    history, run = ResultHistory(tmp_path), run_of()
    path = history.add(run)
    table = pq.read_table(path, partitioning=None)
    number = table.schema.get_field_index("outcome")
    pq.write_table(table.set_column(number, "outcome", [["perhaps"]]), path)
    with pytest.raises(StorageError, match=rf"{run.run_id}.parquet is no result: .*perhaps"):
        history.run(run.run_id, "orders")


def test_a_history_that_cannot_be_read_lets_the_checks_go_on(tmp_path, run_of, caplog):
    (tmp_path / "results").mkdir()
    folder = tmp_path / "results" / f"dataset_id={dataset_id('orders', run_of().schema)}"
    folder.write_text("a file, no folder")
    history = ResultHistory(tmp_path)
    with pytest.raises(StorageError):
        history.add(run_of())
    folder.unlink()
    history.add(run_of())
    assert read_past(history, "orders") == [run_of()]


def test_a_storage_that_is_gone_is_a_warning(run_of, caplog):
    class Gone(MemoryFileSystem):
        cachable = False

        def ls(self, *_args, **_options):
            raise OSError("the network is gone")

    history = ResultHistory("memory://gone", filesystem=Gone())
    with pytest.raises(StorageError):
        history.runs("orders")
    assert read_past(history, "orders") == []
    assert "cannot be read, so nothing is compared with it" in caplog.text


def test_times_keep_their_microseconds(tmp_path, run_of):
    run = replace(run_of(), checked_at=datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC))
    ResultHistory(tmp_path).add(run)
    (found,) = ResultHistory(tmp_path).runs()
    assert found.checked_at == run.checked_at
