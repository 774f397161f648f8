"""Tests what people receive over three midnights of the sample Dags, with real prices and a given clock.

One night is bad: the API serves four prices that are no numbers, so the checks stop the run. The same nights
pass twice: each Dag run by ``dag.test`` in this process, whose clock time-machine sets; and under a real
scheduler in the wheel's own environment, the clock of whose processes libfaketime sets: ``make
test-midnights``, which needs the Debian package ``libfaketime``.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest
import time_machine
from airflow.sdk import BaseNotifier

from helpers.airflow_runs import DAGS, load_dag
from helpers.http_clients import wait_until
from helpers.surroundings import REPOSITORY
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.assets import PARTITIONS
from io_intelligence_provider.changes.watch import poll
from io_intelligence_provider.cli.demo import Receiver, notifying
from io_intelligence_provider.cli.standalone import Standalone, airflow_environment
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.notifications.failure import IOIntelligenceFailureNotifier

DAYS = [date(2026, 6, day) for day in (23, 24, 25, 26)]
DAILY, WATCHDOG = "io_intelligence_daily_pricing", "io_intelligence_watchdog"
ON_CHANGE, WATCH = "io_intelligence_on_change", "io_intelligence_watch"
URL = "https://airflow.example.com"


class Deployment(Protocol):
    """An Airflow with the sample Dags and a clock."""

    def run(self, dag_id: str, now: datetime) -> list[str]:
        """Return the messages of a Dag's run at a time."""

    def watch(self, now: datetime) -> list[str]:
        """Return the messages of what the watcher starts at a time."""

    def set_paused(self, dag_id: str, is_paused: bool) -> None:
        """Pause or unpause a Dag."""


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 0, 0, 5, tzinfo=UTC)


def quarter_past_six(day: date) -> datetime:
    return midnight(day) + timedelta(hours=6, minutes=15)


def alike(text: str, url: str = URL) -> str:
    """Return a message without what differs between two runs: ids, the port, the minute after the hour."""
    text = re.sub(
        r"(manual|scheduled|watch)__[^/\s]+?(?=\.?$|/)", "RUN", text.replace(url, URL), flags=re.MULTILINE
    )
    text = re.sub(r"&run=[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$", "&run=ID", text, flags=re.MULTILINE)
    return re.sub(r"\b([0-9]{2}):0[0-9] UTC", r"\1:00 UTC", text)


DIGEST = """\
meta-llama/Llama-3.3-70B-Instruct +20.21 %, and 2 more price changes on 2026-06-24

prices that moved by 10 % or more (3 changes, since 2026-06-23)
- meta-llama/Llama-3.3-70B-Instruct  output 0.864 → 1.0386 (+20.21 %)
- openai/gpt-oss-20b  output 0.246 → 0.216 (-12.2 %)
- moonshotai/Kimi-K2.5  output 2.67 → 2.375 (-11.05 %)

Prices are in USD per 1M tokens.

Data quality: passed
- Quarantine: none
- Models: 26

Open the page: https://airflow.example.com/io-intelligence/#/changes?start=2026-06-24&end=2026-06-24

Open the task run: https://airflow.example.com/dags/io_intelligence_daily_pricing/runs/RUN/tasks/alert?try_number=1
"""

STOPPED = """\
IO Intelligence: quarantine_share stopped the snapshot of 2026-06-25

Stopped by
- quarantine_share  share: 0.15384615384615385, max_quarantine_share: 0.1

Why 4 of 26 were refused
- input_token_price price  4 of 26, for example model_id: 3d4767e2-da58-514b-aed9-28e088dcf8d9, name: \
Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar, value: free, …

The snapshot of 2026-06-24 stays in force.

Look at the results of the checks and at the refused records. If the data are wrong, nothing is to be \
done: the next run tries again. If they are right, change the limit of the check (max_quarantine_share, \
fail_on) and clear the task on the same day (UTC).

Dag io_intelligence_daily_pricing, task snapshot, run RUN.

Results of the checks: https://airflow.example.com/io-intelligence/#/quality?day=2026-06-25&run=ID

Log of the task: https://airflow.example.com/dags/io_intelligence_daily_pricing/runs/RUN/tasks/snapshot?try_number=1
"""

