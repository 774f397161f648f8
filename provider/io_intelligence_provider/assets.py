"""Defines the assets whose events start other Dags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset, AssetAlias

from io_intelligence_provider.changes.kinds import ACCESS, PRICE, QUOTA

if TYPE_CHECKING:
    from io_intelligence_provider.quality.result import CheckRun

__all__ = [
    "CHANGES",
    "CHANGES_ALIAS",
    "MODELS",
    "PRICE_CHANGES",
    "QUOTA_CHANGES",
    "RESULT_KEY",
    "event_extra",
    "triggering_dates",
]

MODELS: Final = Asset("io_intelligence_models")
"""Gets an event when a snapshot was committed."""

PRICE_CHANGES: Final = Asset("io_intelligence_price_changes")
"""Gets an event when prices of a snapshot differ from earlier ones."""

QUOTA_CHANGES: Final = Asset("io_intelligence_quota_changes")
"""Gets an event when quotas differ from earlier ones, or access tiers, which replace them in the live API."""

CHANGES: Final = {PRICE: PRICE_CHANGES, QUOTA: QUOTA_CHANGES, ACCESS: QUOTA_CHANGES}
"""The asset of each kind of change that has one."""

CHANGES_ALIAS: Final = AssetAlias("io_intelligence_changes")
"""The outlet of the changes operator: only with an alias can a task leave out an event."""

RESULT_KEY: Final = "airflow.dataquality.result"


def event_extra(summary: dict[str, Any], report: CheckRun) -> dict[str, Any]:
    """Return the extra of an asset event: the summary of the task and the counts of checks."""
    return summary | {RESULT_KEY: report.result()}


def triggering_dates(triggering_asset_events: Mapping[Any, Any]) -> list[str]:
    """Return the snapshot dates in the events of the provider's assets that started a run, sorted.

    :param triggering_asset_events: the value of that name in a task's context.
    """
    events = [
        event
        for asset in (MODELS, *dict.fromkeys(CHANGES.values()))
        if asset in triggering_asset_events
        for event in triggering_asset_events[asset]
    ]
    return sorted({str(event.extra["snapshot_date"]) for event in events if "snapshot_date" in event.extra})
