"""Tests hostile ids, names and paths in files: none leads out of the root or to another run's file."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider import SnapshotStore, detect_changes
from io_intelligence_provider.alerts.digest import Digest, RuleAlerts
from io_intelligence_provider.alerts.ledger import last_notified, record_sent
from io_intelligence_provider.changes.days import Day
from io_intelligence_provider.errors import IOIntelligenceError, StorageError
from io_intelligence_provider.quality.result import is_run_id, new_run_id
from io_intelligence_provider.quality.results_store import ResultHistory
from io_intelligence_provider.store.check_runs import catalogue_runs
from io_intelligence_provider.store.layout import models_path, quality_path, quarantine_path

pytestmark = pytest.mark.long

FIRST, DAY = "2026-01-01", "2026-01-02"
OUT = "../../../victim"
HOSTILE = [
    OUT,
    "../../victim",
    "../victim",
    "..",
    ".",
    "",
    "a/b",
    "/etc/victim",
    f"../snapshot_date={FIRST}/{{first}}",
    "..\\..\\victim",
    "x\0y",
    "x\ny",
    "\x7f",
    "memory://victim",
    "C:victim",
    "~",
    "%2e%2e%2fvictim",
    "*",
    "[a]",
    "x y",
    "é",
    "٣",
    "\ud800".encode("utf-8", "surrogatepass"),
    b"\xff",
    "x" * 101,
    ".hidden",
    "x.json",
    "-x",
]
names = pytest.mark.parametrize(
    "hostile",
    [OUT, f"../snapshot_date={FIRST}/{{first}}", "", "a/b", "/etc/victim", b"\xff"],
    ids=["out", "other day", "blank", "folder", "absolute", "bytes"],
)
"""Those that do different things; every other one is refused in the same place."""


def tampered(store: SnapshotStore, day: str, snapshot_id: str | bytes, key: str = "snapshot_id") -> None:
    """Let the models file of a day claim another id."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = models_path(date.fromisoformat(day))
    table = pq.read_table(pa.BufferReader(store.files.read(path)))
    claimed = snapshot_id if isinstance(snapshot_id, bytes) else snapshot_id.encode()
    metadata = {**(table.schema.metadata or {}), f"io_intelligence.{key}".encode(): claimed}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    store.files.put(path, sink.getvalue().to_pybytes())


def everything(store: SnapshotStore) -> dict[str, bytes]:
    """Return each file of the world around the store, by its full name."""
    if store.files.is_local:
        around = Path(store.files.url("")).parent
        return {str(path): path.read_bytes() for path in around.rglob("*") if path.is_file()}
    # A process has one such file system: stores of other tests may lie in it.
    return {
        path: entry.getvalue()
        for path, entry in store.files._fs.store.items()
        if path.startswith(store.files._base) or "victim" in path
    }


@pytest.fixture
def world(store: SnapshotStore) -> SnapshotStore:
    """Two days with artifacts, and victims wherever a hostile id may lead."""
    records = [model_record("a"), model_record("b"), model_record("c", status="?")]
    for day in (FIRST, DAY):
        file_records(store, records, day, max_quarantine_share=1)
    root = store.files.url("") if store.files.is_local else store.files._base
    places = [f"{root}/{part}/snapshot_date={DAY}/{OUT}" for part in ("quality", "quarantine")]
    places += [f"{root}/victim", f"{root}/../victim", f"{root}/quality/victim"]
    report = replace(store.quality(), source_url="https://stolen.example").to_json().encode()
    for place in places:
        for suffix in ("json", "html", "parquet"):
            full = f"{os.path.normpath(place) if store.files.is_local else place}.{suffix}"
            store.files._fs.pipe_file(full, report if suffix == "json" else b"victim")
    return store


def claimed_by(hostile: str | bytes, world: SnapshotStore) -> str | bytes:
    return hostile.format(first=world.info(FIRST).snapshot_id) if isinstance(hostile, str) else hostile


