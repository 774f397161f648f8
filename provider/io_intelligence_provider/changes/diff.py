"""Compares a snapshot with earlier ones: every change of every model, as rows of ``changes.parquet``.

Whole columns are compared one at a time, and only differing values are converted to text. The memory is
that of the ids and names of both days, one column of each, and the changes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.changes.days import (
    Baseline,
    Day,
    UnreadableDayError,
    given,
    in_quarantine,
    latest_known,
    match,
)
from io_intelligence_provider.changes.kinds import (
    EXTRA,
    FIELDS,
    MODEL_ADDED,
    MODEL_REMOVED,
    NUMERIC_FIELDS,
    comparable,
    kind_of,
    null_means_unsaid,
)
from io_intelligence_provider.changes.values import as_text, directions, percents
from io_intelligence_provider.storage.parquet import no_rows
from io_intelligence_provider.store.layout import changes_schema, readable
from io_intelligence_provider.store.models_file import file_metadata
from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "SORTED_BY",
    "Comparison",
    "Pairs",
    "as_table",
    "changes_schema",
    "compare",
    "compare_with",
    "field_changes",
    "field_rows",
    "skipping_unreadable_days",
    "split_pairs",
    "to_parquet",
]

log = logging.getLogger(__name__)


T = TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """Holds the differences between a snapshot and earlier ones.

    :param changes: rows of ``changes.parquet``, sorted.
    :param previous_date: the latest earlier snapshot, ``None`` when there is none.
    :param snapshots: the ``snapshot_id`` of every day that was read.
    :param has_refused: whether the run of ``snapshot_date`` refused any record.
    :param quarantined: ``previous_date``, ``model_id`` and ``name`` of each model that the run refused, as of
        the day it was last known.
    :param unreadable: earlier days with unusable files, and the reason: nothing was compared with them.
    """

    snapshot_date: date
    previous_date: date | None
    changes: pa.Table
    snapshots: dict[date, str]
    has_refused: bool
    quarantined: pl.DataFrame
    unreadable: Mapping[date, str] = field(default_factory=dict)


def compare(
    store: SnapshotStore, day: date, fields: Collection[str] = FIELDS, *, days_back: int = 1
) -> Comparison:
    """Compare a snapshot with the latest known earlier state of each model: see :func:`latest_known`.

    An earlier day with unusable files is skipped with a warning. Like a model in quarantine, its content is
    unknown, so that each model is compared with the day before.

    :param days_back: compare with the state that many days before.
    :raises NotOnFileError: when there is no snapshot of that date.
    :raises UnreadableDayError: when the files of ``day`` itself cannot be used.
    """

    def once(unreadable: Collection[date]) -> Comparison:
        with ExitStack() as opened:
            today = opened.enter_context(Day.open(store, day))
            dates = [other for other in store.dates() if (day - other).days >= days_back]
            known = (other for other in reversed(dates) if other not in unreadable)
            earlier = (opened.enter_context(Day.open(store, other)) for other in known)
            return _comparison(today, latest_known(today, earlier), fields)

    found, unreadable = skipping_unreadable_days(day, once)
    return replace(found, unreadable=unreadable)


def skipping_unreadable_days(day: date, read: Callable[[Collection[date]], T]) -> tuple[T, dict[date, str]]:
    """Repeat a function without each earlier day that proves unreadable, and warn of those days.

    :param read: the function; gets the days to skip.
    :raises UnreadableDayError: when ``day`` itself cannot be read.
    """
    unreadable: dict[date, str] = {}
    while True:
        try:
            found = read(unreadable)
        except UnreadableDayError as error:
            if error.day == day or error.day in unreadable:
                raise
            unreadable[error.day] = str(error)
        else:
            break
    for other, why in unreadable.items():
        log.warning("%s is skipped, and %s is compared with the day before it: %s", other, day, why)
    return found, unreadable


def compare_with(
    store: SnapshotStore, day: date, other: date, fields: Collection[str] = FIELDS
) -> Comparison:
    """Compare a snapshot with that of a given day; models in quarantine on either day are left out.

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
        quarantined=baseline.quarantined.select(
            _days_of(baseline, baseline.quarantined["part"]), "model_id", "name"
        ).sort("name", "model_id"),
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
        previous = _days_of(baseline, frame["part"])
        yield pl.concat([previous.to_frame(), keys, frame.drop("new", "part")], how="horizontal")


def _days_of(baseline: Baseline, parts: pl.Series) -> pl.Series:
    days = pl.Series("previous_date", [day.day for day in baseline.days], dtype=pl.Date)
    return days.gather(parts)


def _removed(baseline: Baseline, positions: pl.Series) -> list[pl.DataFrame]:
    gone = baseline.rows[positions]
    return [_whole_models(gone, _days_of(baseline, gone["part"]), MODEL_REMOVED)]


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
    frame = pl.concat([frame for frame in rows if frame.height]).sort(*SORTED_BY)
    return frame.select(schema.names).to_arrow().cast(schema)


