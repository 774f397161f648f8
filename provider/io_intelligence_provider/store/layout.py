"""Where each file of a store lies, relative to its root."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

__all__ = [
    "CHANGES",
    "CHANGES_FILE",
    "MODELS",
    "MODELS_FILE",
    "changes_path",
    "compacted_folder",
    "daily_path",
    "date_of",
    "models_path",
    "quality_path",
    "quarantine_path",
]

MODELS: Final = "models"
MODELS_FILE: Final = "models.parquet"
CHANGES: Final = "changes"
CHANGES_FILE: Final = "changes.parquet"
_PARTITION: Final = re.compile(r"snapshot_date=([0-9]{4}-[0-9]{2}-[0-9]{2})")


def models_path(day: date) -> str:
    """Return the path of a day's snapshot: the commit point."""
    return daily_path(MODELS, MODELS_FILE, day)


def quarantine_path(day: date, snapshot_id: str) -> str:
    """Return the path of the records that a run refused."""
    return f"quarantine/{_partition(day)}/{snapshot_id}.parquet"


def quality_path(day: date, snapshot_id: str, suffix: str = "json") -> str:
    """Return the path of a run's report."""
    return f"quality/{_partition(day)}/{snapshot_id}.{suffix}"


def changes_path(day: date) -> str:
    """Return the path of a day's changes."""
    return daily_path(CHANGES, CHANGES_FILE, day)


def daily_path(part: str, name: str, day: date) -> str:
    """Return the path of a day's file in a part that has one file a day."""
    return f"{part}/{_partition(day)}/{name}"


def compacted_folder(part: str) -> str:
    """Return the folder of the months of a part, one file each."""
    return f"compacted/{part}"


def _partition(day: date) -> str:
    return f"snapshot_date={day.isoformat()}"


def date_of(folder: str) -> date | None:
    """Return the snapshot date of a folder by its name, ``None`` when it is not of our layout."""
    found = _PARTITION.fullmatch(folder)
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None