READERS: dict[str, Callable[[SnapshotStore], Any]] = {
    "info": lambda store: store.info(DAY),
    "quality": lambda store: store.quality(DAY),
    "quarantine": lambda store: store.quarantine(DAY, DAY),
    "changes": lambda store: detect_changes(store, DAY),
    "against": lambda store: detect_changes(store, DAY, FIRST),
    "day": lambda store: Day.open(store, date.fromisoformat(DAY)),
}


@names
def test_reading_says_which_file_it_is(world: SnapshotStore, hostile: str | bytes) -> None:
    tampered(world, DAY, claimed_by(hostile, world))
    before = everything(world)
    for name, read in READERS.items():
        with pytest.raises(
            StorageError, match=rf"snapshot_date={DAY}/models\.parquet.*no id of a run"
        ) as failed:
            read(world)
        assert "stolen" not in str(failed.value), name
    # Its rows are as good as ever, and the reports of all runs are found by themselves.
    assert world.read(DAY).num_rows == 2
    assert world.history().num_rows == 4
    assert world.price_at("a", DAY).input == 1
    assert [run.source_url for run in world.runs()] == ["https://host/api/v1/models"] * 2
    assert everything(world) == before


@names
def test_a_rerun_replaces_the_file_and_deletes_nothing(world: SnapshotStore, hostile: str | bytes) -> None:
    tampered(world, DAY, claimed_by(hostile, world))
    before = everything(world)
    again = file_records(world, [model_record("a"), model_record("b")], DAY, max_quarantine_share=1)
    after = everything(world)
    assert world.info(DAY).snapshot_id == world.quality(DAY).snapshot_id == again.snapshot_id
    replaced = {path for path in before if after.get(path) != before[path]}
    assert {path.rpartition("/")[2] for path in replaced} == {"models.parquet"}
    assert len(replaced) == 1
    assert detect_changes(world, DAY).snapshot_date == date.fromisoformat(DAY)


def test_a_later_day_is_filed_beside_it(world: SnapshotStore, caplog: Any) -> None:
    tampered(world, DAY, OUT)
    before = everything(world)
    assert file_records(world, [model_record("a"), model_record("b")], "2026-01-03").outcome == "passed"
    assert "no id of a run" in caplog.text
    assert before.items() <= everything(world).items()


@names
@pytest.mark.usefixtures("settled")
def test_pruning_rolling_up_and_sweeping_keep_to_the_root(world: SnapshotStore, hostile: str | bytes) -> None:
    tampered(world, DAY, claimed_by(hostile, world))
    victims = {path: data for path, data in everything(world).items() if "victim" in path}
    world.compact()
    world.files.sweep()
    file_records(world, [model_record("a"), model_record("b")], datetime.now(UTC).date())
    assert world.prune(keep_days=30) == [date.fromisoformat(FIRST), date.fromisoformat(DAY)]
    left = everything(world)
    # The ones that lie in a day, not beside it, go with the day.
    gone = {path for path in victims if path not in left}
    assert all(f"/snapshot_date={DAY}/../" in path for path in gone)
    assert {path: left[path] for path in victims if path not in gone} == {
        path: data for path, data in victims.items() if path not in gone
    }
    assert world.files.is_local is False or not gone


