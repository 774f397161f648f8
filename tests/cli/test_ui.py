"""Tests the Airflow and the store of ``make ui``, and the replay."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from helpers.scripted_server import Reply, Request, ScriptedServer
from helpers.stores import SOURCE_URL, StoreBuilder, model_row
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.changes import detect
from io_intelligence_provider.cli import ui
from io_intelligence_provider.cli.arguments import port_from
from io_intelligence_provider.cli.commands import DAG_ID
from io_intelligence_provider.cli.emulator import file_missing_changes, replay
from io_intelligence_provider.cli.standalone import AirflowError, Standalone, airflow_environment, free_port
from io_intelligence_provider.cli.ui import port_of_newest, sample_dag_ids
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.store.layout import changes_path


def test_nothing_of_the_callers_airflow_or_key_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://production")
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", "slack://")
    monkeypatch.setenv("IO_INTELLIGENCE_API_KEY", "secret")
    monkeypatch.setenv("HOME", "/somewhere")
    made = airflow_environment(tmp_path / "home", tmp_path / "dags", tmp_path / "store", "http://127.0.0.1:1")
    assert made["HOME"] == "/somewhere"
    assert not any("production" in value or value == "secret" for value in made.values())
    assert "AIRFLOW_CONN_SLACK_DEFAULT" not in made
    assert made["AIRFLOW_HOME"] == str(tmp_path / "home")
    connection = json.loads(made["AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT"])
    assert connection == {"conn_type": "io_intelligence", "host": "http://127.0.0.1:1"}


@pytest.mark.long
@pytest.mark.parametrize("quiet", [True, False])
def test_the_type_of_the_connection_is_no_warning_at_each_look_up(tmp_path: Path, quiet: bool) -> None:
    environment = airflow_environment(tmp_path, tmp_path, tmp_path / "store", "http://127.0.0.1:1")
    if not quiet:
        del environment["AIRFLOW__LOGGING__NAMESPACE_LEVELS"]
    look_up = (
        "from airflow.models import Connection as C; C.get_connection_from_secrets('io_intelligence_default')"
    )
    done = subprocess.run(
        [sys.executable, "-c", look_up], env=environment, capture_output=True, text=True, check=True
    )
    assert ("shall not contain '_'" in done.stdout + done.stderr) is not quiet


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in (0, port)
    assert free_port(port) == port


@pytest.mark.long
def test_the_emulator_goes_on_at_the_port_of_the_newest_snapshot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    history, store = PriceHistory.load(), SnapshotStore(tmp_path / "store")
    assert port_of_newest(store) is None
    with EmulatorServer(catalogue=history) as server:
        replay(server, store, history.dates[-2:])
        port = int(server.url.rpartition(":")[2])
        assert port_of_newest(store) == port
        # While another process has that port, the next snapshot would come from another host.
        assert ui.main(tmp_path, tmp_path / "no demo", None) == 1
    message = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 is taken" in message
    assert "EMULATOR_PORT=" in message


@pytest.mark.parametrize("source", [None, "http://127.0.0.1:1234567"])
def test_a_newest_snapshot_that_cannot_be_used_names_no_port(tmp_path: Path, source: str | None) -> None:
    builder = StoreBuilder(tmp_path / "store")
    builder.file(0, model_row("a"))
    if source is None:
        builder.damage(builder.models_file(0))
    else:
        path = builder.models_file(0)
        table = pq.read_table(path)
        metadata = {
            key: source if value.decode() == SOURCE_URL else value
            for key, value in table.schema.metadata.items()
        }
        pq.write_table(table.replace_schema_metadata(metadata), path)
        assert builder.store.info().source_url == source
    assert port_of_newest(builder.store) is None


@pytest.mark.parametrize(("text", "port"), [("", None), ("0", 0), ("8642", 8642)])
def test_a_port_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, text: str, port: int | None
) -> None:
    monkeypatch.setenv("EMULATOR_PORT", text)
    assert port_from("EMULATOR_PORT") == port


@pytest.mark.parametrize("text", ["-1", "x", "65536", "8.5"])
def test_what_is_no_port_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("EMULATOR_PORT", text)
    with pytest.raises(ConfigurationError, match="EMULATOR_PORT is"):
        port_from("EMULATOR_PORT")


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    made = Standalone(tmp_path, {}, {"ada": "admin", "vera": "viewer"}, port=8123, path="/team/airflow")
    settings = made._environment
    assert made.url == "http://localhost:8123/team/airflow"
    assert settings["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert settings["AIRFLOW__API__BASE_URL"] == made.url
    assert settings["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == "ada:admin,vera:viewer"
    assert settings["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"].endswith(":8123/team/airflow/execution/")


@pytest.mark.airflow
def test_airflow_knows_each_of_its_settings(tmp_path: Path) -> None:
    from airflow.configuration import conf

    described = conf.configuration_description.items()
    known = {
        f"AIRFLOW__{section}__{name}".upper() for section, found in described for name in found["options"]
    }
    assert Standalone(tmp_path, {}, {"ada": "admin"})._environment.keys() <= known


def test_passwords_stay_and_nobody_else_reads_them(tmp_path: Path) -> None:
    first = Standalone(tmp_path, {}, {"ada": "admin"})._write_passwords()
    second = Standalone(tmp_path, {}, {"ada": "admin", "vera": "viewer"})._write_passwords()
    assert second["ada"] == first["ada"]
    assert len(set(second.values())) == 2
    path = tmp_path / "passwords.json"
    assert json.loads(path.read_text()) == second
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.long
def test_a_recorded_day_has_its_changes_as_a_daily_run_would_have_filed_them(tmp_path: Path) -> None:
    history = PriceHistory.load()
    store = SnapshotStore(tmp_path)
    with EmulatorServer(catalogue=history) as server:
        replay(server, store, history.dates[-3:])
        assert server.state.as_of is None
    assert store.dates() == list(history.dates[-3:])
    assert all(store.files.exists(changes_path(day)) for day in store.dates())
    before = store.changes()
    assert before.num_rows > 0

    assert file_missing_changes(store) == 0
    for day in store.dates()[1:]:
        store.files.delete(changes_path(day))
    assert file_missing_changes(store) == 2
    assert store.changes().equals(before)


@pytest.mark.long
def test_ctrl_c_ends_a_replay_when_the_day_is_on_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filed: list[date] = []

    def pressed(_: Any, day: date) -> None:
        signal.raise_signal(signal.SIGINT)
        filed.append(day)

    monkeypatch.setattr(detect, "detect_changes", pressed)
    history, store = PriceHistory.load(), SnapshotStore(tmp_path / "store")
    before = signal.getsignal(signal.SIGINT)
    with EmulatorServer(catalogue=history) as server, pytest.raises(KeyboardInterrupt):
        replay(server, store, history.dates[:3])
    assert store.dates() == filed == list(history.dates[:1])
    assert signal.getsignal(signal.SIGINT) is before


class Api:
    """Answers for Airflow's API; ``unpaused`` are the Dags in the order in which they were."""

    def __init__(self) -> None:
        self.known = set(sample_dag_ids())
        self.unpaused: list[str] = []
        self.daily_ended = True
        self.tokens = 0
        self.login = 201
        self.refusal = 403

    def __call__(self, request: Request) -> Reply:
        status, found = self.answer(request)
        return Reply(status, json.dumps(found).encode(), {"Connection": "close"})

    def answer(self, request: Request) -> tuple[int, dict[str, Any]]:
        if request.path == "/auth/token":
            self.tokens += 1
            return self.login, {"access_token": str(self.tokens)}
        if request.headers["Authorization"] != f"Bearer {self.tokens}":
            return self.refusal, {}
        dag_id, _, runs = request.path.removeprefix("/api/v2/dags/").partition("/")
        if dag_id not in self.known:
            return 404, {}
        if request.method == "PATCH":
            self.unpaused.append(dag_id)
        state = "success" if self.daily_ended else "running"
        run = {"state": state, "run_after": datetime.now(UTC).isoformat()}
        return 200, {"dag_runs": [run]} if runs else {"dag_id": dag_id}


