"""Extracts series of single models: steps over a range of days, and sparklines of thirty days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date, timedelta
from typing import Final, TypeAlias

import polars as pl

from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.errors import InvalidError
from io_intelligence_provider.plugin.timeline import Timeline

__all__ = ["SPARK_DAYS", "Spark", "Step", "days_on_file", "find", "sparks", "steps_between", "tracks_on"]


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
    """Return the sparklines of some models: thirty days up to ``day``, where the value changes.

    A point is the number of days since the first of the thirty, and the value; ``None`` is a gap.
    """
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


_SHOWN: Final = 100


def find(timeline: Timeline, model: str) -> int:
    """Return the track of a model by id or name.

    :raises NotOnFileError: when no snapshot holds it.
    :raises InvalidError: when two models have the name; the message gives their ids.
    """
    by_id = timeline.by_id.get(model, frozenset())
    found = by_id or timeline.by_name.get(model, frozenset())
    if not found:
        raise NotOnFileError(f"No snapshot holds a model {_cut(model)!r}, neither as name nor as id.")
    if len(found) == 1:
        return next(iter(found))
    # Several tracks had the name or id over time; the last one is meant.
    candidates = [row for row in timeline.tracks.iter_rows(named=True) if row["track"] in found]
    if not by_id:
        candidates = [row for row in candidates if row["name"] == model] or candidates
    newest = max(row["last"] for row in candidates)
    candidates = [row for row in candidates if row["last"] == newest]
    if len(candidates) > 1:
        ids = ", ".join(sorted(row["model_id"] for row in candidates))
        raise InvalidError(f"{len(candidates)} models have the name {_cut(model)!r}; ask by id: {ids}.")
    track: int = candidates[0]["track"]
    return track


def tracks_on(timeline: Timeline, rows: pl.DataFrame) -> list[int | None]:
    """Return the track of each row of one snapshot; ``None`` when the day is missing in the history.

    :param rows: ``name`` and ``model_id``.
    """
    names = Counter(rows["name"])
    return [
        timeline.model_keys.get((name, model_id, names[name] > 1))
        for name, model_id in rows.select("name", "model_id").iter_rows()
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def column_text(values: pl.Series) -> pl.Series:
    """Format a column of decimals with a scale of 18 like :func:`plain`; text columns are unchanged."""
    if values.dtype == pl.String:
        return values
    return values.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
