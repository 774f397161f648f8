"""The changes of a store as the page reads them: a quarter of a year at a time, each once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, Cache, Made
from io_intelligence_provider.plugin.gathering import gathered, within
from io_intelligence_provider.plugin.listing import Listing, Quarter, quarter_of
from io_intelligence_provider.plugin.quarters import Quarters
from io_intelligence_provider.plugin.views.counts import tally
from io_intelligence_provider.storage.parquet import no_rows
from io_intelligence_provider.store.changes import changes_schema
from io_intelligence_provider.store.days import dated_schema
from io_intelligence_provider.store.layout import CHANGES

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
        self._quarters = Quarters(listing, cache, "changes", CHANGES, self._read)

    def between(self, start: date | None = None, end: date | None = None) -> Changes:
        """Return the changes from ``start`` to ``end``, both included, oldest day first."""
        days = [day for day in self._listing.change_dates if within(day, start, end)]
        parts = self._quarters.get(sorted(set(map(quarter_of, days))))
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
        for days in reversed(list(self._listing.days_by_quarter[CHANGES].values())):
            if days[0] <= end:
                yield self.between(days[0], min(days[-1], end))

    def _read(self, quarters: Mapping[Quarter, Sequence[date]]) -> dict[Quarter, Made[Changes]]:
        days = [day for mine in quarters.values() for day in mine]
        frames, damaged = gathered(days, self._listing.store.changes_frame)
        rows = _rows(frames)
        return {
            quarter: _made(
                rows.filter(pl.col("snapshot_date").is_between(mine[0], mine[-1])),
                {day: damaged[day] for day in mine if day in damaged},
            )
            for quarter, mine in quarters.items()
        }


def _made(rows: pl.DataFrame, damaged: Mapping[date, str]) -> Made[Changes]:
    changes = Changes(rows, tally(rows), damaged)
    size = int(rows.estimated_size()) + int(changes.tallied.estimated_size())
    return Made(changes, size, DAMAGE_SECONDS if damaged else None)


def _rows(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return changes with their repeated texts as numbers: a third of the memory."""
    frames = frames or [pl.DataFrame(no_rows(dated_schema(changes_schema())))]
    return pl.concat(frames).with_columns(pl.col(_CATEGORICAL).cast(pl.Categorical))
