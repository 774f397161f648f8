"""Decodes raw records into a typed frame, and collects the failures of values that do not fit it.

JSON types are only known here, so ``type``, the presence of ``metadata`` and the form of a price are checked
here. pandera checks the values (``records``).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
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
from io_intelligence_provider.quality.quarantine import value_text
from io_intelligence_provider.quality.result import CheckFailure
from io_intelligence_provider.text import cut, dump_json, escaped

__all__ = ["MODEL_URL", "Batch", "Rows", "is_inner", "read_batch", "read_rows"]


MODEL_URL: Final = "https://api.intelligence.io.solutions/api/v1/models/"
"""The prefix of an observed record's id before it is hashed into a UUID (version 5)."""


@dataclass
class Batch:
    """Records as columns. Rows keep the positions of the records.

    :param frame: the columns of the contract without ``fetched_at``; prices and timestamps still as text.
        A value that does not fit is null and has an entry in ``failures``.
    :param rows: number of records.
    :param failures: the failures found while decoding, with the row's position.
    :param coerced: per column, positions of values that are stored differently from the served ones.
    :param fields: every key that was seen.
    :param unknown: the keys among them that the contract does not know.
    """

    shape: WireShape
    frame: pl.DataFrame
    rows: int
    failures: list[tuple[int, CheckFailure]] = field(default_factory=list)
    coerced: dict[str, list[int]] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)


_AT_ONCE: Final = 4_000
"""Records that are Python objects at a time; as columns they take a tenth of the memory."""


def read_batch(raw_records: list[bytes], shape: WireShape) -> Batch:
    """Decode raw records into columns.

    :param raw_records: JSON texts of the entries of ``data``, see :mod:`..catalog.wire`.
    """
    batch = Batch(shape, pl.DataFrame(), len(raw_records))
    starts = range(0, max(len(raw_records), 1), _AT_ONCE)
    batch.frame = pl.concat(
        [_frame(raw_records[start : start + _AT_ONCE], start, batch) for start in starts], rechunk=True
    )
    if shape is WireShape.OPENAI:
        batch.unknown -= OBSERVED_KEYS_WITHOUT_COLUMN
    return batch


def _frame(raw_records: list[bytes], start: int, batch: Batch) -> pl.DataFrame:
    """Return the columns of the next records, and add their failures to the batch.

    :param start: position of the first of them in the batch.
    """
    rows = read_rows(raw_records, batch.shape, start)
    batch.failures += rows.failures
    batch.fields |= rows.fields
    batch.unknown |= rows.unknown
    series = []
    for column in COLUMNS:
        key = column.key(batch.shape)
        if column.place is Place.PROVIDER or key is None:
            continue
        source = rows.metadata if is_inner(column, batch.shape) else rows.records
        values = list(map(attrgetter(column.name), source))
        types = set(map(type, values))
        if not types <= _ONLY_ABSENT:
            batch.fields.add(key)
        series.append(_column(column, values, types, start, batch))
    frame = pl.DataFrame(series)
    if batch.shape is WireShape.OPENAI:
        frame = frame.insert_column(0, _derived_ids(frame["name"]))
    else:
        frame = frame.with_columns(pl.col("model_id").str.to_lowercase())
    return frame.with_columns(pl.Series("extra", rows.extras, dtype=pl.String))


_ONLY_ABSENT: Final = frozenset({type(ABSENT)})


def _column(column: Column, values: list[Any], types: set[type], start: int, batch: Batch) -> pl.Series:
    """Build one column: from all values at once when they fit, else value by value.

    :param types: of the values.
    :param start: position of the first value in the batch.
    """
    dtype = {
        Kind.INTEGER: pl.Int64(),
        Kind.FLOAT: pl.Float64(),
        Kind.BOOLEAN: pl.Boolean(),
        Kind.STRING_LIST: pl.List(pl.String()),
    }.get(column.kind, pl.String())
    default = column.default if batch.shape is WireShape.DOCUMENTED and column.default is not ABSENT else None
    if types == _ONLY_ABSENT:
        return pl.Series(column.name, [default], dtype=dtype).new_from_index(0, len(values))
    if type(ABSENT) in types:
        values = [default if value is ABSENT else value for value in values]
        types = set(map(type, values))
    if types <= _plain_types(column, batch.shape):
        try:
            return pl.Series(column.name, values, dtype=dtype, strict=True)
        except (TypeError, OverflowError, UnicodeEncodeError, pl.exceptions.PolarsError):
            pass  # an integer beyond int64 or a lone surrogate, which the loop below finds
    is_list = column.kind is Kind.STRING_LIST
    stored = values if is_list and _are_string_lists(values, types) else _stored(column, values, start, batch)
    if is_list:
        # Through JSON, because polars is fifteen times slower with Python lists.
        text = [None if items is None else msgspec.json.encode(items).decode() for items in stored]
        return pl.Series(column.name, text, dtype=pl.String).str.json_decode(dtype)
    return pl.Series(column.name, stored, dtype=dtype, strict=True)


