"""One committed snapshot, held open: its columns one by one, and whom its run refused."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.quality.contract import COLUMN_BY_NAME, arrow_schema
from io_intelligence_provider.store.info import info_of
from io_intelligence_provider.store.layout import models_path, quarantine_path
from io_intelligence_provider.store.parquet import read_parquet
from io_intelligence_provider.store.store import SnapshotStore

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Day", "open_parquet"]

_TRIES: Final = 5
"""Openings before giving up: each further one means another commit in between."""


class Day:
    """A snapshot as of the moment it was opened: a commit after that does not show through.

    Only what is asked for is read, so that comparing takes the memory of a column, not of a catalogue.
    On an object store the file is held as its compressed bytes.

    :param refused: ``model_id`` and ``name`` of the refused records; one that has neither is left out.
    """

    def __init__(self, day: date, snapshot_id: str, shape: WireShape, parquet: Any, refused: pl.DataFrame):
        self.day = day
        self.snapshot_id = snapshot_id
        self.shape = shape
        self.refused = refused
        self._parquet = parquet

    @classmethod
    def open(cls, store: SnapshotStore, day: date) -> Self:
        """Open the snapshot of a date with the quarantine of the same run.

        :raises NotOnFileError: when that date has no snapshot.
        :raises StorageError: when a file cannot be read, or the quarantine of the snapshot is missing:
            without it a refused model would look removed.
        """
        seen = None
        for _ in range(_TRIES):
            parquet = open_parquet(store, models_path(day))
            try:
                info = info_of(parquet.schema_arrow, store.files.url(models_path(day)))
                refused = _refused(store, quarantine_path(day, info.snapshot_id))
                return cls(day, info.snapshot_id, WireShape(info.wire_shape), parquet, refused)
            except NotOnFileError:
                # A run that commits in between deletes the evidence of the one it supersedes.
                parquet.close()
                if info.snapshot_id == seen:
                    break
                seen = info.snapshot_id
            except BaseException:
                parquet.close()
                raise
        raise StorageError(f"The quarantine of snapshot {seen} of {day} is missing in {store.files.url('')}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was read stays."""
        self._parquet.close()

    @cached_property
    def keys(self) -> pl.DataFrame:
        """``row`` (position in the file), ``model_id`` and ``name`` of every model."""
        import polars as pl

        return pl.DataFrame([self.column("model_id"), self.column("name")]).with_row_index("row")

    def has(self, name: str) -> bool:
        """Tell whether the file has a column of today's: one that was written before it existed has not."""
        return name in COLUMN_BY_NAME and name in self._parquet.schema_arrow.names

    def column(self, name: str) -> pl.Series:
        """Read one column, as the type that it has today.

        :raises StorageError: when the file does not have it, or with values of another type. Ask :meth:`has`
            first where a file may be older than the column.
        """
        import polars as pl
        import pyarrow as pa

        if not self.has(name):
            raise StorageError(f"The models file of {self.day} has no column {name}.")
        try:
            return pl.Series(name, self._parquet.read([name])[name].cast(arrow_schema().field(name).type))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise StorageError(
                f"The column {name} of the models file of {self.day} cannot be read: {error}. Restore it."
            ) from error


def open_parquet(store: SnapshotStore, path: str) -> Any:
    """Open a Parquet file of the store.

    :raises NotOnFileError: when it is not there.
    :raises StorageError: when it is no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Neither mapped nor pre-buffered: what is in memory is the column being read.
        return pq.ParquetFile(store.files.source(path))
    except pa.ArrowException as error:
        raise StorageError(f"{store.files.url(path)} is no readable Parquet file: {error}.") from error


def _refused(store: SnapshotStore, path: str) -> pl.DataFrame:
    import polars as pl
    import pyarrow as pa

    keys = pa.schema([("model_id", pa.string()), ("name", pa.string())])
    frame = pl.DataFrame(read_parquet(store.files, path, keys))
    return frame.filter(pl.col("model_id").is_not_null() | pl.col("name").is_not_null())
