"""The JSON of the routes on quality and quarantine."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - fields are called `date`
from typing import Any

from io_intelligence_provider.plugin.schemas.base import Answer, Moment, WarnedAnswer
from io_intelligence_provider.quality.report import Level, Outcome, Severity

__all__ = ["QualityAnswer", "QuarantineAnswer"]


class CheckRow(Answer):
    """One check over all days; ``states``: a letter a day, p passed, f flagged, - not run."""

    check: str
    column: str | None
    columns: list[str]
    level: Level
    severity: Severity
    states: str
    flagged: int


class QualityHistory(Answer):
    """The committed runs, day by day; ``None`` where there is no report."""

    dates: list[Date]
    scores: list[float | None]
    outcomes: list[Outcome | None]
    served: list[int | None]
    valid: list[int | None]
    quarantined: list[int | None]
    checks: list[CheckRow]


class Flagged(Answer):
    """A check that failed on a committed day."""

    date: Date
    check: str
    column: str | None
    severity: Severity
    failed: int
    examples: list[Any]


class FailedRun(Answer):
    """A run that a check stopped."""

    snapshot_id: str
    date: Date
    fetched_at: Moment
    score: float
    checks: list[str]


class QualityAnswer(WarnedAnswer):
    """``report``: of the day, its published form; ``None`` when it is missing."""

    date: Date | None
    report: dict[str, Any] | None
    fail_on: str | None
    history: QualityHistory
    flagged: list[Flagged]
    failed_runs: list[FailedRun]
    flagged_days: int
    runs: int


class Failure(Answer):
    """Why a record was refused."""

    check: str | None
    column: str | None
    value: str | None
    message: str | None


class Refused(Answer):
    """A refused record; ``truncated``: it is longer than what is given of it."""

    date: Date
    model_id: str | None
    name: str | None
    record: str
    truncated: bool
    failures: list[Failure]


class QuarantineAnswer(WarnedAnswer):
    """A page of refused records, newest day first."""

    date: Date | None
    total: int
    items: list[Refused]
