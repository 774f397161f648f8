"""Evaluates alert rules against the changes of a day, separately for each notifier.

State is kept per notifier: an alert that was sent to one is still due to the others. Therefore a retry,
another run of the same day, and a run after one in which a notifier failed need no special handling. This
file also compares each model with its first snapshot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Self, TypeAlias

import polars as pl
import pyarrow as pa

from io_intelligence_provider.alerts.digest import (
    Alert,
    DataQuality,
    Digest,
    RuleAlerts,
    data_quality,
    with_doubts,
)
from io_intelligence_provider.alerts.ledger import (
    PRESENCE,
    UNKNOWN,
    CurrentValues,
    LastNotified,
    key_of,
    last_notified,
)
from io_intelligence_provider.alerts.rules import AlertRule, RulesSource, rules_from
from io_intelligence_provider.alerts.traffic import Traffic, bill_of
from io_intelligence_provider.changes.days import Baseline, Day, match
from io_intelligence_provider.changes.diff import (
    Comparison,
    as_table,
    compare,
    field_rows,
    skipping_unreadable_days,
)
from io_intelligence_provider.changes.kinds import (
    FIELDS,
    NUMERIC_FIELDS,
    QUARANTINED,
)
from io_intelligence_provider.changes.values import direction, percent
from io_intelligence_provider.store.store import SnapshotStore, When

__all__ = ["changes_since_first_seen", "evaluate", "pending"]


Key: TypeAlias = tuple[str, str | None, bool]
"""See :func:`key_of`; with today's ``model_id``."""


def evaluate(
    store: SnapshotStore,
    rules: RulesSource,
    snapshot_date: When | None = None,
    notifier: str | None = None,
    *,
    traffic: Traffic | None = None,
) -> Digest:
    """Return the alerts of all rules for a day.

    :param rules: see :func:`rules_from`.
    :param snapshot_date: a date in the store; the latest by default.
    :param notifier: leave out the alerts that this notifier was sent; ``None``: leave out none.
    :param traffic: compute what the price changes add to the monthly bill, see :func:`traffic_from`.
    :raises ConfigurationError: when a rule is invalid.
    :raises NotOnFileError: when there is no such snapshot.
    :raises StorageError: when a file cannot be read.
    """
    with _Evaluation(store, rules, snapshot_date, traffic) as evaluation:
        return evaluation.digest(notifier)


def pending(
    store: SnapshotStore,
    rules: RulesSource,
    notifiers: Iterable[str],
    snapshot_date: When | None = None,
    *,
    traffic: Traffic | None = None,
) -> dict[str, Digest]:
    """Return the digest that each notifier still has to be sent; a notifier without one is left out.

    Send each digest, and call :func:`record_sent` after each send that succeeded.

    :param notifiers: their keys, see :func:`notifier_key`.
    :param traffic: see :func:`evaluate`.
    :raises: the errors of :func:`evaluate`.
    """
    with _Evaluation(store, rules, snapshot_date, traffic) as evaluation:
        digests = {notifier: evaluation.digest(notifier) for notifier in notifiers}
    return {notifier: digest for notifier, digest in digests.items() if digest}


