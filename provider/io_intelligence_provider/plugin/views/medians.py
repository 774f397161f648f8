"""The median price of all models, day by day, and exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final, TypeAlias

import polars as pl

from io_intelligence_provider.plugin.views.text import mean, unscaled

__all__ = ["MEDIANS", "Medians", "medians_of"]

MEDIANS: Final = ("output_token_price", "input_token_price")
"""Columns whose median is told."""

Medians: TypeAlias = Mapping[str, Mapping[date, Decimal]]
"""By column and day; a day on which no model publishes the price has none."""


def medians_of(frames: Sequence[pl.DataFrame]) -> Medians:
    """Return the medians over the models that publish a price.

    :param frames: ``snapshot_date`` and :data:`MEDIANS` of all models, each of other days.
    """
    return {
        field: {day: median for rows in frames for day, median in _by_day(rows, field).items()}
        for field in MEDIANS
    }


def _by_day(rows: pl.DataFrame, field: str) -> dict[date, Decimal]:
    # By the integers that a decimal is stored as: they sort faster, and polars 1.35 loses decimals in groups.
    published = rows.select("snapshot_date", pl.col(field).to_physical()).drop_nulls()
    value, count = pl.col(field).sort(), pl.len()
    middle = published.group_by("snapshot_date").agg(
        value.get((count - 1) // 2).alias("low"), value.get(count // 2).alias("high")
    )
    return {day: mean(unscaled(low), unscaled(high)) for day, low, high in middle.iter_rows()}
