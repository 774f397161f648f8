"""Whose prices moved most between two days, and on one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeAlias

import polars as pl

from io_intelligence_provider.changes.kinds import PRICE
from io_intelligence_provider.changes.values import percent
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.plugin.views.lookup import tracks_on
from io_intelligence_provider.plugin.views.steps import Spark, sparks
from io_intelligence_provider.plugin.views.text import plain
from io_intelligence_provider.plugin.views.timeline import Timeline

__all__ = ["Move", "largest_move", "movers", "named_tracks", "with_sparks"]

_SHOWN: Final = 8
_NEVER: Final = len(PRICE_COLUMNS)

Names: TypeAlias = Mapping[int, tuple[str, str]]


@dataclasses.dataclass(frozen=True)
class Move:
    """A price that moved. ``track``: ``None`` when the history does not know the model."""

    track: int | None
    name: str
    model_id: str
    field: str
    old_value: str | None
    new_value: str | None
    pct: float | None
    direction: str | None
    spark: Spark = dataclasses.field(default_factory=list)

    def rank(self) -> tuple[Any, ...]:
        """Return the sort key."""
        place = PRICE_COLUMNS.index(self.field) if self.field in PRICE_COLUMNS else _NEVER
        return _rank(self.pct, self.name, place, self.model_id)

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


def movers(timeline: Timeline, names: Names, since: date | None, day: date) -> dict[str, Any]:
    """Compare the prices of two readable days: of each model and direction its largest move.

    :param names: the models on file on ``day``.
    :param since: ``None``: there is no day to compare with.
    """
    best: dict[tuple[int, str], _Moved] = {}
    for move in _moves(timeline, names, since, day) if since else ():
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
    """One of the thousands of prices that differ between two days; few are shown and become a `Move`."""

    rank: tuple[Any, ...]
    track: int
    field: str
    old: Decimal
    new: Decimal
    pct: float | None
    direction: str

    def full(self, names: Names) -> Move:
        values = plain(self.old), plain(self.new)
        return Move(self.track, *names[self.track], self.field, *values, self.pct, self.direction)


def _moves(timeline: Timeline, names: Names, since: date, day: date) -> Iterable[_Moved]:
    for place, price in enumerate(PRICE_COLUMNS):
        before, now = timeline.values_on(price, since), timeline.values_on(price, day)
        for track, (name, model_id) in names.items():
            old, new = before.get(track), now.get(track)
            if old is None or new is None or old == new:
                continue  # unknown is neither more nor less than a number
            pct = percent(old, new)
            rank = _rank(pct, name, place, model_id)
            yield _Moved(rank, track, price, old, new, pct, "up" if new > old else "down")


def _rank(pct: float | None, name: str, place: int, model_id: str) -> tuple[Any, ...]:
    """Sort key: the largest first; what has no percentage (from 0) after all that have one."""
    return pct is None, -abs(pct or 0), name, place, model_id


def largest_move(changes: pl.DataFrame, names: Names) -> Move | None:
    """Return the largest changed price of a day by its changes file.

    :param changes: the changes of the day.
    :param names: the models on file on the day.
    """
    tracks = {pair: track for track, pair in names.items()}
    rows = changes.filter((pl.col("change") == PRICE) & pl.col("direction").is_not_null())
    keys = ("name", "model_id", "field", "old_value", "new_value", "pct", "direction")
    moves = (Move(tracks.get(row[:2]), *row) for row in rows.select(keys).iter_rows())
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
