"""Defines the result of a run of checks. Its JSON form is published in ``report.schema.json``."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.text import cut, shortened

__all__ = [
    "LONGEST_IN_EXAMPLE",
    "MAX_EXAMPLES",
    "CheckFailure",
    "CheckResult",
    "CheckRun",
    "ColumnProfile",
    "Count",
    "Dimension",
    "Level",
    "Moment",
    "Outcome",
    "Presentation",
    "Severity",
    "checked",
    "is_run_id",
    "new_run_id",
    "run_file",
]

Severity: TypeAlias = Literal["error", "warn"]
Level: TypeAlias = Literal["row", "snapshot", "dataset"]
Outcome: TypeAlias = Literal["passed", "warned", "failed"]
Dimension: TypeAlias = Literal["completeness", "validity", "uniqueness", "timeliness", "consistency"]

MAX_EXAMPLES: Final = 5
LONGEST_IN_EXAMPLE: Final = 100
"""Characters of a name or a value in an example; the quarantined record has the full text."""


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """One check that failed on some rows, or on the data set as a whole.

    :param check: its name: ``Check(name=...)``, or pandera's name for a failure without a ``Check``, such as
        ``not_nullable`` or ``dtype``.
    :param column: ``None`` for a check of whole rows or of the data set.
    :param rows: positions in the batch, ascending; ``None`` where the check is not about rows.
    :param message: the problem, worded to follow the column's name.
    :param value: the offending value as text, if the failure is about one row and has a value.
    """

    check: str
    column: str | None
    rows: Sequence[int] | None
    message: str
    value: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the form that quarantine files hold."""
        return {"check": self.check, "column": self.column, "value": self.value, "message": self.message}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check over one run.

    :param level: ``row``, ``snapshot`` for the catalogue as a whole, ``dataset`` for any other data set.
    :param evaluated: rows or values checked; 0: the check could not be evaluated (a first snapshot has no
        predecessor), and counts neither as passed nor as failed.
    :param failed: how many of them failed.
    :param examples: up to five objects that say which row or value failed and why.
    :param threshold: the number of failures at which the check still passes, or a share of ``evaluated`` when
        it is a float; ``None``: 0.
    :param rule_id: identifies the check across runs, whatever its name; ``None`` in older results.
    :param dimension: the dimension of data quality that it measures.
    """

    check: str
    column: str | None
    level: Level
    severity: Severity
    evaluated: int
    failed: int
    examples: list[dict[str, Any]] = field(default_factory=list)
    threshold: int | float | None = None
    rule_id: str | None = None
    dimension: Dimension | None = None

    @property
    def passed(self) -> bool:
        """Whether the failures are within the threshold; true when nothing was evaluated."""
        if isinstance(self.threshold, float):
            # Not a product: 0.29 * 100 is less than 29.
            return not self.failed or self.failed / max(self.evaluated, 1) <= self.threshold
        return self.failed <= (self.threshold or 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the published form; ``threshold``, ``rule_id`` and ``dimension`` only when there is one."""
        data: dict[str, Any] = {
            "check": self.check,
            "column": self.column,
            "level": self.level,
            "severity": self.severity,
            "evaluated": self.evaluated,
            "failed": self.failed,
            "examples": list(self.examples),
        }
        for name in ("threshold", "rule_id", "dimension"):
            if (value := getattr(self, name)) is not None:
                data[name] = value
        return data | {"passed": self.passed}


_LARGEST_COUNT: Final = 2**53
_MOST_EXAMPLES: Final = 1_000
"""This package writes five; other writers may use more."""
_DEEPEST_EXAMPLE: Final = 20
"""Nesting levels of an example; this package writes two."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_COUNT)]
Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time with an offset: one without cannot be sorted among the others."""


def checked(result: CheckResult) -> CheckResult:
    """Validate a result that was read from a file and return it.

    :raises ValueError: when counts are out of range, or examples are too many or nested too deep.
    """
    if not 0 <= result.failed <= _LARGEST_COUNT or not 0 <= result.evaluated <= _LARGEST_COUNT:
        raise ValueError(f"the counts of the check {result.check[:100]!r} are out of range")
    if len(result.examples) > _MOST_EXAMPLES or _is_deeper(result.examples, _DEEPEST_EXAMPLE):
        raise ValueError(f"the examples of the check {result.check[:100]!r} are too many, or nested too deep")
    return result


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    return isinstance(value, list) and (not levels or any(_is_deeper(item, levels - 1) for item in value))


_LONGEST_SUMMARY: Final = 2_040
_SHOWN_IN_SUMMARY: Final = 8
"""Failed checks in a summary, fewer when names and paths are long."""
_LONGEST_NAME: Final = 40
_LONGEST_PATH: Final = 200


