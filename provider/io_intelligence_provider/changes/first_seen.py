"""The value with which each model of today entered the catalogue."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from typing import TYPE_CHECKING

from io_intelligence_provider.changes.baseline import Baseline
from io_intelligence_provider.changes.day import Day
from io_intelligence_provider.changes.diff import as_table, field_rows
from io_intelligence_provider.changes.match import match
from io_intelligence_provider.store.store import SnapshotStore

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["changes_since_first_seen"]


def changes_since_first_seen(store: SnapshotStore, today: Day, fields: Collection[str]) -> pa.Table:
    """Compare each model with the first snapshot that has it; ``previous_date`` is that day.

    The walk starts at the oldest snapshot and ends when every model of today was met, so a model that
    is new today makes it read the ids and names of all days.
    """
    import polars as pl

    baseline, pairs = Baseline(), [pl.DataFrame(schema={"old": pl.UInt32, "new": pl.UInt32})]
    remaining = today.keys.select("model_id", "name").with_row_index("position")
    with ExitStack() as opened:
        for date in store.dates():
            if date >= today.day or remaining.is_empty():
                break
            day = opened.enter_context(Day.open(store, date))
            same_shape = pl.lit(day.shape is today.shape).alias("same_shape")
            found = match(day.keys.with_columns(same_shape), remaining).pairs
            if found.is_empty():
                day.close()
                continue
            offset = baseline.rows.height
            baseline.add(day, day.keys[found["old"]], today)
            del day.keys
            met = remaining["position"].gather(found["new"])
            old = pl.int_range(offset, baseline.rows.height, dtype=pl.UInt32, eager=True)
            pairs.append(pl.DataFrame({"old": old, "new": met}))
            remaining = remaining.filter(~pl.col("position").is_in(met.implode()))
        return as_table(field_rows(today, baseline, pl.concat(pairs), fields))
