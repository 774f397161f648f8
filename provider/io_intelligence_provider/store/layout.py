"""Returns the path of each file of a store, relative to its root.

Parts of a path may come from a file: the metadata of a models file hold the id of its run. So every
variable part is checked here before it becomes part of a path, and
:class:`~io_intelligence_provider.storage.filesystem.Files` checks every path again.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final, TypeAlias

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.result import run_file

__all__ = [
    "CHANGES",
    "CHANGES_FILE",
    "MODELS",
    "MODELS_FILE",
    "When",
    "as_date",
    "changes_path",
    "compacted_folder",
    "daily_path",
    "date_of",
    "in_utc",
    "models_path",
    "quality_path",
    "quarantine_path",
    "within",
]


MODELS: Final = "models"
MODELS_FILE: Final = "models.parquet"
CHANGES: Final = "changes"
CHANGES_FILE: Final = "changes.parquet"
_PARTITION: Final = re.compile(r"snapshot_date=([0-9]{4}-[0-9]{2}-[0-9]{2})")


def models_path(day: date) -> str:
    """Return the path of a day's snapshot; writing this file commits the run."""
    return daily_path(MODELS, MODELS_FILE, day)


def quarantine_path(day: date, snapshot_id: str) -> str:
    """Return the path of a run's refused records."""
    return f"quarantine/{_partition(day)}/{run_file(snapshot_id, 'parquet')}"


def quality_path(day: date, snapshot_id: str, suffix: str = "json") -> str:
    """Return the path of a run's report."""
    return f"quality/{_partition(day)}/{run_file(snapshot_id, suffix)}"


def changes_path(day: date) -> str:
    """Return the path of a day's changes."""
    return daily_path(CHANGES, CHANGES_FILE, day)


def daily_path(part: str, name: str, day: date) -> str:
    """Return the path of a day's file in a part with one file per day."""
    return f"{part}/{_partition(day)}/{name}"


def compacted_folder(part: str) -> str:
    """Return the folder of a part's monthly files."""
    return f"compacted/{part}"


def _partition(day: date) -> str:
    return f"snapshot_date={day.isoformat()}"


def date_of(folder: str) -> date | None:
    """Return the snapshot date in a folder's name, ``None`` for folders outside this layout."""
    found = _PARTITION.fullmatch(folder)
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None


When: TypeAlias = date | str
"""A date, its ISO form, or ``"latest"``; of a datetime its UTC day."""


def in_utc(moment: datetime) -> datetime:
    """Return a datetime in UTC; one without a time zone is taken as UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def as_date(when: When) -> date:
    """Return a date from a date or its ISO form.

    :raises ConfigurationError: when it is neither.
    """
    if isinstance(when, datetime):
        return in_utc(when).date()
    if isinstance(when, date):
        return when
    try:
        return date.fromisoformat(when)
    except (TypeError, ValueError):
        raise ConfigurationError(f"{when!r} is no date; write YYYY-MM-DD or latest.") from None


def within(day: date, start: When | None, end: When | None) -> bool:
    """Return whether a day is from ``start`` to ``end``, both included; ``None`` is no bound."""
    return (start is None or as_date(start) <= day) and (end is None or day <= as_date(end))
