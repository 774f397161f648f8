"""One run as one row of the result history, there and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from io_intelligence_provider.quality.profile import ColumnProfile
from io_intelligence_provider.quality.report import CheckResult
from io_intelligence_provider.quality.result import CheckRun

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["result_row", "results_schema", "run_of_row"]


def results_schema() -> pa.Schema:
    """Return the schema of a result file. Columns may be added to it, none changes its meaning."""
    import pyarrow as pa

    text, count, number = pa.string(), pa.int64(), pa.float64()
    check = pa.struct(
        {
            "check": text,
            "column": text,
            "level": text,
            "severity": text,
            "evaluated": count,
            "failed": count,
            "passed": pa.bool_(),
            "threshold_count": count,
            "threshold_share": number,
            "examples": text,
        }
    )
    profile = pa.struct(
        {
            "column": text,
            "rows": count,
            "nulls": count,
            "distinct": count,
            "distinct_exact": pa.bool_(),
            "min": number,
            "max": number,
            "earliest": text,
            "latest": text,
            "median": number,
            "mad": number,
        }
    )
    return pa.schema(
        {
            "run_id": text,
            "dataset": text,
            "source": text,
            "schema": text,
            "checked_at": pa.timestamp("us", "UTC"),
            "seconds": number,
            "engine": text,
            "mode": text,
            "outcome": text,
            "score": number,
            "rows": count,
            "valid": count,
            "quarantined": count,
            "files": count,
            "quarantine_path": text,
            "valid_path": text,
            "checks": pa.list_(check),
            "columns": pa.list_(pa.struct({"name": text, "type": text})),
            "profile": pa.list_(profile),
        }
    )


def result_row(run: CheckRun, dataset: str) -> dict[str, Any]:
    """Return a run as a row.

    :param dataset: the name it is filed under; the run's own ``dataset`` goes to ``source``.
    """
    return {
        "run_id": run.run_id,
        "dataset": dataset,
        "source": run.dataset,
        "schema": run.schema,
        "checked_at": run.checked_at,
        "seconds": run.seconds,
        "engine": run.engine,
        "mode": run.mode,
        "outcome": run.outcome,
        "score": run.score,
        "rows": run.rows,
        "valid": run.valid,
        "quarantined": run.quarantined,
        "files": run.files,
        "quarantine_path": run.quarantine_path,
        "valid_path": run.valid_path,
        "checks": [_check_row(check) for check in run.checks],
        "columns": [{"name": name, "type": type_} for name, type_ in run.columns],
        "profile": [_profile_row(column) for column in run.profile],
    }


def _check_row(check: CheckResult) -> dict[str, Any]:
    share = isinstance(check.threshold, float)
    return {
        "check": check.check,
        "column": check.column,
        "level": check.level,
        "severity": check.severity,
        "evaluated": check.evaluated,
        "failed": check.failed,
        "passed": check.passed,
        "threshold_count": None if share else check.threshold,
        "threshold_share": check.threshold if share else None,
        "examples": json.dumps(check.examples),
    }


def _profile_row(column: ColumnProfile) -> dict[str, Any]:
    """Numbers and dates go to columns of their own, so that each has one type."""
    row = asdict(column)
    for bound, text in (("min", "earliest"), ("max", "latest")):
        row[text] = row[bound] if isinstance(row[bound], str) else None
        row[bound] = None if isinstance(row[bound], str) else row[bound]
    return row


def run_of_row(row: Mapping[str, Any]) -> CheckRun:
    """Return the run of a row; its ``dataset`` is the name it was filed under."""
    return CheckRun(
        run_id=row["run_id"],
        dataset=row["dataset"],
        schema=row["schema"],
        checked_at=row["checked_at"],
        seconds=row["seconds"],
        engine=row["engine"],
        mode=row["mode"],
        outcome=row["outcome"],
        score=row["score"],
        rows=row["rows"],
        valid=row["valid"],
        quarantined=row["quarantined"],
        files=row["files"],
        checks=tuple(_check_of(check) for check in row["checks"] or ()),
        columns=tuple((column["name"], column["type"]) for column in row["columns"] or ()),
        quarantine_path=row["quarantine_path"],
        valid_path=row["valid_path"],
        profile=tuple(_profile_of(column) for column in row["profile"] or ()),
    )


def _check_of(row: Mapping[str, Any]) -> CheckResult:
    return CheckResult(
        check=row["check"],
        column=row["column"],
        level=row["level"],
        severity=row["severity"],
        evaluated=row["evaluated"],
        failed=row["failed"],
        examples=json.loads(row["examples"]),
        threshold=row["threshold_count"] if row["threshold_share"] is None else row["threshold_share"],
    )


def _profile_of(row: Mapping[str, Any]) -> ColumnProfile:
    known = {name: value for name, value in row.items() if name not in ("earliest", "latest")}
    return ColumnProfile(
        **known
        | {
            "min": row["min"] if row["earliest"] is None else row["earliest"],
            "max": row["max"] if row["latest"] is None else row["latest"],
        }
    )
