"""Parses all sample Dags without heavy imports, and runs the reacting and the watching one."""

from __future__ import annotations

import importlib
import json
import pkgutil
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.airflow_runs import catalogue_records, load_dag, task_instance
from io_intelligence_provider.assets import PARTITIONS, PRICE_CHANGES, QUOTA_CHANGES
from io_intelligence_provider.errors import NotOnFileError, OverdueError
from io_intelligence_provider.notifications.failure import IOIntelligenceFailureNotifier

REPO = Path(__file__).parents[2]
FILES = sorted((REPO / "dags").glob("*.py"))
NO_DAG = {"io_intelligence_settings"} | (set() if PARTITIONS else {"io_intelligence_by_date"})
DAGS = [path for path in FILES if path.stem not in NO_DAG]
HEAVY = ("pandas", "polars", "pandera", "pyarrow", "fastapi")


def today() -> date:
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)


def test_parsing_any_of_them_imports_nothing_heavy() -> None:
    assert _heavy_after(f"import runpy\nfor path in {list(map(str, FILES))!r}: runpy.run_path(path)") == "[]"


def test_what_loads_at_once_imports_nothing_heavy() -> None:
    """The modules are those of the import contracts, which cannot tell late imports from others."""
    settings = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    contracts = [one for one in settings["contracts"] if "polars" in one.get("forbidden_modules", ())]
    names = [name for contract in contracts for name in contract["source_modules"]]
    assert len(names) > 10
    names += [
        info.name
        for contract in contracts
        if contract.get("as_packages", True)
        for name in contract["source_modules"]
        for info in pkgutil.iter_modules(getattr(importlib.import_module(name), "__path__", ()), f"{name}.")
    ]
    assert _heavy_after(f"import importlib\nfor name in {names!r}: importlib.import_module(name)") == "[]"


