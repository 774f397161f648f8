"""The JSON of models: all of a day, one, and some over time."""

from __future__ import annotations

from datetime import date as Date  # noqa: N812 - fields are called `date`
from typing import Any

from io_intelligence_provider.plugin.schemas.base import Answer, Integer, Spark, Step, Texts, WarnedAnswer
from io_intelligence_provider.plugin.schemas.changes import ModelChange

__all__ = ["HistoryAnswer", "ModelAnswer", "ModelsAnswer"]


class OutputChange(Answer):
    """The output price against thirty days before; ``new``: the model was not on file until after that."""

    pct: float | None
    new: bool
    old: str | None


class Model(Answer):
    """A row of the models table."""

    model_id: str
    name: str
    developer: str | None
    status: str | None
    context_window: Integer | None
    max_tokens: Integer | None
    trendiness: Integer | None
    prices: Texts
    quotas: dict[str, Integer | None]
    min_access_tier: str | None
    capabilities: list[str]
    spark: Spark
    change: OutputChange
    doubtful: list[str]


class ModelsAnswer(WarnedAnswer):
    """A page of the models of a day."""

    date: Date
    total: int
    items: list[Model]
    then_date: Date | None


class Fact(Answer):
    """A column of a model that has no place of its own."""

    column: str
    label: str
    value: Any
    unit: str | None


class ModelWithFacts(Model):
    """A model with all that is on file."""

    facts: list[Fact]


class Since(Answer):
    """A price against its first published value, and against thirty days before."""

    first_value: str | None
    first_date: Date | None
    pct: float | None
    pct_30: float | None


class ModelAnswer(WarnedAnswer):
    """One model. ``as_of``: the day its row is of, earlier than ``date`` when it is gone by then."""

    date: Date
    as_of: Date
    model: ModelWithFacts
    first_seen: Date
    last_seen: Date
    days_on_file: int
    price_changes: int | None
    price_change_days: int | None
    since: dict[str, Since]
    series: dict[str, list[Step]]
    changes: list[ModelChange]


class Series(Answer):
    """One field of one model; ``before``: the step that holds when the range starts later."""

    model: str
    model_id: str
    name: str
    field: str
    steps: list[Step]
    before: Step | None


class HistoryAnswer(WarnedAnswer):
    """Steps of some models and fields."""

    start: Date
    end: Date
    dates: list[Date]
    series: list[Series]
