"""Reduces the history to the days on which a value changed, and reads series of models from that.

A *step* is a day (its position among the dates in the store), a value, and whether the model was in the
store. It holds until the next step of the same model and field. A day that cannot be read is a gap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import polars as pl

from io_intelligence_provider.contract.columns import (
    ACCESS_COLUMN,
    PRICE_COLUMNS,
    QUOTA_COLUMNS,
)
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.errors import InvalidError
from io_intelligence_provider.store.price_index import INDEX_COLUMNS, ModelKey, chained_index, number_rows
from io_intelligence_provider.store.prices import DOUBTFUL_FOR
from io_intelligence_provider.text import cut

__all__ = [
    "FIELDS",
    "KEYS",
    "Doubts",
    "Side",
    "Spark",
    "Step",
    "Timeline",
    "build_timeline",
    "days_on_file",
    "doubtful_tracks",
    "doubtful_zeros",
    "fields_with",
    "find",
    "refused_tracks",
    "sparks",
    "steps_between",
    "tracks_on",
]


_LIMITS: Final = (*QUOTA_COLUMNS, ACCESS_COLUMN)

FIELDS: Final = (*PRICE_COLUMNS, *_LIMITS)
"""Columns with a timeline: prices share one, quotas and access another, which few views need."""

KEYS: Final = ("model_id", "name")
"""Columns that identify a model."""


def fields_with(field: str) -> tuple[str, ...]:
    """Return the columns in the same timeline as ``field``."""
    return PRICE_COLUMNS if field in PRICE_COLUMNS else _LIMITS


@dataclass(frozen=True)
class Timeline:
    """Holds prices, or quotas and access tiers, of all models over all days.

    :param dates: days in the store, oldest first; positions in them are the ``day`` of the frames.
    :param damaged: the errors of the days that cannot be read.
    :param tracks: one row per model: ``track``, its last ``name`` and ``model_id``, positions ``first`` and
        ``last`` of its days in the store, and their number ``days``.
    :param model_keys: the track of every name and id.
    :param index: the like-for-like index of the readable days; empty for other fields than prices. See
        :func:`~io_intelligence_provider.store.price_index.price_index`.
    :param steps: per field ``track``, ``day``, ``value`` (decimal; a tier is text), ``on_file``, sorted.
    """

    dates: tuple[date, ...]
    damaged: Mapping[date, str]
    tracks: pl.DataFrame
    model_keys: Mapping[ModelKey, int]
    index: pl.DataFrame
    steps: Mapping[str, pl.DataFrame]

    @property
    def size(self) -> int:
        """Return the approximate size in bytes."""
        frames = self.tracks.estimated_size() + sum(frame.estimated_size() for frame in self.steps.values())
        return int(frames + self.index.estimated_size()) + 400 * len(self.model_keys) + 100 * len(self.dates)

    @cached_property
    def by_id(self) -> Mapping[str, frozenset[int]]:
        """Return the tracks that ever had each id."""
        return _grouped((model_id, track) for (_, model_id, _), track in self.model_keys.items())

    @cached_property
    def by_name(self) -> Mapping[str, frozenset[int]]:
        """Return the tracks that ever had each name."""
        return _grouped((name, track) for (name, _, _), track in self.model_keys.items())

    def last_key(self, track: int) -> tuple[str, str]:
        """Return the last name and id of a model."""
        found: tuple[str, str] = self.tracks.row(by_predicate=pl.col("track") == track)[-2:]
        return found

    @cached_property
    def readable(self) -> tuple[date, ...]:
        """Return the days that could be read, oldest first."""
        return tuple(day for day in self.dates if day not in self.damaged)

    def position(self, day: date) -> int:
        """Return the position of the latest date in the store up to ``day``; -1 if there is none."""
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
        """Return the value of a field by track, for the models in the store on a readable day."""
        steps = self.steps[field].filter(pl.col("day") <= self.position(day))
        is_last = (pl.col("track") != pl.col("track").shift(-1)).fill_null(value=True)
        return dict(steps.filter(is_last & pl.col("on_file")).select("track", "value").iter_rows())

    def of(self, field: str, tracks: Collection[int]) -> pl.DataFrame:
        """Return the steps of a field of some tracks."""
        steps = self.steps[field]
        if len(tracks) == 1:  # binary search in the sorted tracks, because charts ask for forty of these
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

    :param dates: all days in the store, oldest first.
    :param damaged: those that could not be read.
    :param rows: ``snapshot_date``, :data:`KEYS` and ``fields``, of all the others, oldest first.
    """
    positions = pl.Series("day", range(len(dates)), dtype=pl.UInt32)
    day = rows["snapshot_date"].replace_strict(list(dates), positions, return_dtype=pl.UInt32).alias("day")
    rows = rows.with_columns(day)
    track, model_keys = number_rows(rows.select("day", "name", "model_id"))
    rows = rows.with_columns(track)
    tracks = _tracks(rows)
    # Only numbers are sorted, as one combined number: sorting text would be slower.
    order = rows.select((pl.col("track").cast(pl.UInt64) * 2**32 + pl.col("day")).arg_sort())["track"]
    rows = rows.select("track", "day", *fields)[order]
    gaps = _gaps(rows, len(dates))
    return Timeline(
        dates=tuple(dates),
        damaged=dict(damaged),
        tracks=tracks,
        model_keys=model_keys,
        index=_index(rows, dates) if set(INDEX_COLUMNS) <= {*KEYS, *fields} else pl.DataFrame(),
        steps={field: _steps(rows, field, gaps) for field in fields},
    )


