"""Returns the quality of the snapshots: outcomes and counts to all, values by access to the Dag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from datetime import date as Date  # noqa: N812 - fields are called `date`
from functools import cache, partial
from typing import Annotated, Any, Final

import polars as pl
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.plugin.api.common import (
    Answer,
    CheckRow,
    CheckSummaries,
    DatedParameters,
    Failure,
    MayRead,
    Moment,
    Offset,
    WarnedAnswer,
    check_rows,
    html_response,
    refused_record,
    report_on,
    without_values,
)
from io_intelligence_provider.plugin.http import METHODS, answer, render
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.results import task_of_snapshot
from io_intelligence_provider.quality.result import CheckResult, Level, Outcome, Severity
from io_intelligence_provider.store.layout import MODELS

__all__ = ["QualityAnswer", "QuarantineAnswer", "get_quality", "get_quarantine"]


class RunParameters(DatedParameters):
    """Selects the committed run of a day, or one run by its id, also one that its checks stopped."""

    run: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class QuarantineParameters(RunParameters):
    """Selects a page of refused records, of all days by default."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    offset: Offset = 0


class _Access:
    """Says of each run whether its values may be shown to the user.

    :ivar withheld_by: the Dags that filed runs whose values may not be shown; ``None`` is no Dag.
    """

    def __init__(self, reader: Reader, may_read: MayRead) -> None:
        self._reader = reader
        self._may_read = cache(may_read)
        self.withheld_by: list[str | None] = []

    def may_see(self, day: date, run_id: str) -> bool:
        """Return whether the user may read the Dag that filed a run."""
        task = task_of_snapshot(self._reader, day, run_id)
        dag = task.dag_id if task else None
        if self._may_read(dag):
            return True
        if dag not in self.withheld_by:
            self.withheld_by.append(dag)
        return False


def get_quality(reader: Reader, asked: RunParameters, may_read: MayRead) -> dict[str, Any]:
    """Return the report of a day or a run, and the results of all runs, even if all of them failed."""
    warnings: list[str] = []
    day: date | None
    report = _run(reader, asked, warnings)
    if report:
        day = report.snapshot_date
    else:
        day = reader.shown(asked.date) if reader.listing.dates or asked.date else None
        report = report_on(reader, day, warnings) if day else None
    found = reader.once(
        "quality",
        (MODELS, "quality"),
        lambda: quality(reader.listing.dates, reader.runs()),
        lambda found: 200 * len(found["history"]["dates"]) + 20_000,
    )
    access = _Access(reader, may_read)
    if (
        report
        and any(check.examples for check in report.checks)
        and not access.may_see(report.snapshot_date, report.snapshot_id)
    ):
        report = without_values(report)
    return {
        **found,
        "date": day,
        "report": report and report_form(report),
        "fail_on": None,
        "flagged": [
            flag if not flag["examples"] or access.may_see(flag["date"], run_id) else flag | {"examples": []}
            for run_id, flag in found["flagged"]
        ],
        "withheld_by": access.withheld_by,
        "warnings": warnings,
    }


def get_quarantine(reader: Reader, asked: QuarantineParameters, may_read: MayRead) -> dict[str, Any]:
    """Return refused records."""
    warnings: list[str] = []
    read: Callable[[date], pl.DataFrame] = reader.quarantine
    if run := _run(reader, asked, warnings):
        rows = pl.DataFrame(reader.store.quarantine_of_run(run.snapshot_date, run.snapshot_id))
        sizes, read = {run.snapshot_date: rows.height}, lambda _: rows
    elif asked.date:
        sizes = {reader.shown(asked.date): reader.quarantine(asked.date).height}
    else:
        sizes, warnings = _quarantine_sizes(reader)
    access = _Access(reader, may_read)
    page = slice(asked.offset, asked.offset + asked.limit)
    items, withheld, unread = quarantine_page(sizes, page, read, access.may_see)
    return {
        "date": asked.date,
        "total": sum(sizes.values()),
        "items": items,
        "withheld": withheld,
        "withheld_by": access.withheld_by,
        "warnings": warnings + unread,
    }


def _run(reader: Reader, asked: RunParameters, warnings: list[str]) -> QualityReport | None:
    """Return the report of the run that is asked for.

    :returns: ``None`` when no run is asked for, or a later one has replaced it, which adds a warning.
    :raises NotOnFileError: when it is not on file and no date is asked for.
    """
    if asked.run is None:
        return None
    for report in reversed(reader.runs()):
        if report.snapshot_id == asked.run:
            return report
    gone = f"The run {asked.run} is not on file: a later run of its day replaced it, or it was pruned."
    if asked.date is None:
        raise NotOnFileError(gone)
    warnings.append(f"{gone} This is the snapshot of {asked.date}.")
    return None


