"""Tests invalid roots, damaged or foreign files, and unreadable folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.records import model_record
from helpers.stores import PreparedClient, file_records
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.snapshot import take_snapshot
from io_intelligence_provider.store.store import SnapshotStore


@pytest.fixture
def models_file(local_store):
    return Path(file_records(local_store, [model_record(f"m{n}") for n in range(200)], "2026-01-01").path)


def test_a_root_that_is_a_file(tmp_path):
    root = tmp_path / "root"
    root.write_text("x")
    store = SnapshotStore(root)
    for read in (store.dates, store.read, store.history, store.runs, lambda: store.read("2026-01-01")):
        with pytest.raises(StorageError, match="root"):
            read()
    with pytest.raises(StorageError, match="root"):
        file_records(store, [model_record()])
    assert root.read_text() == "x"


@pytest.mark.parametrize("root", ["", "  "])
def test_a_blank_root(root):
    with pytest.raises(ConfigurationError, match="blank"):
        SnapshotStore(root)


def test_a_protocol_that_nobody_serves():
    with pytest.raises(ConfigurationError, match="nosuch"):
        SnapshotStore("nosuch://bucket/prefix")


def test_filesystem_and_options_exclude_each_other():
    from fsspec.implementations.memory import MemoryFileSystem

    with pytest.raises(ConfigurationError, match="not both"):
        SnapshotStore("/x", filesystem=MemoryFileSystem(), storage_options={"a": 1})


@pytest.mark.long
@pytest.mark.parametrize("content", [b"", b"no parquet", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_models_file_that_is_no_parquet(local_store, models_file, content):
    models_file.write_bytes(content)
    for read in (local_store.read, local_store.info, local_store.history, local_store.quality):
        with pytest.raises(StorageError, match=r"models\.parquet"):
            read()
    # A later day is filed, and says what it was not compared with; a run of that day replaces the file.
    take_snapshot(PreparedClient([model_record()]), local_store, snapshot_date="2026-01-02")
    assert models_file.read_bytes() == content
    evaluated = {check.check: check.evaluated for check in local_store.quality("2026-01-02").checks}
    assert [evaluated[name] for name in ("volume", "price_unit", "missing_fields", "source")] == [0] * 4
    found = local_store.quality("2026-01-02").checks[-1]
    assert (found.check, found.severity, found.passed) == ("previous_unreadable", "warn", False)
    assert str(models_file) in found.examples[0]["message"]
    artifacts = set(models_file.parents[2].glob("q*/*01-01/*"))
    again = take_snapshot(PreparedClient([model_record()]), local_store, snapshot_date="2026-01-01")
    assert local_store.info("2026-01-01").snapshot_id == again.snapshot_id
    assert artifacts < set(models_file.parents[2].glob("q*/*01-01/*"))  # whose that is, the file did not say


def test_damaged_pages_are_a_storage_error(local_store, models_file):
    data = bytearray(models_file.read_bytes())
    data[200 : len(data) // 3] = b"\xff" * (len(data) // 3 - 200)
    models_file.write_bytes(data)
    for read in (local_store.read, local_store.history, lambda: local_store.read(columns=["name"])):
        with pytest.raises(StorageError, match=r"models\.parquet"):
            read()


def test_a_parquet_file_of_somebody_else(local_store, models_file):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}, metadata={b"\xff": b"\xff"}), models_file)
    with pytest.raises(
        StorageError, match=r"models\.parquet is no file of this store: it lacks the column model_id"
    ):
        local_store.info()


def test_a_folder_in_the_place_of_the_models_file(local_store, models_file):
    models_file.unlink()
    models_file.mkdir()
    with pytest.raises(StorageError):
        file_records(local_store, [model_record()], "2026-01-01")
    assert models_file.is_dir()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"checks": [1]}', b"\xff"])
def test_a_damaged_report(local_store, models_file, content):
    (report,) = (models_file.parents[2] / "quality").rglob("*.json")
    report.write_bytes(content)
    with pytest.raises(StorageError, match="no quality report"):
        local_store.quality()
    assert local_store.runs() == []
    assert local_store.read().num_rows == 200


def test_missing_artifacts_are_reported(local_store, models_file):
    for part in ("quality", "quarantine"):
        for path in (models_file.parents[2] / part).rglob("*.*"):
            path.unlink()
    with pytest.raises(StorageError, match="is missing"):
        local_store.quality()
    with pytest.raises(StorageError, match="is missing"):
        local_store.quarantine()


def test_foreign_files_and_folders_are_passed_over(local_store, models_file):
    root = models_file.parents[2]
    for name in (
        "README",
        "models/_SUCCESS",
        "models/.hidden",
        "models/notes.parquet",
        "models/snapshot_date=2026-01-01/notes.txt",
        "models/snapshot_date=2026-02-30/models.parquet",
        "models/snapshot_date=2026-01-01.bak/models.parquet",
        "models/snapshot_date=2025-12-31/.models.parquet.1-a.tmp",
        "quality/notes.json",
        "quality/snapshot_date=2026-01-01/notes.json",
        "quality/snapshot_date=2026-01-01/notes.txt",
        "quality/snapshot_date=soon/x.json",
        "quarantine/snapshot_date=2026-01-01/notes.parquet",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("{}")
    (root / "models" / "snapshot_date=2026-03-01").mkdir()
    assert [str(day) for day in local_store.dates()] == ["2026-01-01"]
    assert local_store.read().num_rows == local_store.history().num_rows == 200
    assert len(local_store.runs()) == 1
    assert local_store.quarantine().num_rows == 0
    file_records(local_store, [model_record(f"m{n}") for n in range(200)], "2026-01-02")
    assert [str(day) for day in local_store.dates()] == ["2026-01-01", "2026-01-02"]


def test_what_may_not_be_read_is_a_storage_error(local_store, models_file, monkeypatch):
    """The rights of files mean nothing to root, who may run the tests: the system's refusal is played."""

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        local_store.files.source("models/snapshot_date=2026-01-01/models.parquet")
    monkeypatch.undo()
    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(os, "stat", refuse)
    for read in (local_store.dates, local_store.runs, lambda: local_store.read("2026-01-01")):
        with pytest.raises(StorageError, match="Permission denied"):
            read()


def test_a_file_that_is_gone_is_not_on_file(local_store):
    for read in (local_store.files.read, local_store.files.source):
        with pytest.raises(NotOnFileError, match="nothing"):
            read("nothing")
    local_store.files.delete("nothing")
    local_store.files.delete_tree("nothing")
    assert local_store.files.list("nothing") == []
