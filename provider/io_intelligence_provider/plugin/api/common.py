"""Defines what the routes share: bounds of parameters, warnings, counts of changes, forms of numbers.

The results of snapshots and data sets share their checks over time, refused rows, and the report as HTML.
"""

from __future__ import annotations

import re
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from datetime import date as Date  # noqa: N812 - parameters are called `date`
from decimal import Decimal
from hashlib import sha256
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from starlette.responses import HTMLResponse, Response

from io_intelligence_provider.changes.kinds import ACCESS, MODEL_ADDED, MODEL_REMOVED, PRICE, QUOTA
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME, Kind
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.plugin.errors import scrub
from io_intelligence_provider.plugin.reader import Changes, Reader
from io_intelligence_provider.plugin.timeline import Timeline
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.result import CheckResult, CheckRun, Level, Severity

__all__ = [
    "LONGEST_RECORD",
    "Answer",
    "CheckRow",
    "CheckSummaries",
    "DatedParameters",
    "DayCounts",
    "Failure",
    "Integer",
    "MayRead",
    "ModelKey",
    "Moment",
    "Offset",
    "Parameters",
    "RangeParameters",
    "Texts",
    "WarnedAnswer",
    "changes_on",
    "check_rows",
    "count_days",
    "count_of",
    "day_before",
    "gaps",
    "html_response",
    "json_value",
    "missing_changes",
    "one_of",
    "plain",
    "refused_record",
    "report_on",
    "without_values",
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


Run = TypeVar("Run", bound=CheckRun)

MayRead: TypeAlias = Callable[[str | None], bool]
"""Returns whether the user may read a Dag; ``None`` is the Dag of a result that names none."""


def without_values(run: Run) -> Run:
    """Return a run as those see it who may not read the Dag that filed it: outcomes and counts."""
    return replace(run, checks=tuple(replace(check, examples=[]) for check in run.checks), profile=())


def check_rows(runs: Sequence[CheckRun | None], found: CheckSummaries) -> list[dict[str, Any]]:
    """Return one row per check, in the order of the newest run that has it.

    Where the summaries combine columns, a row is flagged when one of its columns is, and names all of them.
    """
    rows: dict[_Key, dict[str, Any]] = {}
    states: dict[_Key, list[str]] = {}
    for position in reversed(range(len(runs))):
        run = runs[position]
        for key, one in found.of(run.checks).rows.items() if run else ():
            if key not in rows:
                name, column, level = key
                rows[key] = {"check": name, "column": column, "columns": [], "level": level}
                rows[key]["severity"] = one.severity
                states[key] = ["-"] * len(runs)
            row = rows[key]
            row["columns"] += [column for column in one.columns if column not in row["columns"]]
            if one.severity == "error":
                row["severity"] = "error"
            states[key][position] = one.state
    return [
        row | {"states": "".join(states[key]).replace("q", "f"), "flagged": states[key].count("q")}
        for key, row in rows.items()
    ]


_Key: TypeAlias = tuple[str, str | None, str]
"""Name, column and level of a row."""


@dataclass
class _Row:
    """Summarizes one row of one report."""

    severity: str
    columns: list[str] = field(default_factory=list)
    state: str = "-"

    def add(self, check: CheckResult) -> None:
        if check.column is not None and check.column not in self.columns:
            self.columns.append(check.column)
        if check.severity == "error":
            self.severity = "error"
        self.state = max(self.state, _state(check))


@dataclass(frozen=True)
class _Checks:
    """Summarizes the checks of a report.

    :param flagged: those that did not pass.
    """

    checks: tuple[CheckResult, ...]
    flagged: list[CheckResult]
    rows: Mapping[_Key, _Row]


class CheckSummaries:
    """Summarizes the checks of reports; consecutive reports often share the same tuple of checks.

    :param by_column: whether each column has a row of its own; the catalogue's checks have many columns.
    """

    def __init__(self, *, by_column: bool = False) -> None:
        self._by_column = by_column
        # Each entry holds its checks, so that no other object can get the same id.
        self._known: dict[int, _Checks] = {}

    def of(self, checks: tuple[CheckResult, ...]) -> _Checks:
        """Return the summary of the checks of a report."""
        known = self._known.get(id(checks))
        if known is None:
            rows: dict[_Key, _Row] = {}
            for check in checks:
                column = check.column if self._by_column or check.level == "snapshot" else None
                key = (check.check, column, check.level)
                rows.setdefault(key, _Row(check.severity)).add(check)
            flagged = [check for check in checks if not check.passed]
            known = self._known[id(checks)] = _Checks(checks, flagged, rows)
        return known


def _state(check: CheckResult) -> str:
    """Return - for not run, p for passed, q for flagged; the greatest letter of a row is shown."""
    if not check.passed:
        return "q"
    return "p" if check.evaluated else "-"


class CheckRow(Answer):
    """Holds one check over all days; ``states``: a letter per day, p passed, f flagged, - not run."""

    check: str
    column: str | None
    columns: list[str]
    level: Level
    severity: Severity
    states: str
    flagged: int


LONGEST_RECORD: Final = 20_000
"""The most characters returned of a record, value or message; the Parquet file holds all."""


def refused_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a quarantine with its reasons, each text cut to what is returned."""
    record = row["record"]
    return {
        "record": record[:LONGEST_RECORD],
        "truncated": len(record) > LONGEST_RECORD,
        "failures": [
            {key: text and text[:LONGEST_RECORD] for key, text in failure.items()}
            for failure in row["failures"] or ()
        ],
    }


class Failure(Answer):
    """Describes why a record was refused."""

    check: str | None
    column: str | None
    value: str | None
    message: str | None


_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def html_response(run: CheckRun) -> Response:
    """Return the report of a run as a page of its own, which runs no script."""
    text = report_html(run)
    styles = " ".join(
        f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in _STYLE.findall(text)
    )
    policy = f"default-src 'none'; style-src {styles}; frame-ancestors 'self'; sandbox"
    headers = {"Cache-Control": "no-cache, private", "Content-Security-Policy": policy}
    return HTMLResponse(text, headers=headers)
