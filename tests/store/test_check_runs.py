"""Runs history checks on the real price history, and compares with docs/history-checks.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.quality.history import STANDARD, HistoryChecks
from io_intelligence_provider.quality.profile import Profiler
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.quality.results_store import runs_table
from io_intelligence_provider.store.check_runs import catalogue_runs, footer_profile, snapshot_profile
from io_intelligence_provider.store.store import SnapshotStore

pytestmark = pytest.mark.long

STANDARD_CHECKS = HistoryChecks.from_config(True)


@pytest.fixture(scope="module")
def store(recorded_store: Path) -> SnapshotStore:
    """The real history, one snapshot a recorded state."""
    return SnapshotStore(recorded_store)


@pytest.fixture(scope="module")
def runs(store: SnapshotStore) -> list[CheckRun]:
    return catalogue_runs(store)


def flagged(run: CheckRun, past: list[CheckRun]) -> set[tuple[str, str | None]]:
    return {
        (result.check, result.column) for result in STANDARD_CHECKS.evaluate(run, past) if not result.passed
    }


def test_each_snapshot_is_a_run(store, runs):
    assert [run.checked_at.date() for run in runs] == store.dates()
    assert len(runs) == 64
    assert [run.rows for run in runs][-1] == 26
    assert all(run.profile for run in runs)
    assert runs_table(runs, "columns").num_rows == 64 * len(runs[0].profile)
    assert [run.checked_at.date() for run in catalogue_runs(store, "2026-06-29")] == [
        date(2026, 6, 29), date(2026, 6, 30),
    ]  # fmt: skip


def test_general_checks_flag_the_repricing_of_may_and_nothing_else(runs):
    flags = {str(run.checked_at.date()): found for run in runs if (found := flagged(run, runs))}
    assert flags == {
        "2026-05-20": {
            ("numeric_shift", "input_token_price"),
            ("numeric_shift", "cache_read_token_price"),
        },
        "2026-05-21": {
            ("numeric_shift", "input_token_price"),
            ("numeric_shift", "output_token_price"),
            ("numeric_shift", "cache_read_token_price"),
        },
        "2026-05-22": {
            ("numeric_shift", "input_token_price"),
            ("numeric_shift", "cache_read_token_price"),
        },
    }


def test_the_catalogues_own_checks_flag_what_moved_model_by_model(runs):
    flags = {
        str(run.checked_at.date()): {check.check: check.failed for check in run.checks if not check.passed}
        for run in runs
        if not all(check.passed for check in run.checks)
    }
    assert flags == {
        "2026-04-10": {"price_move": 2},
        "2026-05-15": {"price_to_zero": 15},
        "2026-05-20": {"price_move": 10},
        "2026-05-21": {"price_move": 1},
        "2026-05-26": {"price_to_zero": 2},
    }


def spoiled(store: SnapshotStore, runs: list[CheckRun], *changes: pl.Expr, rows: int = 26) -> CheckRun:
    """Return the last day as it would have been judged with changed data."""
    frame = pl.DataFrame(store.read()).with_columns(*changes)[:rows]
    profiler = Profiler()
    profiler.add(frame)
    return replace(runs[-1], run_id="spoiled", rows=frame.height, profile=profiler.finish())


def test_trouble_put_into_the_last_day_is_flagged(store, runs):
    prices = pl.col("input_token_price").cast(pl.Float64)
    last, past = runs[-1], runs[:-1]
    assert flagged(spoiled(store, runs), past) == set()
    assert ("volume", None) in flagged(spoiled(store, runs, rows=12), past)
    assert ("numeric_shift", "input_token_price") in flagged(spoiled(store, runs, prices * 1_000_000), past)
    assert ("numeric_shift", "input_token_price") in flagged(spoiled(store, runs, prices * 3), past)
    some = pl.when(pl.int_range(pl.len()) > 4).then(prices).alias("input_token_price")
    assert ("null_share", "input_token_price") in flagged(spoiled(store, runs, some), past)
    same = pl.lit("one").alias("name")
    assert ("distinct_share", "name") in flagged(spoiled(store, runs, same), past)
    retyped = replace(last, columns=(("name", "int64"), *last.columns[2:]))
    assert ("column_drift", None) in flagged(retyped, past)


def test_with_too_short_a_history_nothing_is_evaluated_but_drift(runs):
    results = STANDARD_CHECKS.evaluate(runs[3], runs)
    assert {result.check for result in results if result.evaluated} == {"column_drift"}
    assert {result.check for result in results} == set(STANDARD)


def test_the_footer_says_what_the_data_say(store):
    read = {column.column: column for column in snapshot_profile(store)}
    for column in footer_profile(store):
        whole = read[column.column]
        assert (column.rows, column.nulls) == (whole.rows, whole.nulls)
        assert (column.distinct, column.median) == (None, None), "a footer does not say"
        if whole.median is not None or isinstance(whole.max, str):
            assert (column.min, column.max) == pytest.approx((whole.min, whole.max))
    assert set(read) - {column.column for column in footer_profile(store)} == {
        "tags",
        "input_modalities",
        "output_modalities",
    }


def test_what_is_not_on_file_says_so(tmp_path: Path):
    empty = SnapshotStore(tmp_path)
    assert catalogue_runs(empty) == []
    with pytest.raises(NotOnFileError):
        footer_profile(empty)


def test_a_replayed_day_is_of_its_date_and_comes_back_from_its_json(store: SnapshotStore) -> None:
    """Its reports keep when the catalogue was read; how long that took is on no file, and is not 0."""
    reports, run = store.runs(), catalogue_runs(store)[0]
    assert run.checked_at.date() == reports[0].snapshot_date
    assert reports[0].fetched_at.date() > reports[0].snapshot_date
    assert run.seconds is None
    assert CheckRun.from_dict(run.to_dict()) == run
