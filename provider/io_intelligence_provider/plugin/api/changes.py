"""Returns changes one by one and counted by day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from datetime import date as Date  # noqa: N812 - fields are called `date`
from typing import Annotated, Any, Final, Literal

import polars as pl
from fastapi import APIRouter, Query
from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider.changes.kinds import FIELDS as CHANGED_FIELDS
from io_intelligence_provider.changes.kinds import (
    KINDS,
    PRICE,
    extra_field,
)
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.plugin.api.common import (
    Answer,
    DayCounts,
    ModelKey,
    Offset,
    RangeParameters,
    WarnedAnswer,
    count_days,
    count_of,
    day_before,
    missing_changes,
    one_of,
)
from io_intelligence_provider.plugin.http import METHODS, answer
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.timeline import Doubts, Side, find

__all__ = [
    "ChangesAnswer",
    "ChangesByDayAnswer",
    "DayCounts",
    "ModelChange",
    "count_days",
    "get_changes",
    "get_changes_by_day",
    "pairs_of",
]


_CHANGES_DAYS: Final = 13


def _changed_field(value: object) -> object:
    if value in CHANGED_FIELDS or (isinstance(value, str) and value.startswith(extra_field(""))):
        return value
    raise ValueError(f"is none of {', '.join(CHANGED_FIELDS)}, {extra_field('<key>')}")


ChangedField = Annotated[str, Field(max_length=512), BeforeValidator(_changed_field)]
ChangeKind = Annotated[str, one_of(*KINDS)]


class ChangesParameters(RangeParameters):
    """Filters rows by ``kinds``, ``fields``, ``q`` and ``model``; models by ``min_pct`` and ``direction``.

    :param min_pct: the smallest size of a change in per cent.
    """

    kinds: Annotated[list[ChangeKind], Field(default_factory=list, max_length=len(KINDS))]
    fields: Annotated[list[ChangedField], Field(default_factory=list, max_length=len(CHANGED_FIELDS))]
    q: Annotated[str, Field(max_length=200)] | None = None
    min_pct: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    direction: Literal["up", "down"] | None = None
    model: ModelKey | None = None
    limit: Annotated[int, Field(ge=1, le=5_000)] = 1_000
    offset: Offset = 0


def get_changes(reader: Reader, asked: ChangesParameters) -> dict[str, Any]:
    """Return the changes of some days."""
    dates = reader.listing.dates
    if not dates and not reader.listing.change_dates:
        raise NotOnFileError("The store holds no snapshot yet. Unpause the daily Dag.")
    end = asked.end or max((dates or reader.listing.change_dates)[-1], asked.start or date.min)
    start = asked.start or date.fromordinal(max(end.toordinal() - _CHANGES_DAYS, 1))
    found = reader.changes(start, end)
    models = None if asked.model is None else pairs_of(reader, asked.model)
    wanted = Filter(asked.kinds, asked.fields, asked.q, models, asked.min_pct, asked.direction)
    days = [day for day in reader.listing.change_dates if start <= day <= end and day not in found.damaged]
    page = slice(asked.offset, asked.offset + asked.limit)
    shown = filtered(found.rows, found.counted, days, dates, wanted, page)
    # Only a price of 0 needs the history, which is slow to read the first time.
    has_zero = any("0" in (item["old_value"], item["new_value"]) for item in shown["items"])
    doubts = Doubts(reader.timeline() if dates and has_zero else None)
    detected = set(reader.listing.change_dates)
    missing = [day for day in dates if start <= day <= end and day not in detected]
    return {
        "start": start,
        "end": end,
        **shown,
        "items": [item | {"doubtful": doubts.side(item)} for item in shown["items"]],
        "warnings": missing_changes(missing, found.damaged),
    }


def pairs_of(reader: Reader, model: str) -> list[tuple[str, str]]:
    """Return every name and id that a model had."""
    timeline = reader.timeline()
    track = find(timeline, model)
    return [(name, model_id) for (name, model_id, _), of in timeline.model_keys.items() if of == track]


def get_changes_by_day(reader: Reader, _: None) -> dict[str, Any]:
    """Return the counts of changes over the whole history."""
    found = reader.changes()
    days = [day for day in reader.listing.change_dates if day not in found.damaged]
    return {
        "days": count_days(found.counted, days, reader.listing.dates),
        "warnings": missing_changes([], found.damaged),
    }


_KEYS: Final = (
    "previous_date",
    "model_id",
    "name",
    "change",
    "field",
    "old_value",
    "new_value",
    "pct",
    "direction",
)


_LEAST_OF_ID: Final = 8
"""The length from which a search text is also looked up in ids."""


@dataclass(frozen=True)
class Filter:
    """Selects the changes to show.

    :param kinds: kinds of change; empty means all. ``fields`` likewise.
    :param q: part of a name, or at least eight characters of an id; case-insensitive.
    :param models: pairs of name and id, ``None`` for all.
    :param min_pct: the smallest size in per cent; a change without a percentage passes.
    """

    kinds: Collection[str] = ()
    fields: Collection[str] = ()
    q: str | None = None
    models: Collection[tuple[str, str]] | None = None
    min_pct: float | None = None
    direction: str | None = None

    @property
    def is_soft(self) -> bool:
        """Return whether :meth:`passes` can reject a row."""
        return self.min_pct is not None or self.direction is not None

    def hard(self, rows: pl.DataFrame) -> pl.Expr:
        """Return the condition for a row to count at all."""
        wanted = pl.lit(value=True)
        if self.kinds:
            wanted &= _any_of("change", self.kinds)
        if self.fields:
            wanted &= _any_of("field", self.fields)
        if self.q:
            wanted &= self._found(rows)
        if self.models is not None:
            mine = pl.lit(value=False)
            for name, model_id in self.models:
                mine |= (pl.col("name") == name) & (pl.col("model_id") == model_id)
            wanted &= mine
        return wanted

    def _found(self, rows: pl.DataFrame) -> pl.Expr:
        sought = (self.q or "").casefold()
        found = pl.lit(value=False)
        # Most ids contain any one or two characters.
        for key in ("name", "model_id") if len(sought) >= _LEAST_OF_ID else ("name",):
            values = rows[key].unique()
            matching = pl.Series([sought in value.casefold() for value in values], dtype=pl.Boolean)
            found |= pl.col(key).is_in(values.filter(matching).implode())
        return found

    def passes(self) -> pl.Expr:
        """Return the condition for a row to show all changes of its model on that day."""
        wanted = pl.lit(value=True)
        if self.min_pct is not None:
            wanted &= pl.col("pct").is_null() | (pl.col("pct").abs() >= self.min_pct)
        if self.direction is not None:
            wanted &= (pl.col("direction") == self.direction).fill_null(value=False)
        return wanted


def _any_of(column: str, values: Collection[str]) -> pl.Expr:
    wanted = pl.lit(value=False)
    for value in values:
        wanted |= pl.col(column) == value
    return wanted.fill_null(value=False)


def filtered(
    changes: pl.DataFrame,
    counted: pl.DataFrame,
    days: Sequence[date],
    dates: Sequence[date],
    wanted: Filter,
    page: slice,
) -> dict[str, Any]:
    """Return a page of the changes and the counts of each day, newest first.

    All changes of a model on a day are shown when one of them passes.

    :param changes: of ``days``, oldest first, each day sorted by name, change, field.
    :param counted: the same, counted.
    :param days: the days whose changes were detected.
    :param dates: all dates in the store.
    """
    rows = changes.filter(wanted.hard(changes)).with_columns(wanted.passes().alias("passes"))
    rows = _brought_along(rows) if wanted.is_soft else rows.with_columns(pl.col("passes").alias("shown"))
    shown = rows.filter("shown")
    items = _newest_first(shown, page).select(pl.col("snapshot_date").alias("date"), *_KEYS, "passes")
    return {
        "total": shown.height,
        "items": items.to_dicts(),
        "days": _days(counted, rows, days, dates),
    }


def _newest_first(rows: pl.DataFrame, page: slice) -> pl.DataFrame:
    """Return a page of rows, the newest day first; only the days up to that page are sorted.

    :param rows: oldest day first.
    """
    last = max(rows.height - page.stop, 0)
    if last:
        last = int(rows["snapshot_date"].search_sorted(rows["snapshot_date"][last], "left"))
    rows = rows.slice(last).sort("snapshot_date", descending=True, maintain_order=True)
    return rows.slice(page.start, page.stop - page.start)


def _brought_along(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``shown``: whether any change of the same model on the same day passes.

    Day and id are combined into one number: comparing it takes a quarter of the time of a window over both.
    """
    day, model = pl.col("snapshot_date").to_physical(), pl.col("model_id").to_physical()
    rows = rows.with_columns((day.cast(pl.Int64) * 2**32 + model).alias("model_day"))
    passing = rows.filter("passes")["model_day"].unique()
    return rows.with_columns(pl.col("model_day").is_in(passing.implode()).alias("shown"))


