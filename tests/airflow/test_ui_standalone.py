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

import psutil
import pytest
import urllib3

from io_intelligence_provider.cli.standalone import free_port

pytestmark = [pytest.mark.standalone, pytest.mark.timeout(1500)]


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


def ended_run(dag: str, header: dict[str, str]) -> str:
    """Return the state of a Dag's first run once it has ended; the snapshot of the day starts it."""
    deadline = time.monotonic() + 300
    while True:
        answer = urllib3.request("GET", f"{dag}/dagRuns?order_by=id", headers=header, timeout=60)
        states: list[str] = [run["state"] for run in answer.json()["dag_runs"]]
        if states and states[0] in ("success", "failed"):
            return states[0]
        assert time.monotonic() < deadline, states
        time.sleep(1)


def test_it_serves_and_ends_and_serves_again(tmp_path: Path) -> None:
    for _ in range(2):
        port = free_port()
        process, said = start(tmp_path, port)
        started = psutil.Process(process.pid).children(recursive=True)
        try:
            assert len(started) > 4
            (password,) = re.findall(r"Log in as  admin, password (\S+)", said)
            url = f"http://localhost:{port}"
            body = {"username": "admin", "password": password}
            token = urllib3.request("POST", f"{url}/auth/token", json=body).json()["access_token"]
            header = {"Authorization": f"Bearer {token}"}
            status = urllib3.request("GET", f"{url}/io-intelligence/api/status", headers=header, timeout=60)
            assert status.status == 200, status.data
            assert status.json()["state"] == "ok"
            dags = urllib3.request("GET", f"{url}/api/v2/dags", headers=header).json()["dags"]
            assert "io_intelligence_daily_pricing" in {dag["dag_id"] for dag in dags}
            assert ended_run(f"{url}/api/v2/dags/io_intelligence_load_periods", header) == "success"
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
