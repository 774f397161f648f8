"""Sends alerts as the operator does, and lists the files of the ledger."""

from __future__ import annotations

from collections.abc import Iterable

from helpers.stores import StoreBuilder
from io_intelligence_provider.alerts.evaluate import pending
from io_intelligence_provider.alerts.ledger import record_sent
from io_intelligence_provider.alerts.rules import AlertRule

RULE = AlertRule("prices", min_pct=5)


def send(
    builder: StoreBuilder,
    rules: Iterable[AlertRule] = (RULE,),
    notifiers: Iterable[str] = ("a",),
    run: str = "run",
    fail: Iterable[str] = (),
) -> dict[str, list[tuple[str | None, str | None, bool]]]:
    """Do what the operator does; return what was sent, by notifier."""
    sent = {}
    for notifier, digest in pending(builder.store, list(rules), notifiers).items():
        if notifier in fail:
            continue
        sent[notifier] = [
            (alert.old_value, alert.new_value, alert.correction)
            for group in digest.groups
            for alert in group.alerts
        ]
        record_sent(builder.store, digest, notifier, run)
    return sent


def ledger(builder: StoreBuilder) -> list[str]:
    """Return the paths of all its files."""
    return [
        f"alerts/{folder}/{name}"
        for folder in builder.store.files.list("alerts")
        for name in builder.store.files.list(f"alerts/{folder}")
    ]
