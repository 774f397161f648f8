"""Defines the Dags that ``checks.py`` runs in the deployment, and the schema of their data."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Final

import pandera.polars as pa
from airflow.sdk import dag

from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator

STORAGE: Final = "io_intelligence_storage"
TEAMS: Final = int(os.environ.get("DEPLOYMENT_CONNECTIONS", "50"))
FILES: Final = 20


class Orders(pa.DataFrameModel):
    """What an order is."""

    id: int = pa.Field(unique=True)
    price: float = pa.Field(ge=0)


@dag(schedule=None, start_date=datetime(2026, 1, 1))  # noqa: DTZ001 - Airflow takes it for UTC
def deployment_teams() -> None:
    """File one snapshot for each of many connections, each below its own root."""
    IOIntelligenceSnapshotOperator.partial(task_id="snapshot", storage_conn_id=STORAGE).expand_kwargs(
        [
            {"io_intelligence_conn_id": f"team_{number:02}", "root": f"s3://prices/teams/{number:02}"}
            for number in range(TEAMS)
        ]
    )


@dag(schedule=None, start_date=datetime(2026, 1, 1))  # noqa: DTZ001
def deployment_killed() -> None:
    """File snapshots below roots of their own; the run's ``conf`` says which and through which connection."""
    IOIntelligenceSnapshotOperator(
        task_id="snapshot",
        io_intelligence_conn_id="slow",
        root="s3://prices/killed/{{ dag_run.conf['root'] }}",
        storage_conn_id="{{ dag_run.conf['storage'] }}",
        retries=2,
        retry_delay=timedelta(seconds=1),
    )


@dag(schedule=None, start_date=datetime(2026, 1, 1))  # noqa: DTZ001
def deployment_files() -> None:
    """Check many files, of which some have invalid rows."""
    PanderaCheckOperator.partial(
        task_id="check",
        schema="deployment_dags:Orders",
        quarantine_path="s3://prices/quarantine/",
        max_quarantine_share=0.5,
        storage_conn_id=STORAGE,
    ).expand(path=[f"s3://prices/orders/{number:02}.parquet" for number in range(FILES)])


deployment_teams()
deployment_killed()
deployment_files()
