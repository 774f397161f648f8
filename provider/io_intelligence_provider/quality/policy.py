"""Holds a check's options, severities and thresholds; computes its score and outcome; finds what stops it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.history import HistoryChecks
from io_intelligence_provider.quality.result import (
    MAX_EXAMPLES,
    CheckResult,
    CheckRun,
    Outcome,
    Severity,
)
from io_intelligence_provider.storage.location import refusal_of
from io_intelligence_provider.text import cut, example_text, printable

if TYPE_CHECKING:
    from io_intelligence_provider.quality.checks import Declared

__all__ = [
    "ALWAYS",
    "FAIL_ON",
    "CheckOptions",
    "EarlierRuns",
    "FailOn",
    "Policy",
    "Threshold",
    "check_thresholds",
    "deciding",
    "outcome_of",
    "policy_of",
    "reasons_of",
    "refusals_of",
    "refused_by",
    "score",
    "stopping",
]


Threshold: TypeAlias = int | float

ALWAYS: Final = ("quarantine_share", "min_rows", "same_columns", "validate")
"""Checks that every run has in addition to those of the schema."""

_MAYBE_OF_ROWS: Final = "dtype"
"""The type is a check of each value where a column of pandas holds Python's objects."""
_UNDECLARED: Final = ("no_regex_column_match", "add_missing_has_default", "dataframe_column_labels_unique")


@dataclass(frozen=True)
class Policy:
    """The severity and the threshold of each check.

    :param severity: ``error`` or ``warn`` by ``check`` or ``column.check``; the latter has precedence.
    :param thresholds: a count (int) or a share of the rows (float, 0 to 1), by the same names.
    """

    severity: Mapping[str, Severity] = field(default_factory=dict)
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)

    def severity_of(self, check: str, column: str | None, default: Severity) -> Severity:
        """Return the severity of a check."""
        return self.severity.get(f"{column}.{check}", self.severity.get(check, default))

    def threshold_of(self, check: str, column: str | None) -> Threshold | None:
        """Return how many rows may fail; ``None``: the check has no threshold."""
        return self.thresholds.get(f"{column}.{check}", self.thresholds.get(check))

    def check_names(self, declared: Sequence[Declared], columns: Sequence[str]) -> None:
        """Refuse a name that is not the name of a check, which would be ignored silently.

        :raises ConfigurationError: when there is no such check.
        """
        plain = {item.check for item in declared}.union(ALWAYS, _UNDECLARED)
        full = {f"{column}.{item.check}" for item in declared for column in item.columns(columns)}
        for argument, names in (("severity", self.severity), ("thresholds", self.thresholds)):
            if unknown := sorted(set(names) - plain - full):
                known = ", ".join(sorted(plain - set(ALWAYS)))
                raise ConfigurationError(
                    f"{argument} names {', '.join(map(repr, unknown))}, which is no check of the schema. "
                    f"It has {known}; 'column.check' names one column's."
                )
        of_all = {item.check for item in declared if not item.of_rows}.union(ALWAYS, _UNDECLARED)
        of_all -= {item.check for item in declared if item.of_rows} | {_MAYBE_OF_ROWS}
        full = {f"{column}.{check}" for column in columns for check in of_all}
        if useless := sorted(of_all.union(full).intersection(self.thresholds)):
            raise ConfigurationError(
                f"thresholds names {', '.join(map(repr, useless))}, which is no check of rows: a threshold "
                "is how many rows may fail. Give it a severity instead, or another max_quarantine_share or "
                "min_rows."
            )


EarlierRuns: TypeAlias = Callable[["CheckRun"], Iterable["CheckRun"]]

_UNITS: Final = {"": 1, "B": 1}
_UNITS.update({f"{prefix}B": 1000**power for power, prefix in enumerate("KMGT", 1)})
_UNITS.update({f"{prefix}IB": 1024**power for power, prefix in enumerate("KMGT", 1)})


