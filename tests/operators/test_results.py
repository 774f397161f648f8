"""Tests the links of a task to the page, in Airflow's REST API and at the end of a digest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urljoin

import pandera.polars as pa
import polars as pl
import pytest
from airflow.providers_manager import ProvidersManager
from airflow.sdk import DAG, BaseNotifier

from helpers.airflow_runs import catalogue_records, load_dag
from helpers.http_clients import serve_page
from io_intelligence_provider import AlertRule, SnapshotStore
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.operators.results import changes_view, page_url
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator
from io_intelligence_provider.quality.results_store import ResultHistory, dataset_id

DAILY = "io_intelligence_daily_pricing"


def today() -> date:
    return datetime.now(UTC).date()


def of_changes(day: date) -> dict[str, str]:
    return {"What changed": f"io-intelligence/#/changes?start={day}&end={day}"}


def of_quality(day: date, run_id: str | None = None) -> dict[str, str]:
    return {"Data quality": f"io-intelligence/#/quality?day={day}{f'&run={run_id}' if run_id else ''}"}


@pytest.fixture(scope="module")
def client(airflow_db: Path) -> Iterator[Any]:
    """Airflow's API server in this process, asked as an administrator."""
    from airflow.api_fastapi.app import create_app, get_auth_manager, purge_cached_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
        app = create_app(apps="core")
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="ada", role="admin"))
        with TestClient(app, headers={"Authorization": f"Bearer {token}"}) as asked:
            yield asked
        purge_cached_app()


@pytest.fixture
def links_of(client: Any) -> Callable[[Any, str], dict[str, str | None]]:
    """Return a function that asks the REST API for the links of a task."""

    def links(run: Any, task_id: str) -> dict[str, str | None]:
        of_run = f"/api/v2/dags/{run.dag_id}/dagRuns/{quote(run.run_id)}"
        answer = client.get(f"{of_run}/taskInstances/{task_id}/links")
        assert answer.status_code == 200, answer.text
        found: dict[str, str | None] = answer.json()["extra_links"]
        return found

    return links


def test_each_task_of_the_daily_dag_links_to_its_day(
    api: EmulatorServer, root: Path, run_dag: Callable[..., Any], links_of: Callable[..., Any]
) -> None:
    run = run_dag(load_dag(DAILY))
    assert run.state == "success"
    assert links_of(run, "snapshot") == of_quality(today(), SnapshotStore(root).info().snapshot_id)
    assert links_of(run, "changes") == of_changes(today())
    assert links_of(run, "alert") == of_changes(today())


def test_a_link_resolves_behind_a_base_url_with_a_path() -> None:
    base = "https://example.com/team/airflow/"
    (link,) = of_changes(date(2026, 6, 30)).values()
    assert urljoin(base, link) == f"{base}io-intelligence/#/changes?start=2026-06-30&end=2026-06-30"


