"""Returns the overview of a day: figures, the like-for-like index, the largest moves, events."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta
from datetime import date as Date  # noqa: N812 - fields are called `date`
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeAlias

import polars as pl
from fastapi import APIRouter, Query
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider.changes.kinds import (
    ACCESS,
    LIMIT,
    MODEL_ADDED,
    MODEL_REMOVED,
    PRICE,
    QUOTA,
    STATUS,
)
from io_intelligence_provider.changes.values import percent
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.plugin.api.common import (
    Answer,
    DatedParameters,
    DayCounts,
    WarnedAnswer,
    changes_on,
    count_days,
    gaps,
    missing_changes,
    plain,
    report_on,
)
from io_intelligence_provider.plugin.api.history import Medians, PriceIndex, like_for_like, medians
from io_intelligence_provider.plugin.http import METHODS, answer
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.timeline import Doubts, Side, Spark, Timeline, sparks, tracks_on

__all__ = ["OverviewAnswer", "get_overview"]


_PER_DAY: Final = 60
_NEWEST: Final = 10
_KINDS: Final = (MODEL_ADDED, MODEL_REMOVED, QUOTA, ACCESS, LIMIT, STATUS)


def _whole(value: object) -> object:
    # A Literal of numbers does not accept text.
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


class OverviewParameters(DatedParameters):
    """Adds ``days``: the number of days over which movers are compared."""

    days: Annotated[Literal[1, 7, 30], BeforeValidator(_whole)] = 1


def get_overview(reader: Reader, asked: OverviewParameters) -> dict[str, Any]:
    """Return the overview of a day."""
    day, dates = reader.shown(asked.date), reader.listing.dates
    with reader.prefetch(reader.changes):
        rows, timeline = reader.day(day).rows, reader.timeline_with(day)
    warnings = gaps(timeline)
    names = named_tracks(timeline, rows)
    changes = changes_on(reader, day, warnings)
    doubts = Doubts(timeline)
    largest = changes and largest_move(changes.rows, names, doubts)
    report = report_on(reader, day, warnings)
    since = timeline.reference(day, day - timedelta(days=asked.days))
    counted = changes and count_days(changes.counted, [day], dates)[0]
    last = [one for one in dates if one <= day][-_PER_DAY:]
    told = reader.changes(None, day)
    detected = set(reader.listing.change_dates)
    # The day itself is named above, and the first snapshot of a store has nothing to be compared with.
    missing = [one for one in last if one not in detected and one not in (dates[0], day)]
    damaged = {one: message for one, message in told.damaged.items() if one != day}
    warnings += missing_changes(missing, damaged)
    return {
        "date": day,
        "previous_date": timeline.before(day),
        "days": asked.days,
        "models": rows.height,
        "added": counted and counted["added"],
        "removed": counted and counted["removed"],
        "active": active_models(rows),
        "price_changes": changes and price_changes(changes.rows),
        "repriced": changes and repriced(changes.rows),
        "largest": with_sparks(timeline, day, [largest])[0] if largest else None,
        "price_index": like_for_like(timeline, day),
        "medians": medians(timeline, rows, day),
        "quality": report and quality_figures(report),
        "movers": movers(timeline, names, since, day, doubts),
        "per_day": count_days(
            told.between(last[0], day).counted,
            [one for one in last if one in detected and one not in told.damaged],
            dates,
        ),
        "events": events(told.rows),
        "warnings": warnings,
    }


def price_changes(changes: pl.DataFrame) -> dict[str, int]:
    """Count changed prices; from or to null counts in the total only."""
    ways = changes.filter(changes["change"] == PRICE)["direction"].cast(str).to_list()
    return {"total": len(ways), "up": ways.count("up"), "down": ways.count("down")}


def repriced(changes: pl.DataFrame) -> dict[str, int]:
    """Count the models with a changed price: only up, only down, both."""
    models: dict[tuple[str, str], set[str | None]] = {}
    rows = changes.filter(changes["change"] == PRICE)
    for name, model_id, way in rows.select("name", "model_id", "direction").iter_rows():
        models.setdefault((name, model_id), set()).add(way)
    ways = list(models.values())
    return {
        "models": len(ways),
        "dearer": sum("up" in way and "down" not in way for way in ways),
        "cheaper": sum("down" in way and "up" not in way for way in ways),
        "both": sum({"up", "down"} <= way for way in ways),
    }


def events(changes: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the newest changes of models, quotas, access, limits and status, newest day first.

    :param changes: oldest day first.
    """
    keys = ["snapshot_date", "change", "name", "model_id", "field", "old_value", "new_value"]
    rows = changes.filter(changes["change"] != PRICE).select(keys)  # most changes are of prices
    rows = rows.filter(_any_of(rows["change"], _KINDS))
    rows = rows.sort("snapshot_date", descending=True, maintain_order=True).head(_NEWEST)
    return list(rows.rename({"snapshot_date": "date"}).iter_rows(named=True))