class Clock(Standalone):
    """Is an Airflow that runs for two minutes of a clock that only :meth:`sleep` moves.

    ``at`` holds what happens at a second.
    """

    def __init__(self, home: Path, url: str) -> None:
        super().__init__(home, {}, {"ada": "admin"}, port=int(url.rpartition(":")[2]))
        self.passwords = {"ada": "secret"}
        self.now = 0
        self.at: dict[int, Callable[[], None]] = {}

    def running(self) -> bool:
        return self.now < 120

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: int) -> None:
        self.now += seconds
        self.at.get(self.now, lambda: None)()


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def server(api: Api) -> Iterator[ScriptedServer]:
    server = ScriptedServer(api, "127.0.0.1", None)
    yield server
    server.stop()


@pytest.fixture
def clock(server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(tmp_path, server.url)
    monkeypatch.setattr(ui, "time", clock)
    return clock


def test_followers_are_unpaused_before_the_daily_dag_and_what_compares_after_its_run(
    api: Api, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    api.daily_ended = False
    seen: list[list[str]] = []

    def end_daily() -> None:
        seen.append(list(api.unpaused))
        api.daily_ended = True

    clock.at = {90: end_daily}
    ui._run_dags(clock, Console())
    assert seen == [sample_dag_ids()[:-2]]
    assert seen[0][-1] == DAG_ID
    assert api.unpaused == sample_dag_ids()
    assert capsys.readouterr().out == ""


def test_a_dag_that_is_not_parsed_keeps_the_daily_one_back_for_a_minute_and_is_named_once(
    api: Api, server: ScriptedServer, clock: Clock
) -> None:
    first, *others = sample_dag_ids()
    api.known.remove(first)
    seen: list[tuple[list[str], int]] = []

    def look() -> None:
        seen.append((list(api.unpaused), said.getvalue().count(first)))

    said = io.StringIO()
    clock.at = {60: look, 62: look, 100: lambda: api.known.add(first)}
    ui._run_dags(clock, Console(file=said))
    assert seen == [(others[:-3], 0), (others, 1)]
    assert api.unpaused == [*others, first]
    assert said.getvalue().count(first) == 1
    # Airflow's audit log holds each PATCH.
    assert sum(request.method == "PATCH" for request in server.requests) == len(api.unpaused)
    assert api.tokens == 1


def test_what_waits_for_a_daily_dag_that_is_not_parsed_is_named_with_it(
    api: Api, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    api.known.remove(DAG_ID)
    ui._run_dags(clock, Console())
    assert api.unpaused == sample_dag_ids()[:-3]
    assert capsys.readouterr().out.count(", ".join(sample_dag_ids()[-3:])) == 1


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_token_is_reused_until_it_is_refused(api: Api, clock: Clock, refusal: int) -> None:
    api.refusal = refusal
    for _ in range(2):
        assert clock.ask("GET", f"/dags/{DAG_ID}") == {"dag_id": DAG_ID}
    assert clock.ask("GET", "/dags/none") is None
    assert api.tokens == 1
    api.tokens = 7  # Airflow accepts another one only
    assert clock.ask("GET", f"/dags/{DAG_ID}") == {"dag_id": DAG_ID}
    assert api.tokens == 8


def test_a_log_in_that_is_refused_is_tried_again_with_the_next_request_only(
    api: Api, server: ScriptedServer, clock: Clock
) -> None:
    api.login = 500
    assert clock.ask("GET", f"/dags/{DAG_ID}") is None
    assert [request.path for request in server.requests] == ["/auth/token"]
    api.login = 201
    assert clock.ask("GET", f"/dags/{DAG_ID}") == {"dag_id": DAG_ID}


@pytest.mark.airflow
def test_the_dags_of_a_run_that_was_killed_are_paused_in_airflows_database(tmp_path: Path) -> None:
    from airflow.models.dag import DagModel
    from sqlalchemy import create_engine, insert, select

    database = tmp_path / "airflow.db"
    engine = create_engine(f"sqlite:///{database}")
    table = DagModel.metadata.tables["dag"]
    table.create(engine)
    required = {
        column.name: 0
        for column in table.columns
        if not (column.nullable or column.default or column.server_default)
    }
    rows = [required | {"dag_id": dag_id, "is_paused": dag_id == "b"} for dag_id in "abc"]
    with engine.begin() as connection:
        connection.execute(insert(table), rows)
    ui._pause_dags(database)
    with engine.connect() as connection:
        assert connection.execute(select(table.c.is_paused)).scalars().all() == [True, True, True]
    engine.dispose()


def test_a_start_needs_no_database_and_names_one_that_is_damaged(tmp_path: Path) -> None:
    database = tmp_path / "airflow.db"
    ui._pause_dags(database)
    assert not database.exists()
    database.touch()  # the first start was killed before it made the tables
    ui._pause_dags(database)
    database.write_text("This is no database. " * 9)
    with pytest.raises(AirflowError, match=f"database {database} cannot be used: file is not a database"):
        ui._pause_dags(database)
