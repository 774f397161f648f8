"""Reads a data set (Parquet files, or a table in memory) in batches of a bounded number of bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from typing import Any, Final, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.errors import ConfigurationError, StorageError
from io_intelligence_provider.quality.files import (
    Found,
    partition_types,
    with_partitions,
)
from io_intelligence_provider.quality.frames import readable, refuse_columns
from io_intelligence_provider.quality.prepare import Prepared
from io_intelligence_provider.storage.parquet import no_rows, open_any

__all__ = [
    "Batch",
    "Files",
    "InMemory",
    "Source",
    "float_columns",
    "native_groups",
    "open_files",
    "read_all_rows",
    "read_native",
    "wanted_floats",
]


_PIECE_BYTES: Final = 64 * 2**20
"""Uncompressed bytes validated at a time."""
_MOST_ROWS: Final = 1_048_576
_FEWEST_ROWS: Final = 8_192


class Source(Protocol):
    """Rows that can be read more than once.

    :param schema: the schema of every batch.
    :param differing: files whose columns differ from those of the first, with the difference;
        ``None``: unknown.
    :param with_nulls: names of the columns that hold a null; may be too many, never too few.
    """

    schema: pa.Schema
    rows: int
    bytes: int
    differing: Sequence[dict[str, str]] | None

    @property
    def files(self) -> int: ...

    def batches(self, columns: Sequence[str] | None = None, *, native: bool = False) -> Iterator[Batch]:
        """Yield the rows in order; yields nothing for a data set without rows.

        :param native: the rows are validated as polars frames, so they may be read as such.
        """

    def with_nulls(self) -> frozenset[str]: ...


@dataclass
class InMemory:
    """A table as a data set."""

    table: pa.Table
    files: int = 0
    differing: Sequence[dict[str, str]] | None = ()

    def __post_init__(self) -> None:
        self.schema = self.table.schema
        self.rows = self.table.num_rows
        self.bytes = self.table.nbytes

    def batches(self, columns: Sequence[str] | None = None, *, native: bool = False) -> Iterator[Batch]:  # noqa: ARG002
        """Yield the table's rows in slices."""
        table = self.table if columns is None else self.table.select(list(columns))
        step = _rows_at_a_time(self.rows, self.bytes)
        for first in range(0, self.rows, step):
            yield Batch(table.slice(first, step), "", first, first)

    def with_nulls(self) -> frozenset[str]:
        """Return the columns that hold a null."""
        return frozenset(name for name in self.table.column_names if self.table[name].null_count)


@dataclass
class Files:
    """Parquet files as one data set: one schema, with the folders' partitions as columns."""

    found: Found
    schema: pa.Schema
    rows: int
    bytes: int
    differing: Sequence[dict[str, str]] | None
    _nulls: frozenset[str] = field(default=frozenset())
    _decoded: int = 0

    @property
    def files(self) -> int:
        """The number of files."""
        return len(self.found.files)

    def batches(self, columns: Sequence[str] | None = None, *, native: bool = False) -> Iterator[Batch]:
        """Yield the rows of all files in batches of bounded size, independent of the row groups."""
        target = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        step, offset = _rows_at_a_time(self.rows, max(self.bytes, self._decoded)), 0
        for file in self.found.files:
            first = 0
            with open_any(self.found.storage, file.key, file.path) as parquet, _naming_the_damage(parquet):
                groups = native_groups(parquet, self.schema, step) if self._as_it_is(columns, native) else []
                for start, stop in groups:
                    frame = read_native(file.path, start, stop).select(self.schema.names)
                    yield Batch.of_frame(frame, self.schema, file.path, start, offset + start)
                if groups:
                    offset += groups[-1][1]
                    continue
                there = set(parquet.schema_arrow.names)
                wanted = None if columns is None else [name for name in columns if name in there]
                for batch in parquet.iter_batches(step, columns=wanted):
                    table = with_partitions(pa.Table.from_batches([batch]), file.partitions, target)
                    yield Batch(table, file.path, first, offset)
                    first += batch.num_rows
                    offset += batch.num_rows

    def _as_it_is(self, columns: Sequence[str] | None, native: bool) -> bool:
        """Return whether polars can read each file directly: all its columns, and no others."""
        partitioned = any(file.partitions for file in self.found.files)
        return (
            native
            and columns is None
            and self.found.storage.is_local
            and not partitioned
            and not self.differing
        )

    def with_nulls(self) -> frozenset[str]:
        """Return the columns that hold a null according to the files' statistics."""
        return self._nulls


