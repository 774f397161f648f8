"""The changes of a store as the page reads them: a quarter of a year at a time, each once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final

from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, Cache, Made
from io_intelligence_provider.plugin.gathering import gathered, within
from io_intelligence_provider.plugin.listing import Listing, quarter_of
from io_intelligence_provider.plugin.views.counts import tally
from io_intelligence_provider.store.changes import changes_schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Changes", "ChangesReader"]

_CATEGORICAL: Final = ("model_id", "name", "change", "field", "direction")


@dataclass(frozen=True)
class Changes:
    """Changes of some days, ``snapshot_date`` first, counted, and the days whose file cannot be read."""

    rows: pl.DataFrame
    tallied: pl.DataFrame
    damaged: Mapping[date, str]


class ChangesReader:
    """Reads changes as they stood at one listing."""

    def __init__(self, listing: Listing, cache: Cache) -> None:
        self._listing = listing
        self._cache = cache

    def between(self, start: date | None = None, end: date | None = None) -> Changes:
        """Return the changes from ``start`` to ``end``, both included, oldest day first."""
        import polars as pl

        days = [day for day in self._listing.change_dates if within(day, start, end)]
        quarters = sorted(set(map(quarter_of, days)))
        if len(quarters) > 1:
            # One thread at a time, and kept for no time: what it leaves behind are the quarters.
            self._cache.get(("changes", "together"), lambda: self._read_together(quarters))
        parts = [self._changes_of(quarter) for quarter in quarters]
        if not parts:
            return Changes(_rows([]), tally(_rows([])), {})
        within_days = pl.col("snapshot_date").is_between(days[0], days[-1])
        return Changes(
            pl.concat([part.rows for part in parts]).filter(within_days),
            pl.concat([part.tallied for part in parts]).filter(within_days),
            {day: said for part in parts for day, said in part.damaged.items() if within(day, start, end)},
        )

    def backwards(self, end: date) -> Iterator[Changes]:
        """Yield the changes up to ``end``, the newest quarter of a year first."""
        for days in reversed(list(self._listing.change_dates_by_quarter.values())):
            if days[0] <= end:
                yield self.between(days[0], min(days[-1], end))

    def _changes_of(self, quarter: tuple[int, int]) -> Changes:
        days = self._days_of(quarter)

        def make() -> Made[Changes]:
            frames, damaged = gathered(days, self._listing.store.changes_frame)
            return _made(_rows(frames), damaged)

        return self._cache.get(self._changes_key(quarter), make)

    def _read_together(self, quarters: Sequence[tuple[int, int]]) -> Made[None]:
        """Read the quarters that are not at hand at once: one by one they take half as long again."""
        import polars as pl

        missing = [one for one in quarters if self._cache.peek(self._changes_key(one)) is None]
        days = [day for quarter in missing for day in self._days_of(quarter)]
        if len(missing) > 1:
            frames, damaged = gathered(days, self._listing.store.changes_frame)
            rows = _rows(frames)
            for quarter in missing:
                mine = self._days_of(quarter)
                part = rows.filter(pl.col("snapshot_date").is_between(mine[0], mine[-1]))
                said = {day: message for day, message in damaged.items() if day in mine}
                self._cache.get(self._changes_key(quarter), partial(_made, part, said))
        return Made(None, 0, 0.0)

    def _days_of(self, quarter: tuple[int, int]) -> Sequence[date]:
        return self._listing.change_dates_by_quarter[quarter]

    def _changes_key(self, quarter: tuple[int, int]) -> tuple[str, tuple[int, int], str]:
        return "changes", quarter, self._listing.change_tags[quarter]


def _made(rows: pl.DataFrame, damaged: Mapping[date, str]) -> Made[Changes]:
    changes = Changes(rows, tally(rows), damaged)
    size = int(rows.estimated_size()) + int(changes.tallied.estimated_size())
    return Made(changes, size, DAMAGE_SECONDS if damaged else None)


def _rows(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return changes with their repeated texts as numbers: a third of the memory."""
    import polars as pl

    no_rows = (
        pl.Series("snapshot_date", [], pl.Date)
        .to_frame()
        .hstack(pl.DataFrame(changes_schema().empty_table()))
    )
    return pl.concat(frames or [no_rows]).with_columns(pl.col(_CATEGORICAL).cast(pl.Categorical))
