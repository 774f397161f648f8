"""Field by field: what differs between the old and the new row of the same model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from io_intelligence_provider.changes.baseline import Baseline
from io_intelligence_provider.changes.day import Day
from io_intelligence_provider.changes.kinds import (
    NUMERIC_FIELDS,
    comparable,
    kind_of,
    null_means_unsaid,
)
from io_intelligence_provider.changes.values import as_text, canonical_json, direction, percent
from io_intelligence_provider.quality.contract import COLUMN_BY_NAME, Kind

if TYPE_CHECKING:
    import polars as pl

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
    import polars as pl

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
        if not differs.is_empty():
            where = pl.DataFrame({"new": part.new.gather(differs)}).with_columns(
                pl.lit(part.part, pl.UInt32).alias("part")
            )
            found.append(pl.concat([where, _described(field, old[differs], new[differs])], how="horizontal"))
    return found


def _differs(field: str, old: pl.Series, old_day: Day, new: pl.Series, new_day: Day) -> pl.Series:
    """Return the positions at which two columns differ; a null equals a null."""
    import polars as pl

    if old_day.shape is not new_day.shape and COLUMN_BY_NAME[field].kind is Kind.TIMESTAMP:
        # The observed shape counts in whole seconds.
        old, new = old.dt.truncate("1s"), new.dt.truncate("1s")
    differs = old.ne_missing(new)
    if null_means_unsaid(field, old_day.shape, new_day.shape):
        differs &= old.is_not_null()
    if null_means_unsaid(field, new_day.shape, old_day.shape):
        differs &= new.is_not_null()
    positions = differs.arg_true()
    if field == "extra":
        pairs = zip(old.gather(positions), new.gather(positions), strict=True)
        unequal = [canonical_json(one) != canonical_json(other) for one, other in pairs]
        positions = positions.filter(pl.Series(unequal, dtype=pl.Boolean))
    return positions


def _described(field: str, old: pl.Series, new: pl.Series) -> pl.DataFrame:
    import polars as pl

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