def open_files(found: Found) -> Files:
    """Read the footers of all files and merge their schemas.

    Integers and floats of different width are widened, and a column that a file lacks is null there. Files
    that differ from the first are named in ``differing``.

    :raises StorageError: when a file is not Parquet, or the schemas cannot be merged.
    """
    schemas, rows, size, decoded, differing = [], 0, 0, 0, []
    nulls: set[str] = set()
    for file in found.files:
        with open_any(found.storage, file.key, file.path) as parquet:
            metadata = parquet.metadata
            schemas.append(refuse_columns(readable(parquet.schema_arrow), file.path))
            rows += metadata.num_rows
            size += sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
            decoded += _decoded_bytes(metadata)
            nulls |= _columns_with_nulls(metadata)
        if what := _difference(schemas[0], schemas[-1]):
            differing.append({"file": file.path, "message": what})
            nulls |= set(schemas[0].names) ^ set(schemas[-1].names)
    try:
        schema = pa.unify_schemas(_without_dictionaries(schemas), promote_options="permissive")
        schema = refuse_columns(schema.with_metadata(schemas[0].metadata), f"The data set {found.path}")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StorageError(
            f"The files of {found.path} cannot be read as one data set: {error}. "
            f"{differing[0]['file']} differs from the first. Check them apart."
        ) from error
    for name, dtype in partition_types(found.files).items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, dtype))
            nulls.add(name)
    return Files(found, schema, rows, size, tuple(differing), frozenset(nulls), decoded)


def _without_dictionaries(schemas: Sequence[pa.Schema]) -> list[pa.Schema]:
    """Return the schemas, with the values' type for a column that only some files file as a dictionary."""
    types: dict[str, set[pa.DataType]] = {}
    for schema in schemas:
        for column in schema:
            types.setdefault(column.name, set()).add(column.type)

    def plain(column: pa.Field) -> pa.Field:
        mixed = len(types[column.name]) > 1 and pa.types.is_dictionary(column.type)
        return column.with_type(column.type.value_type) if mixed else column

    return [pa.schema([plain(column) for column in schema]) for schema in schemas]


