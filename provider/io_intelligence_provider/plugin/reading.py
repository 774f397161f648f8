"""What the page reads of a store, each part once per state of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, TypeVar

from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.plugin.cache import Cache, Made
from io_intelligence_provider.plugin.gathering import gathered, quarter_of, quarters, within
from io_intelligence_provider.plugin.listing import Listing
from io_intelligence_provider.plugin.problems import scrub
from io_intelligence_provider.plugin.views.timeline import HISTORY_COLUMNS, Timeline, build_timeline
from io_intelligence_provider.quality.report import QualityReport
from io_intelligence_provider.store.changes import changes_schema
from io_intelligence_provider.store.layout import MODELS
from io_intelligence_provider.store.store import SnapshotInfo

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")

__all__ = ["DAMAGE_SECONDS", "Changes", "Day", "Latest", "Reader"]

DAMAGE_SECONDS: Final = 60.0
"""How long something is kept that rests on a file which could not be read."""

_UNREADABLE: Final = 7
"""Days tried from the newest back for one that can be read."""

_CATEGORICAL: Final = ("model_id", "name", "change", "field", "direction")


@dataclass(frozen=True)
class Day:
    """One snapshot: its rows by name, and what its file says about itself."""

    day: date
    rows: pl.DataFrame
    info: SnapshotInfo


@dataclass(frozen=True)
class Latest:
    """The newest day that can be read, ``None`` when none of the newest can, and those that cannot."""

    day: date | None
    unreadable: Mapping[date, str]


@dataclass(frozen=True)
class Changes:
    """Changes of some days, ``snapshot_date`` first, and the days whose file cannot be read."""

    rows: pl.DataFrame
    damaged: Mapping[date, str]


class Reader:
    """Reads the parts of a store as they stood at one listing, through the store's public functions."""

    def __init__(self, listing: Listing, cache: Cache) -> None:
        self.listing = listing
        self.store = listing.store
        self._cache = cache

    def latest(self) -> Latest:
        """Return the newest readable day."""
        unreadable: dict[date, str] = {}
        for day in self.listing.dates[: -_UNREADABLE - 1 : -1]:
            try:
                self.day(day)
            except (StorageError, NotOnFileError) as error:
                unreadable[day] = scrub(str(error))
            else:
                return Latest(day, unreadable)
        return Latest(None, unreadable)

    def shown(self, asked: date | None) -> date:
        """Return the day to show: the one asked for, else the newest readable.

        :raises NotOnFileError: when there is no snapshot of it, or none at all.
        :raises StorageError: when none of the newest can be read.
        """
        dates = self.listing.dates
        if asked is not None:
            if asked in dates:
                return asked
            held = f"It holds {len(dates)}, {dates[0]} to {dates[-1]}." if dates else "It holds none yet."
            raise NotOnFileError(f"The store has no snapshot of {asked}. {held}")
        if not dates:
            raise NotOnFileError("The store holds no snapshot yet. Unpause the daily Dag.")
        latest = self.latest()
        if latest.day is None:
            first = next(iter(latest.unreadable.values()))
            raise StorageError(f"None of the {len(latest.unreadable)} newest snapshots can be read: {first}")
        return latest.day

    def day(self, day: date) -> Day:
        """Return a snapshot.

        :raises StorageError: when its file cannot be read.
        """

        def make() -> Made[Day]:
            import polars as pl

            info = self.store.info(day)
            rows = pl.DataFrame(self.store.read(day))
            return Made(Day(day, rows, info), int(rows.estimated_size()))

        return self._cache.get(("day", day, self.listing.tag_of((MODELS,), (day,))), make)

    def timeline(self) -> Timeline:
        """Return the history of all prices and quotas."""
        return self._cache.get(self._timeline_key(), self._make_timeline)

    def known_timeline(self) -> Timeline | None:
        """Return it if it is at hand, without reading anything."""
        found: Timeline | None = self._cache.peek(self._timeline_key())
        return found

    def _timeline_key(self) -> tuple[str, str]:
        return "timeline", self.listing.tag_of((MODELS,))

    def _make_timeline(self) -> Made[Timeline]:
        import polars as pl

        dates = self.listing.dates
        if not dates:
            raise NotOnFileError("The store holds no snapshot yet. Unpause the daily Dag.")

        def read(start: date, end: date) -> pa.Table:
            return self.store.history(start, end, columns=HISTORY_COLUMNS)

        tables, damaged = gathered(dates, read)
        if not tables:
            raise StorageError(f"No snapshot can be read: {next(iter(damaged.values()))}")
        rows = pl.concat([pl.DataFrame(table) for table in tables])
        rows = rows.filter(pl.col("snapshot_date").is_in(pl.Series(dates).implode()))
        timeline = build_timeline(dates, damaged, rows)
        return Made(timeline, timeline.size, DAMAGE_SECONDS if damaged else None)

    def changes(self, start: date | None = None, end: date | None = None) -> Changes:
        """Return the changes from ``start`` to ``end``, both included, oldest day first."""
        import polars as pl

        days = [day for day in self.listing.change_dates if within(day, start, end)]
        parts = [self._changes_of(quarter) for quarter in quarters(days)]
        rows = pl.concat([part.rows for part in parts]) if parts else _typed(changes_schema().empty_table())
        if days:
            rows = rows.filter(pl.col("snapshot_date").is_between(days[0], days[-1]))
        damaged = {
            day: said for part in parts for day, said in part.damaged.items() if within(day, start, end)
        }
        return Changes(rows, damaged)

    def changes_backwards(self, end: date) -> Iterator[Changes]:
        """Yield the changes up to ``end``, the newest quarter of a year first."""
        days = [day for day in self.listing.change_dates if day <= end]
        for year, quarter in reversed(quarters(days)):
            part = [day for day in days if quarter_of(day) == (year, quarter)]
            yield self.changes(part[0], part[-1])

    def _changes_of(self, quarter: tuple[int, int]) -> Changes:
        days = [day for day in self.listing.change_dates if quarter_of(day) == quarter]

        def make() -> Made[Changes]:
            import polars as pl

            tables, damaged = gathered(days, self.store.changes)
            frames = [_typed(table) for table in tables] or [_typed(changes_schema().empty_table())]
            rows = pl.concat(frames)
            return Made(
                Changes(rows, damaged), int(rows.estimated_size()), DAMAGE_SECONDS if damaged else None
            )

        return self._cache.get(("changes", quarter, self.listing.tag_of(("changes",), days)), make)

    def runs(self) -> Sequence[QualityReport]:
        """Return the reports of all runs, oldest first; a file that is no report is passed over."""
        parts = [self._runs_of(year) for year in sorted({day.year for day in self.listing.files["quality"]})]
        return [report for part in parts for report in part]

    def _runs_of(self, year: int) -> Sequence[QualityReport]:
        days = sorted(day for day in self.listing.files["quality"] if day.year == year)

        def make() -> Made[Sequence[QualityReport]]:
            reports = self.store.runs(days[0], days[-1])
            return Made(reports, sum(map(_report_size, reports)))

        return self._cache.get(("runs", year, self.listing.tag_of(("quality",), days)), make)

    def once(self, name: str, parts: Sequence[str], make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return what rests on whole parts of the store and on nothing that was asked for, made once.

        :param parts: those it rests on.
        """

        def made() -> Made[T]:
            value = make()
            return Made(value, size(value))

        return self._cache.get((name, self.listing.tag_of(parts)), made)

    def report(self, day: date) -> QualityReport:
        """Return the report of the committed snapshot of a day.

        :raises StorageError: when it is missing or no report.
        """

        def make() -> Made[QualityReport]:
            report = self.store.quality(day)
            return Made(report, _report_size(report))

        return self._cache.get(("report", day, self.listing.tag_of((MODELS, "quality"), (day,))), make)

    def quarantine(self, day: date) -> pl.DataFrame:
        """Return the records that the committed run of a day refused.

        :raises StorageError: when the file is missing or cannot be read.
        """

        def make() -> Made[pl.DataFrame]:
            import polars as pl

            rows = pl.DataFrame(self.store.quarantine(day, day))
            return Made(rows, int(rows.estimated_size()))

        return self._cache.get(("quarantine", day, self.listing.tag_of((MODELS, "quarantine"), (day,))), make)


def _typed(table: pa.Table) -> pl.DataFrame:
    """Return changes with their repeated texts as numbers: a third of the memory."""
    import polars as pl

    rows = pl.DataFrame(table)
    if "snapshot_date" not in rows.columns:
        rows.insert_column(0, pl.Series("snapshot_date", [], pl.Date))
    return rows.with_columns(pl.col(_CATEGORICAL).cast(pl.Categorical))


def _report_size(report: QualityReport) -> int:
    examples = sum(len(check.examples) for check in report.checks)
    return 1_000 + 500 * len(report.checks) + 500 * examples + 100 * len(report.fields)
