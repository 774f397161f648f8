"""Tests that no canary reaches logs, XCom, files or the metadata database of a real Airflow.

The client's own part is ``tests/catalog/test_canary.py``.
"""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote_plus

import pytest

from helpers.airflow_runs import catalogue_records, load_dag, task_instance
from io_intelligence_provider import AlertRule, SnapshotStore
from io_intelligence_provider.cli.demo import Receiver
from io_intelligence_provider.errors import AuthenticationError, ConfigurationError, IOIntelligenceError
from io_intelligence_provider.hooks.io_intelligence import IOIntelligenceHook
from io_intelligence_provider.notifications.webhook import IOIntelligenceWebhookNotifier

CLIENT, SCOPE = "client-of-the-test", "scope-of-the-test"
# Not literals: Airflow keeps the source of Dag files in its database.
CANARIES = {name: f"{name}/{secrets.token_hex(12)}" for name in ("secret", "guest", "token", "hook", "path")}
BASIC = base64.b64encode(f"{CLIENT}:{quote_plus(CANARIES['secret'])}".encode()).decode()


class EchoingServer(ThreadingHTTPServer):
    """Serves records, and repeats every header it is sent: in records, bodies and malformed header lines."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Echo)
        self.records = records
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Echo(BaseHTTPRequestHandler):
    server: EchoingServer

    def do_GET(self) -> None:
        said = [f"{name}: {value}" for name, value in self.headers.items()]
        status, body = self.server.status, json.dumps({"you": said}).encode()
        if status == 200:
            records = [*self.server.records, self.server.records[-1] | {"model_id": "x", "name": said[-1]}]
            records[0] = records[0] | {"echo": said}
            pagination = {"total": len(records), "has_next": False}
            body = json.dumps({"data": records, "pagination": pagination}).encode()
        self._answer(status, body, said)

    def do_POST(self) -> None:
        said = [f"{name}: {value}" for name, value in self.headers.items()]
        answer = {"access_token": CANARIES["token"], "error_description": " ".join(said)}
        self._answer(401 if self.server.status == 499 else 201, json.dumps(answer).encode(), said)

    def _answer(self, status: int, body: bytes, said: list[str]) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.wfile.write(b"".join(self._headers_buffer) + f"malformed {said}\r\n\r\n".encode() + body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def echoing(monkeypatch: pytest.MonkeyPatch) -> Iterator[EchoingServer]:
    """The server, and the default connection with a canary in every secret field."""
    server = EchoingServer(catalogue_records(12))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    extra = {
        "max_retries": 1,
        "guest_session_id": f"{CANARIES['guest']}\n",
        "token_url": f"{server.url}/token",
        "client_id": CLIENT,
        "client_secret": CANARIES["secret"],
        "scope": SCOPE,
    }
    connection = {"conn_type": "io_intelligence", "host": server.url, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def masked() -> Iterator[Callable[[str], str]]:
    """Return what Airflow's masker makes of a text; it knows nothing before."""
    from airflow.sdk._shared.secrets_masker import _secrets_masker

    masker = _secrets_masker()
    before = masker.patterns, masker.replacer
    masker.reset_masker()
    yield lambda text: str(masker.redact(text))
    masker.patterns, masker.replacer = before


def assert_nowhere(seen: str) -> None:
    for canary in (*CANARIES.values(), BASIC):
        for spelt in (canary, quote_plus(canary), canary.replace("/", "\\/")):
            assert spelt not in seen
        assert base64.b64encode(canary.encode()).decode()[:-4] not in seen


def metadata(home: Path) -> str:
    """Return all that Airflow's database holds, less the table of connections."""
    with closing(sqlite3.connect(home / "airflow.db")) as database:
        return "\n".join(
            line for line in database.iterdump() if not line.startswith('INSERT INTO "connection"')
        )


def files(*folders: Path) -> str:
    import pyarrow.parquet as pq

    texts = []
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        texts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            texts += [str(table.to_pylist()), str(table.schema.metadata)]
    return "\n".join(texts)


