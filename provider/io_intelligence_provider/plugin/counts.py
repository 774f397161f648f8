"""Counts changes by day, and selects the few that the overview lists."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from io_intelligence_provider.changes.kinds import (
    ACCESS,
    LIMIT,
    MODEL_ADDED,
    MODEL_REMOVED,
    PRICE,
    QUOTA,
    STATUS,
)

__all__ = ["count_changes", "count_days", "count_prices", "day_before", "events", "price_changes", "repriced"]


_EVENTS: Final = (MODEL_ADDED, MODEL_REMOVED, QUOTA, ACCESS, LIMIT, STATUS)


def day_before(dates: Sequence[date], day: date) -> date | None:
    """Return the date in the store before a day.

    :param dates: oldest first.
    """
    place = bisect_left(dates, day)
    return dates[place - 1] if place else None


def count_changes(changes: pl.DataFrame) -> pl.DataFrame:
    """Count changes by ``snapshot_date``, ``change`` and ``direction``, which leaves a few rows a day."""
    return changes.group_by("snapshot_date", "change", "direction").agg(pl.len().alias("number"))


def count_days(counted: pl.DataFrame, days: Sequence[date], dates: Sequence[date]) -> list[dict[str, Any]]:
    """Count the changes of some days, oldest first; the six counts add up to all changes.

    Access tiers count as quotas.

    :param counted: see :func:`count_changes`.
    :param days: days whose changes were detected, including those without any.
    :param dates: all dates in the store.
    """
    kind, way = pl.col("change"), pl.col("direction")
    counted = counted.group_by("snapshot_date").agg(
        _number((kind == PRICE) & (way == "up")).alias("up"),
        _number((kind == PRICE) & (way == "down")).alias("down"),
        _number(kind == MODEL_ADDED).alias("added"),
        _number(kind == MODEL_REMOVED).alias("removed"),
        _number((kind == QUOTA) | (kind == ACCESS)).alias("quota"),
        pl.col("number").sum().alias("all"),
    )
    nothing = {"up": 0, "down": 0, "added": 0, "removed": 0, "quota": 0, "all": 0}
    by_day = {row.pop("snapshot_date"): row for row in counted.iter_rows(named=True)}
    found = []
    for day in days:
        row = dict(by_day.get(day, nothing))
        row["other"] = row.pop("all") - sum(row.values())
        found.append({"date": day, "previous_date": day_before(dates, day)} | row)
    return found


def count_prices(counted: pl.DataFrame) -> dict[date, dict[str, int]]:
    """Count all changes of each day, and its price changes: all, up and down."""
    price, way = pl.col("change") == PRICE, pl.col("direction")
    counted = counted.group_by("snapshot_date").agg(
        pl.col("number").sum().alias("changes"),
        _number(price).alias("price_changes"),
        _number(price & (way == "up")).alias("up"),
        _number(price & (way == "down")).alias("down"),
    )
    return {row.pop("snapshot_date"): row for row in counted.iter_rows(named=True)}


def _number(wanted: pl.Expr) -> pl.Expr:
    return pl.col("number").filter(wanted.fill_null(value=False)).sum()


def price_changes(changes: pl.DataFrame) -> dict[str, int]:
    """Count changed prices; from or to null counts in the total only."""
    ways = changes.filter(changes["change"] == PRICE)["direction"].cast(str).to_list()
    return {"total": len(ways), "up": ways.count("up"), "down": ways.count("down")}


def repriced(changes: pl.DataFrame) -> dict[str, int]:
    """Count the models with a changed price: only up, only down, both."""
    models: dict[tuple[str, str], set[str | None]] = {}
    rows = changes.filter(changes["change"] == PRICE)
    for name, model_id, way in rows.select("name", "model_id", "direction").iter_rows():
        models.setdefault((name, model_id), set()).add(way)
    ways = list(models.values())
    return {
        "models": len(ways),
        "dearer": sum("up" in way and "down" not in way for way in ways),
        "cheaper": sum("down" in way and "up" not in way for way in ways),
        "both": sum({"up", "down"} <= way for way in ways),
    }


def events(changes: pl.DataFrame, most: int) -> list[dict[str, Any]]:
    """Return the newest changes of models, quotas, access, limits and status, newest day first.

    :param changes: oldest day first.
    """
    keys = ["snapshot_date", "change", "name", "model_id", "field", "old_value", "new_value"]
    rows = changes.select(keys).filter(_any_of(changes["change"], _EVENTS))
    rows = rows.sort("snapshot_date", descending=True, maintain_order=True).head(most)
    return list(rows.rename({"snapshot_date": "date"}).iter_rows(named=True))


def _any_of(values: pl.Series, wanted: Collection[str]) -> pl.Series:
    found = pl.Series([False], dtype=pl.Boolean).new_from_index(0, values.len())
    for value in wanted:
        found |= values == value
    return found
