"""Tests the alerts that the ledger records, and what the page says was done with a snapshot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.http_clients import serve_page
from helpers.stores import FETCHED_AT, StoreBuilder, file_records, model_row, nth_day
from io_intelligence_provider.alerts.ledger import record_stop
from io_intelligence_provider.alerts.rules import AlertRule
from io_intelligence_provider.alerts.send import send_pending
from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.emulator.catalogue import PriceHistory

TASK = {"dag_id": "daily", "run_id": "scheduled__2026-03-02T00:00:00+00:00", "task_id": "alert"}
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def builder(tmp_path: Path) -> StoreBuilder:
    return StoreBuilder(tmp_path / "store")


@pytest.fixture
def in_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that Airflow sets in the process of a task."""
    for key, name in {"dag_id": "DAG_ID", "run_id": "DAG_RUN_ID", "task_id": "TASK_ID"}.items():
        monkeypatch.setenv(f"AIRFLOW_CTX_{name}", TASK[key])


def three_days(builder: StoreBuilder) -> None:
    """File prices that move twice, and send the changes of each day to two notifiers."""
    for day, price in enumerate(("1", "2", "0")):
        rows = [model_row("a", output_token_price=price), model_row(HOSTILE, input_token_price=price)]
        builder.file(day, *rows, changes=day > 0)
        if day:
            notifiers = {"module.One:0": lambda _: None, "module.Two:key": lambda _: None}
            send_pending(builder.store, [AlertRule("any")], notifiers, nth_day(day), f"run {day}")


@pytest.mark.usefixtures("in_a_task")
def test_alerts_are_those_of_the_ledger_last_sent_first(builder: StoreBuilder) -> None:
    three_days(builder)
    with serve_page(builder.root) as page:
        found = page.api("alerts")
        of_one = page.api("alerts", models=[HOSTILE], start=nth_day(2).isoformat())
        second = page.api("alerts", limit=3, offset=3)
    assert (found["total"], len(found["items"]), found["warnings"]) == (8, 8, [])
    assert [item["date"] for item in found["items"]] == [nth_day(2).isoformat()] * 4 + [
        nth_day(1).isoformat()
    ] * 4
    assert {item["notifier"] for item in found["items"]} == {"module.One:0", "module.Two:key"}
    last = next(item for item in found["items"] if item["name"] == "a")
    assert (last["rule"], last["run_id"], last["task"]) == ("any", "run 2", TASK)
    assert (last["old_value"], last["new_value"], last["doubtful"], last["pct"]) == ("2", "0", "new", -100.0)
    assert last["since"] == nth_day(1).isoformat()
    assert {item["name"] for item in of_one["items"]} == {HOSTILE}
    assert of_one["total"] == 2
    assert second["items"] == found["items"][3:6]


def test_entries_of_older_versions_stay_readable_and_damage_is_said(builder: StoreBuilder) -> None:
    builder.file(0, model_row("a"))
    old = {
        "version": 1,
        "rule": "any",
        "notifier": "n",
        "snapshot_date": nth_day(0).isoformat(),
        "sent_at": FETCHED_AT.isoformat(),
        "alerts": [{"change": "model_added", "model_id": "x", "name": "a", "of a newer version": 1}],
    }
    folder = f"alerts/snapshot_date={nth_day(0)}"
    builder.store.files.put(f"{folder}/{0:016x}-old.json", json.dumps(old).encode())
    builder.store.files.put(f"{folder}/{1:016x}-damaged.json", b'{"rule": ')
    builder.store.files.put(f"{folder}/{2:016x}-other.json", b"[]")
    before_all_dates = json.dumps(old | {"sent_at": "0001-01-01T00:00:00+14:00"}).encode()
    builder.store.files.put(f"{folder}/{3:016x}-no-time.json", before_all_dates)
    with serve_page(builder.root) as page:
        found = page.api("alerts")
        assert len(page.api("trust")["warnings"]) == 3
        unknown = page.problem("alerts", models=["nobody"])
    (item,) = found["items"]
    assert (item["task"], item["run_id"], item["old_value"], item["since"]) == (None, None, None, None)
    assert len(found["warnings"]) == 3
    assert all("is no file of the ledger" in warning for warning in found["warnings"])
    assert unknown[0] == 404


def test_the_record_of_a_stopped_run_is_no_alert_and_no_damage(builder: StoreBuilder) -> None:
    builder.file(0, model_row("a"))
    record_stop(builder.store, builder.store.quality(nth_day(0)), "run")
    with serve_page(builder.root) as page:
        found, trust = page.api("alerts"), page.api("trust")
    assert (found["total"], found["warnings"], trust["warnings"]) == (0, [], [])


@pytest.mark.usefixtures("in_a_task")
def test_each_step_says_when_and_by_which_task(builder: StoreBuilder) -> None:
    records = PriceHistory.load().records()
    file_records(builder.store, records, nth_day(0))
    file_records(builder.store, records[1:], nth_day(1))
    detect_changes(builder.store, nth_day(1))
    rule = AlertRule("all", changes=("model_removed",))
    send_pending(builder.store, [rule], {"n": lambda _: None}, nth_day(1), "run")
    with serve_page(builder.root) as page:
        last = page.api("trust")["steps"]
        first = page.api("trust", date=nth_day(0).isoformat())["steps"]
    assert [step["step"] for step in last] == ["served", "checked", "filed", "compared", "alerted"]
    assert all(step["done"] and step["at"] and step["task"] == TASK for step in last)
    assert [step["note"] for step in last] == [None, "passed", None, None, "1 change"]
    assert [step["done"] for step in first] == [True, True, True, False, False]


def test_a_snapshots_steps_need_the_alerts_of_its_day_only(builder: StoreBuilder) -> None:
    three_days(builder)
    (damaged, *_) = (builder.root / f"alerts/snapshot_date={nth_day(1)}").glob("*.json")
    builder.damage(damaged)
    with serve_page(builder.root) as page:
        last, hurt = (page.api("trust", date=nth_day(day).isoformat()) for day in (2, 1))
    assert (last["steps"][-1]["note"], last["warnings"]) == ("4 changes", [])
    assert (hurt["steps"][-1]["note"], len(hurt["warnings"])) == ("2 changes", 1)


def test_damage_that_went_away_without_a_change_is_not_kept(
    builder: StoreBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_days(builder)
    for module in ("http", "api.alerts"):
        monkeypatch.setattr(f"io_intelligence_provider.plugin.{module}.DAMAGE_SECONDS", 0.0, raising=False)
    with serve_page(builder.root) as page, monkeypatch.context() as broken:
        broken.setattr("io_intelligence_provider.plugin.api.alerts.sent_digests", lambda *_: ([], ["away"]))
        before = [page.api(route)["warnings"] for route in ("alerts", "trust")]
        broken.undo()
        after = [page.api(route)["warnings"] for route in ("alerts", "trust")]
    assert (before, after) == ([["Alerts are missing: away"]] * 2, [[], []])


def test_what_older_files_do_not_say_is_unknown(builder: StoreBuilder) -> None:
    builder.file(0, model_row("a"))
    with serve_page(builder.root) as page:
        steps: list[dict[str, Any]] = page.api("trust")["steps"]
    filed = next(step for step in steps if step["step"] == "filed")
    assert filed == {"step": "filed", "done": True, "at": None, "task": None, "note": None}
    assert steps[0]["at"] == FETCHED_AT.isoformat()
