"""Tests what notifiers are told of a failed task, by tasks that fail in a real Airflow."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseNotifier, task

from helpers.airflow_runs import catalogue_records
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.alerts.failure import Failure, FailureMessage
from io_intelligence_provider.alerts.overdue import overdue_reasons
from io_intelligence_provider.assets import MODELS, root_of
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import ConfigurationError, OverdueError
from io_intelligence_provider.notifications.failure import IOIntelligenceFailureNotifier, _failure
from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator

FORMS = ("subject", "text", "markdown", "html", "slack_blocks", "to_dict()")
SECRET = "hunter2"


class Recorder(BaseNotifier):
    """Records what its templates rendered, or fails."""

    template_fields = ("fields",)

    def __init__(self, heard: list[dict[str, Any]], error: Exception | None = None) -> None:
        super().__init__()
        self.fields: Any = {form: f"{{{{ io_intelligence.{form} }}}}" for form in FORMS}
        self.heard = heard
        self.error = error

    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow gives it
        if self.error:
            raise self.error
        self.heard.append(self.fields)


@pytest.mark.parametrize("make", [IOIntelligenceFailureNotifier, IOIntelligenceAlertOperator])
def test_a_notifier_in_place_of_a_list_is_refused_when_the_file_is_parsed(make: Any) -> None:
    """Else the first message that is to be sent would be lost."""
    arguments = {"task_id": "alert"} if make is IOIntelligenceAlertOperator else {}
    with pytest.raises(ConfigurationError, match=r"notifiers=\[…\]"):
        make(notifiers=Recorder([]), **arguments)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


@pytest.fixture
def heard_of(
    root: Path, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Any]]:
    """Return a function that runs a Dag of one failing task and returns the only message."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team")

    def run(make: Callable[..., Any], *others: BaseNotifier) -> dict[str, Any]:
        heard: list[dict[str, Any]] = []
        failing = IOIntelligenceFailureNotifier([*others, Recorder(heard)])
        with DAG("failing", schedule=None, default_args={"on_failure_callback": failing}) as dag:
            make()
        assert run_dag(dag, run_after=datetime.now(UTC)).state == "failed"
        (message,) = heard
        return message

    return run


@pytest.fixture
def bad_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """Return an API of which two of three records are refused."""
    served = catalogue_records()
    served[0]["metadata"]["input_token_price"] = "<!channel>"
    served[1]["metadata"]["trendiness"] = 11
    with EmulatorServer(catalogue=FixedCatalogue(served)) as server:
        connection = {"conn_type": "io_intelligence", "host": server.url}
        monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
        yield server


def test_a_stopped_run_says_what_stopped_it_why_and_what_to_do(
    bad_api: EmulatorServer, heard_of: Callable[..., dict[str, Any]], file_day: Callable[..., Any], root: Path
) -> None:
    file_day((datetime.now(UTC) - timedelta(days=1)).date(), catalogue_records())
    message = heard_of(lambda: IOIntelligenceSnapshotOperator(task_id="snapshot"))
    (run,) = [run for run in SnapshotStore(root).runs() if run.outcome == "failed"]
    assert message["subject"] == f"IO Intelligence: quarantine_share stopped the snapshot of {today()}"
    said = message["text"].splitlines()
    assert "- quarantine_share  share: 0.6666666666666666, max_quarantine_share: 0.1" in said
    assert "Why 2 of 3 were refused" in said
    assert any(line.startswith("- trendiness in_range  1 of 3, for example") for line in said)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert f"The snapshot of {yesterday} stays in force." in said
    assert any("clear the task on the same day (UTC)" in line for line in said)
    page = f"https://airflow.example.com/team/io-intelligence/#/quality?day={today()}&run={run.snapshot_id}"
    assert f"Results of the checks: {page}" in said
    assert any(line.startswith("Log of the task: https://airflow.example.com/team/dags/") for line in said)
    assert message["slack_blocks"][0]["text"]["text"] == message["subject"]
    assert "<!channel>" not in message["html"]
    assert message["to_dict()"]["stopped_by"][0]["check"] == "quarantine_share"
    assert overdue_reasons(SnapshotStore(root)) == []  # the watchdog does not repeat it


