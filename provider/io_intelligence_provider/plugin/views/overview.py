"""The first view: what happened on a day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.plugin.views.text import plain
from io_intelligence_provider.plugin.views.timeline import MEDIANS, Timeline
from io_intelligence_provider.quality.report import QualityReport

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PERIOD", "active_models", "median_series", "medians", "quality_figures"]

PERIOD: Final = timedelta(days=30)
"""What `then` is before `now`."""

_SERIES: Final = timedelta(days=400)


def active_models(rows: pl.DataFrame) -> int | None:
    """Count the active models; ``None`` when no model of the day publishes a status."""
    status = rows["status"].drop_nulls()
    return None if status.is_empty() else int((status == "active").sum())


def medians(timeline: Timeline, day: date) -> dict[str, dict[str, Any]]:
    """Return the median prices of a readable day, of the one before, and of thirty days before."""
    then = timeline.reference(day, day - PERIOD)

    def at(field: str, when: date | None) -> str | None:
        return None if when is None else plain(timeline.medians[field][timeline.position(when)])

    return {
        field.removesuffix("_token_price"): {
            "value": at(field, day),
            "previous": at(field, timeline.before(day)),
            "then": at(field, then),
            "then_date": then,
        }
        for field in MEDIANS
    }


def median_series(timeline: Timeline, day: date) -> dict[str, list[tuple[date, str | None]]]:
    """Return the medians of the last 400 days: where they change, and the last. A damaged day is a gap."""
    last = timeline.position(day)
    first = timeline.position(day - _SERIES - timedelta(days=1)) + 1
    found = {}
    for field in MEDIANS:
        points: list[tuple[date, str | None]] = []
        for position in range(first, last + 1):
            value = plain(timeline.medians[field][position])
            if position == last or not points or points[-1][1] != value:
                points.append((timeline.dates[position], value))
        found[field] = points
    return found


def quality_figures(report: QualityReport) -> dict[str, Any]:
    """Return the report in five figures."""
    return {
        "score": report.score,
        "outcome": report.outcome,
        "served": report.served,
        "valid": report.valid,
        "quarantined": report.quarantined,
    }
