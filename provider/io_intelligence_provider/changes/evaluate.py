"""What the rules have to say about a day, to a notifier that was told things before.

Each notifier is reckoned with on its own: what one was sent is no reason to keep it from another. So a
retry, another run of the day, and a run after one in which a notifier failed need no case of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Self, TypeAlias

import pyarrow as pa

from io_intelligence_provider.changes.alert import Alert, Digest, RuleAlerts
from io_intelligence_provider.changes.current import UNKNOWN, CurrentValues
from io_intelligence_provider.changes.day import Day
from io_intelligence_provider.changes.diff import compare
from io_intelligence_provider.changes.first_seen import changes_since_first_seen
from io_intelligence_provider.changes.kinds import FIELDS, NUMERIC_FIELDS
from io_intelligence_provider.changes.ledger import PRESENCE, Told, told_by
from io_intelligence_provider.changes.rules import AlertRule, RulesSource, rules_from
from io_intelligence_provider.changes.values import direction, percent
from io_intelligence_provider.store.store import SnapshotStore, When

__all__ = ["evaluate", "pending"]

Key: TypeAlias = tuple[str, str | None]
"""Today's ``model_id`` and the field, ``None`` for the model itself."""


def evaluate(
    store: SnapshotStore, rules: RulesSource, snapshot_date: When | None = None, notifier: str | None = None
) -> Digest:
    """Return what the rules have to say about a day.

    :param rules: see :func:`rules_from`.
    :param snapshot_date: a date on file, the latest unless given.
    :param notifier: leave out what this one was told; ``None``: as to somebody who was told nothing.
    :raises ConfigurationError: when a rule is wrong.
    :raises NotOnFileError: when there is no such snapshot.
    :raises StorageError: when a file cannot be read.
    """
    with _Evaluation(store, rules, snapshot_date) as evaluation:
        return evaluation.digest(notifier)


def pending(
    store: SnapshotStore, rules: RulesSource, notifiers: Iterable[str], snapshot_date: When | None = None
) -> dict[str, Digest]:
    """Return what each notifier still has to get; one that has to get nothing is left out.

    Send each digest, and call :func:`record_sent` after each send that succeeded.

    :param notifiers: see :func:`notifier_key`.
    :raises: what :func:`evaluate` raises.
    """
    with _Evaluation(store, rules, snapshot_date) as evaluation:
        digests = {notifier: evaluation.digest(notifier) for notifier in notifiers}
    return {notifier: digest for notifier, digest in digests.items() if digest}