def test_the_watchdog_repeats_a_stopped_run_that_one_notifier_was_not_told_of(
    bad_api: EmulatorServer, heard_of: Callable[..., dict[str, Any]], file_day: Callable[..., Any], root: Path
) -> None:
    file_day((datetime.now(UTC) - timedelta(days=1)).date(), catalogue_records())
    heard_of(lambda: IOIntelligenceSnapshotOperator(task_id="snapshot"), Recorder([], RuntimeError(SECRET)))
    (said,) = overdue_reasons(SnapshotStore(root))
    assert said.startswith(f"The run of {today()} was stopped by its checks.")


def test_a_ledger_that_cannot_be_written_is_a_warning(
    bad_api: EmulatorServer,
    heard_of: Callable[..., dict[str, Any]],
    root: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: Any,
) -> None:
    root.mkdir()
    (root / "alerts").write_text("no folder")
    assert heard_of(lambda: IOIntelligenceSnapshotOperator(task_id="snapshot"))
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "The store could not record that the message was sent" in printed


def test_the_subject_is_one_line() -> None:
    broken = "No\nsnapshot\r\nfor 30\u2028hours\x85"
    failure = Failure("d", "t", "r", date(2026, 6, 30), OverdueError([f"{broken}. More."]))
    assert FailureMessage(failure).subject == "IO Intelligence: No snapshot for 30 hours"
    assert FailureMessage(replace(failure, error=None, task_id="a\nb")).subject == (
        "IO Intelligence: task a b of d failed on 2026-06-30"
    )


@pytest.mark.parametrize(
    ("make", "day"),
    [
        (lambda: IOIntelligenceAlertOperator(task_id="t"), "2026-06-29"),
        (lambda: IOIntelligenceChangesOperator(task_id="t"), "2026-06-29"),
        (lambda: IOIntelligenceSnapshotOperator(task_id="t"), "2026-06-30"),
    ],
)
def test_the_date_of_a_consumer_is_that_of_its_event(root: Path, make: Callable[..., Any], day: str) -> None:
    event = {"snapshot_date": "2026-06-29", "root": root_of(SnapshotStore(root))}
    context: Any = {
        "task": make(),
        "ti": SimpleNamespace(dag_id="d", task_id="t", run_id="r", log_url="http://x"),
        "dag_run": SimpleNamespace(run_after=datetime(2026, 6, 30, 0, 1, tzinfo=UTC)),
        "triggering_asset_events": {MODELS: [SimpleNamespace(extra=event)]},
        "exception": KeyError(SECRET),
    }
    assert FailureMessage(_failure(context)).to_dict()["snapshot_date"] == day


def test_any_other_error_of_the_provider_is_told_with_its_message(
    api: EmulatorServer, heard_of: Callable[..., dict[str, Any]]
) -> None:
    api.faults.add(Fault(kind="status", status=402, times=None))
    message = heard_of(lambda: IOIntelligenceSnapshotOperator(task_id="snapshot"))
    assert message["subject"] == f"IO Intelligence: task snapshot of failing failed on {today()}"
    assert "answered 402" in message["text"]
    assert "No snapshot is in force: none was ever committed." in message["text"]
    assert message["to_dict()"]["error"] == "QuotaError"


def test_the_text_of_a_foreign_error_is_not_told(heard_of: Callable[..., dict[str, Any]]) -> None:
    @task
    def fails() -> None:
        raise KeyError(SECRET)

    message = heard_of(fails)
    assert "It failed with KeyError; its log has the details." in message["text"]
    assert SECRET not in str(message)


