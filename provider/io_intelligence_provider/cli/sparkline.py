"""Sparklines: the last days of a number in one line of text, each on a scale of its own."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final, TypeAlias

from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["DAYS", "Number", "Trends", "sparkline", "squeeze"]

Number: TypeAlias = Decimal | int

DAYS: Final = 30
BLOCKS: Final = "▁▂▃▄▅▆▇█"
ASCII: Final = "_.:-=+*#"
GAP: Final = {BLOCKS: "·", ASCII: " "}


def sparkline(values: Sequence[Number | None], *, ascii_only: bool = False) -> str:
    """Return one character per value, from the lowest of these values to the highest.

    Unknown is a gap, never a low. Values that are all the same are a line at half height.

    :param ascii_only: for an output that has no block characters.
    :returns: the empty string when nothing is known.
    """
    levels = ASCII if ascii_only else BLOCKS
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)

    def level(value: Number) -> str:
        at = min(int(8 * (value - low) / span), 7) if span else 3
        return levels[at]

    return "".join(GAP[levels] if value is None else level(value) for value in values)


def squeeze(values: Sequence[Number | None], cells: int) -> list[Number | None]:
    """Return at most ``cells`` values for more of them; a move of a single day stays visible.

    Equal runs of values become one each: the one that is farthest from what stood before. The last run
    shows the last value, so that the line ends with the present.
    """
    if len(values) <= cells:
        return list(values)
    size = -(-len(values) // cells)
    first = len(values) % size or size
    shown: list[Number | None] = []
    # Nothing stands before the first run; what comes after it takes that place.
    before = next((value for value in values[first:] if value is not None), None)
    for start, end in pairwise([0, *range(first, len(values) + 1, size)]):
        run = values[start:end]
        shown.append(run[-1] if end == len(values) else _farthest(run, before))
        before = before if shown[-1] is None else shown[-1]
    return shown


def _farthest(run: Sequence[Number | None], before: Number | None) -> Number | None:
    known = [value for value in run if value is not None]
    if before is None or not known:
        return known[-1] if known else None
    return max((abs(value - before), value) for value in known)[1]


class Trends:
    """Numbers of every model over the days up to one, from the snapshots on file.

    A day without a snapshot shows the one before it: a price holds until another is on file. A model that
    is not in a snapshot, or for which the number was not published, is unknown there.

    :param columns: numeric columns of the models file.
    :param days: how many days, the last one included.
    """

    def __init__(self, store: SnapshotStore, last: date, columns: Collection[str], days: int = DAYS) -> None:
        self._window = [last - timedelta(days=back) for back in reversed(range(days))]
        earlier = [day for day in store.dates() if day <= self._window[0]]
        start = earlier[-1] if earlier else self._window[0]
        table = store.history(start, last, columns=["model_id", "name", *columns])
        self._rows: dict[tuple[str, date], dict[str, Number | None]] = {}
        names: dict[date, Counter[str]] = defaultdict(Counter)
        for row in table.to_pylist():
            day = row.pop("snapshot_date")
            names[day][row["name"]] += 1
            self._rows["id " + row["model_id"], day] = row
            self._rows["name " + row["name"], day] = row
        self._on_file = sorted(names)
        # The two wire shapes know a model by different ids: the name is what lasts, if it is one model's.
        self._shared = {name for count in names.values() for name, bearers in count.items() if bearers > 1}

    def of(self, model_id: str, name: str, column: str) -> list[Number | None]:
        """Return one number per day, oldest first; ``None`` where it is unknown."""
        key = f"id {model_id}" if name in self._shared else f"name {name}"
        return [
            None if day is None else self._rows.get((key, day), {}).get(column)
            for day in _latest_until(self._window, self._on_file)
        ]


def _latest_until(days: Iterable[date], on_file: Sequence[date]) -> Iterable[date | None]:
    """Yield for each day the latest on file until then; both are in order."""
    latest = None
    later = iter([*on_file, date.max])
    following = next(later)
    for day in days:
        while following <= day:
            latest, following = following, next(later)
        yield latest