def _days(
    counted: pl.DataFrame, rows: pl.DataFrame, days: Sequence[date], dates: Sequence[date]
) -> list[dict[str, Any]]:
    seen = rows.group_by("snapshot_date").agg(
        pl.col("shown").sum().alias("shown"), (~pl.col("shown")).sum().alias("hidden")
    )
    counts: dict[date, dict[str, Any]] = {
        day: dict.fromkeys(("changes", "price_changes", "up", "down", "shown", "hidden"), 0) for day in days
    }
    for day, found in count_prices(counted).items():
        counts[day].update(found)
    for row in seen.iter_rows(named=True):
        counts[row.pop("snapshot_date")].update(row)
    return [{"date": day, "previous_date": day_before(dates, day)} | counts[day] for day in reversed(days)]


def count_prices(counted: pl.DataFrame) -> dict[date, dict[str, int]]:
    """Count all changes of each day, and its price changes: all, up and down."""
    price, way = pl.col("change") == PRICE, pl.col("direction")
    counted = counted.group_by("snapshot_date").agg(
        pl.col("number").sum().alias("changes"),
        count_of(price).alias("price_changes"),
        count_of(price & (way == "up")).alias("up"),
        count_of(price & (way == "down")).alias("down"),
    )
    return {row.pop("snapshot_date"): row for row in counted.iter_rows(named=True)}


