"""Months rolled up: the same answers from fewer files, never those of files that stand no more."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.records import model_record, three_models
from helpers.stores import file_records
from io_intelligence_provider import detect_changes
from io_intelligence_provider.contract.columns import arrow_schema
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.store import months, reading
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.models_file import serialise_models
from io_intelligence_provider.store.store import SnapshotStore

MARCH, APRIL, MAY = (
    [date(2026, month, 1) + timedelta(days=number) for number in range(10)] for month in (3, 4, 5)
)
DAYS = [*MARCH, *APRIL, *MAY[:3]]


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written just now is old enough, but for the test that says otherwise."""
    monkeypatch.setattr(months, "_SETTLED_SECONDS", -60.0)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of ten days and three days of the next, with a change each day, never rolled up."""
    store = SnapshotStore(tmp_path_factory.mktemp("template"))
    for number, day in enumerate(DAYS):
        file_records(store, three_models(number), day)
        detect_changes(store, day)
    shutil.rmtree(store.files.url("compacted"), ignore_errors=True)
    return Path(store.files.url(""))


@pytest.fixture
def filed(template: Path, store: SnapshotStore) -> SnapshotStore:
    """The same, on disk and in memory."""
    for path in sorted(template.rglob("*")):
        if path.is_file():
            store.files.put(path.relative_to(template).as_posix(), path.read_bytes())
    return store


def answers(store: SnapshotStore) -> list[Any]:
    """Return what does not depend on how it is read."""
    return [
        store.history(),
        store.history("2026-03-05", "2026-04-03", models=["a"]),
        store.history("2026-03-05", "2026-03-05", columns=["tags", "input_token_price"]),
        store.history(end="2026-03-10", columns=[]),
        store.history("2026-04-01", models=["zai-org/GLM", "nobody"], columns=["input_token_price"]),
        store.history_frame("2026-03-10"),
        store.changes(),
        store.changes("2026-03-09", "2026-04-01"),
        store.changes_frame(),
        store.periods(),
        store.price_at("zai-org/GLM", "2026-03-07"),
    ]


def months_on_file(store: SnapshotStore, part: str = "models") -> list[str]:
    return [name[:7] for name in store.files.list(f"compacted/{part}")]


def read_by_day(store: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """Return the days whose own file a history reads."""
    found: list[date] = []
    real = reading._Reading._days

    def noted(self: Any, asked: Any) -> Any:
        asked = list(asked)
        found.extend(day for day, _ in asked)
        return real(self, asked)

    with monkeypatch.context() as patched:
        patched.setattr(reading._Reading, "_days", noted)
        store.history(columns=["name"])
    return found


def refile(store: SnapshotStore, day: date, price: str = "99") -> None:
    file_records(store, [model_record("zai-org/GLM", {"input_token_price": price})], day, fail_on="never")


def same(one: list[Any], other: list[Any]) -> bool:
    return all(
        mine.equals(others) if hasattr(mine, "equals") else mine == others
        for mine, others in zip(one, other, strict=True)
    )


def test_the_answers_are_the_same_and_come_from_months(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed)
    assert read_by_day(filed, monkeypatch) == DAYS
    filed.compact()
    assert months_on_file(filed) == months_on_file(filed, "changes") == ["2026-03", "2026-04"]
    assert read_by_day(filed, monkeypatch) == MAY[:3]
    assert same(answers(filed), before)
    assert filed.history().schema.equals(before[0].schema, check_metadata=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
def both(template: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SnapshotStore, SnapshotStore]:
    root = tmp_path_factory.mktemp("both") / "store"
    shutil.copytree(template, root)
    rolled_up = SnapshotStore(root)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(months, "_SETTLED_SECONDS", -60.0)
        rolled_up.compact()
    assert months_on_file(rolled_up) == ["2026-03", "2026-04"]
    return rolled_up, SnapshotStore(template)


def test_engines_still_read_the_snapshots_by_path(filed: SnapshotStore) -> None:
    filed.compact()
    if filed.files.is_local:
        import polars as pl

        assert pl.read_parquet(f"{filed.files.url('models')}/**/*.parquet").height == 3 * len(DAYS)


def test_a_day_filed_again_is_read_at_once_and_its_month_rolled_up_anew(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed.compact()
    old = filed.files.list("compacted/models")
    monkeypatch.setattr(SnapshotStore, "compact", lambda *_: None)
    refile(filed, MARCH[4])
    assert read_by_day(filed, monkeypatch) == [*MARCH, *MAY[:3]]
    prices = filed.history(MARCH[4], MARCH[4], columns=["input_token_price"])["input_token_price"]
    assert prices.to_pylist() == [Decimal(99)]
    expected = answers(filed)
    monkeypatch.undo()
    monkeypatch.setattr(months, "_SETTLED_SECONDS", -60.0)
    filed.compact()
    new = filed.files.list("compacted/models")
    assert months_on_file(filed) == ["2026-03", "2026-04"]
    assert new[0] != old[0]
    assert new[1] == old[1]
    assert same(answers(filed), expected)
    assert read_by_day(filed, monkeypatch) == MAY[:3]


def test_a_day_added_or_deleted_makes_its_month_unknown(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed.compact()
    filed.files.delete(models_path(APRIL[2]))
    assert [day for day in DAYS if day != APRIL[2]] == sorted(
        set(filed.history(columns=["name"])["snapshot_date"].to_pylist())
    )
    refile(filed, date(2026, 3, 31))
    assert months_on_file(filed) == ["2026-03", "2026-04"]
    assert date(2026, 3, 31) in filed.history(columns=["name"])["snapshot_date"].to_pylist()
    assert read_by_day(filed, monkeypatch) == MAY[:3]


def test_runs_roll_up_what_they_close(filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> None:
    refile(filed, MAY[3])
    assert months_on_file(filed) == ["2026-03", "2026-04"]
    for part in ("models", "changes"):
        filed.files.delete_tree(f"compacted/{part}")
    detect_changes(filed)
    assert months_on_file(filed, "changes") == ["2026-03", "2026-04"]
    assert filed.changes()["snapshot_date"].to_pylist()[-1] == MAY[3]


def test_changes_found_again_are_rolled_up_again(filed: SnapshotStore) -> None:
    filed.compact()
    old = filed.files.list("compacted/changes")
    refile(filed, MARCH[4])
    detect_changes(filed, MARCH[4])
    new = filed.files.list("compacted/changes")
    assert new[0] != old[0]
    assert new[1] == old[1]
    found = filed.changes(MARCH[4], MARCH[4]).to_pylist()
    assert "99" in {row["new_value"] for row in found}
    assert "model_removed" in {row["change"] for row in found}


@pytest.mark.parametrize("error", [StorageError("away"), OSError(28, "No space left"), KeyError("x")])
@pytest.mark.parametrize("step", ["put", "list"])
def test_a_failure_to_roll_up_fails_no_run(
    filed: SnapshotStore, caplog: Any, monkeypatch: Any, error: Exception, step: str
) -> None:
    real = getattr(filed.files, step)

    def fail(path: str, *rest: Any) -> Any:
        if path.startswith("compacted"):
            raise error
        return real(path, *rest)

    monkeypatch.setattr(filed.files, step, fail)
    refile(filed, MAY[3])
    detect_changes(filed)
    assert filed.dates()[-1] == MAY[3]
    assert caplog.text.count("months could not be rolled up") == 2
    monkeypatch.undo()
    assert months_on_file(filed) == []


def test_a_run_rolls_up_a_few_months_the_newest_first(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(SnapshotStore, "compact", lambda *_: None)
        for month in range(1, 6):
            for number in range(1, 9):
                file_records(store, [model_record()], date(2026, month, number))
    file_records(store, [model_record()], date(2026, 6, 1))
    assert months_on_file(store) == ["2026-03", "2026-04", "2026-05"]
    file_records(store, [model_record()], date(2026, 6, 1))
    assert months_on_file(store) == [f"2026-0{month}" for month in range(1, 6)]


def test_damaged_months_keep_no_older_one_from_its_turn(
    filed: SnapshotStore, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr("io_intelligence_provider.store.store._MONTHS_A_RUN", 1)
    filed.files.put(models_path(APRIL[4]), b"no parquet at all")
    refile(filed, MAY[3])
    assert months_on_file(filed) == ["2026-03"]
    assert "compacted/models/2026-04" in caplog.text


def test_what_was_written_a_moment_ago_waits(
    local_store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second write in one tick of the file system's clock could not be told from the first."""
    monkeypatch.setattr(months, "_SETTLED_SECONDS", 3.0)
    for day in [*MARCH, APRIL[0]]:
        file_records(local_store, [model_record()], day)
    assert months_on_file(local_store) == []
    for day in MARCH:
        os.utime(local_store.files.url(models_path(day)), (0, time.time() - 4))
    local_store.compact()
    assert months_on_file(local_store) == ["2026-03"]


