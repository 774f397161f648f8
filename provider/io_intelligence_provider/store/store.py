"""The store: daily snapshots, their evidence, and how to read them. Works without Airflow."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.quality.contract import arrow_schema
from io_intelligence_provider.quality.report import QualityReport
from io_intelligence_provider.store.changes import changes_schema
from io_intelligence_provider.store.files import Files
from io_intelligence_provider.store.layout import (
    MODELS,
    MODELS_FILE,
    changes_path,
    date_of,
    models_path,
    quality_path,
    quarantine_path,
)
from io_intelligence_provider.store.quarantine import quarantine_schema
from io_intelligence_provider.store.table import METADATA_PREFIX

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SnapshotInfo", "SnapshotStore", "When"]

log = logging.getLogger(__name__)

Evidence = TypeVar("Evidence")
When: TypeAlias = date | str
"""A date, its ISO form, or ``"latest"``."""

_TRIES: Final = 5
"""Reads of snapshot and evidence before giving up: each further one means another commit in between."""


@dataclass(frozen=True)
class SnapshotInfo:
    """What a models file says about itself."""

    snapshot_id: str
    fetched_at: datetime
    wire_shape: Literal["documented", "openai"]
    source_url: str
    query: str
    provider_version: str


class SnapshotStore:
    """Reads the files of one root; ``take_snapshot`` writes them.

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
        self.files = Files(root, filesystem, storage_options)

    def __repr__(self) -> str:
        return f"SnapshotStore({self.files.root!r})"

    def dates(self) -> list[date]:
        """Return the dates that have a snapshot, oldest first.

        :raises StorageError: when the store cannot be listed. A root that is not there has no dates.
        """
        # A folder without its file is what a run leaves that was killed before its first commit.
        found = [date_of(name) for name in self.files.folders_with(MODELS_FILE, MODELS)]
        return sorted(day for day in found if day is not None)

    def resolve(self, when: When = "latest") -> date:
        """Return the date of a snapshot on file.

        :raises NotOnFileError: when there is none at all, or none of that date.
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
        """Return the identity of a committed snapshot."""
        path = models_path(self.resolve(when))
        with self._parquet(path) as file:
            schema = file.schema_arrow
        try:
            return _info(schema)
        except (KeyError, ValueError) as error:
            raise StorageError(
                f"{self.files.url(path)} is no snapshot of this provider: its metadata lack {error}."
            ) from error

    def read(self, when: When = "latest", columns: Collection[str] | None = None) -> pa.Table:
        """Return a snapshot, one row per model, by ``name`` then ``model_id``.

        :param columns: the columns to read, all unless given.
        :raises NotOnFileError: when there is no such snapshot.
        """
        path = models_path(self.resolve(when))
        if columns is None:
            with self._parquet(path) as file:
                table: pa.Table = file.read()
            return table
        return self._columns(path, _chosen(columns))

    def history(
        self,
        start: When | None = None,
        end: When | None = None,
        models: Collection[str] | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """Return all snapshots from ``start`` to ``end``, both included, ``snapshot_date`` first.

        :param models: names or ids to keep, all unless given.
        :param columns: columns to keep beside ``snapshot_date``, all unless given.
        """
        chosen = arrow_schema() if columns is None else _chosen(columns)
        parts = [self._day(day, chosen, models) for day in self._between(start, end)]
        return _dated(parts, chosen)

    def _day(self, day: date, chosen: pa.Schema, models: Collection[str] | None) -> tuple[date, pa.Table]:
        import pyarrow as pa
        import pyarrow.compute as pc

        if models is None:
            return day, self._columns(models_path(day), chosen)
        wanted = _chosen(dict.fromkeys([*chosen.names, "model_id", "name"]))
        table = self._columns(models_path(day), wanted)
        values = pa.array(list(models), pa.string())
        keep = pc.or_(pc.is_in(table["model_id"], values), pc.is_in(table["name"], values))
        return day, table.filter(keep).select(chosen.names)

    def _columns(self, path: str, chosen: pa.Schema) -> pa.Table:
        """Read some columns; one that is newer than the file is null."""
        import pyarrow as pa

        with self._parquet(path) as file:
            table = file.read(chosen.names)
        columns = [
            table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
            for field in chosen
        ]
        return pa.table(columns, schema=chosen)

    def quarantine(self, start: When | None = None, end: When | None = None) -> pa.Table:
        """Return the refused records of the committed snapshots, ``snapshot_date`` first."""
        parts = [
            (day, self._evidence(day, lambda day, run: self._table(quarantine_path(day, run))))
            for day in self._between(start, end)
        ]
        return _dated(parts, quarantine_schema())

    def _table(self, path: str) -> pa.Table:
        with self._parquet(path) as file:
            table: pa.Table = file.read()
        return table

    def changes(self, start: When | None = None, end: When | None = None) -> pa.Table:
        """Return the changes on file from ``start`` to ``end``, both included, ``snapshot_date`` first.

        A day on which nothing changed has no row; neither has one whose changes were never detected.

        :raises StorageError: when a file cannot be read.
        """
        schema, parts = changes_schema(), []
        days = (date_of(name) for name in self.files.list("changes"))
        for day in sorted(day for day in days if day is not None and _within(day, start, end)):
            try:
                parts.append((day, self._table(changes_path(day)).select(schema.names)))
            except NotOnFileError:
                log.debug("The changes of %s were pruned while they were read", day)
        return _dated(parts, schema)

    def quality(self, when: When = "latest") -> QualityReport:
        """Return the report of the committed snapshot of a date.

        :raises NotOnFileError: when there is no such snapshot.
        :raises StorageError: when the report is missing or no report.
        """
        return self._evidence(self.resolve(when), self._report)

    def _report(self, day: date, snapshot_id: str) -> QualityReport:
        path = quality_path(day, snapshot_id)
        data = self.files.read(path)
        try:
            return QualityReport.from_dict(json.loads(data))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise _NoReportError(f"{self.files.url(path)} is no quality report: {error!r}.") from error

    def runs(self, start: When | None = None, end: When | None = None) -> list[QualityReport]:
        """Return every report on file, those of failed runs included, oldest first.

        A file that is no report is passed over with a warning.
        """
        reports = []
        for folder in self.files.list("quality"):
            day = date_of(folder)
            if day is None or not _within(day, start, end):
                continue
            names = self.files.list(f"quality/{folder}")
            for name in names:
                if not name.endswith(".json"):
                    continue
                try:
                    reports.append(self._report(day, name.removesuffix(".json")))
                except NotOnFileError:
                    log.debug("%s was deleted while the reports were read", name)
                except _NoReportError as error:
                    log.warning("%s", error)
        return sorted(reports, key=lambda report: (report.snapshot_date, report.fetched_at))

    def prune(self, keep_days: int) -> list[date]:
        """Delete everything filed under dates more than ``keep_days`` days ago; by hand only.

        :returns: the dates whose snapshot was deleted.
        :raises ConfigurationError: when ``keep_days`` is less than 1.
        """
        if keep_days < 1:
            raise ConfigurationError(f"keep_days is {keep_days}; it is at least 1.")
        oldest = datetime.now(UTC).date() - timedelta(days=keep_days)
        gone = [day for day in self.dates() if day < oldest]
        for part in (MODELS, "changes", "alerts", "quarantine", "quality"):
            for folder in self.files.list(part):
                day = date_of(folder)
                if day is not None and day < oldest:
                    self.files.delete_tree(f"{part}/{folder}")
        return gone

    def _between(self, start: When | None, end: When | None) -> Iterator[date]:
        return (day for day in self.dates() if _within(day, start, end))

    def _evidence(self, day: date, read: Callable[[date, str], Evidence]) -> Evidence:
        """Read what belongs to the committed snapshot of a day.

        A run that commits in between deletes the evidence of the one it supersedes; then the snapshot
        is another one, and its evidence is there.
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
        raise StorageError(f"The evidence of snapshot {seen} of {day} is missing in {self.files.url('')}.")

    @contextmanager
    def _parquet(self, path: str) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        source = self.files.source(path)
        try:
            with pq.ParquetFile(source) as file:
                yield file
        except FileNotFoundError:
            raise NotOnFileError(f"Not on file: {self.files.url(path)}") from None
        except (pa.ArrowException, OSError) as error:
            raise StorageError(
                f"{self.files.url(path)} is no readable Parquet file: {error}. Restore it or delete it."
            ) from error