def _index(rows: pl.DataFrame, dates: Sequence[date]) -> pl.DataFrame:
    """Return the index of the days that have rows; a day without one cannot be read."""
    readable = rows["day"].unique().sort()
    positions = pl.Series("day", range(readable.len()), dtype=pl.UInt32)
    if readable.len() < len(dates):
        rows = rows.with_columns(pl.col("day").replace_strict(readable, positions))
    return chained_index(rows, [dates[day] for day in readable])


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
    """Return the steps at which a model goes: the first day after each range on which it was in the store."""
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


SPARK_DAYS: Final = 30

Step: TypeAlias = tuple[date, str | None, bool]
"""Day, value, and whether the model is in the store from that day until the next step."""

Spark: TypeAlias = list[tuple[int, str | None]]
"""Days since the first of thirty, and the value from then on; ``None`` is a gap."""


def steps_between(
    timeline: Timeline, field: str, track: int, first: int, last: int
) -> tuple[list[Step], Step | None]:
    """Return the steps of one model between two positions, both included, and the step before.

    The first step is at ``first``, even if nothing changes there; an empty range has none.

    :returns: the steps, and the step in force before the range; ``None`` when the range starts the history,
        or the model was not in the store yet.
    """
    rows = timeline.of(field, (track,))
    rows = rows.select("day", column_text(rows["value"]), "on_file")
    steps: list[Step] = []
    before: Step | None = None
    opening: Step | None = None
    for day, value, on_file in rows.iter_rows():
        if day > last:
            break
        step = (timeline.dates[day], value, on_file)
        if day < first:
            before = step
        elif day == first:
            opening = step
        else:
            steps.append(step)
    if first > last:
        return [], before
    if opening is None:
        opening = (timeline.dates[first], *(before[1:] if before else (None, False)))
    return [opening, *steps], before


def days_on_file(timeline: Timeline, field: str, track: int, last: int) -> list[range]:
    """Return the ranges of positions up to ``last`` on which a model was in the store."""
    stretches: list[range] = []
    for day, on_file in timeline.of(field, (track,)).select("day", "on_file").iter_rows():
        if day > last:
            break
        if stretches and stretches[-1].stop > day:
            stretches[-1] = range(stretches[-1].start, day)
        if on_file:
            stretches.append(range(day, last + 1))
    return stretches