def _rows_at_a_time(rows: int, size: int) -> int:
    per_row = max(1, size // rows) if rows else 1
    return min(_MOST_ROWS, max(_FEWEST_ROWS, _PIECE_BYTES // per_row))


_WIDTHS: Final = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "FIXED_LEN_BYTE_ARRAY": 16}
_OTHER_WIDTH: Final = 8
_NO_BOUNDS: Final = 4_096
"""Bytes of a text without statistics, which writers leave out where texts are longer."""


def _decoded_bytes(metadata: pq.FileMetaData) -> int:
    """Return about how many bytes the rows of a file take in memory.

    A dictionary holds a value once that a million rows repeat, so that the size in the file says little.
    """
    total = 0
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            width = _WIDTHS.get(column.physical_type, _OTHER_WIDTH)
            if column.physical_type == "BYTE_ARRAY" and column.has_dictionary_page:
                bounds = column.statistics
                width = _NO_BOUNDS
                if bounds is not None and (bounds.has_min_max or bounds.null_count == column.num_values):
                    width = max(len(bounds.min_raw or b""), len(bounds.max_raw or b""))
            total += max(column.total_uncompressed_size, column.num_values * width)
    return total


def _difference(first: pa.Schema, other: pa.Schema) -> str | None:
    if missing := sorted(set(first.names) - set(other.names)):
        return f"lacks the column {', '.join(missing)}"
    if further := sorted(set(other.names) - set(first.names)):
        return f"has the further column {', '.join(further)}"
    changed = [name for name in first.names if first.field(name).type != other.field(name).type]
    if changed:
        name = changed[0]
        return f"has {name} as {other.field(name).type}, the first file as {first.field(name).type}"
    return None


def _columns_with_nulls(metadata: pq.FileMetaData) -> set[str]:
    names: set[str] = set()
    for index, name in enumerate(_top_level_names(metadata)):
        for group in range(metadata.num_row_groups):
            statistics = metadata.row_group(group).column(index).statistics
            if statistics is None or not statistics.has_null_count or statistics.null_count:
                names.add(name)
                break
    return names


def _top_level_names(metadata: pq.FileMetaData) -> list[str]:
    """Return for each leaf of a file the name of its column, which may itself hold dots.

    Beside a column ``a`` there may be a column ``a.b``: a leaf is of the longest name that fits. That is the
    greatest, as each of them begins with the shorter ones.
    """
    columns = metadata.schema.to_arrow_schema().names
    leaves = [metadata.schema.column(index).path for index in range(metadata.num_columns)]
    return [
        max((name for name in columns if f"{leaf}.".startswith(f"{name}.")), default=leaf) for leaf in leaves
    ]


def native_groups(parquet: pq.ParquetFile, schema: pa.Schema, step: int) -> list[tuple[int, int]]:
    """Return the ranges of rows, made of whole row groups, that polars can read one by one.

    The list is empty when a column has a type that polars and Arrow may read differently, or when a row group
    has to be read in parts: polars would decode the whole group for each part.
    """
    if not all(_is_plain(field.type) for field in schema):
        return []
    if any(pa.types.is_timestamp(one.type) and one not in schema for one in parquet.schema_arrow):
        return []  # of a zone that polars does not have
    stretches: list[tuple[int, int]] = []
    start = stop = 0
    for index in range(parquet.metadata.num_row_groups):
        rows = parquet.metadata.row_group(index).num_rows
        if rows > 2 * step:
            return []
        if stop > start and stop - start + rows > step:
            stretches.append((start, stop))
            start = stop
        stop += rows
    return [*stretches, (start, stop)] if stop > start else stretches


def _is_plain(dtype: pa.DataType) -> bool:
    return any(
        known(dtype)
        for known in (
            pa.types.is_integer,
            pa.types.is_float32,
            pa.types.is_float64,
            pa.types.is_boolean,
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_date32,
            pa.types.is_timestamp,
        )
    )


@contextmanager
def _naming_the_damage(parquet: pq.ParquetFile) -> Iterator[None]:
    """Add the row group and the column to an error of reading a file.

    :raises OSError: with both, as far as they can be found.
    """
    try:
        yield
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise OSError(f"{_damage(parquet)}{error}") from error


def _damage(parquet: pq.ParquetFile) -> str:
    """Return the first row group and column of a file that cannot be read, one by one."""
    for group in range(parquet.metadata.num_row_groups):
        for name in parquet.schema_arrow.names:
            try:
                parquet.read_row_group(group, columns=[name])
            except (OSError, pa.ArrowException):
                return f"row group {group}, column {name!r}: "
    return ""


def read_native(path: str, start: int, stop: int) -> pl.DataFrame:
    """Read a range of rows of a file as a polars frame."""
    return pl.scan_parquet(path, hive_partitioning=False, glob=False).slice(start, stop - start).collect()


class Batch:
    """Rows of one file that are checked together.

    :param table: the rows.
    :param file: the file's name; empty for a table in memory.
    :param first: position of the first row in that file; negative where rows have no position.
    :param offset: position of the first row in the data set.
    :param parts: for rows of several files, the first row of each part, its file and its position there.
    """

    def __init__(
        self,
        table: pa.Table | None,
        file: str,
        first: int,
        offset: int,
        parts: Sequence[tuple[int, str, int]] = (),
    ) -> None:
        self._table = table
        self._parts = parts or ((0, file, first),)
        self._schema: pa.Schema | None = None
        self.frame: pl.DataFrame | None = None
        self.file, self.first, self.offset = file, first, offset

    @classmethod
    def of_frame(cls, frame: pl.DataFrame, schema: pa.Schema, file: str, first: int, offset: int) -> Batch:
        """Make a batch of a frame. It is converted to a table on first use, which most batches never need."""
        batch = cls(None, file, first, offset)
        batch.frame, batch._schema = frame, schema
        return batch

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.table.num_rows) if self.frame is None else self.frame.height

    def locate(self, row: int) -> tuple[str | None, int | None]:
        """Return the file of a row and the row's position in it, ``None`` where it has none."""
        start, file, first = self._parts[bisect_right(self._parts, row, key=itemgetter(0)) - 1]
        return file or None, None if first < 0 else first + row - start

    @cached_property
    def table(self) -> pa.Table:
        """The rows as a table."""
        if self.frame is None:
            return self._table
        table: Any = self.frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        return table.cast(self._schema)


_COPIES: Final = 3
"""The table, the frame made of it, and pandera's copy of that."""


def read_all_rows(source: Source, limit: int, path: str, reasons: Sequence[str]) -> Batch:
    """Read all rows of a data set as one batch.

    :param limit: bytes that validation may use: three times the size of the rows as an Arrow table.
    :param reasons: why all rows are needed.
    :raises ConfigurationError: when the rows do not fit.
    """
    tables, parts, size = [], [], 0
    if source.bytes > limit:
        raise _too_large(source, source.bytes, limit, path, reasons)
    for batch in source.batches():
        tables.append(batch.table)
        parts.append((batch.offset, batch.file, batch.first))
        size += batch.table.nbytes
        if size * _COPIES > limit:
            whole = size * _COPIES * source.rows // max(1, batch.offset + batch.rows)
            raise _too_large(source, whole, limit, path, reasons)
    return Batch(pa.concat_tables(tables) if tables else no_rows(source.schema), "", 0, 0, parts)


def _too_large(
    source: Source, size: int, limit: int, path: str, reasons: Sequence[str]
) -> ConfigurationError:
    named = ", ".join(reasons[:3]) + (f" and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return ConfigurationError(
        f"{path} has to be validated in one batch, because {named} may look at all rows. Its "
        f"{source.rows} rows need about {size / 2**20:,.0f} MiB, memory_limit is {limit / 2**20:,.0f} MiB. "
        "Declare a check that looks at one value at a time element_wise=True or use a built-in one, check a "
        "part of the data at a time, or raise memory_limit."
    )


def wanted_floats(prepared: Prepared, source: Source) -> frozenset[str]:
    """Return the integer columns with nulls that a pandas schema wants as floats."""
    return float_columns(prepared, source.schema) & source.with_nulls()


def float_columns(prepared: Prepared, schema: pa.Schema) -> frozenset[str]:
    """Return the integer columns that a pandas schema wants as floats, or that its parsers get as floats."""
    if prepared.loaded.backend != "pandas":
        return frozenset()
    parsed = bool(getattr(prepared.schema, "parsers", None))

    def is_float(name: str) -> bool:
        column = prepared.column_of(name)
        return parsed if column is None else str(column.dtype) == "float64"

    return frozenset(
        field.name for field in schema if pa.types.is_integer(field.type) and is_float(field.name)
    )
