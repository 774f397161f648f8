"""Measures comparing two large days, against polars alone: ``python tests/bench/changes.py [MODELS]``.

Both days are written by the store's own writer. A tenth of the prices moved, one model in a hundred came
and one went. Figures are those of :func:`detect_changes`, and of reading both files with polars, joining them
and counting what differs, each in processes of its own, taken in turn: medians of three.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from io_intelligence_provider import SnapshotStore, detect_changes
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.kinds import FIELDS
from io_intelligence_provider.contract.columns import COLUMNS, PRICE_COLUMNS, QUOTA_COLUMNS
from io_intelligence_provider.contract.records import validate_records
from io_intelligence_provider.store.layout import QuarantineFile, models_path, quarantine_path
from io_intelligence_provider.store.models_file import SLICE, serialise_models

FIRST = date(2026, 6, 29)
_NOW = datetime(2026, 6, 30, tzinfo=UTC)


def models(first: int, last: int, second_day: bool) -> pl.DataFrame:
    """Return typed rows of the models numbered from ``first`` to below ``last``."""
    empty = validate_records([], WireShape.DOCUMENTED).valid.clear()
    number = pl.int_range(first, last, dtype=pl.Int64)
    moved = pl.when(second_day & (pl.col("n") % 10 == 0)).then(1).otherwise(0)
    rows = pl.select(number.alias("n")).with_columns(
        pl.format("00000000-0000-4000-8000-{}", pl.col("n").cast(pl.String).str.zfill(12)).alias("model_id"),
        pl.format("vendor/model-{}", pl.col("n").cast(pl.String).str.zfill(9)).alias("name"),
        pl.format("what the vendor says of model {}, in some words", "n").alias("description"),
        pl.lit("active").alias("status"),
        *[pl.lit(1_000).alias(column) for column in QUOTA_COLUMNS],
        *[((pl.col("n") % 997 + moved) / 1_000).cast(pl.Decimal(38, 18)).alias(c) for c in PRICE_COLUMNS],
    )
    kinds = empty.schema
    names = [column.name for column in COLUMNS if column.name in kinds]
    return rows.select(
        pl.col(name).cast(kinds[name]) if name in rows.columns else pl.lit(None, kinds[name]).alias(name)
        for name in names
    )


def fill(store: SnapshotStore, count: int) -> None:
    """File two days of ``count`` models each."""
    for position in range(2):
        day, run = FIRST + timedelta(days=position), f"run-{position}"
        start = position * count // 100
        slices = (
            models(at, min(at + SLICE, start + count), bool(position))
            for at in range(start, start + count, SLICE)
        )
        metadata = {
            "snapshot_id": run,
            "fetched_at": _NOW.isoformat(),
            "wire_shape": "documented",
            "source_url": "http://bench.invalid",
            "query": "",
            "provider_version": "bench",
        }
        with QuarantineFile(run, _NOW) as quarantine:
            store.files.put(quarantine_path(day, run), quarantine.finish())
        store.files.put(models_path(day), serialise_models(slices, _NOW, metadata).data)


def ours(root: str) -> int:
    """Return the number of changes that this package finds; they are on file then."""
    return sum(detect_changes(SnapshotStore(root)).counts.values())


def polars_alone(root: str) -> int:
    """Return the number of values that differ; nothing is checked, described or filed."""
    old, new = (pl.scan_parquet(Path(root, models_path(FIRST + timedelta(days=day)))) for day in (0, 1))
    both = old.join(new, on="model_id", suffix=".new")
    names = [name for name in FIELDS if name != "model_id"]
    differ = [pl.col(name).ne_missing(pl.col(f"{name}.new")).sum() for name in names]
    sizes = [frame.select(pl.len()) for frame in (old, new, both)]
    *heights, counts = pl.collect_all([*sizes, both.select(differ)])
    before, after, common = (frame.item() for frame in heights)
    return sum(counts.row(0)) + before + after - 2 * common


CONTENDERS = {contender.__name__: contender for contender in (ours, polars_alone)}


def measure(name: str, root: str) -> None:
    """Compare, in this process, and print the figures as JSON."""
    start, busy = time.perf_counter(), time.process_time()
    changes = CONTENDERS[name](root)
    wall, cpu = time.perf_counter() - start, time.process_time() - busy
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "peak": peak, "changes": changes}))


def main(count: int) -> None:
    """Print what a comparison of two days of ``count`` models costs."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        fill(SnapshotStore(folder), count)
        for _ in range(3):
            for name, runs in taken.items():
                command = [sys.executable, str(Path(__file__)), "--measure", name, folder]
                done = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=dict(os.environ)
                )
                runs.append(json.loads(done.stdout))
    print(f"\nchanges of {count:,} models a side")
    for name, runs in taken.items():
        wall, cpu, peak = (statistics.median(run[key] for run in runs) for key in ("wall", "cpu", "peak"))
        print(
            f"  {name:<13} {runs[0]['changes']:,} changes   cpu {cpu:7.2f} s   wall {wall:7.2f} s   "
            f"peak {peak:6.0f} MB"
        )


if __name__ == "__main__":
    if "--measure" in sys.argv:
        measure(*sys.argv[-2:])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
