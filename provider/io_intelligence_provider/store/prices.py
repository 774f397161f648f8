"""Computes a model's prices on a day, the cost of tokens, and the periods in which a price held, exactly.

The API serves current prices only, so between two snapshots the earlier one holds. A price that was not
published is unknown: it raises an error and is never zero.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal
from typing import Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.contract.columns import PRICE_COLUMNS, PRICE_PRECISION, PRICE_SCALE
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError

__all__ = [
    "DOUBTFUL_FOR",
    "PERIOD_COLUMNS",
    "Prices",
    "check_counts",
    "cost_of",
    "doubtful_zeros",
    "periods_of",
    "periods_schema",
    "prices_of",
    "token_cost",
]


_EXACT: Final = Context(prec=1_000)
"""Decimal arithmetic that never rounds: prices have 38 digits, token counts at most 100."""

_MOST: Final = 10**100


@dataclass(frozen=True)
class Prices:
    """Prices of one model, USD per million tokens. ``None``: not published; 0: free.

    :param snapshot_date: the day of the snapshot that holds them.
    """

    snapshot_date: date
    input: Decimal | None
    output: Decimal | None
    cache_write: Decimal | None
    cache_read: Decimal | None


def prices_of(model: str, day: date, rows: pa.Table) -> Prices:
    """Return the prices of one model.

    :param rows: the rows of the snapshot of ``day`` with ``model`` as ``model_id`` or ``name``.
    :raises NotOnFileError: when there is no such row.
    :raises ConfigurationError: when several models have the name.
    """
    found: list[dict[str, Any]] = rows.to_pylist()
    meant = [row for row in found if row["model_id"] == model] or found
    if not meant:
        raise NotOnFileError(f"The snapshot of {day} has no model {model!r}.")
    if len(meant) > 1:
        ids = ", ".join(row["model_id"] for row in meant)
        raise ConfigurationError(f"{len(meant)} models have the name {model!r} on {day}; give an id: {ids}.")
    values = (meant[0][column] for column in PRICE_COLUMNS)
    return Prices(day, *(None if value is None else _plain(value) for value in values))


def cost_of(model: str, prices: Prices, tokens: Mapping[str, Any]) -> Decimal:
    """Return the exact cost of some tokens at these prices, in USD.

    :param tokens: the number of tokens of each kind: ``input``, ``output``, ``cache_write``, ``cache_read``.
    :raises NotOnFileError: when a price that is needed was not published.
    :raises ConfigurationError: when a number of tokens is invalid.
    """
    total = Decimal(0)
    for kind, given in tokens.items():
        count = _count(kind, given)
        price = getattr(prices, kind)
        if not count:
            continue
        if price is None:
            raise NotOnFileError(
                f"No {kind} price of {model!r} was published on {prices.snapshot_date}, so the cost of "
                f"{count} tokens is unknown. It is not zero."
            )
        total = _EXACT.add(total, token_cost(count, price))
    return _plain(total)


def token_cost(count: int, price: Decimal) -> Decimal:
    """Return the exact cost of some tokens at a price per million, in USD."""
    return _plain(_EXACT.multiply(Decimal(count), price).scaleb(-6, _EXACT))


def check_counts(tokens: Mapping[str, Any]) -> None:
    """Validate numbers of tokens.

    :raises ConfigurationError: when one is invalid.
    """
    for kind, given in tokens.items():
        _count(kind, given)


def _count(kind: str, given: Any) -> int:
    try:
        count = -1 if isinstance(given, bool) else operator.index(given)
    except TypeError:
        count = -1
    if not 0 <= count < _MOST:
        raise ConfigurationError(f"{kind}_tokens is {given!r}; it must be an integer of 0 or more.")
    return count


def _plain(value: Decimal) -> Decimal:
    """Return the number without trailing zeros or an exponent."""
    return Decimal(f"{value.normalize(_EXACT):f}")


PERIOD_COLUMNS = ("model_id", "name", *PRICE_COLUMNS)
"""The columns of ``models.parquet`` that periods are built from."""

_KEY = ("model_id", "name")


def periods_schema() -> pa.Schema:
    """Return the Arrow schema of periods; fields carry a ``description`` and the ``unit``."""

    def field(name: str, kind: pa.DataType, description: str, nullable: bool = False) -> pa.Field:
        return pa.field(name, kind, nullable=nullable, metadata={"description": description})

    price = field("price", pa.decimal128(PRICE_PRECISION, PRICE_SCALE), "Price that held; 0 is free")
    return pa.schema(
        [
            field("model_id", pa.string(), "Identifier of the model"),
            field("name", pa.string(), "Name of the model in that period"),
            field("field", pa.string(), "Column of models.parquet that holds the price"),
            price.with_metadata({**price.metadata, b"unit": b"USD per million tokens"}),
            field("valid_from", pa.date32(), "First day of the period: that of its first snapshot"),
            field(
                "valid_to",
                pa.date32(),
                "First day after the period: that of the first snapshot that differs; "
                "null while the price is current",
                nullable=True,
            ),
        ]
    )


def periods_of(history: pa.Table, dates: Iterable[date]) -> pa.Table:
    """Return the periods in which each price held, by ``name``, ``model_id``, ``field``, ``valid_from``.

    A period is a sequence of consecutive snapshots with the same price of the same model under the same name.
    A snapshot without the model (absent, in quarantine) or without the price ends it. A day without a
    snapshot does not, because the snapshot before holds.

    :param history: ``snapshot_date`` and :data:`PERIOD_COLUMNS`, in any order; of all models, or of some.
    :param dates: all days with a snapshot, including those without any of these models.
    """
    frame = pl.DataFrame(history)
    # The history may hold a snapshot that was filed after the dates were listed.
    known = sorted({*dates, *frame["snapshot_date"].unique()})
    days = pl.DataFrame({"snapshot_date": known}, schema={"snapshot_date": pl.Date}).with_row_index("at")
    keys = frame.select(_KEY).unique().sort("name", "model_id").with_row_index("key")
    numbered = (
        frame.join(days, on="snapshot_date").join(keys, on=_KEY).select("key", "at", *PRICE_COLUMNS)
    ).sort("key", "at")
    periods = pl.concat(_runs(numbered, column) for column in PRICE_COLUMNS).sort("key", "field", "first")
    schema = periods_schema()
    dated = periods.join(keys, on="key", maintain_order="left").with_columns(
        valid_from=days["snapshot_date"].gather(periods["first"]),
        valid_to=days["snapshot_date"].shift(-1).gather(periods["last"]),
    )
    table: pa.Table = dated.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.cast(schema)


def _runs(numbered: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return the sequences of equal prices with the numbers of their first and last snapshots."""
    priced = numbered.select("key", "at", price=column).drop_nulls("price")
    continues = (
        pl.col("key").eq(pl.col("key").shift())
        & pl.col("price").eq(pl.col("price").shift())
        & pl.col("at").eq(pl.col("at").shift() + 1)
    )
    starts = priced.with_row_index("row").filter(continues.not_().fill_null(True))
    last_rows = (starts["row"].cast(pl.Int64).shift(-1) - 1).fill_null(priced.height - 1)
    return starts.select(
        "key",
        "price",
        field=pl.lit(column),
        first="at",
        last=priced["at"].gather(last_rows),
    )


