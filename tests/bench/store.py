"""Measures reading three years, as ratios to a plain scan of the same files: ``python tests/bench/store.py``.

The machine may be shared and its speed may drift: trust the ratios, not the seconds. Arguments: days, models.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import polars as pl

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.contract.columns import PRICE_COLUMNS, QUOTA_COLUMNS, arrow_schema
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.models_file import serialise_models

LAST = date(2026, 11, 21)
ROUNDS = 5


def fill(root: Path, days: int, models: int) -> None:
    """File made-up snapshots: each day 3 % of the models get other prices."""
    seed = random.Random(1)  # noqa: S311 - figures that repeat
    types = dict(pl.DataFrame(arrow_schema().empty_table()).schema)
    names = sorted(f"developer-{n % 40}/Model-{n:05d}-Instruct" for n in range(models))
    prices = [[Decimal(seed.randint(1, 9_999)) / 1_000 for _ in PRICE_COLUMNS] for _ in names]
    for back in range(days, 0, -1):
        day = LAST - timedelta(days=back - 1)
        for row in prices:
            if seed.random() < 0.03:
                row[:] = [Decimal(seed.randint(1, 9_999)) / 1_000 for _ in PRICE_COLUMNS]
        write(root, day, names, prices, types)


def write(
    root: Path, day: date, names: list[str], prices: list[list[Decimal]], types: dict[str, Any]
) -> None:
    moment = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
    rows = [
        {
            "model_id": str(uuid5(NAMESPACE_URL, name)),
            "name": name,
            "description": "What a model is for. " * 8,
        }
        | {"status": "active", "tags": ["a", "b"], "created_at": moment, "updated_at": moment}
        | dict.fromkeys(QUOTA_COLUMNS, 1_000)
        | dict(zip(PRICE_COLUMNS, row, strict=True))
        for name, row in zip(names, prices, strict=True)
    ]
    frame = pl.DataFrame(rows, schema=types)
    described = {"snapshot_id": day.isoformat(), "fetched_at": moment.isoformat(), "wire_shape": "documented"}
    served = serialise_models(
        [frame], moment, described | {"source_url": "-", "query": "", "provider_version": "-"}
    )
    path = root / models_path(day)
    path.parent.mkdir(parents=True)
    path.write_bytes(served.data)


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main(days: int = 1_095, models: int = 500) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), days, models)
        store = SnapshotStore(folder)
        store.compact()
        name = store.read(columns=["name"])["name"][models // 2].as_py()
        prices = ["name", *PRICE_COLUMNS]
        paths = [Path(folder, models_path(day)) for day in store.dates()]
        asked: dict[str, Callable[[], Any]] = {
            "a bare scan of all columns": lambda: pl.scan_parquet(paths, hive_partitioning=False).collect(),
            "history, all columns": store.history,
            "history, four prices": lambda: store.history(columns=prices),
            "history, four prices of one model": lambda: store.history(models=[name], columns=prices),
            "price_at": lambda: store.price_at(name, LAST - timedelta(days=days // 2)),
            "periods of one model": lambda: store.periods([name]),
            "periods": store.periods,
        }
        taken: dict[str, list[float]] = {title: [] for title in asked}
        for _ in range(ROUNDS):
            for title, call in asked.items():
                taken[title].append(seconds(call))
    base = statistics.median(next(iter(taken.values())))
    print(f"{days:,} days of {models:,} models")
    for title, times in taken.items():
        print(f"  {title:<34} {statistics.median(times) / base:6.2f} x   {statistics.median(times):6.3f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
