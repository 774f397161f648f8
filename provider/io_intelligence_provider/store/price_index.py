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

from io_intelligence_provider.contract.columns import PRICE_SCALE
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.store.tracks import number_rows

__all__ = ["INDEX_COLUMNS", "Blend", "chained_index", "index_schema", "price_index"]

Blend: TypeAlias = tuple[int | float | Decimal, int | float | Decimal]

INDEX_COLUMNS: Final = ("model_id", "name", "input_token_price", "output_token_price")
"""The columns of ``models.parquet`` that the index is computed from."""

_Link: TypeAlias = Sequence[Any]
"""Mean logarithm of the ratios of two days (null without a pair), number of pairs, of those left out."""
_Links: TypeAlias = Mapping[int, Mapping[str, _Link]]
"""By the position of the later day and by kind."""

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

    :param history: ``snapshot_date`` and :data:`INDEX_COLUMNS`, in any order.
    :param dates: all days with a snapshot, oldest first, including those without any of the models.
    :param blend: weights of the input and the output price in the blended one.
    :raises ConfigurationError: when the weights are not two numbers of 0 or more, one of them above 0.
    """
    numbered = pl.DataFrame({"snapshot_date": dates}, schema={"snapshot_date": pl.Date}).with_row_index("day")
    rows = history.join(numbered, on="snapshot_date")
    track, _ = number_rows(rows.select("day", "name", "model_id"))
    index = chained_index(rows.with_columns(track).sort("track", "day"), dates, blend)
    return index.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(index_schema())


def chained_index(rows: pl.DataFrame, dates: Sequence[date], blend: Blend = (3, 1)) -> pl.DataFrame:
    """Return the index of rows whose models are numbered; see :func:`price_index`.

    A day without a single pair has no index; the next day is compared with the last one that has.

    :param rows: ``track``, ``day`` (a position in ``dates``) and the two prices, sorted by track and day.
    """
    prices = _logarithms(rows, *_weights(blend))
    follows = (pl.col("track") == pl.col("track").shift()) & (pl.col("day") == pl.col("day").shift() + 1)
    moves = prices.select("day", *(pl.col(kind) - pl.col(kind).shift() for kind in _KINDS), follows=follows)
    links = _summarised(moves.filter("follows"))
    priced = prices.group_by("day").agg(pl.col(_KINDS).count())
    days = {day: dict(zip(_KINDS, counts, strict=True)) for day, *counts in priced.iter_rows()}
    bases: dict[str, tuple[int, float]] = {}
    found: list[dict[str, Any]] = []
    for day, when in enumerate(dates):
        row: dict[str, Any] = {"snapshot_date": when}
        for kind in _KINDS:
            base, value = bases.get(kind, (None, None))
            link: _Link = (None, 0, 0)
            if base is None or value is None:
                value = _BASE if day in days and days[day][kind] else None
            else:
                compared = links if base == day - 1 else _compared(prices, base, day)
                link = compared[day][kind] if day in compared else link
                value = None if link[0] is None else value * math.exp(link[0])
            row |= {kind: value, f"{kind}_pairs": link[1], f"{kind}_left_out": link[2]}
            if value is not None:
                bases[kind] = day, value
        found.append(row)
    return pl.DataFrame(found, schema=pl.Schema(index_schema()))


def _logarithms(rows: pl.DataFrame, of_input: float, of_output: float) -> pl.DataFrame:
    """Return the logarithm of each price, null where it is unknown or 0."""
    floats = rows.select(
        "track",
        "day",
        # Of the stored integers, because a decimal takes ten times as long to become a float.
        input=pl.col("input_token_price").to_physical().cast(pl.Float64) / 10**PRICE_SCALE,
        output=pl.col("output_token_price").to_physical().cast(pl.Float64) / 10**PRICE_SCALE,
    ).with_columns(pl.when(pl.col(kind) > 0).then(kind).alias(kind) for kind in ("input", "output"))
    # A price without weight is not needed: null times 0 would be null.
    weights = {"input": of_input, "output": of_output}
    first, *others = [weight * pl.col(kind) for kind, weight in weights.items() if weight]
    blended = sum(others, first) / (of_input + of_output)
    return floats.with_columns(blended=blended).with_columns(pl.col(_KINDS).log())


def _compared(prices: pl.DataFrame, base: int, day: int) -> _Links:
    now, before = (prices.filter(pl.col("day") == one) for one in (day, base))
    joined = now.join(before, on="track", suffix="_before")
    return _summarised(joined.select("day", *(pl.col(kind) - pl.col(f"{kind}_before") for kind in _KINDS)))


def _summarised(moves: pl.DataFrame) -> _Links:
    """Return the mean, the pairs and what was left out of each kind, by day."""
    number = len(_KINDS)
    counts = (pl.col(kind).count().alias(f"{kind}_pairs") for kind in _KINDS)
    found = moves.group_by("day").agg(
        pl.col(_KINDS).mean(), *counts, pl.len()
    )  # null_count takes ten times as long
    return {
        day: {
            kind: (values[place], values[number + place], values[-1] - values[number + place])
            for place, kind in enumerate(_KINDS)
        }
        for day, *values in found.iter_rows()
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
