"""One run as one row of the result history, there and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cache
from typing import Any, Final

import msgspec
import pyarrow as pa

from io_intelligence_provider.quality.profile import ColumnProfile
from io_intelligence_provider.quality.report import CheckResult, checked
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.storage.parquet import FileKind

__all__ = ["RESULTS_KIND", "result_row", "results_schema", "run_of_row"]


@cache
def results_schema() -> pa.Schema:
    """Return the schema of a result file. Columns may be added to it, none changes its meaning."""
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
    """Return the run of a row; its ``dataset`` is the name it was filed under.

    :raises ValueError: when a value is none that a run can have.
    """
    form = {name: row[name] for name in _PLAIN} | {
        "checks": [_check_of(check) for check in row["checks"] or ()],
        "columns": [(column["name"], column["type"]) for column in row["columns"] or ()],
        "profile": [_profile_of(column) for column in row["profile"] or ()],
    }
    run = msgspec.convert(form, CheckRun)
    for check in run.checks:
        checked(check)
    return run


def _check_of(row: Mapping[str, Any]) -> dict[str, Any]:
    share, count = row["threshold_share"], row["threshold_count"]
    return {key: row[key] for key in ("check", "column", "level", "severity", "evaluated", "failed")} | {
        "examples": json.loads(row["examples"]),
        "threshold": count if share is None else share,
    }


def _profile_of(row: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {
        bound: row[bound] if row[text] is None else row[text]
        for bound, text in (("min", "earliest"), ("max", "latest"))
    }
    return {name: value for name, value in row.items() if name not in ("earliest", "latest")} | bounds


RESULTS_KIND: Final = FileKind(
    "result file",
    results_schema,
    most_rows=1_000,
    rows_free=1_000,
    rows_per_byte=1,
    required=frozenset({"run_id", "dataset", "checked_at", "outcome", "checks"}),
)
"""It holds one run."""

_PLAIN: Final = [
    field.name for field in fields(CheckRun) if field.name not in ("checks", "columns", "profile")
]
