"""Kills every writer at any moment: readers see the old file or the new one, and the next run succeeds.

``KILLS=500 make soak`` kills each kind of writer as often.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.records import model_record
from helpers.stores import StoreBuilder, model_row, nth_day
from io_intelligence_provider.export import export_prices
from io_intelligence_provider.quality.results_store import ResultHistory
from io_intelligence_provider.store.store import SnapshotStore

pytestmark = pytest.mark.long

WRITER = Path(__file__).with_name("writer.py")
MODELS = 20
KILLS = [2, pytest.param(int(os.environ.get("KILLS", "50")), marks=pytest.mark.soak)]
"""A pipe of 64 KiB holds the steps of as many commits as a writer is ordered here."""


class Writers:
    """Starts writers in the process of ``writer.py``, some at a time."""

    def __init__(self, catalogues: Path) -> None:
        self.steps, self._their_end = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, WRITER, catalogues],
            # A killed process cannot delete its temporary files.
            env=os.environ | {"PYTHONPATH": str(WRITER.parents[1]), "TMPDIR": str(catalogues.parent)},
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

    def start(
        self,
        store: SnapshotStore,
        days: Sequence[str],
        *,
        commits: int,
        job: str = "snapshot",
        writers: int = 1,
    ) -> list[int]:
        """Return the ids of the processes."""
        order = {"job": job, "root": store.files.root, "days": days, "commits": commits, "writers": writers}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order | {"steps": self._their_end}) + "\n")
        return list(self._answer())

    def wait(self) -> list[int]:
        """Return the exit codes of the last writers; keep the steps that nobody has read in ``rest``."""
        codes = self._answer()
        self.rest = b""
        os.set_blocking(self.steps, False)
        with suppress(BlockingIOError):
            while found := os.read(self.steps, 65_536):
                self.rest += found
        os.set_blocking(self.steps, True)
        return list(codes)

    def finish(self, store: SnapshotStore, days: Sequence[str], job: str) -> int:
        """Do a job once for each day without a kill; return the number of steps of each."""
        self.start(store, days, commits=len(days), job=job)
        assert self.wait() == [0]
        assert self.rest.count(b"!") == len(days)
        return self.rest.count(b".") // len(days)

    def kill(self, store: SnapshotStore, days: Sequence[str], job: str, steps: int) -> int:
        """Kill a writer after some steps, or at its end; return how many commits it had reported."""
        (writer,) = self.start(store, days, commits=20, job=job)
        seen = b""
        while seen.count(b".") < steps and seen.count(b"!") < 20:
            seen += os.read(self.steps, 1)
        with suppress(ProcessLookupError):  # it has ended
            os.kill(writer, signal.SIGKILL)
        assert self.wait() in ([-signal.SIGKILL], [0])
        return (seen + self.rest).count(b"!")

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


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_writer_leaves_whole_snapshots(
    writers: Writers, local_store: SnapshotStore, kills: int
) -> None:
    steps = writers.finish(local_store, ["2026-02-01"], "snapshot")
    seen: set[str] = set()
    for number in range(kills):
        # A new day every five kills: the first commit of a day is killed as well.
        day = str(nth_day(number // 5))
        # Every second kill comes after a first commit.
        writers.kill(local_store, [day], "snapshot", random.randint(1 + number % 2 * steps, 2 * steps))
        if day in map(str, local_store.dates()):
            seen.add(assert_whole(local_store, day))
    assert len(seen) > kills // 10
    for when in local_store.dates():
        assert_whole(local_store, str(when))
    models = Path(local_store.files.root) / "models"
    assert {path.name for path in models.rglob("*.*")} == {"models.parquet"}
    # The store is none the worse for it.
    writers.finish(local_store, [str(nth_day(-1))], "snapshot")
    assert_whole(local_store, str(nth_day(-1)))


Check = Callable[[int], None]
"""Checks what readers see after a kill, given how many commits the killed writer reported."""


def priced_days(builder: StoreBuilder, numbers: Sequence[int]) -> list[str]:
    """File a model at another price each day; return the days."""
    for number in numbers:
        builder.file(number, model_row("org/m", input_token_price=str(number + 50), output_token_price="1"))
    return [str(nth_day(number)) for number in numbers]


def changes_stay_whole(builder: StoreBuilder) -> tuple[list[str], Check]:
    days = priced_days(builder, range(3))
    expected = [(day, 1 if day != days[0] else 0) for day in days]

    def check(_commits: int) -> None:
        found = Counter(map(str, builder.store.changes()["snapshot_date"].to_pylist()))
        assert found in [Counter(dict(expected[:count])) + Counter() for count in range(4)]
        folder = builder.root / "changes"
        assert {path.name for path in folder.rglob("*.*")} <= {"changes.parquet"}

    return days, check


def months_stay_whole(builder: StoreBuilder) -> tuple[list[str], Check]:
    days = priced_days(builder, range(12))
    priced_days(builder, [40])
    expected = builder.store.history()

    def check(_commits: int) -> None:
        assert SnapshotStore(builder.root).history().equals(expected)

    return days[:1], check


def results_stay_whole(builder: StoreBuilder) -> tuple[list[str], Check]:
    seen = 0

    def check(commits: int) -> None:
        nonlocal seen
        found = len(ResultHistory(builder.root).runs())
        assert seen + commits <= found <= seen + commits + 1
        seen = found

    return [str(nth_day(0))], check


def checked_rows_stay_whole(builder: StoreBuilder) -> tuple[list[str], Check]:
    folder = builder.root / "in"
    folder.mkdir(parents=True)
    for number in (0, 1):
        table = pa.table({"x": [number + 1] * 50 + [-1 - number] * 10})
        pq.write_table(table, folder / f"{number}.parquet")
    checks = {"greater_than_or_equal_to": 0}
    schema = {"schema_type": "dataframe", "columns": {"x": {"dtype": "Int64", "checks": checks}}}
    (folder / "schema.yaml").write_text(json.dumps(schema))

    def check(_commits: int) -> None:
        good, bad = builder.root / "out/good.parquet", builder.root / "out/bad.parquet"
        if good.exists():
            assert pq.read_table(good)["x"].to_pylist() in ([1] * 50, [2] * 50)
        if bad.exists():
            assert pq.read_table(bad)["record"].to_pylist() in (['{"x": -1}'] * 10, ['{"x": -2}'] * 10)

    return [str(nth_day(0))], check


def exports_stay_whole(builder: StoreBuilder) -> tuple[list[str], Check]:
    days = priced_days(builder, [0, 1])
    expected = [export_prices(builder.store, "litellm", when=day) for day in days]

    def check(_commits: int) -> None:
        path = builder.root / "out/prices.json"
        assert not path.exists() or path.read_bytes() in expected

    return days, check


JOBS = {
    "changes": changes_stay_whole,
    "months": months_stay_whole,
    "results": results_stay_whole,
    "checks": checked_rows_stay_whole,
    "exports": exports_stay_whole,
}


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("job", JOBS)
def test_a_killed_writer_leaves_whole_files(
    writers: Writers, builder: StoreBuilder, job: str, kills: int
) -> None:
    days, check = JOBS[job](builder)
    steps: list[int] = []
    for number in range(kills):
        # The first kills come before anything is on file.
        limit = 2 * steps[0] if steps else 12
        check(writers.kill(builder.store, days, job, random.randint(1, limit)))
        if number == kills // 3:
            steps.append(writers.finish(builder.store, days, job))
            check(len(days))
    writers.finish(builder.store, days, job)
    check(len(days))
    visible = [path for path in builder.root.rglob("*.tmp") if not path.name.startswith(".")]
    assert not visible  # what a killed writer leaves is hidden from engines that read a folder


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_sender_loses_no_alert_and_repeats_only_the_one_under_way(
    writers: Writers, tmp_path: Path, kills: int
) -> None:
    base = StoreBuilder(tmp_path / "base")
    days = priced_days(base, range(4))[1:]
    limit = 12
    for number in range(kills):
        root = tmp_path / str(number)
        shutil.copytree(base.root, root)
        store = SnapshotStore(root)
        writers.kill(store, days, "alerts", random.randint(1, limit))
        writers.finish(store, days, "alerts")
        sent = Counter((root / "sent").read_text().splitlines())
        assert set(sent) == {f"{name} {day}" for name in "ab" for day in days}
        assert sent.total() <= len(sent) + 1
        limit = 3 * writers.finish(store, days, "alerts") + 30
        assert Counter((root / "sent").read_text().splitlines()) == sent
        shutil.rmtree(root)


def test_two_processes_at_once_on_one_day(writers: Writers, local_store: SnapshotStore) -> None:
    day = "2026-01-01"
    writers.start(local_store, [day], commits=8, writers=2)
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