@pytest.mark.parametrize("hostile", [OUT, f"../snapshot_date={FIRST}/{{first}}", "", "a/b", "/etc/victim"])
def test_a_report_with_such_an_id_is_none(
    world: SnapshotStore, hostile: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = quality_path(date.fromisoformat(DAY), world.info(DAY).snapshot_id)
    report = json.loads(world.files.read(path)) | {"snapshot_id": claimed_by(hostile, world)}
    world.files.put(path, json.dumps(report).encode())
    with pytest.raises(StorageError, match="no quality report"):
        world.quality(DAY)
    assert [run.snapshot_date for run in world.runs()] == [date.fromisoformat(FIRST)]
    assert "no quality report" in caplog.text
    assert len(catalogue_runs(world)) == 1


def test_such_an_id_names_no_file(world: SnapshotStore) -> None:
    day, before = date.fromisoformat(DAY), everything(world)
    history, run = ResultHistory.of(world.files), world.quality(DAY)
    for hostile in HOSTILE:
        text = hostile if isinstance(hostile, str) else hostile.decode("utf-8", "replace")
        assert not is_run_id(text)
        named = replace(run, run_id=text)
        acts: list[Callable[[], Any]] = [
            partial(quality_path, day, text),
            partial(quarantine_path, day, text),
            partial(history.add, named),
            partial(history.run, text, "orders"),
        ]
        for act in acts:
            with pytest.raises(StorageError, match="no id of a run"):
                act()
        tampered(world, DAY, hostile)
        with pytest.raises(StorageError, match=r"models\.parquet.*no id of a run"):
            world.info(DAY)
        tampered(world, DAY, world.quality(FIRST).snapshot_id)
    assert {path for path, data in everything(world).items() if data != before.get(path)} == {
        path for path in before if path.endswith(f"{DAY}/models.parquet")
    }


def test_the_ids_that_are_written_are_ids() -> None:
    assert is_run_id(new_run_id(datetime.now(UTC)))
    for other in ("20260630T000012Z-1f2e3d4c", "0a1b2c", "run_7", "5E1F-x"):
        assert is_run_id(other)
    assert not is_run_id(None)
    assert not is_run_id(7)


PATHS = [
    "../victim",
    "a/../../victim",
    "..",
    ".",
    "a/./b",
    "a/..",
    "/victim",
    "a//b",
    "a/",
    "a\\b",
    "a\0b",
    "a\nb",
    "a b",
    "memory://victim",
    "C:/victim",
    "~/victim",
    "a/*/b",
    "x" * 256,
    "é",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda value: ascii(value)[:20])
def test_no_path_leaves_the_root(store: SnapshotStore, tmp_path: Path, path: str) -> None:
    files = store.files
    files.put("a/b", b"x")
    files._fs.pipe_file(f"{files._base}/../victim", b"x")
    before = everything(store)
    acts: list[Callable[[], Any]] = [
        partial(act, path)
        for act in (
            files.read, files.source, files.exists, files.list, files.details, files.in_folders,
            files.delete, files.delete_tree, files.url,
        )
    ]  # fmt: skip
    acts += [
        partial(files.put, path, b"y"),
        partial(files.create, path, b"y"),
        partial(files.folders_with, "models.parquet", path, bool),
        lambda: list(files.read_many([path])),
        lambda: list(files.on_disk([path], tmp_path)),
    ]
    for act in acts:
        with pytest.raises(StorageError, match="no path of a store"):
            act()
    assert everything(store) == before


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_link_is_deleted_and_what_lies_behind_it_is_not(tmp_path: Path, kind: str) -> None:
    """Links are followed otherwise: who administers the disk may keep a part elsewhere."""
    root, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "victim").write_text("x")
    store = SnapshotStore(root)
    file_records(store, [model_record()], datetime.now(UTC).date())
    target = elsewhere if kind == "folder" else elsewhere / "victim"
    (root / "quality" / f"snapshot_date={FIRST}").symlink_to(target)
    store.prune(keep_days=10)
    assert (elsewhere / "victim").read_text() == "x"
    assert not (root / "quality" / f"snapshot_date={FIRST}").is_symlink()


def test_a_part_that_lies_elsewhere_by_a_link_works(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "models").symlink_to(tmp_path / "large")
    store = SnapshotStore(tmp_path / "store")
    first = file_records(store, [model_record("a")])
    second = file_records(store, [model_record("a")])
    assert first.snapshot_id != second.snapshot_id == store.quality().snapshot_id
    assert list((tmp_path / "large").rglob("models.parquet"))


def test_the_sweep_deletes_only_what_a_writer_left(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    file_records(store, [model_record()])
    (tmp_path / "target").write_text("x")
    left = [".mine.tmp", ".a.b.tmp", ".x.1-zz.tmp"]
    for name in left:
        (tmp_path / name).write_text("x")
    (tmp_path / ".dir.1-ab.tmp").mkdir()
    (tmp_path / ".link.1-ab.tmp").symlink_to(tmp_path / "target")
    (tmp_path / ".old.1-ab.tmp").write_text("x")
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0), follow_symlinks=False)
    store.files.sweep()
    assert not (tmp_path / ".old.1-ab.tmp").exists()
    assert sorted(path.name for path in tmp_path.glob(".*")) == sorted(
        [*left, ".dir.1-ab.tmp", ".link.1-ab.tmp"]
    )
    assert (tmp_path / "target").exists()