@dataclass(frozen=True)
class CheckOptions:
    """Arguments of a check, validated on creation.

    :param quarantine_path: where refused rows go: a ``.parquet`` file, or a folder that gets one file a run.
        ``None``: they are counted only.
    :param valid_path: where valid rows go, as the schema parses them: one file, replaced atomically, and
        only when the run is not stopped.
    :param fail_on: ``error``, ``warn`` or ``never``: which findings stop the run.
    :param max_quarantine_share: share of refused rows, 0 to 1, above which the run is stopped. Rows that are
        refused only by checks with a threshold do not count.
    :param severity: ``error`` or ``warn`` by ``check`` or ``column.check``; ``raise_warning`` of the schema's
        own checks is ``warn``.
    :param thresholds: how many rows may fail a check: a count (int) or a share of all rows (float).
    :param memory_limit: bytes, or text such as ``"2GiB"``, that a data set may take in memory when a check
        needs all rows at once.
    :param min_rows: fewer rows fail the data set; ``None``: an empty one passes.
    :param examples: how many refused values of each check and column are shown in results and reports, 0 to
        100; 0 shows none.
    :param profile: whether to measure the columns, for comparison with other runs; always done with
        ``history_checks``.
    :param history_checks: what to compare with earlier runs, see
        :class:`~io_intelligence_provider.quality.history.HistoryChecks`. Without ``earlier_runs`` only
        checks that need none, such as ``freshness`` with ``max_age_hours``, are evaluated.
    :param earlier_runs: a function that takes the run and returns the earlier ones on the same data.
    :param data_interval_start: the beginning of the period that the data are of, with a time zone.
    :raises ConfigurationError: when an argument is wrong.
    """

    quarantine_path: str | None = None
    valid_path: str | None = None
    fail_on: str = "error"
    max_quarantine_share: float = 0.0
    severity: Mapping[str, str] | None = None
    thresholds: Mapping[str, int | float | str] | None = None
    memory_limit: int | str = "2GiB"
    min_rows: int | None = None
    examples: int = MAX_EXAMPLES
    profile: bool = False
    history_checks: bool | Mapping[str, Any] | Sequence[str] | None = None
    earlier_runs: EarlierRuns | None = None
    data_interval_start: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("quarantine_path", "valid_path"):
            given = getattr(self, name)
            if given and (refusal := refusal_of(given, name)):
                del given  # tracebacks may show local variables
                raise ConfigurationError(refusal)
        check_thresholds(self.fail_on, self.max_quarantine_share)
        if self.min_rows is not None and not (_is_count(self.min_rows)):
            raise ConfigurationError(f"min_rows is {self.min_rows!r}; it is a number of rows, or None.")
        if not _is_count(self.examples) or self.examples > _MOST_EXAMPLES:
            raise ConfigurationError(f"examples is {self.examples!r}; it is from 0 to {_MOST_EXAMPLES}.")
        begin: Any = self.data_interval_start
        if begin is not None and (not isinstance(begin, datetime) or begin.utcoffset() is None):
            raise ConfigurationError(
                f"data_interval_start is {begin!r}; it is a datetime with a time zone, or None."
            )
        _ = self.policy, self.memory_bytes, self.history
        if self.earlier_runs is not None and not self.history.rules:
            raise ConfigurationError("earlier_runs does nothing without history_checks.")

    @property
    def history(self) -> HistoryChecks:
        """``history_checks`` as checks."""
        return HistoryChecks.from_config(self.history_checks)

    @property
    def policy(self) -> Policy:
        """Severities and thresholds."""
        return policy_of(self.severity, self.thresholds)

    @property
    def memory_bytes(self) -> int:
        """``memory_limit`` in bytes."""
        return _bytes(self.memory_limit)

    def quarantine_file(self, run_id: str) -> str | None:
        """Return the quarantine file of a run."""
        path = self.quarantine_path
        if not path or path.endswith(".parquet"):
            return path or None
        return f"{path.rstrip('/')}/{run_id}.parquet"


_MOST_EXAMPLES: Final = 100


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _bytes(value: Any) -> int:
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", str(value))
    unit = _UNITS.get(found[2].upper()) if found else None
    if not found or unit is None or float(found[1]) <= 0:
        raise ConfigurationError(
            f"memory_limit is {value!r}; it is bytes, or text such as '2GiB' or '500MB'."
        )
    return int(float(found[1]) * unit)


def stopping(checks: Sequence[CheckResult], fail_on: str, always: Collection[str] = ()) -> list[CheckResult]:
    """Return the failed checks that stop a run.

    ``error``: checks of severity ``error`` that are about the data set (such as ``quarantine_share``) or have
    a threshold. ``warn``: all. ``never``: only those named in ``always``.
    """
    failed = [check for check in checks if not check.passed]
    if fail_on == "warn":
        return failed
    if fail_on == "never":
        return [check for check in failed if check.check in always]
    return [
        check
        for check in failed
        if check.severity == "error" and (check.level != "row" or check.threshold is not None)
    ]


def outcome_of(checks: Sequence[CheckResult], quarantined: int, *, stopped: bool) -> Outcome:
    """Return the outcome of a run: ``warned`` when it has findings and was not stopped."""
    if stopped:
        return "failed"
    return "warned" if quarantined or any(not check.passed for check in checks) else "passed"


