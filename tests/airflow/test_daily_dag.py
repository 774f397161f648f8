"""Runs the sample Dag: its file, asset event and XCom, and what it refuses."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandera.polars as pa
import pytest
from airflow.sdk import DAG, Asset, chain

from helpers.airflow_runs import API_KEY, asset_events
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.assets import MODELS, PARTITIONS
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.export import IOIntelligenceExportOperator
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator

DAG_FILE = Path(__file__).parents[2] / "dags" / "io_intelligence_daily_pricing.py"


@pytest.fixture
def dag() -> Any:
    from airflow.sdk import DAG

    found = [item for item in runpy.run_path(str(DAG_FILE)).values() if isinstance(item, DAG)]
    if not found:  # the file calls the factory without keeping the result: ask it for one
        return runpy.run_path(str(DAG_FILE))["io_intelligence_daily_pricing"]()
    return found[0]


def snapshot_task(run: Any) -> Any:
    (instance,) = (item for item in run.get_task_instances() if item.task_id == "snapshot")
    return instance


def test_two_runs_over_the_live_shape_pass_and_find_no_change(
    dag: Any, api: EmulatorServer, root: Path, run_dag: Callable[..., Any]
) -> None:
    """What moves from request to request there is no finding and no change."""
    store, today = SnapshotStore(root), datetime.now(UTC).date()
    api.state.shape = "openai"
    try:
        with IOIntelligenceClient(api.url, token=API_KEY) as client:
            before = take_snapshot(client, store, snapshot_date=today - timedelta(days=1))
        run = run_dag(dag)
    finally:
        api.state.shape = "documented"
    assert run.state == "success"
    summary = snapshot_task(run).xcom_pull(task_ids="snapshot")
    assert (summary["outcome"], summary["score"], summary["wire_shape"]) == ("passed", 1, "openai")
    assert summary["content_hash"] == before.content_hash
    assert store.changes(today, today).num_rows == 0


def test_it_files_todays_snapshot_and_says_so(
    dag: Any, api: EmulatorServer, root: Path, run_dag: Callable[..., Any]
) -> None:
    run = run_dag(dag)
    assert run.state == "success"
    today = datetime.now(UTC).date()
    store = SnapshotStore(root)
    assert store.dates() == [today]
    assert store.read().num_rows == 26
    summary = snapshot_task(run).xcom_pull(task_ids="snapshot")
    assert summary["snapshot_date"] == today.isoformat()
    assert summary["rows"] == 26
    assert summary["snapshot_id"] == store.info().snapshot_id
    assert len(json.dumps(summary)) < 2_048
    (extra,) = asset_events(run, "io_intelligence_models")
    assert extra == summary | {
        "root": str(root),
        "query": "",
        "airflow.dataquality.result": {
            "score": 1.0,
            "passed": store.quality().result()["passed"],
            "failed": 0,
            "warned": 0,
        },
    }


def test_a_run_whose_day_is_over_is_skipped_and_emits_nothing(
    dag: Any, api: EmulatorServer, root: Path, run_dag: Callable[..., Any]
) -> None:
    asked = len(api.state.requests())
    run = run_dag(dag, run_after=datetime.now(UTC) - timedelta(days=2))
    assert snapshot_task(run).state == "skipped"
    assert SnapshotStore(root).dates() == []
    assert asset_events(run, "io_intelligence_models") == []
    assert len(api.state.requests()) == asked


def test_a_failing_api_fails_the_run_and_leaves_the_last_file(
    dag: Any, api: EmulatorServer, root: Path, run_dag: Callable[..., Any]
) -> None:
    assert run_dag(dag).state == "success"
    before = SnapshotStore(root).info()
    api.faults.add(Fault(kind="status", status=402, times=None))
    dag.get_task("snapshot").retries = 0
    run = run_dag(dag)
    assert run.state == "failed"
    assert SnapshotStore(root).info() == before


def test_the_dag_is_what_the_documentation_says(dag: Any) -> None:
    assert dag.dag_id == "io_intelligence_daily_pricing"
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert dag.doc_md
    assert {"io-intelligence", "pricing"} <= set(dag.tags)
    task = dag.get_task("snapshot")
    assert task.retries == 4
    assert task.retry_exponential_backoff
    by_date = ["io_intelligence_models_by_date"] if PARTITIONS else []
    assert [asset.name for asset in task.outlets] == ["io_intelligence_models", *by_date]


def test_every_task_of_it_fails_at_once_where_waiting_cannot_help(dag: Any) -> None:
    pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="Airflow 3.2 has no retry policies")
    from io_intelligence_provider.retry_policy import IOIntelligenceRetryPolicy

    assert [task.task_id for task in dag.tasks] == ["snapshot", "changes", "alert"]
    assert all(isinstance(task.retry_policy, IOIntelligenceRetryPolicy) for task in dag.tasks)


def test_a_task_with_a_root_of_its_own_wakes_nobody_but_its_own_outlets(
    api: EmulatorServer, root: Path, tmp_path: Path, run_dag: Callable[..., Any]
) -> None:
    """Also when the root is a template, and whoever listens knows the store from the event."""
    mine, moved = Asset("mine"), Asset("moved_in_mine")
    with DAG("elsewhere", schedule=None, params={"root": str(tmp_path / "other")}) as dag:
        IOIntelligenceSnapshotOperator(
            task_id="snapshot", root="{{ params.root }}", q="{{ none }}", outlets=[MODELS, mine]
        )
        IOIntelligenceChangesOperator(task_id="changes", root="{{ params.root }}", outlets=[moved])
        dag.get_task("snapshot") >> dag.get_task("changes")
    run = run_dag(dag)
    assert run.state == "success"
    names = ["models", "models_by_date", "price_changes", "quota_changes"]
    assert [asset_events(run, f"io_intelligence_{name}") for name in names] == [[], [], [], []]
    for asset in (mine, moved):
        (extra,) = asset_events(run, asset.name)
        assert (extra["root"], extra["query"]) == (str(tmp_path / "other"), "")
        assert extra["airflow.dataquality.result"]["failed"] == 0


def test_outlets_may_be_references_to_assets_and_lineage_that_is_no_asset(
    api: EmulatorServer, root: Path, tmp_path: Path, run_dag: Callable[..., Any]
) -> None:
    """A failure by an outlet comes after the snapshot was committed, and each retry repeats it."""
    from airflow.providers.common.compat.lineage.entities import File
    from airflow.providers.standard.operators.empty import EmptyOperator

    outlets: Any = [File(url="s3://bucket/key"), Asset.ref(name="referred_to")]
    with DAG("outlets_of_all_kinds", schedule=None) as dag:
        tasks = [
            EmptyOperator(task_id="declares", outlets=[Asset("referred_to")]),
            IOIntelligenceSnapshotOperator(task_id="snapshot", outlets=outlets),
            IOIntelligenceChangesOperator(task_id="changes", outlets=outlets),
            IOIntelligenceExportOperator(
                task_id="export", format="litellm", path=str(tmp_path / "prices.json"), outlets=outlets
            ),
            PanderaCheckOperator(
                task_id="check",
                path=root / "models",
                schema=pa.DataFrameSchema({"name": pa.Column(str)}),
                outlets=outlets,
            ),
        ]
        chain(*tasks)
    run = run_dag(dag)
    assert run.state == "success"
    extras = asset_events(run, "referred_to")
    assert sorted("airflow.dataquality.result" in extra for extra in extras) == [
        False,
        True,
        True,
        True,
        True,
    ]


@pytest.mark.skipif(not PARTITIONS, reason="Airflow 3.2 has no partitioned assets")
def test_the_event_by_date_has_the_date_as_its_partition(
    dag: Any, api: EmulatorServer, root: Path, run_dag: Callable[..., Any]
) -> None:
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session

    # Airflow files events of assets only that a Dag it knows schedules or produces.
    run = run_dag(dag)
    with create_session() as session:
        keys = (
            session.query(AssetModel.name, AssetEvent.partition_key)
            .join(AssetEvent, AssetModel.id == AssetEvent.asset_id)
            .filter(AssetEvent.source_run_id == run.run_id, AssetEvent.source_task_id == "snapshot")
        )
        found = dict(keys.all())
    today = datetime.now(UTC).date().isoformat()
    assert found == {"io_intelligence_models": None, "io_intelligence_models_by_date": today}


def test_a_skipped_task_warns_with_the_next_step(
    dag: Any, root: Path, api: EmulatorServer, run_dag: Callable[..., Any], capfd: Any, caplog: Any
) -> None:
    run_dag(dag, run_after=datetime.now(UTC) - timedelta(days=2))
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "This task is skipped: The run is of" in printed
