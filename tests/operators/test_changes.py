"""Tests the changes operator in Airflow: the task's result, and events only when there are changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath

from helpers.airflow_runs import API_KEY, asset_events, catalogue_records, load_dag, task_instance
from io_intelligence_provider import SnapshotStore, take_snapshot
from io_intelligence_provider.assets import MODELS, PRICE_CHANGES, QUOTA_CHANGES, triggering_dates
from io_intelligence_provider.catalog.client import IOIntelligenceClient
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator

PRICES, QUOTAS = "io_intelligence_price_changes", "io_intelligence_quota_changes"


def today() -> date:
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)


def dag_of(**arguments: Any) -> Any:
    from airflow.sdk import DAG

    with DAG("changes_only", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        IOIntelligenceChangesOperator(task_id="changes", **arguments)
    return dag


def test_two_days_with_real_price_moves(
    api: EmulatorServer, root: Path, run_dag: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    store = SnapshotStore(root)
    api.set_as_of(date(2026, 6, 29))
    with IOIntelligenceClient(api.url, token=API_KEY) as client:
        take_snapshot(client, store, snapshot_date=yesterday())
    api.set_as_of(date(2026, 6, 30))
    run = run_dag(load_dag("io_intelligence_daily_pricing"))
    assert run.state == "success"
    summary = task_instance(run, "changes").xcom_pull(task_ids="changes")
    assert summary["snapshot_date"] == today().isoformat()
    assert summary["previous_date"] == yesterday().isoformat()
    assert len(json.dumps(summary)) < 2_048
    rows = store.changes(today()).to_pylist()
    assert summary["counts"]["price_changed"] == len(rows) > 0
    moved = {(row["name"], row["field"]): (row["old_value"], row["new_value"]) for row in rows}
    assert moved["zai-org/GLM-5.2", "input_token_price"] == ("1.82", "1.678")
    (extra,) = asset_events(run, PRICES)
    assert extra == summary | {
        "root": str(root),
        "query": "",
        "airflow.dataquality.result": store.quality().result(),
    }
    assert Path(extra["path"]).is_file()
    assert asset_events(run, QUOTAS) == []
    sent = task_instance(run, "alert").xcom_pull(task_ids="alert")
    assert sent == {"snapshot_date": today().isoformat(), "sent": {}, "nothing_new": []}
    assert not (root / "alerts").exists()  # nothing was sent


def test_no_event_when_nothing_changed_and_on_the_first_day(
    file_day: Callable[..., Any], run_dag: Callable[..., Any]
) -> None:
    file_day(today(), catalogue_records())
    for previous in (None, yesterday().isoformat()):
        run = run_dag(dag_of())
        assert run.state == "success"
        summary = task_instance(run, "changes").xcom_pull(task_ids="changes")
        assert summary["previous_date"] == previous
        assert set(summary["counts"].values()) == {0}
        assert Path(summary["path"]).is_file()
        assert asset_events(run, PRICES) == asset_events(run, QUOTAS) == []
        file_day(yesterday(), catalogue_records())


def test_a_quota_alone_gives_the_quota_asset_its_event(
    file_day: Callable[..., Any], run_dag: Callable[..., Any]
) -> None:
    served = catalogue_records()
    file_day(yesterday(), served)
    served[0]["chat_daily_quota_tier_1"] -= 1
    file_day(today(), served)
    run = run_dag(dag_of())
    (extra,) = asset_events(run, QUOTAS)
    assert extra["counts"]["quota_changed"] == 1
    assert asset_events(run, PRICES) == []


@pytest.mark.parametrize("quota_too", [False, True])
def test_an_access_tier_counts_as_a_quota_and_gives_one_event(
    file_day: Callable[..., Any], run_dag: Callable[..., Any], quota_too: bool
) -> None:
    served = catalogue_records()
    file_day(yesterday(), served)
    served[0]["metadata"]["min_access_tier"] = "professional"
    served[0]["chat_daily_quota_tier_1"] -= quota_too
    file_day(today(), served)
    run = run_dag(dag_of())
    (extra,) = asset_events(run, QUOTAS)
    assert (extra["counts"]["access_changed"], extra["counts"]["quota_changed"]) == (1, quota_too)
    assert asset_events(run, PRICES) == []


@pytest.mark.parametrize("kind", [Path, ObjectStoragePath, lambda _: "{{ none }}", lambda _: "{{ ' ' }}"])
def test_the_root_may_be_a_path_and_a_template_without_a_value_is_unset(
    root: Path, file_day: Callable[..., Any], run_dag: Callable[..., Any], kind: Callable[[str], Any]
) -> None:
    file_day(today(), catalogue_records())
    run = run_dag(dag_of(root=kind(str(root))))
    assert task_instance(run, "changes").xcom_pull(task_ids="changes")["path"].startswith(f"{root}/")


def test_against_an_earlier_date_counts_and_tells_nobody(
    root: Path, file_day: Callable[..., Any], run_dag: Callable[..., Any]
) -> None:
    served = catalogue_records()
    file_day(date(2026, 1, 1), served)
    served[0]["metadata"]["input_token_price"] = "7"
    file_day(yesterday(), served)
    file_day(today(), served)
    run = run_dag(dag_of(against="{{ '2026-01-' ~ '01' }}"))
    summary = task_instance(run, "changes").xcom_pull(task_ids="changes")
    assert (summary["previous_date"], summary["path"]) == ("2026-01-01", None)
    assert summary["counts"]["price_changed"] == 1
    assert asset_events(run, PRICES) == []
    assert not (root / "changes").exists()


def test_a_run_whose_date_has_no_snapshot_is_skipped_and_says_why(
    file_day: Callable[..., Any], run_dag: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    file_day(yesterday(), catalogue_records())
    run = run_dag(dag_of())
    assert task_instance(run, "changes").state == "skipped"
    printed = capfd.readouterr()
    assert f"There is no snapshot of {today()}, the date of this run; the latest is of" in (
        printed.out + printed.err
    )


def test_a_wrong_against_fails(file_day: Callable[..., Any]) -> None:
    file_day(today(), catalogue_records())
    task = IOIntelligenceChangesOperator(task_id="changes", against="2020-01-01")
    context: Any = {"dag_run": SimpleNamespace(run_after=datetime.now(UTC))}
    with pytest.raises(NotOnFileError, match="2020-01-01"):
        task.execute(context)


def test_a_dag_scheduled_on_an_asset_is_due_after_such_a_change_only(
    file_day: Callable[..., Any], run_dag: Callable[..., Any]
) -> None:
    served = catalogue_records()
    file_day(yesterday(), served)
    file_day(today(), served)
    assert run_dag(load_dag("io_intelligence_on_change")).state == "success"
    forget_due()
    run_dag(dag_of())
    assert due() == set()
    served[0]["metadata"]["input_token_price"] = "7"
    file_day(today(), served)
    run_dag(dag_of())
    assert due() == {("io_intelligence_on_change", PRICES)}
    forget_due()


def forget_due() -> None:
    from airflow.models.asset import AssetDagRunQueue
    from airflow.utils.session import create_session

    with create_session() as session:
        session.query(AssetDagRunQueue).delete()


def due() -> set[tuple[str, str]]:
    from airflow.models.asset import AssetDagRunQueue, AssetModel
    from airflow.utils.session import create_session

    with create_session() as session:
        waiting = session.query(AssetDagRunQueue.target_dag_id, AssetModel.name).join(
            AssetModel, AssetModel.id == AssetDagRunQueue.asset_id
        )
        # Other tests of this process may have registered further Dags that wait for the assets.
        return {tuple(row) for row in waiting if row[0] == "io_intelligence_on_change"}


def event(day: str | None, root: str | None = None) -> Any:
    return SimpleNamespace(extra={} if day is None else {"snapshot_date": day, "root": root})


def test_a_run_is_about_the_date_that_its_events_tell(file_day: Callable[..., Any], root: Path) -> None:
    file_day(date(2026, 1, 1), catalogue_records())
    context: Any = {
        "dag_run": SimpleNamespace(run_after=datetime.now(UTC)),
        "triggering_asset_events": {
            PRICE_CHANGES: [event("2026-01-01", str(root)), event(None), event("2026-01-03", "/other")],
            QUOTA_CHANGES: [event("2025-12-31", str(root))],
        },
        "outlet_events": {},
    }
    summary = IOIntelligenceChangesOperator(task_id="changes").execute(context)
    assert summary["snapshot_date"] == "2026-01-01"
    assert triggering_dates(context["triggering_asset_events"]) == ["2025-12-31", "2026-01-01", "2026-01-03"]
    assert triggering_dates({MODELS: [event(None)]}) == []
