"""Defines the operator that writes the changes since the previous snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from io_intelligence_provider.assets import CHANGES, CHANGES_ALIAS, event_extra, publish
from io_intelligence_provider.hooks.store import is_configured, open_store
from io_intelligence_provider.operators.common import processed_date, refuse_locations, run_day
from io_intelligence_provider.operators.results import ChangesLink, changes_view, page_link

if TYPE_CHECKING:
    from airflow.sdk import Context

__all__ = ["IOIntelligenceChangesOperator"]


class IOIntelligenceChangesOperator(BaseOperator):
    """Compare the snapshot of the run's date with the previous one, and write the changes file.

    A run whose date has no snapshot is skipped. The assets ``io_intelligence_price_changes`` and
    ``io_intelligence_quota_changes`` get an event only if there were such changes; access tiers count as
    quotas. A task with another root than the configured one sends events to its own ``outlets`` only.

    Templated arguments: ``root``, ``storage_conn_id``, ``against``.
    The result is the :class:`~io_intelligence_provider.changes.detect.ChangesSummary` as a dict.

    :param root: root of the store, a local path or an fsspec URL; ``[io_intelligence] root`` by default.
    :param storage_conn_id: Airflow connection of the object store.
    :param against: ``previous``, or an earlier date in the store. With a date only the counts are returned:
        no file is written and no asset gets an event.
    :raises NotOnFileError: when ``against`` has no snapshot.
    :raises ConfigurationError: when ``against`` is not before the run's date.
    :raises StorageError: when a file cannot be read or written.
    """

    template_fields: Sequence[str] = ("root", "storage_conn_id", "against")
    operator_extra_links = (ChangesLink(),)

    def __init__(
        self,
        *,
        root: str | None = None,
        storage_conn_id: str | None = None,
        against: str = "previous",
        **kwargs: Any,
    ) -> None:
        refuse_locations(root=root)
        super().__init__(**kwargs)
        self.root = root
        self.storage_conn_id = storage_conn_id
        self.against = against
        self.page_link = ""
        if CHANGES_ALIAS not in self.outlets:
            self.outlets = [*self.outlets, CHANGES_ALIAS]

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the changes of the run's date."""
        from io_intelligence_provider.changes.detect import detect_changes

        store = open_store(self.root, self.storage_conn_id)
        view = changes_view(processed_date(context, store))
        self.page_link = page_link(view, self.root, self.storage_conn_id)
        day = run_day(context, store)
        summary = detect_changes(store, day, self.against).to_dict()
        counts = {kind: count for kind, count in summary["counts"].items() if count}
        if summary["previous_date"] is None:
            self.log.info("The snapshot of %s is the first: there is nothing to compare it with.", day)
        else:
            self.log.info("Changes from %s to %s: %s", summary["previous_date"], day, counts or "none")
        if self.against == "previous":
            extra = event_extra(summary, store.quality(day), store, store.info(day).query)
            publish(self, context, extra)
            # Two kinds of change may share an asset, which gets one event.
            moved = dict.fromkeys(asset for kind, asset in CHANGES.items() if kind in counts)
            for asset in moved if is_configured(self.root, self.storage_conn_id) else ():
                context["outlet_events"][CHANGES_ALIAS].add(asset, extra=extra)
        return summary
