"""Defines the digest: the alerts of a day by rule, and what is known of the data they are from."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Final, Literal

from io_intelligence_provider.alerts.traffic import Bill
from io_intelligence_provider.changes.days import Day
from io_intelligence_provider.changes.kinds import PRICE
from io_intelligence_provider.changes.values import as_text
from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["Alert", "DataQuality", "Digest", "RuleAlerts", "data_quality", "with_doubts"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alert:
    """Holds one change that matches a rule.

    :param since: the day that ``old_value`` is from.
    :param correction: whether it withdraws or replaces an alert that was sent about the same day.
    :param told: with ``correction``: the value in the alert that was sent.
    :param doubtful: which of the values is a doubtful price of 0, see
        :func:`~io_intelligence_provider.store.prices.doubtful_zeros`.
    :param last_price: with ``doubtful``: the last positive price, ``None`` when it cannot be read.
    :param last_date: the day of ``last_price``.
    """

    change: str
    model_id: str
    name: str
    field: str | None
    old_value: str | None
    new_value: str | None
    pct: float | None
    direction: str | None
    since: date
    correction: bool = False
    told: str | None = None
    doubtful: Literal["old", "new"] | None = None
    last_price: str | None = None
    last_date: date | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {
            "since": self.since.isoformat(),
            "last_date": self.last_date and self.last_date.isoformat(),
        }


@dataclass(frozen=True)
class RuleAlerts:
    """Holds the alerts of one rule, sorted by model name, change and field.

    :param remember_since: the first day whose ledger entries the rule still needs; ``None``: it needs all.
    """

    rule: str
    alerts: tuple[Alert, ...]
    remember_since: date | None = None


def with_doubts(store: SnapshotStore, today: date, groups: Iterable[RuleAlerts]) -> tuple[RuleAlerts, ...]:
    """Mark the prices of 0 that are doubtful, on either side of a change.

    When the days before cannot be read, each 0 counts as doubtful: only they show that it is free.
    """
    groups = tuple(groups)
    by_day: dict[date, set[Alert]] = {}
    for alert in (alert for group in groups for alert in group.alerts):
        if side := _zero_side(alert):
            by_day.setdefault(alert.since if side == "old" else today, set()).add(alert)
    marked = {}
    for day, alerts in by_day.items():
        last = _last_positive(store, day, alerts)
        for alert in alerts:
            for key in (alert.model_id, alert.name):
                if (key, alert.field) in last:
                    price, when = last[key, alert.field]
                    marked[alert] = replace(
                        alert, doubtful=_zero_side(alert), last_price=price, last_date=when
                    )
                    break
    return tuple(
        replace(group, alerts=tuple(marked.get(alert, alert) for alert in group.alerts)) for group in groups
    )


def _zero_side(alert: Alert) -> Literal["old", "new"] | None:
    """Return which value of a price change is 0; both cannot be."""
    if alert.change != PRICE:
        return None
    return "new" if alert.new_value == "0" else "old" if alert.old_value == "0" else None


def _last_positive(
    store: SnapshotStore, day: date, alerts: Collection[Alert]
) -> dict[tuple[str, str | None], tuple[str | None, date | None]]:
    """Return the last positive price of each doubtful 0 of a day, by id or name, and field."""
    try:
        found = store.doubtful_zeros(day, day, {key for one in alerts for key in (one.model_id, one.name)})
    except StorageError as error:
        log.warning("Prices of 0 on %s count as doubtful, as earlier ones cannot be read: %s", day, error)
        return {(alert.model_id, alert.field): (None, None) for alert in alerts}
    prices = as_text("input_token_price", found["last_price"])
    columns = (found[name] for name in ("name", "model_id", "field", "last_date", "is_unique"))
    return {
        (key, field): (price, when)
        for price, name, identity, field, when, is_unique in zip(prices, *columns, strict=True)
        for key in ((name, identity) if is_unique else (identity,))
    }


@dataclass(frozen=True)
class DataQuality:
    """Holds what is known of the snapshot that a digest is about.

    :param outcome: of the run that committed it; ``None`` when its report cannot be read.
    :param findings: the checks that did not pass; errors first.
    :param models: number of models in the snapshot.
    :param quarantined: number of refused records.
    :param quarantined_names: their names, or else their ids; a record may have neither.
    :param previous_date: the day of the snapshot before, ``None`` when there is none.
    :param models_before: number of models in that snapshot; ``None`` when it cannot be read.
    """

    outcome: str | None
    findings: tuple[CheckResult, ...]
    models: int
    quarantined: int
    quarantined_names: tuple[str, ...]
    previous_date: date | None = None
    models_before: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; of the names the first hundred."""
        return {
            "outcome": self.outcome,
            "findings": [
                {
                    key: value
                    for key, value in check.to_dict().items()
                    if key in ("check", "column", "level", "severity", "evaluated", "failed")
                }
                for check in self.findings
            ],
            "models": self.models,
            "previous_date": self.previous_date and self.previous_date.isoformat(),
            "models_before": self.models_before,
            "quarantined": self.quarantined,
            "quarantined_names": list(self.quarantined_names[:_MOST_NAMES]),
        }