def score(rows: int, valid: int, checks: Sequence[CheckResult], *, without_rows: float = 1.0) -> float:
    """Return valid rows / rows x passed data-set checks / evaluated ones, 0 to 1.

    :param without_rows: the share of valid rows to use when there are no rows.
    """
    evaluated = [check for check in checks if check.level != "row" and check.evaluated]
    passed = sum(check.passed for check in evaluated)
    return (valid / rows if rows else without_rows) * (passed / len(evaluated) if evaluated else 1.0)


_SHOWN_REASONS: Final = 5
_LONGEST_REASON: Final = 600


def reasons_of(stopped: Sequence[CheckResult]) -> str:
    """Describe what stopped a run: up to five checks, each with its counts and an example."""
    reasons = []
    for check in stopped:
        where = f" on {check.column}" if check.column else ""
        example = f": {example_text(check.examples[0])}" if check.examples else ""
        reasons.append(f"{check.check}{where} ({check.failed:,} of {check.evaluated:,}{example})")
    return _listed(reasons, "; ")


def deciding(run: CheckRun) -> list[CheckResult]:
    """Return the checks that stopped a run, of which ``fail_on`` is not known any more.

    They are those that stop every run but one with ``fail_on="never"``, else all that failed.
    """
    return stopping(run.checks, "error") or stopping(run.checks, "warn")


def refused_by(run: CheckRun) -> list[CheckResult]:
    """Return the checks that refused rows, the most frequent first."""
    causes = [
        check for check in run.checks if check.level == "row" and check.severity == "error" and check.failed
    ]
    return sorted(causes, key=lambda check: -check.failed)


def refusals_of(run: CheckRun, things: str = "rows") -> str:
    """Describe how many rows were refused, and by which checks, the most frequent first.

    :param things: what the rows are.
    """
    causes = refused_by(run)
    reasons = [
        f"{f'{check.column} ' if check.column else ''}{check.check} ({check.failed:,})" for check in causes
    ]
    count = f"{run.quarantined:,} of {run.rows:,} {things} were refused"
    return f"{count}: {_listed(reasons, ', ')}" if run.quarantined and reasons else count


def _listed(texts: Sequence[str], separator: str) -> str:
    left = len(texts) - _SHOWN_REASONS
    # Names of columns and checks are data: neither a new line of a log nor megabytes.
    shown = [printable(cut(text, _LONGEST_REASON)) for text in texts[:_SHOWN_REASONS]]
    return separator.join(shown) + (f" and {left} more" if left > 0 else "")


def policy_of(severity: Mapping[str, Any] | None, thresholds: Mapping[str, Any] | None) -> Policy:
    """Parse the arguments ``severity`` and ``thresholds``; templated values arrive as text.

    :raises ConfigurationError: when a value is wrong.
    """
    for argument, given in (("severity", severity), ("thresholds", thresholds)):
        if given is not None and not isinstance(given, Mapping):
            raise ConfigurationError(f"{argument} is {given!r}; it is a mapping of names of checks.")
    severities: dict[str, Severity] = {}
    for name, value in (severity or {}).items():
        if value not in ("error", "warn"):
            raise ConfigurationError(f"severity of {name!r} is {value!r}; it is 'error' or 'warn'.")
        if value == "warn" and name.rpartition(".")[2] == "coerce_dtype":
            raise ConfigurationError(
                f"severity of {name!r} cannot be 'warn': a value of another type cannot be valid."
            )
        severities[name] = value
    return Policy(severities, {name: _threshold(name, value) for name, value in (thresholds or {}).items()})


def _threshold(name: str, value: Any) -> Threshold:
    number: Any = value
    if isinstance(value, str):
        try:
            number = int(value) if value.strip().lstrip("+-").isdigit() else float(value)
        except ValueError:
            number = None
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not number >= 0:
        raise ConfigurationError(
            f"threshold of {name!r} is {value!r}; it is a count (int) or a share (float)."
        )
    if isinstance(number, float) and number > 1:
        raise ConfigurationError(f"threshold of {name!r} is {value!r}; a share is from 0.0 to 1.0.")
    return number


def check_thresholds(fail_on: str, max_quarantine_share: object) -> None:
    """Validate both arguments before anything is fetched.

    :raises ConfigurationError: when one is wrong.
    """
    if fail_on not in FAIL_ON:
        raise ConfigurationError(f"fail_on is {fail_on!r}; it is one of {', '.join(FAIL_ON)}.")
    if (
        isinstance(max_quarantine_share, bool)
        or not isinstance(max_quarantine_share, (int, float))
        or not 0 <= max_quarantine_share <= 1
    ):
        raise ConfigurationError(
            f"max_quarantine_share is {max_quarantine_share!r}; it is a share from 0 to 1."
        )


FailOn: TypeAlias = Literal["error", "warn", "never"]


FAIL_ON: Final = ("error", "warn", "never")
