"""Defines the operator that writes the daily snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from io_intelligence_provider.assets import MODELS, MODELS_BY_DATE, PARTITIONS, event_extra, publish, root_of
from io_intelligence_provider.errors import QualityError
from io_intelligence_provider.hooks.io_intelligence import IOIntelligenceHook
from io_intelligence_provider.hooks.store import is_configured, open_store, path_text
from io_intelligence_provider.operators.common import date_of_run, number, refuse_locations, skipped
from io_intelligence_provider.operators.results import QualityLink, page_link, quality_view

if TYPE_CHECKING:  # imported on use, because Dag files import this module at every parse
    from airflow.sdk import Context

    from io_intelligence_provider.contract.report import QualityReport
    from io_intelligence_provider.observability import Lineage
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["IOIntelligenceSnapshotOperator"]

_ASSETS = (MODELS, MODELS_BY_DATE) if PARTITIONS else (MODELS,)


class IOIntelligenceSnapshotOperator(BaseOperator):
    """Read the catalogue, check every record and commit the valid ones as the snapshot of the run's date.

    The date is the UTC date of ``dag_run.run_after``. A run whose day is over is skipped, because the API
    serves only current data; see :func:`~io_intelligence_provider.snapshot.snapshot_date_for`.
    The asset ``io_intelligence_models`` gets an event with the summary when a snapshot was committed; from
    Airflow 3.3 on ``io_intelligence_models_by_date`` gets it too, with the date as partition key. A task with
    another root than the configured one sends events to its own ``outlets`` only.

    All arguments are templated.
    The result is the :class:`~io_intelligence_provider.snapshot.SnapshotSummary` as a dict.

    :param root: root of the store, a local path or an fsspec URL; ``[io_intelligence] root`` by default.
    :param storage_conn_id: Airflow connection of the object store.
    :param q: search term of the API; all snapshots below a root must have the same.
    :param page_size: models per page, 1 to 100; by default the connection's.
    :param fail_on: ``error``, ``warn`` or ``never``: which failed checks stop the commit.
    :param max_quarantine_share: share of refused records, 0 to 1, above which the commit is stopped.
    :param io_intelligence_conn_id: the connection of the API.
    :raises QualityError: when a check stopped the commit; quarantine and report are written nevertheless.
    """

    template_fields: Sequence[str] = (
        "root",
        "storage_conn_id",
        "q",
        "page_size",
        "fail_on",
        "max_quarantine_share",
        "io_intelligence_conn_id",
    )
    operator_extra_links = (QualityLink(),)

    def __init__(
        self,
        *,
        root: str | None = None,
        storage_conn_id: str | None = None,
        q: str | None = None,
        page_size: int | str | None = None,
        fail_on: str = "error",
        max_quarantine_share: float | str = 0.1,
        io_intelligence_conn_id: str = IOIntelligenceHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        refuse_locations(root=root)
        super().__init__(**kwargs)
        self.root = root
        self.storage_conn_id = storage_conn_id
        self.q = q
        self.page_size = page_size
        self.fail_on = fail_on
        self.max_quarantine_share = max_quarantine_share
        self.io_intelligence_conn_id = io_intelligence_conn_id
        self._report: QualityReport | None = None
        self._root = ""
        self.page_link = ""
        self.outlets = [*self.outlets, *(asset for asset in _ASSETS if asset not in self.outlets)]

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the snapshot of the run's date."""
        from io_intelligence_provider.contract.report import QualityReport
        from io_intelligence_provider.operators.results import task_run
        from io_intelligence_provider.snapshot import LateRunError, run_snapshot, snapshot_date_for_run

        store = open_store(self.root, self.storage_conn_id)
        query = (path_text("q", self.q) or "").strip()
        self._link_to(date_of_run(context))
        try:
            day = snapshot_date_for_run(store, context["dag_run"].run_after, datetime.now(UTC))
        except LateRunError as late:
            raise skipped(str(late)) from None
        with IOIntelligenceHook(self.io_intelligence_conn_id).get_conn() as client:
            try:
                run = run_snapshot(
                    client,
                    store,
                    snapshot_date=day,
                    q=query,
                    page_size=number("page_size", self.page_size, int),
                    fail_on=self.fail_on,
                    max_quarantine_share=number("max_quarantine_share", self.max_quarantine_share, float),
                    task=task_run(context),
                )
            except QualityError as stopped:
                # Before the task fails, so that OpenLineage and the metrics include stopped runs.
                if isinstance(stopped.report, QualityReport):
                    self._record(stopped.report, store)
                raise
        self._record(run.report, store)
        summary = run.summary.to_dict()
        self.log.info("Filed %(rows)d models, %(quarantined)d quarantined, %(outcome)s: %(path)s", summary)
        is_shared = is_configured(self.root, self.storage_conn_id)
        extra = event_extra(summary, run.report, store, query)
        publish(self, context, extra, of_others=() if is_shared else _ASSETS)
        if is_shared and PARTITIONS:
            context["outlet_events"][MODELS_BY_DATE].add_partitions(day.isoformat())
        return summary

    def _link_to(self, day: date, run_id: str | None = None) -> None:
        self.page_link = page_link(quality_view(day, run_id), self.root, self.storage_conn_id)

    def _record(self, report: QualityReport, store: SnapshotStore) -> None:
        """Send the metrics, and keep what OpenLineage reads after the task, failed or not."""
        from io_intelligence_provider.operators.results import record_snapshot

        self._link_to(report.snapshot_date, report.snapshot_id)
        self._report, self._root = record_snapshot(report, store), root_of(store)

    def get_openlineage_facets_on_complete(self, ti: Any) -> Lineage | None:  # noqa: ARG002 - OpenLineage's
        """Return the API endpoint with its checks, and the models file that was written."""
        from io_intelligence_provider.observability import snapshot_lineage

        return snapshot_lineage(self._report, self._root)
