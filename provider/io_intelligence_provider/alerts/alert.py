"""Defines the content of a message: alerts, grouped by rule."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

__all__ = ["Alert", "Digest", "RuleAlerts"]


@dataclass(frozen=True)
class Alert:
    """Holds one change that matches a rule.

    :param since: the day that ``old_value`` is from.
    :param correction: whether it withdraws or replaces an alert that was sent about the same day.
    :param told: with ``correction``: the value in the alert that was sent.
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"since": self.since.isoformat()}


@dataclass(frozen=True)
class RuleAlerts:
    """Holds the alerts of one rule, sorted by model name, change and field.

    :param remember_since: the first day whose ledger entries the rule still needs; ``None``: it needs all.
    """

    rule: str
    alerts: tuple[Alert, ...]
    remember_since: date | None = None


@dataclass(frozen=True)
class Digest:
    """Holds the content of one message.

    :param snapshot_id: the snapshot that was compared: a date can have had several.
    :param wire_shape: the shape of the API's response.
    :param groups: the rules that have alerts, in the order of the rules.
    """

    snapshot_date: date
    snapshot_id: str
    wire_shape: str
    groups: tuple[RuleAlerts, ...]

    def __bool__(self) -> bool:
        return bool(self.groups)

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
        }
