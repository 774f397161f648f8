"""Parses all sample Dags without heavy imports, and runs the reacting and the watching one."""

from __future__ import annotations

import importlib
import json
import pkgutil
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
from io_intelligence_provider.assets import PRICE_CHANGES, QUOTA_CHANGES
from io_intelligence_provider.errors import NotOnFileError

REPO = Path(__file__).parents[2]
DAGS = sorted((REPO / "dags").glob("*.py"))
HEAVY = ("pandas", "polars", "pandera", "pyarrow", "fastapi")


def today() -> date:
    return datetime.now(UTC).date()


def yesterday() -> date:
    return today() - timedelta(days=1)


def test_parsing_any_of_them_imports_nothing_heavy() -> None:
    assert _heavy_after(f"import runpy\nfor path in {list(map(str, DAGS))!r}: runpy.run_path(path)") == "[]"


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
    assert "quotas that fell (1)" in printed
    assert "quotas that vanished" not in printed
    assert "chat daily quota: 1000 → 500 per day, -50 %, lower" in printed


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
    dag.get_task("fresh_snapshot").on_failure_callback = [
        SmtpNotifier(
            from_email="a@example.com",
            to="b@example.com",
            subject="IO Intelligence: no fresh prices",
            html_content="<p>{{ exception | e }}</p>",
        )
    ]
    assert run_dag(dag).state == "failed"
    (received,) = mailbox.mails
    assert "holds no snapshot" in received.get_body(("html",)).get_content()
