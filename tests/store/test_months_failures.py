"""Tests roll-up with damaged, refused, changing or pruned files: daily files are read, no run fails."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers.months import (
    APRIL,
    MARCH,
    MAY,
    answers,
    days_read,
    months_on_file,
    refile,
    same,
)
from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider import detect_changes
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.store import SnapshotStore

pytestmark = [pytest.mark.usefixtures("settled"), pytest.mark.long]


@pytest.mark.parametrize("error", [StorageError("away"), OSError(28, "No space left"), KeyError("x")])
@pytest.mark.parametrize("step", ["put", "list"])
def test_a_failure_to_roll_up_fails_no_run(
    filed_months: SnapshotStore, caplog: Any, monkeypatch: Any, error: Exception, step: str
) -> None:
    real = getattr(filed_months.files, step)

    def fail(path: str, *rest: Any) -> Any:
        if path.startswith("compacted"):
            raise error
        return real(path, *rest)

    monkeypatch.setattr(filed_months.files, step, fail)
    refile(filed_months, MAY[3])
    detect_changes(filed_months)
    assert filed_months.dates()[-1] == MAY[3]
    assert caplog.text.count("months could not be rolled up") == 2
    monkeypatch.undo()
    assert months_on_file(filed_months) == []


def test_damaged_months_keep_no_older_one_from_its_turn(
    filed_months: SnapshotStore, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    filed_months.files.put(models_path(APRIL[4]), b"no parquet at all")
    filed_months.compact(1)
    assert months_on_file(filed_months) == ["2026-03"]
    assert "compacted/models/2026-04" in caplog.text


@pytest.mark.parametrize("step", ["list", "on_disk"])
def test_months_that_may_not_be_read_are_read_day_by_day(
    filed_months: SnapshotStore, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed_months)
    filed_months.compact()
    real = getattr(filed_months.files, step)

    def refuse(paths: Any, *rest: Any) -> Any:
        paths = paths if isinstance(paths, str) else list(paths)
        if "compacted" in str(paths):
            raise StorageError("Access Denied")
        return real(paths, *rest)

    monkeypatch.setattr(filed_months.files, step, refuse)
    assert same(answers(filed_months), before)


def test_a_damaged_day_is_named_and_its_month_left_alone(
    filed_months: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    filed_months.files.put(models_path(MARCH[4]), b"PAR1 no more")
    filed_months.compact()
    assert months_on_file(filed_months) == ["2026-04"]
    assert f"{MARCH[4]}/models.parquet is no readable Parquet file" in caplog.text
    with pytest.raises(StorageError, match=f"{MARCH[4]}/models.parquet is no readable"):
        filed_months.history()


@pytest.mark.parametrize("damage", ["empty", "no_parquet", "gone"])
def test_a_month_that_cannot_be_read_is_read_day_by_day(
    filed_months: SnapshotStore, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed_months)
    filed_months.compact()
    path = f"compacted/models/{filed_months.files.list('compacted/models')[0]}"
    if damage == "gone":  # after it was listed
        listed = filed_months.files.list
        names = {name: listed(name) for name in ("compacted/models", "compacted/changes")}
        monkeypatch.setattr(filed_months.files, "list", lambda folder: names.get(folder) or listed(folder))
        filed_months.files.delete(path)
    else:
        filed_months.files.put(path, b"" if damage == "empty" else b"no parquet at all")
    assert same(answers(filed_months), before)
    assert days_read(filed_months, monkeypatch) == [*MARCH, *MAY[:3]]


@pytest.mark.parametrize("column", ["snapshot_date", "name"])
def test_nulls_where_there_must_be_none_are_not_believed(filed_months: SnapshotStore, column: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    before, frame = filed_months.history(), filed_months.history_frame()
    filed_months.compact()
    path = f"compacted/models/{filed_months.files.list('compacted/models')[0]}"
    sink = pa.BufferOutputStream()
    pq.write_table(pq.read_table(filed_months.files.source(path)).drop_columns([column]), sink)
    filed_months.files.put(path, sink.getvalue().to_pybytes())
    assert filed_months.history().equals(before)
    assert filed_months.history_frame().equals(frame)


def test_what_is_written_meanwhile_is_not_rolled_up(
    filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = filed_months.files.put

    def overtaken(path: str, data: bytes) -> None:
        if path.startswith("compacted/models/2026-03"):
            with monkeypatch.context() as patched:
                patched.setattr(SnapshotStore, "compact", lambda *_: None)
                refile(filed_months, MARCH[4])
        put(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(filed_months.files, "put", overtaken)
        filed_months.compact()
    assert months_on_file(filed_months) == ["2026-04"]
    filed_months.compact()
    assert months_on_file(filed_months) == ["2026-03", "2026-04"]


def test_many_at_once_leave_one_file_a_month(filed_months: SnapshotStore) -> None:
    before, gate = answers(filed_months), threading.Barrier(4)

    def work(_: int) -> bool:
        gate.wait(30)
        SnapshotStore(filed_months.files.url("")).compact()
        return filed_months.history().equals(before[0])

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))
    assert months_on_file(filed_months) == months_on_file(filed_months, "changes") == ["2026-03", "2026-04"]
    assert same(answers(filed_months), before)


def test_prune_takes_the_months_of_what_it_deletes(
    versioned_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    first = today.replace(day=1) - timedelta(days=1)  # the last day of the month before
    filed = [first - timedelta(days=back) for back in range(20, -1, -1)]
    for day in [*filed, today]:
        file_records(versioned_store, [model_record()], day)
    assert months_on_file(versioned_store) == [first.isoformat()[:7]]
    versioned_store.prune(keep_days=(today - first).days + 9)
    assert months_on_file(versioned_store) == [first.isoformat()[:7]]
    assert versioned_store.history(columns=[])["snapshot_date"].to_pylist() == [*filed[-10:], today]
    assert days_read(versioned_store, monkeypatch) == [today]
    versioned_store.prune(keep_days=(today - first).days + 1)
    assert months_on_file(versioned_store) == []
    assert versioned_store.history(columns=[])["snapshot_date"].to_pylist() == [*filed[-2:], today]


def test_prune_leaves_nothing_behind_when_nothing_can_be_written(
    versioned_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    first = today.replace(day=1) - timedelta(days=1)
    for day in [*(first - timedelta(days=back) for back in range(20, -1, -1)), today]:
        file_records(versioned_store, [model_record()], day)
        detect_changes(versioned_store, day)
    assert (
        months_on_file(versioned_store)
        == months_on_file(versioned_store, "changes")
        == [first.isoformat()[:7]]
    )

    def full(*_: Any) -> None:
        raise StorageError("No space left on device")

    monkeypatch.setattr(versioned_store.files, "put", full)
    assert len(versioned_store.prune(keep_days=(today - first).days + 9)) == 11
    assert months_on_file(versioned_store) == months_on_file(versioned_store, "changes") == []


def test_prune_during_a_roll_up_leaves_nothing_behind(
    filed_months: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = filed_months.files.put

    def pruned(path: str, data: bytes) -> None:
        if path.startswith("compacted/models/2026-03"):
            filed_months.files.delete(models_path(MARCH[0]))
        real(path, data)

    monkeypatch.setattr(filed_months.files, "put", pruned)
    filed_months.compact()
    assert months_on_file(filed_months) == ["2026-04"]


def test_folders_that_are_not_ours_are_not_looked_into(local_store: SnapshotStore) -> None:
    file_records(local_store, [model_record()], MARCH[0])
    folder = Path(local_store.files.url("models"))
    (folder / "loop").symlink_to(folder / "loop")  # whoever looks into it gets an error
    assert local_store.dates() == [MARCH[0]]
    (folder / f"snapshot_date={MARCH[1]}").symlink_to(folder / f"snapshot_date={MARCH[1]}")
    assert local_store.dates() == [MARCH[0], MARCH[1]]  # one that is there and cannot be looked at
    with pytest.raises(StorageError, match=f"Could not read .*{MARCH[1]}"):
        local_store.read(MARCH[1])
    assert local_store.read(MARCH[0]).num_rows == 1
