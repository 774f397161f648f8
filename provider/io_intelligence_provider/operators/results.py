"""Records the result of a run in the log, history and metrics, and links to it on the page in Airflow's UI.

Airflow asks for the link of a task when it ends, in the task's own process, and stores it as an XCom. It is
relative: the UI resolves it with its ``<base>``, so that a ``base_url`` with a path works.

A result that cannot be recorded never fails the task.
"""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink, conf

from io_intelligence_provider.hooks.store import is_configured, open_store
from io_intelligence_provider.operators.common import is_mapped
from io_intelligence_provider.text import cut, example_text, printable

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

    from io_intelligence_provider.contract.report import QualityReport
    from io_intelligence_provider.quality.result import CheckRun
    from io_intelligence_provider.quality.results_store import ResultHistory, TaskRun
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "PAGE",
    "ChangesLink",
    "QualityLink",
    "absolute_url",
    "changes_view",
    "log_findings",
    "open_history",
    "page_link",
    "page_url",
    "quality_view",
    "read_history",
    "record_result",
    "record_snapshot",
    "result_link",
    "run_url",
    "task_run",
]

log = logging.getLogger(__name__)

_LOGGED_EXAMPLES: Final = 3

PAGE: Final = "io-intelligence/"
"""The URL of the page below Airflow's root. Its final slash is needed: the page's own URLs are relative."""


class _PageLink(BaseOperatorLink):
    """Returns the operator's ``page_link``, which it sets when it runs; a task that did not run has none."""

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow's
        """Return the link, relative to Airflow's root; empty when there is none."""
        return str(getattr(operator, "page_link", ""))


class QualityLink(_PageLink):
    """Links to the results of the checks of the task's own run."""

    name: ClassVar[str] = "Data quality"


class ChangesLink(_PageLink):
    """Links to the changes of the date."""

    name: ClassVar[str] = "What changed"


def quality_view(day: date | None, run_id: str | None = None) -> str:
    """Return the fragment that opens the checks of a date, by default the latest, or of one run of it."""
    return f"#/quality{f'?day={day}' if day else ''}{f'&run={run_id}' if day and run_id else ''}"


def changes_view(day: date) -> str:
    """Return the fragment that opens the changes of a date."""
    return f"#/changes?start={day}&end={day}"


def page_link(view: str, root: str | None = None, storage_conn_id: str | None = None) -> str:
    """Return the link to a view, relative to Airflow's root; empty when the page shows another store.

    :param root: root of the store, as in the operators.
    :param storage_conn_id: connection of the store, as in the operators.
    """
    return PAGE + view if is_configured(root, storage_conn_id) else ""


def page_url(view: str, root: str | None = None, storage_conn_id: str | None = None) -> str | None:
    """Return the absolute URL of a view, for readers outside Airflow.

    :returns: ``None`` when ``[api] base_url`` is unset or not an http or https URL, or the page shows
        another store.
    """
    return absolute_url(page_link(view, root, storage_conn_id))


def absolute_url(link: str) -> str | None:
    """Return the absolute URL of a link that is relative to Airflow's root.

    :returns: ``None`` for an empty link, or when ``[api] base_url`` is unset or not an http or https URL.
    """
    base = conf.get("api", "base_url", fallback=None) or ""
    return f"{base.rstrip('/')}/{link}" if link and _is_web(base) else None


def run_url(context: Context) -> str | None:
    """Return the absolute URL of the running task instance in Airflow's UI.

    :returns: ``None`` when ``[api] base_url`` is unset or not an http or https URL: Airflow would guess it.
    """
    ti: Any = context.get("ti")
    url: str | None = getattr(ti, "log_url", None)
    if not url or not _is_web(conf.get("api", "base_url", fallback=None) or ""):
        return None
    # Airflow quotes the run only; the ids of Dags and tasks may have letters of any language.
    return quote(url, safe=":/?#[]@!$&'()*+,;=%")


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


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
    name = printable(name)
    if not run.rows:
        log.warning("%s has no rows.", name)
    findings = [check for check in run.checks if not check.passed]
    for check in sorted(findings, key=lambda check: (check.severity, -check.failed)):
        where = printable(cut(f"{check.column} {check.check}" if check.column else check.check, 300))
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
    from io_intelligence_provider.observability import emit_metrics

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
    from io_intelligence_provider.observability import emit_metrics
    from io_intelligence_provider.store.check_runs import footer_profile, with_columns

    log_findings(report, report.dataset)
    emit_metrics(report)
    try:
        profile = () if report.outcome == "failed" else footer_profile(store, report.snapshot_date)
        return with_columns(report, profile)
    except Exception as error:  # noqa: BLE001 - the snapshot is committed; its lineage must not fail the task
        log.warning("The lineage of %s could not be prepared: %s", report.dataset, error)
        return None
