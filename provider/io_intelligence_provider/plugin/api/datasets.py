"""Returns the filed results of all data sets: outcomes and counts to all, values by access to the Dag."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date as Date  # noqa: N812 - fields are called `date`
from functools import cache, partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from io_intelligence_provider.contract.report import CATALOGUE, QualityReport
from io_intelligence_provider.plugin.api.checks import (
    CheckRow,
    CheckSummaries,
    Failure,
    MayRead,
    check_rows,
    html_response,
    refused_record,
    without_values,
)
from io_intelligence_provider.plugin.api.common import (
    Answer,
    Moment,
    Offset,
    Parameters,
    WarnedAnswer,
)
from io_intelligence_provider.plugin.errors import ForbiddenError, scrub, without_surrogates
from io_intelligence_provider.plugin.http import METHODS, answer, render
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.results import FiledBy, FiledRun, Results, task_of_snapshot
from io_intelligence_provider.quality.result import (
    MAX_EXAMPLES,
    CheckResult,
    CheckRun,
    Dimension,
    Level,
    Outcome,
    Severity,
)
from io_intelligence_provider.quality.results_store import TaskRun

__all__ = ["DatasetAnswer", "DatasetsAnswer", "RefusedAnswer", "get_dataset", "get_datasets", "get_refused"]

_TREND: Final = 15
"""The latest runs whose scores the list of data sets shows."""
_MOST_CHECKS: Final = 500
_MOST_COLUMNS: Final = 200
_MOST_WARNINGS: Final = 5


class DatasetsParameters(Parameters):
    """Selects a page of data sets, those with the newest runs first."""

    q: Annotated[str, Field(max_length=200)] = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    offset: Offset = 0


class DatasetParameters(Parameters):
    """Selects a data set, and one of its runs, by default the latest."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    run: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class RefusedParameters(DatasetParameters):
    """Selects a page of the rows that a run refused."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Offset = 0


def get_datasets(reader: Reader, asked: DatasetsParameters) -> dict[str, Any]:
    """Return the last outcome of each data set."""
    results = Results(reader)
    ids = results.ids(asked.q)
    items, damaged = [], list[str]()
    for one in ids[asked.offset : asked.offset + asked.limit]:
        history = results.history(one, _TREND, brief=True)
        damaged += history.damaged
        last = history.runs[-1] if history.runs else None
        by = _filed_by(reader, last) if last else FiledBy(None)
        damaged += [by.warning] if by.warning else []
        items.append(
            {
                "id": one,
                "dataset": last.run.dataset if last else one,
                "schema_name": last and last.run.schema,
                "runs": history.on_file,
                "last": last and _head(last.run),
                "task": _form(by.task),
                "scores": [filed.run.score for filed in history.runs],
            }
        )
    return {
        "root": scrub(reader.store.files.url("")),
        "total": len(ids),
        "items": items,
        "warnings": _warnings(damaged),
    }


def get_dataset(reader: Reader, asked: DatasetParameters, may_read: MayRead) -> dict[str, Any]:
    """Return the runs of a data set, and all of one run."""
    results = Results(reader)
    history = results.history(asked.id)
    chosen = _chosen(results, asked, history.runs)
    before = [filed for filed in history.runs if filed.run.checked_at < chosen.run.checked_at]
    by = _filed_by(reader, chosen)
    withheld = not may_read(by.dag_id)
    summaries = CheckSummaries(by_column=asked.id != CATALOGUE)
    runs = [filed.run for filed in history.runs]
    checks = check_rows(runs, summaries)
    warnings = _warnings(history.damaged)
    if by.warning:
        warnings.append(by.warning)
    for what, number, most in (
        ("checks", len(checks), _MOST_CHECKS),
        ("columns", len(chosen.run.profile), _MOST_COLUMNS),
    ):
        if number > most:
            warnings.append(
                f"{most} of {number} {what} are shown. The result's Parquet file holds all of them."
            )
    return {
        "id": asked.id,
        "dataset": chosen.run.dataset,
        "schema_name": chosen.run.schema,
        "on_file": history.on_file,
        "runs": [_head(run) for run in runs],
        "checks": checks[:_MOST_CHECKS],
        "run": {
            **_head(chosen.run),
            "date": chosen.run.snapshot_date if isinstance(chosen.run, QualityReport) else None,
            "valid": chosen.run.valid,
            "seconds": chosen.run.seconds,
            "task": _form(by.task),
            "withheld": withheld,
            "checks": [_check(check, withheld=withheld) for check in chosen.run.checks[:_MOST_CHECKS]],
            "drift": _drift(chosen.run, before[-1].run if before else None),
        },
        "profile": _profile(chosen.run, history.runs, cache(may_read), withheld=withheld),
        "warnings": warnings,
    }


def get_refused(reader: Reader, asked: RefusedParameters, may_read: MayRead) -> dict[str, Any]:
    """Return the rows that a run refused, as they were filed.

    :raises ForbiddenError: when the user may not read the Dag that filed them.
    """
    results = Results(reader)
    chosen = _chosen(results, asked, ())
    by = _filed_by(reader, chosen)
    if not may_read(by.dag_id):
        raise ForbiddenError(
            f"The rows that the run {chosen.run.run_id} refused are shown to those who may read "
            + (f"the Dag {by.dag_id}." if by.task else "all Dags. ")
            + (by.warning or ("" if by.task else "No Dag filed them."))
        )
    if not chosen.run.quarantined:
        return {"total": 0, "items": [], "missing": None}
    page = results.refused(chosen.run, slice(asked.offset, asked.offset + asked.limit))
    items = [{"file": row.get("file"), "row": row.get("row"), **refused_record(row)} for row in page.rows]
    return {"total": page.total, "items": items, "missing": page.missing}


def render_run(reader: Reader, asked: DatasetParameters, may_read: MayRead) -> Response:
    """Return the report of a run as HTML, without values for those who may not read its Dag."""
    results = Results(reader)
    chosen = _chosen(results, asked, ())
    may_see = may_read(_filed_by(reader, chosen).dag_id)
    return html_response(chosen.run if may_see else without_values(chosen.run))


def _chosen(results: Results, asked: DatasetParameters, runs: Sequence[FiledRun]) -> FiledRun:
    """Return the run that is asked for, the latest of the data set by default."""
    if asked.run is not None:
        return next((one for one in runs if one.run.run_id == asked.run), None) or results.run(
            asked.id, asked.run
        )
    return runs[-1] if runs else results.latest(asked.id)


def _filed_by(reader: Reader, filed: FiledRun) -> FiledBy:
    run = filed.run
    if isinstance(run, QualityReport):
        return task_of_snapshot(reader, run.snapshot_date, run.run_id)
    return FiledBy(filed.task)


def _form(task: TaskRun | None) -> dict[str, Any] | None:
    return asdict(task) if task else None


def _warnings(damaged: Sequence[str]) -> list[str]:
    more = len(damaged) - _MOST_WARNINGS
    return [*damaged[:_MOST_WARNINGS], *([f"{more} more results cannot be read."] if more > 0 else [])]


def _head(run: CheckRun) -> dict[str, Any]:
    names = ("run_id", "checked_at", "outcome", "score", "rows", "quarantined")
    return {name: getattr(run, name) for name in names}


def _check(check: CheckResult, *, withheld: bool) -> dict[str, Any]:
    names = ("check", "column", "level", "severity", "evaluated", "failed", "passed", "dimension")
    examples = json.dumps([] if withheld else check.examples[:MAX_EXAMPLES], ensure_ascii=False)
    return {name: getattr(check, name) for name in names} | {
        "examples": json.loads(without_surrogates(examples))
    }


def _drift(run: CheckRun, before: CheckRun | None) -> list[dict[str, Any]] | None:
    """Return the columns that came, went or changed their type since the run before; ``None``: unknown."""
    if isinstance(run, QualityReport):
        return [
            {"column": name, "change": change, "before": None, "after": None}
            for change, names in (("new", run.unknown_fields), ("gone", run.missing_fields))
            for name in names
        ]
    if before is None:
        return None
    old, new = dict(before.columns), dict(run.columns)
    found = []
    for column in [*new, *(name for name in old if name not in new)]:
        if old.get(column) != new.get(column):
            change = "new" if column not in old else "gone" if column not in new else "type"
            pair = {"before": old.get(column), "after": new.get(column)}
            found.append({"column": column, "change": change, **pair})
    return found[:_MOST_COLUMNS]


def _profile(
    run: CheckRun, runs: Sequence[FiledRun], may_read: MayRead, *, withheld: bool
) -> list[dict[str, Any]]:
    """Return the profile of a run's columns, with two of their figures over time.

    Shares are counts; smallest, greatest and middle values are values of the data.
    """
    by_run = [{column.column: column for column in filed.run.profile} for filed in runs]
    readable = [may_read(FiledBy(filed.task).dag_id) for filed in runs]
    found = []
    for column in run.profile[:_MOST_COLUMNS]:
        series = [one.get(column.column) for one in by_run]
        found.append(
            {
                "column": column.column,
                "nulls": column.null_share,
                "distinct": column.distinct,
                "min": None if withheld else column.min,
                "max": None if withheld else column.max,
                "median": None if withheld else column.median,
                "null_shares": [one and one.null_share for one in series],
                "medians": [
                    one.median if one and may else None for one, may in zip(series, readable, strict=True)
                ],
            }
        )
    return found


class TaskInstance(Answer):
    """Names the task instance that filed a result."""

    dag_id: str
    task_id: str
    dag_run_id: str
    map_index: int
    try_number: int


class RunHead(Answer):
    """Holds the outcome of a run."""

    run_id: str
    checked_at: Moment
    outcome: Outcome
    score: float
    rows: int
    quarantined: int


class Dataset(Answer):
    """Holds the last outcome of a data set; ``last`` is ``None`` if none of its runs can be read."""

    id: str
    dataset: str
    schema_name: str | None
    runs: int
    last: RunHead | None
    task: TaskInstance | None
    scores: list[float]


class DatasetsAnswer(WarnedAnswer):
    """Holds a page of data sets."""

    root: str
    total: int
    items: list[Dataset]


class RunCheck(Answer):
    """Holds the result of a check of a run of any data set."""

    check: str
    column: str | None
    level: Level
    severity: Severity
    evaluated: int
    failed: int
    passed: bool
    dimension: Dimension | None
    examples: list[Any]


class ColumnDrift(Answer):
    """Describes a column that came, went or changed its type."""

    column: str
    change: Literal["new", "gone", "type"]
    before: str | None
    after: str | None


class RunDetail(RunHead):
    """Holds one run. ``withheld``: values are left out, because the user may not read the Dag."""

    date: Date | None
    valid: int
    seconds: float | None
    task: TaskInstance | None
    withheld: bool
    checks: list[RunCheck]
    drift: list[ColumnDrift] | None


class ColumnSeries(Answer):
    """Holds the profile of a column, and two of its figures for each run; ``None`` is unknown or withheld."""

    column: str
    nulls: float | None
    distinct: int | None
    min: float | str | None
    max: float | str | None
    median: float | None
    null_shares: list[float | None]
    medians: list[float | None]


class DatasetAnswer(WarnedAnswer):
    """Holds the latest runs of a data set, oldest first, and one; ``checks`` have a letter for each run."""

    id: str
    dataset: str
    schema_name: str
    on_file: int
    runs: list[RunHead]
    checks: list[CheckRow]
    run: RunDetail
    profile: list[ColumnSeries]


class RefusedRow(Answer):
    """Holds a refused row; ``row`` is its position in ``file``."""

    file: str | None
    row: int | None
    record: str
    truncated: bool
    failures: list[Failure]


class RefusedAnswer(WarnedAnswer):
    """Holds a page of refused rows; ``missing``: why there are none."""

    total: int
    items: list[RefusedRow]
    missing: str | None


router = APIRouter()


@router.api_route("/datasets", methods=METHODS, response_model=DatasetsAnswer)
async def datasets(request: Request, asked: Annotated[DatasetsParameters, Query()]) -> Response:
    """Return the last outcome of each data set."""
    return await answer(request, DatasetsAnswer, get_datasets, asked, ())


@router.api_route("/dataset", methods=METHODS, response_model=DatasetAnswer)
async def dataset(request: Request, asked: Annotated[DatasetParameters, Query()]) -> Response:
    """Return the runs of a data set, and all of one run."""
    compute = partial(get_dataset, may_read=request.state.may_read_dag)
    return await answer(request, DatasetAnswer, compute, asked, ())


@router.api_route("/dataset/refused", methods=METHODS, response_model=RefusedAnswer)
async def refused(request: Request, asked: Annotated[RefusedParameters, Query()]) -> Response:
    """Return the rows that a run refused."""
    compute = partial(get_refused, may_read=request.state.may_read_dag)
    return await answer(request, RefusedAnswer, compute, asked, ())


@router.api_route("/dataset/report", methods=METHODS, response_class=HTMLResponse, response_model=None)
async def report(request: Request, asked: Annotated[DatasetParameters, Query()]) -> Response:
    """Return the report of a run as HTML."""
    compute = partial(render_run, asked=asked, may_read=request.state.may_read_dag)
    return await render(request, compute)
