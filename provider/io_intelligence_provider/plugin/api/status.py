"""Returns the state of the store."""

from __future__ import annotations

from datetime import UTC, date, datetime
from datetime import date as Date  # noqa: N812 - fields are called `date`
from typing import Any, Final, Literal

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider import __version__
from io_intelligence_provider.contract.columns import COLUMNS
from io_intelligence_provider.plugin.api.common import Answer, Moment, WarnedAnswer, gaps
from io_intelligence_provider.plugin.errors import scrub
from io_intelligence_provider.plugin.http import METHODS, answer
from io_intelligence_provider.plugin.reader import Reader

__all__ = ["StatusAnswer", "get_status"]


DAG_ID: Final = "io_intelligence_daily_pricing"
CONN_ID: Final = "io_intelligence_default"
STALE_HOURS: Final = 36
"""The age at which a daily snapshot is stale: half a day after the next one was due."""
STALE_DAYS: Final = 1
"""The largest age of the snapshot date in days; a replay may fetch an older date today."""


def get_status(reader: Reader, _: None) -> dict[str, Any]:
    """Return the state of the store."""
    listing, latest = reader.listing, reader.latest()
    timeline = reader.known_timeline()
    return {
        "state": "empty" if not listing.dates else "partial" if latest.unreadable else "ok",
        "root": scrub(reader.store.files.url("")),
        "root_exists": bool(listing.dates) or reader.store.files.exists(""),
        "dag_id": DAG_ID,
        "conn_id": CONN_ID,
        "dates": listing.dates,
        "latest": latest.day,
        "latest_on_file": listing.dates[-1] if listing.dates else None,
        "unreadable": [{"date": day, "message": message} for day, message in latest.unreadable.items()],
        **_age(reader, latest.day, datetime.now(UTC)),
        "columns": [
            {"name": column.name, "description": column.description, "unit": column.unit}
            for column in COLUMNS
        ],
        "version": __version__,
        "warnings": gaps(timeline, beside=latest.unreadable) if timeline else [],
    }


def _age(reader: Reader, day: date | None, now: datetime) -> dict[str, Any]:
    """Return the metadata of the snapshot shown, and its age."""
    if day is None:
        nothing = ("snapshot_id", "fetched_at", "wire_shape", "age_hours", "models", "changes")
        return dict.fromkeys(nothing) | {"stale": False, "now": now}
    found = reader.day(day)
    age = (now - found.info.fetched_at).total_seconds() / 3600
    return {
        "snapshot_id": found.info.snapshot_id,
        "fetched_at": found.info.fetched_at,
        "wire_shape": found.info.wire_shape,
        "age_hours": round(age, 2),
        "stale": age > STALE_HOURS or (now.date() - day).days > STALE_DAYS,
        "models": found.rows.height,
        "changes": _number_of_changes(reader, day),
        "now": now,
    }


def _number_of_changes(reader: Reader, day: date) -> int | None:
    if day not in reader.listing.change_dates:
        return None
    found = reader.changes(day, day)
    return None if found.damaged else found.rows.height


class ColumnText(Answer):
    """Describes a column of the models file."""

    name: str
    description: str
    unit: str | None


class Unreadable(Answer):
    """Reports a day whose snapshot cannot be read."""

    date: Date
    message: str


class StatusAnswer(WarnedAnswer):
    """Holds the state of the store. ``changes``: of the latest day, ``None`` if never detected.

    ``root_exists``: whether there is a folder; an object store may have none before its first object.

    ``age_hours``: the age of the data.
    """

    state: Literal["empty", "partial", "ok"]
    root: str
    root_exists: bool
    dag_id: str
    conn_id: str
    dates: list[Date]
    latest: Date | None
    latest_on_file: Date | None
    unreadable: list[Unreadable]
    snapshot_id: str | None
    fetched_at: Moment | None
    wire_shape: str | None
    age_hours: float | None
    stale: bool
    models: int | None
    changes: int | None
    columns: list[ColumnText]
    version: str
    now: Moment


router = APIRouter()


@router.api_route("/status", methods=METHODS, response_model=StatusAnswer)
async def status(request: Request) -> Response:
    """Return the state of the store."""
    return await answer(request, StatusAnswer, get_status, None, changing=("now", "age_hours"))