def test_the_sweep_passes_over_a_file_that_its_writer_has_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / ".old.1-ab.tmp"
    old.write_text("x")
    os.utime(old, (0, 0))
    monkeypatch.setattr(Path, "glob", lambda folder, _: iter([folder / ".moved.1-ab.tmp", old]))
    SnapshotStore(tmp_path).files.sweep()
    assert not old.exists()


@pytest.mark.usefixtures("settled")
def test_rolling_up_deletes_months_only(store: SnapshotStore) -> None:
    file_records(store, [model_record()])
    for name in ("mine.parquet", "2026-01.parquet", f"2025-12-{'a' * 32}.parquet"):
        store.files.put(f"compacted/models/{name}", b"x")
    store.compact()
    if not store.files.supports_versions:
        pytest.skip("this fsspec's memory has no versions, so nothing is rolled up")
    assert store.files.list("compacted/models") == ["2026-01.parquet", "mine.parquet"]


FOREIGN = ["a b.json", "é.json", "a\\b.json", "a:b.json", "x\ny.json", "..json "]


def test_foreign_names_are_passed_over(store: SnapshotStore) -> None:
    file_records(store, [model_record()])
    base = store.files._base
    for name in FOREIGN:
        for folder in (
            f"quality/snapshot_date={DAY}",
            "quality",
            "models",
            "alerts",
            f"alerts/snapshot_date={DAY}",
        ):
            store.files._fs.makedirs(f"{base}/{folder}", exist_ok=True)
            store.files._fs.pipe_file(f"{base}/{folder}/{name}", b"{}")
    before = everything(store)
    assert len(store.runs()) == 1
    assert [str(day) for day in store.dates()] == [DAY]
    assert last_notified(store, "rule", "notifier", date.fromisoformat(DAY)) == []
    file_records(store, [model_record()])
    assert before.keys() - everything(store).keys() == {
        path for path in before if path.rpartition("/")[2].startswith("2026") and "quarantine" in path
    } | {path for path in before if f"quality/snapshot_date={DAY}/2026" in path}


@pytest.mark.parametrize("name", ["../../../victim", "/victim", "a\0b", "", "x" * 5_000])
def test_names_of_rules_notifiers_and_runs_become_no_path(store: SnapshotStore, name: str) -> None:
    digest = Digest(date.fromisoformat(DAY), "id", "documented", (RuleAlerts(name, (), None),))
    (path,) = record_sent(store, digest, name, name)
    folder, _, file = path.rpartition("/")
    assert folder == f"alerts/snapshot_date={DAY}"
    assert store.files.list(folder) == [file]


@pytest.mark.parametrize("name", ["../../../victim", "/victim", "x" * 5_000, "é/\\", ".."])
def test_names_of_data_sets_become_no_path(world: SnapshotStore, name: str) -> None:
    history = ResultHistory.of(world.files)
    run = world.quality(DAY)
    assert history.add(run, name).startswith(world.files.url("results"))
    assert history.run(run.run_id, name).run_id == run.run_id
    assert [found.dataset for found in history.runs(name)] == [name]
    assert len(history.runs()) == 1


def test_a_future_day_of_a_ledger_names_its_own_folder(store: SnapshotStore) -> None:
    """A file of the ledger tells days; they are dates before they are anything else."""
    digest = Digest(date.fromisoformat(DAY), "id", "documented", (RuleAlerts("r", (), None),))
    (path,) = record_sent(store, digest, "n", "run")
    told = {
        "model_id": "m", "name": "n", "change": "price_changed", "field": "x", "value": "1",
        "snapshot_date": "../../victim", "wire_shape": "documented", "sent_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    content = json.loads(store.files.read(path)) | {"told": [told]}
    store.files.put(path, json.dumps(content).encode())
    with pytest.raises(IOIntelligenceError, match="no file of the ledger"):
        last_notified(store, "r", "n", date.fromisoformat(DAY))
    assert last_notified(store, "r", "n", date.fromisoformat(DAY) + timedelta(days=1)) == []


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