_MOST_NAMES: Final = 100


def data_quality(store: SnapshotStore, today: Day) -> DataQuality:
    """Return what is known of a snapshot.

    What cannot be read is logged and unknown: a digest is sent all the same.
    """
    outcome: str | None = None
    findings: tuple[CheckResult, ...] = ()
    try:
        report = store.quality(today.day)
    except StorageError as error:
        log.warning("The report of %s cannot be read, so the message has no findings: %s", today.day, error)
    else:
        if report.snapshot_id == today.snapshot_id:  # else a run has committed another snapshot meanwhile
            broken = [check for check in report.checks if not check.passed]
            findings = tuple(sorted(broken, key=lambda check: check.severity != "error"))
            outcome = report.outcome
    names = today.refused.select(name=today.refused["name"].fill_null(today.refused["model_id"]))["name"]
    previous = store.before(today.day)
    before = None
    if previous is not None:
        try:
            with Day.open(store, previous) as day:
                before = day.keys.height
        except (StorageError, NotOnFileError) as error:
            log.warning(
                "The snapshot of %s cannot be read, so the models are not counted: %s", previous, error
            )
    return DataQuality(
        outcome,
        findings,
        today.keys.height,
        today.quarantined,
        tuple(names.sort()),
        previous,
        before,
    )


@dataclass(frozen=True)
class Digest:
    """Holds the content of one message.

    :param snapshot_id: the snapshot that was compared: a date can have had several.
    :param wire_shape: the shape of the API's response.
    :param groups: the rules that have alerts, in the order of the rules.
    :param data: what is known of the snapshot.
    :param bill: what the price changes add to the monthly bill; ``None`` without traffic.
    :param shared_names: names in the alerts that another model of the snapshot has too.
    """

    snapshot_date: date
    snapshot_id: str
    wire_shape: str
    groups: tuple[RuleAlerts, ...]
    data: DataQuality | None = None
    bill: Bill | None = None
    shared_names: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.groups)

    @property
    def alerts(self) -> Iterator[Alert]:
        """The alerts of all rules."""
        return (alert for group in self.groups for alert in group.alerts)

    @property
    def count(self) -> int:
        """Return the number of alerts."""
        return sum(len(group.alerts) for group in self.groups)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "snapshot_date": self.snapshot_date.isoformat(),
            "snapshot_id": self.snapshot_id,
            "wire_shape": self.wire_shape,
            "groups": [
                {"rule": group.rule, "alerts": [alert.to_dict() for alert in group.alerts]}
                for group in self.groups
            ],
            "data": self.data and self.data.to_dict(),
            "bill": self.bill and self.bill.to_dict(),
        }
