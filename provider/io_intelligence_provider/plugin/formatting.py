"""Formats prices and quotas for the page's API as plain decimal text, never as floats."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final

import polars as pl

from io_intelligence_provider.contract.columns import COLUMN_BY_NAME, PRICE_SCALE, Kind

__all__ = ["column_text", "json_integer", "json_value", "mean", "plain", "unscaled"]


_LARGEST: Final = 2**53
_EXACT: Final = Context(prec=60)


def plain(value: Decimal | int | None) -> str | None:
    """Return a number without exponent or trailing zeros: ``0.18024``, ``2``, ``0``; null stays null."""
    if value is None:
        return None
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def column_text(values: pl.Series) -> pl.Series:
    """Format a column of decimals with a scale of 18 like :func:`plain`; text columns are unchanged."""
    if values.dtype == pl.String:
        return values
    return values.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")


def unscaled(stored: int) -> Decimal:
    """Return the price that a price column stores as this integer."""
    return _EXACT.scaleb(Decimal(stored), -PRICE_SCALE)


def mean(one: Decimal, other: Decimal) -> Decimal:
    """Return the exact mean of two prices, which is the median of an even number of them."""
    return _EXACT.divide(_EXACT.add(one, other), Decimal(2))


def json_value(column: str, value: Any) -> Any:
    """Convert a stored value for JSON: prices to text, timestamps to RFC 3339."""
    if value is None:
        return None
    kind = COLUMN_BY_NAME[column].kind
    if kind is Kind.PRICE:
        return plain(value)
    if kind is Kind.TIMESTAMP:
        return value.isoformat().replace("+00:00", "Z")
    return json_integer(value) if kind is Kind.INTEGER else value


def json_integer(value: int) -> int | str:
    """Return an integer, as text beyond 2^53, where JavaScript's numbers are no longer exact."""
    return value if abs(value) <= _LARGEST else str(value)
