"""Builds the message of a failed task: what stopped it, why, what stays in force and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from io_intelligence_provider.alerts.rendering import (
    Block,
    Change,
    Heading,
    Link,
    Message,
    Note,
    Part,
    Title,
    clean,
)
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import IOIntelligenceError, OverdueError, QualityError
from io_intelligence_provider.quality.policy import deciding, refused_by
from io_intelligence_provider.quality.result import CheckResult, CheckRun
from io_intelligence_provider.text import example_text

__all__ = ["Failure", "FailureMessage"]

_LONGEST = 450
"""Characters of a line: Slack's limit of a section is counted as ASCII JSON, six characters a letter."""
_ADVICE = (
    "Look at the results of the checks and at the refused {rows}. If the data are wrong, nothing is to be "
    "done: the next run tries again. If they are right, change {what} (max_quarantine_share, fail_on) and "
    "clear the task{when}."
)
_OF_THE_CATALOGUE = {"rows": "records", "what": "the limit of the check", "when": " on the same day (UTC)"}
_OF_A_DATA_SET = {"rows": "rows", "what": "the schema or a limit of the task", "when": ""}


@dataclass(frozen=True)
class Failure:
    """Holds what is known of a failed task.

    :param day: the date that the task processed.
    :param dataset: the name of the data set, where it has one of its own.
    :param error: the exception, or what Airflow says of a task that it lost; ``None`` when nothing is known.
    :param in_force: the sentence on what stays in force; empty when that is unknown.
    :param task_url: URL of the task instance in Airflow's UI.
    :param page_url: URL of the page's view of the run.
    """

    dag_id: str
    task_id: str
    run_id: str
    day: date
    error: BaseException | str | None
    dataset: str | None = None
    in_force: str = ""
    task_url: str | None = None
    page_url: str | None = None

    @property
    def run(self) -> CheckRun | None:
        """The result of the run that its checks stopped, ``None`` for any other failure."""
        report = self.error.report if isinstance(self.error, QualityError) else None
        return report if isinstance(report, CheckRun) else None

    @property
    def stopped_by(self) -> list[CheckResult]:
        """The checks that stopped the run."""
        return deciding(self.run) if self.run else []

    @property
    def reason(self) -> str:
        """The message of this provider's errors; of others only the type, as the text may hold a secret."""
        if isinstance(self.error, BaseException) and not isinstance(self.error, IOIntelligenceError):
            return f"It failed with {type(self.error).__name__}; its log has the details."
        return (
            str(self.error) if self.error else "Airflow does not know why; the process may have been killed."
        )

    @property
    def subject(self) -> str:
        """One line on what happened."""
        if self.run and self.stopped_by:
            first, *others = [clean(check.check) for check in self.stopped_by]
            checks = (
                f"{first} and {len(others)} more checks"
                if len(others) > 1
                else " and ".join([first, *others])
            )
            return f"IO Intelligence: {checks} stopped {self._stopped}"
        if isinstance(self.error, OverdueError):
            return f"IO Intelligence: {clean(self.error.reasons[0].partition('. ')[0])}"
        return f"IO Intelligence: task {clean(self.task_id)} of {clean(self.dag_id)} failed on {self.day}"

    @property
    def _stopped(self) -> str:
        if isinstance(self.run, QualityReport):
            return f"the snapshot of {self.day}"
        return clean(self.dataset or (self.run.dataset if self.run else ""))


class FailureMessage(Message):
    """Renders the failure of a task in each format, like the message of a digest."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    @cached_property
    def _blocks(self) -> Sequence[Block]:
        return list(_blocks(self._failure))

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as plain JSON values."""
        failure = self._failure
        return {
            "subject": self.subject,
            "dag_id": failure.dag_id,
            "task_id": failure.task_id,
            "run_id": failure.run_id,
            "snapshot_date": failure.day.isoformat(),
            "error": type(failure.error).__name__ if isinstance(failure.error, BaseException) else None,
            "message": failure.reason,
            "stopped_by": [check.to_dict() for check in failure.stopped_by],
            "in_force": failure.in_force,
        }


def _blocks(failure: Failure) -> Iterator[Block]:
    yield Title(failure.subject)
    if failure.run is not None:
        yield from _checks("Stopped by", failure.stopped_by)
        count = f"{failure.run.quarantined:,} of {failure.run.rows:,}"
        yield from _checks(f"Why {count} were refused", refused_by(failure.run))
    elif isinstance(failure.error, OverdueError):
        yield from (Note(clean(reason, _LONGEST)) for reason in failure.error.reasons)
    else:
        yield Note(clean(failure.reason, _LONGEST))
    if failure.in_force:
        yield Note(failure.in_force)
    if failure.run is not None:
        is_catalogue = isinstance(failure.run, QualityReport)
        yield Note(_ADVICE.format_map(_OF_THE_CATALOGUE if is_catalogue else _OF_A_DATA_SET))
    yield Note(clean(f"Dag {failure.dag_id}, task {failure.task_id}, run {failure.run_id}.", _LONGEST))
    if failure.page_url:
        yield Link(failure.page_url, "Results of the checks")
    if failure.task_url:
        yield Link(failure.task_url, "Log of the task")


def _checks(heading: str, checks: Sequence[CheckResult]) -> Iterator[Block]:
    if checks:
        yield Heading(heading)
    for check in checks:
        yield Change(_name(check), (Part(_counts(check)),), kind="finding")


def _name(check: CheckResult) -> str:
    return clean(f"{check.column} {check.check}" if check.column else check.check)


def _counts(check: CheckResult) -> str:
    example = clean(example_text(check.examples[0])) if check.examples else ""
    if check.evaluated == 1 and example:  # of the whole data set: the counts say nothing
        return example
    return f"{check.failed:,} of {check.evaluated:,}{f', for example {example}' if example else ''}"
