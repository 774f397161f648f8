"""The JSON of changes: one by one, and counted by day."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - fields are called `date`

from io_intelligence_provider.plugin.schemas.base import Answer, WarnedAnswer

__all__ = ["Change", "ChangesAnswer", "ChangesByDayAnswer", "DayCounts", "ModelChange"]


class DayCounts(Answer):
    """Changes of a day; the six counts add up to all of them."""

    date: Date
    previous_date: Date | None
    up: int
    down: int
    added: int
    removed: int
    quota: int
    other: int


class ModelChange(Answer):
    """A change of one model."""

    date: Date
    previous_date: Date
    change: str
    field: str | None
    old_value: str | None
    new_value: str | None
    pct: float | None
    direction: str | None


class Change(ModelChange):
    """A change of any model; ``passes``: by itself, not for its model's other changes."""

    model_id: str
    name: str
    passes: bool


class ChangesDay(Answer):
    """A day of changes; ``hidden``: what only ``min_pct`` and ``direction`` leave out."""

    date: Date
    previous_date: Date | None
    changes: int
    price_changes: int
    up: int
    down: int
    shown: int
    hidden: int


class ChangesAnswer(WarnedAnswer):
    """A page of changes, newest day first."""

    start: Date
    end: Date
    total: int
    items: list[Change]
    days: list[ChangesDay]


class ChangesByDayAnswer(WarnedAnswer):
    """Counts over the whole history; a day whose changes were never detected is absent."""

    days: list[DayCounts]