def _quarantine_sizes(reader: Reader) -> tuple[dict[date, int], list[str]]:
    """Return the number of records each committed run refused, newest day first.

    The counts are in the reports, so that a page reads only the quarantine files of its own days.
    """
    committed = committed_runs(reader.runs())
    sizes: dict[date, int] = {}
    missing = []
    for day in reversed(reader.listing.dates):
        if day in committed:
            sizes[day] = committed[day].quarantined
        elif day in reader.listing.files["quarantine"]:
            try:
                sizes[day] = reader.quarantine(day).height
            except (StorageError, NotOnFileError):
                missing.append(day)
        else:
            missing.append(day)
    warning = f"{len(missing)} days have neither a report nor a readable quarantine file" if missing else ""
    return sizes, [f"{warning}, the newest of them {missing[0]}."] if warning else []


_FLAGGED: Final = 50
_FAILED_RUNS: Final = 20


def report_form(report: QualityReport) -> dict[str, Any]:
    """Return the published form of a report, with the totals of evaluated and failed values."""
    return report.to_dict() | {
        "evaluated": sum(check.evaluated for check in report.checks),
        "failed": sum(check.failed for check in report.checks),
    }


def committed_runs(runs: Iterable[QualityReport]) -> dict[date, QualityReport]:
    """Return the committed run of each day: the last one that no check stopped.

    :param runs: oldest first.
    """
    return {run.snapshot_date: run for run in runs if run.outcome != "failed"}


def quality(dates: Sequence[date], runs: Sequence[QualityReport]) -> dict[str, Any]:
    """Return the results of all runs; ``flagged`` has the id of each check's run beside it.

    :param dates: all dates with a snapshot; one without a report is shown as a dot.
    :param runs: all reports, oldest first.
    """
    on_file = set(dates)
    committed = {day: run for day, run in committed_runs(runs).items() if day in on_file}
    failed = [run for run in runs if run.outcome == "failed"]
    found = CheckSummaries()
    flags = [
        (committed[day], check)
        for day in reversed(dates)
        if day in committed
        for check in found.of(committed[day].checks).flagged
    ]
    return {
        "history": _history(dates, committed, found),
        "flagged": [(run.snapshot_id, _flag(run.snapshot_date, check)) for run, check in flags[:_FLAGGED]],
        "failed_runs": [
            {
                "snapshot_id": run.snapshot_id,
                "date": run.snapshot_date,
                "fetched_at": run.fetched_at,
                "score": run.score,
                "checks": list(dict.fromkeys(check.check for check in found.of(run.checks).flagged)),
            }
            for run in failed[: -_FAILED_RUNS - 1 : -1]
        ],
        "flagged_days": len({run.snapshot_date for run, _ in flags}),
        "runs": len(runs),
    }


def _flag(day: date, check: CheckResult) -> dict[str, Any]:
    return {
        "date": day,
        "check": check.check,
        "column": check.column,
        "severity": check.severity,
        "failed": check.failed,
        "examples": check.examples,
    }


def _history(
    dates: Sequence[date], committed: Mapping[date, QualityReport], found: CheckSummaries
) -> dict[str, Any]:
    runs = [committed.get(day) for day in dates]
    return {
        "dates": list(dates),
        "scores": [run and run.score for run in runs],
        "outcomes": [run and run.outcome for run in runs],
        "served": [run and run.served for run in runs],
        "valid": [run and run.valid for run in runs],
        "quarantined": [run and run.quarantined for run in runs],
        "checks": check_rows(runs, found),
    }


def quarantine_page(
    sizes: Mapping[date, int],
    wanted: slice,
    read: Callable[[date], pl.DataFrame],
    may_see: Callable[[date, str], bool],
) -> tuple[list[dict[str, Any]], int, list[str]]:
    """Return some of the refused records, how many of them are withheld, and the errors of unreadable days.

    :param sizes: number of refused records by day, in the order of the response.
    :param wanted: positions among all of them.
    :param read: returns the records of a day; only days on the page are read.
    :param may_see: returns whether the records of a day's run may be shown.
    """
    items: list[dict[str, Any]] = []
    withheld = 0
    warnings: list[str] = []
    start, stop = wanted.start, wanted.stop
    for day, size in sizes.items():
        first, last = max(start, 0), min(stop, size)
        start, stop = start - size, stop - size
        if first >= last:
            continue
        try:
            rows = read(day).slice(first, last - first)
        except (StorageError, NotOnFileError) as error:
            warnings.append(f"The quarantine of {day} cannot be read: {error}")
            continue
        if rows.height and not may_see(day, rows["snapshot_id"][0]):
            withheld += rows.height
            continue
        items += [_item(day, row) for row in rows.iter_rows(named=True)]
    return items, withheld, warnings


