"""Decodes raw records into whole columns: one typed frame, and the records that could not enter it.

JSON types are known here and nowhere later, so the checks ``type``, the presence of ``metadata`` and the
form of a price are made here; everything about the values is pandera's (``records``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from operator import attrgetter
from typing import Any, Final

import msgspec
import polars as pl

from io_intelligence_provider.catalog.wire import UNSTORED_OBSERVED, WireShape, decode_record
from io_intelligence_provider.contract.columns import (
    ABSENT,
    COLUMNS,
    OBSERVED_KEYS_WITHOUT_COLUMN,
    Column,
    Kind,
    Place,
)
from io_intelligence_provider.contract.parsing import MistypedError, storer, type_name
from io_intelligence_provider.json_text import dump_json
from io_intelligence_provider.quality.quarantine import value_text
from io_intelligence_provider.quality.result import CheckFailure
from io_intelligence_provider.text import cut, escaped

__all__ = ["MODEL_URL", "Batch", "Rows", "is_inner", "read_batch", "read_rows"]


MODEL_URL: Final = "https://api.intelligence.io.solutions/api/v1/models/"
"""What the id of an observed record is appended to before it is hashed into a UUID (version 5)."""


@dataclass
class Batch:
    """Some records as columns. Rows keep the position that the record had.

    :param frame: the columns of the contract but ``fetched_at``; prices and timestamps still as text.
        A value that could not enter is null here and has an entry in ``failures``.
    :param rows: number of records.
    :param failures: what was wrong before any value was looked at, with the row's position.
    :param coerced: per column, positions whose value was stored as another than the one served.
    :param fields: every key that was seen.
    :param unknown: those of them that the contract does not know.
    """

    shape: WireShape
    frame: pl.DataFrame
    rows: int
    failures: list[tuple[int, CheckFailure]] = field(default_factory=list)
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
            batch.failures.append(
                (row, CheckFailure(check, column.name, None, str(error), value_text(value)))
            )
        if column.takes_one_string and type(value) is str and stored[-1] is not None:
            coerced.append(row)
    batch.coerced[column.name] = coerced
    return stored


def _derived_ids(names: pl.Series) -> pl.Series:
    ids = [None if name is None else str(uuid.uuid5(uuid.NAMESPACE_URL, MODEL_URL + name)) for name in names]
    return pl.Series("model_id", ids, dtype=pl.String)


def is_inner(column: Column, shape: WireShape) -> bool:
    """Tell whether a record of that shape keeps the column under ``metadata``."""
    return column.place is Place.METADATA and shape is WireShape.DOCUMENTED


@dataclass
class Rows:
    """The records as objects with one attribute per column, and the JSON of what has no column.

    :param failures: records that are no object, or whose ``metadata`` is none, with their positions.
    :param fields: keys without a column, and ``metadata``, where any record had them.
    """

    shape: WireShape
    records: list[Any] = field(default_factory=list)
    metadata: list[Any] = field(default_factory=list)
    extras: list[str | None] = field(default_factory=list)
    failures: list[tuple[int, CheckFailure]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


@cache
def _types(shape: WireShape) -> tuple[type[msgspec.Struct], type[msgspec.Struct]]:
    """Return the types of a record and of its ``metadata``: any value for a known key, no unknown key.

    ``gc=False``: they hold no cycles, and hundreds of thousands of them need not be walked for some.
    """
    carried = [column for column in COLUMNS if column.key(shape) is not None]
    outer: list[tuple[str, Any, Any]] = [
        (column.name, Any, ABSENT) for column in carried if not is_inner(column, shape)
    ]
    inner = [(column.name, Any, ABSENT) for column in carried if is_inner(column, shape)]
    keys = {column.name: str(column.key(shape)) for column in carried}
    options: dict[str, Any] = {"forbid_unknown_fields": True, "gc": False}
    metadata = msgspec.defstruct("Metadata", inner, **options)
    if not inner:
        return msgspec.defstruct("Record", outer, rename=keys, **options), metadata
    # `metadata` has no default: a record without it is read with care.
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [("metadata", metadata), *outer]
    return msgspec.defstruct("Record", fields, rename=keys, **options), metadata


def read_rows(raw_records: list[bytes], shape: WireShape) -> Rows:
    """Decode the records: at once where every key is known, with care where one is not."""
    rows = Rows(shape)
    record_type, metadata_type = _types(shape)
    decode = msgspec.json.Decoder(record_type, float_hook=Decimal).decode
    documented = shape is WireShape.DOCUMENTED
    no_metadata, structure = metadata_type(), {"metadata"} if documented else set()
    for row, raw in enumerate(raw_records):
        extra = None
        try:
            record: Any = decode(raw)
            metadata = record.metadata if documented else no_metadata
            rows.fields |= structure
        except (msgspec.DecodeError, UnicodeError, InvalidOperation, RecursionError):
            record, metadata, extra = _careful_row(row, raw, rows)
        rows.records.append(record)
        rows.metadata.append(metadata)
        rows.extras.append(extra)
    return rows


def _careful_row(row: int, raw: bytes, rows: Rows) -> tuple[Any, Any, str | None]:
    """Decode a record that has unknown keys, no ``metadata``, or that the fast parser refuses."""
    record = _object(row, raw, rows)
    metadata: dict[str, Any] = {}
    if record is not None and rows.shape is WireShape.DOCUMENTED:
        metadata = _metadata(row, record, rows)
    record = record or {}
    types = _types(rows.shape)
    parts = []
    for source, kind in zip((record, metadata), types, strict=True):
        names = zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
        known = {name: source.pop(key) for name, key in names if key in source}
        parts.append(kind(**({"metadata": None} if "metadata" in kind.__struct_fields__ else {}) | known))
    if rows.shape is WireShape.OPENAI:
        rows.fields |= {key for key in UNSTORED_OBSERVED if record.pop(key, ABSENT) is not ABSENT}
    return parts[0], parts[1], _extra(row, record, metadata, rows)


def _object(row: int, raw: bytes, rows: Rows) -> dict[str, Any] | None:
    """Return the record; what is no object fails as a whole and leaves an empty row, ``None``."""
    problem = None
    try:
        value = decode_record(raw)
    except RecursionError:
        value, problem = None, "is nested too deeply to be read"
    except ValueError as error:
        value, problem = None, f"is no JSON: {error}"
    if type(value) is dict:
        return value
    problem = problem or f"is {type_name(value)}, not an object"
    rows.failures.append((row, CheckFailure("type", "record", None, problem, value_text(value))))
    return None


def _metadata(row: int, record: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Take ``metadata`` out of a documented record; without an object there, the row is refused."""
    value = record.pop("metadata", ABSENT)
    if value is not ABSENT:
        rows.fields.add("metadata")
    if type(value) is dict:
        return value
    rows.failures.append((row, _no_metadata(value)))
    return {}


