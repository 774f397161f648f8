"""Converts values of a snapshot to text, and computes the percentage and direction of a change."""

from __future__ import annotations

import json
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final

import polars as pl

from io_intelligence_provider.catalog.wire import WireShape, decode_record
from io_intelligence_provider.changes.kinds import extra_field, is_compared_key
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME, Kind
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.text import dump_json

__all__ = ["as_text", "direction", "directions", "extra_texts", "percent", "percents"]

# With 38 digits a side, a difference is exact, and a quotient is rounded far beyond a double.
_EXACT: Final = Context(prec=60)
_UNBOUNDED: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_LONGEST_INTEGER: Final = 100  # digits; a longer Decimal keeps its exponent


def as_text(field: str, values: pl.Series) -> pl.Series:
    """Convert values to text for ``changes.parquet``; null stays null.

    Prices are plain decimals without trailing zeros, lists JSON, timestamps RFC 3339 in UTC with as many
    decimals as they need, booleans ``true`` and ``false``.
    """
    kind = COLUMN_BY_NAME[field].kind
    if kind is Kind.PRICE:
        # The column's scale is 18, so stripping zeros always stops at the point.
        return values.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    if kind is Kind.STRING_LIST:
        texts = [None if tags is None else json.dumps(tags, ensure_ascii=False) for tags in values.to_list()]
        return pl.Series(values.name, texts, dtype=pl.String)
    if kind is Kind.TIMESTAMP:
        return values.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return values.cast(pl.String)


def extra_texts(extra: str | None, shape: WireShape) -> dict[str, str]:
    """Convert a value of ``extra`` to the texts of ``changes.parquet``, by ``extra.<key>``.

    Each text is canonical JSON: a string in quotation marks, an object as a whole with sorted keys. A key
    that ``extra`` lacks is missing, which differs from a JSON null.

    :raises StorageError: when it is not a JSON object.
    """
    if extra is None:
        return {}
    try:
        keys = decode_record(extra.encode())
    except ValueError:
        keys = None
    if type(keys) is not dict:
        raise StorageError(f"A models file has an `extra` that is no JSON object: {extra[:80]!r}.")
    if shape is WireShape.DOCUMENTED and type(inner := keys.get("metadata")) is dict:
        # `metadata` holds the keys of the inner level that the outer level has too.
        kept = {key: value for key, value in inner.items() if is_compared_key(key, shape)}
        keys = {key: value for key, value in keys.items() if key != "metadata"} | (
            {"metadata": kept} if kept else {}
        )
    return {
        extra_field(key): dump_json(_plain(value), sort_keys=True)
        for key, value in keys.items()
        if is_compared_key(key, shape)
    }


def _plain(value: Any) -> Any:
    """Convert a decoded JSON value so that equal numbers have the same text: ``1.0`` becomes ``1``."""
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    if type(value) is list:
        return [_plain(item) for item in value]
    if type(value) is not Decimal:
        return value
    if not value or (value.adjusted() < _LONGEST_INTEGER and value == value.to_integral_value()):
        return int(value)
    return value.normalize(_UNBOUNDED)


def percent(old: Decimal | int | None, new: Decimal | int | None) -> float | None:
    """Return 100·(new-old)/old, correctly rounded; ``None`` when either side is null or the old is 0."""
    if old is None or new is None or not old:
        return None
    difference = _EXACT.subtract(Decimal(new), Decimal(old))
    return float(_EXACT.divide(_EXACT.multiply(difference, Decimal(100)), Decimal(old)))


_LARGEST: Final = 2**45
"""Up to this size an integer, and a hundred times the difference of two, is exact in a double."""
_SHORTENED: Final = 10**9
"""Prices of up to nine decimals are such integers in units of 1e-9, up to 35,184 USD."""


def percents(old: pl.Series, new: pl.Series) -> pl.Series:
    """Return :func:`percent` of each pair of two columns of prices or of integers.

    Pairs short enough to be exact in a double are divided as doubles, which rounds correctly; the others are
    computed one by one.
    """
    numbers = pl.DataFrame([old.to_physical().alias("old"), new.to_physical().alias("new")])
    is_short = pl.all_horizontal(pl.all().is_not_null()) & (pl.col("old") != 0)
    if old.dtype.is_decimal():
        is_short &= pl.all_horizontal(pl.all() % _SHORTENED == 0)
        numbers = numbers.with_columns(is_short=is_short).with_columns(pl.col("old", "new") // _SHORTENED)
    else:
        numbers = numbers.with_columns(is_short=is_short)
    fits = pl.all_horizontal(pl.col("old", "new").is_between(-_LARGEST, _LARGEST))
    one, other = (
        pl.when(pl.col("is_short") & fits).then(pl.col(name)).cast(pl.Int64) for name in ("old", "new")
    )
    found = numbers.select(pct=((other - one) * 100).cast(pl.Float64) / one.cast(pl.Float64))["pct"]
    rest = (found.is_null() & old.is_not_null() & new.is_not_null()).arg_true()
    if rest.is_empty():
        return found
    exact = [percent(*pair) for pair in zip(old[rest].to_list(), new[rest].to_list(), strict=True)]
    return found.scatter(rest, pl.Series(exact, dtype=pl.Float64))


def directions(old: pl.Series, new: pl.Series) -> pl.Series:
    """Return :func:`direction` of each pair of two columns."""
    one, other = pl.col("old"), pl.col("new")
    way = pl.when(other > one).then(pl.lit("up")).when(other < one).then(pl.lit("down"))
    return pl.DataFrame([old.alias("old"), new.alias("new")]).select(direction=way)["direction"]


def direction(old: Decimal | int | None, new: Decimal | int | None) -> str | None:
    """Return ``up`` or ``down``; ``None`` from or to null, because unknown is neither more nor less."""
    if old is None or new is None or old == new:
        return None
    return "up" if new > old else "down"
