"""Quality of the snapshots, and the records they refused."""

from __future__ import annotations

from datetime import date
from typing import Any

from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.plugin import parameters as p
from io_intelligence_provider.plugin.answering.parts import report_on
from io_intelligence_provider.plugin.reading import Reader
from io_intelligence_provider.plugin.views.quality import committed_runs, quality, report_form
from io_intelligence_provider.plugin.views.quarantine import quarantine_page
from io_intelligence_provider.store.layout import MODELS

__all__ = ["get_quality", "get_quarantine"]


def get_quality(reader: Reader, asked: p.DatedParameters) -> dict[str, Any]:
    """The report of a day, and what all runs found; also of a store whose every run failed."""
    warnings: list[str] = []
    day = reader.shown(asked.date) if reader.listing.dates or asked.date else None
    report = report_on(reader, day, warnings) if day else None
    return {
        "date": day,
        "report": report and report_form(report),
        "fail_on": None,
        **reader.once(
            "quality",
            (MODELS, "quality"),
            lambda: quality(reader.listing.dates, reader.runs()),
            lambda found: 200 * len(found["history"]["dates"]) + 20_000,
        ),
        "warnings": warnings,
    }


def get_quarantine(reader: Reader, asked: p.QuarantineParameters) -> dict[str, Any]:
    """Refused records."""
    warnings: list[str] = []
    if asked.date:
        sizes = {reader.shown(asked.date): reader.quarantine(asked.date).height}
    else:
        sizes, warnings = _quarantine_sizes(reader)
    page = slice(asked.offset, asked.offset + asked.limit)
    items, unread = quarantine_page(sizes, page, reader.quarantine)
    return {
        "date": asked.date,
        "total": sum(sizes.values()),
        "items": items,
        "warnings": warnings + unread,
    }


def _quarantine_sizes(reader: Reader) -> tuple[dict[date, int], list[str]]:
    """Return how many records each committed run refused, newest day first.

    The reports say it, so that a page reads only the files of its own days.
    """
    committed = committed_runs(reader.runs())
    sizes: dict[date, int] = {}
    missing = []
    for day in reversed(reader.listing.dates):
        if day in committed:
            sizes[day] = committed[day].quarantined
        elif day in reader.listing.files["quarantine"]:
            try:
                sizes[day] = reader.quarantine(day).height
            except (StorageError, NotOnFileError):
                missing.append(day)
        else:
            missing.append(day)
    said = f"{len(missing)} days have neither a report nor a readable quarantine file" if missing else ""
    return sizes, [f"{said}, the newest of them {missing[0]}."] if said else []
