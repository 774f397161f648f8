"""### Prices of IO Intelligence for LiteLLM and OpenRouter clients

Writes the price list whenever a price changed, in the two forms that most tools read, as an example:

* `litellm.json` has the shape of LiteLLM's `model_prices_and_context_window.json`; load it with
  `litellm.register_model(json.load(file))`, or merge it into the list of LiteLLM's proxy (`docs/exports.md`).
* `openrouter.json` has the shape of OpenRouter's `/api/v1/models`.

A run writes the prices of its date, so after an old one was cleared, clear the latest too.

Models whose price is unknown or doubtful are left out, and named in the task's log: a consumer would take a
missing price for 0. A model that was added is exported with the next change of a price; schedule the Dag on
`MODELS` to have it at once. Change `FOLDER` to where your tools read, such as a bucket: `s3://bucket/prices`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from airflow.sdk import dag

from io_intelligence_provider.assets import PRICE_CHANGES
from io_intelligence_provider.operators.export import IOIntelligenceExportOperator

sys.path.append(str(Path(__file__).parent))  # Airflow does it for the Dags folder, not for those below
from io_intelligence_settings import ON_FAILURE

FOLDER = f"{os.environ.get('AIRFLOW_HOME', Path.home() / 'airflow')}/io_intelligence_exports"


@dag(
    schedule=PRICE_CHANGES,
    catchup=False,
    max_active_runs=1,  # else an older run that ends last would leave older prices
    default_args={"on_failure_callback": ON_FAILURE},
    doc_md=__doc__,
    tags=["io-intelligence", "pricing", "example"],
)
def io_intelligence_export() -> None:
    for name in ("litellm", "openrouter"):
        IOIntelligenceExportOperator(task_id=name, format=name, path=f"{FOLDER}/{name}.json")


io_intelligence_export()
