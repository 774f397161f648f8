"""From the results of all checks to the outcome of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.report import CheckResult

__all__ = ["FAIL_ON", "FailOn", "check_thresholds", "score", "stopping"]

FailOn: TypeAlias = Literal["error", "warn", "never"]
FAIL_ON: Final = ("error", "warn", "never")
_ALWAYS: Final = ("not_empty", "complete")


def check_thresholds(fail_on: str, max_quarantine_share: object) -> None:
    """Refuse what is no threshold before anything is fetched.

    :raises ConfigurationError: then.
    """
    if fail_on not in FAIL_ON:
        raise ConfigurationError(f"fail_on is {fail_on!r}; it is one of {', '.join(FAIL_ON)}.")
    if not isinstance(max_quarantine_share, (int, float)) or not 0 <= max_quarantine_share <= 1:
        raise ConfigurationError(
            f"max_quarantine_share is {max_quarantine_share!r}; it is a share from 0 to 1."
        )


def stopping(checks: Sequence[CheckResult], fail_on: str) -> list[CheckResult]:
    """Return the failed checks that stop the commit.

    ``error``: failed snapshot checks of severity ``error``. ``warn``: any finding, of rows as well.
    ``never``: an empty or an incomplete catalogue only.
    """
    failed = [check for check in checks if not check.passed]
    if fail_on == "warn":
        return failed
    on_snapshot = [check for check in failed if check.level == "snapshot" and check.severity == "error"]
    if fail_on == "never":
        return [check for check in on_snapshot if check.check in _ALWAYS]
    return on_snapshot


def score(served: int, valid: int, checks: Sequence[CheckResult]) -> float:
    """Return valid rows / served rows x passed snapshot checks / evaluated ones, 0 to 1."""
    evaluated = [check for check in checks if check.level == "snapshot" and check.evaluated]
    passed = sum(check.passed for check in evaluated)
    if not served or not evaluated:
        return 0.0
    return valid / served * passed / len(evaluated)