@pytest.mark.parametrize("step", ["list", "on_disk"])
def test_months_that_may_not_be_read_are_read_day_by_day(
    filed: SnapshotStore, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed)
    filed.compact()
    real = getattr(filed.files, step)

    def refuse(paths: Any, *rest: Any) -> Any:
        paths = paths if isinstance(paths, str) else list(paths)
        if "compacted" in str(paths):
            raise StorageError("Access Denied")
        return real(paths, *rest)

    monkeypatch.setattr(filed.files, step, refuse)
    assert same(answers(filed), before)


def test_a_damaged_day_is_named_and_its_month_left_alone(
    filed: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    filed.files.put(models_path(MARCH[4]), b"PAR1 no more")
    filed.compact()
    assert months_on_file(filed) == ["2026-04"]
    assert f"{MARCH[4]}/models.parquet is no readable Parquet file" in caplog.text
    with pytest.raises(StorageError, match=f"{MARCH[4]}/models.parquet is no readable"):
        filed.history()


@pytest.mark.parametrize("damage", ["empty", "no_parquet", "gone"])
def test_a_month_that_cannot_be_read_is_read_day_by_day(
    filed: SnapshotStore, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed)
    filed.compact()
    path = f"compacted/models/{filed.files.list('compacted/models')[0]}"
    if damage == "gone":  # after it was listed
        listed = filed.files.list
        names = {name: listed(name) for name in ("compacted/models", "compacted/changes")}
        monkeypatch.setattr(filed.files, "list", lambda folder: names.get(folder) or listed(folder))
        filed.files.delete(path)
    else:
        filed.files.put(path, b"" if damage == "empty" else b"no parquet at all")
    assert same(answers(filed), before)
    assert read_by_day(filed, monkeypatch) == [*MARCH, *MAY[:3]]


@pytest.mark.parametrize("column", ["snapshot_date", "name"])
def test_nulls_where_there_must_be_none_are_not_believed(filed: SnapshotStore, column: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    before, frame = filed.history(), filed.history_frame()
    filed.compact()
    path = f"compacted/models/{filed.files.list('compacted/models')[0]}"
    sink = pa.BufferOutputStream()
    pq.write_table(pq.read_table(filed.files.source(path)).drop_columns([column]), sink)
    filed.files.put(path, sink.getvalue().to_pybytes())
    assert filed.history().equals(before)
    assert filed.history_frame().equals(frame)


def test_what_is_written_meanwhile_is_not_rolled_up(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = months.DailyFiles._serialised

    def overtaken(self: Any, month: Any) -> bytes:
        data: bytes = real(self, month)
        with monkeypatch.context() as patched:
            patched.setattr(SnapshotStore, "compact", lambda *_: None)
            if month.days[0][0] == MARCH[0] and "models" in month.path:
                refile(filed, MARCH[4])
        return data

    with monkeypatch.context() as patched:
        patched.setattr(months.DailyFiles, "_serialised", overtaken)
        filed.compact()
    assert months_on_file(filed) == ["2026-04"]
    filed.compact()
    assert months_on_file(filed) == ["2026-03", "2026-04"]


def test_many_at_once_leave_one_file_a_month(filed: SnapshotStore) -> None:
    before, gate = answers(filed), threading.Barrier(4)

    def work(_: int) -> bool:
        gate.wait(30)
        SnapshotStore(filed.files.url("")).compact()
        return filed.history().equals(before[0])

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(4)))
    assert months_on_file(filed) == months_on_file(filed, "changes") == ["2026-03", "2026-04"]
    assert same(answers(filed), before)


def test_prune_takes_the_months_of_what_it_deletes(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    first = today.replace(day=1) - timedelta(days=1)  # the last day of the month before
    filed = [first - timedelta(days=back) for back in range(20, -1, -1)]
    for day in [*filed, today]:
        file_records(store, [model_record()], day)
    assert months_on_file(store) == [first.isoformat()[:7]]
    store.prune(keep_days=(today - first).days + 9)
    assert months_on_file(store) == [first.isoformat()[:7]]
    assert store.history(columns=[])["snapshot_date"].to_pylist() == [*filed[-10:], today]
    assert read_by_day(store, monkeypatch) == [today]
    store.prune(keep_days=(today - first).days + 1)
    assert months_on_file(store) == []
    assert store.history(columns=[])["snapshot_date"].to_pylist() == [*filed[-2:], today]


def test_prune_leaves_nothing_behind_when_nothing_can_be_written(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    first = today.replace(day=1) - timedelta(days=1)
    for day in [*(first - timedelta(days=back) for back in range(20, -1, -1)), today]:
        file_records(store, [model_record()], day)
        detect_changes(store, day)
    assert months_on_file(store) == months_on_file(store, "changes") == [first.isoformat()[:7]]

    def full(*_: Any) -> None:
        raise StorageError("No space left on device")

    monkeypatch.setattr(store.files, "put", full)
    assert len(store.prune(keep_days=(today - first).days + 9)) == 11
    assert months_on_file(store) == months_on_file(store, "changes") == []


def test_prune_during_a_roll_up_leaves_nothing_behind(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = filed.files.put

    def pruned(path: str, data: bytes) -> None:
        if path.startswith("compacted/models/2026-03"):
            filed.files.delete(models_path(MARCH[0]))
        real(path, data)

    monkeypatch.setattr(filed.files, "put", pruned)
    filed.compact()
    assert months_on_file(filed) == ["2026-04"]


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


@pytest.mark.parametrize(("name", "value"), [("_FEWEST_DAYS", 11), ("_LARGEST_MONTH", 1_000)])
def test_what_gains_nothing_stays_as_it_is(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(months, name, value)
    filed.compact()
    assert months_on_file(filed) == []


def test_a_change_of_the_form_makes_the_months_unknown(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed.compact()
    old = filed.files.list("compacted/models")
    monkeypatch.setattr(months, "_FORMAT", 2)
    assert read_by_day(filed, monkeypatch) == DAYS
    filed.compact()
    assert not set(filed.files.list("compacted/models")) & set(old)
    assert months_on_file(filed) == ["2026-03", "2026-04"]


def test_large_days_are_rolled_up_a_few_at_a_time(
    filed: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(filed)
    monkeypatch.setattr(months, "_PIECE_BYTES", 1)
    monkeypatch.setattr(months, "_ROW_GROUP", 2)
    monkeypatch.setattr(reading, "_BATCH_BYTES", 1)
    filed.compact()
    assert months_on_file(filed) == ["2026-03", "2026-04"]
    assert same(answers(filed), before)


def test_a_copy_that_keeps_the_times_keeps_the_months(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(template, tmp_path / "one")
    SnapshotStore(tmp_path / "one").compact()
    shutil.copytree(tmp_path / "one", tmp_path / "kept")
    assert read_by_day(SnapshotStore(tmp_path / "kept"), monkeypatch) == MAY[:3]
    shutil.copytree(tmp_path / "one", tmp_path / "lost", copy_function=shutil.copyfile)
    lost = SnapshotStore(tmp_path / "lost")
    assert read_by_day(lost, monkeypatch) == DAYS
    lost.compact()
    assert read_by_day(lost, monkeypatch) == MAY[:3]
    assert len(months_on_file(lost)) == 2


class Timeless(MemoryFileSystem):
    """Tells nothing of its files but their names and sizes."""

    cachable = False
    protocol = "timeless"

    def find(self, path: str, maxdepth: Any = None, withdirs: bool = False, detail: bool = False, **_: Any):
        found = super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=True)
        told = {name: {"name": name, "size": said["size"]} for name, said in found.items()}
        return told if detail else list(told)


def test_where_a_rewrite_cannot_be_told_nothing_is_rolled_up(template: Path) -> None:
    store = SnapshotStore("/timeless", filesystem=Timeless())
    for path in template.rglob("*.parquet"):
        store.files.put(path.relative_to(template).as_posix(), path.read_bytes())
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


def test_months_without_a_change_are_rolled_up(store: SnapshotStore) -> None:
    for day in [*MARCH, APRIL[0]]:
        assert months_on_file(store) == months_on_file(store, "changes") == []  # the month is not over
        file_records(store, [model_record()], day)
        detect_changes(store, day)
    assert months_on_file(store) == months_on_file(store, "changes") == ["2026-03"]
    assert store.changes().num_rows == store.changes_frame().height == 0


def test_a_compaction_logs_nothing_when_all_is_well(
    filed: SnapshotStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        filed.compact()
        answers(filed)
    assert not caplog.records
