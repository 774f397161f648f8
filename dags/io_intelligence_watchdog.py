"""### Overdue snapshots and failed runs of IO Intelligence

Fails when no snapshot was committed for longer than a day, or when a run was stopped by its checks and none
has succeeded since. The message has the run, the time and the reasons.

It reads the store, not Airflow's database, and so also detects a daily Dag that is paused, broken or deleted.
It runs once a day at 06:15 UTC, when a run of the day before can no longer write its snapshot.

* **Messages** go to `NOTIFIERS` below, in addition to any monitoring of failed tasks. Templates can use the
  message as `exception`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import BaseNotifier, dag, task
from airflow.sdk.exceptions import AirflowFailException

NOTIFIERS: list[BaseNotifier] = [
    # from airflow.providers.smtp.notifications.smtp import SmtpNotifier
    # SmtpNotifier(
    #     to="prices@example.com",
    #     subject="IO Intelligence: no fresh prices",
    #     html_content="<p>{{ exception | e }}</p>",
    # ),
]


@task(retries=0, on_failure_callback=NOTIFIERS)
def fresh_snapshot() -> str:
    """Return the date of the latest snapshot, or fail with the reasons."""
    from io_intelligence_provider.alerts.overdue import overdue_reasons
    from io_intelligence_provider.hooks.store import open_store

    store = open_store()
    if found := overdue_reasons(store):
        raise AirflowFailException(" ".join(found))
    return store.resolve().isoformat()


@dag(
    schedule="15 6 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=["io-intelligence", "data-quality", "example"],
)
def io_intelligence_watchdog() -> None:
    fresh_snapshot()


io_intelligence_watchdog()
