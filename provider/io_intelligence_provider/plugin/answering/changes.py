"""What changed, one by one and by day."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin import parameters as p
from io_intelligence_provider.plugin.answering.parts import missing_changes
from io_intelligence_provider.plugin.reading import Reader
from io_intelligence_provider.plugin.views.changes import Filter, filtered
from io_intelligence_provider.plugin.views.counts import count_days
from io_intelligence_provider.plugin.views.lookup import find

__all__ = ["get_changes", "get_changes_by_day"]

_CHANGES_DAYS: Final = 13


def get_changes(reader: Reader, asked: p.ChangesParameters) -> dict[str, Any]:
    """The changes of some days."""
    dates = reader.listing.dates
    if not dates and not reader.listing.change_dates:
        raise NotOnFileError("The store holds no snapshot yet. Unpause the daily Dag.")
    end = asked.end or max((dates or reader.listing.change_dates)[-1], asked.start or date.min)
    start = asked.start or date.fromordinal(max(end.toordinal() - _CHANGES_DAYS, 1))
    found = reader.changes(start, end)
    models = None if asked.model is None else _pairs_of(reader, asked.model)
    wanted = Filter(asked.kinds, asked.fields, asked.q, models, asked.min_pct, asked.direction)
    days = [day for day in reader.listing.change_dates if start <= day <= end and day not in found.damaged]
    page = slice(asked.offset, asked.offset + asked.limit)
    detected = set(reader.listing.change_dates)
    missing = [day for day in dates if start <= day <= end and day not in detected]
    return {
        "start": start,
        "end": end,
        **filtered(found.rows, found.tallied, days, dates, wanted, page),
        "warnings": missing_changes(missing, found.damaged),
    }


def _pairs_of(reader: Reader, model: str) -> list[tuple[str, str]]:
    timeline = reader.timeline()
    track = find(timeline, model)
    return [(name, model_id) for (name, model_id, _), of in timeline.bearings.items() if of == track]


def get_changes_by_day(reader: Reader, _: p.NoParameters) -> dict[str, Any]:
    """Counts of changes over the whole history."""
    found = reader.changes()
    days = [day for day in reader.listing.change_dates if day not in found.damaged]
    return {
        "days": count_days(found.tallied, days, reader.listing.dates),
        "warnings": missing_changes([], found.damaged),
    }
