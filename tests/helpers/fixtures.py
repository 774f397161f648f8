"""Provides a pytest plugin with stores, servers and engines that tests of several rooms use."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

import io_intelligence_provider
from helpers.months import let_a_minute_pass
from helpers.stores import StoreBuilder
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli.emulator import replay
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

MakeOnce = Callable[[str, Callable[[Path], object]], Path]
RunConsumer = Callable[..., str]

_CONSUMERS = Path(__file__).parents[2] / ".venv-exports" / "bin" / "python"


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Return a function that creates a file or folder once for all processes of a run, and returns its path.

    It gets a name and a function that creates it. The first process calls the function, the others wait.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[Path], object]) -> Path:
        path, finished = base / name, base / f"{name}.finished"
        with (base / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not finished.exists():
                make(path)
                finished.touch()
        return path

    return made


@pytest.fixture(scope="session")
def recorded_store(once: MakeOnce) -> Path:
    """Return a store with the whole recorded price history and its changes; read-only."""
    from io_intelligence_provider import SnapshotStore
    from io_intelligence_provider.emulator.server import EmulatorServer

    def make(root: Path) -> None:
        history = PriceHistory.load()
        with EmulatorServer(catalogue=history) as server:
            replay(server, SnapshotStore(root), history.dates)

    return once("recorded", make)


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """Start the one Spark of a process: a local master, Python workers with the package, a Connect server."""
    pytest.importorskip("pyspark")
    logging.getLogger("py4j").setLevel(logging.WARNING)  # it logs on exit, when pytest's streams are closed
    os.environ["PYSPARK_PYTHON"] = sys.executable

    package = Path(io_intelligence_provider.__file__).parents[1]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")])
    with socket.socket() as found, warnings.catch_warnings():
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
        warnings.simplefilter("ignore")  # warnings of Spark's start
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        found.close()
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.sql.shuffle.partitions", "2")
            .config("spark.ui.enabled", "false")
            .config("spark.plugins", "org.apache.spark.sql.connect.SparkConnectPlugin")
            .config("spark.connect.grpc.binding.address", "127.0.0.1")
            .config("spark.connect.grpc.binding.port", str(port))
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .getOrCreate()
        )
        yield session
        session.stop()
        gateway: Any = SparkContext._gateway
        gateway.shutdown()
        gateway.proc.stdin.close()  # ends the JVM
        gateway.proc.wait(60)
        SparkContext._gateway = SparkContext._jvm = None


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path, once: MakeOnce) -> Path:
    """Create Airflow's database in this process's home.

    :returns: a copy of the new database, for a home of another process.
    """
    from airflow.utils.db import initdb

    own = airflow_home / "airflow.db"

    def make(path: Path) -> None:
        initdb()
        with closing(sqlite3.connect(own)) as database:
            database.execute("VACUUM INTO ?", (str(path),))  # also copies the write-ahead log

    new = once("airflow.db", make)
    if not own.exists():
        shutil.copyfile(new, own)
    return new


@pytest.fixture(scope="session")
def run_consumer() -> RunConsumer:
    """Return a function that runs code in the environment of ``make test-exports`` and returns its output."""

    def run(code: str, *arguments: str, cwd: Path) -> str:
        assert _CONSUMERS.exists(), "the consumers are not installed: run make test-exports"
        command = [str(_CONSUMERS), "-c", code, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
        assert done.returncode == 0, done.stderr[-2_000:]
        return done.stdout

    return run


@pytest.fixture
def memory_root() -> Iterator[str]:
    """Return an unused URL in the process's only memory file system."""
    root = f"/{uuid4()}"
    yield f"memory:/{root}"
    fs = MemoryFileSystem()
    if fs.exists(root):
        fs.rm(root, recursive=True)


@pytest.fixture
def local_store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "store")


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, memory_root: str) -> SnapshotStore:
    return SnapshotStore(tmp_path / "store" if request.param == "local" else memory_root)


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    return StoreBuilder(tmp_path / "store")


@pytest.fixture(scope="session")
def _server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def server(_server: EmulatorServer) -> Iterator[EmulatorServer]:
    """Return the emulator with the bundled history; it is reset after each test."""
    yield _server
    _server.state.reset()
    _server.set_as_of(None)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the clock ahead by a minute, so that files just written are old enough to be rolled up."""
    let_a_minute_pass(monkeypatch)
