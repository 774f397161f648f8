"""Decodes raw records into a typed frame, and collects the failures of values that do not fit it.

JSON types are only known here, so ``type``, the presence of ``metadata`` and the form of a price are checked
here. pandera checks the values (``records``).
"""

from __future__ import annotations

import gc
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Final

import msgspec
import polars as pl
from msgspec.structs import astuple

from io_intelligence_provider.catalog.wire import UNSTORED_OBSERVED, WireShape, decode_record
from io_intelligence_provider.contract.columns import (
    ABSENT,
    OBSERVED_KEYS_WITHOUT_COLUMN,
    Column,
    Kind,
    carried_columns,
    is_inner,
)
from io_intelligence_provider.contract.parsing import (
    MistypedError,
    storer,
    type_name,
    typed_series,
    wire_type,
)
from io_intelligence_provider.quality.quarantine import value_text
from io_intelligence_provider.quality.result import CheckFailure
from io_intelligence_provider.text import cut, dump_json, escaped

__all__ = ["MODEL_URL", "Batch", "Rows", "read_batch", "read_rows"]


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
    with _without_collections():
        frames = [_frame(raw_records[start : start + _AT_ONCE], start, batch) for start in starts]
    batch.frame = pl.concat(frames, rechunk=True)
    if shape is WireShape.OPENAI:
        batch.unknown -= OBSERVED_KEYS_WITHOUT_COLUMN
    return batch


