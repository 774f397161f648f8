"""Links tasks and digests to the page in Airflow's UI.

Airflow asks for the link of a task when it ends, in the task's own process, and stores it as an XCom. It is
relative: the UI resolves it with its ``<base>``, so that a ``base_url`` with a path works.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseOperatorLink, conf

from io_intelligence_provider.hooks.store import is_configured

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from airflow.sdk.types import TaskInstanceKey

__all__ = [
    "PAGE",
    "ChangesLink",
    "QualityLink",
    "absolute_url",
    "changes_view",
    "page_link",
    "page_url",
    "quality_view",
    "run_url",
]

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
