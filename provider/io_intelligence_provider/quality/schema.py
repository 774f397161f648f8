"""The pandera schema of a batch, derived from the contract: one check per rule, on whole columns."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.quality.contract import (
    COLUMNS,
    AllowedValues,
    Canonical,
    Column,
    InRange,
    Kind,
    NonNegative,
    Place,
)

if TYPE_CHECKING:
    import pandera.polars as pa
    from pandera.api.polars.types import PolarsData

__all__ = ["NOT_BEFORE", "REPEATED", "batch_schema", "parsed_name"]

NOT_BEFORE: Final = "not_before"
REPEATED: Final = "repeated"
"""Helper column: the row's id is borne by another, differing record as well."""

_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def parsed_name(column: str) -> str:
    """Return the name of the helper column that holds the typed value of a text column."""
    return f"{column}.parsed"


@cache
def batch_schema(shape: WireShape) -> pa.DataFrameSchema:
    """Return the schema that a batch of that shape is judged by.

    The frame holds the columns of the contract, prices and timestamps as text, their typed values in
    ``<name>.parsed``, and ``repeated``. A required column is pandera's own ``nullable=False``; every
    check passes null.
    """
    import pandera.polars as pa

    dtypes: dict[Kind, Any] = {
        Kind.INTEGER: pl.Int64,
        Kind.FLOAT: pl.Float64,
        Kind.BOOLEAN: pl.Boolean,
        Kind.STRING_LIST: pl.List(pl.String),
    }
    columns = {
        column.name: pa.Column(
            dtypes.get(column.kind, pl.String),
            nullable=not column.required(shape),
            checks=[check for check in (_kind_check(column, shape), _value_check(column)) if check],
        )
        for column in COLUMNS
        # What may be null and has no rule was judged when it entered the frame: its type fits.
        if column.place is not Place.PROVIDER
        and (column.required(shape) or column.check or column.kind in (Kind.PRICE, Kind.TIMESTAMP))
    }
    columns["model_id"].checks.append(
        pa.Check(_not_repeated, name="unique", error="is the id of another, differing record as well")
    )
    columns["updated_at"].checks.append(pa.Check(_not_before, name=NOT_BEFORE, error="is before created_at"))
    return pa.DataFrameSchema(columns)


def _kind_check(column: Column, shape: WireShape) -> pa.Check | None:
    """Return the check that the text of a price or a timestamp could be read."""
    import pandera.polars as pa

    if column.kind is Kind.PRICE:
        return pa.Check(_is_parsed, name="price", error=_PRICE_MESSAGES[shape])
    if column.kind is Kind.TIMESTAMP:
        return pa.Check(_is_parsed, name="timestamp", error="is no RFC 3339 timestamp with an offset")
    return None


_PRICE_MESSAGES: Final = {
    WireShape.DOCUMENTED: "is no plain, finite, non-negative decimal number of at most 20 integer digits "
    "and 18 decimals",
    WireShape.OPENAI: "is negative or, in USD per million tokens, has more than 20 integer digits "
    "or 18 decimals",
}


def _value_check(column: Column) -> pa.Check | None:
    import pandera.polars as pa

    rule = column.check
    if rule is None:
        return None
    if isinstance(rule, Canonical):
        return pa.Check.str_matches(_UUID, name=rule.name, error=rule.message)
    if isinstance(rule, AllowedValues):
        return pa.Check.isin(rule.values, name=rule.name, error=rule.message)
    if isinstance(rule, InRange):
        return pa.Check.in_range(rule.minimum, rule.maximum, name=rule.name, error=rule.message)
    if isinstance(rule, NonNegative):
        return pa.Check.ge(0, name=rule.name, error=rule.message)
    raise TypeError(f"no check for {rule!r}")  # pragma: no cover - mypy proves the list complete


def _is_parsed(data: PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_null() | pl.col(parsed_name(data.key)).is_not_null())


def _not_repeated(data: PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(~pl.col(REPEATED))


def _not_before(data: PolarsData) -> pl.LazyFrame:
    updated, created = (pl.col(parsed_name(name)) for name in ("updated_at", "created_at"))
    return data.lazyframe.select((updated >= created).fill_null(value=True))
