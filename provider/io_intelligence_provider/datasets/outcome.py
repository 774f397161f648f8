"""From the results of all checks to the outcome of the run, decided after everything was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from io_intelligence_provider.datasets.tally import Policy, Threshold
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.report import CheckResult, Severity

__all__ = ["policy_of", "score", "stopping"]


def stopping(checks: Sequence[CheckResult], fail_on: str) -> list[CheckResult]:
    """Return the failed checks that stop the run.

    ``error``: those of severity ``error`` that speak of the data set, ``quarantine_share`` among them, or
    that have a threshold of their own. ``warn``: any finding. ``never``: none.
    """
    failed = [check for check in checks if not check.passed]
    if fail_on == "warn":
        return failed
    if fail_on == "never":
        return []
    return [
        check
        for check in failed
        if check.severity == "error" and (check.level != "row" or check.threshold is not None)
    ]


def score(rows: int, valid: int, checks: Sequence[CheckResult]) -> float:
    """Return valid rows / rows x passed data-set checks / evaluated ones, 0 to 1; no row counts as valid."""
    evaluated = [check for check in checks if check.level != "row" and check.evaluated]
    passed = sum(check.passed for check in evaluated)
    return (valid / rows if rows else 1.0) * (passed / len(evaluated) if evaluated else 1.0)


def policy_of(severity: Mapping[str, Any] | None, thresholds: Mapping[str, Any] | None) -> Policy:
    """Read the arguments ``severity`` and ``thresholds``; templated values arrive as text.

    :raises ConfigurationError: when one is not what it should be.
    """
    severities: dict[str, Severity] = {}
    for name, value in (severity or {}).items():
        if value not in ("error", "warn"):
            raise ConfigurationError(f"severity of {name!r} is {value!r}; it is 'error' or 'warn'.")
        if value == "warn" and name.rpartition(".")[2] == "coerce_dtype":
            raise ConfigurationError(
                f"severity of {name!r} cannot be 'warn': what is not of its type cannot be valid."
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
