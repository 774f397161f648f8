"""Defines the assets whose events start other Dags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.asset import AssetRef
from airflow.sdk.types import OutletEventAccessorProtocol

from io_intelligence_provider.changes.kinds import ACCESS, PRICE, QUOTA

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from io_intelligence_provider.quality.result import CheckRun
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "CHANGES",
    "CHANGES_ALIAS",
    "MODELS",
    "MODELS_BY_DATE",
    "PARTITIONS",
    "PRICE_CHANGES",
    "QUOTA_CHANGES",
    "RESULT_KEY",
    "event_extra",
    "publish",
    "root_of",
    "triggering_dates",
]

# Airflow 3.2 has the timetable of partitioned assets, but no way to name an event's partitions.
PARTITIONS: Final = hasattr(OutletEventAccessorProtocol, "add_partitions")

MODELS: Final = Asset("io_intelligence_models")
"""Gets an event when a snapshot of the configured store was committed."""

MODELS_BY_DATE: Final = Asset("io_intelligence_models_by_date")
"""Gets the same event with the date as its partition key, from Airflow 3.3 on.

An event with a partition key starts no Dag with ``schedule=asset``, so ``MODELS`` has none.
"""

PRICE_CHANGES: Final = Asset("io_intelligence_price_changes")
"""Gets an event when prices of a snapshot differ from earlier ones."""

QUOTA_CHANGES: Final = Asset("io_intelligence_quota_changes")
"""Gets an event when quotas differ from earlier ones, or access tiers, which replace them in the live API."""

CHANGES: Final = {PRICE: PRICE_CHANGES, QUOTA: QUOTA_CHANGES, ACCESS: QUOTA_CHANGES}
"""The asset of each kind of change that has one."""

CHANGES_ALIAS: Final = AssetAlias("io_intelligence_changes")
"""The outlet of the changes operator: only with an alias can a task leave out an event."""

RESULT_KEY: Final = "airflow.dataquality.result"


def event_extra(
    summary: dict[str, Any], report: CheckRun, store: SnapshotStore, query: str
) -> dict[str, Any]:
    """Return the extra of an asset event.

    It holds the summary of the task, ``root`` and ``query`` of the store, and the counts of checks.
    """
    return {**summary, "root": root_of(store), "query": query, RESULT_KEY: report.result()}


def root_of(store: SnapshotStore) -> str:
    """Return the root of a store as events have it: a URL without a slash at its end."""
    return store.files.url("").rstrip("/")


def publish(
    task: BaseOperator, context: Context, extra: dict[str, Any], *, of_others: Iterable[Asset] = ()
) -> None:
    """Give the events of a task's outlets their extra, when the task has succeeded.

    Outlets may also be references to assets, and lineage that is no asset and perhaps not hashable.

    :param of_others: assets of other stores, which get no event: they are taken from the task's outlets.
    """
    left_out = tuple(of_others)
    # Airflow sends an event for each outlet that the task has at its end.
    task.outlets = [outlet for outlet in task.outlets if outlet not in left_out]
    for outlet in task.outlets:
        if isinstance(outlet, Asset | AssetRef):
            context["outlet_events"][outlet].extra = extra


def triggering_dates(triggering_asset_events: Mapping[Any, Any], root: str | None = None) -> list[str]:
    """Return the snapshot dates in the events that started a run, sorted.

    Those of an operator's own outlets count as well.

    :param triggering_asset_events: the value of that name in a task's context.
    :param root: the root of a store as an event has it; ``None``: of any store.
    """
    extras = [event.extra or {} for events in triggering_asset_events.values() for event in events]
    dates = [extra.get("snapshot_date") for extra in extras if root in (None, extra.get("root"))]
    return sorted({str(day) for day in dates if _is_date(day)})


def _is_date(value: object) -> bool:
    try:
        return bool(date.fromisoformat(str(value)))
    except ValueError:
        return False
