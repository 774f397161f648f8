"""Reads the parts of a store that the page needs, once per version of their files."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from typing import Final, TypeVar

import polars as pl

from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import IOIntelligenceError, NotOnFileError, StorageError
from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, STUCK_SECONDS, Cache, CacheEntry
from io_intelligence_provider.plugin.errors import scrub
from io_intelligence_provider.plugin.listing import Listing
from io_intelligence_provider.plugin.timeline import KEYS, Timeline, build_timeline
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.storage.parquet import no_rows
from io_intelligence_provider.store.layout import CHANGES, MODELS, changes_schema, within
from io_intelligence_provider.store.reading import dated_schema
from io_intelligence_provider.store.store import SnapshotInfo

__all__ = ["Changes", "Day", "Latest", "Quarantine", "Reader", "read_skipping_damaged"]


T = TypeVar("T")

_UNREADABLE: Final = 7
"""How many days, from the newest back, are tried to find a readable one."""


@dataclass(frozen=True)
class Day:
    """Holds one snapshot: its rows by name, and the metadata of its file."""

    day: date
    rows: pl.DataFrame
    info: SnapshotInfo


@dataclass(frozen=True)
class Latest:
    """Holds the newest readable day, ``None`` if none of the newest is, and the unreadable ones."""

    day: date | None
    unreadable: Mapping[date, str]


@dataclass(frozen=True)
class Quarantine:
    """Holds the records that the committed run of a day refused.

    :param run_id: in the name of their file, whatever the records themselves say.
    """

    run_id: str
    rows: pl.DataFrame


_CATEGORICAL: Final = ("model_id", "name", "change", "field", "direction")


@dataclass(frozen=True)
class Changes:
    """Holds the changes of some days, sorted by ``snapshot_date``, and the unreadable days."""

    rows: pl.DataFrame
    damaged: Mapping[date, str]

    @cached_property
    def counted(self) -> pl.DataFrame:
        """Return the changes counted by ``snapshot_date``, ``change`` and ``direction``: a few rows a day."""
        return self.rows.group_by("snapshot_date", "change", "direction").agg(pl.len().alias("number"))

    def between(self, start: date | None, end: date | None) -> Changes:
        """Return the changes from ``start`` to ``end``, both included."""
        days = self.rows["snapshot_date"]
        first = 0 if start is None else int(days.search_sorted(start, "left"))
        last = len(days) if end is None else int(days.search_sorted(end, "right"))
        damaged = {day: message for day, message in self.damaged.items() if within(day, start, end)}
        if last - first == len(days) and len(damaged) == len(self.damaged):
            return self
        return Changes(self.rows.slice(first, max(last - first, 0)), damaged)


class Reader:
    """Reads the parts of a store as of one listing, through the store's public functions."""

    def __init__(self, listing: Listing, cache: Cache) -> None:
        self.listing = listing
        self.store = listing.store
        self.cache = cache

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
        """Return the day to show: the requested one, else the newest readable one.

        :raises NotOnFileError: when it has no snapshot, or the store is empty.
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

        def make() -> CacheEntry[Day]:
            info = self.store.info(day)
            rows = pl.DataFrame(self.store.read(day))
            return CacheEntry(Day(day, rows, info), int(rows.estimated_size()))

        return self.cache.get(("day", day, self.listing.tag_of((MODELS,), (day,))), make)

    def timeline(self, fields: tuple[str, ...] = PRICE_COLUMNS) -> Timeline:
        """Return the history of all prices, or of another group of fields."""
        return self.cache.get(self._timeline_key(fields), partial(self._make_timeline, fields))

    def timeline_with(self, day: date) -> Timeline:
        """Return the history of all prices, which holds a day that is compared with it.

        :raises StorageError: when that day could not be read with the history: its models would look removed,
            and a doubtful 0 free.
        """
        timeline = self.timeline()
        if day in timeline.damaged:
            raise StorageError(timeline.damaged[day])
        return timeline

    def known_timeline(self) -> Timeline | None:
        """Return the timeline of the prices if it is cached, without reading anything."""
        found: Timeline | None = self.cache.peek(self._timeline_key(PRICE_COLUMNS))
        return found

    def _timeline_key(self, fields: tuple[str, ...]) -> tuple[str, tuple[str, ...], str]:
        return "timeline", fields, self.listing.tag_of((MODELS,))

    def _make_timeline(self, fields: tuple[str, ...]) -> CacheEntry[Timeline]:
        dates = self.listing.dates
        if not dates:
            raise NotOnFileError("The store holds no snapshot yet. Unpause the daily Dag.")
        on_file = pl.Series(dates, dtype=pl.Date).implode()

        def read(start: date, end: date) -> pl.DataFrame:
            rows = self.store.history_frame(start, end, columns=(*KEYS, *fields))
            return rows.filter(pl.col("snapshot_date").is_in(on_file))

        frames, damaged = read_skipping_damaged(dates, read)
        if not frames:
            raise StorageError(f"No snapshot can be read: {next(iter(damaged.values()))}")
        timeline = build_timeline(dates, damaged, pl.concat(frames), fields)
        return CacheEntry(timeline, timeline.size, DAMAGE_SECONDS if damaged else None)

    def changes(self, start: date | None = None, end: date | None = None) -> Changes:
        """Return the changes from ``start`` to ``end``, both included, oldest day first.

        The state of the store needs a single day, which is read alone unless all are cached.
        """
        dates = self.listing.change_dates
        key = ("changes", self.listing.tag_of((CHANGES,)))
        alone = [day for day in dates if day == start == end]
        if alone and self.cache.peek(key) is None:
            dates, key = tuple(alone), ("changes", self.listing.tag_of((CHANGES,), alone))
        return self.cache.get(key, partial(self._make_changes, dates)).between(start, end)

    def _make_changes(self, days: Sequence[date]) -> CacheEntry[Changes]:
        listed = pl.Series(days, dtype=pl.Date).implode()

        def read(start: date, end: date) -> pl.DataFrame:
            # A file that was written since it was listed is read with the next listing.
            return self.store.changes_frame(start, end).filter(pl.col("snapshot_date").is_in(listed))

        frames, damaged = read_skipping_damaged(days, read)
        frames = frames or [pl.DataFrame(no_rows(dated_schema(changes_schema())))]
        # Repeated text as categories takes a third of the memory.
        rows = pl.concat(frames).with_columns(pl.col(_CATEGORICAL).cast(pl.Categorical))
        seconds = DAMAGE_SECONDS if damaged else None
        return CacheEntry(Changes(rows, damaged), int(rows.estimated_size()), seconds)

    @contextmanager
    def prefetch(self, read: Callable[[], object]) -> Iterator[None]:
        """Read something in parallel with the block, which then finds it cached or waits for it.

        A core is mostly idle while the history is reduced to steps. An error of the read is dropped here: the
        block reads again and gets it.
        """

        def work() -> None:
            with suppress(IOIntelligenceError):
                read()

        thread = threading.Thread(target=work, name="io-intelligence-prefetch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(STUCK_SECONDS)

    def runs(self) -> Sequence[QualityReport]:
        """Return the reports of all runs, oldest first; a file that is not a report is skipped."""
        parts = [self._runs_of(year) for year in sorted({day.year for day in self.listing.files["quality"]})]
        return [report for part in parts for report in part]

    def _runs_of(self, year: int) -> Sequence[QualityReport]:
        days = sorted(day for day in self.listing.files["quality"] if day.year == year)

        def make() -> CacheEntry[Sequence[QualityReport]]:
            reports = self.store.runs(days[0], days[-1])
            # Consecutive reports share equal lists of checks, which are counted once.
            lists = {id(report.checks): report.checks for report in reports}
            checks = {id(check): check for checks in lists.values() for check in checks}
            size = 2_000 * len(reports) + sum(map(_check_size, checks.values()))
            is_whole = len(reports) >= sum(len(self._reports_of(day)) for day in days)
            return CacheEntry(reports, size, None if is_whole else DAMAGE_SECONDS)

        return self.cache.get(("runs", year, self.listing.tag_of(("quality",), days)), make)

    def missing_reports(self) -> Sequence[str]:
        """Return a warning if reports are on file that are not among :meth:`runs`."""
        on_file = sum(len(self._reports_of(day)) for day in self.listing.files["quality"])
        number = on_file - len(self.runs())
        return [f"Reports of runs that cannot be read, and are left out: {number}."] if number > 0 else []

    def committed_runs(self) -> Mapping[date, QualityReport]:
        """Return the report of the committed run of each day that has a snapshot and this report.

        Of several reports, that of the run which the models file names: a run that was killed before its
        commit leaves one that looks like that of a committed run.
        """
        runs: dict[date, list[QualityReport]] = {}
        for run in self.runs():
            if run.outcome != "failed":
                runs.setdefault(run.snapshot_date, []).append(run)
        found = {day: self._committed_of(day, runs[day]) for day in self.listing.dates if day in runs}
        return {day: run for day, run in found.items() if run is not None}

    def _committed_of(self, day: date, runs: Sequence[QualityReport]) -> QualityReport | None:
        if len(self._reports_of(day)) > 1:
            try:
                committed = self.store.info(day).snapshot_id
            except (StorageError, NotOnFileError):
                return runs[0] if len(runs) == 1 else None
            return next((run for run in runs if run.snapshot_id == committed), None)
        return runs[-1]

    def _reports_of(self, day: date) -> Sequence[str]:
        return [name for name in self.listing.files["quality"].get(day, ()) if name.endswith(".json")]

    def once(
        self,
        name: str,
        parts: Sequence[str],
        make: Callable[[], T],
        size: Callable[[T], int],
        seconds: float | None = None,
    ) -> T:
        """Return a value that depends only on whole parts of the store, computing it once.

        :param parts: the parts it depends on.
        :param seconds: how long it may be kept, by default as long as there is room.
        """

        def made() -> CacheEntry[T]:
            value = make()
            return CacheEntry(value, size(value), seconds)

        return self.cache.get((name, self.listing.tag_of(parts)), made)

    def report(self, day: date) -> QualityReport:
        """Return the report of the committed snapshot of a day.

        :raises StorageError: when the file is missing or is not a report.
        """

        def make() -> CacheEntry[QualityReport]:
            report = self.store.quality(day)
            return CacheEntry(report, 2_000 + sum(map(_check_size, report.checks)))

        return self.cache.get(("report", day, self.listing.tag_of((MODELS, "quality"), (day,))), make)

    def quarantine(self, day: date) -> Quarantine:
        """Return the records that the committed run of a day refused.

        :raises StorageError: when the file is missing or cannot be read, or another run commits meanwhile.
        """

        def make() -> CacheEntry[Quarantine]:
            run_id = self.store.info(day).snapshot_id
            rows = pl.DataFrame(self.store.quarantine(day, day))
            if self.store.info(day).snapshot_id != run_id:
                raise StorageError(f"A run has just replaced the snapshot of {day}. Ask again.")
            return CacheEntry(Quarantine(run_id, rows), int(rows.estimated_size()))

        return self.cache.get(("quarantine", day, self.listing.tag_of((MODELS, "quarantine"), (day,))), make)


def _check_size(check: CheckResult) -> int:
    return 500 + 500 * len(check.examples)


_GIVE_UP: Final = 30
"""How many days may fail before the first success; after that the store is at fault, not its files."""


def read_skipping_damaged(
    days: Sequence[date], read: Callable[[date, date], pl.DataFrame]
) -> tuple[list[pl.DataFrame], dict[date, str]]:
    """Read a range of days; on failure halve it until only the unreadable days are left out.

    The newest days are read first, so that old damage does not hide them.

    :raises StorageError: when the newest thirty days all fail: the store is at fault, not its files.
    """
    frames: list[pl.DataFrame] = []
    damaged: dict[date, str] = {}
    waiting = [days] if days else []
    while waiting:
        part = waiting.pop()
        try:
            frames.append(read(part[0], part[-1]))
        except (StorageError, NotOnFileError) as error:
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[:middle], part[middle:]]
                continue
            damaged[part[0]] = scrub(str(error))
            if not frames and len(damaged) >= _GIVE_UP:
                raise
    return frames[::-1], dict(sorted(damaged.items()))
