"""Links tasks and digests to the page in Airflow's UI.

Airflow computes the link of a task when it ends, in the task's own process, and stores it as an XCom. It is
relative: the UI resolves it with its ``<base>``, so that a ``base_url`` with a path works.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import urlsplit

from airflow.sdk import BaseOperatorLink, conf

from io_intelligence_provider.operators.common import date_of_run, processed_date

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

__all__ = ["PAGE", "ChangesLink", "QualityLink", "changes_url", "run_url"]

PAGE: Final = "io-intelligence/"
"""The URL of the page below Airflow's root. Its final slash is needed: the page's own URLs are relative."""


class _PageLink(BaseOperatorLink):
    """Links to the page for the date of a task.

    The date is the ``snapshot_date`` of the task's result, or, for a failed task without a result, the date
    of the run. A task whose root is not the configured one has no link: the page shows only the latter.
    """

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the link, relative to Airflow's root; empty when there is none."""
        if not _is_shown(getattr(operator, "root", None), getattr(operator, "storage_conn_id", None)):
            return ""
        day = _date_of_result(ti_key)
        if day is None:
            # Airflow passes the running task instance as the key, which is the only way to the run.
            context_of = getattr(ti_key, "get_template_context", None)
            day = self._date_of_run(context_of()) if context_of else None
        return PAGE + self._fragment(day) if day else ""

    def _date_of_run(self, context: Context) -> date:
        return processed_date(context)

    def _fragment(self, day: date) -> str:
        raise NotImplementedError


class QualityLink(_PageLink):
    """Links to the results of the checks of the snapshot."""

    name: ClassVar[str] = "Data quality"

    def _date_of_run(self, context: Context) -> date:
        return date_of_run(context)

    def _fragment(self, day: date) -> str:
        return f"#/quality?day={day}"


class ChangesLink(_PageLink):
    """Links to the changes of the date."""

    name: ClassVar[str] = "What changed"

    def _fragment(self, day: date) -> str:
        return _changes(day)


def _changes(day: date) -> str:
    return f"#/changes?start={day}&end={day}"


def _date_of_result(ti_key: TaskInstanceKey) -> date | None:
    from airflow.sdk.execution_time.xcom import XCom

    result: Any = XCom.get_value(ti_key=ti_key, key="return_value")
    try:
        return date.fromisoformat(result["snapshot_date"])
    except (KeyError, TypeError, ValueError):
        return None


def changes_url(day: date, root: str | None = None, storage_conn_id: str | None = None) -> str | None:
    """Return the absolute URL of the changes of a date, for readers outside Airflow.

    :param root: root of the store, as in the operators.
    :param storage_conn_id: connection of the store, as in the operators.
    :returns: ``None`` when ``[api] base_url`` is unset or not an http or https URL, or the page shows
        another store.
    """
    base = conf.get("api", "base_url", fallback=None) or ""
    if not _is_web(base) or not _is_shown(root, storage_conn_id):
        return None
    return f"{base.rstrip('/')}/{PAGE}{_changes(day)}"


def run_url(context: Context) -> str | None:
    """Return the absolute URL of the running task instance in Airflow's UI.

    :returns: ``None`` when ``[api] base_url`` is unset or not an http or https URL: Airflow would guess it.
    """
    ti: Any = context.get("ti")
    url = getattr(ti, "log_url", None)
    return url if url and _is_web(conf.get("api", "base_url", fallback=None) or "") else None


def _is_shown(root: str | None, storage_conn_id: str | None) -> bool:
    """Return whether a store is the configured one, which is what the page shows."""
    configured = conf.get("io_intelligence", "storage_conn_id", fallback=None)
    if storage_conn_id and storage_conn_id != configured:
        return False
    return not root or _same_place(root, conf.get("io_intelligence", "root", fallback=None) or "")


def _same_place(one: str, other: str) -> bool:
    from io_intelligence_provider.storage.location import local_path

    return (local_path(one) or one.rstrip("/")) == (local_path(other) or other.rstrip("/"))


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)
