"""The first view: what happened on a day."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from io_intelligence_provider.plugin.views.medians import MEDIANS, Medians
from io_intelligence_provider.plugin.views.text import plain
from io_intelligence_provider.plugin.views.timeline import Timeline
from io_intelligence_provider.quality.report import QualityReport

__all__ = [
    "PERIOD",
    "active_models",
    "compared_days",
    "median_series",
    "medians",
    "quality_figures",
    "series_days",
]

PERIOD: Final = timedelta(days=30)
"""What `then` is before `now`."""

_SERIES: Final = timedelta(days=400)


def active_models(rows: pl.DataFrame) -> int | None:
    """Count the active models; ``None`` when no model of the day publishes a status."""
    status = rows["status"].drop_nulls()
    return None if status.is_empty() else int((status == "active").sum())


def series_days(dates: Sequence[date], day: date) -> Sequence[date]:
    """Return the days of the series that ends on a day: those of the last 400 days."""
    return dates[bisect_left(dates, day - _SERIES) : bisect_right(dates, day)]


def compared_days(timeline: Timeline, day: date) -> dict[str, date | None]:
    """Return a readable day, the one before, and that of thirty days before."""
    then = timeline.reference(day, day - PERIOD)
    return {"value": day, "previous": timeline.before(day), "then": then}


def medians(found: Medians, compared: Mapping[str, date | None]) -> dict[str, dict[str, Any]]:
    """Return the median prices of the days that are compared."""
    return {
        field.removesuffix("_token_price"): {
            name: None if day is None else plain(found[field].get(day)) for name, day in compared.items()
        }
        | {"then_date": compared["then"]}
        for field in MEDIANS
    }


def median_series(found: Medians, days: Sequence[date]) -> dict[str, list[tuple[date, str | None]]]:
    """Return the medians of some days: where they change, and the last. A damaged day is a gap."""
    series = {}
    for field in MEDIANS:
        points: list[tuple[date, str | None]] = []
        for one in days:
            value = plain(found[field].get(one))
            if one == days[-1] or not points or points[-1][1] != value:
                points.append((one, value))
        series[field] = points
    return series


def quality_figures(report: QualityReport) -> dict[str, Any]:
    """Return the report in five figures."""
    return {
        "score": report.score,
        "outcome": report.outcome,
        "served": report.served,
        "valid": report.valid,
        "quarantined": report.quarantined,
    }