DIGEST_OF_TWO_DAYS = """\
zai-org/GLM-5.2 +36.93 %, and 14 more price changes on 2026-06-26

prices that moved by 10 % or more (15 changes)
- zai-org/GLM-5.2  output 4.36 → 5.97 (+36.93 %), cache read 0.67 → 0.909 (+35.67 %), input 1.34 → 1.818 \
(+35.67 %), since 2026-06-23
- MiniMaxAI/MiniMax-M2.5  cache read 0.169 → 0.1275 (-24.56 %), input 0.338 → 0.255 (-24.56 %), output \
1.378 → 1.13 (-18 %), since 2026-06-23
- openai/gpt-oss-120b  output 0.562 → 0.68 (+21 %), since 2026-06-23
- Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar  cache read 0.2785 → 0.2225 (-20.11 %), input 0.557 \
→ 0.445 (-20.11 %), output 2.545 → 2.145 (-15.72 %), since 2026-06-23
- moonshotai/Kimi-K2.5  output 2.375 → 2.72 (+14.53 %), since 2026-06-24
- MiniMaxAI/MiniMax-M2.7  cache read 0.33 → 0.373 (+13.03 %), input 0.66 → 0.746 (+13.03 %), since \
2026-06-23
- openai/gpt-oss-20b  cache read 0.0285 → 0.0255 (-10.53 %), input 0.057 → 0.051 (-10.53 %), since \
2026-06-23

Prices are in USD per 1M tokens.

Data quality: passed
- Quarantine: none
- Models: 26

Open the page: https://airflow.example.com/io-intelligence/#/changes?start=2026-06-26&end=2026-06-26

Open the task run: https://airflow.example.com/dags/io_intelligence_daily_pricing/runs/RUN/tasks/alert?try_number=1
"""

CORRECTION = """\
Correction: Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar +25.17 %, and 13 more price changes on \
2026-06-26

prices that moved by 10 % or more (14 changes)
- Intel/Qwen3-Coder-480B-A35B-Instruct-int4-mixed-ar  cache read 0.2225 → 0.2785 (+25.17 %, correction), \
input 0.445 → 0.557 (+25.17 %, correction), output 2.145 → 2.545 (+18.65 %, correction)
- openai/gpt-oss-120b  output 0.68 → 0.562 (-17.35 %, correction)
- MiniMaxAI/MiniMax-M2.7  cache read 0.373 → 0.403 (+8.04 %, correction), input 0.746 → 0.806 (+8.04 %, \
correction)
- MiniMaxAI/MiniMax-M2.5  cache read 0.1275 → 0.12 (-5.88 %, correction), input 0.255 → 0.24 (-5.88 %, \
correction), output 1.13 → 1.18 (+4.42 %, correction)
- openai/gpt-oss-20b  cache read 0.0255 → 0.0265 (+3.92 %, correction), input 0.051 → 0.053 (+3.92 %, \
correction)
- moonshotai/Kimi-K2.5  output 2.72 → 2.67 (-1.84 %, correction)
- zai-org/GLM-5.2  cache read 0.909 → 0.91 (+0.11 %, correction), input 1.818 → 1.82 (+0.11 %, correction)

Prices are in USD per 1M tokens.

Data quality: passed
- Quarantine: none
- Models: 26

Open the page: https://airflow.example.com/io-intelligence/#/changes?start=2026-06-26&end=2026-06-26

Open the task run: https://airflow.example.com/dags/io_intelligence_daily_pricing/runs/RUN/tasks/alert?try_number=1
"""


PAUSED = """\
IO Intelligence: The Dag io_intelligence_daily_pricing is paused

The Dag io_intelligence_daily_pricing is paused. It files no snapshot until it is unpaused.

The snapshot of 2026-06-26 stays in force.

Dag io_intelligence_watchdog, task fresh_snapshot, run RUN.

Results of the checks: https://airflow.example.com/io-intelligence/#/quality?day=2026-06-26

Log of the task: https://airflow.example.com/dags/io_intelligence_watchdog/runs/RUN/tasks/fresh_snapshot\
?try_number=1
"""


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    """The API, at the first day."""
    with EmulatorServer(catalogue=PriceHistory.load()) as server:
        server.set_as_of(DAYS[0])
        yield server


