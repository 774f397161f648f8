"""Tests that the hook turns a connection into a client, and leaks nothing of the connection."""

from __future__ import annotations

import contextlib
import json
import pickle
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from helpers.airflow_runs import API_KEY
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import AuthenticationError, ConfigurationError
from io_intelligence_provider.hooks import io_intelligence
from io_intelligence_provider.hooks.io_intelligence import IOIntelligenceHook
from io_intelligence_provider.notifications.webhook import IOIntelligenceWebhookNotifier


def connect(monkeypatch: pytest.MonkeyPatch, **fields: object) -> IOIntelligenceHook:
    monkeypatch.setenv("AIRFLOW_CONN_TRY", json.dumps({"conn_type": "io_intelligence"} | fields))
    return IOIntelligenceHook("try")


def test_it_yields_every_model_as_served(api: EmulatorServer) -> None:
    models = list(IOIntelligenceHook().iter_models(page_size=10))
    assert len(models) == 26
    assert models[0].keys() >= {"model_id", "name", "status", "metadata"}


def test_it_searches(api: EmulatorServer) -> None:
    names = [model["name"] for model in IOIntelligenceHook().iter_models(q="llama")]
    assert names
    assert all("llama" in name.lower() for name in names)


def test_the_connection_can_be_tested(api: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    good, said = IOIntelligenceHook().test_connection()
    assert good, said
    assert "26 models" in said
    bad, said = connect(monkeypatch, host=api.url, password="wrong-key-123").test_connection()
    assert not bad
    assert "401" in said
    assert "wrong-key-123" not in said


def test_a_wrong_key_is_an_authentication_error(api: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AuthenticationError, match="401"):
        list(connect(monkeypatch, host=api.url, password="wrong").iter_models())


def test_fields_of_the_connection_reach_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(
        monkeypatch,
        host="gateway.example/llm/api/v1/",
        password="k",
        extra={"page_size": "50", "concurrency": 2, "read_timeout": None, "proxy": " "},
    )
    settings = hook.get_conn().settings
    assert settings.base_url == "https://gateway.example/llm"
    assert (settings.page_size, settings.concurrency, settings.read_timeout) == (50, 2, 30.0)
    assert settings.proxy is None


def test_an_unknown_extra_is_named_and_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = connect(monkeypatch, extra={"X-Api-Key": "hunter2"})
    with pytest.raises(ConfigurationError, match="X-Api-Key") as caught:
        hook.get_conn()
    assert "hunter2" not in str(caught.value)


def test_a_uri_connection_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TRY", "io-intelligence://:key@127.0.0.1:8080/http?page_size=20")
    settings = IOIntelligenceHook("try").get_conn().settings
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.page_size == 20


def test_an_extra_that_is_no_json_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_TRY", json.dumps({"conn_type": "io_intelligence", "extra": "page_size=5"})
    )
    with pytest.raises(ConfigurationError, match="no JSON object"):
        IOIntelligenceHook("try").get_conn()


@pytest.mark.parametrize("retry_after", [1, 120, "0.5"])
@pytest.mark.parametrize("status", [408, 429, 503])
def test_the_connection_is_tested_once(
    api: EmulatorServer, monkeypatch: pytest.MonkeyPatch, status: int, retry_after: Any
) -> None:
    api.faults.add(Fault(kind="status", status=status, retry_after=retry_after, times=None))
    hook = connect(monkeypatch, host=api.url, password=API_KEY, extra={"max_retries": 9})
    asked = len(api.state.requests())
    good, said = hook.test_connection()
    assert not good
    assert str(status) in said
    assert len(api.state.requests()) == asked + 1


DRIPS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", b" "),
    "nothing": (b"", b""),
}


@pytest.fixture(params=DRIPS)
def dripping(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server that answers a byte at a time, for ever."""
    first, drop = DRIPS[request.param]
    stop = threading.Event()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(first)
            while not stop.wait(0.01):
                connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stop.set()
        thread.join()


def test_the_test_of_a_connection_ends_although_the_server_drips(
    dripping: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert io_intelligence._TEST_SECONDS < io_intelligence._TEST_AT_MOST <= 10
    monkeypatch.setattr(io_intelligence, "_TEST_SECONDS", 0.2)
    hook = connect(monkeypatch, host=dripping, extra={"read_timeout": 60})
    begun = time.monotonic()
    good, said = hook.test_connection()
    assert time.monotonic() - begun < 8
    assert not good
    assert "deadline of 0.2 s for the test of the connection" in said


def test_the_test_of_a_connection_ends_although_its_name_is_looked_up_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stop = threading.Event()

    def look_up(*_: Any, **__: Any) -> Any:
        stop.wait(60)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(io_intelligence, "_TEST_AT_MOST", 0.2)
    good, said = connect(monkeypatch, host="http://models.invalid").test_connection()
    assert not good
    assert "http://models.invalid/api/v1/models gave no answer within 0.2 s" in said
    stop.set()
    for thread in threading.enumerate():
        if thread.name == "test-connection":
            thread.join()


@pytest.mark.parametrize("conn_id", ["io_intelligence_nowhere", "prod; rm", "it's"])
def test_a_missing_connection_is_named_with_the_line_that_adds_it(airflow_db: object, conn_id: str) -> None:
    hook = IOIntelligenceHook(conn_id)
    with pytest.raises(ConfigurationError, match="There is no Airflow connection") as caught:
        hook.get_conn()
    line = f"airflow connections add {shlex.quote(conn_id)} --conn-type io_intelligence --conn-password KEY"
    assert f"`{line}`" in str(caught.value)
    assert caught.value.__context__ is None
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own bytes
    assert hook.test_connection() == (False, str(caught.value))


@pytest.mark.parametrize("field", [{"password": 12345678}, {"port": "x"}, {"api_key": "k-12345678"}])
def test_a_connection_that_airflow_cannot_read_is_not_called_missing(
    airflow_db: object, monkeypatch: pytest.MonkeyPatch, field: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .* variable AIRFLOW_CONN_TRY") as caught:
        connect(monkeypatch, **field).get_conn()
    assert "12345678" not in str(caught.value)


def test_a_missing_connection_of_a_webhook_is_named_as_well(airflow_db: object) -> None:
    notifier = IOIntelligenceWebhookNotifier("nowhere", text="t", blocks=[], digest={})
    with pytest.raises(ConfigurationError, match=r"add nowhere --conn-type generic --conn-host URL`"):
        notifier.notify({})


def test_a_task_without_its_connection_fails_at_once(run_dag: Callable[..., Any], root: Any) -> None:
    from airflow.sdk import DAG

    from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator

    with DAG("no_connection", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        IOIntelligenceSnapshotOperator(task_id="step", io_intelligence_conn_id="nowhere", retries=3)
    run = run_dag(dag)
    (instance,) = run.get_task_instances()
    assert (run.state, instance.try_number) == ("failed", 1)
