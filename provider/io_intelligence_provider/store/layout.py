"""Where each file of a store lies, relative to its root."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

__all__ = ["MODELS", "date_of", "models_path", "quality_path", "quarantine_path"]

MODELS: Final = "models"
_PARTITION: Final = re.compile(r"snapshot_date=(\d{4}-\d{2}-\d{2})")


def models_path(day: date) -> str:
    """Return the path of a day's snapshot: the commit point."""
    return f"{MODELS}/{_partition(day)}/models.parquet"


def quarantine_path(day: date, snapshot_id: str) -> str:
    """Return the path of the records that a run refused."""
    return f"quarantine/{_partition(day)}/{snapshot_id}.parquet"


def quality_path(day: date, snapshot_id: str, suffix: str = "json") -> str:
    """Return the path of a run's report."""
    return f"quality/{_partition(day)}/{snapshot_id}.{suffix}"


def _partition(day: date) -> str:
    return f"snapshot_date={day.isoformat()}"


def date_of(path: str) -> date | None:
    """Return the snapshot date that a path belongs to, ``None`` when it is not of our layout."""
    found = _PARTITION.search(path)
    try:
        return date.fromisoformat(found.group(1)) if found else None
    except ValueError:
        return None
