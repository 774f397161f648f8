"""Reads the snapshot store: daily snapshots with their reports, quarantine and changes. Needs no Airflow."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

import polars as pl
import pyarrow as pa

from io_intelligence_provider.contract.columns import PRICE_COLUMNS, arrow_schema
from io_intelligence_provider.contract.report import LARGEST_REPORT, KnownChecks, QualityReport
from io_intelligence_provider.errors import (
    ConfigurationError,
    IOIntelligenceError,
    NotOnFileError,
    StorageError,
    UnreadableFileError,
)
from io_intelligence_provider.quality.result import is_run_id
from io_intelligence_provider.storage.file_kind import FileKind
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.parquet import read_parquet
from io_intelligence_provider.store.layout import (
    CHANGES,
    CHANGES_FILE,
    CHANGES_KIND,
    MODELS,
    MODELS_FILE,
    QUARANTINE_KIND,
    When,
    as_date,
    date_of,
    in_utc,
    models_path,
    quality_path,
    quarantine_path,
    within,
)
from io_intelligence_provider.store.models_file import MODELS_KIND, SnapshotInfo, chosen_columns, read_info
from io_intelligence_provider.store.months import DailyFiles
from io_intelligence_provider.store.price_index import INDEX_COLUMNS, Blend, price_index
from io_intelligence_provider.store.prices import (
    DOUBTFUL_FOR,
    PERIOD_COLUMNS,
    Prices,
    check_counts,
    cost_of,
    doubtful_zeros,
    periods_of,
    prices_of,
)
from io_intelligence_provider.store.reading import ReadSegment, dated, read_days, read_frame

__all__ = ["SnapshotInfo", "SnapshotStore", "When", "as_date", "compact_or_warn", "in_utc"]

log = logging.getLogger(__name__)


Artifact = TypeVar("Artifact")

_TRIES: Final = 5
"""Attempts to read a snapshot with its artifacts; each retry means that a run committed in between."""

_MONTHS_A_RUN: Final = 3
"""Maximum number of months that one run rolls up; years of a copied store take several runs."""


class SnapshotStore:
    """Reads the files below one root; ``take_snapshot`` writes them.

    :param root: a local path or an fsspec URL (``s3://bucket/prefix``).
    :param filesystem: an fsspec file system to use instead of the one the URL names.
    :param storage_options: arguments for the file system the URL names.
    :raises ConfigurationError: when no file system serves the URL.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        filesystem: Any = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            self.files = Files(root, filesystem, storage_options)
        except IOIntelligenceError:
            del root, storage_options  # tracebacks may show local variables
            raise
        self._models = DailyFiles(self.files, MODELS, MODELS_FILE, MODELS_KIND)
        self._changes = DailyFiles(self.files, CHANGES, CHANGES_FILE, CHANGES_KIND)

    def __repr__(self) -> str:
        return f"SnapshotStore({self.files.root!r})"

    def dates(self) -> list[date]:
        """Return the dates that have a snapshot, oldest first.

        :raises StorageError: when the store cannot be listed. A root that does not exist has no dates.
        """
        return self._models.dates()

    def resolve(self, when: When = "latest") -> date:
        """Return the date of a stored snapshot.

        :raises NotOnFileError: when there is no snapshot, or none of that date.
        """
        if when == "latest":
            if not (dates := self.dates()):
                raise NotOnFileError(
                    f"{self.files.url('')} holds no snapshot yet. Run the daily Dag, or "
                    "`io-intelligence snapshot`."
                )
            return dates[-1]
        day = as_date(when)
        if not self.files.exists(models_path(day)):
            raise NotOnFileError(f"{self.files.url('')} has no snapshot of {day}.")
        return day

    def before(self, day: date) -> date | None:
        """Return the latest date with a snapshot before ``day``."""
        return max((other for other in self.dates() if other < day), default=None)

    def info(self, when: When = "latest") -> SnapshotInfo:
        """Return the metadata of a committed snapshot."""
        return read_info(self.files, models_path(self.resolve(when)))

    def read(self, when: When = "latest", columns: Collection[str] | None = None) -> pa.Table:
        """Return a snapshot, one row per model, by ``name`` then ``model_id``.

        A column that is newer than the file is null; one that a newer version wrote is left out.

        :param columns: the columns to read, all current ones unless given.
        :raises NotOnFileError: when there is no such snapshot.
        """
        path = models_path(self.resolve(when))
        return read_parquet(
            self.files, path, MODELS_KIND, None if columns is None else chosen_columns(columns)
        )

    def history(
        self,
        start: When | None = None,
        end: When | None = None,
        models: Collection[str] | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """Return all snapshots from ``start`` to ``end``, both included, ``snapshot_date`` first.

        :param models: a name or id, or several, to keep; all unless given.
        :param columns: columns to keep besides ``snapshot_date``, all unless given.
        """
        return read_days(*self._history(start, end, models, columns))

    def history_frame(
        self,
        start: When | None = None,
        end: When | None = None,
        models: Collection[str] | None = None,
        columns: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """Return the result of :meth:`history` as a polars DataFrame, in two thirds of the time."""
        return read_frame(*self._history(start, end, models, columns))

    def _history(
        self,
        start: When | None,
        end: When | None,
        models: Collection[str] | None,
        columns: Collection[str] | None,
    ) -> tuple[Files, FileKind, list[ReadSegment], pa.Schema, Collection[str] | None]:
        chosen = arrow_schema() if columns is None else chosen_columns(columns)
        # A string is one name, not a collection of letters.
        kept = [models] if isinstance(models, str) else models
        return self.files, MODELS_KIND, self._models.segments(start, end), chosen, kept

    def price_at(self, model: str, when: When = "latest") -> Prices:
        """Return the prices of a model on a day, in USD per million tokens.

        Between two snapshots the earlier one holds, and the latest one holds from then on; the result has its
        date.

        :param model: a ``model_id`` or a ``name``.
        :param when: a date, its ISO form or ``latest``; of a datetime its day in UTC.
        :raises NotOnFileError: when the day is before the first snapshot, or the snapshot has no such model:
            it was absent, or its record was refused, so that its prices are unknown that day.
        :raises ConfigurationError: when two models have the name that day.
        """
        day = self._holding(when)
        columns = chosen_columns(["model_id", "name", *PRICE_COLUMNS])
        rows = read_days(self.files, MODELS_KIND, [ReadSegment(((day, models_path(day)),))], columns, [model])
        try:
            return prices_of(model, day, rows)
        except NotOnFileError as error:
            why = (
                " Its record was refused that day, so its prices are unknown."
                if self._refused(model, day)
                else ""
            )
            raise NotOnFileError(f"{error}{why}") from None

    def cost(
        self,
        model: str,
        *,
        when: When = "latest",
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
    ) -> Decimal:
        """Return the exact cost of a number of tokens on a day, in USD.

        Each token is counted once: those read from the prompt cache are not part of ``input_tokens``.

        :param when: as for :meth:`price_at`.
        :raises NotOnFileError: as :meth:`price_at`, and when a price that is needed was not published.
        :raises ConfigurationError: when a number of tokens is negative or not an integer, or two models have
            the name.
        """
        tokens = {
            "input": input_tokens,
            "output": output_tokens,
            "cache_write": cache_write_tokens,
            "cache_read": cache_read_tokens,
        }
        check_counts(tokens)
        return cost_of(model, self.price_at(model, when), tokens)

    def periods(self, models: Collection[str] | None = None) -> pa.Table:
        """Return each price with the period in which it held, for loading into a warehouse.

        ``valid_from`` is the first day, ``valid_to`` the first day after it, null while the price holds; see
        :func:`~io_intelligence_provider.store.prices.periods_schema`. For every day of a period
        :meth:`price_at` returns that price. On a day outside all periods the price is unknown.

        :param models: names or ids to keep, all unless given.
        """
        dates = self.dates()
        return periods_of(self.history(columns=PERIOD_COLUMNS, models=models), dates)

    def price_index(
        self,
        start: When | None = None,
        end: When | None = None,
        models: Collection[str] | None = None,
        blend: Blend = (3, 1),
    ) -> pa.Table:
        """Return how the prices of the same models moved, chained from day to day, 100 on the first day.

        For each pair of neighbouring snapshots it is the geometric mean of the ratios of the prices that are
        known and above zero on both; ``input_pairs`` and so on count them, ``input_left_out`` the others. See
        :func:`~io_intelligence_provider.store.price_index.index_schema`.

        :param models: a name or id, or several; all unless given.
        :param blend: weights of the input and the output price in the blended one.
        :raises ConfigurationError: when ``blend`` is not two weights.
        :raises StorageError: when a file cannot be read.
        """
        dates = list(self._between(start, end))
        return price_index(self.history_frame(start, end, models, INDEX_COLUMNS), dates, blend)

    def doubtful_zeros(self, start: When, end: When, models: Collection[str] | None = None) -> pl.DataFrame:
        """Return the prices of 0 from ``start`` to ``end`` that are doubtful rather than free.

        See :func:`~io_intelligence_provider.store.prices.doubtful_zeros` for the rule and the columns.

        :param models: names or ids to keep, all unless given.
        """
        first = as_date(start)
        since = max(first, date.min + DOUBTFUL_FOR) - DOUBTFUL_FOR
        history = self.history_frame(since, end, models, PERIOD_COLUMNS)
        return doubtful_zeros(history).filter(pl.col("snapshot_date") >= first)

    def _holding(self, when: When) -> date:
        """Return the date of the snapshot that holds on a day: the latest one not after it."""
        if when == "latest":
            return self.resolve()
        day, dates = as_date(when), self.dates()
        held = max((other for other in dates if other <= day), default=None)
        if held is None:
            first = f"; the first is of {dates[0]}" if dates else " yet"
            raise NotOnFileError(f"{self.files.url('')} has no snapshot of {day} or before{first}.")
        return held

    def _refused(self, model: str, day: date) -> bool:
        """Return whether a record of that model is in quarantine on a day."""
        try:
            rows = self.quarantine(day, day)
        except StorageError:
            return False  # it would only add a detail to the error
        return model in {*rows["model_id"].to_pylist(), *rows["name"].to_pylist()}

    def quarantine_of_run(self, day: When, snapshot_id: str) -> pa.Table:
        """Return the records that one run refused, also a run that its checks stopped.

        :param day: the snapshot date of the run.
        :raises NotOnFileError: when there is no such file.
        :raises StorageError: when it cannot be read.
        """
        return read_parquet(self.files, quarantine_path(as_date(day), snapshot_id), QUARANTINE_KIND)

    def quarantine(self, start: When | None = None, end: When | None = None) -> pa.Table:
        """Return the refused records of the committed snapshots, ``snapshot_date`` first."""

        def read(day: date, run: str) -> pa.Table:
            return read_parquet(self.files, quarantine_path(day, run), QUARANTINE_KIND)

        parts = [(day, self._artifact(day, read)) for day in self._between(start, end)]
        return dated(parts, QUARANTINE_KIND.schema())

    def changes(self, start: When | None = None, end: When | None = None) -> pa.Table:
        """Return the stored changes from ``start`` to ``end``, both included, ``snapshot_date`` first.

        A day without changes has no rows, and neither has one whose changes were never detected.

        :raises StorageError: when a file cannot be read.
        """
        return read_days(self.files, CHANGES_KIND, self._changes.segments(start, end))

    def changes_frame(self, start: When | None = None, end: When | None = None) -> pl.DataFrame:
        """Return the result of :meth:`changes` as a polars DataFrame, in two thirds of the time."""
        return read_frame(self.files, CHANGES_KIND, self._changes.segments(start, end))

    def quality(self, when: When = "latest") -> QualityReport:
        """Return the report of the committed snapshot of a date.

        :raises NotOnFileError: when there is no such snapshot.
        :raises StorageError: when the report is missing or invalid.
        """
        return self._artifact(self.resolve(when), self._report)

    def _report(self, day: date, snapshot_id: str) -> QualityReport:
        path = quality_path(day, snapshot_id)
        return self._parsed(path, self.files.read(path, LARGEST_REPORT))

    def _parsed(self, path: str, data: bytes, known: KnownChecks | None = None) -> QualityReport:
        try:
            report = QualityReport.from_json(data, known)
        except (ValueError, RecursionError) as error:
            raise self._no_report(path, f"{error}") from error
        if not is_run_id(report.snapshot_id):
            raise self._no_report(path, "its snapshot_id is no id of a run")
        if path != quality_path(report.snapshot_date, report.snapshot_id):
            raise self._no_report(path, f"it is that of {report.snapshot_id} of {report.snapshot_date}")
        return report

    def _no_report(self, path: str, why: str) -> UnreadableFileError:
        return UnreadableFileError(
            f"{self.files.url(path)} is no quality report: {why}. Restore it or delete it."
        )

    def _report_paths(self, start: When | None, end: When | None) -> Iterator[str]:
        for folder, name in self.files.in_folders("quality"):
            day = date_of(folder)
            if day is not None and within(day, start, end) and name.endswith(".json"):
                yield f"quality/{folder}/{name}"

    def runs(self, start: When | None = None, end: When | None = None) -> list[QualityReport]:
        """Return every stored report, those of failed runs included, oldest first.

        A file that is not a report is skipped with a warning.
        """
        reports: list[QualityReport] = []
        known = KnownChecks()
        for path, data in self.files.read_many(self._report_paths(start, end), LARGEST_REPORT):
            try:
                if isinstance(data, UnreadableFileError):
                    raise data
                reports.append(self._parsed(path, data, known))
            except UnreadableFileError as error:
                log.warning("%s", error)
        return sorted(reports, key=lambda report: (report.snapshot_date, report.fetched_at))

    def prune(self, keep_days: int) -> list[date]:
        """Delete everything filed under dates more than ``keep_days`` days ago. Never called automatically.

        :returns: the dates whose snapshot was deleted.
        :raises ConfigurationError: when ``keep_days`` is no integer of at least 1.
        """
        if type(keep_days) is not int or keep_days < 1:
            raise ConfigurationError(f"keep_days is {keep_days!r}; it must be an integer of at least 1.")
        today = datetime.now(UTC).date()
        oldest = today - timedelta(days=min(keep_days, today.toordinal() - 1))
        gone = [day for day in self.dates() if day < oldest]
        for part in (MODELS, CHANGES, "alerts", "quarantine", "quality"):
            for folder in self.files.list(part):
                day = date_of(folder)
                if day is not None and day < oldest:
                    self.files.delete_tree(f"{part}/{folder}")
        # First, so that deleted data leave the monthly files even if rolling up the rest fails.
        for daily in (self._models, self._changes):
            daily.drop_stale()
        compact_or_warn(self)
        return gone

    def compact(self, most: int | None = None) -> None:
        """Roll up the daily files of each past month, so that years are read fast.

        ``take_snapshot`` and ``detect_changes`` do it for the files that they write; call it for a store that
        was copied or filled by other means. It only adds and deletes files below ``compacted/``, whose data
        are also in the daily files. A month with a file written within the last seconds is left to the next
        call.

        :param most: maximum number of months of each kind, the newest first; all unless given.
        :raises StorageError: when a file cannot be listed, written or deleted.
        """
        self._models.compact(most)
        self._changes.compact(most)

    def _between(self, start: When | None, end: When | None) -> Iterator[date]:
        return (day for day in self.dates() if within(day, start, end))

    def _artifact(self, day: date, read: Callable[[date, str], Artifact]) -> Artifact:
        """Read an artifact of the committed snapshot of a day.

        A run that commits in between deletes the artifacts of the snapshot it supersedes. The read is then
        repeated for the new snapshot.
        """
        seen = None
        for _ in range(_TRIES):
            snapshot_id = self.info(day).snapshot_id
            if snapshot_id == seen:
                break
            seen = snapshot_id
            try:
                return read(day, snapshot_id)
            except NotOnFileError:
                continue
        raise StorageError(
            f"The report or the quarantine of snapshot {seen} of {day} is missing in {self.files.url('')}."
        )


def compact_or_warn(store: SnapshotStore) -> None:
    """Roll up a few months after a file was written; a failure is logged and does not fail the caller."""
    try:
        store.compact(_MONTHS_A_RUN)
    except Exception as error:  # noqa: BLE001 - a full disk, say: the run has committed
        log.warning("Committed, but months could not be rolled up; the next run tries again: %s", error)
