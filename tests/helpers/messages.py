"""Builds alerts and digests, and reads the lines of their message."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from io_intelligence_provider.alerts.digest import Alert, Digest, RuleAlerts
from io_intelligence_provider.alerts.message import blocks
from io_intelligence_provider.alerts.rendering import to_text
from io_intelligence_provider.changes.values import direction, percent

DAY = date(2026, 6, 30)
EVE = date(2026, 6, 29)


def alert(name="org/m", field="input_token_price", old="0.15", new="0.2", change="price_changed", **more):
    values = {"pct": None, "direction": None, "since": EVE} | more
    if change in ("price_changed", "quota_changed", "limit_changed"):
        numbers = [None if text is None else Decimal(text) for text in (old, new)]
        values |= {"pct": percent(*numbers), "direction": direction(*numbers)}
    return Alert(change, name, name, field, old, new, **values)


def whole(change, name="org/m", **more):
    return alert(name, None, None, None, change, **more)


def digest(*groups, **more):
    groups = tuple(RuleAlerts(rule, tuple(alerts)) for rule, alerts in groups)
    return Digest(DAY, "run", "documented", groups, **more)


def lines(*alerts, rule="r"):
    """Return the lines of the changes of one rule, without the bullet."""
    text = to_text(blocks(digest((rule, alerts))))
    return [line.removeprefix("- ") for line in text.splitlines() if line.startswith("- ")]
