"""Prices as a slowly changing dimension: one row per model, price and period in which it held."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl
import pyarrow as pa

from io_intelligence_provider.contract.columns import PRICE_COLUMNS, PRICE_PRECISION, PRICE_SCALE

__all__ = ["PERIOD_COLUMNS", "periods_of", "periods_schema"]

PERIOD_COLUMNS = ("model_id", "name", *PRICE_COLUMNS)
"""The columns of ``models.parquet`` that periods are made of."""

_KEY = ("model_id", "name")


def periods_schema() -> pa.Schema:
    """Return the Arrow schema of periods; fields carry a ``description`` and the ``unit``."""

    def field(name: str, kind: pa.DataType, description: str, nullable: bool = False) -> pa.Field:
        return pa.field(name, kind, nullable=nullable, metadata={"description": description})

    price = field("price", pa.decimal128(PRICE_PRECISION, PRICE_SCALE), "Price that held; 0 is free")
    return pa.schema(
        [
            field("model_id", pa.string(), "Identifier of the model"),
            field("name", pa.string(), "Name the model bore all that time"),
            field("field", pa.string(), "Column of models.parquet that the price stands in"),
            price.with_metadata({**price.metadata, b"unit": b"USD per million tokens"}),
            field("valid_from", pa.date32(), "First day of the period: that of its first snapshot"),
            field(
                "valid_to",
                pa.date32(),
                "First day after the period: that of the first snapshot that says otherwise; "
                "null while the latest snapshot still says so",
                nullable=True,
            ),
        ]
    )


def periods_of(history: pa.Table, dates: Iterable[date]) -> pa.Table:
    """Return the periods in which each price held, by ``name``, ``model_id``, ``field``, ``valid_from``.

    A period is a run of snapshots, one after the other, with the same price of the same model under the
    same name. A snapshot without the model (absent, in quarantine) or without the price ends it. A day
    without a snapshot does not: the snapshot before holds.

    :param history: ``snapshot_date`` and :data:`PERIOD_COLUMNS`, in any order; of all models, or of some.
    :param dates: the days with a snapshot, those without any of these models included.
    """
    frame = pl.DataFrame(history)
    # A snapshot that was filed while the history was read may be in it.
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
    """Return the runs of equal prices: the numbers of their first and last snapshots."""
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