class ModelChange(Answer):
    """Describes a change of one model; ``doubtful``: which value is a doubtful 0."""

    date: Date
    previous_date: Date
    change: str
    field: str | None
    old_value: str | None
    new_value: str | None
    pct: float | None
    direction: str | None
    doubtful: Side | None


class Change(ModelChange):
    """Describes a change of any model; ``passes``: by itself, not because of its model's other changes."""

    model_id: str
    name: str
    passes: bool


class ChangesDay(Answer):
    """Counts the changes of a day; ``hidden``: those left out only by ``min_pct`` and ``direction``."""

    date: Date
    previous_date: Date | None
    changes: int
    price_changes: int
    up: int
    down: int
    shown: int
    hidden: int


class ChangesAnswer(WarnedAnswer):
    """Holds a page of changes, newest day first."""

    start: Date
    end: Date
    total: int
    items: list[Change]
    days: list[ChangesDay]


class ChangesByDayAnswer(WarnedAnswer):
    """Holds counts over the whole history; a day whose changes were never detected is absent."""

    days: list[DayCounts]


router = APIRouter()


@router.api_route("/changes", methods=METHODS, response_model=ChangesAnswer)
async def changes(request: Request, asked: Annotated[ChangesParameters, Query()]) -> Response:
    """Return the changes of some days."""
    return await answer(request, ChangesAnswer, get_changes, asked)


@router.api_route("/changes/days", methods=METHODS, response_model=ChangesByDayAnswer)
async def changes_by_day(request: Request) -> Response:
    """Return the counts of changes over the whole history."""
    return await answer(request, ChangesByDayAnswer, get_changes_by_day, None)
