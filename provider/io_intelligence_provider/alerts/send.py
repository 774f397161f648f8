"""Sends each notifier the alerts it was not sent yet, and records each success."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from io_intelligence_provider.alerts.evaluate import pending
from io_intelligence_provider.alerts.ledger import record_sent
from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.rules import RulesSource
from io_intelligence_provider.alerts.traffic import Traffic
from io_intelligence_provider.errors import NotificationError
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["Send", "SendSummary", "send_pending"]

log = logging.getLogger(__name__)


Send: TypeAlias = Callable[[DigestMessage], None]
"""Sends a message; raises an exception when that fails."""


@dataclass
class SendSummary:
    """Counts the changes that were sent; small enough for XCom.

    :param sent: number of changes, by notifier.
    :param nothing_new: notifiers that had been sent every change before.
    """

    snapshot_date: date
    sent: dict[str, int] = field(default_factory=dict)
    nothing_new: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            "snapshot_date": self.snapshot_date.isoformat(),
            "sent": self.sent,
            "nothing_new": self.nothing_new,
        }


def send_pending(
    store: SnapshotStore,
    rules: RulesSource,
    notifiers: Mapping[str, Send],
    day: date,
    run_id: str,
    *,
    link: str | None = None,
    run_link: str | None = None,
    traffic: Traffic | None = None,
) -> SendSummary:
    """Send each notifier one digest of the matching changes that it was not sent yet.

    Every notifier is tried. Each success is recorded before the next notifier is tried, so that a retry
    sends only what is missing.

    :param notifiers: the function that sends, by notifier key, see
        :func:`~io_intelligence_provider.alerts.ledger.notifier_key`.
    :param day: a date in the store.
    :param run_id: the run that sends.
    :param link: http or https URL of a page with more details; the messages end with it.
    :param run_link: http or https URL of the run that sends.
    :param traffic: add what the price changes cost, see
        :func:`~io_intelligence_provider.alerts.traffic.traffic_from`.
    :raises NotificationError: when a notifier failed, after all were tried. It names only notifiers and
        types of errors: the text of an error may hold a credential.
    :raises StorageError: when the ledger cannot be written. The remaining notifiers are not tried: their
        success could not be recorded either.
    """
    digests = pending(store, rules, notifiers, day, traffic=traffic)
    summary = SendSummary(day, nothing_new=[name for name in notifiers if name not in digests])
    failed = []
    for name, digest in digests.items():
        try:
            notifiers[name](DigestMessage(digest, link=link, run_link=run_link))
        except Exception as error:  # noqa: BLE001 - a notifier may raise anything; the others are still tried
            failed.append(f"{name} ({type(error).__name__})")
            continue
        record_sent(store, digest, name, run_id)
        summary.sent[name] = digest.count
        log.info("%s was sent %d %s of %s", name, digest.count, _changes(digest.count), day)
    if failed:
        others = len(summary.sent)
        succeeded = (
            f"; {others} other {'notifier' if others == 1 else 'notifiers'} succeeded" if others else ""
        )
        raise NotificationError(
            f"The changes on {day} could not be sent through {', '.join(failed)}{succeeded}. The log has the "
            "reasons. A retry sends only what is missing."
        )
    return summary


def _changes(count: int) -> str:
    return "change" if count == 1 else "changes"
