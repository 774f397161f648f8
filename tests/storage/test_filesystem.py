"""Tests files on disk and on fsspec file systems: written completely or not at all, by many writers."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem
from moto.server import ThreadedMotoServer

from helpers.records import model_record
from helpers.stores import file_records, files_below
from io_intelligence_provider import detect_changes
from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.local import PendingFile
from io_intelligence_provider.store.store import SnapshotStore


class Recorder(MemoryFileSystem):
    """A memory file system of its own, with a log of its writes and failures on order."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict = {}
        self.pseudo_dirs: list[str] = [""]
        self.log: list[tuple[str, ...]] = []
        self.fail_at: dict[str, int] = {}

    def _step(self, verb: str, *paths: str) -> None:
        self.log.append((verb, *paths))
        if self.fail_at.get(verb) == sum(entry[0] == verb for entry in self.log):
            raise OSError(f"the network is gone at {verb}")

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        self._step("pipe_file", path)
        super().pipe_file(path, value, mode=mode, **kwargs)

    def cat_file(self, path, start=None, end=None, **kwargs):
        self._step("cat_file", path)
        return super().cat_file(path, start=start, end=end, **kwargs)

    def info(self, path, **kwargs):
        self._step("info", path)
        return super().info(path, **kwargs)

    def ls(self, path, detail=True, **kwargs):
        self._step("ls", path)
        return super().ls(path, detail=detail, **kwargs)

    def find(self, path, maxdepth=None, withdirs=False, detail=False, **kwargs):
        self._step("find", path)
        return super().find(path, maxdepth=maxdepth, withdirs=withdirs, detail=detail, **kwargs)


class Walking(Recorder):
    """A file system that lists one folder at a time, with fsspec's own `find`, which hides failures."""

    find = AbstractFileSystem.find


class Renaming(Recorder):
    """Stands for SFTP and the like: no atomic write of a whole file, but a rename."""

    protocol: ClassVar[str] = "renaming"

    def mv(self, path1, path2, **_options):
        self._step("mv", path1, path2)
        self.store[path2] = self.store.pop(path1)


@pytest.fixture
def recorder():
    return Recorder()


def test_one_object_write_commits_and_comes_last(recorder):
    store = SnapshotStore("/root", filesystem=recorder)
    file_records(store, [model_record()])
    written = [path for verb, path in recorder.log if verb == "pipe_file"]
    assert [path.split("/")[2] for path in written] == ["quarantine", "quality", "quality", "models"]
    assert sorted(recorder.store) == sorted(written)


@pytest.mark.long
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_write_that_fails_leaves_the_old_snapshot(recorder, number):
    store = SnapshotStore("/root", filesystem=recorder)
    good = file_records(store, [model_record("a")])
    table, before = store.read(), dict(recorder.store)
    recorder.log.clear()
    recorder.fail_at = {"pipe_file": number}
    with pytest.raises(StorageError, match="the network is gone"):
        file_records(store, [model_record("b")])
    recorder.fail_at = {}
    assert store.info().snapshot_id == good.snapshot_id
    assert store.read().equals(table)
    assert store.quality().snapshot_id == good.snapshot_id
    assert before.items() <= recorder.store.items()
    again = file_records(store, [model_record("b")])
    assert store.info().snapshot_id == again.snapshot_id


@pytest.mark.parametrize(
    ("kind", "verb"), [*((Recorder, verb) for verb in ("cat_file", "info", "find")), (Walking, "ls")]
)
def test_what_cannot_be_read_is_never_taken_for_missing(kind, verb):
    recorder = kind()
    store = SnapshotStore("/root", filesystem=recorder)
    file_records(store, [model_record()], "2026-01-01")
    steps = 0
    while True:
        steps += 1
        recorder.log.clear()
        recorder.fail_at = {verb: steps}
        try:
            store.read("2026-01-01")
            store.quality()
            assert len(store.dates()) == len(store.runs()) == store.history().num_rows == 1
            break
        except StorageError:
            continue
    assert steps > 1


@pytest.mark.parametrize("verb", ["cat_file", "info", "find"])
def test_a_run_that_cannot_read_its_predecessor_does_not_commit(recorder, verb):
    store = SnapshotStore("/root", filesystem=recorder)
    file_records(store, [model_record("a")], "2026-01-01")
    recorder.log.clear()
    recorder.fail_at = {verb: 1}
    with pytest.raises(StorageError, match="the network is gone"):
        file_records(store, [model_record("b")], "2026-01-02")
    recorder.fail_at = {}
    assert [str(day) for day in store.dates()] == ["2026-01-01"]


