"""Computes what traffic costs on every day of the history, exactly.

A price that is unknown or doubtful makes its part of a bill unknown; it is never counted as 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, TypeAlias

import polars as pl

from io_intelligence_provider.alerts.traffic import TOKEN_PRICES, BillChange, change_between, sum_of
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.errors import InvalidError
from io_intelligence_provider.plugin.timeline import KEYS, Timeline, doubtful_zeros, find, refused_tracks
from io_intelligence_provider.store.prices import token_cost

__all__ = ["Bill", "Bills", "Cost", "Part", "change_of", "known_part", "track_of"]


_ABSENT: Final = "not in the catalogue"
_REFUSED: Final = "in quarantine"
_UNSURE: Final = "not in the snapshot, perhaps in quarantine"
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


def change_of(then: Bill, now: Bill) -> BillChange:
    """Split the change of a bill, without parts that are unknown although their model is or may be there."""
    unknown = {
        part
        for bill in (then, now)
        for part, cost in bill.items()
        if isinstance(cost, str) and cost != _ABSENT
    }
    parts = [
        {part: cost for part, cost in known_part(bill).items() if part not in unknown} for bill in (then, now)
    ]
    return change_between(*parts)


@dataclass(frozen=True)
class _Costs:
    """Holds what a part costs from some positions on, each until the next one."""

    positions: Sequence[int]
    values: Sequence[Cost]


class Bills:
    """Holds what traffic costs a month at the prices of every day.

    :param traffic: the id or name of each model, its track or why there is none, and its tokens by kind.
    """

    def __init__(
        self, timeline: Timeline, traffic: Sequence[tuple[str, int | str, Mapping[str, int]]]
    ) -> None:
        self._timeline = timeline
        self._models = [(model, track) for model, track, _ in traffic]
        kinds = {kind for *_, tokens in traffic for kind in tokens}
        doubtful = {kind: doubtful_zeros(timeline, TOKEN_PRICES[kind]) for kind in kinds}
        self._parts = {
            (number, kind): _Costs((0,), (track,))
            if isinstance(track, str)
            else _costs(timeline, kind, track, count, doubtful[kind])
            for number, (_, track, tokens) in enumerate(traffic)
            for kind, count in tokens.items()
        }

    def on(self, day: date, refused: Callable[[date], pl.DataFrame | None]) -> Bill:
        """Return the bill at the prices of a snapshot.

        :param refused: returns ``model_id`` and ``name`` of the records in quarantine on a day; ``None`` when
            they cannot be read. It is called when a model is not in the snapshot.
        """
        last = self._timeline.position(day)
        places = {part: bisect_right(costs.positions, last) - 1 for part, costs in self._parts.items()}
        bill = {
            part: self._parts[part].values[place] if place >= 0 else _ABSENT for part, place in places.items()
        }
        absent = {number for (number, _), cost in bill.items() if cost == _ABSENT}
        reasons = self._reasons(absent, refused(day)) if absent else {}
        return {part: reasons[part[0]] if cost == _ABSENT else cost for part, cost in bill.items()}

    def _reasons(self, absent: Collection[int], refused: pl.DataFrame | None) -> dict[int, str]:
        """Return why models are not in a snapshot."""
        models = {number: self._models[number] for number in absent}
        if refused is None:
            return {
                number: _ABSENT if isinstance(track, str) else _UNSURE
                for number, (_, track) in models.items()
            }
        hidden = refused_tracks(self._timeline, refused)
        # A model that was refused ever since it came has no track.
        unknown = {text for key in KEYS for text in refused[key]}
        return {
            number: _REFUSED if (model in unknown if isinstance(track, str) else track in hidden) else _ABSENT
            for number, (model, track) in models.items()
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
            state = (total if known or not self._parts else None, len(self._parts) - len(known))
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