DOUBTFUL_FOR: Final = timedelta(days=30)
"""A price of 0 is doubtful while its last positive value is at most this old; older, it is free."""


def doubtful_zeros(history: pl.DataFrame) -> pl.DataFrame:
    """Return the prices of 0 that are doubtful: the last positive value is at most 30 days old.

    On 2026-05-26 the API served GLM-4.5-Air at 0 for one day. A price that was never positive, or not for
    more than 30 days, is free. A model is found again by its ``model_id``, or by a name that is unique on
    both days.

    :param history: ``snapshot_date`` and :data:`PERIOD_COLUMNS`, in any order. To be complete for a day, it
        begins :data:`DOUBTFUL_FOR` before that day.
    :returns: ``snapshot_date``, ``model_id``, ``name``, ``field`` of each doubtful 0, and the last positive
        price as ``last_price`` and ``last_date``; by day, name, id and field. ``is_unique``: whether no other
        model has the name on that day.
    """
    prices = (
        history.with_columns(is_unique=pl.len().over("snapshot_date", "name") == 1)
        .unpivot(
            PRICE_COLUMNS,
            index=["snapshot_date", *_KEY, "is_unique"],
            variable_name="field",
            value_name="price",
        )
        .sort("snapshot_date")
    )
    zeros, positive = prices.filter(pl.col("price") == 0), prices.filter(pl.col("price") > 0)
    found = [
        _with_last_positive(zeros, positive, "model_id"),
        _with_last_positive(zeros.filter("is_unique"), positive.filter("is_unique"), "name"),
    ]
    order = ["snapshot_date", "name", "model_id", "field"]
    return (
        pl.concat(found)
        .sort("last_date", descending=True)
        .unique(order, keep="first", maintain_order=True)
        .sort(order)
        .select("snapshot_date", *_KEY, "field", "last_price", "last_date", "is_unique")
    )


def _with_last_positive(zeros: pl.DataFrame, positive: pl.DataFrame, key: str) -> pl.DataFrame:
    """Return the zeros that have a positive price within the days before, with the latest one."""
    last = positive.select(key, "field", last_price="price", last_date="snapshot_date")
    return zeros.join_asof(
        last,
        left_on="snapshot_date",
        right_on="last_date",
        by=[key, "field"],
        tolerance=DOUBTFUL_FOR,
        allow_exact_matches=False,
        coalesce=False,
        check_sortedness=False,
    ).drop_nulls("last_date")
