"""The models table: sorted, hashed, serialised to Parquet, with the metadata that makes a file a snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from io_intelligence_provider.quality.contract import COLUMNS, arrow_schema

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["METADATA_PREFIX", "content_hash", "file_metadata", "sort_models", "to_parquet"]

METADATA_PREFIX: Final = "io_intelligence."
_ROW_GROUP: Final = 65_536


def sort_models(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the models by ``name``, then ``model_id``, both in the order of their code points."""
    return frame.sort("name", "model_id")


def content_hash(models: pl.DataFrame) -> str:
    """Return a SHA-256 over the sorted models without ``fetched_at``.

    It is taken over values, not over bytes of a file, so that neither a new library version nor
    another row-group size changes it: per slice of 65,536 rows and column, the lengths of the values
    as text (-1 for null) and then the texts.
    """
    import polars as pl

    digest = hashlib.sha256()
    for start in range(0, models.height, _ROW_GROUP):
        part = models.slice(start, _ROW_GROUP)
        for column in COLUMNS:
            if column.name == "fetched_at":
                continue
            text = _as_text(part[column.name])
            digest.update(column.name.encode())
            digest.update(
                text.str.len_bytes().cast(pl.Int64).fill_null(-1).to_numpy().astype("<i8").tobytes()
            )
            digest.update((text.str.join("", ignore_nulls=True).item() or "").encode())
    return digest.hexdigest()


def _as_text(series: pl.Series) -> pl.Series:
    import polars as pl

    if series.dtype == pl.List(pl.String):
        # Lengths first: ["a,b"] and ["a", "b"] are different lists.
        length = series.list.eval(pl.element().str.len_bytes().cast(pl.String)).list.join(",")
        return length + ";" + series.list.join("")
    if series.dtype == pl.Datetime("us", "UTC"):
        return series.cast(pl.Int64).cast(pl.String)
    return series.cast(pl.String)


def file_metadata(values: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a models file under our prefix."""
    return {f"{METADATA_PREFIX}{key}": value for key, value in values.items()}


def to_parquet(models: pl.DataFrame, fetched_at: datetime, metadata: Mapping[str, str]) -> bytes:
    """Serialise sorted models: zstd, statistics, row groups of 65,536 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema().with_metadata(file_metadata(metadata))
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd", write_statistics=True) as writer:
        for table in _arrow_slices(models, fetched_at, schema):
            writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _arrow_slices(models: pl.DataFrame, fetched_at: datetime, schema: pa.Schema) -> Iterator[pa.Table]:
    import polars as pl

    stamp = pl.lit(fetched_at, dtype=pl.Datetime("us", "UTC")).alias("fetched_at")
    names = [column.name for column in COLUMNS]
    for start in range(0, max(models.height, 1), _ROW_GROUP):
        part = models.slice(start, _ROW_GROUP).with_columns(stamp).select(names)
        yield part.to_arrow().cast(schema)
