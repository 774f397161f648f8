"""Tests the Airflow and the store of ``make ui``, and the replay."""

from __future__ import annotations

import json
import signal
import socket
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from helpers.stores import SOURCE_URL, StoreBuilder, model_row
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.changes import detect
from io_intelligence_provider.cli import ui
from io_intelligence_provider.cli.arguments import port_from
from io_intelligence_provider.cli.emulator import file_missing_changes, replay
from io_intelligence_provider.cli.standalone import Standalone, airflow_environment, free_port
from io_intelligence_provider.cli.ui import port_of_newest
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
