"""From raw records to whole columns: one typed frame, and what could not enter it.

JSON types are known here and nowhere later, so the checks ``type``, the presence of ``metadata`` and the
form of a price are found here; everything about the values is pandera's (``schema.py``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

import msgspec
import polars as pl

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.quality.contract import (
    ABSENT,
    COLUMNS,
    OBSERVED_KEYS_WITHOUT_COLUMN,
    Column,
    Kind,
    Place,
)
from io_intelligence_provider.quality.failure import RowFailure, shown_value
from io_intelligence_provider.quality.rows import is_inner, read_rows
from io_intelligence_provider.quality.values import MistypedError, storer

__all__ = ["MODEL_URL", "Batch", "read_batch"]

MODEL_URL: Final = "https://api.intelligence.io.solutions/api/v1/models/"
"""What the id of an observed record is appended to before it is hashed into a UUID (version 5)."""


@dataclass
class Batch:
    """Some records as columns. Rows keep the position that the record had.

    :param frame: the columns of the contract but ``fetched_at``; prices and timestamps still as text.
        A value that could not enter is null here and has an entry in ``failures``.
    :param rows: number of records.
    :param failures: what was wrong before any value was looked at.
    :param coerced: per column, positions whose value was stored as another than the one served.
    :param fields: every key that was seen.
    :param unknown: those of them that the contract does not know.
    """

    shape: WireShape
    frame: pl.DataFrame
    rows: int
    failures: list[RowFailure] = field(default_factory=list)
    coerced: dict[str, list[int]] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


def read_batch(raw_records: list[bytes], shape: WireShape) -> Batch:
    """Turn raw records into columns.

    :param raw_records: JSON texts of the entries of ``data``, see :mod:`..catalog.wire`.
    """
    rows = read_rows(raw_records, shape)
    batch = Batch(shape, pl.DataFrame(), len(raw_records), rows.failures)
    batch.fields, batch.unknown = rows.fields, rows.unknown
    series = []
    for column in COLUMNS:
        key = column.key(shape)
        if column.place is Place.PROVIDER or key is None:
            continue
        source = rows.metadata if is_inner(column, shape) else rows.records
        values = list(map(attrgetter(column.name), source))
        if any(value is not ABSENT for value in values):
            batch.fields.add(key)
        series.append(_column(column, values, batch))
    frame = pl.DataFrame(series)
    if shape is WireShape.OPENAI:
        frame = frame.insert_column(0, _derived_ids(frame["name"]))
        batch.unknown -= OBSERVED_KEYS_WITHOUT_COLUMN
    else:
        frame = frame.with_columns(pl.col("model_id").str.to_lowercase())
    batch.frame = frame.with_columns(pl.Series("extra", rows.extras, dtype=pl.String))
    return batch


def _column(column: Column, values: list[Any], batch: Batch) -> pl.Series:
    """Store the values of one column: as they are when all fit, one by one when some do not."""
    dtype = {
        Kind.INTEGER: pl.Int64(),
        Kind.FLOAT: pl.Float64(),
        Kind.BOOLEAN: pl.Boolean(),
        Kind.STRING_LIST: pl.List(pl.String()),
    }.get(column.kind, pl.String())
    default = column.default if batch.shape is WireShape.DOCUMENTED and column.default is not ABSENT else None
    types = set(map(type, values))
    if type(ABSENT) in types:
        values = [default if value is ABSENT else value for value in values]
        types = set(map(type, values))
    if types <= _plain_types(column, batch.shape):
        try:
            return pl.Series(column.name, values, dtype=dtype, strict=True)
        except (TypeError, OverflowError, UnicodeEncodeError, pl.exceptions.PolarsError):
            pass  # an integer beyond int64, a lone surrogate: find which, value by value
    is_list = column.kind is Kind.STRING_LIST
    stored = values if is_list and _are_string_lists(values, types) else _stored(column, values, batch)
    if is_list:
        # By way of JSON: polars builds lists from Python ones fifteen times slower.
        text = [None if items is None else msgspec.json.encode(items).decode() for items in stored]
        return pl.Series(column.name, text, dtype=pl.String).str.json_decode(dtype)
    return pl.Series(column.name, stored, dtype=dtype, strict=True)


def _are_string_lists(values: list[Any], types: set[type]) -> bool:
    """Tell whether every value is null or a list of strings that can be stored as they are."""
    if not types <= {list, type(None)}:
        return False
    items = [item for value in values if value for item in value]
    try:
        "".join(items).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def _plain_types(column: Column, shape: WireShape) -> set[type]:
    """Return the Python types that polars stores as they are, without turning one into another.

    Polars would take ``True`` for 1 and a string for a list of one, so it is never asked to.
    """
    null = {type(None)}
    if column.kind is Kind.INTEGER:
        return null | {int}
    if column.kind is Kind.BOOLEAN:
        return null | {bool}
    if column.kind in (Kind.STRING_LIST, Kind.FLOAT) or (
        shape is WireShape.OPENAI and column.kind in (Kind.PRICE, Kind.TIMESTAMP)
    ):
        return set()
    return null | {str}


def _stored(column: Column, values: Iterable[Any], batch: Batch) -> list[Any]:
    store = storer(column, batch.shape)
    stored, coerced = [], []
    for row, value in enumerate(values):
        try:
            stored.append(None if value is None else store(value))
        except (MistypedError, RecursionError) as error:
            stored.append(None)
            if column.measurement:
                coerced.append(row)
                continue
            check = getattr(error, "check", None) or ("price" if column.kind is Kind.PRICE else "type")
            batch.failures.append(RowFailure(row, check, column.name, shown_value(value), str(error)))
        if column.takes_one_string and type(value) is str and stored[-1] is not None:
            coerced.append(row)
    batch.coerced[column.name] = coerced
    return stored


def _derived_ids(names: pl.Series) -> pl.Series:
    ids = [None if name is None else str(uuid.uuid5(uuid.NAMESPACE_URL, MODEL_URL + name)) for name in names]
    return pl.Series("model_id", ids, dtype=pl.String)
