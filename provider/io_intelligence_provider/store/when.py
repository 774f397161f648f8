"""Dates as callers give them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TypeAlias

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["When", "as_date", "in_utc", "within"]

When: TypeAlias = date | str
"""A date, its ISO form, or ``"latest"``; a datetime stands for its UTC day."""


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a time zone is taken as UTC."""
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
    """Tell whether a day is from ``start`` to ``end``, both included; ``None`` has no bound."""
    return (start is None or as_date(start) <= day) and (end is None or day <= as_date(end))
