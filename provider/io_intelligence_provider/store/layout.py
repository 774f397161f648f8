"""Defines the files of a store: their paths, the columns of quarantine and changes, and who wrote them.

Parts of a path may come from a file: the metadata of a models file hold the id of its run. So every
variable part is checked here before it becomes part of a path, and
:class:`~io_intelligence_provider.storage.filesystem.Files` checks every path again.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Final, Self, TypeAlias

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.contract.records import RefusedRecord
from io_intelligence_provider.errors import (
    ConfigurationError,
    NotOnFileError,
    StorageError,
    UnreadableFileError,
    in_temporary_folder,
)
from io_intelligence_provider.quality.quarantine import failures_type
from io_intelligence_provider.quality.result import run_file
from io_intelligence_provider.quality.results_store import TaskRun
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.storage.file_kind import FileKind, unpacked_within
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.parquet import no_rows, open_parquet

__all__ = [
    "CHANGES",
    "CHANGES_FILE",
    "CHANGES_KIND",
    "METADATA_PREFIX",
    "MODELS",
    "MODELS_FILE",
    "QUARANTINE_KIND",
    "QuarantineFile",
    "When",
    "Written",
    "as_date",
    "changes_path",
    "changes_schema",
    "compacted_folder",
    "daily_path",
    "date_of",
    "in_utc",
    "models_path",
    "quality_path",
    "quarantine_path",
    "quarantine_schema",
    "read_written",
    "readable",
    "running_task",
    "task_in_metadata",
    "task_keys",
    "task_of_run",
    "within",
    "written_now",
]

MODELS: Final = "models"
MODELS_FILE: Final = "models.parquet"
CHANGES: Final = "changes"
CHANGES_FILE: Final = "changes.parquet"
_PARTITION: Final = re.compile(r"snapshot_date=([0-9]{4}-[0-9]{2}-[0-9]{2})")


def models_path(day: date) -> str:
    """Return the path of a day's snapshot; writing this file commits the run."""
    return daily_path(MODELS, MODELS_FILE, day)


def quarantine_path(day: date, snapshot_id: str) -> str:
    """Return the path of a run's refused records."""
    return f"quarantine/{_partition(day)}/{run_file(snapshot_id, 'parquet')}"


def quality_path(day: date, snapshot_id: str, suffix: str = "json") -> str:
    """Return the path of a run's report."""
    return f"quality/{_partition(day)}/{run_file(snapshot_id, suffix)}"


def changes_path(day: date) -> str:
    """Return the path of a day's changes."""
    return daily_path(CHANGES, CHANGES_FILE, day)


def daily_path(part: str, name: str, day: date) -> str:
    """Return the path of a day's file in a part with one file per day."""
    return f"{part}/{_partition(day)}/{name}"


def compacted_folder(part: str) -> str:
    """Return the folder of a part's monthly files."""
    return f"compacted/{part}"


def _partition(day: date) -> str:
    return f"snapshot_date={day.isoformat()}"


def date_of(folder: str) -> date | None:
    """Return the snapshot date in a folder's name, ``None`` for folders outside this layout."""
    found = _PARTITION.fullmatch(folder)
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None


When: TypeAlias = date | str
"""A date, its ISO form, or ``"latest"``; of a datetime its UTC day."""


