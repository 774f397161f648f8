"""Runs two Dags in a real Airflow of its own that tells OpenLineage and StatsD; the tests read what was told.

A script, since both are configured before Airflow is imported:
``told_run.py FOLDER``, with the home of an Airflow, transport and StatsD's port in the environment.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    from io_intelligence_provider.emulator.catalogue import FixedCatalogue
    from io_intelligence_provider.emulator.history import PriceHistory
    from io_intelligence_provider.emulator.server import EmulatorServer

    records = PriceHistory.load().records()[:3]
    records[0]["status"] = "retired"  # refused: goes to quarantine
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
    (folder / "told.json").write_text(json.dumps({"states": states, "url": server.url}))


def run_check(name: str, folder: Path, fail_on: str, kept: Path) -> str:
    import pandera.polars as pa
    import polars as pl
    from airflow.sdk import DAG

    from io_intelligence_provider.operators.pandera import PanderaCheckOperator

    pl.DataFrame({"price": [1.5, -2.0, 3.0]}).write_parquet(folder / "orders.parquet")
    schema = pa.DataFrameSchema({"price": pa.Column(float, pa.Check.ge(0, name="not_below_0"))})
    with DAG(f"told_{name}", schedule=None) as dag:
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

    with DAG(f"told_{name}", schedule=None) as dag:
        IOIntelligenceSnapshotOperator(
            task_id="snapshot", root=str(root), fail_on=fail_on, max_quarantine_share=1.0
        )
    return finished(dag)


def finished(dag: Any) -> str:
    """Run a Dag and return how it ended."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = BundleDagBag(dag_folder=os.devnull, bundle_path=Path.cwd(), bundle_name="dags-folder")
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return str(dag.test().state)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