@contextmanager
def _without_collections() -> Iterator[None]:
    """Pause the collection of cycles, in all threads: JSON has none, and it takes a fifth of the decoding."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _frame(raw_records: list[bytes], start: int, batch: Batch) -> pl.DataFrame:
    """Return the columns of the next records, and add their failures to the batch.

    :param start: position of the first of them in the batch.
    """
    rows = read_rows(raw_records, batch.shape, start)
    batch.failures += rows.failures
    batch.fields |= rows.fields
    batch.unknown |= rows.unknown
    typed, carried = rows.are_typed, carried_columns(batch.shape)
    frame = pl.DataFrame(
        [_column(one, rows.values[one.name], start, batch, are_typed=typed) for one in carried]
    )
    if batch.shape is WireShape.OPENAI:
        frame = frame.insert_column(0, _derived_ids(frame["name"]))
    else:
        frame = frame.with_columns(pl.col("model_id").str.to_lowercase())
    return frame.with_columns(pl.Series("extra", rows.extras, dtype=pl.String))


_ONLY_ABSENT: Final = frozenset({type(ABSENT)})


def _column(column: Column, values: list[Any], start: int, batch: Batch, *, are_typed: bool) -> pl.Series:
    """Build one column: from all values at once when they fit, else value by value.

    :param start: position of the first value in the batch.
    :param are_typed: whether each value is null, absent, or of the column's type.
    """
    key, expected = str(column.key(batch.shape)), wire_type(column, batch.shape)
    if are_typed and expected is not Any and values and values[0] is not ABSENT:
        try:
            series = typed_series(column, values)
        except (TypeError, ValueError, OverflowError):
            pass  # an integer beyond int64, a list of others, or a key that some of the records lack
        else:
            batch.fields.add(key)
            return series
    types = set(map(type, values))
    if not types <= _ONLY_ABSENT:
        batch.fields.add(key)
    default = column.default if batch.shape is WireShape.DOCUMENTED and column.default is not ABSENT else None
    if types == _ONLY_ABSENT:
        return typed_series(column, [default]).new_from_index(0, len(values))
    if type(ABSENT) in types:
        values = [default if value is ABSENT else value for value in values]
        types = set(map(type, values))
    if types <= {type(None), expected}:  # others might be converted: True to 1
        try:
            return typed_series(column, values)
        except (TypeError, ValueError, OverflowError):
            pass  # an integer beyond int64, a lone surrogate, a list of others, which the loop below finds
    return typed_series(column, _stored(column, values, start, batch))


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


@dataclass
class Rows:
    """The values of records by column, and the JSON of keys without a column.

    :param are_typed: whether each value of a column with a :func:`wire_type` is of it, null or absent.
    :param failures: records that are not objects, or whose ``metadata`` is not one, with their positions.
    :param fields: keys without a column, and ``metadata``, of any record.
    """

    shape: WireShape
    values: dict[str, list[Any]] = field(default_factory=dict)
    extras: list[str | None] = field(default_factory=list)
    are_typed: bool = True
    failures: list[tuple[int, CheckFailure]] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    _noted: set[str] = field(default_factory=set)

    def take(self, records: list[Any], metadata: list[Any]) -> None:
        """Add the values of decoded records and of their ``metadata``."""
        for column in carried_columns(self.shape):
            self.values.setdefault(column.name, [])
        for parts in (records, metadata):
            names = parts[0].__struct_fields__ if parts else ()
            # Not strict: records that learned more keys than others have further fields at the end.
            for name, values in zip(names, zip(*map(astuple, parts), strict=False), strict=False):
                if name in self.values:
                    self.values[name].extend(values)

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
        """Return a copy with further keys, or this object when there are none, or too many.

        A key of both places, and ``metadata`` within itself, are left to :func:`_extra`, which nests them.
        """
        known = {"metadata", *self.record, *self.metadata}
        new = [key for key in record if key not in known and _LEARNABLE.fullmatch(key)]
        inner = [key for key in metadata if key not in {*known, *record} and _LEARNABLE.fullmatch(key)]
        if not (new or inner) or len(known) + len(new) + len(inner) > _MOST:
            return self
        return _Learned((*self.record, *new), (*self.metadata, *inner))

    def extras(self, records: list[Any], metadata: list[Any], shape: WireShape) -> list[str | None]:
        """Return what :func:`_extra` returns for each record; column by column, which is faster.

        :raises RecursionError: when a value is nested too deeply.
        """
        places = [*((key, records) for key in self.record), *((key, metadata) for key in self.metadata)]
        columns = [
            [
                None if value is ABSENT else f'"{key}": {dump_json(value, sort_keys=True)}'
                for value in map(attrgetter(_slot(key)), parts)
            ]
            for key, parts in sorted(places, key=itemgetter(0))
            if shape is WireShape.DOCUMENTED or key not in UNSTORED_OBSERVED
        ]
        if not columns:
            return [None] * len(records)
        if len(columns) == 1:
            return [pair and f"{{{pair}}}" for pair in columns[0]]
        return [
            f"{{{', '.join(filter(None, pairs))}}}" if any(pairs) else None
            for pairs in zip(*columns, strict=True)
        ]


_LEARNABLE: Final = re.compile(r"[ !#-\[\]-~]{1,100}")
"""The keys that a struct field may have: no quotation mark, backslash or control character."""
_MOST: Final = 64
"""Maximum number of learned keys. A record with another one takes the slow path (three times slower)."""


@lru_cache(maxsize=_MOST)
def _types(
    shape: WireShape, learned: _Learned = _Learned(), *, typed: bool = False
) -> tuple[type[msgspec.Struct], type[msgspec.Struct]]:
    """Return the types of a record and of its ``metadata``, without unknown keys.

    ``gc=False``, because the objects have no cycles and there are hundreds of thousands of them.

    :param learned: keys without a column that are known too.
    :param typed: a known key has a value of its column's type or null, instead of any.
    """
    carried = carried_columns(shape)
    keys = {column.name: str(column.key(shape)) for column in carried}
    keys |= {_slot(key): key for key in (*learned.record, *learned.metadata)}

    def kind(column: Column) -> Any:
        return wire_type(column, shape) | None if typed else Any

    outer: list[tuple[str, Any, Any]] = [
        *((column.name, kind(column), ABSENT) for column in carried if not is_inner(column, shape)),
        *((_slot(key), Any, ABSENT) for key in learned.record),
    ]
    inner = [
        *((column.name, kind(column), ABSENT) for column in carried if is_inner(column, shape)),
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
    """Decode groups of records at once; a group with an unexpected record, record by record.

    A new key without a column takes the slow path once and is learned.

    :param start: number of the first row, for the failures.
    """
    rows, learned = Rows(shape), _Learned()
    for first in range(0, max(len(raw_records), 1), _HOT):
        group = raw_records[first : first + _HOT]
        if not _decode_group(group, rows, learned):
            learned = _decode_each(group, start + first, rows, learned)
    return rows


_HOT: Final = 250
"""Records that are decoded at a time, while the processor's cache holds them."""
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, InvalidOperation, RecursionError)


