"""What happened on a day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

from io_intelligence_provider.plugin import parameters as p
from io_intelligence_provider.plugin.answering.parts import changes_on, gaps, report_on
from io_intelligence_provider.plugin.reading import Reader
from io_intelligence_provider.plugin.views import counts, movers, overview

__all__ = ["get_overview"]

_PER_DAY: Final = 60
_EVENTS: Final = 10


def get_overview(reader: Reader, asked: p.OverviewParameters) -> dict[str, Any]:
    """What happened."""
    day = reader.shown(asked.date)
    series = overview.series_days(reader.listing.dates, day)
    with reader.ahead(lambda: _events(reader, day)), reader.ahead(lambda: reader.medians(series)):
        rows, timeline = reader.day(day).rows, reader.timeline()
    compared = overview.compared_days(timeline, day)
    medians = reader.medians(one for one in (*series, *compared.values()) if one)
    warnings = gaps(timeline)
    names = movers.named_tracks(timeline, rows)
    changes = changes_on(reader, day, warnings)
    largest = None if changes is None else movers.largest_move(changes, names)
    report = report_on(reader, day, warnings)
    since = timeline.reference(day, day - timedelta(days=asked.days))
    counted = (
        None if changes is None else counts.count_days(counts.tally(changes), [day], reader.listing.dates)[0]
    )
    return {
        "date": day,
        "previous_date": compared["previous"],
        "days": asked.days,
        "models": rows.height,
        "added": counted and counted["added"],
        "removed": counted and counted["removed"],
        "active": overview.active_models(rows),
        "price_changes": None if changes is None else counts.price_changes(changes),
        "repriced": None if changes is None else counts.repriced(changes),
        "largest": movers.with_sparks(timeline, day, [largest])[0] if largest else None,
        "medians": overview.medians(medians, compared),
        "median_series": overview.median_series(medians, series),
        "quality": report and overview.quality_figures(report),
        "movers": movers.movers(timeline, names, since, day),
        "per_day": _per_day(reader, day),
        "events": _events(reader, day),
        "warnings": warnings,
    }


def _per_day(reader: Reader, end: date) -> list[dict[str, Any]]:
    dates = reader.listing.dates
    last = [day for day in dates if day <= end][-_PER_DAY:]
    found = reader.changes(last[0], end)
    detected = set(reader.listing.change_dates) - set(found.damaged)
    return counts.count_days(found.tallied, [day for day in last if day in detected], dates)


def _events(reader: Reader, end: date) -> list[dict[str, Any]]:
    """Return the newest events; older changes are read only where the newer ones hold too few."""
    found: list[dict[str, Any]] = []
    for part in reader.changes_backwards(end):
        found += counts.events(part.rows, _EVENTS - len(found))
        if len(found) >= _EVENTS:
            break
    return found
