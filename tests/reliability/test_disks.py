"""Disks that are full or read-only for real, folders of another user, a clock that was set back, odd sizes.

What needs root mounts a small tmpfs, and is skipped elsewhere.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import time_machine
from fsspec.implementations.memory import MemoryFileSystem

from helpers.records import model_record
from helpers.scripted_server import ScriptedServer, as_script, page_reply
from helpers.stores import (
    StoreBuilder,
    file_every_kind,
    file_records,
    files_below,
    make_check_run,
    model_row,
    nth_day,
    refused_record,
)
from io_intelligence_provider import (
    AlertRule,
    IOIntelligenceClient,
    SnapshotStore,
    detect_changes,
    export_prices,
    take_snapshot,
)
from io_intelligence_provider.alerts.send import send_pending
from io_intelligence_provider.catalog.pagination import Spool
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import QualityError, ResponseError, StorageError
from io_intelligence_provider.export import build_export, write_export
from io_intelligence_provider.quality.files import ParquetTarget
from io_intelligence_provider.quality.results_store import ResultHistory
from io_intelligence_provider.quality.uniqueness import Repeated
from io_intelligence_provider.store.layout import QuarantineFile
from io_intelligence_provider.store.models_file import ModelSorter

pytestmark = pytest.mark.long


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of four megabytes with a store in ``store``."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a tmpfs")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"this container cannot mount a tmpfs: {mounted.stderr.strip()}")
    try:
        file_every_kind(folder / "store")
        yield folder
    finally:
        subprocess.run(["/bin/umount", "--lazy", folder], check=True)


DAY = nth_day(3)
"""The latest day of the store."""


def write_snapshot(store: SnapshotStore) -> None:
    file_records(store, [model_record("new"), model_record("bad", status="?")], nth_day(4), fail_on="never")


def write_changes(store: SnapshotStore) -> None:
    detect_changes(store, DAY)


def write_result(store: SnapshotStore) -> None:
    now = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    ResultHistory.of(store.files).add(make_check_run(run_id="20260304T050607Z-0a1b2c3d", checked_at=now), "d")


def write_prices(store: SnapshotStore) -> None:
    write_export(build_export(store, "litellm"), f"{store.files.root}/prices.json")


def send_alerts(store: SnapshotStore) -> None:
    send_pending(store, [AlertRule("full")], {"a": lambda _: None}, DAY, "run")


def write_valid_rows(store: SnapshotStore) -> None:
    """As a task that checks other data does."""
    with ParquetTarget(f"{store.files.root}/valid.parquet") as target:
        target.write(pa.table({"a": [1]}))
        target.commit()


WRITERS = [write_snapshot, write_changes, write_result, write_prices, write_valid_rows, send_alerts]


def contents(root: Path) -> dict[str, bytes]:
    return {name: (root / name).read_bytes() for name in files_below(root)}


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_a_storage_error_and_nothing_is_half_written(disk: Path, write: Any) -> None:
    root = disk / "store"
    for folder in ("models", "quality", "quarantine", "changes", "alerts", "results"):
        # Folders exist, so that it is the file that finds no room.
        (root / folder / f"snapshot_date={nth_day(4)}").mkdir(exist_ok=True, parents=True)
    before = contents(root)
    filler = disk / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(StorageError, match=str(root)):
        write(SnapshotStore(root))
    assert contents(root) == before
    filler.unlink()
    write(SnapshotStore(root))
    assert before.keys() <= contents(root).keys()


@pytest.mark.parametrize("write", WRITERS)
def test_a_read_only_disk_is_a_storage_error(disk: Path, write: Any) -> None:
    root = disk / "store"
    before = contents(root)
    subprocess.run(["/bin/mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(StorageError, match=str(root)):
        write(SnapshotStore(root))
    assert contents(root) == before
    store = SnapshotStore(root)
    assert store.history().num_rows == 24  # readers need no place
    assert export_prices(store, "litellm")
    subprocess.run(["/bin/mount", "-o", "remount,rw", disk], check=True)
    write(SnapshotStore(root))


TEXT = secrets.token_hex(2 << 20)  # larger than what is left, and does not compress to less


def spool_pages() -> None:
    with closing(Spool()) as spool:
        spool.append([TEXT.encode()] * 3)
        list(spool.pages())


def sort_models() -> None:
    with ModelSorter(in_memory=0) as sorter:
        sorter.add(pl.DataFrame({"name": [TEXT], "model_id": "a"}))
        list(sorter.slices())


def refuse_records() -> None:
    with QuarantineFile("run", datetime(2026, 3, 4, tzinfo=UTC)) as quarantine:
        quarantine.add([refused_record("a", TEXT)])
        quarantine.finish()


def find_repeats() -> None:
    with Repeated("first", 1_000_000) as repeated:
        repeated.add(pl.select(row=pl.int_range(1_000_000), a=pl.int_range(1_000_000), b=0))
        repeated._spill()
        repeated.finish()


def write_remotely() -> None:
    with ParquetTarget("memory://disks/valid.parquet") as target:
        target.write(pa.table({"a": [TEXT]}))
        target.commit()


def read_remotely() -> None:
    store = SnapshotStore("memory://disks/store")
    file_records(store, [model_record("a", description=TEXT)], nth_day(4), fail_on="never")
    store.history()


TEMPORARY = [spool_pages, sort_models, refuse_records, find_repeats, write_remotely, read_remotely]


@pytest.mark.parametrize("use", TEMPORARY)
def test_a_full_folder_for_temporary_files_is_named(
    disk: Path, monkeypatch: pytest.MonkeyPatch, use: Any
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    before = files_below(disk)
    with pytest.raises(StorageError, match=rf"temporary file in {disk}: .*No space left.*TMPDIR"):
        use()
    assert files_below(disk) == before  # nothing is left


@pytest.mark.parametrize("use", TEMPORARY)
def test_without_any_folder_for_temporary_files_that_is_said(
    monkeypatch: pytest.MonkeyPatch, use: Any
) -> None:
    """As in a container whose root file system is read-only."""

    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setattr(MemoryFileSystem, "store", {})
    with pytest.raises(StorageError, match=r"temporary file in any folder: .*No usable.*TMPDIR"):
        use()


def test_a_store_on_disk_is_read_without_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_every_kind(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    assert SnapshotStore(tmp_path).history().num_rows == 24


# The interpreter may lie where nobody else may look, so everything is imported by a first use.
AS_NOBODY = """
import os, sys, tempfile
import fsspec
from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.errors import StorageError
with tempfile.TemporaryDirectory() as folder:
    file_records(SnapshotStore(folder), [model_record("a")], "2026-03-08")
    SnapshotStore(folder).read()