def sparks(timeline: Timeline, field: str, day: date, tracks: Collection[int]) -> dict[int, Spark]:
    """Return the sparklines of some models: thirty days up to ``day``, where the value changes."""
    start = day - timedelta(days=SPARK_DAYS)
    base, last = timeline.position(start), timeline.position(day)
    steps = timeline.of(field, tracks).filter(pl.col("day") <= last)
    held = steps.filter(pl.col("day") <= base).group_by("track", maintain_order=True).last()
    points = pl.concat([held, steps.filter(pl.col("day") > base)]).sort("track", "day", maintain_order=True)
    offsets = pl.Series([max((on - start).days, 0) for on in timeline.dates], dtype=pl.Int64)
    same = (pl.col("track") == pl.col("track").shift(1)) & pl.col("value").eq_missing(
        pl.col("value").shift(1)
    )
    opens = pl.col("track") != pl.col("track").shift(1)
    points = points.with_columns(offsets.gather(points["day"]).alias("offset")).filter(
        ~same.fill_null(value=False)
    )
    points = points.filter(~(opens.fill_null(value=True) & pl.col("value").is_null()))
    found: dict[int, Spark] = {track: [] for track in tracks}
    for track, offset, value in points.select("track", "offset", column_text(points["value"])).iter_rows():
        found[track].append((offset, value))
    return found


def doubtful_zeros(timeline: Timeline, price: str) -> pl.DataFrame:
    """Return when a price of 0 is doubtful: ``track``, and the positions ``day`` to before ``until``.

    The rule is that of :func:`~io_intelligence_provider.store.prices.doubtful_zeros`, applied to steps. A day
    that cannot be read may hold a positive price, so each 0 up to 30 days after it is doubtful too.
    """
    dates = pl.Series(timeline.dates, dtype=pl.Date)
    end = pl.col("day").shift(-1).over("track").fill_null(len(dates))
    steps = timeline.steps[price].with_columns(until=end)
    paid = pl.when(pl.col("value") > 0).then(pl.col("until") - 1).forward_fill().over("track")
    # A step ends at a day that cannot be read, so the last one before its first day is before all of them.
    unread = pl.Series([day if day in timeline.damaged else None for day in timeline.dates], dtype=pl.Date)
    steps = steps.with_columns(paid=paid, unread=unread.forward_fill().gather(steps["day"]))
    last = pl.max_horizontal(dates.gather(steps["paid"]), "unread")
    zeros = steps.with_columns(last=last).filter((pl.col("value") == 0) & pl.col("last").is_not_null())
    free = dates.search_sorted(zeros["last"] + DOUBTFUL_FOR, "right")
    zeros = zeros.select("track", "day", until=pl.min_horizontal("until", free))
    return zeros.filter(pl.col("day") < pl.col("until"))


def doubtful_tracks(timeline: Timeline, price: str, day: date) -> frozenset[int]:
    """Return the models whose price is a doubtful 0 on a readable day."""
    zeros, last = doubtful_zeros(timeline, price), timeline.position(day)
    return frozenset(zeros.filter((pl.col("day") <= last) & (pl.col("until") > last))["track"])


Side: TypeAlias = Literal["old", "new"]
"""The value of a change that is a doubtful 0; both cannot be."""


