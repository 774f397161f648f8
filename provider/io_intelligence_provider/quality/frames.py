"""Converts Arrow tables to the frames that a schema validates, and back."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.pandera_backend import Frame
from io_intelligence_provider.quality.prepare import Prepared

__all__ = ["frame_columns", "from_frame", "to_frame", "to_table"]


def to_frame(table: pa.Table, prepared: Prepared, floats: frozenset[str] = frozenset()) -> Frame:
    """Return a table as the frame that the schema validates, rows numbered from 0.

    :param floats: integer columns that hold a null somewhere in the data set. pandas reads such a column as
        floats, so it has to be one in every batch.
    """
    if prepared.loaded.backend == "polars":
        frame = pl.from_arrow(table)
        if not isinstance(frame, pl.DataFrame):  # pragma: no cover - a table is never one column
            raise TypeError(f"{type(frame)} is no frame")
        return frame
    data = table.to_pandas()
    if prepared.index:
        plain = ["index"] if data.index.nlevels == 1 else [f"level_{n}" for n in range(data.index.nlevels)]
        names = [name or other for name, other in zip(data.index.names, plain, strict=True)]
        data = data.reset_index(names=names)
    else:
        data = data.reset_index(drop=True)
    for name in floats & set(data.columns):
        data[name] = data[name].astype("float64")
    return data


def frame_columns(schema: pa.Schema, prepared: Prepared) -> list[str]:
    """Return the columns of the validated frame, including the index of a pandas schema."""
    return list(to_frame(schema.empty_table(), prepared).columns) if prepared.index else list(schema.names)


def to_table(frame: Any, like: pa.Schema | None = None) -> pa.Table:
    """Return a validated frame as a table.

    :param like: the schema that earlier batches were written with, if any.
    """
    table = frame.to_arrow() if hasattr(frame, "to_arrow") else pa.Table.from_pandas(frame)
    if like is not None and table.schema != like:
        table = table.select(like.names).cast(like)
    return table


def from_frame(data: Any) -> pa.Table:
    """Convert pandas, polars, a LazyFrame or an Arrow table to an Arrow table.

    :raises ConfigurationError: when ``data`` is none of these, or cannot be written as Parquet.
    """
    if hasattr(data, "collect") and hasattr(data, "collect_schema"):
        data = data.collect()  # pandera does not check the data of a LazyFrame
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if type(data).__name__ != "DataFrame" or not (hasattr(data, "to_arrow") or hasattr(data, "iloc")):
        raise ConfigurationError(
            f"The function returned a {type(data).__module__}.{type(data).__name__}; "
            "a pandas or polars frame, a LazyFrame or a pyarrow table is needed."
        )
    try:
        return to_table(data)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise ConfigurationError(
            f"The returned frame cannot be written as Parquet: {error}. Give each column one type."
        ) from error
