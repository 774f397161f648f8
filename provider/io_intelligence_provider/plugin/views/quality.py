"""The quality of a day, and of all days: one letter a check and day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeAlias

from io_intelligence_provider.quality.report import CheckResult, QualityReport

__all__ = ["committed_runs", "quality", "report_form"]

_FLAGGED: Final = 50
_FAILED_RUNS: Final = 20


def report_form(report: QualityReport) -> dict[str, Any]:
    """Return the published form of a report, with how much was evaluated and how much failed in all."""
    return report.to_dict() | {
        "evaluated": sum(check.evaluated for check in report.checks),
        "failed": sum(check.failed for check in report.checks),
    }


def committed_runs(runs: Iterable[QualityReport]) -> dict[date, QualityReport]:
    """Return the run of each day that was committed: the last that no check stopped.

    :param runs: oldest first.
    """
    return {run.snapshot_date: run for run in runs if run.outcome != "failed"}


def quality(dates: Sequence[date], runs: Sequence[QualityReport]) -> dict[str, Any]:
    """Return what all runs found.

    :param dates: all dates with a snapshot; one without a report is a dot.
    :param runs: all reports, oldest first.
    """
    on_file = set(dates)
    committed = {day: run for day, run in committed_runs(runs).items() if day in on_file}
    failed = [run for run in runs if run.outcome == "failed"]
    found = _Found()
    flags = [
        (day, check)
        for day in reversed(dates)
        if day in committed
        for check in found.of(committed[day].checks).flagged
    ]
    return {
        "history": _history(dates, committed, found),
        "flagged": [_flag(day, check) for day, check in flags[:_FLAGGED]],
        "failed_runs": [
            {
                "snapshot_id": run.snapshot_id,
                "date": run.snapshot_date,
                "fetched_at": run.fetched_at,
                "score": run.score,
                "checks": list(dict.fromkeys(check.check for check in found.of(run.checks).flagged)),
            }
            for run in failed[: -_FAILED_RUNS - 1 : -1]
        ],
        "flagged_days": len({day for day, _ in flags}),
        "runs": len(runs),
    }


def _flag(day: date, check: CheckResult) -> dict[str, Any]:
    return {
        "date": day,
        "check": check.check,
        "column": check.column,
        "severity": check.severity,
        "failed": check.failed,
        "examples": check.examples,
    }


def _history(dates: Sequence[date], committed: Mapping[date, QualityReport], found: _Found) -> dict[str, Any]:
    runs = [committed.get(day) for day in dates]
    return {
        "dates": list(dates),
        "scores": [run and run.score for run in runs],
        "outcomes": [run and run.outcome for run in runs],
        "served": [run and run.served for run in runs],
        "valid": [run and run.valid for run in runs],
        "quarantined": [run and run.quarantined for run in runs],
        "checks": _check_rows(runs, found),
    }


def _check_rows(runs: Sequence[QualityReport | None], found: _Found) -> list[dict[str, Any]]:
    """Return one row per check, in the order of the newest report that has it.

    A row check runs on many columns: its row is flagged when one of them is, and names them all.
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
    """What one report says of a row."""

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
    """The checks of a report.

    :param flagged: those that did not pass.
    """

    checks: tuple[CheckResult, ...]
    flagged: list[CheckResult]
    rows: Mapping[_Key, _Row]


class _Found:
    """Looks through the checks of reports; those that follow one another often share them."""

    def __init__(self) -> None:
        # With the checks themselves: as long as they are held, nothing else gets their id.
        self._known: dict[int, _Checks] = {}

    def of(self, checks: tuple[CheckResult, ...]) -> _Checks:
        """Return what the checks of a report say."""
        known = self._known.get(id(checks))
        if known is None:
            rows: dict[_Key, _Row] = {}
            for check in checks:
                key = (check.check, check.column if check.level == "snapshot" else None, check.level)
                rows.setdefault(key, _Row(check.severity)).add(check)
            flagged = [check for check in checks if not check.passed]
            known = self._known[id(checks)] = _Checks(checks, flagged, rows)
        return known


def _state(check: CheckResult) -> str:
    """Return - not run, p passed, q flagged: in that order letters win over one another."""
    if not check.passed:
        return "q"
    return "p" if check.evaluated else "-"
