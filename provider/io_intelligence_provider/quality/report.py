"""The report of one run: what was checked, what failed, what that means. Its JSON form is published."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

__all__ = [
    "LARGEST_REPORT",
    "LONGEST_IN_EXAMPLE",
    "MAX_EXAMPLES",
    "CheckResult",
    "KnownChecks",
    "Outcome",
    "QualityReport",
    "Severity",
    "checked",
    "counted",
]

Severity: TypeAlias = Literal["error", "warn"]
Level: TypeAlias = Literal["row", "snapshot", "dataset"]
Outcome: TypeAlias = Literal["passed", "warned", "failed"]

MAX_EXAMPLES: Final = 5
LARGEST_REPORT: Final = 8 << 20
"""Bytes. With five examples a check, the report of a run with every finding has some hundred kilobytes."""
_DEEPEST_EXAMPLE: Final = 20
"""Levels of an example: ours have two."""
LONGEST_IN_EXAMPLE: Final = 100
"""Characters of a name or a value in an example; the quarantined record holds them whole."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check over the whole run.

    :param level: what it speaks of: rows, or the catalogue's snapshot or any other data set as a whole.
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
        data = asdict(self) | {"passed": self.passed}
        if self.threshold is None:
            del data["threshold"]
        return data


def counted(score: float, checks: Iterable[CheckResult]) -> dict[str, float | int]:
    """Return the summary that asset events carry under ``airflow.dataquality.result``."""
    evaluated = [check for check in checks if check.evaluated]
    failed = sum(not check.passed and check.severity == "error" for check in evaluated)
    warned = sum(not check.passed and check.severity == "warn" for check in evaluated)
    passed = len(evaluated) - failed - warned
    return {"score": score, "passed": passed, "failed": failed, "warned": warned}


@dataclass(frozen=True, slots=True)
class QualityReport:
    """The report of one run, passed or not.

    :param outcome: ``failed`` when the commit was stopped, ``warned`` when it was made with findings.
    :param score: valid rows / served rows x passed snapshot checks / evaluated ones, 0 to 1.
    :param fields: every key that the records had.
    """

    snapshot_id: str
    snapshot_date: date
    fetched_at: datetime
    source_url: str
    wire_shape: str
    outcome: Outcome
    score: float
    served: int
    valid: int
    quarantined: int
    checks: tuple[CheckResult, ...]
    fields: tuple[str, ...]
    unknown_fields: tuple[str, ...] = ()
    missing_fields: tuple[str, ...] = ()

    def result(self) -> dict[str, float | int]:
        """Return the summary that asset events carry."""
        return counted(self.score, self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the published form, plain JSON values only."""
        return {
            "snapshot_id": self.snapshot_id,
            "snapshot_date": self.snapshot_date.isoformat(),
            "fetched_at": self.fetched_at.isoformat(),
            "source_url": self.source_url,
            "wire_shape": self.wire_shape,
            "outcome": self.outcome,
            "score": self.score,
            "rows": {"served": self.served, "valid": self.valid, "quarantined": self.quarantined},
            "checks": [check.to_dict() for check in self.checks],
            "fields": list(self.fields),
            "drift": {
                "unknown_fields": list(self.unknown_fields),
                "missing_fields": list(self.missing_fields),
            },
        }

    def to_json(self) -> str:
        """Return the published form as ASCII JSON."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> QualityReport:
        """Read the published form back.

        :raises ValueError: when it is not that form.
        """
        try:
            form = msgspec.convert(data, _Form)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        return form.report(tuple(map(checked, form.checks)))

    @classmethod
    def from_json(cls, data: bytes | str, known: KnownChecks | None = None) -> QualityReport:
        """Read the published form back from its text.

        :param known: the checks of reports read before; it gains those of this one.
        :raises ValueError: when it is not that form.
        """
        try:
            form = _TEXT.decode(data)
            return form.report((known or KnownChecks()).read(bytes(form.checks)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The whole at once: it says where it is wrong, and a lone surrogate is JSON to Python only.
            return cls.from_dict(json.loads(data))
        except RecursionError:
            raise ValueError("it is nested too deep") from None


class KnownChecks:
    """The checks of reports that are read one after another: equal texts are decoded once, to one object.

    Years of reports hold few different results. A hundred thousand equal objects would take longer to make,
    and keep Python's garbage collector busy for longer, than all the rest of reading them.
    """

    def __init__(self) -> None:
        self._checks: dict[bytes, CheckResult] = {}
        self._last: tuple[bytes, tuple[CheckResult, ...]] = b"[]", ()

    def read(self, text: bytes) -> tuple[CheckResult, ...]:
        """Return the checks of a report by their text, the same tuple as before if the text is the same."""
        if text != self._last[0]:
            self._last = text, tuple(self._check(bytes(one)) for one in _TEXTS.decode(text))
        return self._last[1]

    def _check(self, text: bytes) -> CheckResult:
        found = self._checks.get(text)
        if found is None:
            found = self._checks[text] = checked(_CHECK.decode(text))
        return found


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


_LARGEST_COUNT: Final = 2**53
_MOST_EXAMPLES: Final = 1_000
"""We write five; other data sets may ask for more."""

_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST_COUNT)]
_Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
"""Moments without an offset cannot be sorted among the others."""


class _Rows(msgspec.Struct):
    served: _Count
    valid: _Count
    quarantined: _Count


class _Drift(msgspec.Struct):
    unknown_fields: tuple[str, ...]
    missing_fields: tuple[str, ...]


class _Head(msgspec.Struct):
    """The published form but for its checks."""

    snapshot_id: str
    snapshot_date: date
    fetched_at: _Moment
    source_url: str
    wire_shape: str
    outcome: Outcome
    score: Annotated[float, msgspec.Meta(ge=0, le=1)]
    rows: _Rows
    fields: tuple[str, ...]
    drift: _Drift

    def report(self, checks: tuple[CheckResult, ...]) -> QualityReport:
        """Return it as the report."""
        flat = msgspec.structs.asdict(self) | {"checks": checks}
        rows, drift = flat.pop("rows"), flat.pop("drift")
        return QualityReport(**flat, **msgspec.structs.asdict(rows), **msgspec.structs.asdict(drift))


class _Form(_Head):
    """The published form."""

    checks: tuple[CheckResult, ...]


class _Text(_Head):
    """The published form with its checks as they are written."""

    checks: msgspec.Raw


_TEXT: Final = msgspec.json.Decoder(_Text)
_TEXTS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_CHECK: Final = msgspec.json.Decoder(CheckResult)
