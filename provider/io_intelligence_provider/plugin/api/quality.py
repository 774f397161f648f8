"""Returns the quality of the snapshots: outcomes and counts to all, values by access to the Dag."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    DatedParameters,
    Moment,
    Offset,
    WarnedAnswer,
    report_on,
)
from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS
from io_intelligence_provider.plugin.http import METHODS, answer, render
from io_intelligence_provider.plugin.reader import Quarantine, Reader
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
    """Says of each run whether its values may be shown to the user."""

    def __init__(self, reader: Reader, may_read: MayRead) -> None:
        self._reader = reader
        self._may_read = cache(may_read)
        self._unknown: list[str] = []

    def withheld_by(self, day: date, run_id: str) -> list[str | None]:
        """Return the Dag that filed a run if the user may not read it; nothing if the values may be shown.

        ``None`` is no Dag, or an unknown one. For a user who may read all Dags no file is opened.
        """
        if self._may_read(None):
            return []
        by = task_of_snapshot(self._reader, day, run_id)
        if self._may_read(by.dag_id):
            return []
        if by.warning and by.warning not in self._unknown:
            self._unknown.append(by.warning)
        return [by.dag_id]

    @property
    def warnings(self) -> list[str]:
        """Return a warning if values are withheld because it cannot be read which Dag filed a run."""
        if not self._unknown:
            return []
        first, *others = self._unknown
        return [first + (f" Runs whose Dag is unknown as well: {len(others)}." if others else "")]


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
    missing = reader.missing_reports()
    warnings += missing
    found = reader.once(
        "quality",
        (MODELS, "quality"),
        lambda: quality(reader.listing.dates, reader.runs(), reader.committed_runs()),
        lambda found: 200 * len(found["history"]["dates"]) + 20_000,
        DAMAGE_SECONDS if missing else None,
    )
    access = _Access(reader, may_read)
    withheld_by: list[str | None] = []
    if report and any(check.examples for check in report.checks):
        withheld_by = access.withheld_by(report.snapshot_date, report.snapshot_id)
    flagged = [_flag(run, check, access) for run, check in found["flagged"]]
    return {
        **found,
        "date": day,
        "report": report and report_form(without_values(report) if withheld_by else report),
        "fail_on": None,
        "flagged": flagged,
        "withheld_by": withheld_by,
        "warnings": warnings + access.warnings,
    }


def get_quarantine(reader: Reader, asked: QuarantineParameters, may_read: MayRead) -> dict[str, Any]:
    """Return refused records."""
    warnings: list[str] = []
    read: Callable[[date], Quarantine] = reader.quarantine
    if run := _run(reader, asked, warnings):
        rows = pl.DataFrame(reader.store.quarantine_of_run(run.snapshot_date, run.snapshot_id))
        refused = Quarantine(run.snapshot_id, rows)
        sizes, read = {run.snapshot_date: rows.height}, lambda _: refused
    elif asked.date:
        sizes = {reader.shown(asked.date): reader.quarantine(asked.date).rows.height}
    else:
        sizes, warnings = _quarantine_sizes(reader)
    access = _Access(reader, may_read)
    page = slice(asked.offset, asked.offset + asked.limit)
    items, withheld, withheld_by, unread = quarantine_page(sizes, page, read, access.withheld_by)
    return {
        "date": asked.date,
        "total": sum(sizes.values()),
        "items": items,
        "withheld": withheld,
        "withheld_by": withheld_by,
        "warnings": warnings + unread + access.warnings,
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
    committed = reader.once(
        "committed runs",
        (MODELS, "quality"),
        reader.committed_runs,
        lambda found: 200 * len(found),
        DAMAGE_SECONDS if reader.missing_reports() else None,
    )
    sizes: dict[date, int] = {}
    missing = []
    for day in reversed(reader.listing.dates):
        if day in committed:
            sizes[day] = committed[day].quarantined
        elif day in reader.listing.files["quarantine"]:
            try:
                sizes[day] = reader.quarantine(day).rows.height
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


def quality(
    dates: Sequence[date], runs: Sequence[QualityReport], committed: Mapping[date, QualityReport]
) -> dict[str, Any]:
    """Return the results of all runs; ``flagged`` has each check beside its run.

    :param dates: all dates with a snapshot; one without a report is shown as a dot.
    :param runs: all reports, oldest first.
    :param committed: those of the committed runs, by day.
    """
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
        "flagged": flags[:_FLAGGED],
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


def _flag(run: QualityReport, check: CheckResult, access: _Access) -> dict[str, Any]:
    day, withheld_by = run.snapshot_date, list[str | None]()
    if check.examples:
        withheld_by = access.withheld_by(day, run.snapshot_id)
    return {
        "date": day,
        "check": check.check,
        "column": check.column,
        "severity": check.severity,
        "failed": check.failed,
        "examples": [] if withheld_by else check.examples,
        "withheld_by": withheld_by,
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
    read: Callable[[date], Quarantine],
    withheld_of: Callable[[date, str], list[str | None]],
) -> tuple[list[dict[str, Any]], int, list[str | None], list[str]]:
    """Return some of the refused records, how many are withheld and by whom, and why days cannot be read.

    :param sizes: number of refused records by day, in the order of the response.
    :param wanted: positions among all of them.
    :param read: returns the records of a day; only days on the page are read.
    :param withheld_of: returns the Dag that withholds the records of a day's run. The run is that of the
        file's name, because what a file says of itself must not decide who may see it.
    """
    items: list[dict[str, Any]] = []
    withheld, withheld_by = 0, list[str | None]()
    warnings: list[str] = []
    start, stop = wanted.start, wanted.stop
    for day, size in sizes.items():
        first, last = max(start, 0), min(stop, size)
        start, stop = start - size, stop - size
        if first >= last:
            continue
        try:
            refused = read(day)
            rows = refused.rows.slice(first, last - first)
            dags = withheld_of(day, refused.run_id) if rows.height else []
        except (StorageError, NotOnFileError) as error:
            warnings.append(f"The quarantine of {day} cannot be read: {error}")
            continue
        if dags:
            withheld += rows.height
            withheld_by += [dag for dag in dags if dag not in withheld_by]
            continue
        items += [_item(day, row) for row in rows.iter_rows(named=True)]
    return items, withheld, withheld_by, warnings


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
    """Describes a check that failed on a committed day.

    ``withheld_by``: the Dag that filed its run, if the user may not read it, so that ``examples`` is empty;
    ``None`` is no Dag, or an unknown one.
    """

    date: Date
    check: str
    column: str | None
    severity: Severity
    failed: int
    examples: list[Any]
    withheld_by: list[str | None]


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

    ``withheld_by``: the Dag that filed the report, if the user may not read it, so that the report has no
    examples; each of ``flagged`` has its own.
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
    withheld_by = _Access(reader, may_read).withheld_by(report.snapshot_date, report.snapshot_id)
    return html_response(without_values(report) if withheld_by else report)


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
