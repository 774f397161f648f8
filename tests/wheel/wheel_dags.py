"""Defines Dags with every operator, decorator, notifier and trigger, which ``check_wheel.py`` runs.

``wheel_check`` needs nothing but the declared dependencies, ``wheel_s3`` the extra ``s3``. Each ends with a
task that looks at what the others left. This file is also the module of their schemas.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, Final

import pandera.polars as pa
import polars as pl
from airflow.sdk import dag, task

from io_intelligence_provider import AlertRule
from io_intelligence_provider.notifications.webhook import IOIntelligenceWebhookNotifier
from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator
from io_intelligence_provider.triggers.watcher import IOIntelligenceWatchTrigger

WORK: Final = Path(os.environ["WHEEL_WORK"])
S3_ROOT: Final = "s3://wheel/store"
S3_CONN_ID: Final = "wheel_s3"
ORDERS: Final = str(WORK / "orders.parquet")
YAML: Final = WORK / "orders.yaml"
YAML_TEXT: Final = """
schema_type: polars_dataframe
columns:
  id: {dtype: Int64, unique: true}
  price: {dtype: Float64, checks: {greater_than_or_equal_to: 0}}
"""


class Orders(pa.DataFrameModel):
    """What an order is."""

    id: int = pa.Field(unique=True)
    price: float = pa.Field(ge=0)


def orders() -> pl.DataFrame:
    """Return five orders: one repeats an id of another, one has a negative price."""
    return pl.DataFrame({"id": [1, 2, 3, 3, 5], "price": [0.5, 1.5, -1.0, 2.0, 0.0]})


def check(name: str, schema: Any, **arguments: Any) -> PanderaCheckOperator:
    """Return a check of the orders, of which two rows are refused."""
    return PanderaCheckOperator(
        task_id=name,
        path=ORDERS,
        schema=schema,
        max_quarantine_share=0.5,
        results_root=str(WORK / "results"),
        **arguments,
    )


@dag(schedule=None)
def wheel_check() -> None:
    @task
    def prepare() -> None:
        orders().write_parquet(ORDERS)
        YAML.write_text(YAML_TEXT)

    @task
    def watch() -> list[str]:
        """Return what the trigger's first event says: the endpoint differs from the snapshot on file."""

        async def first() -> Any:
            events = IOIntelligenceWatchTrigger(interval=1).run()
            try:
                return await anext(events)
            finally:
                await events.aclose()

        moved: list[str] = asyncio.run(first()).payload["moved"]
        return moved

    @task.pandera(schema="wheel_dags:Orders", path=str(WORK / "made.parquet"), max_quarantine_share=0.5)
    def made() -> Any:
        return orders().lazy()

    @task
    def verify(ti: Any) -> None:
        got = {name: ti.xcom_pull(task_ids=name) for name in (*names, "watch", "snapshot", "changes")}
        for name in names:
            assert [got[name][key] for key in ("rows", "valid", "quarantined")] == [5, 3, 2], got[name]
        assert pl.read_parquet(WORK / "made.parquet").rows() == [(1, 0.5), (2, 1.5), (5, 0.0)]
        assert pl.read_parquet(WORK / "valid.parquet").height == 3
        assert pl.read_parquet(WORK / "refused.parquet").height == 2
        assert got["watch"], "the trigger saw no move"
        assert got["snapshot"]["rows"] > 20, got["snapshot"]
        assert got["changes"]["counts"]["price_changed"], got["changes"]

    checks = [
        check(
            "by_object",
            Orders,
            quarantine_path=str(WORK / "refused.parquet"),
            valid_path=str(WORK / "valid.parquet"),
            history_checks=True,
        ),
        check("by_name", "wheel_dags:Orders"),
        check("by_yaml", str(YAML)),
    ]
    names = [*(operator.task_id for operator in checks), "made"]
    snapshot = IOIntelligenceSnapshotOperator(task_id="snapshot")
    changes = IOIntelligenceChangesOperator(task_id="changes")
    alert = IOIntelligenceAlertOperator(
        task_id="alert",
        rules=[AlertRule(name="wheel", changes="price_changed")],
        notifiers=[IOIntelligenceWebhookNotifier(key="wheel")],
    )
    end = verify()
    prepare() >> checks >> end
    watch() >> snapshot >> changes >> alert >> end
    made() >> end


@dag(schedule=None)
def wheel_s3() -> None:
    at = {"root": S3_ROOT, "storage_conn_id": S3_CONN_ID}
    snapshot = IOIntelligenceSnapshotOperator(task_id="snapshot", **at)
    changes = IOIntelligenceChangesOperator(task_id="changes", **at)
    models = PanderaCheckOperator(
        task_id="models",
        path=f"{S3_ROOT}/models",
        schema=pa.DataFrameSchema({"name": pa.Column(str, unique=True)}),
        valid_path="s3://wheel/valid.parquet",
        storage_conn_id=S3_CONN_ID,
        results_root=str(WORK / "results"),
    )

    @task
    def verify(ti: Any) -> None:
        from io_intelligence_provider.hooks.store import open_store

        filed = open_store(S3_ROOT, S3_CONN_ID).read()
        assert filed.num_rows == ti.xcom_pull(task_ids="snapshot")["rows"] > 20
        assert ti.xcom_pull(task_ids="models")["valid"] == filed.num_rows

    snapshot >> changes >> models >> verify()


wheel_check()
wheel_s3()
