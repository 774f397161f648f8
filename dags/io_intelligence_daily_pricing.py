"""### Prices and quotas of IO Intelligence, daily

Reads the models catalogue of [IO Intelligence](https://io.net) once a day, checks every record and files
the valid ones as one Parquet file: `<root>/models/snapshot_date=YYYY-MM-DD/models.parquet`.

* **Set up**: add a connection `io_intelligence_default` of type *IO Intelligence* (the API key is its
  password; blank works as a guest) and unpause this Dag.
* **Where the files go**: `[io_intelligence] root`, by default `$AIRFLOW_HOME/io_intelligence`.
* **When a record is bad**: it goes to quarantine with every reason, the others are filed.
* **When the catalogue is bad** (incomplete, empty, half of it gone, too many refused): the task fails, the
  last good file stays, report and quarantine tell why.
* **When a day was missed**: it stays missing. The API serves the present only, so a late run is skipped
  rather than filed under another day.
* **What starts on it**: any Dag scheduled on the asset `io_intelligence_models`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import dag

from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator


@dag(
    schedule="@daily",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,  # two runs at once would be safe, but pointless
    default_args={
        "retries": 4,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
        "execution_timeout": timedelta(minutes=30),
    },
    doc_md=__doc__,
    tags=["io-intelligence", "pricing", "data-quality"],
)
def io_intelligence_daily_pricing() -> None:
    IOIntelligenceSnapshotOperator(task_id="snapshot", doc_md="Fetch, check and file today's catalogue.")


io_intelligence_daily_pricing()