def _no_metadata(value: Any) -> CheckFailure:
    if value is ABSENT or value is None:
        return CheckFailure("required", "metadata", None, "is absent" if value is ABSENT else "is null")
    problem = f"is {type_name(value)}, not an object"
    return CheckFailure("type", "metadata", None, problem, value_text(value))


def _shown_key(key: str) -> str:
    return cut(escaped(key), 100)  # a name for the report; `extra` has it whole


def _extra(row: int, rest: dict[str, Any], more: dict[str, Any], rows: Rows) -> str | None:
    """Return the JSON of every key that no column took, sorted: servers order keys as they like.

    ``None`` when there is none.

    :param rest: what is left of the record; ``more``: of its ``metadata``.
    """
    if not rest and not more:
        return None
    # Keys of both levels, and `metadata` itself, keep their place, so that none hides another.
    inner = {key: more.pop(key) for key in [*more] if key in rest or key == "metadata"}
    unknown = {_shown_key(key) for key in (*rest, *more)} | {_shown_key(f"metadata.{key}") for key in inner}
    rows.unknown |= unknown
    rows.fields |= unknown
    try:
        return dump_json(rest | more | ({"metadata": inner} if inner else {}), sort_keys=True)
    except RecursionError:
        failure = CheckFailure("type", "extra", None, "is nested too deeply to be stored")
        rows.failures.append((row, failure))
        return None
