"""Defines what the routes share: bounds of parameters, warnings, counts of changes, forms of numbers."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Container, Mapping, Sequence
from datetime import date, datetime
from datetime import date as Date  # noqa: N812 - parameters are called `date`
from decimal import Decimal
from typing import Annotated, Any, Final, TypeAlias

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from io_intelligence_provider.changes.kinds import ACCESS, MODEL_ADDED, MODEL_REMOVED, PRICE, QUOTA
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME, Kind
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.plugin.errors import scrub
from io_intelligence_provider.plugin.reader import Changes, Reader
from io_intelligence_provider.plugin.timeline import Timeline

__all__ = [
    "Answer",
    "DatedParameters",
    "DayCounts",
    "Integer",
    "ModelKey",
    "Moment",
    "Offset",
    "Parameters",
    "RangeParameters",
    "Texts",
    "WarnedAnswer",
    "changes_on",
    "count_days",
    "count_of",
    "day_before",
    "gaps",
    "json_value",
    "missing_changes",
    "one_of",
    "plain",
    "refused_on",
    "report_on",
]

_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _iso_date(value: object) -> object:
    # pydantic would read a number as seconds since 1970.
    if isinstance(value, str) and not _ISO_DATE.fullmatch(value):
        raise ValueError("a date is written YYYY-MM-DD")
    return value


def one_of(*allowed: str) -> BeforeValidator:
    """Return a validator whose message lists the allowed values."""

    def check(value: object) -> object:
        if value not in allowed:
            raise ValueError(f"is none of {', '.join(allowed)}")
        return value

    return BeforeValidator(check)


Day = Annotated[Date, BeforeValidator(_iso_date)]
ModelKey = Annotated[str, Field(min_length=1, max_length=512)]
Offset = Annotated[int, Field(ge=0, le=1_000_000_000)]


class Parameters(BaseModel):
    """Validates the parameters of a route; unknown ones are ignored, as in FastAPI."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class DatedParameters(Parameters):
    """Validates a snapshot date; the newest readable one by default."""

    date: Day | None = None


class RangeParameters(Parameters):
    """Validates a range of days, both ends included."""

    start: Day | None = None
    end: Day | None = None

    @model_validator(mode="after")
    def _in_order(self) -> RangeParameters:
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"start {self.start} is after end {self.end}")
        return self


def gaps(timeline: Timeline, beside: Container[date] = ()) -> list[str]:
    """Return a warning for each day that cannot be read.

    :param beside: days that are reported elsewhere.
    """
    days = [day for day in timeline.damaged if day not in beside]
    if not days:
        return []
    names = ", ".join(map(str, days[:5])) + (f" and {len(days) - 5} more" if len(days) > 5 else "")
    return [f"{names} cannot be read and is left out as a gap: {timeline.damaged[days[0]]}"]


def changes_on(reader: Reader, day: date, warnings: list[str]) -> Changes | None:
    """Return the changes of a day; without a readable file add a warning and return ``None``."""
    if day not in reader.listing.change_dates:
        warnings.append(f"The changes of {day} are not on file: the task that detects them has not run.")
        return None
    found = reader.changes(day, day)
    if found.damaged:
        warnings.append(f"The changes of {day} cannot be read: {found.damaged[day]}")
        return None
    return found


def report_on(reader: Reader, day: date, warnings: list[str]) -> QualityReport | None:
    """Return the report of a day; without a readable file add a warning and return ``None``."""
    try:
        return reader.report(day)
    except (StorageError, NotOnFileError) as error:
        warnings.append(f"The quality report of {day} cannot be read: {scrub(str(error))}")
        return None


def refused_on(reader: Reader, day: date) -> pl.DataFrame | None:
    """Return ``model_id`` and ``name`` of the records in quarantine on a day; ``None``: unreadable."""
    try:
        return reader.quarantine(day).rows
    except (StorageError, NotOnFileError):
        return None


