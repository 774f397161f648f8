"""Reading with polars what polars judges: twice as fast as by way of Arrow, where both see the same."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["native_groups", "read_native"]


def native_groups(parquet: pq.ParquetFile, schema: pa.Schema, step: int) -> list[tuple[int, int]]:
    """Return the stretches of rows, made of whole row groups, that polars can read one by one.

    None when it cannot: a column is of a type that polars and Arrow may see differently, or a row group is so
    large that it has to be read in parts, which polars would decode as often as there are parts.
    """
    if not all(_is_plain(field.type) for field in schema):
        return []
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


def read_native(path: str, start: int, stop: int) -> pl.DataFrame:
    """Read some rows of a file."""
    try:
        return pl.scan_parquet(path, hive_partitioning=False, glob=False).slice(start, stop - start).collect()
    except pl.exceptions.PolarsError as error:
        raise OSError(str(error)) from error