class _Evaluation:
    """Evaluates rules on one snapshot; computes what does not depend on the notifier once."""

    def __init__(
        self,
        store: SnapshotStore,
        rules: RulesSource,
        snapshot_date: When | None,
        traffic: Traffic | None,
    ) -> None:
        self._store = store
        self._traffic = traffic
        self._rules = rules_from(rules)
        self._date = store.resolve("latest" if snapshot_date is None else snapshot_date)
        self._opened = ExitStack()
        self._compared: dict[int, Comparison] = {}
        self._changes_since: dict[int, list[Alert]] = {}

    def __enter__(self) -> Self:
        self._today = self._opened.enter_context(Day.open(self._store, self._date))
        self._current = CurrentValues(self._today)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def digest(self, notifier: str | None) -> Digest:
        """Return the alerts that a notifier was not sent yet."""
        groups = []
        for rule in self._rules:
            entries = last_notified(self._store, rule.name, notifier, self._date) if notifier else []
            by_key = {self._entry_key(entry): entry for entry in entries}
            alerts = sorted([*self._unsent(rule, by_key), *self._corrections(rule, by_key)], key=_order)
            if alerts:
                groups.append(RuleAlerts(rule.name, tuple(alerts), self._remember_since(rule)))
        marked = with_doubts(self._store, self._date, groups)
        digest = Digest(self._date, self._today.snapshot_id, self._today.shape.value, marked)
        if not groups:
            return digest
        bill = None
        if self._traffic:
            models = self._today.keys.select("model_id", "name").iter_rows()
            bill = bill_of(self._traffic, digest.alerts, models, self._refused)
        shared = self._shared_names(list(digest.alerts))
        return replace(digest, data=self._data, bill=bill, shared_names=shared)

    def _shared_names(self, alerts: list[Alert]) -> frozenset[str]:
        """Return the names that another model of the snapshot has too."""
        rows = self._today.keys.filter(pl.col("name").is_in([alert.name for alert in alerts]))
        counts, ids = Counter(rows["name"]), set(rows["model_id"])
        return frozenset(alert.name for alert in alerts if counts[alert.name] > (alert.model_id in ids))

    @cached_property
    def _data(self) -> DataQuality:
        return data_quality(self._store, self._today)

    @cached_property
    def _refused(self) -> set[str]:
        """Return the ids and names of the models in quarantine; a record may have an id only."""
        known = self._compare(1).quarantined
        return {text for frame in (self._today.refused, known) for key in ("model_id", "name")
                for text in frame[key] if text is not None}  # fmt: skip

    def _entry_key(self, entry: LastNotified) -> Key:
        return key_of(self._current.identity(entry)[0], entry)

    def _remember_since(self, rule: AlertRule) -> date | None:
        if isinstance(rule.baseline, int):
            return self._date - timedelta(days=rule.baseline - 1)
        return self._date if rule.baseline == "previous" else None

    def _unsent(self, rule: AlertRule, sent: dict[Key, LastNotified]) -> Iterator[Alert]:
        """Yield matching changes not sent yet; one that replaces an alert of today is a correction."""
        for alert in self._wanted(rule, sent):
            before = sent.get(_key(alert))
            if before is None or before.value != _value(alert):
                revised = before is not None and before.day == self._date
                yield replace(alert, correction=True, told=before.value) if before and revised else alert
            elif alert.change == QUARANTINED:
                if before.day <= alert.since:  # it was back in between
                    yield alert
            elif before.day != self._date and not self._is_known(rule, before, alert):
                yield alert

    def _is_known(self, rule: AlertRule, before: LastNotified, alert: Alert) -> bool:
        """Return whether a value was sent on an earlier day of the window and has not changed today.

        A change against the value of seven days ago would otherwise be sent on seven days.
        """
        if not isinstance(rule.baseline, int) or before.day <= self._date - timedelta(days=rule.baseline):
            return False
        return _key(alert) not in self._changed_today

    def _corrections(self, rule: AlertRule, sent: dict[Key, LastNotified]) -> Iterator[Alert]:
        """Yield corrections of alerts about this day that no longer hold, even if the rule does not match."""
        wanted = {_key(alert) for alert in self._wanted(rule, sent)}
        for key, before in sent.items():
            if before.day == self._date and key not in wanted:
                value = self._current.value(before)
                if value is not UNKNOWN and value != before.value:
                    alert = self._since_sent(before)
                    yield replace(alert, correction=True, told=before.value)

    def _wanted(self, rule: AlertRule, sent: dict[Key, LastNotified]) -> list[Alert]:
        rows = self._since_last_alert(rule, sent) if rule.baseline == "last_alert" else self._since_days(rule)
        moved = [row for row in rows if rule.passes(row.old_value, row.new_value, row.pct, row.direction)]
        refused = self._quarantined if QUARANTINED in rule.changes else []
        return [row for row in (*moved, *refused) if rule.wants(row.change, row.name, row.field)]

    def _since_days(self, rule: AlertRule) -> list[Alert]:
        return self._changes(rule.baseline if isinstance(rule.baseline, int) else 1)

    def _since_last_alert(self, rule: AlertRule, sent: dict[Key, LastNotified]) -> Iterator[Alert]:
        # Added and removed models have no value to compare: they are reported on their day only.
        if not PRESENCE.keys().isdisjoint(rule.changes):
            yield from (alert for alert in self._changes(1) if alert.field is None)
        yield from (alert for alert in self._since_first_seen if _key(alert) not in sent)
        for before in sent.values():
            if before.field is not None and self._current.value(before) not in (UNKNOWN, before.value):
                yield self._since_sent(before)

    def _since_sent(self, before: LastNotified) -> Alert:
        """Return the change from the value that was sent to the current value."""
        value = self._current.value(before)
        new = value if isinstance(value, str) else None
        model_id, name = self._current.identity(before)
        pct, way = None, None
        if before.field in NUMERIC_FIELDS:
            numbers = [None if text is None else Decimal(text) for text in (before.value, new)]
            pct, way = percent(*numbers), direction(*numbers)
        return Alert(
            before.change, model_id, name, before.field, before.value, new, pct, way, since=before.day
        )

    def _compare(self, days_back: int) -> Comparison:
        if days_back not in self._compared:
            self._compared[days_back] = compare(self._store, self._date, self._fields, days_back=days_back)
        return self._compared[days_back]

    def _changes(self, days_back: int) -> list[Alert]:
        if days_back not in self._changes_since:
            self._changes_since[days_back] = _alerts(self._compare(days_back).changes)
        return self._changes_since[days_back]

    @cached_property
    def _quarantined(self) -> list[Alert]:
        """Return the models that were known on their last day outside of quarantine, and are in it now.

        Not only those of the day before: a notifier that failed on the first day is still to be told.
        """
        return [
            Alert(QUARANTINED, identity, name, None, None, None, None, None, since)
            for since, identity, name in self._compare(1).quarantined.iter_rows()
        ]

    @cached_property
    def _fields(self) -> list[str]:
        """Return the columns that some rule may match: no others are read."""
        return [column for column in FIELDS if any(rule.reads(column) for rule in self._rules)]

    @cached_property
    def _since_first_seen(self) -> list[Alert]:
        return _alerts(changes_since_first_seen(self._store, self._today, self._fields))

    @cached_property
    def _changed_today(self) -> set[Key]:
        return {_key(alert) for alert in self._changes(1)}


