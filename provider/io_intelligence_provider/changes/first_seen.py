"""The value with which each model of today entered the catalogue."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from datetime import date

import polars as pl
import pyarrow as pa

from io_intelligence_provider.changes.baseline import Baseline
from io_intelligence_provider.changes.day import Day
from io_intelligence_provider.changes.diff import as_table, field_rows, past_unreadable_days
from io_intelligence_provider.changes.match import match
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["changes_since_first_seen"]


def changes_since_first_seen(store: SnapshotStore, today: Day, fields: Collection[str]) -> pa.Table:
    """Compare each model with the first snapshot that has it; ``previous_date`` is that day.

    A field is compared with the first snapshot whose file also has its column: a model may be older than the
    column.

    The walk starts at the oldest snapshot and ends when every model of today was met, so a model that
    is new today makes it read the ids and names of all days.
    """

    def look(unreadable: Collection[date]) -> pa.Table:
        return _since_first_seen(store, today, fields, unreadable)

    return past_unreadable_days(today.day, look)[0]


def _since_first_seen(
    store: SnapshotStore, today: Day, fields: Collection[str], unreadable: Collection[date]
) -> pa.Table:
    groups = [_Group([field for field in fields if today.has(field)], today)]
    with ExitStack() as opened:
        for when in store.dates():
            if when >= today.day or not any(group.is_waiting for group in groups):
                break
            if when in unreadable:
                continue
            day = opened.enter_context(Day.open(store, when))
            groups = [part for group in groups for part in group.split(day)]
            if not [group for group in groups if group.meet(day)]:
                day.close()
            vars(day).pop("keys", None)
        return as_table([rows for group in groups for rows in group.rows()])


class _Group:
    """Fields that the same files have, and the first snapshot of each model among those files."""

    def __init__(self, fields: list[str], today: Day) -> None:
        self._fields = fields
        self._today = today
        self._baseline = Baseline()
        self._pairs = [pl.DataFrame(schema={"old": pl.UInt32, "new": pl.UInt32})]
        self._remaining = today.keys.select("model_id", "name").with_row_index("position")

    @property
    def is_waiting(self) -> bool:
        """Whether a model has not been met yet."""
        return bool(self._fields) and not self._remaining.is_empty()

    def split(self, day: Day) -> list[_Group]:
        """Return the fields that a file has and those that it lacks as groups of their own."""
        has, lacks = ([field for field in self._fields if day.has(field) is there] for there in (True, False))
        return [self._with(part) for part in (has, lacks)] if has and lacks else [self]

    def _with(self, fields: list[str]) -> _Group:
        group = _Group(fields, self._today)
        group._baseline = Baseline(list(self._baseline.days), self._baseline.rows)
        group._pairs = list(self._pairs)
        group._remaining = self._remaining
        return group

    def meet(self, day: Day) -> bool:
        """Note the models that a file is the first to have; tell whether there are any."""
        if not self.is_waiting or not day.has(self._fields[0]):
            return False
        same_shape = pl.lit(day.shape is self._today.shape).alias("same_shape")
        found = match(day.keys.with_columns(same_shape), self._remaining).pairs
        if found.is_empty():
            return False
        offset = self._baseline.rows.height
        self._baseline.add(day, day.keys[found["old"]], self._today)
        met = self._remaining["position"].gather(found["new"])
        old = pl.int_range(offset, self._baseline.rows.height, dtype=pl.UInt32, eager=True)
        self._pairs.append(pl.DataFrame({"old": old, "new": met}))
        self._remaining = self._remaining.filter(~pl.col("position").is_in(met.implode()))
        return True

    def rows(self) -> list[pl.DataFrame]:
        """Return the changes since then."""
        return field_rows(self._today, self._baseline, pl.concat(self._pairs), self._fields)
