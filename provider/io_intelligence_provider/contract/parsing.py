"""Converts JSON values to stored values or raises the reason why not; parses prices and timestamps."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import (
    MAX_EMAX,
    MAX_PREC,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    InvalidOperation,
    Overflow,
)
from typing import Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import PRICE_PRECISION, PRICE_SCALE, Column, Kind
from io_intelligence_provider.text import UnstorableNumber, dump_json

__all__ = [
    "MistypedError",
    "parse_prices",
    "parse_timestamps",
    "storer",
    "type_name",
    "typed_series",
    "wire_type",
]


_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, Overflow])
_INT64: Final = range(-(2**63), 2**63)
_DIGITS_OF_A_DOUBLE: Final = 15
_DOUBLE: Final = Context(prec=_DIGITS_OF_A_DOUBLE, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN)
_PRICE_STEP: Final = Decimal(1).scaleb(-PRICE_SCALE)
_FINER_UNITS: Final = {"milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}


class MistypedError(Exception):
    """A value that the column does not accept; the argument describes it.

    :param check: the row check that fails; ``None``: that of the column's type.
    """

    def __init__(self, message: str, check: str | None = None) -> None:
        super().__init__(message)
        self.check = check


def _string(value: Any) -> str:
    if type(value) is not str:
        raise MistypedError(f"is {type_name(value)}, not a string")
    if not _encodable(value):
        raise MistypedError("holds a lone surrogate or bytes that are no UTF-8")
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
    if type(value) is Decimal and value.adjusted() < 20:
        raise MistypedError("is a number with a fraction, not an integer")
    if type(value) is not int:
        raise MistypedError(f"is {type_name(value)}, not an integer")
    if value not in _INT64:
        raise MistypedError("is an integer beyond 64 bits")
    return value


def _float(value: Any) -> float:
    """Return a measurement; a number that a double cannot hold is refused, not made infinite or 0."""
    if type(value) not in (int, Decimal, UnstorableNumber):
        raise MistypedError(f"is {type_name(value)}, not a number")
    try:
        stored = math.inf if type(value) is UnstorableNumber else float(value)
    except OverflowError:
        stored = math.inf
    if not math.isfinite(stored) or (value and not stored):
        raise MistypedError("is a number too large or too small for 64 bits")
    return stored


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise MistypedError(f"is {type_name(value)}, not a boolean")
    return value


def _strings(value: Any) -> list[str]:
    if type(value) is not list:
        raise MistypedError(f"is {type_name(value)}, not a list of strings")
    return [_string(item) for item in value]


def _one_or_more_strings(value: Any) -> list[str]:
    return _strings([value] if type(value) is str else value)


def _json_text(value: Any) -> str:
    return _string(value) if type(value) is str else dump_json(value)


def _price_text(value: Any) -> str:
    if type(value) is not str:
        raise MistypedError(f"is {type_name(value)}, not a decimal number in a string")
    return _string(value)


def _price_per_million(value: Any) -> str:
    """Return an observed price, USD per token, as text in USD per million tokens.

    The number is a binary float in decimal digits, so digits beyond 15 are noise of the server's arithmetic:
    they are rounded to 15, and then to 18 decimals. A price that this would make 0 keeps its digits and is
    refused later, because 0 would mean free.
    """
    if type(value) is UnstorableNumber:
        raise MistypedError("is a number too large or too small for a price")
    if type(value) not in (int, Decimal):
        raise MistypedError(f"is {type_name(value)}, not a number or null")
    number = Decimal(value)
    if not number:
        return "0"  # also for -0
    try:
        price = number.scaleb(6, _EXACT)
        if len(number.as_tuple().digits) > _DIGITS_OF_A_DOUBLE:
            price = _rounded(price)
    except (InvalidOperation, Overflow):
        raise MistypedError("is a number too large or too small for a price") from None
    return str(price)


def _rounded(price: Decimal) -> Decimal:
    price = _DOUBLE.plus(price) or price
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -PRICE_SCALE:
        price = price.quantize(_PRICE_STEP, context=_EXACT) or price
    return price


def _unix_seconds(value: Any) -> str:
    """Return ``created``, Unix seconds, as RFC 3339."""
    try:
        seconds = _integer(value)
    except MistypedError as error:
        raise MistypedError(f"{error}; Unix seconds are expected") from None
    if (moment := _moment(seconds)) is not None:
        return moment.isoformat()
    # As nanoseconds, any 64 bits are of the years 1677 to 2262.
    finer = ((unit, _moment(seconds // factor)) for unit, factor in _FINER_UNITS.items())
    unit, moment = next((unit, moment) for unit, moment in finer if moment is not None)
    raise MistypedError(f"looks like {unit} ({moment:%Y-%m-%d}); Unix seconds are expected", "timestamp")


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


_STORE: Final[dict[Kind, Callable[[Any], Any]]] = {
    Kind.STRING: _string,
    Kind.TIMESTAMP: _string,
    Kind.JSON_TEXT: _json_text,
    Kind.INTEGER: _integer,
    Kind.FLOAT: _float,
    Kind.BOOLEAN: _boolean,
    Kind.STRING_LIST: _strings,
    Kind.PRICE: _price_text,
}


def type_name(value: Any) -> str:
    """Return the JSON type of a decoded value with an article, for a message."""
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


def storer(column: Column, shape: WireShape) -> Callable[[Any], Any]:
    """Return the function that converts the values of a column or raises :class:`MistypedError`."""
    if shape is WireShape.OPENAI and column.kind is Kind.PRICE:
        return _price_per_million
    if shape is WireShape.OPENAI and column.observed_key == "created":
        return _unix_seconds
    return _one_or_more_strings if column.takes_one_string else _STORE[column.kind]


_INTEGER_DIGITS: Final = PRICE_PRECISION - PRICE_SCALE
_PLAIN_PRICE: Final = rf"^[0-9]{{1,{_INTEGER_DIGITS}}}(\.[0-9]{{1,{PRICE_SCALE}}})?$"
_ANY_PRICE: Final = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_STORED_DIGITS: Final = Context(prec=PRICE_PRECISION)

# RFC 3339, 5.6; letters may be lower case, and a space may replace the T.
_TIMESTAMP: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def parse_prices(text: pl.Series) -> pl.Series:
    """Return the prices as exact Decimal(38, 18), null where one is not storable.

    Storable is what matches ``[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?`` in ASCII and has a value of at most
    18 decimals and 20 integer digits, not counting trailing zeros.
    """
    dtype = pl.Decimal(PRICE_PRECISION, PRICE_SCALE)
    plain = pl.when(pl.col("text").str.contains(_PLAIN_PRICE)).then(pl.col("text"))
    parsed = text.to_frame("text").select(plain.cast(dtype).alias(text.name)).to_series()
    rest = parsed.is_null() & text.is_not_null()
    if not rest.any():
        return parsed
    rest &= text.str.contains(_ANY_PRICE)
    exact = [_exact_price(value) if odd else None for value, odd in zip(text, rest, strict=True)]
    return parsed.fill_null(pl.Series(text.name, exact, dtype=dtype))


def _exact_price(text: str) -> Decimal | None:
    mantissa = text.lower().partition("e")[0]
    if not mantissa.strip("0."):
        return Decimal(0)  # not by Decimal, because the exponent of a zero may be of any size
    try:
        value = Decimal(text)
        # quantize signals a value beyond the precision; comparing detects an inexact one.
        stored = value.quantize(_PRICE_STEP, context=_STORED_DIGITS)
    except InvalidOperation:
        return None
    return stored if stored == value else None


def parse_timestamps(values: pl.Series) -> pl.Series:
    """Return the timestamps in UTC, cut to microseconds, null where one is no RFC 3339 with an offset.

    Storable are the years 1 to 9999 in UTC; a leap second (``:60``) is not.
    """
    text, day, rest, instant = (pl.col(name) for name in ("text", "day", "rest", "instant"))
    hours = rest.str.extract(r"[+-]([0-9]{2}):[0-9]{2}$").fill_null("0").cast(pl.Int64)
    minutes = rest.str.extract(r"[+-][0-9]{2}:([0-9]{2})$").fill_null("0").cast(pl.Int64)
    is_offset = hours.is_between(0, 23) & minutes.is_between(0, 59)
    sign = pl.when(rest.str.contains(r"-[0-9]{2}:[0-9]{2}$")).then(-1).otherwise(1)
    micros = rest.str.extract(r"^\.([0-9]{1,6})").fill_null("").str.pad_end(6, "0").cast(pl.Int64)
    local = day.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False).cast(pl.Int64)
    utc = local + micros - sign * (hours * 60 + minutes) * 60_000_000
    # One query in steps: a query for each of them takes longer than the steps do, for a small catalogue.
    steps = values.to_frame("text").lazy()
    steps = steps.select(pl.when(text.str.contains(_TIMESTAMP)).then(text))
    steps = steps.select(
        text.str.slice(0, 19).str.replace("[t ]", "T").alias("day"), text.str.slice(19).alias("rest")
    )
    steps = steps.select(pl.when(is_offset & (day.str.slice(17, 2) != "60")).then(utc).alias("instant"))
    steps = steps.select(pl.when(instant.is_between(_FIRST, _LAST)).then(instant))
    stamp = instant.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return steps.select(stamp.alias(values.name)).collect().to_series()


_LIST: Final = pa.large_list(pa.large_string())
_WIRE_TYPES: Final = {Kind.INTEGER: int, Kind.BOOLEAN: bool, Kind.STRING_LIST: list}


def wire_type(column: Column, shape: WireShape) -> Any:
    """Return the type of the values that polars or Arrow store without conversion, ``Any`` without one."""
    is_converted = shape is WireShape.OPENAI and column.kind in (Kind.PRICE, Kind.TIMESTAMP)
    return Any if is_converted or column.kind is Kind.FLOAT else _WIRE_TYPES.get(column.kind, str)


def typed_series(column: Column, values: list[Any]) -> pl.Series:
    """Build a column of values that fit.

    :raises TypeError: or ``ValueError`` or ``OverflowError``, when one does not.
    """
    if column.kind is Kind.STRING_LIST:
        # Through Arrow, because polars is fifty times slower with Python lists. As a batch, because
        # pl.Series loads `pyarrow.compute`, which takes as long as a small snapshot.
        lists = pa.array(values, _LIST)
        if lists.values.null_count:
            raise TypeError("a list with null")
        return pl.DataFrame(pa.RecordBatch.from_arrays([lists], [column.name]))[column.name]
    dtype = {Kind.INTEGER: pl.Int64, Kind.FLOAT: pl.Float64, Kind.BOOLEAN: pl.Boolean}.get(
        column.kind, pl.String
    )
    return pl.Series(column.name, values, dtype=dtype, strict=True)
