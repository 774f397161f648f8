"""Provides a pytest plugin that runs Dags in a real Airflow whose default connection leads to an emulator."""

from __future__ import annotations

import copy
import json
import os
import runpy
import secrets
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.observed_run import start_execution_api
from helpers.surroundings import REPOSITORY
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

API_KEY = f"iok-{secrets.token_hex(16)}"
"""The default connection's key. Not a literal: Airflow stores the source of Dag files in its database."""
DAGS = REPOSITORY / "dags"


@pytest.fixture(scope="session")
def _api() -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=PriceHistory.load(), api_key=API_KEY) as server:
        yield server


@pytest.fixture
def api(_api: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """Return the emulator that the default connection leads to."""
    connection = {"conn_type": "io_intelligence", "host": _api.url, "password": API_KEY}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
    _api.set_as_of(None)
    yield _api
    _api.state.reset()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the configured root of the store."""
    folder = tmp_path / "store"
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", str(folder))
    return folder


@pytest.fixture(scope="session")
def _execution_api(airflow_db: Path) -> None:
    start_execution_api()


def _finalize_with_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``dag.test()`` of Airflow 3.2 give callbacks the exception, as its task runner and 3.3 do."""
    from airflow.sdk.execution_time import task_runner

    finalize = task_runner.finalize

    def with_error(ti: Any, state: Any, context: Any, log: Any, error: BaseException | None = None) -> None:
        context["exception"] = error
        finalize(ti, state, context, log, error)

    monkeypatch.setattr(task_runner, "finalize", with_error)


@pytest.fixture
def run_dag(_execution_api: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that registers a Dag, runs it in this process and returns the Dag run."""
    if version("apache-airflow").startswith("3.2."):
        _finalize_with_error(monkeypatch)

    def run(dag: Any, **arguments: Any) -> Any:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

        DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
        bag = BundleDagBag(dag_folder="/dev/null", bundle_path=DAGS, bundle_name="dags-folder")
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        try:
            return dag.test(**arguments)
        finally:
            # Airflow sets these for the task and relies on its process to end.
            for name in [name for name in os.environ if name.startswith("AIRFLOW_CTX_")]:
                del os.environ[name]

    return run


def load_dag(name: str) -> Any:
    """Return a new instance of the Dag in a file of ``dags/``."""
    from airflow.sdk import DAG

    found = runpy.run_path(str(DAGS / f"{name}.py"))
    made = [item for item in found.values() if isinstance(item, DAG)]
    return made[0] if made else found[name]()


def asset_events(run: Any, asset: str) -> list[dict[str, Any]]:
    """Return the extras of the events that a run added to an asset."""
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        events = (
            session.query(AssetEvent)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .filter(
                AssetEvent.source_run_id == run.run_id,
                AssetEvent.source_dag_id == run.dag_id,
                AssetModel.name == asset,
            )
        )
        return [event.extra for event in events]


def task_instance(run: Any, task_id: str) -> Any:
    return next(item for item in run.get_task_instances() if item.task_id == task_id)


@cache
def _history() -> PriceHistory:
    return PriceHistory.load()


def catalogue_records(number: int = 3) -> list[dict[str, Any]]:
    """Return the first records of the real catalogue; callers may change them."""
    return copy.deepcopy(_history().records()[:number])


@pytest.fixture
def file_day(root: Path) -> Callable[..., Any]:
    """Return a function that writes records as the snapshot of a date, through the whole pipeline."""

    def file(day: date, served: list[dict[str, Any]]) -> Any:
        with (
            EmulatorServer(catalogue=FixedCatalogue(served)) as server,
            IOIntelligenceClient(server.url) as client,
        ):
            return take_snapshot(client, SnapshotStore(root), snapshot_date=day, fail_on="never")

    return file


def write_column(path: Path, values: list[int]) -> Path:
    """Write a Parquet file with the column ``a``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"a": values}), path)
    return path


def prepared(**arguments: Any) -> Any:
    """Return an operator whose arguments have been read as at the beginning of its execution."""
    from io_intelligence_provider.operators.pandera import PanderaCheckOperator

    operator = PanderaCheckOperator(task_id="check", schema="check_schemas:schema", **arguments)
    context: Any = {"ti": SimpleNamespace(map_index=-1)}
    operator._prepare(context)
    return operator
