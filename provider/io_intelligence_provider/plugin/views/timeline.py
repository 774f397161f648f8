"""The whole history, kept as the days on which a value changed: a fraction of its rows.

A *step* is a day (its position among the dates on file), a value, and whether the model was on file. It
holds until the next step of the same model and field. A day that cannot be read is a gap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Final

import polars as pl

from io_intelligence_provider.contract.columns import ACCESS_COLUMN, PRICE_COLUMNS, QUOTA_COLUMNS
from io_intelligence_provider.plugin.views.identity import Bearing, number_rows

__all__ = ["FIELDS", "KEYS", "Timeline", "build_timeline", "fields_with"]

_LIMITS: Final = (*QUOTA_COLUMNS, ACCESS_COLUMN)

FIELDS: Final = (*PRICE_COLUMNS, *_LIMITS)
"""Columns that have a timeline: prices in one, quotas and access in another, as most views need none."""

KEYS: Final = ("model_id", "name")
"""Columns that say which model a row is of."""


def fields_with(field: str) -> tuple[str, ...]:
    """Return the columns whose timeline is that of ``field``."""
    return PRICE_COLUMNS if field in PRICE_COLUMNS else _LIMITS


@dataclass(frozen=True)
class Timeline:
    """Prices, or quotas and access tiers, of all models over all days.

    :param dates: days on file, oldest first; positions in them are the ``day`` of the frames.
    :param damaged: what is wrong with the days that cannot be read.
    :param tracks: one row a model: ``track``, ``name`` and ``model_id`` it had last, positions ``first`` and
        ``last`` of its days on file, and their number ``days``.
    :param bearings: the track of every name and id.
    :param steps: per field ``track``, ``day``, ``value`` (decimal; a tier is text), ``on_file``, sorted.
    """

    dates: tuple[date, ...]
    damaged: Mapping[date, str]
    tracks: pl.DataFrame
    bearings: Mapping[Bearing, int]
    steps: Mapping[str, pl.DataFrame]

    @property
    def size(self) -> int:
        """Size in bytes, about."""
        frames = self.tracks.estimated_size() + sum(frame.estimated_size() for frame in self.steps.values())
        return int(frames) + 400 * len(self.bearings) + 100 * len(self.dates)

    @cached_property
    def by_id(self) -> Mapping[str, frozenset[int]]:
        """The tracks that ever had an id."""
        return _grouped((model_id, track) for (_, model_id, _), track in self.bearings.items())

    @cached_property
    def by_name(self) -> Mapping[str, frozenset[int]]:
        """The tracks that ever bore a name."""
        return _grouped((name, track) for (name, _, _), track in self.bearings.items())

    def last_bearing(self, track: int) -> tuple[str, str]:
        """Return the name and id that a model had last."""
        return self._last_bearings[track]

    @cached_property
    def _last_bearings(self) -> Mapping[int, tuple[str, str]]:
        rows = self.tracks.select("track", "name", "model_id").iter_rows()
        return {track: (name, model_id) for track, name, model_id in rows}

    @cached_property
    def readable(self) -> tuple[date, ...]:
        """Days that could be read, oldest first."""
        return tuple(day for day in self.dates if day not in self.damaged)

    def position(self, day: date) -> int:
        """Return the position of the latest date on file that is not after ``day``; -1: none."""
        return bisect_right(self.dates, day) - 1

    def before(self, day: date) -> date | None:
        """Return the readable day before ``day``."""
        place = bisect_left(self.readable, day)
        return self.readable[place - 1] if place else None

    def reference(self, day: date, target: date) -> date | None:
        """Return the readable day to compare ``day`` with: the latest up to ``target``, else the first.

        ``None`` when ``day`` is the first: there is nothing to compare it with.
        """
        earlier = self.readable[: bisect_left(self.readable, day)]
        if not earlier:
            return None
        return earlier[max(bisect_right(earlier, target) - 1, 0)]

    def values_on(self, field: str, day: date) -> dict[int, Decimal | None]:
        """Return the value of a field by track, of the models on file on a readable day."""
        frame = self.in_force(field, self.position(day))
        return dict(frame.filter("on_file").select("track", "value").iter_rows())

    def in_force(self, field: str, position: int, tracks: Collection[int] | None = None) -> pl.DataFrame:
        """Return the steps that hold at a position: at most one a track."""
        steps = self.of(field, tracks).filter(pl.col("day") <= position)
        return steps.filter((pl.col("track") != pl.col("track").shift(-1)).fill_null(value=True))

    def of(self, field: str, tracks: Collection[int] | None = None) -> pl.DataFrame:
        """Return the steps of a field, of some tracks if they are given."""
        steps = self.steps[field]
        if tracks is None:
            return steps
        if len(tracks) == 1:  # found by halving, as they are sorted: charts ask for forty of these
            (track,) = tracks
            start, end = (steps["track"].search_sorted(track, side) for side in ("left", "right"))
            return steps.slice(int(start), int(end) - int(start))
        return steps.filter(pl.col("track").is_in(pl.Series(list(tracks), dtype=pl.UInt32).implode()))


def _grouped(pairs: Iterable[tuple[str, int]]) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for key, track in pairs:
        found.setdefault(key, set()).add(track)
    return {key: frozenset(tracks) for key, tracks in found.items()}


def build_timeline(
    dates: Sequence[date], damaged: Mapping[date, str], rows: pl.DataFrame, fields: Sequence[str]
) -> Timeline:
    """Reduce rows to steps.

    :param dates: all days on file, oldest first.
    :param damaged: those that could not be read.
    :param rows: ``snapshot_date``, :data:`KEYS` and ``fields``, of all the others, oldest first.
    """
    positions = pl.Series("day", range(len(dates)), dtype=pl.UInt32)
    day = rows["snapshot_date"].replace_strict(list(dates), positions, return_dtype=pl.UInt32).alias("day")
    rows = rows.with_columns(day)
    track, bearings = number_rows(rows.select("day", "name", "model_id"))
    rows = rows.with_columns(track)
    tracks = _tracks(rows)
    # Texts are left behind here: sorting moves numbers only, and those by one number.
    order = rows.select((pl.col("track").cast(pl.UInt64) * 2**32 + pl.col("day")).arg_sort())["track"]
    rows = rows.select("track", "day", *fields)[order]
    gaps = _gaps(rows, len(dates))
    return Timeline(
        dates=tuple(dates),
        damaged=dict(damaged),
        tracks=tracks,
        bearings=bearings,
        steps={field: _steps(rows, field, gaps) for field in fields},
    )


def _tracks(rows: pl.DataFrame) -> pl.DataFrame:
    days = rows.with_row_index("row").group_by("track", maintain_order=True)
    ends = days.agg(
        pl.col("row").last(),
        pl.col("day").first().alias("first"),
        pl.col("day").last().alias("last"),
        pl.len().alias("days"),
    )
    named = [rows[key].gather(ends["row"]) for key in ("name", "model_id")]
    return ends.drop("row").with_columns(named)


def _gaps(rows: pl.DataFrame, days: int) -> pl.DataFrame:
    """Return the steps at which a model goes: the first day after each stretch on which it was on file."""
    follows = (pl.col("track") == pl.col("track").shift(-1)) & (pl.col("day") + 1 == pl.col("day").shift(-1))
    ends = rows.select("track", "day", follows.fill_null(value=False).alias("follows")).filter(
        ~pl.col("follows")
    )
    return ends.select("track", pl.col("day") + 1).filter(pl.col("day") < days)


def _steps(rows: pl.DataFrame, field: str, gaps: pl.DataFrame) -> pl.DataFrame:
    kind = pl.String() if rows.schema[field] == pl.String else pl.Decimal(38, 18)
    value = pl.col(field)
    same_model = pl.col("track") == pl.col("track").shift(1)
    next_day = pl.col("day") == pl.col("day").shift(1) + 1
    held = same_model & next_day & value.eq_missing(value.shift(1))
    came = rows.select("track", "day", value, held.fill_null(value=False).alias("held")).filter(
        ~pl.col("held")
    )
    on = came.select("track", "day", value.cast(kind).alias("value"), pl.lit(value=True).alias("on_file"))
    off = gaps.with_columns(pl.lit(None, kind).alias("value"), pl.lit(value=False).alias("on_file"))
    return on if off.is_empty() else pl.concat([on, off]).sort("track", "day")