def test_a_dag_of_any_alphabet_is_told_of_with_its_link(
    root: Path, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    heard: list[dict[str, Any]] = []

    @task
    def fails() -> None:
        raise OverdueError(["Ключ " * 200])

    failing = IOIntelligenceFailureNotifier([Recorder(heard)])
    with DAG("täglich", schedule=None, default_args={"on_failure_callback": failing}) as dag:
        fails()
    assert run_dag(dag).state == "failed"
    assert "https://airflow.example.com/dags/t%C3%A4glich/" in heard[0]["text"]
    assert "Ключ" in heard[0]["slack_blocks"][1]["text"]["text"]


def test_a_store_that_cannot_be_opened_stops_no_message(
    heard_of: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("io_intelligence_provider.operators.snapshot.open_store", refuse)
    monkeypatch.setattr("io_intelligence_provider.notifications.failure.open_store", refuse)
    message = heard_of(lambda: IOIntelligenceSnapshotOperator(task_id="snapshot"))
    assert "The store cannot be read (RuntimeError)" in message["text"]
    assert SECRET not in str(message)


def test_a_task_that_was_not_rendered_says_nothing_of_its_store(root: Path) -> None:
    lost = IOIntelligenceSnapshotOperator(task_id="snapshot", root="{{ var.value.root }}")
    ti = SimpleNamespace(dag_id="d", task_id="snapshot", run_id="r", log_url="http://x")
    context: Any = {
        "task": lost,
        "ti": ti,
        "dag_run": SimpleNamespace(run_after=datetime.now(UTC)),
        "exception": "Task instance heartbeat timed out",
    }
    message = _failure(context)
    assert (message.in_force, message.page_url) == ("", None)
    assert message.reason == "Task instance heartbeat timed out"


@pytest.mark.parametrize("day", [None, "2026-03-01"])
def test_overdue_snapshots_are_the_subject(
    heard_of: Callable[..., dict[str, Any]], file_day: Callable[..., Any], day: str | None
) -> None:
    if day:
        file_day(date.fromisoformat(day), catalogue_records())

    @task
    def fails() -> None:
        raise OverdueError(
            ["No snapshot was committed for 31 hours. The latest is of 2026-03-01.", "And more."]
        )

    message = heard_of(fails)
    assert message["subject"] == "IO Intelligence: No snapshot was committed for 31 hours"
    assert "The latest is of 2026-03-01." in message["text"]
    assert "And more." in message["text"]
    page = f"https://airflow.example.com/team/io-intelligence/#/quality{f'?day={day}' if day else ''}"
    assert f"Results of the checks: {page}" in message["text"].splitlines()


def test_a_data_set_that_was_stopped_is_named(
    heard_of: Callable[..., dict[str, Any]], tmp_path: Path, root: Path
) -> None:
    import pandera.polars as pa
    import polars as pl

    pl.DataFrame({"fare": [1, -2, -3]}).write_parquet(tmp_path / "trips.parquet")
    schema = pa.DataFrameSchema({"fare": pa.Column(int, pa.Check.ge(0))})

    def make() -> None:
        PanderaCheckOperator(
            task_id="check", path=str(tmp_path / "trips.parquet"), schema=schema, dataset="trips"
        )

    message = heard_of(make)
    assert message["subject"] == "IO Intelligence: quarantine_share stopped trips"
    assert "- fare greater_than_or_equal_to  2 of 3" in message["text"]
    assert "stays in force" not in message["text"]
    assert (
        "change the schema or a limit of the task (max_quarantine_share, fail_on) and clear the task."
        in (message["text"])
    )
    (name,) = SnapshotStore(root).files.in_folders("results")
    page = "https://airflow.example.com/team/io-intelligence/data-quality#/dataset"
    run = f"id={name[0].removeprefix('dataset_id=')}&run={name[1].removesuffix('.parquet')}"
    assert f"Results of the checks: {page}?{run}" in message["text"].splitlines()


def test_one_notifier_that_fails_does_not_stop_the_others(
    heard_of: Callable[..., dict[str, Any]], caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    @task
    def fails() -> None:
        raise OverdueError(["No snapshot."])

    assert heard_of(fails, Recorder([], RuntimeError(SECRET)))["subject"].endswith("No snapshot.")
    printed = "".join(capfd.readouterr()) + caplog.text
    assert "Recorder could not send the message: RuntimeError" in printed


def test_without_notifiers_the_message_is_in_the_log(
    root: Path, run_dag: Callable[..., Any], capfd: pytest.CaptureFixture[str], caplog: Any
) -> None:
    caplog.set_level(logging.INFO)

    @task
    def fails() -> None:
        raise OverdueError(["No snapshot was committed for 31 hours."])

    with DAG(
        "lonely", schedule=None, default_args={"on_failure_callback": IOIntelligenceFailureNotifier()}
    ) as dag:
        fails()
    assert run_dag(dag).state == "failed"
    assert "No notifier is set; the message would be:" in "".join(capfd.readouterr()) + caplog.text
