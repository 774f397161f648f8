"""Finds the date of a run, and validates numbers, paths and locations given to operators."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, overload

from airflow.sdk.exceptions import AirflowSkipException

from io_intelligence_provider.assets import root_of, triggering_dates
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.text import path_name

if TYPE_CHECKING:
    from airflow.sdk import Context

    from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "data_interval_start",
    "date_of_run",
    "is_mapped",
    "number",
    "paused_reasons",
    "processed_date",
    "refuse_locations",
    "refuse_shared_history",
    "refuse_shared_outputs",
    "run_day",
    "run_name",
    "skipped",
]

log = logging.getLogger(__name__)


def run_day(context: Context, store: SnapshotStore) -> date:
    """Return the date of the run's snapshot, see :func:`processed_date`.

    :raises AirflowSkipException: when that date has no snapshot.
    """
    day = processed_date(context, store)
    if day not in (dates := store.dates()):
        latest = f"the latest is of {dates[-1]}" if dates else "there is none at all"
        raise skipped(
            f"There is no snapshot of {day}, the date of this run; {latest}. Run the task that files it "
            "first, or give both tasks the same root."
        )
    return day


def skipped(why: str) -> AirflowSkipException:
    """Return the exception that skips the task, after a warning in its log: Airflow logs it as information.

    :param why: the reason, and what to do.
    """
    log.warning("This task is skipped: %s", why)
    return AirflowSkipException(why)


def processed_date(context: Context, store: SnapshotStore) -> date:
    """Return the snapshot date that a run processes, which may not be in the store.

    It is the UTC date of ``dag_run.run_after``, or, for a run that events of the store's assets started, the
    date of the latest event: just after midnight the two differ.
    """
    dates = triggering_dates(context.get("triggering_asset_events") or {}, root_of(store))
    return date.fromisoformat(dates[-1]) if dates else date_of_run(context)


def date_of_run(context: Context) -> date:
    """Return the UTC date of ``dag_run.run_after``, under which a run files its snapshot."""
    from io_intelligence_provider.store.store import in_utc

    return in_utc(context["dag_run"].run_after).date()


def paused_reasons(ti: Any, dag_id: str) -> list[str]:
    """Return that a Dag is paused, if it is.

    :param ti: the running task instance, which asks Airflow; that of Airflow 3.2 cannot: nothing is returned.
    """
    if not hasattr(ti, "get_dag"):
        return []
    try:
        is_paused = ti.get_dag(dag_id).is_paused
    except Exception as error:  # noqa: BLE001 - the other reasons are more important than this one
        log.warning("Airflow does not say whether the Dag %s is paused: %s", dag_id, type(error).__name__)
        return []
    return [f"The Dag {dag_id} is paused. It files no snapshot until it is unpaused."] if is_paused else []


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


def run_name(context: Context) -> str | None:
    """Return a name of the Dag run, task and map index that a file can have; a rerun has the same.

    It is ``None`` outside of a Dag run, as when a test calls ``execute``.
    """
    ti = context.get("ti")
    if ti is None:
        return None
    parts = [ti.dag_id, ti.task_id, ti.run_id, *([str(ti.map_index)] if is_mapped(ti) else [])]
    return path_name("\n".join(parts), 150)


def is_mapped(ti: Any) -> bool:
    """Return whether a task instance is one of several of a mapped task."""
    return ti.map_index is not None and ti.map_index >= 0


def refuse_shared_outputs(task: Any, context: Context, outputs: Mapping[str, Any]) -> None:
    """Reject an output file that every task of a mapped task would write.

    :param outputs: the paths as written in the Dag file, before rendering, by the names of the arguments.
    :raises ConfigurationError: when neither the template nor the expansion makes it differ.
    """
    ti = context.get("ti")
    if ti is None or not is_mapped(ti):
        return
    for name, written in outputs.items():
        if not _differs(name, written, task, context):
            raise ConfigurationError(
                f"{name} is the same for several of the mapped tasks of {task.task_id!r}, so each would "
                "replace what another wrote. Add {{ ti.map_index }} to it, or expand it together with the "
                f"other arguments: .expand_kwargs([{{{name!r}: …, …}}, …])."
            )


def refuse_shared_history(task: Any, context: Context, dataset: Any) -> None:
    """Reject history checks of mapped tasks whose results have one name: one of each data interval counts.

    :param dataset: the argument as written in the Dag file; ``None``: the path as written is the name.
    :raises ConfigurationError: when neither the template nor the expansion makes the name differ.
    """
    ti = context.get("ti")
    # A path gives the name before it is rendered.
    name, written = ("path", "") if dataset is None else ("dataset", dataset)
    if ti is None or not is_mapped(ti) or _differs(name, written, task, context):
        return
    raise ConfigurationError(
        f"The results of the mapped tasks of {task.task_id!r} have one name, so history_checks would compare "
        "each with the data of another. Add {{ ti.map_index }} to dataset, or expand it together with the "
        "other arguments: .expand_kwargs([{'path': …, 'dataset': …}, …])."
    )


def _differs(name: str, written: Any, task: Any, context: Context) -> bool:
    source = task.dag.get_task(task.task_id)  # before its expansion
    if not hasattr(source, "partial_kwargs"):  # a task of a mapped group
        return _is_of_group(written, source) or _mentions(str(written), ())
    expansions = [source.expand_input, getattr(source, "op_kwargs_expand_input", None)]
    expanded = {key for expansion in expansions for key in _keys(expansion)}
    if name in source.partial_kwargs:
        return not hasattr(written, "iter_references") and _mentions(str(written), expanded)
    return _is_distinct(name, source.expand_input.value, context) or _mentions(str(written), ())


def _is_of_group(written: Any, task: Any) -> bool:
    """Return whether an argument of a task in a mapped group is one of the group, or made by its tasks."""
    from airflow.sdk import XComArg

    if not isinstance(written, XComArg):
        return hasattr(written, "iter_references")  # an argument of the group
    group = task.get_closest_mapped_task_group()
    return any(maker.get_closest_mapped_task_group() is group for maker, _ in written.iter_references())


_SAME_FOR_ALL: Final = re.compile(
    r"\b(ti|task_instance)\.(dag_id|task_id|run_id|try_number|dag_run|logical_date|start_date|task)\b(?!\.)"
)


def _mentions(text: str, names: Sequence[str] | set[str]) -> bool:
    """Return whether the expressions of a template use what differs between mapped tasks."""
    used = " ".join(re.findall(r"{{.*?}}|{%.*?%}", text, re.DOTALL))
    words = set(re.findall(r"\w+", _SAME_FOR_ALL.sub("", used)))
    return not words.isdisjoint({"map_index", "ti", "task_instance", *names})


def _keys(expansion: Any) -> Iterator[str]:
    value = getattr(expansion, "value", None)
    for item in [value] if isinstance(value, Mapping) else value if isinstance(value, Sequence) else []:
        yield from item if isinstance(item, Mapping) else ()


def _is_distinct(name: str, expansion: Any, context: Context) -> bool:
    """Return whether each mapped task gets a value of its own: several arguments are crossed."""
    if isinstance(expansion, Mapping):
        values = {key: _resolved(value, context) for key, value in expansion.items()}
        own = values.get(name)
        tasks = math.prod(len(value) for value in values.values())
        # What mapped tasks returned is fetched one by one, so it is not compared.
        return own is None or tasks == (len(set(map(str, own))) if isinstance(own, list) else len(own))
    rows = _resolved(expansion, context)
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        return True
    paths = [str(row[name]) for row in rows if row.get(name) is not None]
    return len(set(paths)) == len(paths)


def _resolved(value: Any, context: Context) -> Any:
    return value.resolve(context) if hasattr(value, "resolve") else value
