"""Records the result of a run in the log, history and metrics. Never fails the task."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.hooks.store import open_store
from io_intelligence_provider.operators.common import is_mapped
from io_intelligence_provider.operators.links import page_link
from io_intelligence_provider.text import example_text

if TYPE_CHECKING:
    from airflow.sdk import Context

    from io_intelligence_provider.contract.report import QualityReport
    from io_intelligence_provider.quality.result import CheckRun
    from io_intelligence_provider.quality.results_store import ResultHistory, TaskRun
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "log_findings",
    "open_history",
    "read_history",
    "record_result",
    "record_snapshot",
    "result_link",
    "task_run",
]

log = logging.getLogger(__name__)

_LOGGED_EXAMPLES: Final = 3


def open_history(root: str | None = None, storage_conn_id: str | None = None) -> ResultHistory:
    """Return the result history at ``root``, by default ``[io_intelligence] root``.

    :raises ConfigurationError: when the URL's file system is not installed.
    """
    from io_intelligence_provider.quality.results_store import ResultHistory

    return ResultHistory.of(open_store(root, storage_conn_id).files)


def read_history(
    dataset: str, root: str | None = None, storage_conn_id: str | None = None, *, schema: str | None = None
) -> list[CheckRun]:
    """Return the earlier runs on a data set, oldest first.

    A history that cannot be opened or read gives a warning in the log and an empty list: the history checks
    then report that they lack earlier runs, and the data are validated all the same.

    :param schema: the name of the schema whose runs to read, all unless given.
    """
    from io_intelligence_provider.quality.results_store import read_past

    try:
        return read_past(open_history(root, storage_conn_id), dataset, schema)
    except Exception as error:  # noqa: BLE001 - a missing connection must not fail the task
        log.warning("The history of %s cannot be opened, so nothing is compared with it: %s", dataset, error)
        return []


def task_run(context: Context) -> TaskRun | None:
    """Return the running task instance; ``None`` outside of a Dag run, as when a test calls ``execute``."""
    from io_intelligence_provider.quality.results_store import TaskRun

    ti: Any = context.get("ti")
    if ti is None or not hasattr(ti, "try_number"):
        return None
    return TaskRun(ti.dag_id, ti.task_id, ti.run_id, ti.map_index if is_mapped(ti) else -1, ti.try_number)


def result_link(
    run: CheckRun, dataset: str, root: str | None = None, storage_conn_id: str | None = None
) -> str:
    """Return the link to a result on the page of data sets; empty when the page shows another root.

    :param dataset: the name that it is filed under.
    """
    from io_intelligence_provider.quality.results_store import dataset_id

    view = f"data-quality#/dataset?id={dataset_id(dataset, run.schema)}&run={run.run_id}"
    return page_link(view, root, storage_conn_id)


def log_findings(run: CheckRun, name: str) -> None:
    """Log each failed check of a run as a warning, with up to three examples, and that it had no rows.

    :param name: the name of the data set.
    """
    if not run.rows:
        log.warning("%s has no rows.", name)
    findings = [check for check in run.checks if not check.passed]
    for check in sorted(findings, key=lambda check: (check.severity, -check.failed)):
        where = f"{check.column} {check.check}" if check.column else check.check
        examples = "; ".join(example_text(example) for example in check.examples[:_LOGGED_EXAMPLES])
        log.warning(
            "%s: %s failed, %s of %s (%s)%s", name, where, f"{check.failed:,}", f"{check.evaluated:,}",
            check.severity, f": {examples}" if examples else "",
        )  # fmt: skip


def record_result(
    run: CheckRun,
    *,
    dataset: str | None = None,
    root: str | None = None,
    storage_conn_id: str | None = None,
    keep: bool = True,
    task: TaskRun | None = None,
) -> None:
    """Add a run to the history and send its metrics.

    A failure of one does not stop the other and is a warning in the log, so that a full disk or a dead
    metrics server never fails a good run.

    :param dataset: the name under which runs are compared; by default the run's own.
    :param keep: whether to add it to the history.
    :param task: the task instance that made it.
    """
    from io_intelligence_provider.metrics import emit_metrics

    name = dataset or run.dataset
    try:
        if keep:
            log.info("The result of %s: %s", name, open_history(root, storage_conn_id).add(run, name, task))
    except Exception as error:  # noqa: BLE001 - a result that cannot be recorded must not fail the task
        log.warning("The result of %s could not be filed: %s", name, error)
    emit_metrics(run, dataset=name)


def record_snapshot(report: QualityReport, store: SnapshotStore) -> QualityReport | None:
    """Log the findings of a snapshot's run, send its metrics, and return its report with columns for lineage.

    A snapshot needs no history: its reports are in the store.
    """
    from io_intelligence_provider.metrics import emit_metrics
    from io_intelligence_provider.store.check_runs import footer_profile, with_columns

    log_findings(report, report.dataset)
    emit_metrics(report)
    try:
        profile = () if report.outcome == "failed" else footer_profile(store, report.snapshot_date)
        return with_columns(report, profile)
    except Exception as error:  # noqa: BLE001 - the snapshot is committed; its lineage must not fail the task
        log.warning("The lineage of %s could not be prepared: %s", report.dataset, error)
        return None
