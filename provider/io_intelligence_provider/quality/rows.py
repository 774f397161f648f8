"""From raw records to objects with one attribute per column: fast where every key is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import msgspec

from io_intelligence_provider.catalog.wire import UNSTORED_OBSERVED, WireShape, decode_record, dump_json
from io_intelligence_provider.quality.contract import ABSENT, COLUMNS, Column, Place
from io_intelligence_provider.quality.failure import RowFailure, cut, escaped, shown_value
from io_intelligence_provider.quality.values import type_name

__all__ = ["Rows", "is_inner", "read_rows"]


def is_inner(column: Column, shape: WireShape) -> bool:
    """Tell whether a record of that shape keeps the column under ``metadata``."""
    return column.place is Place.METADATA and shape is WireShape.DOCUMENTED


@dataclass
class Rows:
    """The records as objects with one attribute per column, and the JSON of what has no column.

    :param failures: records that are no object, or whose ``metadata`` is none.
    :param fields: keys without a column, and ``metadata``, where any record had them.
    """

    shape: WireShape
    records: list[Any] = field(default_factory=list)
    metadata: list[Any] = field(default_factory=list)
    extras: list[str | None] = field(default_factory=list)
    failures: list[RowFailure] = field(default_factory=list)
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
    rows.failures.append(RowFailure(row, "type", "record", shown_value(value), problem))
    return None


def _metadata(row: int, record: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Take ``metadata`` out of a documented record; without an object there, the row is refused."""
    value = record.pop("metadata", ABSENT)
    if value is not ABSENT:
        rows.fields.add("metadata")
    if type(value) is dict:
        return value
    rows.failures.append(_no_metadata(row, value))
    return {}


def _no_metadata(row: int, value: Any) -> RowFailure:
    if value is ABSENT or value is None:
        return RowFailure(row, "required", "metadata", None, "is absent" if value is ABSENT else "is null")
    return RowFailure(row, "type", "metadata", shown_value(value), f"is {type_name(value)}, not an object")


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
        rows.failures.append(RowFailure(row, "type", "extra", None, "is nested too deeply to be stored"))
        return None
