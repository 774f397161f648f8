"""Records which alerts each notifier was sent, in small files that are written once and never changed.

``<root>/alerts/snapshot_date=…/<rule and notifier>-<time>-<run>-<token>.json`` records that a run sent a
notifier the alerts of a rule. Each file repeats the notifier's earlier entries for that rule, so that a
reader needs the files of one date only. Concurrent runs write separate files; none is overwritten.

``<root>/alerts/snapshot_date=…/stopped-<snapshot_id>.json`` records that every notifier was told of a run
that its checks stopped.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import msgspec
import polars as pl

from io_intelligence_provider.alerts.digest import Alert, Digest, RuleAlerts
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.days import Day, in_quarantine
from io_intelligence_provider.changes.kinds import (
    EXTRA,
    MODEL_ADDED,
    MODEL_REMOVED,
    QUARANTINED,
    comparable,
    extra_field,
    is_compared_key,
    null_means_unsaid,
)
from io_intelligence_provider.changes.values import as_text
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import NotOnFileError, UnreadableFileError
from io_intelligence_provider.store.layout import date_of, running_task
from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "LEDGER",
    "PRESENCE",
    "UNKNOWN",
    "CurrentValues",
    "LastNotified",
    "SentAlert",
    "SentDigest",
    "is_stop_recorded",
    "key_of",
    "last_notified",
    "notifier_key",
    "record_sent",
    "record_stop",
    "sent_digests",
]

log = logging.getLogger(__name__)


PRESENCE: Final = {MODEL_ADDED: "listed", MODEL_REMOVED: "not listed", QUARANTINED: "in quarantine"}
"""The value recorded for a change of a whole model, which has no value of a field."""

LEDGER: Final = "alerts"
"""The folder of the ledger below the root."""
_LARGEST: Final = 64 << 20
"""Bytes; an entry takes about 300."""
_VERSION: Final = 1


@dataclass(frozen=True)
class LastNotified:
    """Holds the last value that a notifier was sent for a field of a model, or for the model itself.

    :param field: ``None`` for a change of the model itself; then ``value`` is one of :data:`PRESENCE`.
    :param day: the ``snapshot_date`` of the alert.
    :param wire_shape: the shape of that snapshot.
    :param name_is_shared: whether another model of that snapshot had the name, so that it identifies none.
    """

    model_id: str
    name: str
    change: str
    field: str | None
    value: str | None
    day: date
    wire_shape: str
    sent_at: datetime
    name_is_shared: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "model_id": self.model_id,
            "name": self.name,
            "change": self.change,
            "field": self.field,
            "value": self.value,
            "snapshot_date": self.day.isoformat(),
            "wire_shape": self.wire_shape,
            "sent_at": self.sent_at.isoformat(),
            "name_is_shared": self.name_is_shared,
        }

    @classmethod
    def from_dict(cls, entry: Any) -> LastNotified:
        """Read the output of :meth:`to_dict`.

        :raises ValueError: when the entry has another form.
        """
        try:
            found = msgspec.structs.asdict(msgspec.convert(entry, _Entry))
        except msgspec.ValidationError as error:  # a ValueError from msgspec 0.21 on
            raise ValueError(str(error)) from None
        return cls(day=found.pop("snapshot_date"), **found)


def key_of(model_id: str, entry: Alert | LastNotified) -> tuple[str, str | None, bool]:
    """Return what an alert is about: of each, the ledger keeps the last entry.

    A quarantine is apart from the other changes of a whole model: a model that was reported as new is not
    reported as new again after a quarantine.
    """
    return model_id, entry.field, entry.change == QUARANTINED


class _Entry(msgspec.Struct):
    """Validates a :class:`LastNotified` in a file."""

    model_id: str
    name: str
    change: str
    field: str | None
    value: str | None
    snapshot_date: date
    wire_shape: Literal["documented", "openai"]
    sent_at: Annotated[datetime, msgspec.Meta(tz=True)]
    name_is_shared: bool = False  # absent in older files


_OF_A_DAG_FILE: Final = re.compile(r"^unusual_prefix_[0-9a-f]{40}_")


def notifier_key(notifier: object, position: int) -> str:
    """Return the ledger's name for a notifier: its class with its ``key``, or with its position.

    Airflow names the module of a Dag file after the file's path, which differs in each version of a bundle.
    """
    key = getattr(notifier, "key", None)
    kind = type(notifier)
    module = _OF_A_DAG_FILE.sub("", kind.__module__)
    return f"{module}.{kind.__qualname__}:{position if key is None else key}"


def last_notified(store: SnapshotStore, rule: str, notifier: str, day: date) -> list[LastNotified]:
    """Return the last value that a rule sent a notifier for each field, up to a snapshot date.

    The oldest entry comes first: when two ids have become the same model, the later entry counts.

    An unreadable file of an earlier date is skipped with a warning: alerts that only this file records may
    be sent again, whereas an error would block all later alerts.

    :raises UnreadableFileError: when a file of ``day`` itself is unreadable, so that its alerts are not sent
        again.
    :raises StorageError: when the storage does not answer.
    """
    prefix = _prefix(rule, notifier)
    dates = (date_of(name) for name in store.files.list(LEDGER))
    for other in sorted((found for found in dates if found and found <= day), reverse=True):
        folder = f"{LEDGER}/snapshot_date={other}"
        names = [name for name in store.files.list(folder) if name.startswith(prefix)]
        if not names:
            continue
        entries: list[LastNotified] = []
        for name in names:
            try:
                entries += _read(store, f"{folder}/{name}")
            except UnreadableFileError as error:
                if other == day:
                    raise
                log.warning("Alerts that this file records as sent may be sent again: %s", error)
                continue
        if not entries:
            continue
        latest: dict[tuple[str, str | None, bool], LastNotified] = {}
        for entry in sorted(entries, key=lambda entry: (entry.day, entry.sent_at)):
            key = key_of(entry.model_id, entry)
            latest.pop(key, None)
            latest[key] = entry
        return list(latest.values())
    return []


def record_sent(store: SnapshotStore, digest: Digest, notifier: str, run_id: str) -> list[str]:
    """Record that a notifier was sent a digest: one file per rule. Call it right after the send.

    :param notifier: its key, see :func:`notifier_key`.
    :param run_id: the run that sent it.
    :returns: the paths of the files.
    :raises StorageError: when a file cannot be written. A retry then sends that rule's alerts again.
    """
    sent_at = datetime.now(UTC)
    paths = []
    for group in digest.groups:
        before = last_notified(store, group.rule, notifier, digest.snapshot_date)
        added = [_entry(alert, digest, sent_at) for alert in group.alerts]
        replaced = {key_of(entry.model_id, entry) for entry in added}
        kept = [entry for entry in before if key_of(entry.model_id, entry) not in replaced]
        if (first := group.remember_since) is not None:
            # A quarantine may last longer than any baseline looks back.
            kept = [entry for entry in kept if entry.day >= first or entry.change == QUARANTINED]
        content = _content(digest, group, notifier, run_id, sent_at) | {
            "told": [entry.to_dict() for entry in [*kept, *added]]
        }
        path = _path(digest.snapshot_date, group.rule, notifier, run_id, sent_at)
        store.files.put(path, json.dumps(content, indent=1).encode())
        paths.append(path)
    return paths


def record_stop(store: SnapshotStore, report: QualityReport, run_id: str) -> None:
    """Record that every notifier was told of a run that its checks stopped.

    :param run_id: the run that told them.
    :raises StorageError: when the file cannot be written.
    """
    content = {
        "version": _VERSION,
        "run_id": run_id,
        "snapshot_date": report.snapshot_date.isoformat(),
        "snapshot_id": report.snapshot_id,
        "sent_at": datetime.now(UTC).isoformat(),
    }
    store.files.put(f"{_folder(report)}/{_stop_name(report)}", json.dumps(content, indent=1).encode())


def is_stop_recorded(store: SnapshotStore, report: QualityReport) -> bool:
    """Return whether :func:`record_stop` was called for a run.

    :raises StorageError: when the storage does not answer.
    """
    return _stop_name(report) in store.files.list(_folder(report))


def _folder(report: QualityReport) -> str:
    return f"{LEDGER}/snapshot_date={report.snapshot_date}"


def _stop_name(report: QualityReport) -> str:
    return f"stopped-{report.snapshot_id}.json"


def _content(
    digest: Digest, group: RuleAlerts, notifier: str, run_id: str, sent_at: datetime
) -> dict[str, Any]:
    return {
        "version": _VERSION,
        "run_id": run_id,
        "rule": group.rule,
        "notifier": notifier,
        "snapshot_date": digest.snapshot_date.isoformat(),
        "snapshot_id": digest.snapshot_id,
        "sent_at": sent_at.isoformat(),
        "task": running_task(),
        "alerts": [alert.to_dict() for alert in group.alerts],
    }


def _entry(alert: Alert, digest: Digest, sent_at: datetime) -> LastNotified:
    is_presence = alert.field is None and alert.new_value is None
    value = PRESENCE[alert.change] if is_presence else alert.new_value
    return LastNotified(
        alert.model_id,
        alert.name,
        alert.change,
        alert.field,
        value,
        digest.snapshot_date,
        digest.wire_shape,
        sent_at,
        alert.name in digest.shared_names,
    )


def _prefix(rule: str, notifier: str) -> str:
    return f"{_hash(rule, notifier)}-"


def _path(day: date, rule: str, notifier: str, run_id: str, sent_at: datetime) -> str:
    # Names of rules and runs may hold any character, so the file name has their hash.
    stamp = f"{sent_at:%Y%m%dT%H%M%S%f}Z"
    name = f"{_prefix(rule, notifier)}{stamp}-{_hash(run_id)}-{secrets.token_hex(4)}.json"
    return f"{LEDGER}/snapshot_date={day}/{name}"


def _hash(*texts: str) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]


_NAME: Final = re.compile(r"[0-9a-f]{16}-.*\.json")


def _is_entry(path: str) -> bool:
    return _NAME.fullmatch(path.rpartition("/")[2]) is not None


def _read(store: SnapshotStore, path: str) -> list[LastNotified]:
    if not _is_entry(path):
        return []  # the temporary file of an unfinished write
    try:
        content = json.loads(store.files.read(path, _LARGEST))
        return [LastNotified.from_dict(entry) for entry in content["told"]]
    except NotOnFileError:
        return []  # pruned since the folder was listed
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableFileError(
            f"{store.files.url(path)} is no file of the ledger: {error!r}. Restore it, or delete it, "
            "which lets its alerts be sent again."
        ) from error


class SentAlert(msgspec.Struct, frozen=True):
    """Holds one change as it was sent; what an older entry lacks is ``None``."""

    change: str
    model_id: str
    name: str
    field: str | None = None
    old_value: str | None = None
    new_value: str | None = None
    pct: float | None = None
    since: date | None = None
    doubtful: str | None = None
    correction: bool = False


class SentDigest(msgspec.Struct, frozen=True):
    """Holds the alerts of one rule that a notifier was sent at once; ``sent_at`` is in UTC."""

    snapshot_date: date
    sent_at: Annotated[datetime, msgspec.Meta(tz=True)]
    rule: str
    notifier: str
    run_id: str | None = None
    task: dict[str, Any] | None = None
    alerts: tuple[SentAlert, ...] = ()


def sent_digests(store: SnapshotStore, paths: Iterable[str]) -> tuple[list[SentDigest], list[str]]:
    """Return what the given files of the ledger record, and the errors of those that cannot be read.

    :param paths: those of other files, such as the records of stopped runs, are ignored.
    """
    found: list[SentDigest] = []
    errors: list[str] = []
    named = [path for path in paths if _is_entry(path)]
    for path, data in store.files.read_many(named, _LARGEST):
        if isinstance(data, UnreadableFileError):
            errors.append(str(data))
            continue
        try:
            digest = msgspec.json.decode(data, type=SentDigest)
            found.append(msgspec.structs.replace(digest, sent_at=digest.sent_at.astimezone(UTC)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError) as error:
            errors.append(f"{store.files.url(path)} is no file of the ledger: {error}")
    return found, errors


class _Unknown:
    """Marks an unknown value: the model is quarantined or gone, or the file lacks the column."""


UNKNOWN: Final = _Unknown()


class CurrentValues:
    """Looks up the values of one snapshot, as text, for models that the ledger names."""

    def __init__(self, today: Day) -> None:
        self._today = today
        self._columns: dict[str, list[str | None]] = {}

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {identity: row for row, identity in enumerate(self._today.keys["model_id"])}

    @cached_property
    def _by_name(self) -> dict[str, int]:
        unique = self._today.keys.filter(pl.col("name").is_unique())
        return dict(zip(unique["name"], unique["row"], strict=True))

    def _row(self, entry: LastNotified) -> int | None:
        row = self._rows.get(entry.model_id)
        return self._by_name.get(entry.name) if row is None and not entry.name_is_shared else row

    def identity(self, entry: LastNotified) -> tuple[str, str]:
        """Return today's ``model_id`` and ``name``, found by the id, else by a name unique on both days."""
        row = self._row(entry)
        if row is None:
            return entry.model_id, entry.name
        return self._today.keys["model_id"][row], self._today.keys["name"][row]

    def value(self, entry: LastNotified) -> str | _Unknown | None:
        """Return the current value of the field or the presence that was sent."""
        row = self._row(entry)
        if row is None:
            if entry.field is not None or self._refused(entry):
                return PRESENCE[QUARANTINED] if entry.change == QUARANTINED else UNKNOWN
            return PRESENCE[MODEL_REMOVED]
        if entry.field is None:
            return PRESENCE[MODEL_ADDED]
        if entry.field.partition(".")[0] == EXTRA:
            return self._extra_value(entry, entry.field, row)
        if not self._today.has(entry.field):
            return UNKNOWN
        value = self._column(entry.field)[row]
        return value if self._comparable(entry, entry.field, value) else UNKNOWN

    def _column(self, name: str) -> list[str | None]:
        if name not in self._columns:
            self._columns[name] = as_text(name, self._today.column(name)).to_list()
        return self._columns[name]

    def _extra_value(self, entry: LastNotified, field: str, row: int) -> str | _Unknown | None:
        """Return the value of a key of ``extra``; ``UNKNOWN`` for a key that is no longer compared."""
        key = field.removeprefix(extra_field(""))
        if key == field or not is_compared_key(key, self._today.shape):
            return UNKNOWN
        value = self._today.extra_of(self._column(EXTRA)[row]).get(field)
        return value if self._comparable(entry, field, value) else UNKNOWN

    def _comparable(self, entry: LastNotified, field: str, value: str | None) -> bool:
        """Return whether today's value is comparable with the one sent, perhaps in another wire shape."""
        then, now = WireShape(entry.wire_shape), self._today.shape
        if not comparable(field, then, now):
            return False
        unsaid = value is None and null_means_unsaid(field, now, then)
        return not unsaid and not (entry.value is None and null_means_unsaid(field, then, now))

    def _refused(self, entry: LastNotified) -> bool:
        model = pl.DataFrame({"model_id": [entry.model_id], "name": [entry.name]})
        # An id of another shape matches no record's; then the name is enough for unknown.
        return bool(in_quarantine(model, self._today.refused, same_shape=True)[0])
