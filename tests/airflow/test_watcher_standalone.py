"""Tests the watcher in a real Airflow: API server, scheduler, Dag processor and triggerer.

``make test-standalone`` runs it (two to five minutes); plain ``pytest`` leaves it out.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from helpers.airflow_runs import API_KEY
from helpers.http_clients import wait_until
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli.standalone import free_port
from io_intelligence_provider.emulator.server import EmulatorServer

pytestmark = [pytest.mark.standalone, pytest.mark.timeout(1500)]

DAGS = Path(__file__).parents[2] / "dags"


class Airflow:
    """An Airflow of its own below one folder, its components by name."""

    def __init__(self, home: Path, store: Path, connection: dict[str, str]) -> None:
        self.home = home
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.port = free_port()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self.environment = clean | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "2",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{self.port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": "x" * 64,
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__IO_INTELLIGENCE__ROOT": str(store),
            "AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT": json.dumps(connection),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def start(self, *names: str) -> None:
        """Start components; their output goes to a file each."""
        for name in names:
            options = ["--port", str(self.port)] if name == "api-server" else []
            with (self.home / f"{name}.log").open("ab") as output:
                self.running[name] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", name, *options],
                    env=self.environment,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )

    def stop(self, *names: str) -> None:
        """Ask components to end; end what has not ended after twenty seconds, with its children."""
        for name in names:
            self.running[name].terminate()
        for name in names:
            process = self.running.pop(name)
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the session that we started it in
            process.wait(20)

    def answers(self) -> bool:
        """Tell whether the API server takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the metadata database."""
        with closing(sqlite3.connect(f"file:{self.home / 'airflow.db'}?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(query).fetchall()

    def runs(self, where: str) -> list[tuple[str, str]]:
        """Return id and state of Dag runs."""
        return self.rows(f"SELECT run_id, state FROM dag_run WHERE {where} ORDER BY id")  # type: ignore[return-value]  # noqa: S608

    def complain(self) -> str:
        """Return the ends of all logs."""
        logs = sorted(self.home.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text('utf-8', 'replace')[-3_000:]}" for log in logs)


@contextmanager
def standalone(home: Path, store: Path, connection: dict[str, str]) -> Iterator[Airflow]:
    airflow = Airflow(home, store, connection)
    (home / "dags").mkdir(parents=True)
    for name in ("daily_pricing", "watch", "settings"):
        shutil.copy(DAGS / f"io_intelligence_{name}.py", home / "dags")
    watch = home / "dags" / "io_intelligence_watch.py"
    assert "interval=900" in watch.read_text()
    watch.write_text(watch.read_text().replace("interval=900", "interval=2"))
    subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=airflow.environment,
        capture_output=True,
        check=True,
    )
    try:
        airflow.start("api-server")
        wait_until(airflow.answers, "the API server")
        airflow.start("scheduler", "dag-processor", "triggerer")
        yield airflow
    except BaseException:
        print(airflow.complain())  # noqa: T201 - pytest shows it with the failure
        raise
    finally:
        airflow.stop(*list(airflow.running))


DAILY = "dag_id = 'io_intelligence_daily_pricing'"
WATCHED = f"{DAILY} AND run_id LIKE 'watch\\_\\_%' ESCAPE '\\'"


def test_a_price_that_moves_starts_the_daily_dag_once(tmp_path: Path, api: EmulatorServer) -> None:
    began = time.monotonic()
    days = api.state.catalogue.dates
    api.set_as_of(days[-3])
    store = SnapshotStore(tmp_path / "store")

    def note(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}")  # noqa: T201

    connection = {"conn_type": "io_intelligence", "host": api.url, "password": API_KEY}
    with standalone(tmp_path / "airflow", tmp_path / "store", connection) as airflow:
        wait_until(
            lambda: [run for run in airflow.runs(DAILY) if run[1] == "success"], "the scheduled daily run"
        )
        assert store.dates() == [datetime.now(UTC).date()]
        note("the daily run filed its snapshot")
        wait_until(lambda: list((tmp_path / "store" / "watch").rglob("*.json")), "the first look")
        note("the watcher looked")
        assert airflow.runs(WATCHED) == []
        filed = store.info().snapshot_id

        api.set_as_of(days[-2])
        wait_until(
            lambda: [run for run in airflow.runs(WATCHED) if run[1] == "success"], "the run of the event"
        )
        note("prices moved, and a run of the daily Dag filed them")
        assert store.info().snapshot_id != filed
        assert store.dates() == [datetime.now(UTC).date()]

        def polls(count: int) -> None:
            asked = len(api.state.requests())
            wait_until(lambda: len(api.state.requests()) >= asked + count, f"{count} polls")

        polls(3)
        assert len(airflow.runs(WATCHED)) == 1

        airflow.stop("triggerer")
        note("triggerer stopped")
        airflow.start("triggerer")
        polls(3)
        note("triggerer started again and looked three times")
        assert len(airflow.runs(WATCHED)) == 1
        assert len(airflow.rows("SELECT id FROM asset_event WHERE source_dag_id IS NULL")) == 1

        airflow.stop("triggerer")
        api.set_as_of(days[-1])
        airflow.start("triggerer")
        wait_until(
            lambda: [run[1] for run in airflow.runs(WATCHED)] == ["success"] * 2,
            "the run of what moved while no triggerer was there",
        )
        polls(3)
        assert len(airflow.runs(WATCHED)) == 2
        note("what moved while no triggerer was there started one run")