def _item(day: date, row: dict[str, Any]) -> dict[str, Any]:
    return {"date": day, "model_id": row["model_id"], "name": row["name"], **refused_record(row)}


class QualityHistory(Answer):
    """Holds the committed runs by day; ``None`` where there is no report."""

    dates: list[Date]
    scores: list[float | None]
    outcomes: list[Outcome | None]
    served: list[int | None]
    valid: list[int | None]
    quarantined: list[int | None]
    checks: list[CheckRow]


class Flagged(Answer):
    """Describes a check that failed on a committed day."""

    date: Date
    check: str
    column: str | None
    severity: Severity
    failed: int
    examples: list[Any]


class FailedRun(Answer):
    """Describes a run that a check stopped."""

    snapshot_id: str
    date: Date
    fetched_at: Moment
    score: float
    checks: list[str]


class Rows(Answer):
    """Counts the records of a run."""

    served: int
    valid: int
    quarantined: int


class Check(Answer):
    """Holds the result of a check of a run."""

    check: str
    column: str | None
    level: Level
    severity: Severity
    evaluated: int
    failed: int
    examples: list[Any]
    passed: bool


class Drift(Answer):
    """Lists the fields that came or went."""

    unknown_fields: list[str]
    missing_fields: list[str]


class Report(Answer):
    """Holds the published form of a report, and the totals of evaluated and failed values."""

    snapshot_id: str
    snapshot_date: str
    fetched_at: str
    source_url: str
    wire_shape: str
    outcome: Outcome
    score: float
    rows: Rows
    checks: list[Check]
    fields: list[str]
    drift: Drift
    evaluated: int
    failed: int


class QualityAnswer(WarnedAnswer):
    """Holds the results of all runs. ``report``: of the day; ``None`` if it cannot be read.

    ``withheld_by``: the Dags that the user may not read, so that the examples of their runs are left out.
    """

    date: Date | None
    report: Report | None
    fail_on: str | None
    history: QualityHistory
    flagged: list[Flagged]
    withheld_by: list[str | None]
    failed_runs: list[FailedRun]
    flagged_days: int
    runs: int


class Refused(Answer):
    """Holds a refused record; ``truncated``: whether the response leaves part of it out."""

    date: Date
    model_id: str | None
    name: str | None
    record: str
    truncated: bool
    failures: list[Failure]


class QuarantineAnswer(WarnedAnswer):
    """Holds a page of refused records, newest day first.

    ``withheld``: how many of the page are left out, of runs of the Dags ``withheld_by``, which the user may
    not read.
    """

    date: Date | None
    total: int
    items: list[Refused]
    withheld: int
    withheld_by: list[str | None]


class ReportParameters(DatedParameters):
    """Selects a run: that of ``snapshot_id``, by default the committed one of the day."""

    snapshot_id: Annotated[str, Field(min_length=1, max_length=200)] | None = None


def render_report(reader: Reader, asked: ReportParameters, may_read: MayRead) -> Response:
    """Return the report of a run as HTML, without values for those who may not read its Dag."""
    report: QualityReport | None
    if asked.snapshot_id:
        report = next((run for run in reader.runs() if run.snapshot_id == asked.snapshot_id), None)
        if report is None:
            raise NotOnFileError(f"There is no report of a run {asked.snapshot_id}.")
    else:
        report = reader.report(reader.shown(asked.date))
    may_see = _Access(reader, may_read).may_see(report.snapshot_date, report.snapshot_id)
    return html_response(report if may_see else without_values(report))


router = APIRouter()


@router.api_route("/report", methods=METHODS, response_class=HTMLResponse, response_model=None)
async def report(request: Request, asked: Annotated[ReportParameters, Query()]) -> Response:
    """Return the report of a run as HTML."""
    compute = partial(render_report, asked=asked, may_read=request.state.may_read_dag)
    return await render(request, compute)


@router.api_route("/quality", methods=METHODS, response_model=QualityAnswer)
async def quality_of_runs(request: Request, asked: Annotated[RunParameters, Query()]) -> Response:
    """Return the report of a day or run and the results of all runs."""
    compute = partial(get_quality, may_read=request.state.may_read_dag)
    return await answer(request, QualityAnswer, compute, asked, ())


@router.api_route("/quarantine", methods=METHODS, response_model=QuarantineAnswer)
async def quarantine(request: Request, asked: Annotated[QuarantineParameters, Query()]) -> Response:
    """Return refused records."""
    compute = partial(get_quarantine, may_read=request.state.may_read_dag)
    return await answer(request, QuarantineAnswer, compute, asked, ())
