"""Interleaves two runs on one date at every step: one complete snapshot with its own artifacts."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.store.store import SnapshotStore

pytestmark = pytest.mark.long


@pytest.fixture
def before_call(monkeypatch):
    """Return a function that has something done once, just before the n-th call of a method of Files."""

    def arrange(method: str, number: int, action) -> None:
        original, calls = getattr(Files, method), []

        def wrapped(self, *args):
            calls.append(args)
            if len(calls) == number:
                monkeypatch.setattr(Files, method, original)
                action()
            return original(self, *args)

        monkeypatch.setattr(Files, method, wrapped)

    return arrange


def assert_one_run(store: SnapshotStore, name: str) -> str:
    identity = store.info().snapshot_id
    assert set(store.read()["name"].to_pylist()) == {name}
    assert store.quality().snapshot_id == identity
    assert store.quarantine()["name"].to_pylist() == [f"{name}-bad"]
    return identity


@pytest.fixture
def file_as(store):
    def file(name: str):
        return file_records(
            store, [model_record(name), model_record(f"{name}-bad", status="?")], max_quarantine_share=1
        )

    return file


@pytest.mark.parametrize("put", [1, 2, 3, 4])
def test_a_run_within_the_writes_of_another(store, file_as, before_call, put):
    file_as("old")
    before_call("put", put, lambda: file_as("inner"))
    outer = file_as("outer")
    assert assert_one_run(store, "outer") == outer.snapshot_id


@pytest.mark.parametrize("delete", [1, 2, 3])
def test_a_run_within_the_deletions_of_another(store, file_as, before_call, delete):
    file_as("old")
    inner = []
    before_call("delete", delete, lambda: inner.append(file_as("inner")))
    file_as("outer")
    assert assert_one_run(store, "inner") == inner[0].snapshot_id
    assert [run.snapshot_id for run in store.runs()] == [inner[0].snapshot_id]


def test_a_run_that_finds_itself_superseded_drops_its_artifacts(store, file_as, monkeypatch):
    """Both looked before either wrote, so that each takes the old snapshot for the one it supersedes."""
    file_as("old")
    original, old, inner = SnapshotStore.info, store.info(), []
    looks = iter(["query", "what outer supersedes", "is outer committed", "query", "what inner supersedes"])

    def info(self, when="latest"):
        look = next(looks, None)
        if look == "is outer committed":
            inner.append(file_as("inner"))
        return old if look == "what inner supersedes" else original(self, when)

    monkeypatch.setattr(SnapshotStore, "info", info)
    file_as("outer")
    monkeypatch.undo()
    assert assert_one_run(store, "inner") == inner[0].snapshot_id
    assert [run.snapshot_id for run in store.runs()] == [inner[0].snapshot_id]


@pytest.mark.parametrize("source", [1, 2])
def test_a_reader_overtaken_by_a_commit_reads_the_artifacts_of_the_new_one(
    store, file_as, before_call, source
):
    file_as("old")
    before_call("source", source, lambda: file_as("new"))
    assert store.quarantine()["name"].to_pylist() == ["new-bad"]


def test_a_reader_of_reports_overtaken_by_a_commit(store, file_as, before_call):
    file_as("old")
    before_call("read", 1 if store.files.is_local else 2, lambda: file_as("new"))
    assert store.quality().snapshot_id == store.info().snapshot_id


def test_reports_deleted_while_they_are_listed_are_passed_over(store, file_as, before_call):
    file_as("old")
    before_call("read", 1, lambda: file_as("new"))
    assert store.runs() == []


def test_two_threads(store):
    barrier, failures = Barrier(2), []

    def run(name: str) -> None:
        try:
            for _ in range(8):
                barrier.wait(timeout=60)
                file_records(
                    store, [model_record(name), model_record(f"{name}-bad", status="?")], fail_on="never"
                )
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)
            barrier.abort()

    threads = [Thread(target=run, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert_one_run(store, store.read()["name"].to_pylist()[0])