def _are_string_lists(values: list[Any], types: set[type]) -> bool:
    """Return whether every value is null or a list of strings that can be stored directly."""
    if not types <= {list, type(None)}:
        return False
    items = [item for value in values if value for item in value]
    try:
        "".join(items).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def _plain_types(column: Column, shape: WireShape) -> set[type]:
    """Return the Python types that polars stores without conversion.

    Others are excluded because polars would convert ``True`` to 1 and a string to a list of one.
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


def _stored(column: Column, values: Iterable[Any], start: int, batch: Batch) -> list[Any]:
    store = storer(column, batch.shape)
    stored, coerced = [], []
    for row, value in enumerate(values, start):
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
    batch.coerced[column.name] = batch.coerced.get(column.name, []) + coerced
    return stored


def _derived_ids(names: pl.Series) -> pl.Series:
    ids = [None if name is None else str(uuid.uuid5(uuid.NAMESPACE_URL, MODEL_URL + name)) for name in names]
    return pl.Series("model_id", ids, dtype=pl.String)


def is_inner(column: Column, shape: WireShape) -> bool:
    """Return whether a record of that shape has the column under ``metadata``."""
    return column.place is Place.METADATA and shape is WireShape.DOCUMENTED


@dataclass
class Rows:
    """The records as objects with one attribute per column, and the JSON of keys without a column.

    :param failures: records that are not objects, or whose ``metadata`` is not one, with their positions.
    :param fields: keys without a column, and ``metadata``, of any record.
    """

    shape: WireShape
    records: list[Any] = field(default_factory=list)
    metadata: list[Any] = field(default_factory=list)
    extras: list[str | None] = field(default_factory=list)
    failures: list[tuple[int, CheckFailure]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    _noted: set[str] = field(default_factory=set)

    def note(self, keys: Iterable[str]) -> None:
        """Add keys without a column to those seen, shortened for the report; ``extra`` has the full key."""
        for key in keys:
            if key not in self._noted:
                self._noted.add(key)
                shown = cut(escaped(key), 100)
                self.unknown.add(shown)
                self.fields.add(shown)


@dataclass(frozen=True)
class _Learned:
    """Keys without a column that were found in earlier records and their ``metadata``."""

    record: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()

    def with_keys(self, record: Iterable[str], metadata: Iterable[str]) -> _Learned:
        """Return a copy with further keys, or this object when there are none, or too many."""
        new = [
            tuple(key for key in keys if key not in known and _LEARNABLE.fullmatch(key))
            for keys, known in ((record, self.record), (metadata, self.metadata))
        ]
        count = sum(map(len, (*new, self.record, self.metadata)))
        return _Learned(self.record + new[0], self.metadata + new[1]) if any(new) and count <= _MOST else self


_LEARNABLE: Final = re.compile(r"[ !#-\[\]-~]{1,100}")
"""The keys that a struct field may have: no quotation mark, backslash or control character."""
_MOST: Final = 64
"""Maximum number of learned keys. A record with another one takes the slow path (three times slower)."""


@lru_cache(maxsize=_MOST)
def _types(
    shape: WireShape, learned: _Learned = _Learned()
) -> tuple[type[msgspec.Struct], type[msgspec.Struct]]:
    """Return the types of a record and of its ``metadata``: any value for a known key, no unknown key.

    ``gc=False``, because the objects have no cycles and there are hundreds of thousands of them.

    :param learned: keys without a column that are known too.
    """
    carried = [column for column in COLUMNS if column.key(shape) is not None]
    keys = {column.name: str(column.key(shape)) for column in carried}
    keys |= {_slot(key): key for key in (*learned.record, *learned.metadata)}
    outer: list[tuple[str, Any, Any]] = [
        *((column.name, Any, ABSENT) for column in carried if not is_inner(column, shape)),
        *((_slot(key), Any, ABSENT) for key in learned.record),
    ]
    inner = [
        *((column.name, Any, ABSENT) for column in carried if is_inner(column, shape)),
        *((_slot(key), Any, ABSENT) for key in learned.metadata),
    ]
    options: dict[str, Any] = {"rename": keys, "forbid_unknown_fields": True, "gc": False}
    metadata = msgspec.defstruct("Metadata", inner, **options)
    if not inner:
        return msgspec.defstruct("Record", outer, **options), metadata
    # `metadata` has no default, so that a record without it takes the slow path.
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [("metadata", metadata), *outer]
    return msgspec.defstruct("Record", fields, **options), metadata


def _slot(key: str) -> str:
    """Return the attribute for the value of a learned key, which is no column's name."""
    return f"learned_{key.encode().hex()}"