class _NoReportError(StorageError):
    """A file in the place of a report that is none."""


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a time zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_date(when: When) -> date:
    """Return a date from a date or its ISO form.

    :raises ConfigurationError: when it is neither.
    """
    if isinstance(when, datetime):
        return in_utc(when).date()
    if isinstance(when, date):
        return when
    try:
        return date.fromisoformat(when)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{when!r} is no date; write YYYY-MM-DD or latest.") from None


def _within(day: date, start: When | None, end: When | None) -> bool:
    return (start is None or as_date(start) <= day) and (end is None or day <= as_date(end))


def _chosen(columns: Iterable[str]) -> pa.Schema:
    import pyarrow as pa

    schema = arrow_schema()
    for name in columns:
        if name not in schema.names:
            raise ConfigurationError(f"There is no column {name!r}. Columns are: {', '.join(schema.names)}.")
    return pa.schema([schema.field(name) for name in columns])


def _dated(parts: list[tuple[date, pa.Table]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    full = pa.schema([pa.field("snapshot_date", pa.date32(), nullable=False), *schema])
    tables = [
        table.add_column(0, full.field(0), pa.repeat(pa.scalar(day, pa.date32()), table.num_rows))
        for day, table in parts
    ]
    return pa.concat_tables([table.cast(full) for table in tables]) if tables else full.empty_table()


def _info(schema: pa.Schema) -> SnapshotInfo:
    metadata = {
        key.decode().removeprefix(METADATA_PREFIX): value.decode()
        for key, value in (schema.metadata or {}).items()
        if key.startswith(METADATA_PREFIX.encode())
    }
    return SnapshotInfo(
        snapshot_id=metadata["snapshot_id"],
        fetched_at=datetime.fromisoformat(metadata["fetched_at"]),
        wire_shape="openai" if metadata["wire_shape"] == "openai" else "documented",
        source_url=metadata["source_url"],
        query=metadata["query"],
        provider_version=metadata["provider_version"],
    )
