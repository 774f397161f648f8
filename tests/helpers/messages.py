"""Builds alerts and digests, and reads the lines of their message."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from io_intelligence_provider.alerts.digest import Alert, Digest, RuleAlerts
from io_intelligence_provider.alerts.message import blocks
from io_intelligence_provider.alerts.rendering import to_text
from io_intelligence_provider.changes.values import direction, percent

DAY = date(2026, 6, 30)
EVE = date(2026, 6, 29)


def alert(
    name: str = "org/m",
    field: str | None = "input_token_price",
    old: str | None = "0.15",
    new: str | None = "0.2",
    change: str = "price_changed",
    **more: Any,
) -> Alert:
    """Return an alert of yesterday's value, with the percentage of a number."""
    values: dict[str, Any] = {"pct": None, "direction": None, "since": EVE} | more
    if change in ("price_changed", "quota_changed", "limit_changed"):
        numbers = [None if text is None else Decimal(text) for text in (old, new)]
        values |= {"pct": percent(*numbers), "direction": direction(*numbers)}
    return Alert(change, name, name, field, old, new, **values)


def whole(change: str, name: str = "org/m", **more: Any) -> Alert:
    """Return an alert about a model that was added, removed or refused."""
    return alert(name, None, None, None, change, **more)


def digest(*groups: tuple[str, Iterable[Alert]], **more: Any) -> Digest:
    """Return the digest of rules and their alerts."""
    found = tuple(RuleAlerts(rule, tuple(alerts)) for rule, alerts in groups)
    return Digest(DAY, "run", "documented", found, **more)


def lines(*alerts: Alert, rule: str = "r") -> list[str]:
    """Return the lines of the changes of one rule, without the bullet."""
    text = to_text(blocks(digest((rule, alerts))))
    return [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
