"""Defines the notifier that tells other notifiers of a failed task."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from io_intelligence_provider.errors import IOIntelligenceError, OverdueError
from io_intelligence_provider.hooks.store import open_store
from io_intelligence_provider.operators.alert import notify
from io_intelligence_provider.operators.common import date_of_run
from io_intelligence_provider.operators.links import page_url, quality_view, run_url

if TYPE_CHECKING:
    from airflow.sdk import Context

    from io_intelligence_provider.alerts.failure import Failure

__all__ = ["IOIntelligenceFailureNotifier"]


class IOIntelligenceFailureNotifier(BaseNotifier):
    """Tell notifiers of a failed task: which check stopped it, why, what stays in force and what to do.

    Give it as ``on_failure_callback`` of a task or in ``default_args``; the notifiers are those of the alert
    task. Their templates find the message as ``io_intelligence``, with ``.subject``, ``.text``,
    ``.markdown``, ``.html``, ``.slack_blocks`` and ``.to_dict()``. Every notifier is tried; one that fails is
    an error in the log. Without notifiers the message is written to the log.

    :param notifiers: any Airflow notifiers.
    """

    def __init__(self, notifiers: Sequence[BaseNotifier] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.notifiers = notifiers

    def notify(self, context: Context) -> None:
        """Send the message of the failure in the context."""
        from io_intelligence_provider.alerts.failure import FailureMessage

        message = FailureMessage(_failure(context))
        if not self.notifiers:
            self.log.error("No notifier is set; the message would be:\n%s", message.text)
        for notifier in self.notifiers:
            try:
                notify(notifier, context, message)
            except Exception as error:  # noqa: BLE001 - a notifier may raise anything; the others are tried
                self.log.error(  # noqa: TRY400 - the text of the error may hold a credential
                    "%s could not tell of the failure: %s", type(notifier).__name__, type(error).__name__
                )


def _failure(context: Context) -> Failure:
    from io_intelligence_provider.alerts.failure import Failure

    task: Any = context["task"]
    ti = context["ti"]
    error: Any = context.get("exception")
    day = date_of_run(context)
    report = getattr(error, "report", None)
    stored = hasattr(task, "storage_conn_id") and hasattr(task, "page_link")
    root, connection = (task.root, task.storage_conn_id) if stored else (None, None)
    view = quality_view(day, getattr(report, "snapshot_id", None))
    return Failure(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        day=day,
        error=error,
        dataset=getattr(task, "dataset", None),
        in_force=_in_force(root, connection) if stored or isinstance(error, OverdueError) else "",
        task_url=run_url(context),
        page_url=page_url(view, root, connection) if stored else None,
    )


def _in_force(root: str | None, storage_conn_id: str | None) -> str:
    """Return the sentence on the snapshot that stays in force."""
    try:
        latest: date | None = max(open_store(root, storage_conn_id).dates(), default=None)
    except IOIntelligenceError as error:
        return (
            f"The store cannot be read ({type(error).__name__}), so it is unknown which snapshot is in force."
        )
    if latest is None:
        return "No snapshot is in force: none was ever committed."
    return f"The snapshot of {latest} stays in force."
