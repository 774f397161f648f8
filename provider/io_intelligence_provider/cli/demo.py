"""Runs ``make demo``: the whole chain on real data, with a real Airflow, below one folder.

It replays every recorded state except the last into a new store, runs the sample Dag for the last one (or
the real API, with ``IO_INTELLIGENCE_API_KEY`` set) as today's, and prints the result: the models, the
changes, and the message that the Dag sent to the demo's receiver.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final, Self

import urllib3
from rich.console import Console

from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.send import send_pending
from io_intelligence_provider.changes.kinds import NUMERIC_FIELDS
from io_intelligence_provider.cli.arguments import EMULATOR_PORT, EMULATOR_VARIABLE, api_key, port_from
from io_intelligence_provider.cli.commands import DAG_ID, SETTINGS, example_dags, find_changes
from io_intelligence_provider.cli.emulator import replay
from io_intelligence_provider.cli.standalone import airflow_environment, free_port
from io_intelligence_provider.cli.tables import Trends, changes_table, models_table, safe
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import IOIntelligenceError
from io_intelligence_provider.store.store import SnapshotStore

_NOTIFIER: Final = "io_intelligence_provider.notifications.webhook", "IOIntelligenceWebhookNotifier"
_KEY: Final = "demo"
_RULES: Final[list[dict[str, Any]]] = [
    {"name": "prices that moved by 10 % or more", "changes": "price_changed", "min_pct": 10}
    | {"baseline": "last_alert"},
    {"name": "quotas and access tiers", "changes": ["quota_changed", "access_changed"]},
    {"name": "models and their status", "changes": ["model_added", "model_removed", "status_changed"]},
    {"name": "models in quarantine", "changes": ["quarantined"]},
]
"""The rules of the sample Dag; the demo passes them to it as the Airflow Variable, and uses them itself."""
_NO_NOTIFIERS: Final = "NOTIFIERS: list[BaseNotifier] = [\n"


def main(folder: Path) -> int:
    """Run the demo below ``folder``, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    store = SnapshotStore(folder / "store")
    console = Console()
    history = PriceHistory.load()
    wanted = port_from(EMULATOR_VARIABLE)
    # Any other port would do: the demo's days all come from one server, and `make ui` goes on at its port.
    port = free_port(EMULATOR_PORT) if wanted is None else wanted
    with EmulatorServer(catalogue=history, port=port) as server, Receiver() as receiver:
        if wanted is None and port != EMULATOR_PORT:
            console.print(f"Port {EMULATOR_PORT} is taken, so the emulator serves at {server.url}.")
        days = history.dates[:-1]
        replay(server, store, days, console)
        console.print(f"{len(days)} recorded days filed, {days[0]} to {days[-1]}.")
        _alert(store, receiver.url, days[-1])
        console.print(f"The changes up to {days[-1]} were sent to the demo's receiver.")
        earlier = len(receiver.messages)
        console.print(f"Running the Dag {DAG_ID} in Airflow for today …")
        if code := _run_dag(folder, server.url, receiver.url):
            return code
    _show(console, store)
    _show_messages(console, receiver.messages[earlier:])
    return 0


def _alert(store: SnapshotStore, webhook: str, day: date) -> None:
    """Send the alerts of the recorded days, as daily runs would have done.

    Without this the first message would list the changes of half a year.
    """

    def send(message: DigestMessage) -> None:
        urllib3.request("POST", webhook, json={"text": message.text}, retries=False)

    send_pending(store, _RULES, {f"{'.'.join(_NOTIFIER)}:{_KEY}": send}, day, "demo")


def notifying(settings: str) -> str:
    """Return the source of the sample settings with the webhook added to its ``NOTIFIERS``.

    :raises ValueError: when the source has no such list.
    """
    before, found, after = settings.partition(_NO_NOTIFIERS)
    if not found:
        raise ValueError(f"The sample settings have no {_NO_NOTIFIERS.strip()}")
    module, name = _NOTIFIER
    return f"{before}{found}    __import__({module!r}, fromlist=[{name!r}]).{name}(key={_KEY!r}),\n{after}"


