"""Writes refused records to Parquet without keeping them all in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.contract.records import RefusedRecord
from io_intelligence_provider.errors import UnreadableFileError
from io_intelligence_provider.quality.quarantine import failures_type
from io_intelligence_provider.quality.results_store import TaskRun
from io_intelligence_provider.storage.digest import with_digest
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.parquet import FileKind, no_rows, open_parquet

__all__ = ["QUARANTINE_KIND", "QuarantineFile", "quarantine_schema", "task_of_run"]


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


_TASK: Final = b"io_intelligence.task"


def task_of_run(files: Files, path: str) -> TaskRun | None:
    """Return the task instance of the run that wrote a quarantine file, ``None`` for a run outside Airflow.

    :raises NotOnFileError: when the file does not exist.
    :raises UnreadableFileError: when it is damaged.
    """
    with open_parquet(files, path, QUARANTINE_KIND) as file:
        data = (file.schema.metadata or {}).get(_TASK)
    try:
        return data and msgspec.json.decode(data, type=TaskRun)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"{files.url(path)} names no task: {error}") from None


class QuarantineFile:
    """Collects refused records in a temporary Parquet file, with one batch in memory at a time.

    :param task: the task instance of the run. It goes to the file's metadata, because every run has this
        file, and the published form of the report has no place for it.
    """

    def __init__(self, snapshot_id: str, fetched_at: datetime, task: TaskRun | None = None) -> None:
        self._snapshot_id = snapshot_id
        self._fetched_at = fetched_at
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the writer
        metadata = None if task is None else {_TASK: msgspec.json.encode(task)}
        schema = quarantine_schema().with_metadata(metadata)
        self._writer = pq.ParquetWriter(self._file, schema, compression="zstd")
        self._is_empty = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self._file.close()

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
        self._writer.write_table(pa.Table.from_pylist(rows, schema=quarantine_schema()))
        self._is_empty = False

    def finish(self) -> bytes:
        """Close the file and return it."""
        if self._is_empty:  # pyarrow before 19.0.1 cannot read a file without a row group
            self._writer.write_table(no_rows(quarantine_schema()))
            self._is_empty = False
        self._writer.close()
        self._file.seek(0)
        return with_digest(self._file.read())
