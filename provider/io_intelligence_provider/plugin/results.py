"""Reads the filed results of all data sets, and the rows that their runs refused, within bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.contract.report import CATALOGUE, QualityReport
from io_intelligence_provider.errors import (
    ConfigurationError,
    IOIntelligenceError,
    NotOnFileError,
    StorageError,
)
from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, CacheEntry
from io_intelligence_provider.plugin.errors import scrub
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.quality.quarantine import quarantine_schema
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.quality.results_store import RESULTS, TaskRun, read_results
from io_intelligence_provider.storage.location import Storage, local_path, storage_of
from io_intelligence_provider.storage.parquet import open_any
from io_intelligence_provider.store.layout import quarantine_path, task_of_run
from io_intelligence_provider.text import path_name

__all__ = ["MOST_RUNS", "FiledBy", "FiledRun", "History", "RefusedPage", "Results", "task_of_snapshot"]

MOST_RUNS: Final = 60
"""The latest runs of a data set that are compared; older ones are opened one at a time, by their id."""
_NO_REPORT: Final = "No quality report of a snapshot can be read."
_FOLDER: Final = "dataset_id="
_BATCH_ROWS: Final = 64
_LARGEST_GROUP: Final = 256 << 20
"""Bytes of texts, decoded. A quarantine whose row groups have more is not read by the page."""
_MOST_GROUPS: Final = 4_096


class FiledRun(NamedTuple):
    """Holds a result, and the task instance that filed it, if one did and it is no snapshot's.

    That of a snapshot is in another file: :func:`task_of_snapshot`.
    """

    run: CheckRun
    task: TaskRun | None


class FiledBy(NamedTuple):
    """Says which task instance filed a run; ``None`` for a run outside Airflow.

    :param warning: that the task is unknown, and why: the file that names it cannot be read.
    """

    task: TaskRun | None
    warning: str | None = None

    @property
    def dag_id(self) -> str | None:
        """Return the Dag of the task, ``None`` without one."""
        return self.task.dag_id if self.task else None


class History(NamedTuple):
    """Holds the latest runs of a data set, oldest first, and why others of them cannot be read."""

    runs: Sequence[FiledRun]
    damaged: Sequence[str]
    on_file: int


class RefusedPage(NamedTuple):
    """Holds some of the rows that a run refused.

    :param total: how many rows its file holds, which is all of them.
    :param missing: why there are none, ``None`` when there are.
    """

    total: int
    rows: Sequence[Mapping[str, Any]]
    missing: str | None = None


class Results:
    """Gives the results below the root of a reader's store, as of one listing of their folders.

    The catalogue is one of the data sets; its results are the reports of its snapshots.

    :raises StorageError: when the results cannot be listed.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._files = reader.store.files
        self._names: dict[str, list[str]] = {}
        for folder, name in self._files.in_folders(RESULTS):
            if folder.startswith(_FOLDER) and name.endswith(".parquet"):
                self._names.setdefault(folder.removeprefix(_FOLDER), []).append(name)

    def ids(self, q: str = "") -> list[str]:
        """Return the ids of the data sets, that of the newest run first; the catalogue leads.

        :param q: words that an id has.
        """
        # An id holds no other letters. A name without any of them is found as a whole, by its hash.
        words = re.findall(r"[a-z0-9_.]+", q.lower()) or [path_name(q) if q.strip() else ""]
        # The names of the files begin with the time.
        ids = sorted(self._names, key=lambda one: (self._names[one][-1], one), reverse=True)
        if self._reader.listing.files["quality"]:
            ids.insert(0, CATALOGUE)
        return [one for one in ids if all(word in one.lower() for word in words)]

    def history(self, dataset: str, limit: int = MOST_RUNS, *, brief: bool = False) -> History:
        """Return the latest runs of a data set.

        :param brief: whether checks, columns and profiles may be left out.
        :raises NotOnFileError: when there is no such data set.
        """
        if dataset == CATALOGUE and (reports := self._reader.runs()):
            runs = [FiledRun(run, None) for run in reports[-limit:]]
            return History(runs, self._reader.missing_reports(), len(reports))
        if self._has_unreadable_reports(dataset):
            return History((), (_NO_REPORT,), 0)
        names = self._names_of(dataset)
        runs, damaged = self._read(dataset, names[-limit:], brief=brief)
        return History(runs, damaged, len(names))

    def run(self, dataset: str, run_id: str) -> FiledRun:
        """Return one run of a data set.

        :raises NotOnFileError: when it is not on file.
        :raises StorageError: when it cannot be read.
        """
        gone = NotOnFileError(f"The run {run_id} is not on file: a later one replaced it, or it was deleted.")
        if dataset == CATALOGUE:
            found = next((run for run in self._reader.runs() if run.run_id == run_id), None)
            if found is None:
                raise gone
            return FiledRun(found, None)
        name = f"{run_id}.parquet"
        if name not in self._names_of(dataset):
            raise gone
        return self._one(dataset, name)

    def latest(self, dataset: str) -> FiledRun:
        """Return the latest run of a data set.

        :raises NotOnFileError: when there is no such data set.
        :raises StorageError: when it cannot be read.
        """
        if dataset == CATALOGUE and (reports := self._reader.runs()):
            return FiledRun(reports[-1], None)
        if self._has_unreadable_reports(dataset):
            raise StorageError(_NO_REPORT)
        return self._one(dataset, self._names_of(dataset)[-1])

    def _has_unreadable_reports(self, dataset: str) -> bool:
        """Return whether a data set without readable reports is the catalogue, which has reports on file."""
        return (
            dataset == CATALOGUE
            and dataset not in self._names
            and bool(self._reader.listing.files["quality"])
        )

    def _one(self, dataset: str, name: str) -> FiledRun:
        runs, damaged = self._read(dataset, [name])
        if not runs:
            raise StorageError(damaged[0] if damaged else f"The result {name} was deleted.")
        return runs[0]

    def refused(self, run: CheckRun, wanted: slice) -> RefusedPage:
        """Return some of the rows that a run refused, as they were filed."""
        if isinstance(run, QualityReport):
            try:
                rows = self._reader.store.quarantine_of_run(run.snapshot_date, run.run_id)
            except (NotOnFileError, StorageError) as error:
                return RefusedPage(0, [], scrub(str(error)))
            return RefusedPage(
                rows.num_rows, rows.slice(wanted.start, wanted.stop - wanted.start).to_pylist()
            )
        if run.quarantine_path is None:
            return RefusedPage(
                0, [], "The task has no quarantine_path, so its refused rows were only counted."
            )
        try:
            storage, key = self._storage_of(run.quarantine_path)
            with open_any(storage, key, run.quarantine_path) as file:
                rows, total = _rows_within(file, wanted), file.metadata.num_rows
        except IOIntelligenceError as error:
            return RefusedPage(0, [], scrub(str(error)))
        if total != run.quarantined or any(row["run_id"] != run.run_id for row in rows):
            return RefusedPage(0, [], f"A later run has replaced {run.quarantine_path}.")
        return RefusedPage(total, rows)

    def _storage_of(self, path: str) -> tuple[Storage, str]:
        """Return where a quarantine is: on this machine's disk, or in the storage of the root.

        :raises ConfigurationError: when it is in another storage, whose connection the page does not know.
        """
        own = self._files.location
        if local_path(path) is not None:
            storage = storage_of(path)
        elif not own.is_local and path.partition("://")[0] == self._files.root.partition("://")[0]:
            storage = storage_of(path, own.filesystem)
        else:
            raise ConfigurationError(
                f"The refused rows are in {path}. This page reads those on the API server's disk and in the "
                "storage of its root."
            )
        return storage, storage.key

    def _names_of(self, dataset: str) -> Sequence[str]:
        if dataset not in self._names:
            raise NotOnFileError(f"There are no results of {dataset!r} below {self._files.url(RESULTS)}.")
        return self._names[dataset]

    def _read(
        self, dataset: str, names: Sequence[str], *, brief: bool = False
    ) -> tuple[list[FiledRun], list[str]]:
        paths = [f"{RESULTS}/{_FOLDER}{dataset}/{name}" for name in names]

        def load() -> CacheEntry[tuple[list[FiledRun], list[str]]]:
            found, damaged = read_results(self._files, paths, brief=brief)
            runs = sorted((FiledRun(*one) for one in found), key=lambda one: one.run.checked_at)
            size = 1_000 + sum(_size(one.run) for one in runs)
            seconds = DAMAGE_SECONDS if damaged else None
            return CacheEntry((runs, [scrub(text) for text in damaged]), size, seconds)

        # A file of a run is never rewritten.
        return self._reader.cache.get(("results", self._files.url(""), brief, *paths), load)


