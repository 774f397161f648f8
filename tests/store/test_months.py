"""Tests rolled-up months: the same results from fewer files, never those of replaced files."""

from __future__ import annotations

import logging
import os
import shutil
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.months import (
    APRIL,
    DAYS,
    MARCH,
    MAY,
    answers,
    days_read,
    let_a_minute_pass,
    months_on_file,
    refile,
    same,
)
from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider import detect_changes
from io_intelligence_provider.contract.columns import arrow_schema
from io_intelligence_provider.store import months, reading
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.models_file import serialise_models
from io_intelligence_provider.store.store import SnapshotStore

pytestmark = [pytest.mark.usefixtures("settled"), pytest.mark.long]
CLOCK = time.time


def test_the_answers_are_the_same_and_come_from_months(
    filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed_months)
    assert days_read(filed_months, monkeypatch) == DAYS
    filed_months.compact()
    assert months_on_file(filed_months) == months_on_file(filed_months, "changes") == ["2026-03", "2026-04"]
    assert days_read(filed_months, monkeypatch) == MAY[:3]
    assert same(answers(filed_months), before)
    assert filed_months.history().schema.equals(before[0].schema, check_metadata=True)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(DAYS),
    length=st.integers(0, 23),
    models=st.none() | st.lists(st.sampled_from(["a", "zai-org/GLM", "nobody"]), max_size=2),
    columns=st.none() | st.lists(st.sampled_from(arrow_schema().names), max_size=4, unique=True),
)
def test_any_question_has_the_same_answer(
    both: tuple[SnapshotStore, SnapshotStore], start: date, length: int, models: Any, columns: Any
) -> None:
    asked = {"start": start, "end": start + timedelta(days=length), "models": models, "columns": columns}
    one, other = (store.history(**asked) for store in both)
    assert one.equals(other)
    assert one.schema.equals(other.schema, check_metadata=True)


@pytest.fixture(scope="module")
def both(two_months: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SnapshotStore, SnapshotStore]:
    root = tmp_path_factory.mktemp("both") / "store"
    shutil.copytree(two_months, root)
    rolled_up = SnapshotStore(root)
    with pytest.MonkeyPatch.context() as patched:
        let_a_minute_pass(patched)
        rolled_up.compact()
    assert months_on_file(rolled_up) == ["2026-03", "2026-04"]
    return rolled_up, SnapshotStore(two_months)


def test_engines_still_read_the_snapshots_by_path(filed_months: SnapshotStore) -> None:
    filed_months.compact()
    if filed_months.files.is_local:
        import polars as pl

        assert pl.read_parquet(f"{filed_months.files.url('models')}/**/*.parquet").height == 3 * len(DAYS)


