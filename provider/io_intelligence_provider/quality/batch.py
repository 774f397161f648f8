"""From raw records to whole columns: one typed frame, and what could not enter it.

JSON types are known here and nowhere later, so the checks ``type``, the presence of ``metadata`` and the
form of a price are found here; everything about the values is pandera's (``schema.py``).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation, Overflow
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.catalog.wire import (
    UnstorableNumber,
    WireShape,
    decode_record,
    dump_json,
)
from io_intelligence_provider.quality.contract import (
    ABSENT,
    COLUMNS,
    OBSERVED_KEYS_WITHOUT_COLUMN,
    Column,
    Kind,
    Place,
)
from io_intelligence_provider.quality.failure import RowFailure, escaped, shown_value

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MODEL_URL", "Batch", "read_batch"]

MODEL_URL: Final = "https://api.intelligence.io.solutions/api/v1/models/"
"""What the id of an observed record is appended to before it is hashed into a UUID (version 5)."""

_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, Overflow])
_INT64: Final = range(-(2**63), 2**63)


@dataclass
class Batch:
    """Some records as columns. Rows keep the position that the record had.

    :param frame: the columns of the contract but ``fetched_at``; prices and timestamps still as text.
        A value that could not enter is null here and has an entry in ``failures``.
    :param rows: number of records.
    :param failures: what was wrong before any value was looked at.
    :param coerced: positions whose ``tags`` came as one string.
    :param fields: every key that was seen.
    :param unknown: those of them that the contract does not know.
    """

    shape: WireShape
    frame: pl.DataFrame
    rows: int
    failures: list[RowFailure] = field(default_factory=list)
    coerced: list[int] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


class _MistypedError(Exception):
    """A value whose JSON type the column does not take; the argument says what it is."""


def read_batch(raw_records: list[bytes], shape: WireShape) -> Batch:
    """Turn raw records into columns.

    :param raw_records: JSON texts of the entries of ``data``, see :mod:`..catalog.wire`.
    """
    import polars as pl

    batch = Batch(shape, pl.DataFrame(), len(raw_records))
    records = _objects(raw_records, batch)
    metadata = _metadata(records, batch)
    series = []
    for column in COLUMNS:
        key = column.key(shape)
        if column.place is Place.PROVIDER or key is None:
            continue
        source = metadata if column.place is Place.METADATA and shape is WireShape.DOCUMENTED else records
        values = [record.pop(key, ABSENT) for record in source]
        if any(value is not ABSENT for value in values):
            batch.fields.add(key)
        series.append(_column(column, values, batch))
    frame = pl.DataFrame(series)
    if shape is WireShape.OPENAI:
        frame = frame.insert_column(0, _derived_ids(frame["name"]))
    else:
        frame = frame.with_columns(pl.col("model_id").str.to_lowercase())
    batch.frame = frame.with_columns(pl.Series("extra", _extras(records, metadata, batch), dtype=pl.String))
    return batch


def _objects(raw_records: list[bytes], batch: Batch) -> list[dict[str, Any]]:
    """Decode the records; what is no object fails as a whole and leaves an empty row."""
    records = []
    for row, raw in enumerate(raw_records):
        try:
            value = decode_record(raw)
        except RecursionError:
            value = UnstorableNumber("(nested too deeply)")
        if type(value) is not dict:
            batch.failures.append(
                RowFailure(
                    row, "type", "record", shown_value(value), f"is {_type_name(value)}, not an object"
                )
            )
            value = {}
        records.append(value)
    return records


def _metadata(records: list[dict[str, Any]], batch: Batch) -> list[dict[str, Any]]:
    """Take ``metadata`` out of documented records; without an object there, the row is refused."""
    if batch.shape is WireShape.OPENAI:
        return [{} for _ in records]
    refused = {failure.row for failure in batch.failures}
    parts = []
    for row, record in enumerate(records):
        value = record.pop("metadata", ABSENT)
        if value is not ABSENT:
            batch.fields.add("metadata")
        if type(value) is not dict:
            if row not in refused:
                batch.failures.append(_no_metadata(row, value))
            value = {}
        parts.append(value)
    return parts


def _no_metadata(row: int, value: Any) -> RowFailure:
    if value is ABSENT or value is None:
        return RowFailure(row, "required", "metadata", None, "is absent" if value is ABSENT else "is null")
    return RowFailure(row, "type", "metadata", shown_value(value), f"is {_type_name(value)}, not an object")


def _column(column: Column, values: list[Any], batch: Batch) -> pl.Series:
    """Store the values of one column: as they are when all fit, one by one when some do not."""
    import polars as pl

    dtype = {
        Kind.INTEGER: pl.Int64(),
        Kind.BOOLEAN: pl.Boolean(),
        Kind.TAGS: pl.List(pl.String()),
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
    return pl.Series(column.name, _stored(column, values, batch), dtype=dtype, strict=True)


def _plain_types(column: Column, shape: WireShape) -> set[type]:
    """Return the Python types that polars stores as they are, without turning one into another.

    Polars would take ``True`` for 1 and a string for a list of one, so it is never asked to.
    """
    null = {type(None)}
    if column.kind is Kind.INTEGER:
        return null | {int}
    if column.kind is Kind.BOOLEAN:
        return null | {bool}
    if column.kind is Kind.TAGS or (
        shape is WireShape.OPENAI and column.kind in (Kind.PRICE, Kind.TIMESTAMP)
    ):
        return null
    return null | {str}


def _stored(column: Column, values: Iterable[Any], batch: Batch) -> list[Any]:
    store = _STORE[column.kind]
    if batch.shape is WireShape.OPENAI and column.kind is Kind.PRICE:
        store = _price_per_million
    if batch.shape is WireShape.OPENAI and column.observed_key == "created":
        store = _unix_seconds
    stored = []
    for row, value in enumerate(values):
        try:
            stored.append(None if value is None else store(value))
        except (_MistypedError, RecursionError) as error:
            stored.append(None)
            check = "price" if column.kind is Kind.PRICE else "type"
            batch.failures.append(RowFailure(row, check, column.name, shown_value(value), str(error)))
        if column.kind is Kind.TAGS and type(value) is str and stored[-1] is not None:
            batch.coerced.append(row)
    return stored


def _string(value: Any) -> str:
    if type(value) is not str:
        raise _MistypedError(f"is {_type_name(value)}, not a string")
    if not _encodable(value):
        raise _MistypedError("holds a lone surrogate or bytes that are no UTF-8")
    return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(value: Any) -> int:
    if type(value) is Decimal and (not value or value.adjusted() < 20) and value == value.to_integral_value():
        value = int(value)  # 5.0 is the integer 5
    if type(value) is not int:
        raise _MistypedError(f"is {_type_name(value)}, not an integer")
    if value not in _INT64:
        raise _MistypedError("is an integer beyond 64 bits")
    return value


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise _MistypedError(f"is {_type_name(value)}, not a boolean")
    return value


def _tags(value: Any) -> list[str]:
    if type(value) is str:
        return [_string(value)]
    if type(value) is not list:
        raise _MistypedError(f"is {_type_name(value)}, not a list of strings")
    return [_string(item) for item in value]


def _json_text(value: Any) -> str:
    return _string(value) if type(value) is str else dump_json(value)


def _price_text(value: Any) -> str:
    if type(value) is not str:
        raise _MistypedError(f"is {_type_name(value)}, not a decimal number in a string")
    return _string(value)


def _price_per_million(value: Any) -> str:
    """Return an observed price, USD for one token, as text in USD per million tokens."""
    if type(value) not in (int, Decimal):
        raise _MistypedError(f"is {_type_name(value)}, not a number or null")
    number = Decimal(value)
    if not number:
        return "0"  # also for JSON's negative zero
    try:
        return str(number.scaleb(6, _EXACT))
    except (InvalidOperation, Overflow):
        raise _MistypedError("is a number too large or too small for a price") from None


def _unix_seconds(value: Any) -> str:
    """Return ``created``, Unix seconds, as RFC 3339; as its digits where the calendar has no such day."""
    seconds = _integer(value)
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return str(seconds)


_STORE: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.STRING: _string,
    Kind.TIMESTAMP: _string,
    Kind.JSON_TEXT: _json_text,
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.TAGS: _tags,
    Kind.PRICE: _price_text,
}


def _type_name(value: Any) -> str:
    names: dict[type, str] = {
        bool: "a boolean",
        str: "a string",
        int: "a number",
        Decimal: "a number",
        UnstorableNumber: "a number",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _derived_ids(names: pl.Series) -> pl.Series:
    import polars as pl

    ids = [None if name is None else str(uuid.uuid5(uuid.NAMESPACE_URL, MODEL_URL + name)) for name in names]
    return pl.Series("model_id", ids, dtype=pl.String)


def _extras(records: list[dict[str, Any]], metadata: list[dict[str, Any]], batch: Batch) -> list[str | None]:
    """Return, per row, the JSON of every key that no column took; ``None`` when there is none."""
    extras: list[str | None] = []
    for row, (rest, more) in enumerate(zip(records, metadata, strict=True)):
        if not rest and not more:
            extras.append(None)
            continue
        # A key of both levels keeps both values: the inner one under its path.
        unknown = rest | {f"metadata.{key}" if key in rest else key: value for key, value in more.items()}
        batch.unknown.update(map(escaped, unknown))
        try:
            extras.append(dump_json(unknown))
        except RecursionError:
            extras.append(None)
            batch.failures.append(RowFailure(row, "type", "extra", None, "is nested too deeply to be stored"))
    batch.fields |= batch.unknown
    if batch.shape is WireShape.OPENAI:
        batch.unknown -= OBSERVED_KEYS_WITHOUT_COLUMN
    return extras
