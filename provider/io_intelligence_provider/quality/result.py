"""What one run of checks over one data set found. Its JSON form is published in ``report.schema.json``."""

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
from io_intelligence_provider.text import cut

__all__ = [
    "LONGEST_IN_EXAMPLE",
    "MAX_EXAMPLES",
    "CheckFailure",
    "CheckResult",
    "CheckRun",
    "ColumnProfile",
    "Count",
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

MAX_EXAMPLES: Final = 5
LONGEST_IN_EXAMPLE: Final = 100
"""Characters of a name or a value in an example; the quarantined record holds them whole."""


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """One check that failed on some rows, or on the data set as a whole.

    :param check: its name: ``Check(name=...)``, or pandera's word for what is no ``Check``, such as
        ``not_nullable`` or ``dtype``.
    :param column: ``None`` for a check of whole rows or of the data set.
    :param rows: positions in the batch, ascending; ``None`` where the check is not about rows.
    :param message: what is wrong, to be read after the column's name.
    :param value: the offending value as text where the failure is about one row and has one.
    """

    check: str
    column: str | None
    rows: Sequence[int] | None
    message: str
    value: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return it as a quarantine file holds it."""
        return {"check": self.check, "column": self.column, "value": self.value, "message": self.message}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check over one run.

    :param level: ``row``, ``snapshot`` for the catalogue as a whole, ``dataset`` for any other data set.
    :param evaluated: rows or values that the check looked at; 0: it could not be evaluated this time
        (a first snapshot has no predecessor), and then it counts neither as passed nor as failed.
    :param failed: how many of them failed.
    :param examples: up to five, each a small object that says which and why.
    :param threshold: how many may fail and the check still passes: a count, or a share of ``evaluated``
        when it is a float; ``None``: none may.
    """

    check: str
    column: str | None
    level: Level
    severity: Severity
    evaluated: int
    failed: int
    examples: list[dict[str, Any]] = field(default_factory=list)
    threshold: int | float | None = None

    @property
    def passed(self) -> bool:
        """Whether no more failed than the threshold allows; true for what was not evaluated."""
        if isinstance(self.threshold, float):
            return self.failed <= self.threshold * self.evaluated
        return self.failed <= (self.threshold or 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the published form; ``threshold`` is in it where there is one."""
        data: dict[str, Any] = {
            "check": self.check,
            "column": self.column,
            "level": self.level,
            "severity": self.severity,
            "evaluated": self.evaluated,
            "failed": self.failed,
            "examples": list(self.examples),
        }
        if self.threshold is not None:
            data["threshold"] = self.threshold
        return data | {"passed": self.passed}


_LARGEST_COUNT: Final = 2**53
_MOST_EXAMPLES: Final = 1_000
"""We write five; other data sets may ask for more."""
_DEEPEST_EXAMPLE: Final = 20
"""Levels of an example: ours have two."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_COUNT)]
Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""Moments without an offset cannot be sorted among the others."""


def checked(result: CheckResult) -> CheckResult:
    """Return a result that was read from a file.

    :raises ValueError: when its counts are negative, or its examples are nested deeper than anybody can show.
    """
    if not 0 <= result.failed <= _LARGEST_COUNT or not 0 <= result.evaluated <= _LARGEST_COUNT:
        raise ValueError(f"the check {result.check[:100]!r} counts what nobody can count")
    if len(result.examples) > _MOST_EXAMPLES or _is_deeper(result.examples, _DEEPEST_EXAMPLE):
        raise ValueError(f"the examples of the check {result.check[:100]!r} are too many, or nested too deep")
    return result


def _is_deeper(value: Any, levels: int) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    return isinstance(value, list) and (not levels or any(_is_deeper(item, levels - 1) for item in value))


_SHOWN_IN_SUMMARY: Final = 8
"""Failed checks named in a summary; with names cut at 40 characters it stays below 2 KB."""
_LONGEST_NAME: Final = 40
_LONGEST_PATH: Final = 200


@dataclass(frozen=True)
class ColumnProfile:
    """One column over one run.

    Unknown is ``None``, never 0: the median of a text, the greatest value of a column without values.

    :param rows: rows that the column was seen in.
    :param nulls: rows without a value; a NaN is none.
    :param distinct: different values, nulls left out; ``None`` for types that cannot be told apart.
    :param distinct_exact: whether ``distinct`` was counted; else it is an estimate, see
        :class:`~io_intelligence_provider.quality.profile.Profiler`.
    :param min: the smallest finite number, or the earliest date or moment in ISO form.
    :param max: the greatest one. Texts have neither: a report is no place for what may be personal data.
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
        """Different values / values; ``None`` where there are no values or they cannot be told apart."""
        values = self.rows - self.nulls
        return self.distinct / values if values and self.distinct is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Presentation:
    """How a result is shown to people, in a page and in a terminal.

    :param subject: what was checked.
    :param outcome: the outcome in words.
    :param facts: where and how it was checked.
    :param read: how many rows were read, in words.
    :param on_whole: title of the checks that speak of the data set as a whole.
    :param drift: keys that the data have and had, by what they are; ``None`` where that is not watched.
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
    """The result of checking one data set by one schema, passed or not.

    :param run_id: ``<UTC time>-<8 hex digits>``, unique.
    :param dataset: what was checked: the path, glob or folder as it was given, never a credential.
    :param schema: the schema's name, ``module:object`` or path.
    :param checked_at: when the run began, UTC.
    :param seconds: how long it took; ``None`` where that is unknown.
    :param engine: ``local`` or ``spark``.
    :param mode: ``rows``: validated batch by batch; ``whole``: at once, as a check may look at all rows.
    :param outcome: ``failed`` when the run was stopped, ``warned`` when it passed with any finding.
    :param score: valid rows / rows x passed data-set checks / evaluated ones, 0 to 1; 1 for a data set
        without rows whose data-set checks all passed.
    :param rows: rows read; always ``valid + quarantined``.
    :param files: files read.
    :param checks: one result per check and column; level ``row``, or ``dataset`` for what speaks of no row.
    :param columns: the columns that the data have: (name, type in Arrow's words).
    :param quarantine_path: the file of the refused rows; ``None``: none was asked for.
    :param valid_path: the file of the valid rows; ``None``: none was asked for, the run was stopped, or the
        data set as a whole failed a check.
    :param profile: per column what the history checks compare; empty unless asked for.
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

    def result(self) -> dict[str, float | int]:
        """Return the counts that asset events carry under ``airflow.dataquality.result``."""
        evaluated = [check for check in self.checks if check.evaluated]
        failed = sum(not check.passed and check.severity == "error" for check in evaluated)
        warned = sum(not check.passed and check.severity == "warn" for check in evaluated)
        passed = len(evaluated) - failed - warned
        return {"score": self.score, "passed": passed, "failed": failed, "warned": warned}

    def presentation(self) -> Presentation:
        """Return how it is shown."""
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
        """Return the published form, plain JSON values only."""
        return {
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

    def to_json(self) -> str:
        """Return the published form as ASCII JSON."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckRun:
        """Read the published form back.

        :raises ValueError: when it is not that form.
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

    def summary(self) -> dict[str, Any]:
        """Return what goes to XCom: plain JSON, under 2 KB whatever was found."""
        failed = [check for check in self.checks if not check.passed]
        failed.sort(key=lambda check: (check.severity, -check.failed))
        shown = [
            {
                "check": check.check[:_LONGEST_NAME],
                "column": check.column and check.column[:_LONGEST_NAME],
                "severity": check.severity,
                "failed": check.failed,
            }
            for check in failed[:_SHOWN_IN_SUMMARY]
        ]
        return {
            "run_id": self.run_id,
            "dataset": self.dataset[:_LONGEST_PATH],
            "outcome": self.outcome,
            "score": self.score,
            "rows": self.rows,
            "valid": self.valid,
            "quarantined": self.quarantined,
            "files": self.files,
            "engine": self.engine,
            "mode": self.mode,
            "quarantine_path": self.quarantine_path and self.quarantine_path[:_LONGEST_PATH],
            "valid_path": self.valid_path and self.valid_path[:_LONGEST_PATH],
            "findings": len(failed),
            "checks": shown,
        }


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
    seconds: float
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


_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


def new_run_id(moment: datetime) -> str:
    """Return the id of a run that begins now: ``20260630T000012Z-1f2e3d4c``.

    :param moment: of the run, in UTC.
    """
    return f"{moment:%Y%m%dT%H%M%S}Z-{secrets.token_hex(4)}"


def is_run_id(value: Any) -> bool:
    """Tell whether a value can be the id of a run: ASCII letters, digits, ``-`` and ``_`` only.

    That is more than :func:`new_run_id` writes, and nothing that leads out of a folder.
    """
    return isinstance(value, str) and _RUN_ID.fullmatch(value) is not None


def run_file(run_id: str, suffix: str) -> str:
    """Return the name of a file of a run.

    :raises StorageError: when the id is none.
    """
    if not is_run_id(run_id):
        raise StorageError(
            f"{str(run_id)[:100]!r} is no id of a run, so it names no file. Ids are letters, digits, - and _."
        )
    return f"{run_id}.{suffix}"