def test_a_day_filed_again_is_read_at_once_and_its_month_rolled_up_anew(
    filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed_months.compact()
    old = filed_months.files.list("compacted/models")
    monkeypatch.setattr(SnapshotStore, "compact", lambda *_: None)
    refile(filed_months, MARCH[4])
    assert days_read(filed_months, monkeypatch) == [*MARCH, *MAY[:3]]
    prices = filed_months.history(MARCH[4], MARCH[4], columns=["input_token_price"])["input_token_price"]
    assert prices.to_pylist() == [Decimal(99)]
    expected = answers(filed_months)
    monkeypatch.undo()
    let_a_minute_pass(monkeypatch)
    filed_months.compact()
    new = filed_months.files.list("compacted/models")
    assert months_on_file(filed_months) == ["2026-03", "2026-04"]
    assert new[0] != old[0]
    assert new[1] == old[1]
    assert same(answers(filed_months), expected)
    assert days_read(filed_months, monkeypatch) == MAY[:3]


def test_a_day_added_or_deleted_makes_its_month_unknown(
    filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed_months.compact()
    filed_months.files.delete(models_path(APRIL[2]))
    assert [day for day in DAYS if day != APRIL[2]] == sorted(
        set(filed_months.history(columns=["name"])["snapshot_date"].to_pylist())
    )
    refile(filed_months, date(2026, 3, 31))
    assert months_on_file(filed_months) == ["2026-03", "2026-04"]
    assert date(2026, 3, 31) in filed_months.history(columns=["name"])["snapshot_date"].to_pylist()
    assert days_read(filed_months, monkeypatch) == MAY[:3]


def test_runs_roll_up_what_they_close(filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    refile(filed_months, MAY[3])
    assert months_on_file(filed_months) == ["2026-03", "2026-04"]
    for part in ("models", "changes"):
        filed_months.files.delete_tree(f"compacted/{part}")
    detect_changes(filed_months)
    assert months_on_file(filed_months, "changes") == ["2026-03", "2026-04"]
    assert filed_months.changes()["snapshot_date"].to_pylist()[-1] == MAY[3]


def test_changes_found_again_are_rolled_up_again(filed_months: SnapshotStore) -> None:
    filed_months.compact()
    old = filed_months.files.list("compacted/changes")
    refile(filed_months, MARCH[4])
    detect_changes(filed_months, MARCH[4])
    new = filed_months.files.list("compacted/changes")
    assert new[0] != old[0]
    assert new[1] == old[1]
    found = filed_months.changes(MARCH[4], MARCH[4]).to_pylist()
    assert "99" in {row["new_value"] for row in found}
    assert "model_removed" in {row["change"] for row in found}


def test_a_run_rolls_up_a_few_months_the_newest_first(
    versioned_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(SnapshotStore, "compact", lambda *_: None)
        for month in range(1, 6):
            for number in range(1, 9):
                file_records(versioned_store, [model_record()], date(2026, month, number))
    file_records(versioned_store, [model_record()], date(2026, 6, 1))
    assert months_on_file(versioned_store) == ["2026-03", "2026-04", "2026-05"]
    file_records(versioned_store, [model_record()], date(2026, 6, 1))
    assert months_on_file(versioned_store) == [f"2026-0{month}" for month in range(1, 6)]


def test_what_was_written_a_moment_ago_waits(
    local_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second write in one tick of the file system's clock could not be told from the first."""
    monkeypatch.setattr(time, "time", CLOCK)
    for day in [*MARCH, APRIL[0]]:
        file_records(local_store, [model_record()], day)
    assert months_on_file(local_store) == []
    for day in MARCH:
        os.utime(local_store.files.url(models_path(day)), (0, time.time() - 4))
    local_store.compact()
    assert months_on_file(local_store) == ["2026-03"]


def test_a_month_of_few_days_stays_as_it_is(filed_months: SnapshotStore) -> None:
    for day in MARCH[:3]:
        filed_months.files.delete(models_path(day))
    filed_months.compact()
    assert months_on_file(filed_months) == ["2026-04"]


def test_a_large_month_stays_as_it_is(filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(months, "_LARGEST_MONTH", 1_000)
    filed_months.compact()
    assert months_on_file(filed_months) == []


def test_a_change_of_the_form_makes_the_months_unknown(
    filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that writes months in another form gives them other fingerprints."""
    filed_months.compact()
    old = []
    for name in filed_months.files.list("compacted/models"):
        old.append(f"{name[:8]}{'0' * 32}.parquet")
        filed_months.files.put(
            f"compacted/models/{old[-1]}", filed_months.files.read(f"compacted/models/{name}")
        )
        filed_months.files.delete(f"compacted/models/{name}")
    assert days_read(filed_months, monkeypatch) == DAYS
    filed_months.compact()
    assert not set(filed_months.files.list("compacted/models")) & set(old)
    assert months_on_file(filed_months) == ["2026-03", "2026-04"]


def test_large_days_are_rolled_up_a_few_at_a_time(
    filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed_months)
    monkeypatch.setattr(months, "_BYTES_AT_A_TIME", 1)
    monkeypatch.setattr(months, "_ROW_GROUP", 2)
    monkeypatch.setattr(reading, "_BATCH_BYTES", 1)
    filed_months.compact()
    assert months_on_file(filed_months) == ["2026-03", "2026-04"]
    assert same(answers(filed_months), before)


def test_a_copy_that_keeps_the_times_keeps_the_months(
    two_months: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(two_months, tmp_path / "one")
    SnapshotStore(tmp_path / "one").compact()
    shutil.copytree(tmp_path / "one", tmp_path / "kept")
    assert days_read(SnapshotStore(tmp_path / "kept"), monkeypatch) == MAY[:3]
    shutil.copytree(tmp_path / "one", tmp_path / "lost", copy_function=shutil.copyfile)
    lost = SnapshotStore(tmp_path / "lost")
    assert days_read(lost, monkeypatch) == DAYS
    lost.compact()
    assert days_read(lost, monkeypatch) == MAY[:3]
    assert len(months_on_file(lost)) == 2


class Timeless(MemoryFileSystem):
    """Tells nothing of its files but their names and sizes."""

    cachable = False
    protocol = "timeless"

    def find(self, path: str, maxdepth: Any = None, withdirs: bool = False, detail: bool = False, **_: Any):
        found = super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
        told = {name: {"name": name, "size": said["size"]} for name, said in found.items()}
        return told if detail else list(told)


def test_where_a_rewrite_cannot_be_told_nothing_is_rolled_up(two_months: Path) -> None:
    store = SnapshotStore("/timeless", filesystem=Timeless())
    for path in two_months.rglob("*.parquet"):
        store.files.put(path.relative_to(two_months).as_posix(), path.read_bytes())
    store.compact()
    assert store.dates() == DAYS
    assert months_on_file(store) == []


@pytest.mark.soak
def test_years_of_many_models_are_one_scan_a_year(local_store: SnapshotStore) -> None:
    """Row groups, batches of months and the order of rows, at a size where they matter."""
    import polars as pl

    types = pl.DataFrame(arrow_schema().empty_table()).schema
    first = date(2024, 1, 1)
    for number in range(430):
        rows = [{"model_id": f"{n}", "name": f"m{n:03d}", "max_tokens": number} for n in range(60)]
        frame = pl.DataFrame(rows, schema=types)
        metadata = {"wire_shape": "documented"}
        data = serialise_models([frame], datetime(2024, 1, 1, tzinfo=UTC), metadata).data
        target = Path(local_store.files.url(models_path(first + timedelta(days=number))))
        target.parent.mkdir(parents=True)
        target.write_bytes(data)
    local_store.compact()
    assert len(months_on_file(local_store)) == 14
    table = local_store.history("2024-01-20", "2025-02-20", columns=["max_tokens", "name"])
    assert table.num_rows == 398 * 60
    assert table["max_tokens"].to_pylist() == [number for number in range(19, 417) for _ in range(60)]
    assert table["name"].to_pylist() == [f"m{n:03d}" for n in range(60)] * 398
    one = local_store.history(models=["m017"], columns=["max_tokens"])
    assert one["max_tokens"].to_pylist() == list(range(430))


def test_months_without_a_change_are_rolled_up(versioned_store: SnapshotStore) -> None:
    for day in [*MARCH, APRIL[0]]:
        assert (
            months_on_file(versioned_store) == months_on_file(versioned_store, "changes") == []
        )  # the month is not over
        file_records(versioned_store, [model_record()], day)
        detect_changes(versioned_store, day)
    assert months_on_file(versioned_store) == months_on_file(versioned_store, "changes") == ["2026-03"]
    assert versioned_store.changes().num_rows == versioned_store.changes_frame().height == 0


def test_a_compaction_logs_nothing_when_all_is_well(
    filed_months: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        filed_months.compact()
        answers(filed_months)
    assert not caplog.records
