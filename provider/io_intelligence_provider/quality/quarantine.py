"""Writes refused rows and valid rows as Parquet files, group by group, put in place in one step."""

from __future__ import annotations

import base64
import math
import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.json_text import dump_json
from io_intelligence_provider.quality.files import storage_failure
from io_intelligence_provider.storage.location import storage_of
from io_intelligence_provider.text import cut

__all__ = [
    "ParquetTarget",
    "RefusedRow",
    "plain_rows",
    "quarantine_schema",
    "quarantine_table",
    "record_text",
    "value_text",
]


_NO_OBJECT_STORES: Final = frozenset({"sftp", "ssh", "ftp", "hdfs", "arrow_hdfs", "webhdfs", "smb", "nfs"})
"""Protocols where a reader could see half an upload: a rename commits there."""


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


_LONGEST = 500  # characters; the record holds the whole value


def plain_rows(table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Return some rows as dicts of what JSON can hold.

    Numbers keep their digits, what is no number is ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``; times are
    ISO 8601, durations seconds, bytes Base64.
    """
    chosen = table.take(pa.array(rows, pa.int64()))
    columns = {name: [_plain(value) for value in _values(chosen[name])] for name in chosen.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python's own datetime ends at microseconds; the text keeps every digit.
        return [
            None if text is None else text.replace(" ", "T", 1)
            for text in column.cast(pa.string()).to_pylist()
        ]
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        raw = column.cast(pa.binary()).to_pylist()
        values = [None if item is None else item.decode("utf-8", "backslashreplace") for item in raw]
    return values


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, (float, Decimal)):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def record_text(row: dict[str, Any]) -> str:
    """Return a plain row as ASCII JSON."""
    return dump_json(row)


def value_text(value: Any) -> str | None:
    """Return a plain value as text: a string as it is, anything else as JSON; ``None`` for null."""
    if value is None:
        return None
    return cut(value if isinstance(value, str) else dump_json(value), _LONGEST)