def _decode_group(group: list[bytes], rows: Rows, learned: _Learned) -> bool:
    """Add a group, or return ``False`` when a key is not known or a value is not of its column's type."""
    try:
        records = _decoder(rows.shape, learned, typed=True, many=True)(b"[" + b",".join(group) + b"]")
        documented = rows.shape is WireShape.DOCUMENTED
        metadata = [record.metadata for record in records] if documented else []
        extras = learned.extras(records, metadata, rows.shape)
    except _UNREADABLE:
        return False
    if len(records) != len(group):
        return False
    rows.extras += extras
    if documented:
        rows.fields.add("metadata")
    rows.take(records, metadata)
    return True


def _decode_each(group: list[bytes], start: int, rows: Rows, learned: _Learned) -> _Learned:
    """Add records one by one, and return the keys known then."""
    typed, untyped = (_decoder(rows.shape, learned, typed=typed) for typed in (True, False))
    no_metadata = _types(rows.shape)[1]()
    records: list[Any] = []
    parts: list[Any] = []
    for row, raw in enumerate(group, start):
        try:
            try:
                record = typed(raw)
            except msgspec.ValidationError:
                record = untyped(raw)
                rows.are_typed = False
        except _UNREADABLE:
            record, metadata, rest, more = _careful_row(row, raw, rows)
            further = learned.with_keys(rest, more)
            if further is not learned:
                learned = further
                typed, untyped = (_decoder(rows.shape, learned, typed=typed) for typed in (True, False))
            rows.are_typed = rows.are_typed and _is_accepted(typed, raw)
        else:
            metadata = no_metadata
            if rows.shape is WireShape.DOCUMENTED:
                metadata = record.metadata
                rows.fields.add("metadata")
            rest, more = _values(record, learned.record), _values(metadata, learned.metadata)
        records.append(record)
        parts.append(metadata)
        rows.extras.append(_extra(row, rest, more, rows) if rest or more else None)
    rows.take(records, parts)
    return learned


@lru_cache(maxsize=_MOST)
def _decoder(
    shape: WireShape, learned: _Learned, *, typed: bool, many: bool = False
) -> Callable[[bytes], Any]:
    """Return the decoder of a record, or of a list of them, see :func:`_types`."""
    record: Any = _types(shape, learned, typed=typed)[0]
    return msgspec.json.Decoder(list[record] if many else record, float_hook=Decimal).decode


def _is_accepted(decode: Callable[[bytes], Any], raw: bytes) -> bool:
    try:
        decode(raw)
    except _UNREADABLE:
        return False
    return True


def _values(part: Any, learned: Iterable[str]) -> dict[str, Any]:
    """Return the learned keys of a record, or of its ``metadata``, with their values."""
    return {key: value for key in learned if (value := getattr(part, _slot(key))) is not ABSENT}


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
    check, problem = ("type", f"is {type_name(value)}, not an object")
    if value is ABSENT or value is None:
        check, problem = ("required", "is absent" if value is ABSENT else "is null")
    text = None if check == "required" else value_text(value)
    rows.failures.append((row, CheckFailure(check, "metadata", None, problem, text)))
    return {}


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
