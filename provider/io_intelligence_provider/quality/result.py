"""What one run of checks over one data set found. Its JSON form is published."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.quality.report import CheckResult, Outcome, counted

__all__ = ["CheckRun", "ColumnProfile", "is_run_id", "new_run_id", "run_file"]

_SHOWN_IN_SUMMARY: Final = 8
"""Failed checks named in a summary; with names cut at 40 characters it stays below 2 KB."""
_LONGEST_NAME: Final = 40
_LONGEST_PATH: Final = 200


@dataclass(frozen=True)
class ColumnProfile:
    """One column over one run.

    Unknown is ``None``, never 0: the median of a text, the greatest value of a column without values.

    :param rows: rows that the column was seen in.
    :param nulls: rows without a value; a NaN is none.
    :param distinct: different values, nulls left out; ``None`` for types that cannot be told apart.
    :param distinct_exact: whether ``distinct`` was counted; else it is an estimate, see
        :class:`~io_intelligence_provider.quality.profile.Profiler`.
    :param min: the smallest finite number, or the earliest date or moment in ISO form.
    :param max: the greatest one. Texts have neither: a report is no place for what may be personal data.
    :param median: of the finite numbers.
    :param mad: the median of their absolute deviations from the median.
    """

    column: str
    rows: int
    nulls: int
    distinct: int | None = None
    distinct_exact: bool = True
    min: float | str | None = None
    max: float | str | None = None
    median: float | None = None
    mad: float | None = None

    @property
    def null_share(self) -> float | None:
        """Rows without a value / rows; ``None`` where there are no rows."""
        return self.nulls / self.rows if self.rows else None

    @property
    def distinct_share(self) -> float | None:
        """Different values / values; ``None`` where there are no values or they cannot be told apart."""
        values = self.rows - self.nulls
        return self.distinct / values if values and self.distinct is not None else None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ColumnProfile:
        """Read the plain form back.

        :raises TypeError: when it is not that form.
        """
        return cls(**data)


@dataclass(frozen=True)
class CheckRun:
    """One schema judged over one data set, passed or not.

    :param run_id: ``<UTC time>-<8 hex digits>``, unique.
    :param dataset: what was checked: the path, glob or folder as it was given, never a credential.
    :param schema: the schema's name, ``module:object`` or path.
    :param checked_at: when the run began, UTC.
    :param seconds: how long it took.
    :param engine: ``local`` or ``spark``.
    :param mode: ``rows``: judged group by group; ``whole``: in one piece, as a check may look at all.
    :param outcome: ``failed`` when the run was stopped, ``warned`` when it passed with any finding.
    :param score: valid rows / rows x passed data-set checks / evaluated ones, 0 to 1; 1 for a data set
        without rows whose data-set checks all passed.
    :param rows: rows read; always ``valid + quarantined``.
    :param files: files read.
    :param checks: one result per check and column; level ``row``, or ``dataset`` for what speaks of no row.
    :param columns: the columns that the data have: (name, type in Arrow's words).
    :param quarantine_path: the file of the refused rows; ``None``: none was asked for.
    :param valid_path: the file of the valid rows; ``None``: none was asked for, the run was stopped, or the
        data set as a whole failed a check.
    :param profile: per column what the history checks compare; empty unless asked for.
    """

    run_id: str
    dataset: str
    schema: str
    checked_at: datetime
    seconds: float
    engine: str
    mode: str
    outcome: Outcome
    score: float
    rows: int
    valid: int
    quarantined: int
    files: int
    checks: tuple[CheckResult, ...]
    columns: tuple[tuple[str, str], ...] = ()
    quarantine_path: str | None = None
    valid_path: str | None = None
    profile: tuple[ColumnProfile, ...] = field(default=())

    def result(self) -> dict[str, float | int]:
        """Return the counts that asset events carry under ``airflow.dataquality.result``."""
        return counted(self.score, self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return the published form, plain JSON values only."""
        return {
            "run_id": self.run_id,
            "dataset": self.dataset,
            "schema": self.schema,
            "checked_at": self.checked_at.isoformat(),
            "seconds": self.seconds,
            "engine": self.engine,
            "mode": self.mode,
            "outcome": self.outcome,
            "score": self.score,
            "rows": {"read": self.rows, "valid": self.valid, "quarantined": self.quarantined},
            "files": self.files,
            "checks": [check.to_dict() for check in self.checks],
            "columns": [{"name": name, "type": type_} for name, type_ in self.columns],
            "quarantine_path": self.quarantine_path,
            "valid_path": self.valid_path,
            "profile": [column.to_dict() for column in self.profile],
        }

    def to_json(self) -> str:
        """Return the published form as ASCII JSON."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CheckRun:
        """Read the published form back.

        :raises KeyError, TypeError, ValueError, msgspec.ValidationError: when it is not that form.
        """
        return cls(
            run_id=data["run_id"],
            dataset=data["dataset"],
            schema=data["schema"],
            checked_at=datetime.fromisoformat(data["checked_at"]),
            seconds=data["seconds"],
            engine=data["engine"],
            mode=data["mode"],
            outcome=data["outcome"],
            score=data["score"],
            rows=data["rows"]["read"],
            valid=data["rows"]["valid"],
            quarantined=data["rows"]["quarantined"],
            files=data["files"],
            checks=msgspec.convert(data["checks"], tuple[CheckResult, ...]),
            columns=tuple((column["name"], column["type"]) for column in data["columns"]),
            quarantine_path=data["quarantine_path"],
            valid_path=data["valid_path"],
            profile=tuple(ColumnProfile.from_dict(column) for column in data["profile"]),
        )

    def summary(self) -> dict[str, Any]:
        """Return what goes to XCom: plain JSON, under 2 KB whatever was found."""
        failed = [check for check in self.checks if not check.passed]
        failed.sort(key=lambda check: (check.severity, -check.failed))
        shown = [
            {
                "check": check.check[:_LONGEST_NAME],
                "column": check.column and check.column[:_LONGEST_NAME],
                "severity": check.severity,
                "failed": check.failed,
            }
            for check in failed[:_SHOWN_IN_SUMMARY]
        ]
        return {
            "run_id": self.run_id,
            "dataset": self.dataset[:_LONGEST_PATH],
            "outcome": self.outcome,
            "score": self.score,
            "rows": self.rows,
            "valid": self.valid,
            "quarantined": self.quarantined,
            "files": self.files,
            "engine": self.engine,
            "mode": self.mode,
            "quarantine_path": self.quarantine_path and self.quarantine_path[:_LONGEST_PATH],
            "valid_path": self.valid_path and self.valid_path[:_LONGEST_PATH],
            "findings": len(failed),
            "checks": shown,
        }


_RUN_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


def new_run_id(moment: datetime) -> str:
    """Return the id of a run that begins now: ``20260630T000012Z-1f2e3d4c``.

    :param moment: of the run, in UTC.
    """
    return f"{moment:%Y%m%dT%H%M%S}Z-{secrets.token_hex(4)}"


def is_run_id(value: Any) -> bool:
    """Tell whether a value can be the id of a run: ASCII letters, digits, ``-`` and ``_`` only.

    That is more than :func:`new_run_id` writes, and nothing that leads out of a folder.
    """
    return isinstance(value, str) and _RUN_ID.fullmatch(value) is not None


def run_file(run_id: str, suffix: str) -> str:
    """Return the name of a file of a run.

    :raises StorageError: when the id is none.
    """
    if not is_run_id(run_id):
        raise StorageError(
            f"{str(run_id)[:100]!r} is no id of a run, so it names no file. Ids are letters, digits, - and _."
        )
    return f"{run_id}.{suffix}"
