"""Computes what traffic costs on every day of the history, exactly.

A price that is unknown or doubtful makes its part of a bill unknown; it is never counted as 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, TypeAlias

import polars as pl

from io_intelligence_provider.alerts.traffic import TOKEN_PRICES, sum_of
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.errors import InvalidError
from io_intelligence_provider.plugin.timeline import Timeline, doubtful_zeros, find
from io_intelligence_provider.store.prices import token_cost

__all__ = ["Bill", "Bills", "Cost", "Part", "known_part", "track_of"]


_ABSENT: Final = "not in the catalogue"
_UNPUBLISHED: Final = "not published"
_DOUBTFUL: Final = "a doubtful 0"
_AMBIGUOUS: Final = "the name of several models"

Part: TypeAlias = tuple[int, str]
"""The number of a model in the traffic, and a kind of its tokens."""

Cost: TypeAlias = Decimal | str
"""An amount in USD, or why it is unknown."""

Bill: TypeAlias = Mapping[Part, Cost]


def track_of(timeline: Timeline, model: str) -> int | str:
    """Return the track of a model by id or name, or why there is none."""
    try:
        return find(timeline, model)
    except NotOnFileError:
        return _ABSENT
    except InvalidError:
        return _AMBIGUOUS


def known_part(bill: Bill) -> dict[Part, Decimal]:
    """Return the costs that are known."""
    return {part: cost for part, cost in bill.items() if isinstance(cost, Decimal)}


@dataclass(frozen=True)
class _Costs:
    """Holds what a part costs from some positions on, each until the next one."""

    positions: Sequence[int]
    values: Sequence[Cost]


class Bills:
    """Holds what traffic costs a month at the prices of every day.

    :param traffic: the track of each model, or why there is none, and its tokens by kind.
    """

    def __init__(self, timeline: Timeline, traffic: Sequence[tuple[int | str, Mapping[str, int]]]) -> None:
        self._timeline = timeline
        kinds = {kind for _, tokens in traffic for kind in tokens}
        doubtful = {kind: doubtful_zeros(timeline, TOKEN_PRICES[kind]) for kind in kinds}
        self._parts = {
            (number, kind): _Costs((0,), (track,))
            if isinstance(track, str)
            else _costs(timeline, kind, track, count, doubtful[kind])
            for number, (track, tokens) in enumerate(traffic)
            for kind, count in tokens.items()
        }

    def on(self, day: date) -> Bill:
        """Return the bill at the prices of a snapshot."""
        last = self._timeline.position(day)
        places = {part: bisect_right(costs.positions, last) - 1 for part, costs in self._parts.items()}
        return {
            part: self._parts[part].values[place] if place >= 0 else _ABSENT for part, place in places.items()
        }

    def series(self, day: date) -> list[tuple[date, Decimal | None, int]]:
        """Return the days up to ``day`` on which the bill changes.

        Each has the sum of what is known then, ``None`` when nothing is, and the number of unknown parts.
        """
        moves: dict[int, dict[Part, Cost]] = {0: {}}
        for part, costs in self._parts.items():
            for position, cost in zip(costs.positions, costs.values, strict=True):
                moves.setdefault(position, {})[part] = cost
        total, known = Decimal(0), dict[Part, Decimal]()
        found: list[tuple[date, Decimal | None, int]] = []
        for position in sorted(place for place in moves if place <= self._timeline.position(day)):
            for part, cost in moves[position].items():
                amounts = [total, known.pop(part, Decimal(0)).copy_negate()]
                if isinstance(cost, Decimal):
                    known[part] = cost
                    amounts.append(cost)
                total = sum_of(amounts)
            state = (total if known else None, len(self._parts) - len(known))
            if not found or found[-1][1:] != state:
                found.append((self._timeline.dates[position], *state))
        return found


def _costs(timeline: Timeline, kind: str, track: int, count: int, doubtful: pl.DataFrame) -> _Costs:
    zeros = dict(doubtful.filter(pl.col("track") == track).select("day", "until").iter_rows())
    costs: dict[int, Cost] = {}
    steps = timeline.of(TOKEN_PRICES[kind], (track,)).select("day", "value", "on_file")
    for day, value, on_file in steps.iter_rows():
        if day in zeros:
            costs[day] = _DOUBTFUL
            costs[zeros[day]] = Decimal(0)  # replaced by the next step if that is on the same day
        elif value is None:
            costs[day] = _UNPUBLISHED if on_file else _ABSENT
        else:
            costs[day] = token_cost(count, value)
    return _Costs(tuple(costs), tuple(costs.values()))
