"""A real Airflow: its database, a connection to the emulator, and Dags that really run."""

from __future__ import annotations

import copy
import json
import os
import runpy
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.history import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

_KEY = f"iok-{secrets.token_hex(16)}"  # not a literal: Airflow keeps the source of Dag files in its database
_SLACK_TOKEN = f"T0/B0/{secrets.token_hex(12)}"
DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture
def key() -> str:
    """The API key of the default connection."""
    return _KEY


@pytest.fixture(scope="session")
def _api() -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=PriceHistory.load(), api_key=_KEY) as server:
        yield server


@pytest.fixture
def api(_api: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorServer]:
    """The emulator, and the default connection that leads to it."""
    connection = {"conn_type": "io_intelligence", "host": _api.url, "password": _KEY}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT", json.dumps(connection))
    _api.set_as_of(None)
    yield _api
    _api.state.settle()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configured root of the store."""
    folder = tmp_path / "store"
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", str(folder))
    return folder


@pytest.fixture
def run_dag(airflow_db: Path) -> Callable[..., Any]:
    """Return a function that registers a Dag and runs it in this process; it returns the Dag run."""

    def run(dag: Any, **arguments: Any) -> Any:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
        from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

        DagBundlesManager().sync_bundles_to_db()
        bag = BundleDagBag(dag_folder="/dev/null", bundle_path=DAGS, bundle_name="dags-folder")
        bag.bag_dag(dag)
        sync_bag_to_db(bag, "dags-folder", None)
        try:
            return dag.test(**arguments)
        finally:
            # Airflow tells a task who it is, in the environment of a process that usually ends with it.
            for name in [name for name in os.environ if name.startswith("AIRFLOW_CTX_")]:
                del os.environ[name]

    return run


def load_dag(name: str) -> Any:
    """Return the Dag of a file of ``dags/``, new."""
    from airflow.sdk import DAG

    found = runpy.run_path(str(DAGS / f"{name}.py"))
    made = [item for item in found.values() if isinstance(item, DAG)]
    return made[0] if made else found[name]()


@pytest.fixture(name="load_dag")
def load_dag_fixture() -> Callable[[str], Any]:
    return load_dag


@pytest.fixture
def events_of() -> Callable[..., list[dict[str, Any]]]:
    """Return a function that gives the extras of the events that a run gave an asset."""

    def extras(run: Any, asset: str) -> list[dict[str, Any]]:
        from airflow.models.asset import AssetEvent, AssetModel
        from airflow.utils.session import create_session

        with create_session() as session:
            events = (
                session.query(AssetEvent)
                .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
                .filter(
                    AssetEvent.source_run_id == run.run_id,
                    AssetEvent.source_dag_id == run.dag_id,
                    AssetModel.name == asset,
                )
            )
            return [event.extra for event in events]

    return extras


@pytest.fixture
def task_of() -> Callable[..., Any]:
    """Return a function that gives the instance of a task in a run."""

    def instance(run: Any, task_id: str) -> Any:
        return next(item for item in run.get_task_instances() if item.task_id == task_id)

    return instance


@pytest.fixture(scope="session")
def records() -> Callable[..., list[dict[str, Any]]]:
    """Return a function that gives the first records of the real catalogue, to be changed."""
    history = PriceHistory.load()

    def first(number: int = 3) -> list[dict[str, Any]]:
        return copy.deepcopy(history.records()[:number])

    return first


@pytest.fixture
def file_day(root: Path) -> Callable[..., Any]:
    """Return a function that files records as the snapshot of a date, through the whole chain."""

    def file(day: date, served: list[dict[str, Any]]) -> Any:
        with (
            EmulatorServer(catalogue=FixedCatalogue(served)) as server,
            IOIntelligenceClient(server.url) as client,
        ):
            return take_snapshot(client, SnapshotStore(root), snapshot_date=day, fail_on="never")

    return file


class Told:
    """What one real run of Airflow told: OpenLineage's events, StatsD's datagrams, the states of the runs."""

    def __init__(self, folder: Path) -> None:
        told = json.loads((folder / "told.json").read_text())
        self.states: dict[str, str] = told["states"]
        self.url: str = told["url"]
        self.folder = folder
        self.output: str = (folder / "output.txt").read_text()
        lines = (folder / "events.jsonl").read_text().splitlines()
        self.events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.metrics = (folder / "datagrams.txt").read_text().splitlines()

    def event(self, job: str, kind: str) -> dict[str, Any]:
        """Return the one event of a kind (START, COMPLETE, FAIL) that a job emitted."""
        (event,) = (
            event for event in self.events if event["job"]["name"] == job and event["eventType"] == kind
        )
        return event


@pytest.fixture(scope="session")
def told(airflow_db: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Told:
    """Run ``told_run.py``, in a process of its own."""
    return Told(once("told", lambda folder: _tell(folder, airflow_db)))


def _tell(folder: Path, database: Path) -> None:
    home = folder / "home"
    home.mkdir(parents=True)
    shutil.copyfile(database, home / "airflow.db")
    datagrams: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=_listen, args=(listener, datagrams))
        thread.start()
        transport = {"type": "file", "log_file_path": str(folder / "events.jsonl"), "append": True}
        environment = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name} | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "true",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
            "AIRFLOW__METRICS__STATSD_ON": "true",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(listener.getsockname()[1]),
        }
        with (folder / "output.txt").open("wb") as output:
            command = [sys.executable, str(Path(__file__).parent / "told_run.py"), str(folder)]
            done = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(_END, listener.getsockname())  # after all others: datagrams keep their order here
        thread.join()
    assert done.returncode == 0, (folder / "output.txt").read_text()[-5_000:]
    (folder / "datagrams.txt").write_text("\n".join(datagrams))


_END = b"end"


def _listen(listener: socket.socket, datagrams: list[str]) -> None:
    while (datagram := listener.recv(65_536)) != _END:
        datagrams.append(datagram.decode())


class Mailbox(Controller):
    """A real SMTP server; ``mails`` are what it received. ``refuse``: it takes nothing."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse = False
        super().__init__(self, hostname="127.0.0.1", port=0)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        if self.refuse:
            return "554 Not today"
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """An SMTP server, and Airflow's default connection to it."""
    box = Mailbox()
    box.start()
    extra = {"disable_ssl": True, "disable_tls": True, "timeout": 10, "retry_limit": 1}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": box.port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    yield box
    box.stop()


class Webhook:
    """A real HTTP server in Slack's place; ``messages`` are the bodies it took."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.asked = 0
        self.status = 200
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.asked += 1
                if webhook.status == 200:
                    webhook.messages.append(body)
                self.send_response(webhook.status)
                self.end_headers()
                self.wfile.write(b"ok" if webhook.status == 200 else b"no_service")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """A webhook receiver, and Airflow's default Slack connection to it."""
    hook = Webhook()
    connection = {"conn_type": "slackwebhook", "host": hook.url, "password": _SLACK_TOKEN}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_DEFAULT", json.dumps(connection))
    thread = threading.Thread(target=hook.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hook
    hook.server.shutdown()
    hook.server.server_close()
    thread.join()


@pytest.fixture
def slack_token() -> str:
    return _SLACK_TOKEN
