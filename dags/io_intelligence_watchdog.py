"""### Overdue snapshots and stopped runs of IO Intelligence

Fails when no snapshot was committed for longer than a day, when a run was stopped by its checks and none has
succeeded since, or, from Airflow 3.3 on, when the daily Dag is paused. The message has the deciding check and
the reasons.

The snapshots and the runs are read from the store, so a daily Dag that is broken, was deleted or never ran is
reported too. A stopped run that all of `NOTIFIERS` got a message about is not reported again for a day.
It runs once a day at 06:15 UTC, when a run of the day before can no longer write its snapshot.

* **Messages** go to `NOTIFIERS` in `io_intelligence_settings.py`, in addition to any monitoring of failed
  tasks.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from io_intelligence_provider.errors import OverdueError

sys.path.append(str(Path(__file__).parent))  # Airflow does it for the Dags folder, not for those below
from io_intelligence_settings import ON_FAILURE

DAILY = "io_intelligence_daily_pricing"


@task(retries=0, on_failure_callback=ON_FAILURE)
def fresh_snapshot(ti: Any = None) -> str:
    """Return the date of the latest snapshot, or fail with the reasons."""
    from io_intelligence_provider.alerts.overdue import overdue_reasons
    from io_intelligence_provider.hooks.store import open_store
    from io_intelligence_provider.operators.common import paused_reasons

    store = open_store()
    if found := [*overdue_reasons(store), *paused_reasons(ti, DAILY)]:
        raise OverdueError(found)
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