def in_utc(moment: datetime) -> datetime:
    """Return a datetime in UTC; one without a time zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_date(when: When) -> date:
    """Return a date from a date or its ISO form.

    :raises ConfigurationError: when it is neither.
    """
    try:
        if isinstance(when, datetime):
            return in_utc(when).date()
        return when if isinstance(when, date) else date.fromisoformat(when)
    except (TypeError, ValueError, OverflowError):
        # Where the latest snapshot may be asked for, that was looked for before.
        forms = "YYYY-MM-DD" if when == "latest" else "YYYY-MM-DD or latest"
        raise ConfigurationError(f"{when!r} is no date; write {forms}.") from None


def within(day: date, start: When | None, end: When | None) -> bool:
    """Return whether a day is from ``start`` to ``end``, both included; ``None`` is no bound."""
    return (start is None or as_date(start) <= day) and (end is None or day <= as_date(end))


METADATA_PREFIX: Final = "io_intelligence."

_TASK_KEYS: Final = {
    "dag_id": "AIRFLOW_CTX_DAG_ID",
    "run_id": "AIRFLOW_CTX_DAG_RUN_ID",
    "task_id": "AIRFLOW_CTX_TASK_ID",
}
"""What files call the parts of a task, and the variables that Airflow sets in its process."""
_AT: Final = "written_at"
_LONGEST: Final = 1_000


@dataclass(frozen=True)
class Written:
    """Holds when a file was written and by which task; ``None`` is unknown, as in files of older versions."""

    at: datetime | None
    task: TaskRun | None


def running_task() -> dict[str, str] | None:
    """Return the task of this process in the form of files, ``None`` outside of Airflow."""
    task = task_in_metadata({key: os.environ.get(name) for key, name in _TASK_KEYS.items()})
    return task_keys(task) if task else None


def task_in_metadata(values: Mapping[str, Any]) -> TaskRun | None:
    """Return the task that a file names; ``None`` without one."""
    found = [values.get(key) for key in _TASK_KEYS]
    known = [value for value in found if isinstance(value, str) and 0 < len(value) <= _LONGEST]
    if len(known) < len(_TASK_KEYS):
        return None
    dag_id, run_id, task_id = known
    return TaskRun(dag_id, task_id, run_id)


def task_keys(task: TaskRun) -> dict[str, str]:
    """Return a task in the form of files."""
    return {"dag_id": task.dag_id, "run_id": task.dag_run_id, "task_id": task.task_id}


def written_now() -> dict[str, str]:
    """Return the metadata of a file that this process writes now."""
    return {_AT: datetime.now(UTC).isoformat(), **(running_task() or {})}


def read_written(files: Files, path: str, kind: FileKind) -> Written:
    """Return who wrote a file of the store, and when."""
    try:
        with open_parquet(files, path, kind) as file:
            metadata = file.schema.metadata or {}
    except (NotOnFileError, StorageError):
        return Written(None, None)
    values = {
        key.decode().removeprefix(METADATA_PREFIX): value.decode("utf-8", "replace")
        for key, value in metadata.items()
    }
    try:
        at = in_utc(datetime.fromisoformat(values.get(_AT, "")))
    except (ValueError, OverflowError):
        at = None
    return Written(at, task_in_metadata(values))


@cache
def quarantine_schema() -> pa.Schema:
    """Return the Arrow schema of ``quarantine/…/<snapshot_id>.parquet``."""
    text = pa.string()
    return pa.schema(
        [
            ("model_id", text),
            ("name", text),
            pa.field("record", text, nullable=False),
            ("failures", failures_type()),
            pa.field("snapshot_id", text, nullable=False),
            pa.field("fetched_at", pa.timestamp("us", tz="UTC"), nullable=False),
        ]
    )


QUARANTINE_KIND: Final = FileKind("quarantine file", quarantine_schema, 1_000_000, 100_000, 8)
"""Refused records may differ in a single number and so compress well."""


_TASK: Final = f"{METADATA_PREFIX}task".encode()


def task_of_run(files: Files, path: str) -> TaskRun | None:
    """Return the task instance of the run that wrote a quarantine file, ``None`` for a run outside Airflow.

    :raises NotOnFileError: when the file does not exist.
    :raises UnreadableFileError: when it is damaged.
    """
    with open_parquet(files, path, QUARANTINE_KIND) as file:
        data = (file.schema.metadata or {}).get(_TASK)
    try:
        task = data and msgspec.json.decode(data, type=TaskRun)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{files.url(path)} names no task: {error}") from None
    if task and task.try_number is None:
        raise UnreadableFileError(f"{files.url(path)} names a task without its try_number.")
    return task


class QuarantineFile:
    """Collects refused records in a temporary Parquet file, with one batch in memory at a time.

    :param task: the task instance of the run. It goes to the file's metadata, because every run has this
        file, and the published form of the report has no place for it.
    """

    def __init__(self, snapshot_id: str, fetched_at: datetime, task: TaskRun | None = None) -> None:
        self._snapshot_id = snapshot_id
        self._fetched_at = fetched_at
        metadata = None if task is None else {_TASK: msgspec.json.encode(task)}
        schema = quarantine_schema().with_metadata(metadata)
        with in_temporary_folder():
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the writer
            self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
        self._is_empty = True
        self._unpacked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for opened in (self._writer, self._file):
            with suppress(OSError):  # closing writes what is buffered, which nobody needs any more
                opened.close()

    def add(self, refused: Sequence[RefusedRecord]) -> None:
        """Write the records of one batch."""
        if not refused:
            return
        rows: list[dict[str, Any]] = [
            {
                "model_id": record.model_id,
                "name": record.name,
                "record": record.record,
                "failures": [failure.to_dict() for failure in record.failures],
                "snapshot_id": self._snapshot_id,
                "fetched_at": self._fetched_at,
            }
            for record in refused
        ]
        table = pa.Table.from_pylist(rows, schema=quarantine_schema())
        with in_temporary_folder():
            self._writer.write_table(table)
        self._unpacked += table.nbytes
        self._is_empty = False

    def finish(self) -> bytes:
        """Close the file and return it."""
        with in_temporary_folder():
            if self._is_empty:  # pyarrow before 19.0.1 cannot read a file without a row group
                self._writer.write_table(no_rows(quarantine_schema()))
                self._is_empty = False
            self._writer.close()
            self._file.seek(0)
            data = self._file.read()
        return readable(data, self._unpacked)


def readable(data: Any, unpacked: int) -> bytes:
    """Return a Parquet file with its digests; one of nearly equal rows, which readers would refuse, larger.

    :param data: the file's bytes without digests, as an object with the buffer protocol.
    :param unpacked: bytes of the tables that were serialised.
    """
    return with_digests(_without_compression(data) if unpacked > unpacked_within(len(data)) else data)


def _without_compression(data: Any) -> bytes:
    """Return a Parquet file that is as large as its texts."""
    written = pa.BufferOutputStream()
    with (
        pq.ParquetFile(pa.BufferReader(data)) as file,
        pq.ParquetWriter(written, file.schema_arrow, compression="none", use_dictionary=False) as writer,
    ):
        for number in range(file.num_row_groups):
            writer.write_table(file.read_row_group(number))
    found: bytes = written.getvalue().to_pybytes()
    return found


_WITHOUT_FIELD: Final = ("model_added", "model_removed")


@cache
def changes_schema() -> pa.Schema:
    """Return the Arrow schema of ``changes.parquet``; fields carry a ``description``."""

    def field(name: str, kind: pa.DataType, description: str, nullable: bool = True) -> pa.Field:
        return pa.field(name, kind, nullable=nullable, metadata={"description": description})

    text = pa.string()
    return pa.schema(
        [
            field(
                "previous_date",
                pa.date32(),
                "Day the model was compared with: the latest earlier one on which it was not in quarantine",
                nullable=False,
            ),
            field("model_id", text, "Identifier of the model, the new one when it changed", nullable=False),
            field("name", text, "Name of the model, the new one when it changed", nullable=False),
            field("change", text, "Kind of change", nullable=False),
            field("field", text, "Column that changed, or extra.<key>; null for a whole model"),
            field("old_value", text, "Value before, as text; null: not published"),
            field("new_value", text, "Value now, as text; null: not published"),
            field(
                "pct",
                pa.float64(),
                "100 * (new - old) / old; null for what is no number, from or to null, and from 0",
            ),
            field("direction", text, "up or down, of numbers; null from or to null"),
        ]
    )


def _check(frame: pl.DataFrame) -> str | None:
    if not {"change", "field"} <= set(frame.columns):
        return None
    without_field = pl.col("change").is_in(_WITHOUT_FIELD)
    wrong = frame.filter(without_field == pl.col("field").is_not_null())
    if wrong.is_empty():
        return None
    return f"a row of {wrong['change'][0][:40]} has the field {wrong['field'][0]!r}"


CHANGES_KIND: Final = FileKind("changes file", changes_schema, 4_000_000, 100_000, 8, check=_check)
"""A model can have forty changes a day that differ in their fields only."""