@pytest.mark.parametrize("status", [200, 401, 422, 499, 503])
def test_a_run_leaves_no_canary_anywhere(
    echoing: EchoingServer,
    root: Path,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    airflow_home: Path,
    status: int,
) -> None:
    caplog.set_level("DEBUG")
    echoing.status = status
    dag = load_dag("io_intelligence_daily_pricing")
    for task in dag.tasks:
        task.retries = 0
    run = run_dag(dag)
    assert run.state == ("success" if status == 200 else "failed")
    printed = capfd.readouterr()
    seen = caplog.text + printed.out + printed.err + files(root, airflow_home) + metadata(airflow_home)
    assert "snapshot" in seen
    assert_nowhere(seen + json.dumps(task_instance(run, "snapshot").xcom_pull(task_ids="snapshot")))
    if status == 200:
        store = SnapshotStore(root)
        (finding,) = (check for check in store.quality().checks if check.check == "redacted")
        assert (finding.failed, store.quality().outcome, store.quality().quarantined) == (2, "warned", 1)


def test_a_webhook_with_a_mounted_password_works_and_leaves_none_either(
    root: Path,
    run_dag: Callable[..., Any],
    file_day: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    airflow_home: Path,
) -> None:
    from airflow.sdk import DAG

    from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator

    caplog.set_level("DEBUG")
    today = datetime.now(UTC).date()
    served = catalogue_records()
    file_day(today.replace(year=today.year - 1, day=1), served)
    served[0]["metadata"]["input_token_price"] = "99"
    file_day(today, served)

    def run(password: str, status: int) -> tuple[Any, list[Any]]:
        with Receiver(status) as receiver:
            host = receiver.url.replace("/hook", f"/{CANARIES['path']}?{CANARIES['path']}")
            monkeypatch.setenv(
                "AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK",
                json.dumps({"conn_type": "http", "host": host, "password": password}),
            )
            with DAG("hooked", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
                IOIntelligenceAlertOperator(
                    task_id="alert",
                    rules=[AlertRule(f"rule {status} {len(password)}")],
                    notifiers=[IOIntelligenceWebhookNotifier()],
                    retries=0,
                )
            return run_dag(dag), receiver.requests

    done, asked = run(f" {CANARIES['hook']}\n", 200)
    assert done.state == "success"
    assert asked[0][1]["Authorization"] == f"Bearer {CANARIES['hook']}"
    refused, _ = run(CANARIES["hook"], 500)
    assert refused.state == "failed"
    broken, asked = run(f"{CANARIES['hook']}\nX: y", 200)
    assert (broken.state, asked) == ("failed", [])
    printed = capfd.readouterr()
    assert_nowhere(
        caplog.text + printed.out + printed.err + files(root, airflow_home) + metadata(airflow_home)
    )


def shown(error: BaseException) -> str:
    frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    ours = [repr(frame.locals) for frame in frames if "/tests/" not in frame.filename]
    return f"{error!r} {error.__cause__!r} {error.__context__!r} {vars(error)} {ours}"


@pytest.mark.parametrize("password", ["{}\n", "\r\n {}"])
def test_white_space_around_a_webhook_password_is_stripped(
    monkeypatch: pytest.MonkeyPatch, masked: Callable[[str], str], password: str
) -> None:
    with Receiver() as receiver:
        connection = {
            "conn_type": "http",
            "host": receiver.url,
            "password": password.format(CANARIES["hook"]),
        }
        monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK", json.dumps(connection))
        IOIntelligenceWebhookNotifier(text="t", blocks=[], digest={}).notify({})
    assert receiver.requests[0][1]["Authorization"] == f"Bearer {CANARIES['hook']}"
    assert CANARIES["hook"] not in masked(f"b'Bearer {CANARIES['hook']}\\n'")


@pytest.mark.parametrize("bad", ["{}\nX: y", "a\r{}", "{}\x00", "{}ключ", "“{}”"])
def test_a_webhook_password_that_no_header_can_carry_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    connection = {"conn_type": "http", "host": "http://127.0.0.1:1", "password": bad.format(CANARIES["hook"])}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK", json.dumps(connection))
    with pytest.raises(
        ConfigurationError, match="password of connection 'io_intelligence_webhook'"
    ) as caught:
        IOIntelligenceWebhookNotifier(text="t", blocks=[], digest={}).notify({})
    assert_nowhere(shown(caught.value))


@pytest.mark.parametrize(
    "uri",
    [
        "io_intelligence://:{}@host",
        "io_intelligence://me:{}@host:443/path?page_size=5&x={}",
        "io_intelligence://{}@",
        "IO_INTELLIGENCE://:{}@host",
        "io_intelligence:{}",
        "io-intelligence://{}@host",
        "io-intelligence://:key@host/{}",
        "io-intelligence://:key@host?page_size={}",
        "io-intelligence://:key@host?{}=1",
        "io-intelligence://:key@host?__extra__={}",
        "io-intelligence://:key@host?verify={}&page_size=1",
    ],
)
def test_a_key_in_a_wrong_field_is_not_shown(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    key = secrets.token_urlsafe(16).replace("-", "_") + "1"
    monkeypatch.setenv("AIRFLOW_CONN_TRY", uri.format(key, key))
    with pytest.raises(ConfigurationError) as caught:
        IOIntelligenceHook("try").get_conn()
    assert key.lower() not in shown(caught.value).lower()
    if uri.lower().startswith("io_"):
        assert "Begin it with io-intelligence://" in str(caught.value)


@pytest.mark.parametrize(
    "extra", ["page_size", "verify", "concurrency", "read_timeout", "token_url", "proxy"]
)
def test_no_frame_of_the_hook_holds_the_connection(monkeypatch: pytest.MonkeyPatch, extra: str) -> None:
    password = CANARIES["hook"]
    connection = {
        "conn_type": "io_intelligence",
        "password": password,
        "extra": {extra: f"!{password} {password}"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_TRY", json.dumps(connection))
    with pytest.raises(ConfigurationError) as caught:
        IOIntelligenceHook("try").get_conn()
    assert_nowhere(shown(caught.value))


def test_airflows_masker_learns_every_credential(
    echoing: EchoingServer, masked: Callable[[str], str]
) -> None:
    with IOIntelligenceHook().get_conn() as client:
        client.fetch_page()
    assert_nowhere(masked(" ".join([*CANARIES.values(), BASIC]).replace(CANARIES["hook"], "").replace(
        CANARIES["path"], "")))  # fmt: skip
    assert_nowhere(masked(" ".join(quote_plus(CANARIES[name]) for name in ("secret", "guest", "token"))))


def test_airflows_masker_learns_a_key_without_its_newline(
    monkeypatch: pytest.MonkeyPatch, masked: Callable[[str], str]
) -> None:
    connection = {"conn_type": "io_intelligence", "password": f"{CANARIES['secret']}\n"}
    monkeypatch.setenv("AIRFLOW_CONN_TRY", json.dumps(connection))
    IOIntelligenceHook("try").get_conn().close()
    assert_nowhere(masked(f"{CANARIES['secret']} {quote_plus(CANARIES['secret'])}"))


def test_a_refused_token_is_an_error_without_it(echoing: EchoingServer) -> None:
    echoing.status = 401
    with pytest.raises(AuthenticationError, match="401") as caught:
        list(IOIntelligenceHook().iter_models())
    assert_nowhere(shown(caught.value))
    assert isinstance(caught.value, IOIntelligenceError)


@pytest.mark.parametrize("configured", [False, True])
def test_which_extras_airflows_api_shows(
    configured: bool, airflow_db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/connection.md says which line of configuration hides the guest session."""
    from airflow.api_fastapi.core_api.datamodels.connections import ConnectionResponse
    from airflow.models.connection import Connection

    from airflow import settings

    line = "AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES"
    if configured:
        monkeypatch.setenv(line, "guest_session_id")
    settings._configure_secrets_masker()
    try:
        extra = {name: f"{name}-value" for name in ("guest_session_id", "client_secret", "proxy", "scope")}
        connection = Connection(
            conn_id="try", conn_type="io_intelligence", password="hidden-value", extra=json.dumps(extra)
        )
        answer = ConnectionResponse.model_validate(connection, from_attributes=True).model_dump(mode="json")
    finally:
        monkeypatch.undo()
        settings._configure_secrets_masker()
    assert answer["password"] == "***"
    assert json.loads(answer["extra"]) == {
        "guest_session_id": "***" if configured else "guest_session_id-value",
        "client_secret": "***",
        "proxy": "***",
        "scope": "scope-value",
    }
