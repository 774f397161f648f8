"""### Prices and quotas of IO Intelligence, daily

Reads the models catalogue of [IO Intelligence](https://io.net) once a day, checks every record and writes
the valid ones to one Parquet file: `<root>/models/snapshot_date=YYYY-MM-DD/models.parquet`.

* **Set-up**: add a connection `io_intelligence_default` of type *IO Intelligence* (the API key is its
  password; leave it blank to connect as a guest) and unpause this Dag.
* **Location of the files**: `[io_intelligence] root`, by default `$AIRFLOW_HOME/io_intelligence`.
* **Invalid records** are written to quarantine with all their failures; the others to the snapshot.
* **An invalid catalogue** (incomplete, empty, half of it gone, too many records refused) fails the task. The
  last good file stays; report and quarantine give the reasons.
* **A missed day** cannot be filed later. The API serves only current data, so a late run is skipped rather
  than written under another day.
* **Changes** since the previous snapshot are in `<root>/changes/snapshot_date=…/changes.parquet`.
* **Messages** go to the log of the task `alert` until `NOTIFIERS` in `io_intelligence_settings.py` has an
  entry. `RULES` there, or the Airflow Variable `io_intelligence_alert_rules` (YAML or JSON) if it exists,
  select the changes to report. The same notifiers get a message when a task has failed its last try.
* **Dags that follow**: schedule them on the assets `io_intelligence_models` (a snapshot was committed),
  `io_intelligence_price_changes` and `io_intelligence_quota_changes` (there was such a change). From Airflow
  3.3 on `io_intelligence_models_by_date` has the date as its partition key.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Variable, dag

from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator
from io_intelligence_provider.retry_policy import retry_arguments

sys.path.append(str(Path(__file__).parent))  # Airflow does it for the Dags folder, not for those below
from io_intelligence_settings import NOTIFIERS, ON_FAILURE, RULES


def rules(**_: Any) -> Any:
    """Return the rules of the Variable if it exists, else ``RULES``; called when the task runs."""
    return Variable.get("io_intelligence_alert_rules", default=None) or RULES


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # concurrent runs would be safe, but pointless
    default_args={
        **retry_arguments(),  # Airflow 3.3: failures that waiting cannot cure are not retried
        "retries": 4,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timedelta(minutes=30),
        "on_failure_callback": ON_FAILURE,
    },
    doc_md=__doc__,
    tags=["io-intelligence", "pricing", "data-quality"],
)
def io_intelligence_daily_pricing() -> None:
    snapshot = IOIntelligenceSnapshotOperator(
        task_id="snapshot", doc_md="Fetch, check and file today's catalogue."
    )
    changes = IOIntelligenceChangesOperator(
        task_id="changes", doc_md="Compare it with the previous snapshot and file the changes."
    )
    alert = IOIntelligenceAlertOperator(
        task_id="alert",
        rules=rules,
        notifiers=NOTIFIERS,
        doc_md="Send the changes that match the rules, once.",
    )
    snapshot >> changes >> alert


io_intelligence_daily_pricing()
