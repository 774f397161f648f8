"""Compare a snapshot with earlier ones: every change of every model, as rows.

Columns are compared one at a time and whole, and only what differs becomes text: the memory is that of
the ids and names of both days, one column of each, and the changes themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TypeVar

import polars as pl
import pyarrow as pa

from io_intelligence_provider.changes.baseline import Baseline, given, latest_known
from io_intelligence_provider.changes.day import Day, UnreadableDayError
from io_intelligence_provider.changes.fields import field_changes, split_pairs
from io_intelligence_provider.changes.kinds import FIELDS, MODEL_ADDED, MODEL_REMOVED
from io_intelligence_provider.changes.match import in_quarantine, match
from io_intelligence_provider.changes.table import SORTED_BY
from io_intelligence_provider.storage.parquet import no_rows
from io_intelligence_provider.store.changes import changes_schema
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["Comparison", "as_table", "compare", "compare_with", "field_rows", "past_unreadable_days"]

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """What differs between a snapshot and those before it.

    :param changes: rows of ``changes.parquet``, sorted.
    :param previous_date: the latest earlier snapshot, ``None`` when there is none.
    :param snapshots: the ``snapshot_id`` of every day that was looked at.
    :param has_refused: whether the run of ``snapshot_date`` refused anybody.
    :param unreadable: earlier days whose files cannot be used, and why: nothing was compared with them.
    """

    snapshot_date: date
    previous_date: date | None
    changes: pa.Table
    snapshots: dict[date, str]
    has_refused: bool
    unreadable: Mapping[date, str] = field(default_factory=dict)


def compare(
    store: SnapshotStore, day: date, fields: Collection[str] = FIELDS, *, days_back: int = 1
) -> Comparison:
    """Compare a snapshot with what was known of each model before: see :func:`latest_known`.

    An earlier day whose files cannot be used is passed over with a warning: what it held is as unknown as a
    model in quarantine, so that each model is compared with the day before.

    :param days_back: compare with what was known that many days before.
    :raises NotOnFileError: when there is no snapshot of that date.
    :raises UnreadableDayError: when the files of ``day`` itself cannot be used.
    """
    latest = day - timedelta(days=days_back)

    def once(unreadable: Collection[date]) -> Comparison:
        with ExitStack() as opened:
            today = opened.enter_context(Day.open(store, day))
            dates = [other for other in store.dates() if other <= latest and other not in unreadable]
            earlier = (opened.enter_context(Day.open(store, other)) for other in reversed(dates))
            return _comparison(today, latest_known(today, earlier), fields)

    found, unreadable = past_unreadable_days(day, once)
    return replace(found, unreadable=unreadable)


def past_unreadable_days(day: date, look: Callable[[Collection[date]], T]) -> tuple[T, dict[date, str]]:
    """Do something again without each earlier day that proves unreadable, and warn of those.

    :param look: does it; gets the days to pass over.
    :raises UnreadableDayError: when it is ``day`` itself that cannot be read.
    """
    unreadable: dict[date, str] = {}
    while True:
        try:
            found = look(unreadable)
        except UnreadableDayError as error:
            if error.day == day or error.day in unreadable:
                raise
            unreadable[error.day] = str(error)
        else:
            break
    for other, why in unreadable.items():
        log.warning("%s is passed over, and %s compared with the day before it: %s", other, day, why)
    return found, unreadable


def compare_with(
    store: SnapshotStore, day: date, other: date, fields: Collection[str] = FIELDS
) -> Comparison:
    """Compare a snapshot with that of a given day; who is in quarantine on either day is left out.

    :raises NotOnFileError: when there is no snapshot of one of the dates.
    """
    with Day.open(store, day) as today, Day.open(store, other) as earlier:
        return _comparison(today, given(today, earlier), fields, walked=False)


def _comparison(
    today: Day, baseline: Baseline, fields: Collection[str], *, walked: bool = True
) -> Comparison:
    days = [today, *baseline.days]
    return Comparison(
        snapshot_date=today.day,
        previous_date=baseline.days[0].day if baseline.days else None,
        changes=as_table(_changed_rows(today, baseline, fields, walked=walked) if baseline.days else []),
        snapshots={day.day: day.snapshot_id for day in days},
        has_refused=not today.refused.is_empty(),
    )


def _changed_rows(
    today: Day, baseline: Baseline, fields: Collection[str], *, walked: bool
) -> list[pl.DataFrame]:
    """Return the changes as frames, unsorted."""
    matches = match(baseline.rows, today.keys)
    rows = _removed(baseline, matches.removed)
    rows += _added(baseline, today, matches.added, walked)
    return rows + field_rows(today, baseline, matches.pairs, fields)


def field_rows(
    today: Day, baseline: Baseline, pairs: pl.DataFrame, fields: Collection[str]
) -> list[pl.DataFrame]:
    """Return the changes of the fields of matched models as frames, unsorted."""
    rows: list[pl.DataFrame] = []
    split = split_pairs(baseline, pairs)
    for name in fields:
        rows += _named(baseline, today, field_changes(today, split, name))
    return rows


def _named(baseline: Baseline, today: Day, found: Sequence[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for frame in found:
        keys = today.keys.select("model_id", "name")[frame["new"]]
        previous = pl.Series([day.day for day in baseline.days], dtype=pl.Date).gather(frame["part"])
        yield pl.concat(
            [previous.alias("previous_date").to_frame(), keys, frame.drop("new", "part")], how="horizontal"
        )


def _removed(baseline: Baseline, positions: pl.Series) -> list[pl.DataFrame]:
    gone = baseline.rows[positions]
    days = pl.Series([day.day for day in baseline.days], dtype=pl.Date).gather(gone["part"])
    return [_whole_models(gone, days, MODEL_REMOVED)]


def _added(baseline: Baseline, today: Day, positions: pl.Series, walked: bool) -> list[pl.DataFrame]:
    new = today.keys[positions]
    if walked:
        days = pl.Series(baseline.reference_days(new, today), dtype=pl.Date)
    else:
        day = baseline.days[0]
        new = new.filter(~in_quarantine(new, day.refused, same_shape=day.shape is today.shape))
        days = pl.Series([day.day], dtype=pl.Date).new_from_index(0, new.height)
    return [_whole_models(new, days, MODEL_ADDED)]


def _whole_models(models: pl.DataFrame, days: pl.Series, change: str) -> pl.DataFrame:
    nothing = pl.lit(None, pl.String)
    return models.select(
        days.alias("previous_date"),
        "model_id",
        "name",
        pl.lit(change).alias("change"),
        nothing.alias("field"),
        nothing.alias("old_value"),
        nothing.alias("new_value"),
        pl.lit(None, pl.Float64).alias("pct"),
        nothing.alias("direction"),
    )


def as_table(rows: list[pl.DataFrame]) -> pa.Table:
    """Return frames of changes as one sorted table of the schema of ``changes.parquet``."""
    schema = changes_schema()
    if not any(frame.height for frame in rows):
        return no_rows(schema)
    # Kinds are few, names repeat: sorting moves row numbers, not texts.
    frame = pl.concat([frame for frame in rows if frame.height]).sort(*SORTED_BY)
    return frame.select(schema.names).to_arrow().cast(schema)