def read_rows(raw_records: list[bytes], shape: WireShape, start: int = 0) -> Rows:
    """Decode each record; a new key without a column takes the slow path once and is learned.

    :param start: number of the first row, for the failures.
    """
    rows, learned = Rows(shape), _Learned()
    record_type, metadata_type = _types(shape)
    decode = msgspec.json.Decoder(record_type, float_hook=Decimal).decode
    documented = shape is WireShape.DOCUMENTED
    no_metadata, structure = metadata_type(), {"metadata"} if documented else set()
    outer: list[tuple[str, str]] = []
    inner: list[tuple[str, str]] = []
    for row, raw in enumerate(raw_records, start):
        extra, rest, more = None, _NOTHING, _NOTHING
        try:
            record: Any = decode(raw)
        except (msgspec.DecodeError, UnicodeError, InvalidOperation, RecursionError):
            record, metadata, rest, more = _careful_row(row, raw, rows)
            further = learned.with_keys(rest, more)
            if further is not learned:
                learned = further
                decode = msgspec.json.Decoder(_types(shape, learned)[0], float_hook=Decimal).decode
                outer = [(key, _slot(key)) for key in learned.record]
                inner = [(key, _slot(key)) for key in learned.metadata]
        else:
            metadata = record.metadata if documented else no_metadata
            rows.fields |= structure
            if outer:
                rest = _values(record, outer)
            if inner:
                more = _values(metadata, inner)
        if rest or more:
            extra = _extra(row, rest, more, rows)
        rows.records.append(record)
        rows.metadata.append(metadata)
        rows.extras.append(extra)
    return rows


_NOTHING: Final[dict[str, Any]] = {}


def _values(part: Any, slots: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the learned keys of a record, or of its ``metadata``, with their values."""
    return {key: value for key, slot in slots if (value := getattr(part, slot)) is not ABSENT}


def _careful_row(row: int, raw: bytes, rows: Rows) -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
    """Decode a record with unknown keys or without ``metadata``, or one that the fast parser refuses.

    :returns: the record and its ``metadata``, and the keys of each that have no column.
    """
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
    return parts[0], parts[1], record, metadata


def _object(row: int, raw: bytes, rows: Rows) -> dict[str, Any] | None:
    """Return the record, or ``None`` and a failure when it is not an object."""
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
    """Remove ``metadata`` from a documented record and return it; if it is not an object, the row fails."""
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


def _extra(row: int, rest: dict[str, Any], more: dict[str, Any], rows: Rows) -> str | None:
    """Return the JSON of all keys without a column, sorted, because servers may reorder keys.

    ``None`` when none is stored.

    :param rest: the remaining keys of the record; ``more``: those of its ``metadata``.
    """
    if rows.shape is WireShape.OPENAI:
        rows.fields |= UNSTORED_OBSERVED.intersection(rest)
        rest = {key: value for key, value in rest.items() if key not in UNSTORED_OBSERVED}
    if not rest and not more:
        return None
    # Keys of `metadata` that the record has too stay nested, so that none hides another.
    inner = {key: more[key] for key in more if key in rest or key == "metadata"}
    if inner:
        more = {key: value for key, value in more.items() if key not in inner}
        rows.note(f"metadata.{key}" for key in inner)
    rows.note(rest)
    rows.note(more)
    try:
        return dump_json(rest | more | ({"metadata": inner} if inner else {}), sort_keys=True)
    except RecursionError:
        failure = CheckFailure("type", "extra", None, "is nested too deeply to be stored")
        rows.failures.append((row, failure))
        return None
