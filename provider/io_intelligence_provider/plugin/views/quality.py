"""The quality of a day, and of all days: one letter a check and day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

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
    committed = {day: run for day, run in committed_runs(runs).items() if day in set(dates)}
    failed = [run for run in runs if run.outcome == "failed"]
    flags = [
        (day, check)
        for day in reversed(dates)
        if day in committed
        for check in _failed(committed[day].checks)
    ]
    return {
        "history": _history(dates, committed),
        "flagged": [_flag(day, check) for day, check in flags[:_FLAGGED]],
        "failed_runs": [
            {
                "snapshot_id": run.snapshot_id,
                "date": run.snapshot_date,
                "fetched_at": run.fetched_at,
                "score": run.score,
                "checks": list(dict.fromkeys(check.check for check in _failed(run.checks))),
            }
            for run in failed[: -_FAILED_RUNS - 1 : -1]
        ],
        "flagged_days": len({day for day, _ in flags}),
        "runs": len(runs),
    }


def _failed(checks: Iterable[CheckResult]) -> list[CheckResult]:
    return [check for check in checks if not check.passed]


def _flag(day: date, check: CheckResult) -> dict[str, Any]:
    return {
        "date": day,
        "check": check.check,
        "column": check.column,
        "severity": check.severity,
        "failed": check.failed,
        "examples": check.examples,
    }


def _history(dates: Sequence[date], committed: Mapping[date, QualityReport]) -> dict[str, Any]:
    runs = [committed.get(day) for day in dates]
    return {
        "dates": list(dates),
        "scores": [run and run.score for run in runs],
        "outcomes": [run and run.outcome for run in runs],
        "served": [run and run.served for run in runs],
        "valid": [run and run.valid for run in runs],
        "quarantined": [run and run.quarantined for run in runs],
        "checks": _check_rows(runs),
    }


def _check_rows(runs: Sequence[QualityReport | None]) -> list[dict[str, Any]]:
    """Return one row per check, in the order of the newest report that has it.

    A row check runs on many columns: its row is flagged when one of them is, and names them all.
    """
    rows: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    states: dict[tuple[str, str | None, str], list[str]] = {}
    for position in reversed(range(len(runs))):
        run = runs[position]
        for check in run.checks if run else ():
            key = (check.check, check.column if check.level == "snapshot" else None, check.level)
            if key not in rows:
                rows[key] = {"check": key[0], "column": key[1], "columns": [], "level": key[2]}
                rows[key]["severity"] = check.severity
                states[key] = ["-"] * len(runs)
            row = rows[key]
            if check.column is not None and check.column not in row["columns"]:
                row["columns"].append(check.column)
            if check.severity == "error":
                row["severity"] = "error"
            states[key][position] = max(states[key][position], _state(check))
    return [
        row | {"states": "".join(states[key]).replace("q", "f"), "flagged": states[key].count("q")}
        for key, row in rows.items()
    ]


def _state(check: CheckResult) -> str:
    """Return - not run, p passed, q flagged: in that order letters win over one another."""
    if not check.passed:
        return "q"
    return "p" if check.evaluated else "-"
