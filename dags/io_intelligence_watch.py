"""### Prices and quotas of IO Intelligence, between the daily runs

Polls the endpoint every fifteen minutes in the triggerer. When prices or quotas differ from the last poll and
the latest snapshot, it starts the Dag `io_intelligence_daily_pricing`: today's snapshot is written again,
then the changes are reported as every day. Descriptions and similar fields start nothing.

* **Set-up**: run a triggerer; unpause this Dag and the daily one.
* **Several triggerers, or a restart**, send one event, because the last state is in `<root>/watch`. The id of
  the run contains the event's id, so that a repeated event starts one run. A run that is started by hand
  starts the daily Dag as well.
* **Failures of the endpoint**: the poll is logged and repeated with growing intervals of up to an hour.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import Asset, AssetWatcher, dag

from io_intelligence_provider.triggers.watcher import IOIntelligenceWatchTrigger

sys.path.append(str(Path(__file__).parent))  # Airflow does it for the Dags folder, not for those below
from io_intelligence_settings import ON_FAILURE

ENDPOINT = Asset(
    "io_intelligence_endpoint",
    watchers=[AssetWatcher(name="prices_and_quotas", trigger=IOIntelligenceWatchTrigger(interval=900))],
)
# A run that is started by hand has no event, and an event that was made by hand has no payload.
NO_EVENT = "default([{'extra': {}}])"
EVENT = f"((triggering_asset_events.values() | first | {NO_EVENT} | last).extra.payload | default({{}}))"


@dag(
    schedule=[ENDPOINT],
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"on_failure_callback": ON_FAILURE},
    doc_md=__doc__,
    tags=["io-intelligence", "pricing", "event-driven"],
)
def io_intelligence_watch() -> None:
    TriggerDagRunOperator(
        task_id="start_daily",
        trigger_dag_id="io_intelligence_daily_pricing",
        trigger_run_id="{{ 'watch__' ~ (" + EVENT + ".event_id | default(run_id)) }}",
        skip_when_already_exists=True,
        conf={"moved": "{{ " + EVENT + ".moved | default([]) | join(', ') }}"},
        doc_md="Start the daily Dag: its run files today's snapshot again.",
    )


io_intelligence_watch()