def _run_dag(folder: Path, emulator_url: str, webhook: str) -> int:
    """Run the sample Dag once with a real Airflow on its embedded defaults."""
    dags = folder / "dags"
    dags.mkdir(parents=True)
    sources = {path.stem: path.read_text("utf-8") for path in example_dags()}
    dag = dags / f"{DAG_ID}.py"
    dag.write_text(sources[DAG_ID], "utf-8")
    (dags / f"{SETTINGS}.py").write_text(notifying(sources[SETTINGS]), "utf-8")
    home = folder / "airflow"
    environment = airflow_environment(home, dags, folder / "store", emulator_url) | {
        "AIRFLOW_VAR_IO_INTELLIGENCE_ALERT_RULES": json.dumps(_RULES),
        "AIRFLOW_CONN_IO_INTELLIGENCE_WEBHOOK": json.dumps({"conn_type": "generic", "host": webhook}),
    }
    if key := api_key(None):
        connection = {"conn_type": "io_intelligence", "password": key}
        environment["AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT"] = json.dumps(connection)
    log = folder / "airflow.log"
    airflow = str(Path(sys.executable).with_name("airflow"))
    for command in (["db", "migrate"], ["dags", "test", "-f", str(dag), DAG_ID]):
        with log.open("ab") as output:
            done = subprocess.run(
                [airflow, *command], env=environment, stdout=output, stderr=output, check=False
            )
        if done.returncode:
            print(log.read_text("utf-8", "replace")[-4_000:], file=sys.stderr)
            print(f"`airflow {' '.join(command)}` failed; its log is {log}", file=sys.stderr)
            return done.returncode
    return 0


def _show(console: Console, store: SnapshotStore) -> None:
    """Read the Parquet back and print it."""
    today = store.resolve()
    rows = store.read(today).to_pylist()
    report = store.quality(today)
    console.print(
        models_table(console, rows, f"Models on {today}", Trends(store, today, ["output_token_price"]))
    )
    summary, changes = find_changes(store, today)
    numbers = sorted({row["field"] for row in changes} & NUMERIC_FIELDS)
    trends = Trends(store, today, numbers) if numbers else None
    console.print(
        changes_table(console, changes, f"Changes since {summary.previous_date}: {len(changes)}", trends)
    )
    console.print(f"Quality: {report.outcome}, score {report.score:g}; {report.served} records served")
    console.print(f"Quarantined: {report.quarantined}")
    for record in store.quarantine(today, today).to_pylist():
        reasons = ", ".join(f"{item['check']} {item['column']}" for item in record["failures"])
        console.print(safe(f"  {record['name'] or record['model_id']}: {reasons}"))
    console.print(f"Snapshots: {len(store.dates())}, in {store.files.url('models')}", soft_wrap=True)
    console.print(
        f"Report:    {store.files.url(f'quality/snapshot_date={today}/{report.snapshot_id}.html')}",
        soft_wrap=True,
    )


def _show_messages(console: Console, messages: list[dict[str, Any]]) -> None:
    """Print the messages that the receiver got."""
    console.print(f"\nMessages that the Dag sent to the demo's receiver: {len(messages)}")
    for message in messages:
        for line in message["text"].splitlines():
            console.print(safe(f"  | {line}"), soft_wrap=True)


class Receiver:
    """A local webhook receiver, which stores its requests and serves while the ``with`` block runs.

    :param status: the HTTP status of the response.
    :param headers: further headers of the response.
    """

    def __init__(self, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.messages: list[dict[str, Any]] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                receiver.requests.append((self.path, dict(self.headers)))
                receiver.messages.append(json.loads(body))
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _run(folder: Path) -> int:
    """Run the demo; print errors and Ctrl-C as one line."""
    try:
        return main(folder)
    except KeyboardInterrupt:
        print(
            f"\nStopped. What was written so far is below {folder}; the next run empties it.", file=sys.stderr
        )
        return 130
    except (IOIntelligenceError, OSError) as error:
        print(f"The demo failed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(_run(Path(sys.argv[1]).resolve()))