def _heavy_after(code: str) -> str:
    script = (
        "import sys, airflow.sdk, airflow.sdk.definitions.dag\n"
        "before = set(sys.modules)\n"
        f"{code}\n"
        f"print([name for name in {HEAVY!r} if name in set(sys.modules) - before])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_each_is_documented_tagged_and_called_like_its_file(path: Path, airflow_db: Path) -> None:
    dag = load_dag(path.stem)
    assert dag.dag_id == path.stem
    assert dag.doc_md.startswith("### ")
    assert "io-intelligence" in dag.tags
    assert dag.catchup is False


@pytest.mark.parametrize("name", ["io_intelligence_load_periods", "io_intelligence_export"])
def test_what_replaces_a_table_or_a_file_runs_once_at_a_time(name: str, airflow_db: Path) -> None:
    """Of two loads, PostgreSQL refuses the later one; of two exports, the file of the older may stay."""
    assert load_dag(name).max_active_runs == 1


def test_the_daily_one_goes_from_snapshot_to_changes_to_alert(airflow_db: Path) -> None:
    dag = load_dag("io_intelligence_daily_pricing")
    assert [task.task_id for task in dag.topological_sort()] == ["snapshot", "changes", "alert"]
    assert dag.get_task("alert").upstream_task_ids == {"changes"}
    assert dag.get_task("changes").upstream_task_ids == {"snapshot"}


@pytest.fixture
def moved(file_day: Callable[..., Any]) -> None:
    """Two days: one price moved a little, one a lot, one quota fell, one is not published any more."""
    served = catalogue_records()
    for record, price in zip(served, ("1", "1", "2"), strict=True):
        record["metadata"]["input_token_price"] = price
        record["chat_daily_quota_tier_1"] = 1_000
    file_day(yesterday(), served)
    served[0]["metadata"]["input_token_price"] = "1.01"
    served[1]["metadata"]["input_token_price"] = "3"
    served[2]["chat_daily_quota_tier_1"] = 500
    file_day(today(), served)


def test_the_reacting_one_tells_the_biggest_moves_and_the_quotas_that_fell(
    moved: None, run_dag: Callable[..., Any], file_changes: None, capfd: pytest.CaptureFixture[str]
) -> None:
    run = run_dag(load_dag("io_intelligence_on_change"))
    assert run.state == "success"
    moves = task_instance(run, "biggest_moves").xcom_pull(task_ids="biggest_moves")
    assert [move["pct"] for move in moves] == [200.0, -50.0, 1.0]
    assert moves[0]["snapshot_date"] == today().isoformat()
    assert len(json.dumps(moves)) < 2_048
    captured = capfd.readouterr()
    printed = captured.out + captured.err
    assert "quotas that fell (1 change" in printed
    assert "quotas that vanished" not in printed
    assert "chat daily quota 1000 → 500 per day (-50 %)" in printed


@pytest.fixture
def file_changes(moved: None, root: Path) -> None:
    from io_intelligence_provider import SnapshotStore, detect_changes

    detect_changes(SnapshotStore(root))


def test_it_reads_the_dates_that_its_events_tell(moved: None, file_changes: None, airflow_db: Path) -> None:
    task = load_dag("io_intelligence_on_change").get_task("biggest_moves")
    told = SimpleNamespace(extra={"snapshot_date": today().isoformat()})
    earlier = SimpleNamespace(extra={"snapshot_date": "2020-01-01"})
    events = {PRICE_CHANGES: [told, earlier], QUOTA_CHANGES: [told]}
    assert len(task.python_callable(triggering_asset_events=events)) == 3
    assert task.python_callable(triggering_asset_events={PRICE_CHANGES: [earlier]}) == []


def test_without_a_snapshot_it_says_so(airflow_db: Path, root: Path) -> None:
    task = load_dag("io_intelligence_on_change").get_task("biggest_moves")
    with pytest.raises(NotOnFileError, match="no snapshot yet"):
        task.python_callable()


def test_its_rules_tell_a_quota_that_vanished_from_one_that_grew(airflow_db: Path) -> None:
    fell, vanished, access = load_dag("io_intelligence_on_change").get_task("quota_alert").rules
    assert fell.passes("2", "1", -50.0, "down")
    assert not fell.passes("1", "2", 100.0, "up")
    assert vanished.passes("2", None, None, None)
    assert not vanished.passes("1", "5000", 499_900.0, "up")
    assert access.wants("access_changed", "org/model", "min_access_tier")


def test_the_daily_one_has_access_tiers_in_its_rules(airflow_db: Path) -> None:
    rules = load_dag("io_intelligence_daily_pricing").get_task("alert").rules()
    assert any(rule.wants("access_changed", "org/model", "min_access_tier") for rule in rules)


@pytest.mark.skipif(not PARTITIONS, reason="Airflow 3.2 has no partitioned assets")
def test_the_one_by_date_reads_its_partition_and_the_latest_when_started_by_hand(
    file_day: Callable[..., Any], run_dag: Callable[..., Any]
) -> None:
    served = catalogue_records()
    names = [record["name"] for record in served]
    for day, prices in ((yesterday(), ("0", "1", "2")), (today(), ("3", None, "2"))):
        for record, price in zip(served, prices, strict=True):
            record["metadata"]["output_token_price"] = price
        file_day(day, served)
    dag = load_dag("io_intelligence_by_date")
    run = run_dag(dag)
    assert run.state == "success"
    assert task_instance(run, "cheapest").xcom_pull(task_ids="cheapest") == names[2]
    cheapest = dag.get_task("cheapest").python_callable
    assert cheapest(dag_run=SimpleNamespace(partition_key=yesterday().isoformat())) == names[1]


def test_the_watching_one_is_content_with_a_fresh_snapshot(
    file_day: Callable[..., Any], run_dag: Callable[..., Any]
) -> None:
    file_day(today(), catalogue_records())
    assert run_dag(load_dag("io_intelligence_watchdog")).state == "success"


def test_the_watching_one_fails_on_silence_and_tells_by_mail(
    root: Path, run_dag: Callable[..., Any], mailbox: Any
) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    dag = load_dag("io_intelligence_watchdog")
    mail = SmtpNotifier(
        from_email="a@example.com",
        to="b@example.com",
        subject="{{ io_intelligence.subject }}",
        html_content="{{ io_intelligence.html }}",
    )
    dag.get_task("fresh_snapshot").on_failure_callback = [IOIntelligenceFailureNotifier([mail])]
    assert run_dag(dag).state == "failed"
    (received,) = mailbox.mails
    assert received["Subject"].endswith("holds no snapshot.")
    assert "holds no snapshot" in received.get_body(("html",)).get_content()


@pytest.mark.parametrize("path", DAGS, ids=lambda path: path.stem)
def test_every_task_of_each_tells_the_same_notifiers_of_its_failure(path: Path, airflow_db: Path) -> None:
    settings = runpy.run_path(str(path.with_name("io_intelligence_settings.py")))
    assert isinstance(settings["ON_FAILURE"], IOIntelligenceFailureNotifier)
    assert settings["ON_FAILURE"].notifiers is settings["NOTIFIERS"]
    for task in load_dag(path.stem).tasks:
        (callback,) = task.on_failure_callback
        assert isinstance(callback, IOIntelligenceFailureNotifier)


def test_they_are_found_in_a_folder_below_the_dags_folder(tmp_path: Path, airflow_db: Path) -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    folder = shutil.copytree(REPO / "dags", tmp_path / "dags" / "prices", ignore=lambda *_: {"__pycache__"})
    bag = BundleDagBag(dag_folder=folder, bundle_path=tmp_path / "dags", bundle_name="dags-folder")
    assert bag.import_errors == {}
    assert {path.stem for path in DAGS} == set(bag.dags)


def test_the_watching_one_hears_of_a_daily_one_that_is_paused(
    file_day: Callable[..., Any], airflow_db: Path
) -> None:
    file_day(today(), catalogue_records())
    watch = load_dag("io_intelligence_watchdog").get_task("fresh_snapshot").python_callable
    with pytest.raises(OverdueError, match="The Dag io_intelligence_daily_pricing is paused"):
        watch(ti=SimpleNamespace(get_dag=lambda _: SimpleNamespace(is_paused=True)))
    assert watch(ti=SimpleNamespace(get_dag=lambda _: SimpleNamespace(is_paused=False))) == str(today())
    assert watch(ti=SimpleNamespace()) == str(today())  # Airflow 3.2 does not tell


def test_the_watching_one_goes_by_the_store_when_airflow_says_nothing_of_the_daily_one(
    file_day: Callable[..., Any], root: Path, airflow_db: Path
) -> None:
    def refuse(_: str) -> None:
        raise RuntimeError

    watch = load_dag("io_intelligence_watchdog").get_task("fresh_snapshot").python_callable
    with pytest.raises(OverdueError, match="holds no snapshot"):
        watch(ti=SimpleNamespace(get_dag=refuse))


def test_the_watching_one_reports_a_store_that_cannot_be_read(
    root: Path, airflow_db: Path, run_dag: Callable[..., Any], capfd: Any, caplog: Any
) -> None:
    root.parent.mkdir(exist_ok=True)
    root.write_text("no folder")
    assert run_dag(load_dag("io_intelligence_watchdog")).state == "failed"
    printed = "".join(capfd.readouterr()) + caplog.text
    assert (
        "the message would be:\nIO Intelligence: task fresh_snapshot of io_intelligence_watchdog" in printed
    )
    assert str(root) in printed.partition("the message would be:")[2]