os.setgid(65534)
os.setuid(65534)
store = SnapshotStore(sys.argv[1])
for act in (store.read, lambda: file_records(store, [model_record("a")], "2026-03-09", fail_on="never")):
    try:
        print("done", act() and None)
    except StorageError as error:
        print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(0o000, ["StorageError", "StorageError"]), (0o555, ["done", "StorageError"]), (0o777, ["done", "done"])],
)
def test_an_ordinary_user_gets_what_the_modes_allow(
    tmp_path_factory: pytest.TempPathFactory, mode: int, expected: list[str]
) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can become another user")
    # Not below pytest's own folder, which only its user may enter.
    folder = Path("/dev/shm") / f"io-test-{os.getpid()}"  # noqa: S108
    root = folder / "store"
    try:
        StoreBuilder(root).file(0, model_row("a", input_token_price="1"))
        for path in [root, *root.rglob("*")]:
            path.chmod(mode | 0o444 if path.is_file() and mode else mode)
        run = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, root],
            env=os.environ
            | {"PYTHONPATH": str(Path(__file__).parents[1]), "HOME": "/", "TMPDIR": "/dev/shm"},  # noqa: S108
            capture_output=True,
            text=True,
            check=True,
        )
        said = run.stdout.splitlines()
        assert [line.split()[0].replace("UnreadableFileError", "StorageError") for line in said] == expected
        assert all(str(root) in line for line in said if not line.startswith("done"))
    finally:
        shutil.rmtree(folder)


def test_a_clock_that_was_set_back_loses_nothing(local_store: SnapshotStore) -> None:
    """A second run of a day seems older than the first, and the day after seems to come before it."""
    with time_machine.travel(datetime(2026, 3, 5, 12, tzinfo=UTC)):
        first = file_records(local_store, [model_record("a")], "2026-03-05")
    with time_machine.travel(datetime(2026, 3, 5, 9, tzinfo=UTC)):
        second = file_records(local_store, [model_record("a"), model_record("b")], "2026-03-05")
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC)):
        file_records(local_store, [model_record("b")], "2026-03-06")
        counts = detect_changes(local_store, "2026-03-06").counts
    assert first.snapshot_id != second.snapshot_id
    assert local_store.info("2026-03-05").snapshot_id == second.snapshot_id
    assert local_store.quality("2026-03-05").snapshot_id == second.snapshot_id
    assert counts["model_removed"] == 1
    assert local_store.dates() == [date(2026, 3, 5), date(2026, 3, 6)]
    assert local_store.read()["name"].to_pylist() == ["b"]


@pytest.mark.parametrize("count", [0, 1, 100, 101, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_catalogues_of_every_size(local_store: SnapshotStore, count: int) -> None:
    catalogue = FixedCatalogue(model_record(f"m{number:07}") for number in range(count))
    with (
        EmulatorServer(catalogue=catalogue) as server,
        IOIntelligenceClient(server.url, deadline=3600) as client,
    ):
        if not count:
            with pytest.raises(QualityError, match="not_empty"):
                take_snapshot(client, local_store, snapshot_date="2026-03-05")
            assert local_store.dates() == []
            return
        summary = take_snapshot(client, local_store, snapshot_date="2026-03-05")
        assert (summary.rows, summary.quarantined) == (count, 0)
        asked = len(server.state.requests())
        assert asked == min(-(-count // 100), 1000)  # the log keeps as many
    assert local_store.read(columns=["name"])["name"].to_pylist() == [f"m{n:07}" for n in range(count)]


def test_a_record_of_ten_megabytes_is_stored(local_store: SnapshotStore) -> None:
    read_catalogue(local_store, model_record("long", description="x" * 10_000_000), model_record("a"))
    kept = dict(zip(*local_store.read(columns=["name", "description"]).to_pydict().values(), strict=True))
    assert kept == {"long": "x" * 10_000_000, "a": None}


def test_ten_thousand_levels_are_a_typed_error(local_store: SnapshotStore) -> None:
    deep = json.dumps(model_record("deep"))[:-1].encode() + b',"deep":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    with pytest.raises(ResponseError, match="nested too deeply"):
        read_catalogue(local_store, deep, model_record("a"))
    assert local_store.dates() == []


def read_catalogue(store: SnapshotStore, *records: Any) -> None:
    server = ScriptedServer(as_script(page_reply(list(records))), "127.0.0.1", None)
    try:
        with IOIntelligenceClient(server.url) as client:
            take_snapshot(client, store, snapshot_date="2026-03-05", max_quarantine_share=1.0)
    finally:
        server.stop()