@pytest.fixture
def store(root: Path, server: EmulatorServer) -> SnapshotStore:
    """The store, with the snapshot of the first day."""
    with IOIntelligenceClient(server.url) as client, time_machine.travel(midnight(DAYS[0])):
        take_snapshot(client, SnapshotStore(root), snapshot_date=DAYS[0])
    return SnapshotStore(root)


def pass_three_nights(server: EmulatorServer, store: SnapshotStore, airflow: Deployment) -> None:
    """The good night has a digest, the bad one a reason, the next one all that moved since.

    A move at noon is a correction.
    """
    _, good, bad, again = DAYS
    server.set_as_of(good)
    assert airflow.run(DAILY, midnight(good)) == [DIGEST]
    assert airflow.run(WATCHDOG, quarter_past_six(good)) == []

    history = server.state.catalogue
    records = [json.loads(record.body) for record in history.rendered(bad, "documented")]
    for record in records[:4]:
        record["metadata"]["input_token_price"] = "free"
    server.state.catalogue = FixedCatalogue(records)
    assert airflow.run(DAILY, midnight(bad)) == [STOPPED]
    assert airflow.run(WATCHDOG, quarter_past_six(bad)) == []  # the daily Dag has told of it

    server.state.catalogue = history
    server.set_as_of(again)
    assert airflow.run(DAILY, midnight(again)) == [DIGEST_OF_TWO_DAYS]
    assert airflow.run(ON_CHANGE, midnight(again)) == []  # prices moved, no quota did
    assert airflow.run(WATCHDOG, quarter_past_six(again)) == []

    server.set_as_of(date(2026, 6, 29))  # prices move by day: the watcher starts the daily Dag
    noon = midnight(again) + timedelta(hours=12)
    assert airflow.watch(noon) == [CORRECTION]
    with IOIntelligenceClient(server.url) as client, time_machine.travel(noon + timedelta(minutes=15)):
        assert poll(client, store) is None

    if PARTITIONS:  # Airflow 3.3: an earlier one does not say which Dag is paused
        airflow.set_paused(DAILY, True)
        assert airflow.run(WATCHDOG, quarter_past_six(again + timedelta(days=1))) == [PAUSED]
        airflow.set_paused(DAILY, False)


class Recorder(BaseNotifier):
    """Records what it was sent as plain text."""

    template_fields = ("text",)

    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self.text = "{{ io_intelligence.text }}"
        self.heard = heard

    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow gives it
        self.heard.append(alike(self.text))


class InThisProcess:
    """Runs Dags by ``dag.test``."""

    def __init__(self, run_dag: Callable[..., Any], server: EmulatorServer, store: SnapshotStore) -> None:
        self._run_dag = run_dag
        self._server = server
        self._store = store

    def run(self, dag_id: str, now: datetime) -> list[str]:
        heard: list[str] = []
        dag = load_dag(dag_id)
        for task in dag.tasks:
            task.retries = 0
            task.on_failure_callback = [IOIntelligenceFailureNotifier([Recorder(heard)])]
            if hasattr(task, "notifiers"):
                task.notifiers = [Recorder(heard)]
        with time_machine.travel(now, tick=True):
            self._run_dag(dag, run_after=now)
        return heard

    def watch(self, now: datetime) -> list[str]:
        with IOIntelligenceClient(self._server.url) as client, time_machine.travel(now):
            seen = poll(client, self._store)
        assert seen is not None
        assert seen.moved == ("prices",)
        return self.run(DAILY, now)

    def set_paused(self, dag_id: str, is_paused: bool) -> None:
        from airflow.models import DagModel
        from airflow.utils.session import create_session

        with create_session() as session:
            dag = session.get(DagModel, dag_id)
            assert dag is not None
            dag.is_paused = is_paused


