"""Writes a Parquet file table by table and moves it to its target atomically."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.storage.local import PendingFile
from io_intelligence_provider.storage.location import storage_of

__all__ = ["ParquetTarget"]


class ParquetTarget:
    """A Parquet file that is written to a temporary file until :meth:`commit`.

    For a local path the temporary file is in the same folder. For a remote path it is in the system's folder
    for temporary files, and is uploaded whole. Without a commit it is removed.

    :param path: the path of the final file.
    :param filesystem: an fsspec file system to use instead of the one that the path names.
    """

    def __init__(self, path: str, filesystem: Any = None) -> None:
        self._storage = storage_of(path, filesystem)
        self.path = self._storage.url(self._storage.key)
        self._opened = ExitStack()
        self._pending: PendingFile | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._close()
        finally:
            self._opened.close()

    @property
    def schema(self) -> pa.Schema | None:
        """The schema of the tables written so far, ``None`` before the first."""
        return self._writer.schema if self._writer is not None else None

    def write(self, table: pa.Table) -> None:
        """Append a table; the first one determines the schema.

        :raises StorageError: when it cannot be written.
        """
        try:
            if self._writer is None:
                self._pending = self._opened.enter_context(self._new_file())
                self._writer = pq.ParquetWriter(self._pending.path, table.schema, compression="zstd")
            if table.num_rows:
                self._writer.write_table(table.cast(self._writer.schema))
        except OSError as error:
            raise self._storage.failure("write", self.path, error) from None

    def _new_file(self) -> PendingFile:
        if self._storage.is_local:
            return PendingFile(Path(self._storage.key))
        folder = self._opened.enter_context(tempfile.TemporaryDirectory())
        return PendingFile(Path(folder, "data.parquet"))

    def _close(self) -> None:
        if self._writer is not None and self._writer.is_open:
            self._writer.close()

    def commit(self) -> str:
        """Move the file to its target and return the path.

        :raises StorageError: when it cannot be written there.
        """
        if self._pending is None:
            raise RuntimeError("nothing was written")
        source = str(self._pending.path)
        try:
            self._close()
            if self._storage.is_local:
                self._pending.replace()
            else:
                self._storage.put(
                    self._storage.key, lambda name: self._storage.filesystem.put_file(source, name)
                )
        except Exception as error:  # noqa: BLE001 - libraries raise anything; it goes on as one of ours
            raise self._storage.failure("write", self.path, error) from None
        return self.path