@dataclass(frozen=True)
class Pairs:
    """Holds the positions of models in the files of one earlier day and of today."""

    part: int
    day: Day
    old: pl.Series
    new: pl.Series


def split_pairs(baseline: Baseline, pairs: pl.DataFrame) -> list[Pairs]:
    """Return the pairs by earlier day.

    :param pairs: ``old`` (position in ``baseline.rows``) and ``new`` (position in today's file).
    """
    rows = baseline.rows.select("part", "row")[pairs["old"]].with_columns(pairs["new"])
    return [
        Pairs(part["part"][0], baseline.days[part["part"][0]], part["row"], part["new"])
        for part in rows.partition_by("part", maintain_order=True)
    ]


def field_changes(today: Day, pairs: Sequence[Pairs], field: str) -> list[pl.DataFrame]:
    """Return the changes of one field, one frame per earlier day that has any.

    :returns: frames of ``new``, ``part``, ``change``, ``field``, ``old_value``, ``new_value``, ``pct``,
        ``direction``.
    """
    if not today.has(field):
        return []
    new_values = today.column(field)
    found = []
    for part in pairs:
        if not part.day.has(field) or not comparable(field, part.day.shape, today.shape):
            continue
        old_values = part.day.column(field)
        if _is_all_null(old_values) and _is_all_null(new_values):
            continue
        old = old_values.gather(part.old)
        new = new_values.gather(part.new)
        differs = _differs(field, old, part.day, new, today)
        if differs.is_empty():
            continue
        rows = part.new.gather(differs)
        if field == EXTRA:
            rows, changes = _extra_changes(rows, old[differs], part.day, new[differs], today)
        else:
            changes = _described(field, old[differs], new[differs])
        where = pl.DataFrame({"new": rows}).with_columns(pl.lit(part.part, pl.UInt32).alias("part"))
        found.append(pl.concat([where, changes], how="horizontal"))
    return found


def _is_all_null(values: pl.Series) -> bool:
    return values.null_count() == values.len()


def _differs(field: str, old: pl.Series, old_day: Day, new: pl.Series, new_day: Day) -> pl.Series:
    """Return the positions at which two columns differ; a null equals a null."""
    differs = old.ne_missing(new)
    if null_means_unsaid(field, old_day.shape, new_day.shape):
        differs &= old.is_not_null()
    if null_means_unsaid(field, new_day.shape, old_day.shape):
        differs &= new.is_not_null()
    return differs.arg_true()


def _extra_changes(
    rows: pl.Series, old: pl.Series, old_day: Day, new: pl.Series, new_day: Day
) -> tuple[pl.Series, pl.DataFrame]:
    """Compare ``extra`` key by key.

    :returns: one row per key that differs: the model's entry in ``rows``, and the change.
    """
    owners: list[int] = []
    fields: list[str] = []
    values: list[tuple[str | None, str | None]] = []
    for row, one, other in zip(rows, old, new, strict=True):
        before, after = old_day.extra_of(one), new_day.extra_of(other)
        for key in before | after:
            if before.get(key) != after.get(key):
                owners.append(row)
                fields.append(key)
                values.append((before.get(key), after.get(key)))
    changes = pl.DataFrame(
        {
            "change": pl.repeat(kind_of(EXTRA), len(fields), dtype=pl.String, eager=True),
            "field": pl.Series(fields, dtype=pl.String),
            "old_value": pl.Series([pair[0] for pair in values], dtype=pl.String),
            "new_value": pl.Series([pair[1] for pair in values], dtype=pl.String),
            "pct": pl.repeat(None, len(fields), dtype=pl.Float64, eager=True),
            "direction": pl.repeat(None, len(fields), dtype=pl.String, eager=True),
        }
    )
    return pl.Series(owners, dtype=rows.dtype), changes


def _described(field: str, old: pl.Series, new: pl.Series) -> pl.DataFrame:
    size = old.len()
    is_number = field in NUMERIC_FIELDS
    nothing = pl.Series([None], dtype=pl.Null).new_from_index(0, size)
    return pl.DataFrame(
        {
            "change": pl.repeat(kind_of(field), size, dtype=pl.String, eager=True),
            "field": pl.repeat(field, size, dtype=pl.String, eager=True),
            "old_value": as_text(field, old),
            "new_value": as_text(field, new),
            "pct": percents(old, new) if is_number else nothing.cast(pl.Float64),
            "direction": directions(old, new) if is_number else nothing.cast(pl.String),
        }
    )


SORTED_BY: Final = ("name", "change", "field", "model_id")
"""The order of the rows, by code points, nulls first. The last column orders models of the same name."""

_ROW_GROUP: Final = 65_536


def to_parquet(changes: pa.Table, metadata: Mapping[str, str]) -> bytes:
    """Serialize a table of changes: zstd, statistics, row groups of 65,536 rows."""
    sink = pa.BufferOutputStream()
    table = changes.replace_schema_metadata(file_metadata(metadata))
    pq.write_table(table, sink, compression="zstd", write_statistics=True, row_group_size=_ROW_GROUP)
    return readable(sink.getvalue(), changes.nbytes)