def _any_of(values: pl.Series, wanted: Collection[str]) -> pl.Series:
    found = pl.Series([False], dtype=pl.Boolean).new_from_index(0, values.len())
    for value in wanted:
        found |= values == value
    return found


def active_models(rows: pl.DataFrame) -> int | None:
    """Count the active models; ``None`` when no model of the day publishes a status."""
    status = rows["status"].drop_nulls()
    return None if status.is_empty() else int((status == "active").sum())


def quality_figures(report: QualityReport) -> dict[str, Any]:
    """Summarize the report in five figures."""
    return {
        "score": report.score,
        "outcome": report.outcome,
        "served": report.served,
        "valid": report.valid,
        "quarantined": report.quarantined,
    }


_SHOWN: Final = 8
_NEVER: Final = len(PRICE_COLUMNS)

Names: TypeAlias = Mapping[int, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Move:
    """Describes a changed price. ``track``: ``None`` when the model is not in the history."""

    track: int | None
    name: str
    model_id: str
    field: str
    old_value: str | None
    new_value: str | None
    pct: float | None
    direction: str | None
    doubtful: Side | None = None
    spark: Spark = dataclasses.field(default_factory=list)

    def rank(self) -> tuple[Any, ...]:
        """Return the sort key."""
        place = PRICE_COLUMNS.index(self.field) if self.field in PRICE_COLUMNS else _NEVER
        return _rank(self.doubtful, self.pct, self.name, place, self.model_id)

    def to_dict(self) -> dict[str, Any]:
        """Return the published form."""
        return {key: value for key, value in vars(self).items() if key != "track"}


def named_tracks(timeline: Timeline, rows: pl.DataFrame) -> dict[int, tuple[str, str]]:
    """Return name and id of the models of a snapshot by track."""
    pairs = rows.select("name", "model_id").iter_rows()
    return {
        track: (name, model_id)
        for track, (name, model_id) in zip(tracks_on(timeline, rows), pairs, strict=True)
        if track is not None
    }


def movers(timeline: Timeline, names: Names, since: date | None, day: date, doubts: Doubts) -> dict[str, Any]:
    """Compare the prices of two readable days; return the largest move of each model and direction.

    :param names: the models in the store on ``day``.
    :param since: ``None``: there is no day to compare with.
    """
    best: dict[tuple[int, str], _Moved] = {}
    for move in _moves(timeline, names, since, day, doubts) if since else ():
        key = (move.track, move.direction)
        if key not in best or move.rank < best[key].rank:
            best[key] = move
    found = {
        way: sorted((m for (_, w), m in best.items() if w == way), key=lambda move: move.rank)
        for way in ("up", "down")
    }
    up, down = ([move.full(names) for move in found[way][:_SHOWN]] for way in ("up", "down"))
    shown = with_sparks(timeline, day, [*up, *down])
    return {
        "since": since,
        "up": shown[: len(up)],
        "down": shown[len(up) :],
        "up_total": len(found["up"]),
        "down_total": len(found["down"]),
    }


class _Moved(NamedTuple):
    """Holds one of the thousands of prices that differ between two days; the few shown become a `Move`."""

    rank: tuple[Any, ...]
    track: int
    field: str
    old: Decimal
    new: Decimal
    pct: float | None
    direction: str
    doubtful: Side | None

    def full(self, names: Names) -> Move:
        values = plain(self.old), plain(self.new)
        found = Move(self.track, *names[self.track], self.field, *values, self.pct, self.direction)
        return dataclasses.replace(found, doubtful=self.doubtful)


def _moves(timeline: Timeline, names: Names, since: date, day: date, doubts: Doubts) -> Iterable[_Moved]:
    for place, price in enumerate(PRICE_COLUMNS):
        before, now = timeline.values_on(price, since), timeline.values_on(price, day)
        for track, (name, model_id) in names.items():
            old, new = before.get(track), now.get(track)
            if old is None or new is None or old == new:
                continue  # a change from or to unknown has no direction
            pct = percent(old, new)
            doubtful: Side | None = None
            if not new and doubts.on(price, day, [track]):
                doubtful = "new"
            elif not old and doubts.on(price, since, [track]):
                doubtful = "old"
            rank = _rank(doubtful, pct, name, place, model_id)
            yield _Moved(rank, track, price, old, new, pct, "up" if new > old else "down", doubtful)


def _rank(doubtful: Side | None, pct: float | None, name: str, place: int, model_id: str) -> tuple[Any, ...]:
    """Return the sort key: the largest first, moves without a percentage (from 0) and doubtful ones last."""
    return doubtful is not None, pct is None, -abs(pct or 0), name, place, model_id


def largest_move(changes: pl.DataFrame, names: Names, doubts: Doubts) -> Move | None:
    """Return the largest price change in the changes file of a day; one with a doubtful 0 comes last.

    :param changes: the changes of the day.
    :param names: the models in the store on the day.
    """
    tracks = {pair: track for track, pair in names.items()}
    rows = changes.filter((pl.col("change") == PRICE) & pl.col("direction").is_not_null())
    keys = ("name", "model_id", "field", "old_value", "new_value", "pct", "direction")
    rows = rows.select(pl.col("snapshot_date").alias("date"), "previous_date", *keys)
    moves = (
        Move(
            tracks.get((row["name"], row["model_id"])),
            **{key: row[key] for key in keys},
            doubtful=doubts.side(row),
        )
        for row in rows.iter_rows(named=True)
    )
    return min(moves, key=Move.rank, default=None)


def with_sparks(timeline: Timeline, day: date, moves: Sequence[Move]) -> list[dict[str, Any]]:
    """Return moves in their published form, each with its sparkline."""
    lines: dict[tuple[str, int], Spark] = {}
    for price in {move.field for move in moves}:
        tracks = [move.track for move in moves if move.field == price and move.track is not None]
        for track, line in sparks(timeline, price, day, tracks).items():
            lines[price, track] = line
    return [
        move.to_dict() | {"spark": [] if move.track is None else lines[move.field, move.track]}
        for move in moves
    ]


class Mover(Answer):
    """Describes the largest price move of a model in one direction.

    ``doubtful``: which value is a doubtful 0.
    """

    name: str
    model_id: str
    field: str
    old_value: str | None
    new_value: str | None
    pct: float | None
    direction: str | None
    doubtful: Side | None
    spark: Spark


class PriceChanges(Answer):
    """Counts changed prices; those from or to null count in the total only."""

    total: int
    up: int
    down: int


class Repriced(Answer):
    """Counts models with a changed price: only up, only down, both."""

    models: int
    dearer: int
    cheaper: int
    both: int


class QualityFigures(Answer):
    """Summarizes the report in five figures."""

    score: float
    outcome: str
    served: int
    valid: int
    quarantined: int


class Movers(Answer):
    """Lists the largest moves. ``since``: the day compared with; ``None`` when there is none."""

    since: Date | None
    up: list[Mover]
    down: list[Mover]
    up_total: int
    down_total: int


class Event(Answer):
    """Describes a change that the overview lists."""

    date: Date
    change: str
    name: str
    model_id: str
    field: str | None
    old_value: str | None
    new_value: str | None


class OverviewAnswer(WarnedAnswer):
    """Holds the overview of a day. A part whose file is missing is ``None``."""

    date: Date
    previous_date: Date | None
    days: int
    models: int
    added: int | None
    removed: int | None
    active: int | None
    price_changes: PriceChanges | None
    repriced: Repriced | None
    largest: Mover | None
    price_index: PriceIndex
    medians: Medians
    quality: QualityFigures | None
    movers: Movers
    per_day: list[DayCounts]
    events: list[Event]


router = APIRouter()


@router.api_route("/overview", methods=METHODS, response_model=OverviewAnswer)
async def overview(request: Request, asked: Annotated[OverviewParameters, Query()]) -> Response:
    """Return the overview of a day."""
    return await answer(request, OverviewAnswer, get_overview, asked)