class _Evaluation:
    """The rules over one snapshot; what does not depend on the notifier is reckoned once."""

    def __init__(self, store: SnapshotStore, rules: RulesSource, snapshot_date: When | None) -> None:
        self._store = store
        self._rules = rules_from(rules)
        self._date = store.resolve("latest" if snapshot_date is None else snapshot_date)
        self._opened = ExitStack()
        self._compared: dict[int, list[Alert]] = {}

    def __enter__(self) -> Self:
        self._today = self._opened.enter_context(Day.open(self._store, self._date))
        self._current = CurrentValues(self._today)
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def digest(self, notifier: str | None) -> Digest:
        """Return what a notifier has not been told."""
        groups = []
        for rule in self._rules:
            told = told_by(self._store, rule.name, notifier, self._date) if notifier else []
            by_key = {self._told_key(entry): entry for entry in told}
            alerts = sorted([*self._news(rule, by_key), *self._corrections(rule, by_key)], key=_order)
            if alerts:
                groups.append(RuleAlerts(rule.name, tuple(alerts), self._remember_since(rule)))
        return Digest(self._date, self._today.snapshot_id, self._today.shape.value, tuple(groups))

    def _told_key(self, told: Told) -> Key:
        return self._current.identity(told)[0], told.field

    def _remember_since(self, rule: AlertRule) -> date | None:
        if isinstance(rule.baseline, int):
            return self._date - timedelta(days=rule.baseline - 1)
        return self._date if rule.baseline == "previous" else None

    def _news(self, rule: AlertRule, told: dict[Key, Told]) -> Iterator[Alert]:
        """Yield what the rule asks for and was not told; marked when it replaces what was told today."""
        for alert in self._wanted(rule, told):
            before = told.get(_key(alert))
            if before is None or before.value != _value(alert):
                revised = before is not None and before.day == self._date
                yield replace(alert, correction=True, told=before.value) if before and revised else alert
            elif before.day != self._date and not self._is_known(rule, before, alert):
                yield alert

    def _is_known(self, rule: AlertRule, before: Told, alert: Alert) -> bool:
        """Tell whether a value that was told on an earlier day has stood since, and is in the window.

        Against the value of seven days ago a change would be news for seven days.
        """
        if not isinstance(rule.baseline, int) or before.day <= self._date - timedelta(days=rule.baseline):
            return False
        return _key(alert) not in self._changed_today

    def _corrections(self, rule: AlertRule, told: dict[Key, Told]) -> Iterator[Alert]:
        """Yield what was told about this day and is no longer so, whatever the rule asks for."""
        wanted = {_key(alert) for alert in self._wanted(rule, told)}
        for key, before in told.items():
            if before.day == self._date and key not in wanted:
                value = self._current.value(before)
                if value is not UNKNOWN and value != before.value:
                    alert = self._since_told(before)
                    yield replace(alert, correction=True, told=before.value)

    def _wanted(self, rule: AlertRule, told: dict[Key, Told]) -> list[Alert]:
        rows = self._since_last_alert(rule, told) if rule.baseline == "last_alert" else self._since_days(rule)
        return [
            row
            for row in rows
            if rule.wants(row.change, row.name, row.field)
            and rule.passes(row.old_value, row.new_value, row.pct, row.direction)
        ]

    def _since_days(self, rule: AlertRule) -> list[Alert]:
        return self._compare(rule.baseline if isinstance(rule.baseline, int) else 1)

    def _since_last_alert(self, rule: AlertRule, told: dict[Key, Told]) -> Iterator[Alert]:
        # Coming and going have no value to compare: they are news on their day.
        if not PRESENCE.keys().isdisjoint(rule.changes):
            yield from (alert for alert in self._compare(1) if alert.field is None)
        yield from (alert for alert in self._since_first_seen if _key(alert) not in told)
        for before in told.values():
            if before.field is not None and self._current.value(before) not in (UNKNOWN, before.value):
                yield self._since_told(before)

    def _since_told(self, before: Told) -> Alert:
        """Return the step from what was told to what is."""
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

    def _compare(self, days_back: int) -> list[Alert]:
        if days_back not in self._compared:
            changes = compare(self._store, self._date, self._fields, days_back=days_back).changes
            self._compared[days_back] = _alerts(changes)
        return self._compared[days_back]

    @cached_property
    def _fields(self) -> list[str]:
        """The columns that any rule asks for: no others are read."""
        return [column for column in FIELDS if any(rule.reads(column) for rule in self._rules)]

    @cached_property
    def _since_first_seen(self) -> list[Alert]:
        return _alerts(changes_since_first_seen(self._store, self._today, self._fields))

    @cached_property
    def _changed_today(self) -> set[Key]:
        return {_key(alert) for alert in self._compare(1)}


def _alerts(changes: pa.Table) -> list[Alert]:
    return [_alert(row) for row in changes.to_pylist()]


def _alert(row: dict[str, Any]) -> Alert:
    return Alert(since=row.pop("previous_date"), **row)


def _key(alert: Alert) -> Key:
    return alert.model_id, alert.field


def _value(alert: Alert) -> str | None:
    return PRESENCE[alert.change] if alert.field is None else alert.new_value


def _order(alert: Alert) -> tuple[str, str, str, str]:
    return alert.name, alert.change, alert.field or "", alert.model_id
