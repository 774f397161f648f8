"""Tests the trigger as the triggerer runs it: its events, its failures, and what it shows of itself."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.airflow_runs import API_KEY
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import AuthenticationError, ConfigurationError
from io_intelligence_provider.triggers import watcher
from io_intelligence_provider.triggers.watcher import IOIntelligenceWatchTrigger

pytestmark = pytest.mark.usefixtures("airflow_db")

FIRST, SECOND = date(2026, 6, 29), date(2026, 6, 30)


class EnoughError(Exception):
    """The trigger went to sleep as often as the test wanted."""


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeps that take no time; ``nights`` of them end the trigger."""
    found: list[float] = []

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    monkeypatch.setattr(watcher, "_sleep", sleep)
    monkeypatch.setattr(watcher, "_not_before", {})
    return found


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What was logged: where Airflow's loggers write depends on which of them was made first."""
    caplog.set_level(logging.DEBUG)

    def text() -> str:
        printed = capfd.readouterr()
        return caplog.text + printed.out + printed.err

    return text


def run(
    trigger: IOIntelligenceWatchTrigger, slept: list[float], nights: int, between: Callable[[int], None]
) -> list[Any]:
    """Run a trigger for some polls; ``between`` is called before each further one. Returns the payloads."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        polls = len(slept) - 1  # the first sleep comes before the first poll
        if polls >= nights:
            raise EnoughError
        if polls:
            await asyncio.to_thread(between, polls)

    events: list[Any] = []

    async def follow() -> None:
        async for event in trigger.run():
            events.append(event.payload)  # noqa: PERF401 - the stream ends with an exception

    watcher._sleep = sleep  # the fixture restores it
    with suppress(EnoughError):
        asyncio.run(follow())
    return events


def nothing(_: int) -> None:
    pass


def trigger(**more: Any) -> IOIntelligenceWatchTrigger:
    return IOIntelligenceWatchTrigger(**{"interval": 60, **more})


def test_it_fires_once_when_prices_move(api: EmulatorServer, root: Path, slept: list[float]) -> None:
    api.set_as_of(FIRST)
    events = run(trigger(), slept, 4, lambda poll: api.set_as_of(SECOND) if poll == 2 else None)
    (payload,) = events
    assert payload["moved"] == ["prices"]
    assert payload["wire_shape"] == "documented"
    assert slept[1:] == [60.0] * 4
    assert list((root / "watch").rglob("*.sent"))


def test_a_restart_is_no_event(api: EmulatorServer, root: Path, slept: list[float]) -> None:
    api.set_as_of(FIRST)
    run(trigger(), slept, 1, nothing)
    slept.clear()
    api.set_as_of(SECOND)
    assert len(run(trigger(), slept, 1, nothing)) == 1
    slept.clear()
    assert run(trigger(), slept, 2, nothing) == []


def test_failed_polls_are_logged_and_repeated_ever_less_often(
    api: EmulatorServer,
    root: Path,
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], str],
) -> None:
    connection = json.loads(os.environ["AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT"])
    connection["extra"] = json.dumps({"max_retries": 0})
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
    api.faults.add(Fault(kind="status", status=503, times=3))
    assert run(trigger(), slept, 5, nothing) == []
    assert slept[1:] == [60.0, 120.0, 240.0, 60.0, 60.0]
    text = logged()
    assert "Poll 3 in a row failed" in text
    assert "503" in text
    assert API_KEY not in text


@pytest.mark.parametrize(("interval", "failures", "wait"), [(900, 9, 3600), (7200, 9, 7200), (1, 4, 8)])
def test_the_wait_grows_to_an_hour(interval: float, failures: int, wait: float) -> None:
    from io_intelligence_provider.errors import ServerError

    assert trigger(interval=interval)._wait(failures, ServerError("503", status=503)) == wait


@pytest.mark.parametrize(
    ("retry_after", "wait"), [(None, 60.0), (5.0, 60.0), (500.0, 500.0), (1e9, 86_400.0)]
)
def test_a_rate_limit_waits_as_long_as_it_says(retry_after: float | None, wait: float) -> None:
    from io_intelligence_provider.errors import RateLimitError

    assert trigger()._wait(1, RateLimitError("429", retry_after=retry_after)) == wait


def test_a_refused_credential_is_reported_and_raised_without_it(
    api: EmulatorServer,
    root: Path,
    slept: list[float],
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], str],
) -> None:
    wrong = {"conn_type": "io_intelligence", "host": api.url, "password": "iok-wrong-one"}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(wrong))
    asked = len(api.state.requests())
    with pytest.raises(AuthenticationError):
        run(trigger(), slept, 3, nothing)
    text = logged()
    assert "401" in text
    assert "iok-wrong-one" not in text
    assert len(api.state.requests()) == asked + 1
    slept.clear()
    with pytest.raises(AuthenticationError):  # the triggerer makes a new one at once: that one waits first
        run(trigger(), slept, 3, nothing)
    assert slept[0] > 30


def test_a_missing_connection_is_raised_and_not_asked_for_every_second(
    root: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = trigger(io_intelligence_conn_id="nowhere")
    for _ in range(2):
        slept.clear()
        with pytest.raises(Exception, match="nowhere"):
            run(missing, slept, 3, nothing)
    assert slept[0] > 30


def test_the_loop_runs_on_while_the_api_is_slow(
    api: EmulatorServer, root: Path, slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Event(), threading.Event()
    made = trigger()

    def slow() -> None:
        entered.set()
        assert release.wait(30)

    monkeypatch.setattr(made, "_look", slow)
    turns = 0

    async def watch() -> None:
        nonlocal turns
        polling = asyncio.ensure_future(anext(made.run()))
        while not entered.is_set() or turns < 100:
            turns += 1
            await asyncio.sleep(0)
        release.set()
        with suppress(EnoughError):
            await polling

    async def sleep(seconds: float) -> None:
        if entered.is_set():
            raise EnoughError

    watcher._sleep = sleep  # the fixture restores it
    asyncio.run(watch())
    assert turns >= 100


def test_it_is_made_of_names_and_numbers_only(api: EmulatorServer) -> None:
    from airflow.serialization.encoders import encode_trigger

    made = trigger(root="s3://bucket/x", storage_conn_id="aws_default", q="llama")
    path, arguments = made.serialize()
    assert path == "io_intelligence_provider.triggers.watcher.IOIntelligenceWatchTrigger"
    assert arguments == {
        "io_intelligence_conn_id": "io_intelligence_default",
        "root": "s3://bucket/x",
        "storage_conn_id": "aws_default",
        "interval": 60.0,
        "q": "llama",
    }
    assert IOIntelligenceWatchTrigger(**arguments).serialize() == made.serialize()
    assert API_KEY not in json.dumps(encode_trigger(made))


@pytest.mark.parametrize(
    "interval",
    [0, -1, 0.5, float("nan"), float("inf"), 10**400, "900", None, True, timedelta(minutes=15)],
    ids=lambda value: repr(value)[:30],
)
def test_an_interval_below_a_second_or_without_end_is_refused(interval: Any) -> None:
    with pytest.raises(ConfigurationError, match="interval"):
        trigger(interval=interval)


def test_a_search_term_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="q is of the type int"):
        trigger(q=5)


def test_the_dag_is_scheduled_on_the_watched_asset_and_its_runs_bear_the_event(
    root: Path, run_dag: Callable[..., Any]
) -> None:
    import runpy

    from airflow.sdk import AssetWatcher

    found = runpy.run_path(str(Path(__file__).parents[2] / "dags" / "io_intelligence_watch.py"))
    (watch,) = found["ENDPOINT"].watchers
    assert isinstance(watch, AssetWatcher)
    assert watch.trigger.interval == 900
    dag = found["io_intelligence_watch"]()
    task = dag.get_task("start_daily")
    assert task.trigger_dag_id == "io_intelligence_daily_pricing"
    assert task.skip_when_already_exists
    told = SimpleNamespace(extra={"payload": {"event_id": "e1", "moved": ["prices", "quotas"]}})
    by_hand = SimpleNamespace(extra={"from_rest_api": True})
    for events, expected in (
        ({"endpoint": [by_hand, told]}, ("watch__e1", "prices, quotas")),
        ({"endpoint": [by_hand]}, ("watch__manual__1", "")),
        ({}, ("watch__manual__1", "")),  # the run was started by hand
    ):
        context: Any = {"triggering_asset_events": events, "run_id": "manual__1"}
        given = [task.trigger_run_id, task.conf["moved"]]
        assert tuple(task.render_template(given, context, dag.get_template_env())) == expected


def test_every_argument_has_a_row() -> None:
    page = (Path(__file__).parents[2] / "docs" / "watcher.md").read_text("utf-8")
    arguments = list(inspect.signature(IOIntelligenceWatchTrigger.__init__).parameters)[1:]
    assert [name for name in arguments if f"| `{name}` |" not in page] == []