def missing_changes(missing: Sequence[date], damaged: Mapping[date, str]) -> list[str]:
    """Return warnings for days whose changes were never detected, or cannot be read."""
    warnings = [f"The changes of {day} cannot be read: {message}" for day, message in damaged.items()][:5]
    if missing:
        days = (
            f"{missing[0]}" if len(missing) == 1 else f"{len(missing)} days, {missing[0]} to {missing[-1]},"
        )
        warnings.append(f"The changes of {days} are not on file: the task that detects them has not run.")
    return warnings


def plain(value: Decimal | int | None) -> str | None:
    """Return a number without exponent or trailing zeros: ``0.18024``, ``2``, ``0``; null stays null."""
    if value is None:
        return None
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


_LARGEST: Final = 2**53


def json_value(column: str, value: Any) -> Any:
    """Convert a stored value for JSON: prices to text, timestamps to RFC 3339."""
    if value is None:
        return None
    kind = COLUMN_BY_NAME[column].kind
    if kind is Kind.PRICE:
        return plain(value)
    if kind is Kind.TIMESTAMP:
        return value.isoformat().replace("+00:00", "Z")
    return json_integer(value) if kind is Kind.INTEGER else value


def json_integer(value: int) -> int | str:
    """Return an integer, as text beyond 2^53, where JavaScript's numbers are no longer exact."""
    return value if abs(value) <= _LARGEST else str(value)


Moment: TypeAlias = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat())]

Integer: TypeAlias = Annotated[int, PlainSerializer(json_integer, return_type=int | str)]
"""A stored integer; text where a number of JavaScript, which is a float, would round it."""

Texts: TypeAlias = dict[str, str | None]


class Answer(BaseModel):
    """Is the base of all parts of a response; fields that are not declared are an error."""

    model_config = ConfigDict(protected_namespaces=(), extra="forbid")


class WarnedAnswer(Answer):
    """Is the base of all responses. ``warnings``: what is missing and why, as text."""

    warnings: list[str] = []


def day_before(dates: Sequence[date], day: date) -> date | None:
    """Return the date in the store before a day.

    :param dates: oldest first.
    """
    place = bisect_left(dates, day)
    return dates[place - 1] if place else None


def count_days(counted: pl.DataFrame, days: Sequence[date], dates: Sequence[date]) -> list[dict[str, Any]]:
    """Count the changes of some days, oldest first; the six counts add up to all changes.

    Access tiers count as quotas.

    :param counted: see :class:`~io_intelligence_provider.plugin.reader.Changes`.
    :param days: days whose changes were detected, including those without any.
    :param dates: all dates in the store.
    """
    kind, way = pl.col("change"), pl.col("direction")
    counted = counted.group_by("snapshot_date").agg(
        count_of((kind == PRICE) & (way == "up")).alias("up"),
        count_of((kind == PRICE) & (way == "down")).alias("down"),
        count_of(kind == MODEL_ADDED).alias("added"),
        count_of(kind == MODEL_REMOVED).alias("removed"),
        count_of((kind == QUOTA) | (kind == ACCESS)).alias("quota"),
        pl.col("number").sum().alias("all"),
    )
    nothing = {"up": 0, "down": 0, "added": 0, "removed": 0, "quota": 0, "all": 0}
    by_day = {row.pop("snapshot_date"): row for row in counted.iter_rows(named=True)}
    found = []
    for day in days:
        row = dict(by_day.get(day, nothing))
        row["other"] = row.pop("all") - sum(row.values())
        found.append({"date": day, "previous_date": day_before(dates, day)} | row)
    return found


def count_of(wanted: pl.Expr) -> pl.Expr:
    """Return the number of changes that meet a condition."""
    return pl.col("number").filter(wanted.fill_null(value=False)).sum()


class DayCounts(Answer):
    """Counts the changes of a day; the six counts add up to all of them."""

    date: Date
    previous_date: Date | None
    up: int
    down: int
    added: int
    removed: int
    quota: int
    other: int
