"""Tests three midnights of all sample Dags under a real scheduler, whose clock libfaketime sets.

``make test-midnights`` runs it (about five minutes); it needs the Debian package ``libfaketime``.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import urllib3

from helpers.airflow_runs import DAGS
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.cli.demo import Receiver, notifying
from io_intelligence_provider.cli.standalone import Standalone, airflow_environment
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.history import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

pytestmark = [pytest.mark.midnights, pytest.mark.timeout(1800)]

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
DAILY, WATCHDOG = "io_intelligence_daily_pricing", "io_intelligence_watchdog"
PATIENCE = 300.0
"""Seconds until a condition that holds mostly within twenty is given up."""


class Clock:
    """The clock of all processes of an Airflow: the real one, moved by what a file says."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"

    def environment(self) -> dict[str, str]:
        # libfaketime takes the end of a sleep on the monotonic clock for one on the faked clock.
        folder = self._file.parent / "python"
        folder.mkdir()
        sleep = (
            "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"
        )
        (folder / "sitecustomize.py").write_text(sleep)
        return {
            "PYTHONPATH": str(folder),
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
        }

    def set(self, now: datetime) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{(now - datetime.now(UTC)).total_seconds():+.3f}\n")
        new.replace(self._file)


class Deployment:
    """An Airflow with the sample Dags, whose notifiers post to a receiver."""

    def __init__(self, airflow: Standalone, clock: Clock, receiver: Receiver) -> None:
        self._airflow = airflow
        self._clock = clock
        self._receiver = receiver
        self._heard = 0

    def at(self, now: datetime, dag_id: str) -> list[str]:
        """Set the clock, wait for the Dag's run of that date and all that it starts; return the messages."""
        self._clock.set(now)
        due = now.date().isoformat()
        wait_until(lambda: self._ended(dag_id, due), f"the run of {dag_id} at {now}")
        wait_until(self._is_quiet, f"all runs after {now}")
        new = self._receiver.messages[self._heard :]
        self._heard += len(new)
        return [message["text"] for message in new]

    def runs(self) -> list[dict[str, Any]]:
        login = urllib3.request(
            "POST",
            f"{self._airflow.url}/auth/token",
            json={"username": "admin", "password": self._airflow.passwords["admin"]},
            timeout=60,
        )
        headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
        url = f"{self._airflow.url}/api/v2/dags/~/dagRuns?limit=100"
        found: list[dict[str, Any]] = urllib3.request("GET", url, headers=headers, timeout=60).json()[
            "dag_runs"
        ]
        return found

    def _ended(self, dag_id: str, due: str) -> bool:
        return any(
            run["dag_id"] == dag_id
            and run["run_after"].startswith(due)
            and run["state"] in ("success", "failed")
            for run in self.runs()
        )

    def _is_quiet(self) -> bool:
        return all(run["state"] in ("success", "failed") for run in self.runs())


def wait_until(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(2)
    raise AssertionError(f"{what}: not within {PATIENCE:g} s")


DAYS = [date(2026, 6, day) for day in (23, 24, 25, 26)]


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=PriceHistory.load()) as server:
        yield server


@pytest.fixture
def deployment(tmp_path: Path, server: EmulatorServer) -> Iterator[Deployment]:
    """An Airflow at noon of the first day, whose snapshot is on file."""
    if not LIBRARIES:
        pytest.skip("libfaketime is not installed: make system-deps")
    server.set_as_of(DAYS[0])
    with IOIntelligenceClient(server.url) as client:
        take_snapshot(client, SnapshotStore(tmp_path / "store"), snapshot_date=DAYS[0])
    dags = shutil.copytree(DAGS, tmp_path / "dags", ignore=lambda *_: {"__pycache__"})
    settings = dags / "io_intelligence_settings.py"
    settings.write_text(notifying(settings.read_text("utf-8")), "utf-8")
    clock = Clock(tmp_path)
    clock.set(datetime(*DAYS[0].timetuple()[:3], 12, tzinfo=UTC))
    with Receiver() as receiver:
        environment = airflow_environment(tmp_path / "airflow", dags, tmp_path / "store", server.url) | {
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK": json.dumps(
                {"conn_type": "generic", "host": receiver.url}
            ),
            "AIRFLOW_CONN_IO_INTELLIGENCE_WAREHOUSE": json.dumps(
                {"conn_type": "sqlite", "host": str(tmp_path / "warehouse.db")}
            ),
            **clock.environment(),
        }
        with Standalone(tmp_path / "airflow", environment, {"admin": "admin"}) as airflow:
            yield Deployment(airflow, clock, receiver)


def test_what_people_receive_over_three_midnights(deployment: Deployment, server: EmulatorServer) -> None:
    first, *nights = [datetime(*day.timetuple()[:3], tzinfo=UTC) for day in DAYS]
    received = [("start", deployment.at(first + timedelta(hours=13), DAILY))]
    for number, night in enumerate(nights):
        good = server.state.catalogue
        server.set_as_of(night.date())
        if number == 1:
            records = [json.loads(record.body) for record in good.rendered(night.date(), "documented")]
            for record in records[:4]:
                record["metadata"]["input_token_price"] = "free"
            server.state.catalogue = FixedCatalogue(records)
        received.append((str(night), deployment.at(night + timedelta(seconds=5), DAILY)))
        server.state.catalogue = good
        received.append(
            (f"{night} 06:15", deployment.at(night + timedelta(hours=6, minutes=15, seconds=5), WATCHDOG))
        )
    assert received == []
