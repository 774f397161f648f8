"""From served text to exact values, on whole columns: prices and timestamps.

Both functions return null where the text is not what the contract allows, and for null; the row check
of the same name tells the two apart. The common form is parsed by polars, the rest value by value.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Final

import polars as pl

from io_intelligence_provider.quality.contract import PRICE_PRECISION, PRICE_SCALE

__all__ = ["parse_prices", "parse_timestamps"]

_INTEGER_DIGITS: Final = PRICE_PRECISION - PRICE_SCALE
_PLAIN_PRICE: Final = rf"^[0-9]{{1,{_INTEGER_DIGITS}}}(\.[0-9]{{1,{PRICE_SCALE}}})?$"
_ANY_PRICE: Final = r"^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_STEP: Final = Decimal(1).scaleb(-PRICE_SCALE)
_BOUND: Final = Decimal(1).scaleb(_INTEGER_DIGITS)
_EXACT: Final = Context(prec=PRICE_PRECISION)

# RFC 3339, 5.6; the letters may be small and a space may stand for the T.
_TIMESTAMP: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def parse_prices(text: pl.Series) -> pl.Series:
    """Return the prices as Decimal(38, 18), exact to the last digit, null where one is not storable.

    Storable is what matches ``[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?`` in ASCII and has a value of at most
    18 decimals and 20 integer digits. The digits count in the value: trailing zeros do no harm.
    """
    dtype = pl.Decimal(PRICE_PRECISION, PRICE_SCALE)
    plain = text.str.contains(_PLAIN_PRICE)
    parsed = text.set(~plain, None).cast(dtype)
    rest = text.is_not_null() & ~plain & text.str.contains(_ANY_PRICE)
    if not rest.any():
        return parsed
    exact = [_exact_price(value) if odd else None for value, odd in zip(text, rest, strict=True)]
    return parsed.fill_null(pl.Series(text.name, exact, dtype=dtype))


def _exact_price(text: str) -> Decimal | None:
    mantissa = text.lower().partition("e")[0]
    if not mantissa.strip("0."):
        return Decimal(0)  # before Decimal sees the exponent: a zero may have one of any size
    try:
        value = Decimal(text)
        if not _STEP <= value < _BOUND:
            return None
        # quantize signals what does not fit the precision; an inexact one is told by comparing.
        stored = value.quantize(_STEP, context=_EXACT)
    except InvalidOperation:
        return None
    return stored if stored == value else None


def parse_timestamps(text: pl.Series) -> pl.Series:
    """Return the timestamps in UTC, cut to microseconds, null where one is no RFC 3339 with an offset.

    Storable are the years 1 to 9999 in UTC; a leap second (``:60``) is not.
    """
    fitting = text.str.contains(_TIMESTAMP)
    day = text.set(~fitting, None).str.slice(0, 19).str.replace("[t ]", "T")
    rest = text.set(~fitting, None).str.slice(19)
    micros = rest.str.extract(r"^\.([0-9]{1,6})").fill_null("").str.pad_end(6, "0").cast(pl.Int64)
    sign = rest.str.contains(r"-[0-9]{2}:[0-9]{2}$").replace_strict(
        {True: -1, False: 1}, return_dtype=pl.Int64
    )
    hours = rest.str.extract(r"[+-]([0-9]{2}):[0-9]{2}$").fill_null("0").cast(pl.Int64)
    minutes = rest.str.extract(r"[+-][0-9]{2}:([0-9]{2})$").fill_null("0").cast(pl.Int64)
    offset = sign * (hours * 60 + minutes).set((hours > 23) | (minutes > 59), None)
    day = day.set(day.str.slice(17, 2) == "60", None)
    local = day.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)
    instant = local.cast(pl.Int64) + micros - offset * 60_000_000
    storable = instant.set((instant < _FIRST) | (instant > _LAST), None)
    return storable.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
