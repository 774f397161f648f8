"""Builds the quarantine of a data set: refused rows as JSON text, with every reason."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from io_intelligence_provider.quality.result import CheckFailure
from io_intelligence_provider.text import cut, dump_json, escaped

__all__ = [
    "RefusedRow",
    "failures_type",
    "plain_rows",
    "quarantine_schema",
    "quarantine_table",
    "record_text",
    "value_text",
]


@dataclass(frozen=True)
class RefusedRow:
    """A refused row.

    :param failures: every reason, with the offending value.
    :param row: its position in the file, from 0; ``None`` where rows have none, as on Spark.
    """

    record: str
    failures: tuple[CheckFailure, ...]
    file: str | None
    row: int | None


def failures_type() -> pa.DataType:
    """Return the Arrow type of the reasons of a refused row, see :meth:`.CheckFailure.to_dict`."""
    return pa.list_(pa.struct([(name, pa.string()) for name in ("check", "column", "value", "message")]))


def quarantine_schema() -> pa.Schema:
    """Return the Arrow schema of a quarantine file."""
    text = pa.string()
    return pa.schema(
        [
            pa.field("record", text, nullable=False),
            ("failures", failures_type()),
            ("file", text),
            ("row", pa.int64()),
            pa.field("run_id", text, nullable=False),
            pa.field("checked_at", pa.timestamp("us", tz="UTC"), nullable=False),
        ]
    )


def quarantine_table(rows: Sequence[RefusedRow], run_id: str, checked_at: datetime) -> pa.Table:
    """Return refused rows as a table."""
    return pa.Table.from_pylist(
        [
            {
                "record": row.record,
                "failures": [failure.to_dict() for failure in row.failures],
                "file": row.file,
                "row": row.row,
                "run_id": run_id,
                "checked_at": checked_at,
            }
            for row in rows
        ],
        schema=quarantine_schema(),
    )


_LONGEST = 500  # characters; the record holds the whole value


def plain_rows(table: pa.Table, rows: Sequence[int]) -> list[dict[str, Any]]:
    """Return some rows as dicts of JSON values.

    Numbers keep their digits; non-finite ones are ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``. Times are
    ISO 8601, durations seconds, bytes Base64.
    """
    chosen = table.take(pa.array(rows, pa.int64()))
    columns = {name: [_plain(value) for value in _values(chosen[name])] for name in chosen.column_names}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python's datetime has no nanoseconds; the text keeps every digit.
        return [
            None if text is None else text.replace(" ", "T") for text in column.cast(pa.string()).to_pylist()
        ]
    if pa.types.is_duration(column.type):  # a float of seconds has too few digits for some
        digits = _DIGITS[column.type.unit]
        return [
            None if item is None else _seconds(item, digits) for item in column.cast(pa.int64()).to_pylist()
        ]
    column = column.cast(_readable(column.type))
    try:
        values: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        raw = column.cast(pa.binary()).to_pylist()
        values = [None if item is None else item.decode("utf-8", "backslashreplace") for item in raw]
    except (OverflowError, ValueError):  # a time beyond the years of Python's
        values = column.cast(_readable(column.type, times=True)).to_pylist()
    return values


_DIGITS: Final = {"s": 0, "ms": 3, "us": 6, "ns": 9}


def _seconds(count: int, digits: int) -> float | Decimal:
    """Return a duration in seconds: as a float, unless that has not all digits."""
    exact = Decimal(f"{count}e-{digits}")  # not rounded to the digits of a context
    rounded = float(exact)
    return rounded if Decimal(repr(rounded)) == exact else exact


def _readable(dtype: pa.DataType, *, times: bool = False) -> pa.DataType:
    """Return a type with text in place of times of day of nanoseconds, which Python's would cut.

    :param times: whether to do so with all dates and times, of which Python has the years 1 to 9999 only.
    """
    if dtype == pa.time64("ns") or (times and pa.types.is_temporal(dtype)):
        return pa.string()
    if pa.types.is_dictionary(dtype) and times:
        return _readable(dtype.value_type, times=True)
    if pa.types.is_struct(dtype):
        return pa.struct([field.with_type(_readable(field.type, times=times)) for field in dtype])
    if pa.types.is_map(dtype):
        return pa.map_(*(_readable(part, times=times) for part in (dtype.key_type, dtype.item_type)))
    for is_list, of in _LISTS.items():
        if is_list(dtype):
            return of(dtype, dtype.value_field.with_type(_readable(dtype.value_type, times=times)))
    return dtype


_LISTS: Final[Mapping[Any, Any]] = {
    pa.types.is_list: lambda _, field: pa.list_(field),
    pa.types.is_large_list: lambda _, field: pa.large_list(field),
    pa.types.is_fixed_size_list: lambda dtype, field: pa.list_(field, dtype.list_size),
}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, (float, Decimal)):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def record_text(row: dict[str, Any]) -> str:
    """Return a plain row as ASCII JSON."""
    return dump_json(row)


def value_text(value: Any) -> str | None:
    """Return a value as text, cut to 500 characters: strings unchanged, others as JSON, null as ``None``."""
    if value is None:
        return None
    if isinstance(value, str):
        return cut(escaped(value), _LONGEST)
    try:
        return cut(dump_json(value), _LONGEST)
    except RecursionError:
        return "(nested too deeply to be shown)"
