"""### One run for the date of each snapshot of IO Intelligence

Starts when a snapshot was committed, with its date as the partition key, as an example: the run knows which
date to process even when it is cleared weeks later, and a second snapshot of the date gives a second run. One
that is started by hand has no partition key: it reads the latest snapshot.

It needs Airflow 3.3; with 3.2, this file defines no Dag. An event with a partition key starts no Dag with a
plain `schedule=asset`: schedule those on `io_intelligence_models`.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from io_intelligence_provider.assets import MODELS_BY_DATE, PARTITIONS

sys.path.append(str(Path(__file__).parent))  # Airflow does it for the Dags folder, not for those below
from io_intelligence_settings import ON_FAILURE

log = logging.getLogger(__name__)


@task
def cheapest(dag_run: Any = None) -> str | None:
    """Return the name of the model with the lowest known output price above zero on the date of the run."""
    from io_intelligence_provider.hooks.store import open_store

    store = open_store()
    day = store.resolve(dag_run.partition_key or "latest")
    rows = store.read(day, columns=["name", "output_token_price"]).to_pylist()
    priced = [row for row in rows if row["output_token_price"]]  # neither unknown nor 0
    if not priced:
        log.warning("No model has a price above 0 on %s.", day)
        return None
    found = min(priced, key=lambda row: (row["output_token_price"], row["name"]))
    log.info("%s: %r at %f USD per 1M tokens", day, *found.values())
    return str(found["name"])


if PARTITIONS:
    from airflow.sdk import PartitionedAssetTimetable

    @dag(
        schedule=PartitionedAssetTimetable(assets=MODELS_BY_DATE),
        catchup=False,
        default_args={"on_failure_callback": ON_FAILURE},
        doc_md=__doc__,
        tags=["io-intelligence", "pricing", "example"],
    )
    def io_intelligence_by_date() -> None:
        cheapest()

    io_intelligence_by_date()