def _alerts(changes: pa.Table) -> list[Alert]:
    return [_alert(row) for row in changes.to_pylist()]


def _alert(row: dict[str, Any]) -> Alert:
    return Alert(since=row.pop("previous_date"), **row)


def _key(alert: Alert) -> Key:
    return key_of(alert.model_id, alert)


def _value(alert: Alert) -> str | None:
    return PRESENCE[alert.change] if alert.field is None else alert.new_value


def _order(alert: Alert) -> tuple[str, str, str, str]:
    return alert.name, alert.change, alert.field or "", alert.model_id


def changes_since_first_seen(store: SnapshotStore, today: Day, fields: Collection[str]) -> pa.Table:
    """Compare each model with the first snapshot that has it; ``previous_date`` is that day.

    A field is compared with the first snapshot whose file also has its column, because a model may be older
    than the column.

    Snapshots are read from the oldest on until every model of today was found, so a model that is new
    today makes this read the ids and names of all days.
    """

    def read(unreadable: Collection[date]) -> pa.Table:
        return _since_first_seen(store, today, fields, unreadable)

    return skipping_unreadable_days(today.day, read)[0]


def _since_first_seen(
    store: SnapshotStore, today: Day, fields: Collection[str], unreadable: Collection[date]
) -> pa.Table:
    groups = [_Group([field for field in fields if today.has(field)], today)]
    with ExitStack() as opened:
        for when in store.dates():
            if when >= today.day or not any(group.is_waiting for group in groups):
                break
            if when in unreadable:
                continue
            day = opened.enter_context(Day.open(store, when))
            groups = [part for group in groups for part in group.split(day)]
            if not [group for group in groups if group.meet(day)]:
                day.close()
            vars(day).pop("keys", None)
        return as_table([rows for group in groups for rows in group.rows()])


class _Group:
    """Collects the first snapshot of each model, for fields that the same files have."""

    def __init__(self, fields: list[str], today: Day) -> None:
        self._fields = fields
        self._today = today
        self._baseline = Baseline()
        self._pairs = [pl.DataFrame(schema={"old": pl.UInt32, "new": pl.UInt32})]
        self._remaining = today.keys["row"]

    @property
    def is_waiting(self) -> bool:
        """Return whether the first snapshot of some model is not found yet."""
        return bool(self._fields) and not self._remaining.is_empty()

    def split(self, day: Day) -> list[_Group]:
        """Split the group into the fields that a file has and those that it lacks."""
        has, lacks = ([field for field in self._fields if day.has(field) is there] for there in (True, False))
        return [self._with(part) for part in (has, lacks)] if has and lacks else [self]

    def _with(self, fields: list[str]) -> _Group:
        group = _Group(fields, self._today)
        group._baseline = Baseline(list(self._baseline.days), self._baseline.rows)
        group._pairs = list(self._pairs)
        group._remaining = self._remaining
        return group

    def meet(self, day: Day) -> bool:
        """Record the models that first appear in a file; return whether there are any."""
        if not self.is_waiting or not day.has(self._fields[0]):
            return False
        same_shape = pl.lit(day.shape is self._today.shape).alias("same_shape")
        # With all models of today, since a name is that of one only if no other has it.
        found = match(day.keys.with_columns(same_shape), self._today.keys.select("model_id", "name")).pairs
        found = found.filter(pl.col("new").is_in(self._remaining.implode()))
        if found.is_empty():
            return False
        offset = self._baseline.rows.height
        self._baseline.add(day, day.keys[found["old"]], self._today)
        old = pl.int_range(offset, self._baseline.rows.height, dtype=pl.UInt32, eager=True)
        self._pairs.append(pl.DataFrame({"old": old, "new": found["new"]}))
        self._remaining = self._remaining.filter(~self._remaining.is_in(found["new"].implode()))
        return True

    def rows(self) -> list[pl.DataFrame]:
        """Return the changes since the first snapshots."""
        return field_rows(self._today, self._baseline, pl.concat(self._pairs), self._fields)
