"""Parts of several answers, and what is said when they are missing."""

from __future__ import annotations

from collections.abc import Container
from datetime import date
from typing import Any

from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.plugin.problems import scrub
from io_intelligence_provider.plugin.reading import Reader
from io_intelligence_provider.plugin.views.timeline import Timeline

__all__ = ["changes_on", "gaps", "missing_changes", "report_on"]


def gaps(timeline: Timeline, beside: Container[date] = ()) -> list[str]:
    """Name the days that cannot be read.

    :param beside: those that are named elsewhere.
    """
    days = [day for day in timeline.damaged if day not in beside]
    if not days:
        return []
    names = ", ".join(map(str, days[:5])) + (f" and {len(days) - 5} more" if len(days) > 5 else "")
    return [f"{names} cannot be read and is left out as a gap: {timeline.damaged[days[0]]}"]


def changes_on(reader: Reader, day: date, warnings: list[str]) -> Any:
    """Return the changes of a day; ``None``, said in the warnings, when there is no readable file of them."""
    if day not in reader.listing.change_dates:
        warnings.append(f"The changes of {day} are not on file: the task that detects them has not run.")
        return None
    found = reader.changes(day, day)
    if found.damaged:
        warnings.append(f"The changes of {day} cannot be read: {found.damaged[day]}")
        return None
    return found.rows


def report_on(reader: Reader, day: date, warnings: list[str]) -> Any:
    try:
        return reader.report(day)
    except (StorageError, NotOnFileError) as error:
        warnings.append(f"The quality report of {day} cannot be read: {scrub(str(error))}")
        return None


def missing_changes(missing: list[date], damaged: Any) -> list[str]:
    said = [f"The changes of {day} cannot be read: {message}" for day, message in damaged.items()][:5]
    if missing:
        days = (
            f"{missing[0]}" if len(missing) == 1 else f"{len(missing)} days, {missing[0]} to {missing[-1]},"
        )
        said.append(f"The changes of {days} are not on file: the task that detects them has not run.")
    return said
