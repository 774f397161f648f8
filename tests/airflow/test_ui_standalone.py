"""Runs ``make ui``: it prints the log-in, serves the page, runs Dags, and Ctrl-C ends all its processes."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import urllib3

from io_intelligence_provider.cli.standalone import free_port
from io_intelligence_provider.cli.ui import sample_dag_ids

pytestmark = [pytest.mark.standalone, pytest.mark.timeout(1500)]

WATCH = "io_intelligence_watch"
STARTED = set(sample_dag_ids()) - {WATCH}
"""The Dags that run at a start; the watcher starts its own when prices move after the daily snapshot."""


def start(folder: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    """Start it and return the process and what it said once it served."""
    process = subprocess.Popen(
        [sys.executable, "-m", "io_intelligence_provider.cli.ui", str(folder), str(folder / "no demo")],
        env={name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        | {"PORT": str(port), "EMULATOR_PORT": "0", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line.startswith("Ctrl-C"):
            return process, said
    raise AssertionError(said)


class Api:
    """Airflow's REST API, as a user."""

    def __init__(self, url: str, name: str, password: str) -> None:
        self.url = url
        body = {"username": name, "password": password}
        token = urllib3.request("POST", f"{url}/auth/token", json=body).json()["access_token"]
        self.header = {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        answer = urllib3.request("GET", f"{self.url}{path}", headers=self.header, timeout=60)
        assert answer.status == 200, answer.data
        return answer.json()

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs of all Dags once they have all ended, and those that are expected are there."""
        deadline = time.monotonic() + 600
        while True:
            paused = [dag["dag_id"] for dag in self.get("/api/v2/dags")["dags"] if dag["is_paused"]]
            runs: list[dict[str, Any]] = self.get("/api/v2/dags/~/dagRuns?limit=100")["dag_runs"]
            missing = STARTED - {run["dag_id"] for run in runs}
            if not paused and not missing and all(run["state"] in ("success", "failed") for run in runs):
                return runs
            states = {run["dag_id"]: run["state"] for run in runs}
            assert time.monotonic() < deadline, (paused, missing, states)
            time.sleep(1)


def test_it_serves_and_ends_and_serves_again(tmp_path: Path) -> None:
    for _ in range(2):
        port = free_port()
        process, said = start(tmp_path, port)
        started = psutil.Process(process.pid).children(recursive=True)
        try:
            assert len(started) > 4
            (password,) = re.findall(r"Log in as  admin, password (\S+)", said)
            api = Api(f"http://localhost:{port}", "admin", password)
            assert api.get("/io-intelligence/api/status")["state"] == "ok"
            runs = api.runs()
            assert {(run["dag_id"], run["state"]) for run in runs} == {(dag, "success") for dag in STARTED}
            # Before it is unpaused, the API server may not be there for the tasks; they would be tried again.
            unpaused = {
                event["dag_id"]: event["when"]
                for event in api.get("/api/v2/eventLogs?event=patch_dag&order_by=-when&limit=100")[
                    "event_logs"
                ]
            }
            assert unpaused.keys() == STARTED | {WATCH}
            assert not [run for run in runs if run["queued_at"] < unpaused[run["dag_id"]]]
            tasks = api.get("/api/v2/dags/~/dagRuns/~/taskInstances?limit=100")["task_instances"]
            assert {task["try_number"] for task in tasks} == {1}
            with closing(sqlite3.connect(tmp_path / "warehouse.db")) as warehouse:
                (rows,) = warehouse.execute("SELECT count(*) FROM io_intelligence_price_periods").fetchone()
            assert rows > 1_000
        finally:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=120)
            assert "All stopped." in said
            assert process.returncode == 0
        deadline = time.monotonic() + 30
        while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in started):
            assert time.monotonic() < deadline, started
            time.sleep(0.2)
