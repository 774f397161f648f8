"""Files results of other data sets than the catalogue, as a task would."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import pandera.polars as pa
import polars as pl
import time_machine

from io_intelligence_provider import CheckOptions, check_dataset
from io_intelligence_provider.errors import QualityError
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.quality.results_store import ResultHistory, TaskRun, dataset_id

__all__ = ["ORDERS", "SCHEMA", "file_runs"]

SCHEMA: Final = pa.DataFrameSchema(
    {
        "order": pa.Column(str, unique=True),
        "price": pa.Column(float, pa.Check.ge(0), nullable=True),
        "country": pa.Column(str, pa.Check.isin(["DE", "FR"]), nullable=True),
    },
    name="Orders",
)
ORDERS: Final = dataset_id("orders", "Orders")


def file_runs(
    root: Path,
    frames: list[pl.DataFrame],
    begin: datetime,
    *,
    dataset: str = "orders",
    dag_id: str | None = "check_orders",
    quarantine: bool = True,
    **options: Any,
) -> list[CheckRun]:
    """Check one frame a day, and file each result, also of a run that was stopped."""
    data, found = root.parent / "data", []
    data.mkdir(exist_ok=True)
    for number, frame in enumerate(frames):
        when = begin + timedelta(days=number)
        frame.write_parquet(path := data / "orders.parquet")
        refused = str(data / f"refused-{dataset[:20]}-{when:%Y%m%d}.parquet") if quarantine else None
        given = {"max_quarantine_share": 0.5, "profile": True} | options
        try:
            with time_machine.travel(when, tick=False):
                run = check_dataset(str(path), SCHEMA, CheckOptions(quarantine_path=refused, **given))
        except QualityError as error:
            run = cast("CheckRun", error.report)
        task = None if dag_id is None else TaskRun(dag_id, "check", f"scheduled__{when:%Y-%m-%d}", -1, 1)
        ResultHistory(root).add(run, dataset, task)
        found.append(run)
    return found
