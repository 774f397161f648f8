"""Returns the alerts that were sent, and what was done with a snapshot: from its fetch to its alerts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from datetime import date as Date  # noqa: N812 - fields are called `date`
from typing import Annotated, Any, Final, Literal, TypeAlias

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider.alerts.ledger import LEDGER, SentAlert, SentDigest, sent_digests
from io_intelligence_provider.plugin.api.changes import pairs_of
from io_intelligence_provider.plugin.api.common import (
    Answer,
    DatedParameters,
    ModelKey,
    Moment,
    Offset,
    RangeParameters,
    WarnedAnswer,
    report_on,
)
from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, CacheEntry
from io_intelligence_provider.plugin.errors import scrub
from io_intelligence_provider.plugin.http import METHODS, answer
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.quality.results_store import TaskRun
from io_intelligence_provider.store.layout import (
    CHANGES_KIND,
    Written,
    changes_path,
    models_path,
    read_written,
    task_in_metadata,
    task_keys,
)
from io_intelligence_provider.store.models_file import MODELS_KIND

__all__ = ["AlertsAnswer", "TrustAnswer", "get_alerts", "get_trust"]


class AlertsParameters(RangeParameters):
    """Filters alerts by the days that they are about, and by models."""

    models: Annotated[list[ModelKey], Field(default_factory=list, max_length=10)]
    limit: Annotated[int, Field(ge=1, le=5_000)] = 200
    offset: Offset = 0


def get_alerts(reader: Reader, asked: AlertsParameters) -> dict[str, Any]:
    """Return the alerts that were sent, the last sent first."""
    digests, errors = _digests(reader)
    pairs = {pair for model in asked.models for pair in pairs_of(reader, model)}
    ids = {model_id for _, model_id in pairs}
    sent = [
        (digest, alert)
        for digest in digests
        if (asked.start or date.min) <= digest.snapshot_date <= (asked.end or date.max)
        for alert in digest.alerts
        if not asked.models or (alert.name, alert.model_id) in pairs or alert.model_id in ids
    ]
    sent.sort(key=lambda one: one[1].name)
    sent.sort(key=lambda one: one[0].sent_at, reverse=True)
    page = sent[asked.offset : asked.offset + asked.limit]
    return {"total": len(sent), "items": [_item(*one) for one in page], "warnings": errors[:_MOST_ERRORS]}


_MOST_ERRORS: Final = 5
_Ledger: TypeAlias = tuple[list[SentDigest], list[str]]


def _digests(reader: Reader, day: date | None = None) -> _Ledger:
    """Return what the ledger records of a day or of all, and the errors of files that cannot be read."""
    files = reader.listing.files[LEDGER]
    days = sorted(files) if day is None else [day]

    def make() -> CacheEntry[_Ledger]:
        paths = [
            f"{LEDGER}/snapshot_date={one}/{name}" for one in days for name in sorted(files.get(one, ()))
        ]
        found, errors = sent_digests(reader.store, paths)
        size = 500 + sum(1_000 + 800 * len(digest.alerts) for digest in found)
        ledger = found, [f"Alerts are missing: {scrub(error)}" for error in errors]
        return CacheEntry(ledger, size, DAMAGE_SECONDS if errors else None)

    return reader.cache.get(("digests", day, reader.listing.tag_of((LEDGER,), days)), make)


def _item(digest: SentDigest, alert: SentAlert) -> dict[str, Any]:
    return {
        "sent_at": digest.sent_at,
        "date": digest.snapshot_date,
        "rule": digest.rule,
        "notifier": digest.notifier,
        "run_id": digest.run_id,
        "task": _task(task_in_metadata(digest.task or {})),
        **{key: getattr(alert, key) for key in SentAlert.__struct_fields__},
    }


def _task(found: TaskRun | None) -> dict[str, str] | None:
    return task_keys(found) if found else None


def get_trust(reader: Reader, asked: DatedParameters) -> dict[str, Any]:
    """Return what was done with the snapshot of a day."""
    day = reader.shown(asked.date)
    warnings: list[str] = []
    filed = read_written(reader.store.files, models_path(day), MODELS_KIND)
    report = report_on(reader, day, warnings)
    checked = Written(report.checked_at, filed.task) if report else None
    compared = None
    if day in reader.listing.change_dates:
        compared = read_written(reader.store.files, changes_path(day), CHANGES_KIND)
    digests, errors = _digests(reader, day)
    sent = [digest for digest in digests if digest.alerts]
    last = max(sent, key=lambda digest: digest.sent_at, default=None)
    alerted = None if last is None else Written(last.sent_at, task_in_metadata(last.task or {}))
    return {
        "date": day,
        "steps": [
            _step("served", Written(reader.day(day).info.fetched_at, filed.task)),
            _step("checked", checked, report.outcome if report else None),
            _step("filed", filed),
            _step("compared", compared),
            _step("alerted", alerted, _counted(sent)),
        ],
        "warnings": [*warnings, *errors[:_MOST_ERRORS]],
    }


def _step(step: str, done: Written | None, note: str | None = None) -> dict[str, Any]:
    at, task = (done.at, done.task) if done else (None, None)
    return {"step": step, "done": done is not None, "at": at, "task": _task(task), "note": note}


def _counted(sent: Sequence[SentDigest]) -> str | None:
    number = sum(len(digest.alerts) for digest in sent)
    return f"{number} {'change' if number == 1 else 'changes'}" if sent else None


class Task(Answer):
    """Names the task of a Dag run."""

    dag_id: str
    run_id: str
    task_id: str


class SentChange(Answer):
    """Holds one change as a notifier was sent it; what the ledger does not say is ``None``.

    ``date``: of the snapshot; ``since``: the day of ``old_value``; ``doubtful``: which value is a doubtful 0.
    """

    sent_at: Moment
    date: Date
    rule: str
    notifier: str
    run_id: str | None
    task: Task | None
    change: str
    name: str
    model_id: str
    field: str | None
    old_value: str | None
    new_value: str | None
    pct: float | None
    since: Date | None
    doubtful: str | None
    correction: bool


class AlertsAnswer(WarnedAnswer):
    """Holds a page of the alerts that were sent, the last sent first."""

    total: int
    items: list[SentChange]


class TrustStep(Answer):
    """Says whether a step was done, when, by which task, and how it ended; ``None`` is unknown."""

    step: Literal["served", "checked", "filed", "compared", "alerted"]
    done: bool
    at: Moment | None
    task: Task | None
    note: str | None


class TrustAnswer(WarnedAnswer):
    """Holds what was done with the snapshot of a day, in order."""

    date: Date
    steps: list[TrustStep]


router = APIRouter()


@router.api_route("/alerts", methods=METHODS, response_model=AlertsAnswer)
async def alerts(request: Request, asked: Annotated[AlertsParameters, Query()]) -> Response:
    """Return the alerts that were sent."""
    return await answer(request, AlertsAnswer, get_alerts, asked)


@router.api_route("/trust", methods=METHODS, response_model=TrustAnswer)
async def trust(request: Request, asked: Annotated[DatedParameters, Query()]) -> Response:
    """Return what was done with the snapshot of a day."""
    return await answer(request, TrustAnswer, get_trust, asked)
