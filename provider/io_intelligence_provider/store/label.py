"""Which date a run may file its snapshot under: the API serves the present only."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from io_intelligence_provider.store.store import SnapshotStore, in_utc

__all__ = ["GRACE", "LateRunError", "label_of_run", "snapshot_label"]

GRACE: Final = timedelta(hours=6)
"""How long after midnight a late run may still file the day before, when that day has no snapshot."""


class LateRunError(Exception):
    """The run's day is over (or has not come): today's prices would be filed under another day."""


def snapshot_label(run_after: datetime, now: datetime, *, on_file: bool) -> date:
    """Return the UTC date of the run when a snapshot may be filed under it now.

    :param run_after: when the run was due; without a time zone it is UTC.
    :param on_file: whether that date has a snapshot already.
    :raises LateRunError: when it may not; the message says why.
    """
    label = in_utc(run_after).date()
    today = in_utc(now).date()
    if today == label:
        return label
    if today < label:
        raise LateRunError(f"The run is of {label}, and today is {today} (UTC): that day has not come.")
    midnight = datetime(label.year, label.month, label.day, tzinfo=UTC) + timedelta(days=1)
    late = in_utc(now) - midnight
    if late >= GRACE:
        raise LateRunError(
            f"The run is of {label}, and today is {today} (UTC). The API serves the present only, so "
            f"today's prices would be filed under {label}. A missed day stays missing."
        )
    if on_file:
        raise LateRunError(
            f"The run is of {label}, which is over (UTC) and has its snapshot: it is not replaced by "
            f"prices of {today}."
        )
    return label


def label_of_run(store: SnapshotStore, run_after: datetime, now: datetime) -> date:
    """Return the date that a run files its snapshot under, see :func:`snapshot_label`."""
    on_file = in_utc(run_after).date() in store.dates()
    return snapshot_label(run_after, now, on_file=on_file)
