"""Reading a data set in one piece, for the checks that look at all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from io_intelligence_provider.datasets.prepare import Prepared
from io_intelligence_provider.datasets.source import Source
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.storage.parquet import no_rows

__all__ = ["float_columns", "read_whole", "wanted_floats"]

_COPIES: Final = 3
"""The table, the frame made of it, and what pandera copies of that."""


def read_whole(source: Source, limit: int, path: str, reasons: Sequence[str]) -> pa.Table:
    """Read all rows of a data set.

    :param limit: bytes that the judging may take: three times what the rows take as an Arrow table.
    :param reasons: why all rows are needed.
    :raises ConfigurationError: when they do not fit.
    """
    tables, size = [], 0
    if source.bytes > limit:
        raise _too_large(source, source.bytes, limit, path, reasons)
    for piece in source.pieces():
        tables.append(piece.table)
        size += piece.table.nbytes
        if size * _COPIES > limit:
            whole = size * _COPIES * source.rows // max(1, piece.offset + piece.rows)
            raise _too_large(source, whole, limit, path, reasons)
    return pa.concat_tables(tables) if tables else no_rows(source.schema)


def _too_large(
    source: Source, size: int, limit: int, path: str, reasons: Sequence[str]
) -> ConfigurationError:
    named = ", ".join(reasons[:3]) + (f" and {len(reasons) - 3} more" if len(reasons) > 3 else "")
    return ConfigurationError(
        f"{path} has to be judged in one piece, because {named} may look at all rows. Its {source.rows} rows "
        f"need about {size / 2**20:,.0f} MiB, memory_limit is {limit / 2**20:,.0f} MiB. Declare a check that "
        "looks at one value at a time element_wise=True or use a built-in one, check a part of the data at a "
        "time, or raise memory_limit."
    )


def wanted_floats(prepared: Prepared, source: Source) -> frozenset[str]:
    """Return the integer columns with nulls that a pandas schema wants as floats."""
    return float_columns(prepared, source.schema) & source.with_nulls()


def float_columns(prepared: Prepared, schema: pa.Schema) -> frozenset[str]:
    """Return the integer columns that a pandas schema wants as floats."""
    if prepared.loaded.backend != "pandas":
        return frozenset()
    columns: Any = prepared.schema.columns
    return frozenset(
        field.name
        for field in schema
        if pa.types.is_integer(field.type)
        and field.name in columns
        and str(columns[field.name].dtype) == "float64"
    )
