"""What a message is made of: alerts, grouped by rule."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

__all__ = ["Alert", "Digest", "RuleAlerts"]


@dataclass(frozen=True)
class Alert:
    """One change that a rule asks for.

    :param since: the day whose value ``old_value`` is.
    :param correction: it takes back, or replaces, what was told about the same day before.
    :param told: with ``correction``: the value that was told.
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
    """The alerts of one rule, by name, change and field.

    :param remember_since: what was told about days before is of no use to the rule any more; ``None``:
        all of it is.
    """

    rule: str
    alerts: tuple[Alert, ...]
    remember_since: date | None = None


@dataclass(frozen=True)
class Digest:
    """The content of one message.

    :param snapshot_id: the snapshot it speaks of: a date can have had several.
    :param wire_shape: the shape that the API answered in.
    :param groups: rules that have alerts, in the order of the rules.
    """

    snapshot_date: date
    snapshot_id: str
    wire_shape: str
    groups: tuple[RuleAlerts, ...]

    def __bool__(self) -> bool:
        return bool(self.groups)

    @property
    def count(self) -> int:
        """Number of alerts."""
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
