"""Opens one committed snapshot, to read its columns one by one, and the models its run refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from typing import Final, Self

import polars as pl
import pyarrow as pa

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.values import extra_texts
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME
from io_intelligence_provider.errors import NotOnFileError, StorageError, UnreadableFileError
from io_intelligence_provider.storage.parquet import CheckedFile, open_parquet, read_parquet
from io_intelligence_provider.store.layout import models_path, quarantine_path
from io_intelligence_provider.store.models_file import MODELS_KIND, chosen_columns, info_of
from io_intelligence_provider.store.quarantine import QUARANTINE_KIND
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["Day", "UnreadableDayError"]

_TRIES: Final = 5
"""Attempts to open a day; each further one means that another commit came in between."""
_ROWS_READ_AT_ONCE: Final = 8_192


class Day:
    """Holds a snapshot as of the moment it was opened; later commits do not change it.

    Columns are read one at a time, so that a comparison takes the memory of a column, not of a catalogue.
    A file of up to 8,192 models is read at once, because forty reads take longer than one. On an object store
    the file is held as its compressed bytes.

    :param refused: ``model_id`` and ``name`` of the refused records that have at least one of them.
    """

    def __init__(
        self, day: date, snapshot_id: str, shape: WireShape, parquet: CheckedFile, refused: pl.DataFrame
    ):
        self.day = day
        self.snapshot_id = snapshot_id
        self.shape = shape
        self.refused = refused
        self._parquet = parquet

    @classmethod
    def open(cls, store: SnapshotStore, day: date) -> Self:
        """Open the snapshot of a date with the quarantine of the same run.

        :raises NotOnFileError: when that date has no snapshot.
        :raises UnreadableDayError: when a file is damaged, or the quarantine of the snapshot is missing:
            without it a refused model would look removed.
        :raises StorageError: when the storage does not answer.
        """
        seen = None
        for _ in range(_TRIES):
            with _of(day):
                parquet = open_parquet(store.files, models_path(day), MODELS_KIND)
            try:
                with _of(day):
                    info = info_of(parquet.schema, parquet.where)
                    refused = _refused(store, quarantine_path(day, info.snapshot_id))
                return cls(day, info.snapshot_id, WireShape(info.wire_shape), parquet, refused)
            except NotOnFileError:
                # A concurrent commit deletes the artifacts of the run it replaces.
                parquet.close()
                if info.snapshot_id == seen:
                    break
                seen = info.snapshot_id
            except BaseException:
                parquet.close()
                raise
        raise UnreadableDayError(
            f"The quarantine of snapshot {seen} of {day} is missing in {store.files.url('')}.", day
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; columns that were read remain available."""
        self._parquet.close()

    @cached_property
    def keys(self) -> pl.DataFrame:
        """Return ``row`` (position in the file), ``model_id`` and ``name`` of every model."""
        return pl.DataFrame([self.column("model_id"), self.column("name")]).with_row_index("row")

    def has(self, name: str) -> bool:
        """Return whether the file has a column; a file older than the column lacks it."""
        return name in COLUMN_BY_NAME and name in self._parquet.schema.names

    def column(self, name: str) -> pl.Series:
        """Read one column, converted to its current type.

        :raises StorageError: when the file lacks it: call :meth:`has` first where a file may be older than
            the column.
        :raises UnreadableDayError: when it is damaged.
        """
        if not self.has(name):
            raise StorageError(f"The models file of {self.day} has no column {name}.")
        with _of(self.day):
            if self._parquet.metadata.num_rows <= _ROWS_READ_AT_ONCE:
                return self._all_columns[name]
            return pl.Series(name, self._parquet.read(chosen_columns([name]))[name])

    @cached_property
    def _all_columns(self) -> pl.DataFrame:
        return pl.DataFrame(self._parquet.read())

    def extra_of(self, text: str | None) -> dict[str, str]:
        """Parse a value of the column ``extra``: see :func:`extra_texts`.

        :raises UnreadableDayError: when it is not a JSON object.
        """
        try:
            return extra_texts(text, self.shape)
        except (StorageError, RecursionError) as error:
            raise UnreadableDayError(f"{self._parquet.where}: {error} Restore it.", self.day) from error


class UnreadableDayError(UnreadableFileError):
    """Reports an unusable file of a day.

    :ivar day: the day.
    """

    def __init__(self, message: str, day: date) -> None:
        super().__init__(message)
        self.day = day


@contextmanager
def _of(day: date) -> Iterator[None]:
    """Add the day to the error of an unusable file."""
    try:
        yield
    except UnreadableFileError as error:
        raise UnreadableDayError(str(error), day) from error


def _refused(store: SnapshotStore, path: str) -> pl.DataFrame:
    keys = pa.schema([("model_id", pa.string()), ("name", pa.string())])
    frame = pl.DataFrame(read_parquet(store.files, path, QUARANTINE_KIND, keys))
    return frame.filter(pl.col("model_id").is_not_null() | pl.col("name").is_not_null())
