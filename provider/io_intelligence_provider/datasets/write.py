"""Parquet files written group by group and put in place in one step."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.datasets.find import storage_failure
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.storage.location import storage_of

_NO_OBJECT_STORES: Final = frozenset({"sftp", "ssh", "ftp", "hdfs", "arrow_hdfs", "webhdfs", "smb", "nfs"})
"""Protocols where a reader could see half an upload: a rename commits there."""

__all__ = ["ParquetTarget", "RefusedRow", "quarantine_schema", "quarantine_table"]


@dataclass(frozen=True)
class RefusedRow:
    """A row for the quarantine.

    :param row: its position in the file, from 0; ``None`` where rows have none, as on Spark.
    :param failures: check, column, value and message of every reason.
    """

    record: str
    failures: tuple[tuple[str, str | None, str | None, str], ...]
    file: str | None
    row: int | None


def quarantine_schema() -> pa.Schema:
    """Return the Arrow schema of a quarantine file."""
    text = pa.string()
    failure = pa.struct([("check", text), ("column", text), ("value", text), ("message", text)])
    return pa.schema(
        [
            pa.field("record", text, nullable=False),
            ("failures", pa.list_(failure)),
            ("file", text),
            ("row", pa.int64()),
            pa.field("run_id", text, nullable=False),
            pa.field("checked_at", pa.timestamp("us", tz="UTC"), nullable=False),
        ]
    )


def quarantine_table(rows: Sequence[RefusedRow], run_id: str, checked_at: datetime) -> pa.Table:
    """Return refused rows as a table."""
    names = ("check", "column", "value", "message")
    return pa.Table.from_pylist(
        [
            {
                "record": row.record,
                "failures": [dict(zip(names, failure, strict=True)) for failure in row.failures],
                "file": row.file,
                "row": row.row,
                "run_id": run_id,
                "checked_at": checked_at,
            }
            for row in rows
        ],
        schema=quarantine_schema(),
    )


class ParquetTarget:
    """A Parquet file that is written beside its place and moved there by :meth:`commit`.

    On disk the temporary file lies in the same folder and is renamed; elsewhere it is uploaded whole, which
    an object store commits in one step. What is not committed is removed.

    :param path: where it will be.
    """

    def __init__(self, path: str, filesystem: Any = None) -> None:
        storage = storage_of(path, filesystem)
        self._filesystem, self._key, self._is_local = storage
        self.path = storage.url(storage.key)
        self._temporary: Path | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)

    @property
    def schema(self) -> pa.Schema | None:
        """What is written, once something was."""
        return self._writer.schema if self._writer is not None else None

    def write(self, table: pa.Table) -> None:
        """Append a table; the first one settles the schema."""
        try:
            if self._writer is None:
                self._temporary = self._new_file()
                self._writer = pq.ParquetWriter(self._temporary, table.schema, compression="zstd")
            if table.num_rows:
                self._writer.write_table(table.cast(self._writer.schema))
        except OSError as error:
            raise self._failed(error) from None

    def _new_file(self) -> Path:
        if not self._is_local:
            descriptor, name = tempfile.mkstemp(suffix=".parquet")
            os.close(descriptor)
            return Path(name)
        place = Path(self._key)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place.with_name(f".{place.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")

    def _close(self) -> None:
        if self._writer is not None and self._writer.is_open:
            self._writer.close()

    def commit(self) -> str:
        """Put the file in its place and return that.

        :raises StorageError: when it cannot be written there.
        """
        if self._temporary is None:
            raise RuntimeError("nothing was written")
        self._close()
        try:
            if self._is_local:
                with self._temporary.open("rb") as handle:
                    os.fsync(handle.fileno())
                self._temporary.replace(self._key)
            else:
                self._upload(str(self._temporary))
        except Exception as error:  # noqa: BLE001 - libraries raise anything; it goes on as one of ours
            raise self._failed(error) from None
        return self.path

    def _upload(self, temporary: str) -> None:
        protocol = self._filesystem.protocol
        if not _NO_OBJECT_STORES & ({protocol} if isinstance(protocol, str) else set(protocol)):
            self._filesystem.put_file(temporary, self._key)
            return
        folder, _, name = self._key.rpartition("/")
        partial = f"{folder}/.{name}.{secrets.token_hex(4)}.tmp"
        self._filesystem.makedirs(folder, exist_ok=True)
        try:
            self._filesystem.put_file(temporary, partial)
            self._filesystem.mv(partial, self._key)
        except BaseException:
            if self._filesystem.exists(partial):
                self._filesystem.rm_file(partial)
            raise

    def _failed(self, error: Exception) -> StorageError:
        return storage_failure("write", self.path, error, self._filesystem)
