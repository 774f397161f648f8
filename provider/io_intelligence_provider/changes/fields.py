"""Field by field: what differs between the old and the new row of the same model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from io_intelligence_provider.changes.baseline import Baseline
from io_intelligence_provider.changes.day import Day
from io_intelligence_provider.changes.kinds import (
    EXTRA,
    NUMERIC_FIELDS,
    comparable,
    kind_of,
    null_means_unsaid,
)
from io_intelligence_provider.changes.values import as_text, direction, percent

__all__ = ["Pairs", "field_changes", "split_pairs"]


@dataclass(frozen=True)
class Pairs:
    """Models that are on file on one earlier day and today: their positions in the two files."""

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
        old = part.day.column(field).gather(part.old)
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

    :returns: a row for each key that differs: whose it is, of ``rows``, and the change.
    """
    owners: list[int] = []
    fields: list[str] = []
    values: list[tuple[str | None, str | None]] = []
    for row, one, other in zip(rows, old, new, strict=True):
        before, after = old_day.extra_of(one), new_day.extra_of(other)
        for field in before | after:
            if before.get(field) != after.get(field):
                owners.append(row)
                fields.append(field)
                values.append((before.get(field), after.get(field)))
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
    pct: list[float | None] = [None] * size
    directions: list[str | None] = [None] * size
    if field in NUMERIC_FIELDS:
        numbers = list(zip(old.to_list(), new.to_list(), strict=True))
        pct = [percent(*pair) for pair in numbers]
        directions = [direction(*pair) for pair in numbers]
    return pl.DataFrame(
        {
            "change": pl.repeat(kind_of(field), size, dtype=pl.String, eager=True),
            "field": pl.repeat(field, size, dtype=pl.String, eager=True),
            "old_value": as_text(field, old),
            "new_value": as_text(field, new),
            "pct": pl.Series(pct, dtype=pl.Float64),
            "direction": pl.Series(directions, dtype=pl.String),
        }
    )
