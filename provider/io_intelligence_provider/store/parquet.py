"""One Parquet file of a store, with errors that name it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError
from io_intelligence_provider.quality.contract import arrow_schema
from io_intelligence_provider.store.files import Files

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["chosen_columns", "no_rows", "open_parquet", "read_parquet"]


@contextmanager
def open_parquet(files: Files, path: str) -> Iterator[Any]:
    """Open a file as a :class:`pyarrow.parquet.ParquetFile`.

    :raises NotOnFileError: when it is not there.
    :raises StorageError: when it, or what is read of it, is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = files.source(path)
    try:
        with pq.ParquetFile(source) as file:
            yield file
    except FileNotFoundError:
        raise NotOnFileError(f"Not on file: {files.url(path)}") from None
    except (pa.ArrowException, OSError) as error:
        raise StorageError(
            f"{files.url(path)} is no readable Parquet file: {error}. Restore it or delete it."
        ) from error


def read_parquet(files: Files, path: str, chosen: pa.Schema | None = None) -> pa.Table:
    """Read a file as it is, or columns of it with its metadata; a column that is newer than the file is null.

    :raises NotOnFileError: when it is not there.
    :raises StorageError: when it is damaged, or a column holds another type.
    """
    import pyarrow as pa

    with open_parquet(files, path) as file:
        table: pa.Table = file.read(None if chosen is None else chosen.names)
    metadata = _texts(table.schema.metadata)
    if chosen is None:
        return table.replace_schema_metadata(metadata)
    columns = [
        table[field.name] if field.name in table.column_names else pa.nulls(table.num_rows, field.type)
        for field in chosen
    ]
    try:
        # Not `pa.table` alone: only a cast minds a null where there must be none.
        return pa.table(columns, names=chosen.names).cast(chosen).replace_schema_metadata(metadata)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise StorageError(f"{files.url(path)} is no file of this store: {error}.") from error


def _texts(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Return the entries that are texts: polars panics at any other."""
    return {key: value for key, value in (metadata or {}).items() if _is_text(key) and _is_text(value)}


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def chosen_columns(columns: Iterable[str]) -> pa.Schema:
    """Return the schema of some columns of ``models.parquet``, in that order.

    :raises ConfigurationError: when there is no such column, or one is named twice.
    """
    import pyarrow as pa

    schema, columns = arrow_schema(), list(columns)
    for name in columns:
        if columns.count(name) > 1:
            raise ConfigurationError(f"The column {name!r} is asked for twice.")
        if name not in schema.names:
            raise ConfigurationError(f"There is no column {name!r}. Columns are: {', '.join(schema.names)}.")
    return pa.schema([schema.field(name) for name in columns])


def no_rows(schema: pa.Schema) -> pa.Table:
    """Return an empty table. Not ``empty_table``: that makes arrays, which imports pandas, for a second."""
    import pyarrow as pa

    return pa.Table.from_batches([], schema)