@dataclass(frozen=True)
class ColumnProfile:
    """The profile of one column in one run.

    Unknown is ``None``, never 0: the median of a text, the greatest value of a column without values.

    :param rows: rows that have the column.
    :param nulls: rows without a value; NaN counts as null.
    :param distinct: number of distinct values without nulls; ``None`` for types that cannot be hashed.
    :param distinct_exact: whether ``distinct`` was counted; else it is an estimate, see
        :class:`~io_intelligence_provider.quality.profile.Profiler`.
    :param min: the smallest finite number, or the earliest date or time in ISO form.
    :param max: the greatest one. Text columns have no bounds, because texts may be personal data.
    :param median: of the finite numbers.
    :param mad: the median of their absolute deviations from the median.
    """

    column: str
    rows: int
    nulls: int
    distinct: int | None = None
    distinct_exact: bool = True
    min: float | str | None = None
    max: float | str | None = None
    median: float | None = None
    mad: float | None = None

    @property
    def null_share(self) -> float | None:
        """Rows without a value / rows; ``None`` where there are no rows."""
        return self.nulls / self.rows if self.rows else None

    @property
    def distinct_share(self) -> float | None:
        """Distinct values / values; ``None`` where there are no values or ``distinct`` is unknown."""
        values = self.rows - self.nulls
        return self.distinct / values if values and self.distinct is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Presentation:
    """The texts of a result for the page and the terminal.

    :param subject: the name of the data set.
    :param outcome: the outcome in words.
    :param facts: where and how it was checked.
    :param read: the number of rows read, in words.
    :param on_whole: title of the checks of the data set.
    :param drift: keys that appeared or vanished, by kind; ``None`` where drift is not checked.
    """

    subject: str
    outcome: str
    facts: tuple[str, ...]
    read: str
    on_whole: str
    drift: Mapping[str, Sequence[str]] | None = None


_OUTCOMES: Final = {
    "passed": "Passed, nothing found",
    "warned": "Passed, with findings",
    "failed": "Stopped",
}