def task_of_snapshot(reader: Reader, day: date, run_id: str) -> FiledBy:
    """Return which task instance filed a snapshot's run, as its quarantine file says."""
    files = reader.store.files

    def load() -> CacheEntry[FiledBy]:
        try:
            return CacheEntry(FiledBy(task_of_run(files, quarantine_path(day, run_id))), 500)
        except (StorageError, NotOnFileError) as error:
            unknown = f"The Dag that filed the run {run_id} of {day} is unknown: {scrub(str(error))}"
            return CacheEntry(FiledBy(None, unknown), 1_000, DAMAGE_SECONDS)

    return reader.cache.get(("task", files.url(""), day, run_id), load)


def _size(run: CheckRun) -> int:
    examples = sum(len(check.examples) for check in run.checks)
    return 2_000 + 500 * (len(run.checks) + examples) + 400 * len(run.profile) + 200 * len(run.columns)


def _rows_within(file: pq.ParquetFile, wanted: slice) -> list[dict[str, Any]]:
    """Return rows of a quarantine, reading only the row groups that hold them, a few rows at a time.

    :raises StorageError: when the file is no quarantine, or too large for the page.
    """
    known, metadata = quarantine_schema(), file.metadata
    if any(field.name not in file.schema_arrow.names for field in known):
        raise StorageError("The file at the run's quarantine_path is no quarantine.")
    if metadata.num_row_groups > _MOST_GROUPS:
        raise StorageError(f"The quarantine has {metadata.num_row_groups} row groups, too many for the page.")
    groups: list[int] = []
    start = before = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if start < wanted.stop and start + group.num_rows > wanted.start:
            if group.total_byte_size > _LARGEST_GROUP:
                raise StorageError(
                    "The quarantine is too large for the page. Read it with any Parquet reader."
                )
            before = start if not groups else before
            groups.append(number)
        start += group.num_rows
    found: list[dict[str, Any]] = []
    skip, take = wanted.start - before, wanted.stop - wanted.start
    for batch in file.iter_batches(_BATCH_ROWS, row_groups=groups, columns=known.names, use_threads=False):
        if skip < batch.num_rows:
            found += pa.Table.from_batches([batch.slice(skip, take - len(found))]).to_pylist()
        skip = max(skip - batch.num_rows, 0)
        if len(found) >= take:
            break
    return found