class Doubts:
    """Finds which value of a price change is a doubtful 0.

    As in an alert, a 0 counts as doubtful where the earlier prices cannot be read: only they show that it is
    free.

    :param timeline: of the prices; ``None`` when the store holds no snapshot.
    """

    def __init__(self, timeline: Timeline | None) -> None:
        self._timeline = timeline
        self._zeros: dict[str, dict[int, list[range]]] = {}

    def side(self, change: Mapping[str, Any]) -> Side | None:
        """Return which value of a change is doubtful.

        :param change: ``date``, ``previous_date``, ``name``, ``model_id``, ``field`` and both values.
        """
        old, new = change["old_value"], change["new_value"]
        if change["field"] not in PRICE_COLUMNS or "0" not in (old, new):
            return None
        side: Side = "new" if new == "0" else "old"
        if side == "new" and old is not None and change["date"] - change["previous_date"] <= DOUBTFUL_FOR:
            return side  # whether or not the day of the positive price is still in the store
        day = change["date"] if new == "0" else change["previous_date"]
        if self._timeline is None or day not in self._timeline.readable:
            return side
        keys = ((change["name"], change["model_id"], is_shared) for is_shared in (False, True))
        tracks = [track for key in keys if (track := self._timeline.model_keys.get(key)) is not None]
        return side if not tracks or self.on(change["field"], day, tracks) else None

    def on(self, price: str, day: date, tracks: Iterable[int]) -> bool:
        """Return whether the price of one of the models is a doubtful 0 on a readable day."""
        if self._timeline is None:
            return False
        position = self._timeline.position(day)
        return any(position in days for track in tracks for days in self.of(price, track))

    def days(self, price: str, track: int) -> list[tuple[date, date | None]]:
        """Return from which day to before which a price of a model is a doubtful 0; ``None``: it still is."""
        if self._timeline is None:
            return []
        dates = self._timeline.dates
        ends = (*dates, None)
        return [(dates[found.start], ends[found.stop]) for found in self.of(price, track)]

    def of(self, price: str, track: int) -> Sequence[range]:
        """Return the positions of the days on which a price of a model is a doubtful 0."""
        if self._timeline is None:
            return ()
        if price not in self._zeros:
            self._zeros[price] = {}
            for found, start, until in doubtful_zeros(self._timeline, price).iter_rows():
                self._zeros[price].setdefault(found, []).append(range(start, until))
        return self._zeros[price].get(track, ())


def find(timeline: Timeline, model: str) -> int:
    """Return the track of a model by id or name.

    :raises NotOnFileError: when no snapshot holds it.
    :raises InvalidError: when two models have the name; the message gives their ids.
    """
    by_id = timeline.by_id.get(model, frozenset())
    found = by_id or timeline.by_name.get(model, frozenset())
    if not found:
        raise NotOnFileError(f"No snapshot holds a model {cut(model, 100)!r}, neither as name nor as id.")
    if len(found) == 1:
        return next(iter(found))
    # Several tracks had the name or id over time; the last one is meant.
    rows = timeline.tracks.filter(pl.col("track").is_in(list(found)))
    if not by_id and model in rows["name"]:
        rows = rows.filter(pl.col("name") == model)
    rows = rows.filter(pl.col("last") == pl.col("last").max())
    if rows.height > 1:
        ids = ", ".join(rows["model_id"].sort())
        raise InvalidError(f"{rows.height} models have the name {cut(model, 100)!r}; ask by id: {ids}.")
    return int(rows["track"][0])


def tracks_on(timeline: Timeline, rows: pl.DataFrame) -> list[int | None]:
    """Return the track of each row of one snapshot; ``None`` when the day is missing in the history.

    :param rows: ``name`` and ``model_id``.
    """
    names = Counter(rows["name"])
    return [
        timeline.model_keys.get((name, model_id, names[name] > 1))
        for name, model_id in rows.select("name", "model_id").iter_rows()
    ]


def refused_tracks(timeline: Timeline, refused: pl.DataFrame) -> set[int]:
    """Return the models that refused records may be, as :func:`~.changes.days.in_quarantine` has it.

    A record with the id of a model is that model only. Every other one counts for all models that ever had
    its name.

    :param refused: ``model_id`` and ``name`` of the records.
    """
    found: set[int] = set()
    for model_id, name in refused.select(KEYS).iter_rows():
        found |= timeline.by_id.get(model_id) or timeline.by_name.get(name, frozenset())
    return found


def column_text(values: pl.Series) -> pl.Series:
    """Format decimals with a scale of 18 as plain text, without trailing zeros; text stays as it is."""
    if values.dtype == pl.String:
        return values
    return values.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