@dataclass(frozen=True)
class CheckRun:
    """The result of checking one data set by one schema.

    :param run_id: ``<UTC time>-<8 hex digits>``, unique.
    :param dataset: the path, glob or folder as given, without credentials.
    :param schema: the schema's name, ``module:object`` or path.
    :param checked_at: when the run began, UTC.
    :param seconds: the duration; ``None`` where that is unknown.
    :param engine: ``local`` or ``spark``.
    :param mode: ``rows``: validated batch by batch; ``whole``: at once, because a check may need all rows.
    :param outcome: ``failed`` when the run was stopped, ``warned`` when it passed with findings.
    :param score: valid rows / rows x passed data-set checks / evaluated ones, 0 to 1; 1 for a data set
        without rows whose data-set checks all passed.
    :param rows: rows read; always ``valid + quarantined``.
    :param files: files read.
    :param checks: one result per check and column; level ``row``, or ``dataset`` when it is not about rows.
    :param columns: the columns of the data: (name, Arrow type).
    :param quarantine_path: the file of the refused rows; ``None``: not requested.
    :param valid_path: the file of the valid rows; ``None``: not requested, the run was stopped, or the
        data set failed a data-set check.
    :param profile: per column, the figures that history checks compare; empty unless requested.
    :param data_interval_start: the beginning of the period that the data are of, for a run of a scheduler;
        ``None`` for any other. History checks compare one run of each period.
    """

    run_id: str
    dataset: str
    schema: str
    checked_at: datetime
    seconds: float | None
    engine: str
    mode: str
    outcome: Outcome
    score: float
    rows: int
    valid: int
    quarantined: int
    files: int
    checks: tuple[CheckResult, ...]
    columns: tuple[tuple[str, str], ...] = ()
    quarantine_path: str | None = None
    valid_path: str | None = None
    profile: tuple[ColumnProfile, ...] = field(default=())
    data_interval_start: datetime | None = None

    def result(self) -> dict[str, float | int]:
        """Return the counts for ``airflow.dataquality.result`` of asset events."""
        evaluated = [check for check in self.checks if check.evaluated]
        failed = sum(not check.passed and check.severity == "error" for check in evaluated)
        warned = sum(not check.passed and check.severity == "warn" for check in evaluated)
        passed = len(evaluated) - failed - warned
        return {"score": self.score, "passed": passed, "failed": failed, "warned": warned}

    def presentation(self) -> Presentation:
        """Return the texts for the page and the terminal."""
        longest = 2 * LONGEST_IN_EXAMPLE
        took = "" if self.seconds is None else f" in {self.seconds:.1f} s"
        paths = (("quarantine", self.quarantine_path), ("valid rows", self.valid_path))
        return Presentation(
            subject=cut(self.dataset, longest),
            outcome=_OUTCOMES[self.outcome],
            facts=(
                f"schema {cut(self.schema, longest)}",
                f"checked {self.checked_at:%Y-%m-%d %H:%M:%S} UTC{took}",
                f"{self.engine}, {'row by row' if self.mode == 'rows' else 'as a whole'}",
                f"run {self.run_id}",
                *(f"{what} in {cut(path, longest)}" for what, path in paths if path),
            ),
            read=f"{self.rows} rows of {self.files} {'file' if self.files == 1 else 'files'}",
            on_whole="Checks of the data set",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the published form, plain JSON values only, with no key for a missing data interval."""
        data: dict[str, Any] = {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "schema": self.schema,
            "checked_at": self.checked_at.isoformat(),
            "seconds": self.seconds,
            "engine": self.engine,
            "mode": self.mode,
            "outcome": self.outcome,
            "score": self.score,
            "rows": {"read": self.rows, "valid": self.valid, "quarantined": self.quarantined},
            "files": self.files,
            "checks": [check.to_dict() for check in self.checks],
            "columns": [{"name": name, "type": type_} for name, type_ in self.columns],
            "quarantine_path": self.quarantine_path,
            "valid_path": self.valid_path,
            "profile": [column.to_dict() for column in self.profile],
        }
        if self.data_interval_start is not None:
            data["data_interval_start"] = self.data_interval_start.isoformat()
        return data

    def to_json(self) -> str:
        """Return the published form as ASCII JSON."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckRun:
        """Parse the published form.

        :raises ValueError: when ``data`` does not have that form.
        """
        try:
            form = msgspec.convert(data, _Form)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        flat = {name: getattr(form, name) for name in form.__struct_fields__} | {
            "rows": form.rows.read,
            "valid": form.rows.valid,
            "quarantined": form.rows.quarantined,
            "checks": tuple(map(checked, form.checks)),
            "columns": tuple((column.name, column.type) for column in form.columns),
        }
        return cls(**flat)

    def summary(self, dataset: str | None = None) -> dict[str, Any]:
        """Return the summary for XCom: plain JSON, always under 2 KB.

        :param dataset: the name of the data set; the path is then ``source``. Without a name, ``dataset`` is
            the path.
        """
        failed = [check for check in self.checks if not check.passed]
        failed.sort(key=lambda check: (check.severity, -check.failed))
        summary: dict[str, Any] = {
            "run_id": self.run_id,
            "dataset": shortened(dataset or self.dataset, _LONGEST_PATH),
            **({"source": shortened(self.dataset, _LONGEST_PATH)} if dataset else {}),
            "outcome": self.outcome,
            "score": self.score,
            "rows": self.rows,
            "valid": self.valid,
            "quarantined": self.quarantined,
            "files": self.files,
            "engine": self.engine,
            "mode": self.mode,
            "quarantine_path": self.quarantine_path and shortened(self.quarantine_path, _LONGEST_PATH),
            "valid_path": self.valid_path and shortened(self.valid_path, _LONGEST_PATH),
            "findings": len(failed),
            "checks": [],
        }
        for check in failed[:_SHOWN_IN_SUMMARY]:
            shown = {
                "check": shortened(check.check, _LONGEST_NAME),
                "column": check.column and shortened(check.column, _LONGEST_NAME),
                "severity": check.severity,
                "failed": check.failed,
            }
            if len(json.dumps(summary)) + len(json.dumps(shown)) > _LONGEST_SUMMARY:
                break
            summary["checks"].append(shown)
        return summary


class _Rows(msgspec.Struct):
    read: Count
    valid: Count
    quarantined: Count


class _Column(msgspec.Struct):
    name: str
    type: str


class _Form(msgspec.Struct):
    """The published form."""

    run_id: str
    dataset: str
    schema: str
    checked_at: Moment
    seconds: float | None
    engine: str
    mode: str
    outcome: Outcome
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    rows: _Rows
    files: Count
    checks: tuple[CheckResult, ...]
    columns: tuple[_Column, ...]
    quarantine_path: str | None
    valid_path: str | None
    profile: tuple[ColumnProfile, ...]
    data_interval_start: Moment | None = None


_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


def new_run_id(moment: datetime) -> str:
    """Return a new run id: ``20260630T000012Z-1f2e3d4c``.

    :param moment: the beginning of the run, in UTC.
    """
    return f"{moment:%Y%m%dT%H%M%S}Z-{secrets.token_hex(4)}"


def is_run_id(value: Any) -> bool:
    """Return whether a value can be the id of a run: ASCII letters, digits, ``-`` and ``_`` only.

    This allows more than :func:`new_run_id` writes, but no path out of a folder.
    """
    return isinstance(value, str) and _RUN_ID.fullmatch(value) is not None


def run_file(run_id: str, suffix: str) -> str:
    """Return the name of a file of a run.

    :raises StorageError: when the id is invalid.
    """
    if not is_run_id(run_id):
        raise StorageError(
            f"{str(run_id)[:100]!r} is no id of a run, so it names no file. Ids are letters, digits, - and _."
        )
    return f"{run_id}.{suffix}"
