"""Defines the notifier that tells other notifiers of a failed task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import OverdueError
from io_intelligence_provider.hooks.store import open_store
from io_intelligence_provider.operators.alert import notify, refuse_single
from io_intelligence_provider.operators.common import date_of_run, processed_date
from io_intelligence_provider.operators.results import absolute_url, page_url, quality_view, run_url
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator

if TYPE_CHECKING:
    from datetime import date

    from airflow.sdk import Context

    from io_intelligence_provider.alerts.failure import Failure

__all__ = ["IOIntelligenceFailureNotifier"]


class IOIntelligenceFailureNotifier(BaseNotifier):
    """Tell notifiers of a failed task: which check stopped it, why, what stays in force and what to do.

    Give it as ``on_failure_callback`` of a task or in ``default_args``; the notifiers are those of the alert
    task. Their templates find the message as ``io_intelligence``, with ``.subject``, ``.text``,
    ``.markdown``, ``.html``, ``.slack_blocks`` and ``.to_dict()``. Every notifier is tried; one that fails is
    an error in the log. Without notifiers the message is written to the log.

    When all were told of a snapshot that its checks stopped, the store records it, and the watchdog does not
    repeat it.

    :param notifiers: any Airflow notifiers.
    :raises ConfigurationError: when it is no list.
    """

    def __init__(self, notifiers: Sequence[BaseNotifier] = (), **kwargs: Any) -> None:
        refuse_single(notifiers)
        super().__init__(**kwargs)
        self.notifiers = notifiers

    def notify(self, context: Context) -> None:
        """Send the message of the failure in the context."""
        from io_intelligence_provider.alerts.failure import FailureMessage

        message = FailureMessage(_failure(context))
        told = 0
        if not self.notifiers:
            self.log.error("No notifier is set; the message would be:\n%s", message.text)
        for notifier in self.notifiers:
            try:
                notify(notifier, context, message)
                told += 1
            except Exception as error:  # noqa: BLE001 - a notifier may raise anything; the others are tried
                self.log.error(  # noqa: TRY400 - the text of the error may hold a credential
                    "%s could not send the message: %s", type(notifier).__name__, type(error).__name__
                )
        if told and told == len(self.notifiers):
            self._record(context)

    def _record(self, context: Context) -> None:
        """Record in the store that all notifiers were told of a snapshot that its checks stopped."""
        from io_intelligence_provider.alerts.ledger import record_stop

        task, report = context["task"], getattr(context.get("exception"), "report", None)
        if isinstance(task, IOIntelligenceSnapshotOperator) and isinstance(report, QualityReport):
            try:
                record_stop(open_store(task.root, task.storage_conn_id), report, context["ti"].run_id)
            except Exception as unwritten:  # noqa: BLE001 - a file system may raise anything
                self.log.warning(
                    "The store could not record that the message was sent (%s): the watchdog will repeat it.",
                    type(unwritten).__name__,
                )


def _failure(context: Context) -> Failure:
    from io_intelligence_provider.alerts.failure import Failure

    task: Any = context["task"]
    ti = context["ti"]
    error: Any = context.get("exception")
    day, in_force = date_of_run(context), ""
    # A check of another data set has a link to the page, but no root of a store.
    has_store = hasattr(task, "page_link") and hasattr(task, "root")
    has_store = has_store and _is_rendered(task.root) and _is_rendered(task.storage_conn_id)
    root, connection = (task.root, task.storage_conn_id) if has_store else (None, None)
    page = absolute_url(getattr(task, "page_link", ""))
    if has_store or isinstance(error, OverdueError):
        latest: date | None = None
        try:
            store = open_store(root, connection)
            latest = max(store.dates(), default=None)
            in_force = (
                "No snapshot is in force: none was ever committed."
                if latest is None
                else f"The snapshot of {latest} stays in force."
            )
            # The snapshot operator files the date of the run, the others process that of an event.
            day = day if isinstance(task, IOIntelligenceSnapshotOperator) else processed_date(context, store)
        except Exception as unread:  # noqa: BLE001 - a file system may raise anything; the message is sent
            kind = type(unread).__name__
            in_force = f"The store cannot be read ({kind}), so it is unknown which snapshot is in force."
        run_id = getattr(getattr(error, "report", None), "snapshot_id", None)
        # Of a snapshot that is overdue there is nothing to see: the one in force and the stopped runs are.
        page = page_url(quality_view(day if has_store else latest, run_id), root, connection)
    return Failure(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        day=day,
        error=error,
        dataset=getattr(task, "dataset", None),
        in_force=in_force,
        task_url=run_url(context),
        page_url=page,
    )


def _is_rendered(given: Any) -> bool:
    """Return whether an argument is no template: those of a task that was killed are not rendered."""
    return "{{" not in (text := str(given)) and "{%" not in text
