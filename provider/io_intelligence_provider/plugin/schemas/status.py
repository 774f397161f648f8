"""The JSON of the state of the store."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - fields are called `date`

from io_intelligence_provider.plugin.schemas.base import Answer, Moment, WarnedAnswer

__all__ = ["StatusAnswer"]


class ColumnText(Answer):
    """A column of the models file."""

    name: str
    description: str
    unit: str | None


class Unreadable(Answer):
    """A day whose snapshot cannot be read."""

    date: Date
    message: str


class StatusAnswer(WarnedAnswer):
    """``changes``: of the latest day, ``None`` when they were never detected. ``age_hours``: of the data."""

    state: str
    root: str
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
