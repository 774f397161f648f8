"""### When prices or quotas of IO Intelligence changed

Reacts to changes, as an example for another team: this Dag starts only when the daily one found a change of a
price or a quota. It reads the changes from the store, writes the largest moves to its log, and reports quotas
that fell or vanished, and models whose access tier changed.

* **Input**: the events that started it, each with the date, the counts of changes and the path.
* **Messages** go to the log of the task `quota_alert` until `NOTIFIERS` in `io_intelligence_settings.py` has
  an entry.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from airflow.sdk import dag, task

from io_intelligence_provider import AlertRule
from io_intelligence_provider.assets import PRICE_CHANGES, QUOTA_CHANGES, triggering_dates
from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator

sys.path.append(str(Path(__file__).parent))  # Airflow does it for the Dags folder, not for those below
from io_intelligence_settings import NOTIFIERS, ON_FAILURE

log = logging.getLogger(__name__)

QUOTA_RULES = [
    AlertRule(name="quotas that fell", changes="quota_changed", direction="down"),
    # A change from or to "not published" has no percentage and passes any threshold; others do not.
    AlertRule(name="quotas that vanished or came back", changes="quota_changed", min_pct=1_000_000),
    AlertRule(name="access tiers", changes="access_changed"),
]


@task
def biggest_moves(triggering_asset_events: Any = None) -> list[dict[str, Any]]:
    """Return the five changes with the largest percentage on the dates of the events."""
    from io_intelligence_provider.hooks.store import open_store

    dates = triggering_dates(triggering_asset_events or {})
    store = open_store()
    if not dates:  # started by hand: use the latest snapshot
        dates = [store.resolve().isoformat()]
    rows = [row for day in dates for row in store.changes(day, day).to_pylist() if row["pct"] is not None]
    rows.sort(key=lambda row: -abs(row["pct"]))
    moves = [
        {name: row[name] for name in ("name", "field", "old_value", "new_value")}
        | {"pct": round(row["pct"], 2), "snapshot_date": row["snapshot_date"].isoformat()}
        for row in rows[:5]
    ]
    for move in moves:
        log.info("%(snapshot_date)s %(name)r %(field)s: %(old_value)s → %(new_value)s, %(pct)+g %%", move)
    return moves


@dag(
    schedule=PRICE_CHANGES | QUOTA_CHANGES,
    catchup=False,
    default_args={"on_failure_callback": ON_FAILURE},
    doc_md=__doc__,
    tags=["io-intelligence", "pricing", "example"],
)
def io_intelligence_on_change() -> None:
    biggest_moves()
    IOIntelligenceAlertOperator(task_id="quota_alert", rules=QUOTA_RULES, notifiers=NOTIFIERS)


io_intelligence_on_change()