def test_elsewhere_a_rename_commits():
    fs = Renaming()
    store = SnapshotStore("/root", filesystem=fs)
    file_records(store, [model_record("a")])
    second = file_records(store, [model_record("b")])
    assert store.read()["name"].to_pylist() == ["b"]
    assert store.quality().snapshot_id == second.snapshot_id
    moves = [entry for entry in fs.log if entry[0] == "mv"]
    assert moves[-1][2] == "/root/models/snapshot_date=2026-01-02/models.parquet"
    assert len(moves) == 8
    # The temporary files lie where no engine looks for a table.
    assert all(entry[1].rpartition("/")[0] == "/root" for entry in moves)
    assert not [path for path in fs.store if path.endswith(".tmp")]


@pytest.mark.parametrize("verb", ["mv", "pipe_file"])
def test_a_rename_that_fails_leaves_the_old_file_and_no_temporary_one(verb):
    fs = Renaming()
    files = Files("/root", fs)
    files.put("a/b", b"old")
    fs.log.clear()
    fs.fail_at = {verb: 1}
    with pytest.raises(StorageError, match="the network is gone"):
        files.put("a/b", b"new")
    assert {path: entry.getvalue() for path, entry in fs.store.items()} == {"/root/a/b": b"old"}


def test_a_file_system_that_moves_by_copying_is_written_at_once():
    class Copying(Recorder):
        protocol = "copying"

    fs = Copying()
    Files("/root", fs).put("a/b", b"x")
    assert [entry for entry in fs.log if entry[0] == "pipe_file"] == [("pipe_file", "/root/a/b")]


@pytest.mark.parametrize("root", ["store", "/store", "store/"])
def test_a_dir_file_system_is_the_folder_it_stands_for(tmp_path, root):
    summary = file_records(
        SnapshotStore(root, filesystem=DirFileSystem(str(tmp_path), LocalFileSystem())), [model_record()]
    )
    assert summary.path == str(tmp_path / "store/models/snapshot_date=2026-01-02/models.parquet")
    assert len(files_below(tmp_path / "store")) == 4
    assert SnapshotStore(tmp_path / "store").read().num_rows == 1


def test_nested_dir_file_systems_over_memory(recorder):
    inner = DirFileSystem("/outer", recorder)
    store = SnapshotStore("root", filesystem=DirFileSystem("inner", inner))
    file_records(store, [model_record()])
    assert store.read().num_rows == 1
    assert all(path.startswith("/outer/inner/root/") for path in recorder.store)


@pytest.mark.parametrize("form", ["plain", "file url", "relative", "home", "slash"])
def test_local_roots_in_every_form(tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    roots = {
        "plain": f"{tmp_path}/s",
        "file url": f"file://{tmp_path}/s",
        "relative": "s",
        "home": "~/s",
        "slash": f"{tmp_path}/s//",
    }
    summary = file_records(SnapshotStore(roots[form]), [model_record()])
    assert summary.path == f"{tmp_path}/s/models/snapshot_date=2026-01-02/models.parquet"


def test_a_relative_root_is_that_of_its_creation(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SnapshotStore("s")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file_records(store, [model_record()])
    assert (tmp_path / "s" / "models").is_dir()


def test_memory_urls(memory_root):
    store = SnapshotStore(memory_root)
    summary = file_records(store, [model_record()])
    assert (
        summary.path == f"{memory_root.replace('//', '///')}/models/snapshot_date=2026-01-02/models.parquet"
    )
    assert SnapshotStore(memory_root).info().snapshot_id == summary.snapshot_id


def test_a_local_write_that_fails_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch):
    files = Files(tmp_path)
    files.put("a/b", b"old")

    def refuse(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        files.put("a/b", b"new")
    assert files.read("a/b") == b"old"
    assert files_below(tmp_path) == ["a/b"]


def test_leftovers_of_killed_writers_are_swept_when_they_are_old(tmp_path):
    import os

    old, fresh, foreign = (tmp_path / name for name in (".x.1-a.tmp", ".y.2-b.tmp", "mine.tmp"))
    for path in (old, fresh, foreign):
        path.write_bytes(b"x")
    for path in (old, foreign):
        os.utime(path, (0, 0))
    file_records(SnapshotStore(tmp_path), [model_record()])
    assert (old.exists(), fresh.exists(), foreign.exists()) == (False, True, True)


@pytest.mark.long
def test_where_folders_are_listed_one_by_one_few_are():
    """SFTP and the like: nothing is rolled up, and a question about one day looks at that day."""
    fs = Walking()
    store = SnapshotStore("/root", filesystem=fs)
    for number in range(1, 13):
        file_records(store, [model_record()], f"2026-03-{number:02d}")
        detect_changes(store, f"2026-03-{number:02d}")
    file_records(store, [model_record()], "2026-04-01")
    assert not [path for path in fs.store if "compacted" in path]
    fs.log.clear()
    assert store.changes("2026-03-05", "2026-03-05").num_rows == 0
    assert store.history("2026-03-05", "2026-03-05").num_rows == 1
    assert sum(verb == "ls" for verb, *_ in fs.log) <= 4, fs.log


def test_a_missing_file_of_an_object_store(recorder):
    files = Files("/root", recorder)
    assert not files.exists("x")
    assert files.list("x") == []
    assert files.folders_with("y", "x", bool) == {}
    with pytest.raises(NotOnFileError):
        files.source("x")
    files.delete("x")
    files.delete_tree("x")


@pytest.mark.parametrize("kind", [Recorder, Walking])
def test_a_tree_is_deleted_below_a_root_that_looks_like_a_pattern(kind):
    files = Files("/a store [1]", kind())
    kept = ["a/b/x", "a/bc/x"]
    for path in [*kept, "a/c/x", "a/c/d/e/y"]:
        files.put(path, b"")
    files.delete_tree("a/c")
    assert sorted(files._fs.store) == [f"/a store [1]/{path}" for path in kept]


def test_a_root_that_cannot_be_made_is_no_missing_file():
    with pytest.raises(StorageError, match="Could not write /proc/") as failed:
        file_records(SnapshotStore("/proc/nothing/x"), [model_record()])
    assert not isinstance(failed.value, NotOnFileError)


WRITERS = 6


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url, keys = f"http://{host}:{port}", {"aws_access_key_id": "t", "aws_secret_access_key": "t"}
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(Bucket="create")
    yield {"key": "t", "secret": "t", "endpoint_url": url, "client_kwargs": {"region_name": "us-east-1"}}
    server.stop()


@pytest.fixture(params=["disk", "memory", pytest.param("s3", marks=pytest.mark.long)])
def open_files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Files]]:
    if request.param == "disk":
        yield lambda: Files(tmp_path / "root")
    elif request.param == "s3":
        options = request.getfixturevalue("s3")
        yield lambda: Files(f"s3://create/{tmp_path.name}", storage_options=options)
    else:
        root = f"memory://create-{tmp_path.name}"
        yield lambda: Files(root)
        fsspec.filesystem("memory").rm(root, recursive=True)


