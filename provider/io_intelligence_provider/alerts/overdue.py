"""Detects overdue snapshots and failed runs, with the reasons of each failure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from io_intelligence_provider.alerts.ledger import is_stop_recorded
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import NotOnFileError, UnreadableFileError
from io_intelligence_provider.quality.policy import deciding, reasons_of, refusals_of
from io_intelligence_provider.store.store import SnapshotStore, in_utc

__all__ = ["EXPECTED_WITHIN", "overdue_reasons"]


EXPECTED_WITHIN: Final = timedelta(days=1)
"""The longest time after the latest snapshot before the next one is overdue."""

_MOST_RUNS: Final = 5


def overdue_reasons(
    store: SnapshotStore,
    now: datetime | None = None,
    *,
    expected_within: timedelta = EXPECTED_WITHIN,
    repeat: bool = False,
) -> list[str]:
    """Return one sentence per problem; an empty list when the snapshot is recent and no run has failed since.

    A failed run is not reported once a snapshot that was read later is committed. Nor are the failed runs and
    the missing snapshot while the last of them is recent and the ledger has that every notifier was told.

    :param now: the time to check at; the present by default, and UTC without a time zone.
    :param expected_within: how long after the reading of the latest snapshot the next one is due.
    :param repeat: report also what the ledger has, for other people than those who were told.
    :raises StorageError: when the store cannot be read.
    """
    moment = datetime.now(UTC) if now is None else in_utc(now)
    found: list[str] = []
    overdue: list[str] = []
    latest: date | None = None
    read_at: datetime | None = None
    for day in reversed(store.dates()):
        try:
            latest, read_at = day, store.info(day).fetched_at
            break
        except NotOnFileError:
            continue  # pruned since the dates were listed
        except UnreadableFileError as error:
            if not found:
                found.append(f"The snapshot of {day} cannot be read. {error}")
    if latest is None or read_at is None:
        found.append(f"{store.files.url('')} holds no {'other ' if found else ''}snapshot.")
    elif moment - read_at > expected_within:
        overdue.append(
            f"No snapshot was committed for {_hours(moment - read_at)}. The latest is of {latest}, "
            f"read from the API at {read_at:%Y-%m-%d %H:%M} UTC."
        )
    # The report of a failed run is stored under its snapshot date, which may be the day before.
    window = (moment - expected_within).date() - timedelta(days=1)
    failed = [
        report
        for report in store.runs(start=window)
        if report.outcome == "failed"
        and (read_at is None or in_utc(report.fetched_at) > read_at)
        and in_utc(report.fetched_at) <= moment
    ]
    since = moment - expected_within
    if not repeat and read_at is not None and failed and _was_told(store, failed[-1], since):
        return found
    found += [*overdue, *(_failed(report) for report in failed[-_MOST_RUNS:])]
    if len(failed) > _MOST_RUNS:
        found.append(f"{len(failed) - _MOST_RUNS} more runs failed before.")
    return found


def _was_told(store: SnapshotStore, report: QualityReport, since: datetime) -> bool:
    return in_utc(report.fetched_at) >= since and is_stop_recorded(store, report)


def _hours(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"


def _failed(report: QualityReport) -> str:
    return (
        f"The run of {report.snapshot_date} was stopped by its checks. At "
        f"{in_utc(report.fetched_at):%Y-%m-%d %H:%M} UTC failed: {reasons_of(deciding(report))}. "
        f"{refusals_of(report, 'records')}."
    )
