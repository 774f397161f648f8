"""Which snapshot a run is about."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from io_intelligence_provider.assets import told_dates

if TYPE_CHECKING:  # the store loads when it is used: Dag files import this module at every parse
    from airflow.sdk import Context

    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["date_of_run", "run_day", "told_or_date_of_run"]


def run_day(context: Context, store: SnapshotStore) -> date:
    """Return the date of the run's snapshot, see :func:`told_or_date_of_run`.

    :raises AirflowSkipException: when that date has no snapshot.
    """
    day = told_or_date_of_run(context)
    if day not in (dates := store.dates()):
        latest = f"the latest is of {dates[-1]}" if dates else "there is none at all"
        raise AirflowSkipException(f"There is no snapshot of {day}, the date of this run; {latest}.")
    return day


def told_or_date_of_run(context: Context) -> date:
    """Return the date that a run is about, on file or not: the UTC date of ``dag_run.run_after``.

    A run that an event of our assets started is about the snapshot that the latest event names: just
    after midnight that is another date.
    """
    from io_intelligence_provider.store.store import as_date

    told = told_dates(context.get("triggering_asset_events") or {})
    return as_date(told[-1]) if told else date_of_run(context)


def date_of_run(context: Context) -> date:
    """Return the UTC date of ``dag_run.run_after``, under which a run files its snapshot."""
    from io_intelligence_provider.store.store import in_utc

    return in_utc(context["dag_run"].run_after).date()
