"""Finds the date of a run, and validates numbers and locations given to operators."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

from airflow.sdk.exceptions import AirflowSkipException

from io_intelligence_provider.assets import triggering_dates
from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "data_interval_start",
    "date_of_run",
    "number",
    "refuse_locations",
    "run_day",
    "told_or_date_of_run",
]


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
    """Return the snapshot date that a run processes, which may not be in the store.

    It is the UTC date of ``dag_run.run_after``, or, for a run that events of the provider's assets started,
    the date of the latest event: just after midnight the two differ.
    """
    from io_intelligence_provider.store.store import as_date

    told = triggering_dates(context.get("triggering_asset_events") or {})
    return as_date(told[-1]) if told else date_of_run(context)


def date_of_run(context: Context) -> date:
    """Return the UTC date of ``dag_run.run_after``, under which a run files its snapshot."""
    from io_intelligence_provider.store.store import in_utc

    return in_utc(context["dag_run"].run_after).date()


def data_interval_start(context: Context) -> datetime | None:
    """Return the beginning of the run's data interval in UTC, ``None`` for a run without a logical date."""
    start = context.get("data_interval_start") or context.get("logical_date")
    # A plain datetime: Airflow's is of pendulum.
    return None if start is None else datetime.fromisoformat(start.isoformat()).astimezone(UTC)


Number = TypeVar("Number", int, float)


@overload
def number(name: str, value: None, kind: type[Number]) -> None: ...
@overload
def number(name: str, value: float | str, kind: type[Number]) -> Number: ...
def number(name: str, value: Any, kind: type[Number]) -> Number | None:
    """Return a rendered argument as a number.

    :raises ConfigurationError: when it is not a number; the value is not shown, as it may be a pasted key.
    """
    if value is None:
        return None
    wanted = {int: "integer", float: "number"}[kind]
    try:
        found = None if isinstance(value, bool) else float(value)
    except (OverflowError, TypeError, ValueError):
        found = None
    if found is None or not math.isfinite(found) or (wanted == "integer" and not found.is_integer()):
        raise ConfigurationError(f"{name} is no {wanted}.")
    return kind(found)


def refuse_locations(**locations: Any) -> None:
    """Reject invalid roots and paths, and those with credentials, when the Dag file is parsed.

    Airflow stores the arguments of a task in its database and shows them. Templates are validated after
    rendering, when the location is opened.

    :param locations: values by the names of their arguments; values other than text are ignored.
    :raises ConfigurationError: when a location is rejected; the message shows none that holds credentials.
    """
    from io_intelligence_provider.storage.location import refusal_of

    for name, value in locations.items():
        is_literal = isinstance(value, str) and value != "" and "{{" not in value and "{%" not in value
        if is_literal and (refusal := refusal_of(value, name)):
            del value, locations  # tracebacks may show local variables
            raise ConfigurationError(refusal)
