"""Computes the like-for-like price index: how the same models' prices moved, whatever came and went.

A median over all models also moves when models are added or removed. This index is chained: for each pair of
neighbouring snapshots the geometric mean of the ratios of the prices that are known and above zero on both
(a Jevons index), multiplied from day to day, with the base 100 on the first day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, TypeAlias

import polars as pl
import pyarrow as pa

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["INDEX_COLUMNS", "Blend", "index_schema", "price_index"]

Blend: TypeAlias = tuple[int | float | Decimal, int | float | Decimal]

INDEX_COLUMNS: Final = ("model_id", "name", "input_token_price", "output_token_price")
"""The columns of ``models.parquet`` that the index is computed from."""

_Comparison: TypeAlias = Mapping[str, Mapping[str, Any]]
_Comparisons: TypeAlias = Mapping[date, _Comparison]

_KINDS: Final = ("input", "output", "blended")
_BASE: Final = 100.0


def index_schema() -> pa.Schema:
    """Return the Arrow schema of the index; fields carry a ``description``."""

    def field(name: str, kind: pa.DataType, description: str, nullable: bool = False) -> pa.Field:
        return pa.field(name, kind, nullable=nullable, metadata={"description": description})

    fields = [field("snapshot_date", pa.date32(), "Day of the snapshot")]
    for kind in _KINDS:
        fields += [
            field(kind, pa.float64(), f"Index of {kind} prices, 100 on the first day; null: no pair", True),
            field(f"{kind}_pairs", pa.int64(), "Models that it rests on: priced above 0 on both days"),
            field(f"{kind}_left_out", pa.int64(), "Models of both days with an unknown or zero price on one"),
        ]
    return pa.schema(fields)


def price_index(history: pl.DataFrame, dates: Sequence[date], blend: Blend = (3, 1)) -> pa.Table:
    """Return the index, one row per date.

    A day without a single pair has no index; the next day is compared with the last one that has.

    :param history: ``snapshot_date`` and :data:`INDEX_COLUMNS`, in any order.
    :param dates: all days with a snapshot, oldest first, including those without any of the models.
    :param blend: weights of the input and the output price in the blended one.
    :raises ConfigurationError: when the weights are not two numbers of 0 or more, one of them above 0.
    """
    prices = _logarithms(history, *_weights(blend)).sort("snapshot_date")
    days = {key[0]: frame for key, frame in prices.partition_by("snapshot_date", as_dict=True).items()}
    neighbours = _compared_with_the_day_before(prices, dates)
    bases: dict[str, tuple[date, float]] = {}
    rows: list[dict[str, Any]] = []
    for before, day in zip((None, *dates), dates):  # noqa: B905 - the first day has none before it
        row: dict[str, Any] = {"snapshot_date": day}
        for kind in _KINDS:
            base, value = bases.get(kind, (None, None))
            found: Mapping[str, Any] = {"mean": None, "pairs": 0, "left_out": 0}
            if base is None or value is None:
                value = _BASE if day in days and days[day][kind].count() else None
            else:
                comparison = neighbours.get(day) if base == before else _compare(days, base, day)
                found = found if comparison is None else comparison[kind]
                value = None if found["mean"] is None else value * math.exp(found["mean"])
            row |= {kind: value, f"{kind}_pairs": found["pairs"], f"{kind}_left_out": found["left_out"]}
            if value is not None:
                bases[kind] = day, value
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=index_schema())


def _logarithms(history: pl.DataFrame, of_input: float, of_output: float) -> pl.DataFrame:
    """Return the logarithm of each price, null where it is unknown or 0, and a key of the model.

    The key is the name where that is unique on the day, as ids differ between the API's two shapes, else the
    id.
    """
    prices = history.select(
        "snapshot_date",
        pl.when(pl.len().over("snapshot_date", "name") == 1).then("name").otherwise("model_id").alias("key"),
        input=pl.col("input_token_price").cast(pl.Float64),
        output=pl.col("output_token_price").cast(pl.Float64),
    ).with_columns(pl.when(pl.col(kind) > 0).then(kind).alias(kind) for kind in ("input", "output"))
    # A price without weight is not needed: null times 0 would be null.
    weights = {"input": of_input, "output": of_output}
    first, *others = [weight * pl.col(kind) for kind, weight in weights.items() if weight]
    blended = sum(others, first) / (of_input + of_output)
    return prices.with_columns(blended=blended).with_columns(pl.col(_KINDS).log())


def _compared_with_the_day_before(prices: pl.DataFrame, dates: Sequence[date]) -> _Comparisons:
    numbered = pl.DataFrame({"snapshot_date": dates}, schema={"snapshot_date": pl.Date}).with_row_index("at")
    at = prices.join(numbered, on="snapshot_date").with_columns(pl.col("at").cast(pl.Int64))
    joined = at.join(at.with_columns(pl.col("at") + 1), on=("key", "at"), suffix="_before")
    return _summarised(joined)


def _compare(days: Mapping[Any, pl.DataFrame], base: date, day: date) -> _Comparison | None:
    if day not in days:
        return None
    return _summarised(days[day].join(days[base], on="key", suffix="_before")).get(day)


def _summarised(joined: pl.DataFrame) -> _Comparisons:
    """Return the mean ratio, the pairs and what was left out of each kind, by day."""
    ratios = {kind: pl.col(kind) - pl.col(f"{kind}_before") for kind in _KINDS}
    found = joined.group_by("snapshot_date").agg(
        *(ratio.mean().alias(f"{kind}_mean") for kind, ratio in ratios.items()),
        *(ratio.count().cast(pl.Int64).alias(f"{kind}_pairs") for kind, ratio in ratios.items()),
        *(ratio.null_count().cast(pl.Int64).alias(f"{kind}_left_out") for kind, ratio in ratios.items()),
    )
    parts = ("mean", "pairs", "left_out")
    return {
        row["snapshot_date"]: {kind: {part: row[f"{kind}_{part}"] for part in parts} for kind in _KINDS}
        for row in found.iter_rows(named=True)
    }


def _weights(blend: Any) -> tuple[float, float]:
    try:
        first, second = (float(weight) for weight in blend)
    except (TypeError, ValueError):
        first = second = -1.0
    if not (0 <= first < float("inf") and 0 <= second < float("inf") and first + second > 0):
        raise ConfigurationError(
            f"blend is {blend!r}; it is the weights of input and output, such as (3, 1): two numbers of 0 or "
            "more, one of them above 0."
        )
    return first, second