def test_a_run_that_failed_links_to_the_day_it_was_about(
    api: EmulatorServer, root: Path, run_dag: Callable[..., Any], links_of: Callable[..., Any]
) -> None:
    api.faults.add(Fault(kind="status", status=402, times=None))
    with DAG("failing", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        IOIntelligenceSnapshotOperator(task_id="snapshot", retries=0)
    run = run_dag(dag)
    assert run.state == "failed"
    assert links_of(run, "snapshot") == of_quality(today())


def test_a_stopped_run_links_to_its_own_result_and_asks_for_no_xcom(
    root: Path,
    run_dag: Callable[..., Any],
    links_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with EmulatorServer(catalogue=FixedCatalogue([{"id": 1}])) as server:
        connection = {"conn_type": "io_intelligence", "host": server.url}
        monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
        with DAG("stopped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            IOIntelligenceSnapshotOperator(task_id="snapshot", retries=0)
        run = run_dag(dag)
    assert run.state == "failed"
    (stopped,) = SnapshotStore(root).runs()
    assert links_of(run, "snapshot") == of_quality(today(), stopped.snapshot_id)
    assert "XCom not found" not in "".join(capfd.readouterr()) + caplog.text


def test_a_run_that_was_skipped_links_to_the_day_it_was_about(
    api: EmulatorServer, root: Path, run_dag: Callable[..., Any], links_of: Callable[..., Any]
) -> None:
    before = datetime.now(UTC) - timedelta(days=3)
    with DAG("late", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        IOIntelligenceSnapshotOperator(task_id="snapshot")
        IOIntelligenceChangesOperator(task_id="changes")
    run = run_dag(dag, run_after=before)
    assert links_of(run, "snapshot") == of_quality(before.date())
    assert links_of(run, "changes") == of_changes(before.date())


def test_a_task_with_a_store_of_its_own_has_no_link(
    api: EmulatorServer,
    root: Path,
    tmp_path: Path,
    run_dag: Callable[..., Any],
    links_of: Callable[..., Any],
) -> None:
    with DAG("elsewhere", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        IOIntelligenceSnapshotOperator(task_id="elsewhere", root=str(tmp_path / "elsewhere"))
        IOIntelligenceSnapshotOperator(task_id="named", root=f"file://{root}/")
    run = run_dag(dag)
    assert run.state == "success"
    assert links_of(run, "elsewhere") == {"Data quality": None}
    assert links_of(run, "named") == of_quality(today(), SnapshotStore(root).info().snapshot_id)


def test_a_check_links_to_its_own_result_also_after_a_failure(
    root: Path, tmp_path: Path, run_dag: Callable[..., Any], links_of: Callable[..., Any]
) -> None:
    data = tmp_path / "orders.parquet"
    pl.DataFrame({"price": [1.0, -1.0]}).write_parquet(data)
    schema = pa.DataFrameSchema({"price": pa.Column(float, pa.Check.ge(0))}, name="Orders")
    common: dict[str, Any] = {"path": str(data), "schema": schema, "retries": 0}
    with DAG("checking", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        PanderaCheckOperator(task_id="stopped", dataset="ours", **common)
        PanderaCheckOperator(task_id="passed", dataset="theirs", fail_on="never", **common)
        PanderaCheckOperator(task_id="not_kept", keep_results=False, **common)
        PanderaCheckOperator(task_id="elsewhere", results_root=str(tmp_path / "elsewhere"), **common)
    run = run_dag(dag)
    assert run.state == "failed"
    with serve_page(root) as page:
        for task_id, dataset, outcome in (("stopped", "ours", "failed"), ("passed", "theirs", "warned")):
            (result,) = ResultHistory(root).runs(dataset)
            asked = {"id": dataset_id(dataset, "Orders"), "run": result.run_id}
            link = f"io-intelligence/data-quality#/dataset?{urlencode(asked)}"
            assert links_of(run, task_id) == {"Data quality": link}
            found = page.api("dataset", **asked)["run"]
            assert found["outcome"] == outcome
            assert (found["task"]["dag_id"], found["task"]["task_id"]) == ("checking", task_id)
            assert (found["task"]["dag_run_id"], found["task"]["map_index"]) == (run.run_id, -1)
    for task_id in ("not_kept", "elsewhere"):
        assert links_of(run, task_id) == {"Data quality": None}


def test_the_catalogue_names_the_task_of_each_run(
    api: EmulatorServer, root: Path, run_dag: Callable[..., Any]
) -> None:
    run = run_dag(load_dag(DAILY))
    with serve_page(root) as page:
        task = page.api("dataset", id="io_intelligence_models")["run"]["task"]
    assert (task["dag_id"], task["task_id"], task["dag_run_id"]) == (DAILY, "snapshot", run.run_id)


def test_airflow_knows_the_links() -> None:
    known = ProvidersManager().extra_links_class_names
    links = "io_intelligence_provider.operators.results"
    assert {f"{links}.QualityLink", f"{links}.ChangesLink"} <= set(known)


class Recorder(BaseNotifier):
    template_fields = ("text",)

    def __init__(self, told: list[str]) -> None:
        super().__init__()
        self.text = "{{ io_intelligence.text }}"
        self.told = told

    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow gives it
        self.told.append(self.text)


@pytest.fixture
def told(
    root: Path, file_day: Callable[..., Any], run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str | None], str]:
    """Return a function that lets a price move and returns what was told, with a base URL configured."""

    def tell(base_url: str | None) -> str:
        if base_url is not None:
            monkeypatch.setenv("AIRFLOW__API__BASE_URL", base_url)
        served = catalogue_records()
        file_day(today() - timedelta(days=1), served)
        served[0]["metadata"]["input_token_price"] = "17"
        file_day(today(), served)
        heard: list[str] = []
        with DAG("telling", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
            IOIntelligenceAlertOperator(
                task_id="alert", rules=[AlertRule("any")], notifiers=[Recorder(heard)], retries=0
            )
        assert run_dag(dag).state == "success"
        (text,) = heard
        return text

    return tell


def test_a_digest_ends_with_the_absolute_link(told: Callable[[str | None], str]) -> None:
    text = told("https://airflow.example.com/team/")
    (link,) = of_changes(today()).values()
    assert f"\nOpen the page: https://airflow.example.com/team/{link}\n" in text
    run = r"https://airflow\.example\.com/team/dags/telling/runs/[^/]+/tasks/alert\?try_number=1"
    assert re.search(rf"\nOpen the task run: {run}\n$", text)


def test_a_digest_has_no_link_without_a_base_url(told: Callable[[str | None], str]) -> None:
    assert "io-intelligence/" not in told(None)


@pytest.mark.parametrize("base", ["", "airflow.example.com", "javascript:alert(1)", "http://[broken"])
def test_what_is_no_web_address_gives_no_link(base: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    assert page_url(changes_view(today())) is None


def test_an_alert_about_another_store_has_no_link(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    assert page_url(changes_view(today()), str(tmp_path / "elsewhere")) is None
    assert page_url(changes_view(today()), storage_conn_id="aws_other") is None
    assert page_url(changes_view(today()), str(root)) is not None
