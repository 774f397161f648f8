"""What every run comes to, whatever engine judged it: its results, its outcome, the error that stops it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from io_intelligence_provider.datasets.options import CheckOptions
from io_intelligence_provider.datasets.outcome import score, stopping
from io_intelligence_provider.datasets.prepare import Prepared
from io_intelligence_provider.datasets.source import Source
from io_intelligence_provider.datasets.tally import Tally
from io_intelligence_provider.errors import QualityError
from io_intelligence_provider.quality.profile import ColumnProfile
from io_intelligence_provider.quality.report import MAX_EXAMPLES, CheckResult, Outcome
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.store.layout import new_run_id

__all__ = ["Begun"]


@dataclass(frozen=True)
class Begun:
    """A run that has begun: what it judges, and since when.

    :param started: ``time.monotonic()`` at the beginning.
    """

    path: str
    prepared: Prepared
    options: CheckOptions
    run_id: str
    checked_at: datetime
    started: float

    @classmethod
    def now(cls, path: str, prepared: Prepared, options: CheckOptions) -> Begun:
        """Begin a run."""
        now = datetime.now(UTC)
        return cls(path, prepared, options, new_run_id(now), now, time.monotonic())

    def result(
        self,
        tally: Tally,
        source: Source,
        names: Sequence[str],
        profile: tuple[ColumnProfile, ...],
        *,
        engine: str = "local",
        whole: bool = False,
    ) -> CheckRun:
        """Return the result as it stands when all rows are judged; its outcome and time come last.

        :param names: the columns that the schema sees.
        :param whole: whether the rows were judged in one piece.
        """
        checks = [*tally.results(names), *_dataset_checks(tally, self.options, source)]
        run = CheckRun(
            run_id=self.run_id,
            dataset=self.path,
            schema=self.prepared.loaded.name,
            checked_at=self.checked_at,
            seconds=0.0,
            engine=engine,
            mode="whole" if whole else "rows",
            outcome="passed",
            score=score(tally.rows, tally.rows - tally.quarantined, checks),
            rows=tally.rows,
            valid=tally.rows - tally.quarantined,
            quarantined=tally.quarantined,
            files=source.files,
            checks=tuple(checks),
            columns=tuple((field.name, str(field.type)) for field in source.schema),
            profile=profile,
        )
        if self.options.extra_checks is None:
            return run
        checks += self.options.extra_checks(run)
        return replace(run, checks=tuple(checks), score=score(run.rows, run.valid, checks))

    def keeps_valid_rows(self, run: CheckRun) -> bool:
        """Tell whether valid rows are to be written: nothing stops the run, and the data set is sound."""
        if not self.options.valid_path or stopping(run.checks, self.options.fail_on):
            return False
        return not any(map(_is_unsound, run.checks))

    def finish(self, run: CheckRun) -> CheckRun:
        """Return the run with its outcome.

        :raises QualityError: when a finding stops it.
        """
        stopped = stopping(run.checks, self.options.fail_on)
        findings = any(not check.passed for check in run.checks) or run.quarantined
        outcome: Outcome = "failed" if stopped else "warned" if findings else "passed"
        run = replace(run, outcome=outcome, seconds=round(time.monotonic() - self.started, 3))
        if stopped:
            raise QualityError(_why(run, stopped), report=run)
        return run


def _dataset_checks(tally: Tally, options: CheckOptions, source: Source) -> Iterator[CheckResult]:
    """Yield the results of the checks that every data set has."""
    share = tally.governed / tally.rows if tally.rows else 0.0
    limit = options.max_quarantine_share
    yield CheckResult(
        "quarantine_share",
        None,
        "dataset",
        tally.severity("quarantine_share", None),
        int(tally.rows > 0),
        int(share > limit),
        [{"share": share, "max_quarantine_share": limit}] if share > limit else [],
    )
    if source.files > 1:
        severity = options.policy.severity_of("same_columns", None, "warn")
        differing = source.differing
        examples = [dict(item) for item in (differing or ())[:MAX_EXAMPLES]]
        evaluated = 0 if differing is None else source.files
        yield CheckResult(
            "same_columns", None, "dataset", severity, evaluated, len(differing or ()), examples
        )


def _is_unsound(check: CheckResult) -> bool:
    """Tell whether the data set as a whole fails a check, so that its rows are not worth keeping apart."""
    fails = not check.passed and check.severity == "error" and check.level == "dataset"
    return fails and check.check != "quarantine_share"


def _why(run: CheckRun, stopped: Sequence[CheckResult]) -> str:
    reasons = [
        f"{check.check}{f' on {check.column}' if check.column else ''} "
        f"({check.failed} of {check.evaluated}: {check.examples[0] if check.examples else ''})"
        for check in stopped
    ]
    where = f" They are in {run.quarantine_path}." if run.quarantine_path and run.quarantined else ""
    return (
        f"{run.dataset} was stopped by {'; '.join(reasons[:5])}"
        f"{f' and {len(reasons) - 5} more' if len(reasons) > 5 else ''}. "
        f"{run.quarantined} of {run.rows} rows were refused.{where}"
    )
