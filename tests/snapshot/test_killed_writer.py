"""Kills a writer at any moment: the old snapshot or the new one is complete, with its artifacts."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from helpers.records import model_record
from io_intelligence_provider.store.store import SnapshotStore

pytestmark = pytest.mark.long

WRITER = Path(__file__).with_name("writer.py")
MODELS = 20
STEPS_OF_A_RUN = 22


class Writers:
    """Starts writers in the process of ``writer.py``, some at a time."""

    def __init__(self, catalogues: Path) -> None:
        self.steps, self._their_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, WRITER, catalogues],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            pass_fds=[self._their_end],
        )
        assert self._answer() == "ready"

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def start(self, store: SnapshotStore, day: str, *, commits: int, writers: int = 1) -> list[int]:
        """Return the ids of the processes."""
        order = {"root": store.files.root, "day": day, "commits": commits, "writers": writers}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order | {"steps": self._their_end}) + "\n")
        return list(self._answer())

    def wait(self) -> list[int]:
        """Return the exit codes of the last writers; forget the steps that nobody has read."""
        codes = self._answer()
        os.set_blocking(self.steps, False)
        with suppress(BlockingIOError):
            while os.read(self.steps, 65_536):
                pass
        os.set_blocking(self.steps, True)
        return list(codes)

    def close(self) -> None:
        for end in (self.steps, self._their_end):
            os.close(end)  # a writer still at work ends at its next step
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writers]:
    """Writers of two catalogues of different models, each with one record to refuse."""
    path = tmp_path_factory.mktemp("writers") / "catalogues.json"
    generations = [
        [*(model_record(f"{name}-{n}") for n in range(MODELS)), model_record(f"{name}-bad", status="?")]
        for name in ("odd", "even")
    ]
    path.write_text(json.dumps(generations))
    started = Writers(path)
    yield started
    started.close()


def assert_whole(store: SnapshotStore, day: str) -> str:
    """Check that a day is one run's: models, report and quarantine; return its snapshot id."""
    table, identity = store.read(day), store.info(day).snapshot_id
    assert table.schema.metadata[b"io_intelligence.snapshot_id"].decode() == identity
    (generation,) = {name.partition("-")[0] for name in table["name"].to_pylist()}
    assert table.num_rows == MODELS
    (refused,) = store.quarantine(day, day).to_pylist()
    assert (refused["snapshot_id"], refused["name"]) == (identity, f"{generation}-bad")
    report = store.quality(day)
    assert (report.snapshot_id, report.valid, report.quarantined) == (identity, MODELS, 1)
    assert (Path(store.files.root) / f"quality/snapshot_date={day}/{identity}.html").is_file()
    return identity


@pytest.mark.parametrize("kills", [12, pytest.param(50, marks=pytest.mark.soak)])
def test_a_killed_writer_leaves_whole_snapshots(
    writers: Writers, local_store: SnapshotStore, kills: int
) -> None:
    seen: set[str] = set()
    for number in range(kills):
        # A new day every five kills: the first commit of a day is killed as well.
        day = f"2026-01-{1 + number // 5:02}"
        (writer,) = writers.start(local_store, day, commits=100)
        for _ in range(random.randint(1, 2 * STEPS_OF_A_RUN)):  # noqa: S311
            assert os.read(writers.steps, 1) == b"."
        os.kill(writer, signal.SIGKILL)
        assert writers.wait() == [-signal.SIGKILL]
        if day in map(str, local_store.dates()):
            seen.add(assert_whole(local_store, day))
    assert len(seen) > kills // 10
    for day in local_store.dates():
        assert_whole(local_store, str(day))
    models = Path(local_store.files.root) / "models"
    assert {path.name for path in models.rglob("*.*")} == {"models.parquet"}
    # The store is none the worse for it.
    writers.start(local_store, "2026-03-01", commits=1)
    assert writers.wait() == [0]
    assert_whole(local_store, "2026-03-01")


def test_two_processes_at_once_on_one_day(writers: Writers, local_store: SnapshotStore) -> None:
    day = "2026-01-01"
    writers.start(local_store, day, commits=8, writers=2)
    with ThreadPoolExecutor(1) as pool:
        codes = pool.submit(writers.wait)
        while not codes.done():
            if local_store.dates():
                assert local_store.quality(day).valid == local_store.read(day).num_rows == MODELS
                assert local_store.quarantine(day, day).num_rows == 1
    assert codes.result() == [0, 0]
    identity = assert_whole(local_store, day)
    assert identity in {run.snapshot_id for run in local_store.runs()}
    models = Path(local_store.files.root) / "models"
    assert [path.name for path in models.rglob("*.*")] == ["models.parquet"]
