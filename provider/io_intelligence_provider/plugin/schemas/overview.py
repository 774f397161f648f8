"""The JSON of what happened on a day."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - fields are called `date`

from io_intelligence_provider.plugin.schemas.base import Answer, Spark, WarnedAnswer
from io_intelligence_provider.plugin.schemas.changes import DayCounts

__all__ = ["OverviewAnswer"]


class Mover(Answer):
    """A model's greatest move of a price in one direction."""

    name: str
    model_id: str
    field: str
    old_value: str | None
    new_value: str | None
    pct: float | None
    direction: str | None
    spark: Spark


class PriceChanges(Answer):
    """Changed prices; those from or to null count in the total only."""

    total: int
    up: int
    down: int


class Repriced(Answer):
    """Models with a changed price: only up, only down, both."""

    models: int
    dearer: int
    cheaper: int
    both: int


class Median(Answer):
    """Exact medians over the models that publish the price: today, the day before, thirty days before."""

    value: str | None
    previous: str | None
    then: str | None
    then_date: Date | None


class Medians(Answer):
    """Of the two prices that all models have."""

    output: Median
    input: Median


class QualityFigures(Answer):
    """The report in five figures."""

    score: float
    outcome: str
    served: int
    valid: int
    quarantined: int


class Movers(Answer):
    """``since``: the day compared with; ``None`` when there is none."""

    since: Date | None
    up: list[Mover]
    down: list[Mover]
    up_total: int
    down_total: int


class Event(Answer):
    """A change worth a line."""

    date: Date
    change: str
    name: str
    model_id: str
    field: str | None
    old_value: str | None
    new_value: str | None


class OverviewAnswer(WarnedAnswer):
    """What happened. A part whose file is missing is ``None``."""

    date: Date
    previous_date: Date | None
    days: int
    models: int
    added: int | None
    removed: int | None
    active: int | None
    price_changes: PriceChanges | None
    repriced: Repriced | None
    largest: Mover | None
    medians: Medians
    median_series: dict[str, list[tuple[Date, str | None]]]
    quality: QualityFigures | None
    movers: Movers
    per_day: list[DayCounts]
    events: list[Event]