def test_the_second_writer_is_told_and_changes_nothing(open_files: Callable[[], Files]) -> None:
    assert open_files().create("a/b", b"one") is True
    assert open_files().create("a/b", b"two") is False
    assert open_files().read("a/b") == b"one"
    assert open_files().list("a") == ["b"]


@pytest.mark.long
def test_of_many_writers_at_once_one_creates_it(open_files: Callable[[], Files]) -> None:
    barrier = Barrier(WRITERS)

    def write(number: int) -> bool:
        files = open_files()
        barrier.wait()
        return files.create("a/b", f"writer {number}".encode())

    with ThreadPoolExecutor(WRITERS) as pool:
        wrote = list(pool.map(write, range(WRITERS)))
    if open_files().url("").startswith("memory:"):  # its check and its write are two steps, in one process
        assert any(wrote)
        return
    assert wrote.count(True) == 1
    assert open_files().read("a/b") == f"writer {wrote.index(True)}".encode()


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
def test_a_disk_without_links_creates_a_file_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(code, "no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    files = Files(tmp_path / "root")
    assert files.create("a/b", b"one") is True
    assert files.create("a/b", b"two") is False
    assert [path.read_bytes() for path in (tmp_path / "root").rglob("*") if path.is_file()] == [b"one"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    with pytest.raises(StorageError, match="Could not create"):
        Files(tmp_path / "root").create("a/b", b"one")
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("write", [Files.put, Files.create])
def test_a_folder_below_the_root_may_be_on_another_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[..., object]
) -> None:
    """By a link or a mount; a file cannot be renamed or linked across disks."""
    root, disk = tmp_path / "root", tmp_path / "disk"
    root.mkdir()
    disk.mkdir()
    (root / "models").symlink_to(disk)

    def on_one_disk(move: Callable[[Path, Path], object]) -> Callable[[Path, Path], object]:
        def moved(one: Path, other: Path) -> object:
            if len({path.parent.resolve().is_relative_to(disk) for path in (one, other)}) > 1:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            return move(one, other)

        return moved

    for name in ("replace", "hardlink_to"):
        monkeypatch.setattr(Path, name, on_one_disk(getattr(Path, name)))
    write(Files(root), "models/day/models.parquet", b"whole")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [disk / "day" / "models.parquet"]
    assert (disk / "day" / "models.parquet").read_bytes() == b"whole"


def test_a_folder_that_cannot_be_synced_loses_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network file systems refuse to sync a folder; the file is complete all the same."""

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with PendingFile(tmp_path / "data.parquet") as pending:
        pending.path.write_bytes(b"whole")
        pending.replace()
    assert (tmp_path / "data.parquet").read_bytes() == b"whole"
