"""Writes the changes of a day: ``<root>/changes/snapshot_date=…/changes.parquet``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Final

from io_intelligence_provider import __version__
from io_intelligence_provider.changes.days import UnreadableDayError
from io_intelligence_provider.changes.diff import Comparison, compare, compare_with, to_parquet
from io_intelligence_provider.changes.kinds import KINDS
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.store.layout import changes_path, written_now
from io_intelligence_provider.store.store import SnapshotStore, When, as_date, compact_or_warn

__all__ = ["ChangesSummary", "compare_days", "detect_changes"]

log = logging.getLogger(__name__)

_TRIES: Final = 5
"""Attempts to compare one day; each further one means that a commit came in between."""


@dataclass(frozen=True)
class ChangesSummary:
    """Counts the changes of a day; small enough for XCom.

    :param previous_date: the snapshot it was compared with, ``None`` for the first of all. Single models
        may have been compared with an earlier day, which their rows name.
    :param path: the path of the changes file, ``None`` when none was written.
    :param counts: number of changes by kind; every kind has an entry.
    """

    snapshot_date: date
    previous_date: date | None
    path: str | None
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {
            "snapshot_date": self.snapshot_date.isoformat(),
            "previous_date": self.previous_date and self.previous_date.isoformat(),
            "counts": dict(self.counts),
        }


def detect_changes(
    store: SnapshotStore, snapshot_date: When | None = None, against: When = "previous"
) -> ChangesSummary:
    """Compare a snapshot with the one before and write the changes; a rerun writes an equal table.

    Each model is compared with the latest earlier day on which it was not in quarantine. The changes of the
    next date in the store are rewritten too, because it was compared with this one. So are those of the dates
    after it, as long as their runs refused records: those models may have been compared with this date. An
    earlier day with unusable files is skipped with a warning, and the metadata of the changes file name it,
    see :func:`~io_intelligence_provider.changes.diff.compare`.

    :param snapshot_date: a date in the store; the latest by default.
    :param against: ``"previous"``, or an earlier date in the store, with which nothing is written.
    :raises NotOnFileError: when there is no such snapshot.
    :raises ConfigurationError: when ``against`` is not before ``snapshot_date``.
    :raises StorageError: when a file cannot be read or written.
    """
    day = store.resolve("latest" if snapshot_date is None else snapshot_date)
    if against != "previous":
        return _summary(compare_days(store, day, against), None)
    comparison = _refresh(store, day)
    for later in (other for other in store.dates() if other > day):
        try:
            if not _refresh(store, later).has_refused:
                break
        except UnreadableDayError as error:
            log.warning(
                "The changes of %s are not detected again, because that day cannot be read: %s", later, error
            )
    compact_or_warn(store)
    return _summary(comparison, store.files.url(changes_path(day)))


def compare_days(
    store: SnapshotStore, snapshot_date: When | None = None, against: When = "previous"
) -> Comparison:
    """Return the comparison of :func:`detect_changes`, with its rows, without writing.

    With a date as ``against``, a model in quarantine on either day is left out.
    """
    day = store.resolve("latest" if snapshot_date is None else snapshot_date)
    if against == "previous":
        return compare(store, day)
    other = store.resolve(as_date(against))
    if other >= day:
        raise ConfigurationError(f"against is {other}; it must be a date before the snapshot's, {day}.")
    return compare_with(store, day, other)


def _refresh(store: SnapshotStore, day: date) -> Comparison:
    """Compare a day and write its changes; repeat when a snapshot that was read has been replaced."""
    for _ in range(_TRIES):
        comparison = compare(store, day)
        metadata = {
            "snapshot_id": comparison.snapshots[day],
            "previous_date": str(comparison.previous_date or ""),
            "unreadable_dates": " ".join(map(str, sorted(comparison.unreadable))),
            "previous_snapshot_id": _id_of(comparison, comparison.previous_date),
            "provider_version": __version__,
            **written_now(),
        }
        store.files.put(changes_path(day), to_parquet(comparison.changes, metadata))
        if all(store.info(other).snapshot_id == name for other, name in comparison.snapshots.items()):
            return comparison
    log.warning("Snapshots were replaced while they were compared: the changes of %s may be out of date", day)
    return comparison


def _id_of(comparison: Comparison, day: date | None) -> str:
    return comparison.snapshots[day] if day else ""


def _summary(comparison: Comparison, path: str | None) -> ChangesSummary:
    found = Counter(comparison.changes["change"].to_pylist())
    return ChangesSummary(
        snapshot_date=comparison.snapshot_date,
        previous_date=comparison.previous_date,
        path=path,
        counts={kind: found[kind] for kind in KINDS},
    )
