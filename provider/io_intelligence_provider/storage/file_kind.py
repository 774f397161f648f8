"""Says what a kind of the store's files may be: columns, rows, and sizes for the bytes that a file has.

The limits keep a damaged or malicious file from using more memory than its kind needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

import polars as pl
import pyarrow as pa
from pyarrow import types

__all__ = ["FileKind", "problem_of_footer", "problem_of_rows", "unpacked_within"]


_MOST_COLUMNS: Final = 1_000
_MOST_ROW_GROUPS: Final = 4_096

_UNPACKED: Final = 1 << 30
"""Maximum bytes of all known columns of a file after decoding."""
_UNPACKED_FREE, _UNPACKED_PER_BYTE = 64 << 20, 200
"""Decoded bytes allowed for any file, and in addition per byte of it; real catalogues compress to a tenth."""

_VALUES_FREE, _VALUES_PER_BYTE = 1 << 20, 8
"""Values of one column, including list items: allowed for any file, and in addition per byte of it."""


@dataclass(frozen=True)
class FileKind:
    """The limits of one kind of file.

    :param schema: returns the current columns. Non-nullable ones are in every file.
    :param most_rows: the maximum number of rows.
    :param rows_free: rows that a file of any size may have.
    :param rows_per_byte: further rows allowed for each byte. Each model has a unique id, which takes more
        than a byte even after compression.
    :param required: further columns that every file has, and that are never null.
    :param check: returns what is wrong with a frame of some of the columns, or ``None``.
    """

    what: str
    schema: Callable[[], pa.Schema]
    most_rows: int
    rows_free: int
    rows_per_byte: float
    required: frozenset[str] = frozenset()
    check: Callable[[pl.DataFrame], str | None] | None = None

    def of_a_month(self, schema: Callable[[], pa.Schema]) -> FileKind:
        """Return the kind of a monthly file of these daily files, whose rows repeat from day to day."""
        return replace(
            self, what="month", schema=schema, most_rows=4_000_000, rows_free=100_000, rows_per_byte=8
        )

    def rows_within(self, size: int) -> int:
        """Return the maximum number of rows of a file of the given size."""
        return min(self.most_rows, max(self.rows_free, int(size * self.rows_per_byte)))


def problem_of_footer(file: Any, size: int, kind: FileKind) -> str | None:
    """Return what is wrong with the footer of a file of a kind, or ``None``.

    :param file: pyarrow's ``ParquetFile``.
    :param size: bytes of the whole file.
    """
    found, metadata = file.schema_arrow, file.metadata
    if metadata.num_columns > _MOST_COLUMNS or metadata.num_row_groups > _MOST_ROW_GROUPS:
        return f"it has {metadata.num_columns} columns and {metadata.num_row_groups} row groups"
    types: dict[str, pa.DataType] = {}
    for field in found:
        if field.name in types:
            return f"it has the column {field.name[:100]!r} twice"
        types[field.name] = field.type
    known = kind.schema()
    for field in known:
        if field.name not in types:
            if not field.nullable or field.name in kind.required:
                return f"it lacks the column {field.name}, so it is no {kind.what}"
        elif not _holds(types[field.name], field.type):
            return f"the column {field.name} is {types[field.name]}, not {field.type}"
    most = kind.rows_within(size)
    if not 0 <= metadata.num_rows <= most:
        return f"it has {metadata.num_rows} rows, and a {kind.what} of {size} bytes has at most {most}"
    return _problem_of_sizes(metadata, size, frozenset(known.names))


def _problem_of_sizes(metadata: Any, size: int, known: frozenset[str]) -> str | None:
    """Return what is wrong with the row groups' sizes of the known columns for a file of that size."""
    schema = metadata.schema
    paths = [schema.column(number).path for number in range(metadata.num_columns)]
    wanted = [number for number, path in enumerate(paths) if path.partition(".")[0] in known]
    rows, unpacked, values = 0, 0, dict.fromkeys(wanted, 0)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        rows += group.num_rows
        for column in wanted:
            chunk = group.column(column)
            if chunk.total_uncompressed_size < 0 or chunk.num_values < 0 or group.num_rows < 0:
                return "a size in its footer is negative"
            unpacked += chunk.total_uncompressed_size
            values[column] += chunk.num_values
    if rows != metadata.num_rows:
        return f"it announces {metadata.num_rows} rows, and its row groups have {rows}"
    most = unpacked_within(size)
    if unpacked > most:
        return f"it unpacks to {unpacked} bytes, and a file of {size} bytes has at most {most}"
    most = max(_VALUES_FREE, size * _VALUES_PER_BYTE)
    for column, count in values.items():
        if count > most:
            return f"the column {paths[column]} has {count} values; of {size} bytes it has at most {most}"
    return None


def unpacked_within(size: int) -> int:
    """Return the maximum decoded size of a file of the given size."""
    return min(_UNPACKED, max(_UNPACKED_FREE, size * _UNPACKED_PER_BYTE))


def _holds(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether a column of one type can be read as another; prices and flags need the exact type."""
    if found.equals(wanted):
        return True
    same = False
    if types.is_string(wanted):
        same |= types.is_large_string(found) or types.is_string_view(found)
    elif types.is_list(wanted):
        is_list = types.is_list(found) or types.is_large_list(found)
        same |= is_list and _holds(found.value_type, wanted.value_type)
    elif types.is_struct(wanted):
        if types.is_struct(found):  # a field that is newer than the file is null
            there = {field.name: field.type for field in found}
            shared = [field for field in wanted if field.name in there]
            same |= [*there] == [field.name for field in shared]
            same &= all(_holds(there[field.name], field.type) for field in shared)
    elif types.is_timestamp(wanted):
        same |= types.is_timestamp(found) and found.tz is not None
    elif types.is_int64(wanted):
        same |= types.is_integer(found) and not types.is_uint64(found)
    elif types.is_float64(wanted):
        same |= types.is_float32(found)
    return same


_DATES: Final = date(1, 1, 2), date(9999, 12, 30)
"""The dates that have a day before and after."""
_MOMENTS: Final = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""All that Python can represent: an API may serve the first of them, which is zero in Go, or the last."""


def problem_of_rows(frame: pl.DataFrame, kind: FileKind) -> str | None:
    """Return what is wrong with rows of files of a kind, or ``None``.

    :param frame: some of their columns, in the current types.
    """
    for name in sorted(kind.required.intersection(frame.columns)):
        if frame[name].null_count():
            return f"the column {name} has nulls"
    for column in frame.iter_columns():
        if column.dtype not in (pl.Date, pl.Datetime):
            continue
        if not column.drop_nulls().is_between(*(_DATES if column.dtype == pl.Date else _MOMENTS)).all():
            return f"the column {column.name} has moments outside the years 1 to 9999"
    return None if kind.check is None else kind.check(frame)
