"""A real Airflow: its database, a connection to the emulator, and Dags that really run."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider.emulator.history import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

_KEY = f"iok-{secrets.token_hex(16)}"  # not a literal: Airflow keeps the source of Dag files in its database
DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> None:
    """Create Airflow's database, once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture
def key() -> str:
    """The API key of the default connection."""
    return _KEY


@pytest.fixture(scope="session")
def _api() -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=PriceHistory.load(), api_key=_KEY) as server:
        yield server


@pytest.fixture
def api(_api: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """The emulator, and the default connection that leads to it."""
    connection = {"conn_type": "io_intelligence", "host": _api.url, "password": _KEY}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
    _api.set_as_of(None)
    yield _api
    _api.state.settle()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configured root of the store."""
    folder = tmp_path / "store"
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", str(folder))
    return folder


@pytest.fixture
def run_dag(airflow_db: None) -> Callable[..., Any]:
    """Return a function that registers a Dag and runs it in this process; it returns the Dag run."""

    def run(dag: Any, **arguments: Any) -> Any:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

        DagBundlesManager().sync_bundles_to_db()
        bag = BundleDagBag(dag_folder="/dev/null", bundle_path=DAGS, bundle_name="dags-folder")
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        return dag.test(**arguments)

    return run