@pytest.mark.long
def test_three_midnights(
    run_dag: Callable[..., Any],
    server: EmulatorServer,
    store: SnapshotStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = {"conn_type": "io_intelligence", "host": server.url}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", URL)
    pass_three_nights(server, store, InThisProcess(run_dag, server, store))


PYTHON = REPOSITORY / ".venv-midnights" / "bin" / "python"
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
"""libfaketime 0.9.10 refuses the call by which Python sleeps, until a time of the monotonic clock."""
SETTLED = 6.0
"""Seconds without a running Dag or task after which nothing more is expected; a scheduler pauses for one."""


class Scheduled:
    """An ``airflow standalone`` that libfaketime gives a clock of its own, and whose notifiers post to us."""

    def __init__(self, folder: Path, server: EmulatorServer, store: Path, receiver: Receiver) -> None:
        self._clock = folder / "clock"
        self._offset = float("-inf")
        self._receiver = receiver
        self._heard = 0
        home, dags, python = folder / "airflow", folder / "dags", folder / "python"
        for made in (home, dags, python):
            made.mkdir()
        (python / "sitecustomize.py").write_text(SLEEP)
        for dag_id in (DAILY, ON_CHANGE, WATCH, WATCHDOG):
            shutil.copy(DAGS / f"{dag_id}.py", dags)
        settings = DAGS / "io_intelligence_settings.py"
        (dags / settings.name).write_text(notifying(settings.read_text("utf-8")), "utf-8")
        webhook = {"conn_type": "generic", "host": receiver.url}
        environment = airflow_environment(home, dags, store, server.url) | {
            "PATH": f"{PYTHON.parent}:/usr/bin:/bin",
            "PYTHONPATH": str(python),
            "AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK": json.dumps(webhook),
            # A busy machine keeps a process waiting for the database for longer than the default of 5 s.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=120",
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }
        self.airflow = Standalone(home, environment, {"admin": "admin"}, python=PYTHON)

    def set_clock(self, now: datetime) -> None:
        """Move the clock ahead; back would invalidate the tokens of running tasks."""
        self._offset = max(self._offset, (now - datetime.now(UTC)).total_seconds())
        new = self._clock.with_suffix(".new")
        new.write_text(f"{self._offset:+.3f}\n")
        new.replace(self._clock)

    def set_paused(self, dag_id: str, is_paused: bool) -> None:
        wait_until(lambda: self.airflow.set_paused(dag_id, is_paused), dag_id)

    def run(self, dag_id: str, now: datetime) -> list[str]:
        if dag_id != ON_CHANGE:  # which events start, so that it has ended when the daily Dag's night has
            self.set_clock(now)
        return self._messages(f"dag_id = '{dag_id}' AND date(run_after) = '{now.date()}'")

    def watch(self, now: datetime) -> list[str]:
        self.set_clock(now)
        self.set_paused(WATCH, False)
        return self._messages(f"dag_id = '{DAILY}' AND run_id LIKE 'watch%'")

    def _messages(self, run: str) -> list[str]:
        """Return what was sent until a run, and all that it starts, has ended."""
        ended = "state IN ('success', 'failed')"
        wait_until(lambda: self._has("dag_run", f"{run} AND {ended}"), run)
        quiet_since = time.monotonic()

        def is_settled() -> bool:
            nonlocal quiet_since
            if self._has("dag_run", f"NOT {ended}") or is_task_running():
                quiet_since = time.monotonic()
            return time.monotonic() - quiet_since > SETTLED

        wait_until(is_settled, "the end of all runs")
        new = self._receiver.messages[self._heard :]
        self._heard += len(new)
        return [alike(message["text"], self.airflow.url) for message in new]

    def _has(self, table: str, where: str) -> bool:
        path = self.airflow.home / "airflow.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
            query = f"SELECT 1 FROM {table} WHERE {where}"  # noqa: S608 - all of it is ours
            return bool(database.execute(query).fetchone())


def is_task_running() -> bool:
    """Return whether a process of the executor is at work: a task tells of its failure after it failed."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline())
            if title.startswith("airflow worker") and "<idle>" not in title:
                return True
    return False


@pytest.mark.midnights
@pytest.mark.timeout(1800)
def test_three_midnights_of_a_scheduler(
    tmp_path: Path, root: Path, server: EmulatorServer, store: SnapshotStore
) -> None:
    """In the wheel's environment, with the Dags as a team has them."""
    assert LIBRARIES, "libfaketime is not installed: make system-deps"
    with Receiver() as receiver:
        scheduled = Scheduled(tmp_path, server, root, receiver)
        noon = midnight(DAYS[0]) + timedelta(hours=12)
        scheduled.set_clock(noon)
        with scheduled.airflow:
            for dag_id in (DAILY, ON_CHANGE, WATCHDOG):
                scheduled.set_paused(dag_id, False)
            assert scheduled.run(DAILY, noon) == []  # the same prices as on file
            pass_three_nights(server, store, scheduled)
