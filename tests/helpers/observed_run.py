"""Provides a pytest plugin that runs Dags in an Airflow with OpenLineage events and StatsD metrics.

Both must be configured before Airflow is imported, so the Dags run in another process, which is this
module as a script: ``python -m helpers.observed_run FOLDER``, with the home of an Airflow, OpenLineage's
transport and StatsD's port in the environment.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from helpers.fixtures import MakeOnce


class ObservedRun:
    """Holds the output of one real run of Airflow: OpenLineage's events, metrics, states of the runs."""

    def __init__(self, folder: Path) -> None:
        summary = json.loads((folder / "summary.json").read_text())
        self.states: dict[str, str] = summary["states"]
        self.url: str = summary["url"]
        self.folder = folder
        self.output: str = (folder / "output.txt").read_text()
        lines = (folder / "events.jsonl").read_text().splitlines()
        self.events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        self.metrics = (folder / "datagrams.txt").read_text().splitlines()

    def event(self, job: str, kind: str) -> dict[str, Any]:
        """Return the only event of a kind (START, COMPLETE, FAIL) that a job emitted."""
        (event,) = (
            event for event in self.events if event["job"]["name"] == job and event["eventType"] == kind
        )
        return event


@pytest.fixture(scope="session")
def observed_run(airflow_db: Path, once: MakeOnce) -> ObservedRun:
    """Run this module once as a script in another process."""
    return ObservedRun(once("observed", lambda folder: _observe(folder, airflow_db)))


def _observe(folder: Path, database: Path) -> None:
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
            "PYTHONPATH": str(Path(__file__).parents[1]),
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
            command = [sys.executable, "-m", "helpers.observed_run", str(folder)]
            done = subprocess.run(command, env=environment, stdout=output, stderr=output, check=False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(_END, listener.getsockname())  # last, because datagrams keep their order here
        thread.join()
    assert done.returncode == 0, (folder / "output.txt").read_text()[-5_000:]
    (folder / "datagrams.txt").write_text("\n".join(datagrams))


_END = b"end"


def _listen(listener: socket.socket, datagrams: list[str]) -> None:
    while (datagram := listener.recv(65_536)) != _END:
        datagrams.append(datagram.decode())


def main(folder: Path) -> None:
    from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
    from io_intelligence_provider.emulator.server import EmulatorServer

    records = PriceHistory.load().records()[:3]
    records[0]["status"] = "retired"  # an invalid value: the record goes to quarantine
    states = {}
    with EmulatorServer(catalogue=FixedCatalogue(records), api_key="secret-key") as server:
        connection = {"conn_type": "io_intelligence", "host": server.url, "password": "secret-key"}
        os.environ["AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT"] = json.dumps(connection)
        for name, fail_on in (("good", "never"), ("stopped", "warn")):
            states[name] = run(name, folder / name, fail_on)
    (folder / "no-folder").write_text("results cannot be kept here")
    for name, fail_on, kept in (
        ("checked", "never", "kept"),
        ("refused", "warn", "kept"),
        ("unkept", "never", "no-folder"),
    ):
        states[name] = run_check(name, folder, fail_on, folder / kept)
    (folder / "summary.json").write_text(json.dumps({"states": states, "url": server.url}))


def run_check(name: str, folder: Path, fail_on: str, kept: Path) -> str:
    import pandera.polars as pa
    import polars as pl
    from airflow.sdk import DAG

    from io_intelligence_provider.operators.pandera import PanderaCheckOperator

    pl.DataFrame({"price": [1.5, -2.0, 3.0]}).write_parquet(folder / "orders.parquet")
    schema = pa.DataFrameSchema({"price": pa.Column(float, pa.Check.ge(0, name="not_below_0"))})
    with DAG(f"observed_{name}", schedule=None) as dag:
        PanderaCheckOperator(
            task_id="check",
            path=str(folder / "orders.parquet"),
            schema=schema,
            quarantine_path=str(folder / name),
            fail_on=fail_on,
            max_quarantine_share=1.0,
            dataset=name,
            results_root=str(kept),
            history_checks=True,
        )
    return finished(dag)


def run(name: str, root: Path, fail_on: str) -> str:
    from airflow.sdk import DAG

    from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator

    with DAG(f"observed_{name}", schedule=None) as dag:
        IOIntelligenceSnapshotOperator(
            task_id="snapshot", root=str(root), fail_on=fail_on, max_quarantine_share=1.0
        )
    return finished(dag)


def finished(dag: Any) -> str:
    """Run a Dag and return its final state."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()  # type: ignore[no-untyped-call]
    bag = BundleDagBag(dag_folder=os.devnull, bundle_path=Path.cwd(), bundle_name="dags-folder")
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    start_execution_api()
    return str(dag.test().state)


def start_execution_api() -> None:
    """Start the API that Dags in this process ask. Airflow 3.2 starts one a task and does not wait for it."""
    from airflow.sdk.execution_time import supervisor

    from helpers.http_clients import wait_until

    others = set(threading.enumerate())
    api = supervisor.in_process_api_server()
    assert api.transport
    for thread in set(threading.enumerate()) - others:
        thread.name = "InProcessExecutionAPI-loop"
    wait_until(lambda: hasattr(api.app.state, "svcs_registry"), "the execution API's start")
    supervisor.in_process_api_server = lambda: api  # type: ignore[assignment]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
