"""The models table: sorted, hashed, serialised to Parquet, with the metadata that makes a file a snapshot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import (
    COLUMNS,
    PRICE_COLUMNS,
    Kind,
    arrow_schema,
    volatile_columns,
)
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.storage.parquet import FileKind
from io_intelligence_provider.store.sorting import SLICE

__all__ = [
    "METADATA_PREFIX",
    "MODELS_KIND",
    "SerialisedModels",
    "chosen_columns",
    "content_hash",
    "file_metadata",
    "serialise_models",
    "writer_options",
]

METADATA_PREFIX: Final = "io_intelligence."

_DISTINCT: Final = frozenset({"model_id", "name", "description", *PRICE_COLUMNS})
"""Columns that differ from row to row: a dictionary of them is one page more to decode, and no smaller."""


MODELS_KIND: Final = FileKind("models file", arrow_schema, 1_000_000, 100_000, 1)
"""A hundred thousand models, and up to a million in a file with a byte for each."""


def chosen_columns(columns: Iterable[str]) -> pa.Schema:
    """Return the schema of some columns of ``models.parquet``, in that order.

    :raises ConfigurationError: when there is no such column, or one is named twice.
    """
    schema, columns = arrow_schema(), list(columns)
    for name in columns:
        if columns.count(name) > 1:
            raise ConfigurationError(f"The column {name!r} is asked for twice.")
        if name not in schema.names:
            raise ConfigurationError(f"There is no column {name!r}. Columns are: {', '.join(schema.names)}.")
    return pa.schema([schema.field(name) for name in columns])


class _ContentHash:
    """SHA-256 over the sorted models without what moves while they stay as they are.

    It is taken over values, not over bytes of a file, so that neither a new library version nor
    another compression changes it: per slice of 8,192 rows and column, the lengths of the values as
    text in bytes (-1 for null), then the texts.
    """

    def __init__(self, shape: WireShape) -> None:
        self._digest = hashlib.sha256()
        volatile = volatile_columns(shape)
        self._columns = [column.name for column in COLUMNS if column.name not in volatile]

    def update(self, models: pl.DataFrame) -> None:
        """Take the next slice."""
        parts: list[pl.Expr] = []
        for column in self._columns:
            text = _as_text(pl.col(column), models.schema[column])
            lengths = text.str.len_bytes().cast(pl.Int64).fill_null(-1).cast(pl.String)
            parts += [
                lengths.str.join(",").alias(f"{column} lengths"),
                text.str.join("", ignore_nulls=True).alias(f"{column} texts"),
            ]
        # One query of all columns: one query each costs 20 ms a snapshot, however few models it has.
        values = iter(models.select(parts).row(0))
        for column in self._columns:
            for part in (next(values), next(values)):
                self._digest.update(f"{column}:{part or ''};".encode())

    def hexdigest(self) -> str:
        """Return the hash of the slices so far."""
        return self._digest.hexdigest()


def content_hash(models: pl.DataFrame, shape: WireShape) -> str:
    """Return the content hash of sorted models: equal for equal models, whenever they were fetched."""
    digest = _ContentHash(shape)
    for start in range(0, models.height, SLICE):
        digest.update(models.slice(start, SLICE))
    return digest.hexdigest()


def _as_text(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.List(pl.String):
        # Lengths first: ["a,b"] and ["a", "b"] are different lists.
        length = column.list.eval(pl.element().str.len_bytes().cast(pl.String)).list.join(",")
        return length + ";" + column.list.join("")
    if dtype == pl.Datetime("us", "UTC"):
        return column.cast(pl.Int64).cast(pl.String)
    return column.cast(pl.String)


def file_metadata(values: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a models file under our prefix."""
    return {f"{METADATA_PREFIX}{key}": value for key, value in values.items()}


def writer_options() -> dict[str, Any]:
    """Return how a models file is written: zstd, statistics, dictionaries where values repeat."""
    columns = [column for column in COLUMNS if column.name not in _DISTINCT]
    paths = [
        f"{column.name}.list.element" if column.kind is Kind.STRING_LIST else column.name
        for column in columns
    ]
    return {"compression": "zstd", "write_statistics": True, "use_dictionary": paths}


@dataclass(frozen=True)
class SerialisedModels:
    """A models file, ready to be put."""

    data: bytes
    content_hash: str


def serialise_models(
    slices: Iterable[pl.DataFrame], fetched_at: datetime, metadata: Mapping[str, str]
) -> SerialisedModels:
    """Serialise sorted models as Parquet, one row group per slice.

    :param slices: the models in order, :data:`~io_intelligence_provider.store.sorting.SLICE` rows each.
    :param metadata: of the file, without our prefix; ``wire_shape`` is one of them.
    """
    schema = arrow_schema().with_metadata(file_metadata(metadata))
    stamp = pl.lit(fetched_at, dtype=pl.Datetime("us", "UTC")).alias("fetched_at")
    digest, sink = _ContentHash(WireShape(metadata["wire_shape"])), pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, **writer_options()) as writer:
        for models in slices:
            if models.height:
                digest.update(models)
            writer.write_table(models.with_columns(stamp).select(schema.names).to_arrow().cast(schema))
    return SerialisedModels(sink.getvalue().to_pybytes(), digest.hexdigest())
