"""Defines what the results of snapshots and of data sets share: checks over time, refused rows, the report.

:func:`without_values` is what users see who may not read the Dag that filed a result.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Final, TypeAlias, TypeVar

from starlette.responses import HTMLResponse, Response

from io_intelligence_provider.plugin.api.common import Answer
from io_intelligence_provider.quality.report_html import report_html
from io_intelligence_provider.quality.result import CheckResult, CheckRun, Level, Severity

__all__ = [
    "CheckRow",
    "CheckSummaries",
    "Failure",
    "MayRead",
    "check_rows",
    "html_response",
    "refused_record",
    "without_values",
]

Run = TypeVar("Run", bound=CheckRun)

MayRead: TypeAlias = Callable[[str | None], bool]
"""Returns whether the user may read a Dag; ``None`` is the Dag of a result that names none."""


def without_values(run: Run) -> Run:
    """Return a run as those see it who may not read the Dag that filed it: outcomes and counts."""
    return replace(run, checks=tuple(replace(check, examples=[]) for check in run.checks), profile=())


def check_rows(runs: Sequence[CheckRun | None], found: CheckSummaries) -> list[dict[str, Any]]:
    """Return one row per check, in the order of the newest run that has it.

    Where the summaries combine columns, a row is flagged when one of its columns is, and names all of them.
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
    """Summarizes one row of one report."""

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
    """Summarizes the checks of a report.

    :param flagged: those that did not pass.
    """

    checks: tuple[CheckResult, ...]
    flagged: list[CheckResult]
    rows: Mapping[_Key, _Row]


class CheckSummaries:
    """Summarizes the checks of reports; consecutive reports often share the same tuple of checks.

    :param by_column: whether each column has a row of its own; the catalogue's checks have many columns.
    """

    def __init__(self, *, by_column: bool = False) -> None:
        self._by_column = by_column
        # Each entry holds its checks, so that no other object can get the same id.
        self._known: dict[int, _Checks] = {}

    def of(self, checks: tuple[CheckResult, ...]) -> _Checks:
        """Return the summary of the checks of a report."""
        known = self._known.get(id(checks))
        if known is None:
            rows: dict[_Key, _Row] = {}
            for check in checks:
                column = check.column if self._by_column or check.level == "snapshot" else None
                key = (check.check, column, check.level)
                rows.setdefault(key, _Row(check.severity)).add(check)
            flagged = [check for check in checks if not check.passed]
            known = self._known[id(checks)] = _Checks(checks, flagged, rows)
        return known


def _state(check: CheckResult) -> str:
    """Return - for not run, p for passed, q for flagged; the greatest letter of a row is shown."""
    if not check.passed:
        return "q"
    return "p" if check.evaluated else "-"


class CheckRow(Answer):
    """Holds one check over all days; ``states``: a letter per day, p passed, f flagged, - not run."""

    check: str
    column: str | None
    columns: list[str]
    level: Level
    severity: Severity
    states: str
    flagged: int


_LONGEST_RECORD: Final = 20_000
"""The most characters returned of a record, value or message; the Parquet file holds all."""


def refused_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a quarantine with its reasons, each text cut to what is returned."""
    record = row["record"]
    return {
        "record": record[:_LONGEST_RECORD],
        "truncated": len(record) > _LONGEST_RECORD,
        "failures": [
            {key: text and text[:_LONGEST_RECORD] for key, text in failure.items()}
            for failure in row["failures"] or ()
        ],
    }


class Failure(Answer):
    """Describes why a record was refused."""

    check: str | None
    column: str | None
    value: str | None
    message: str | None


_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def html_response(run: CheckRun) -> Response:
    """Return the report of a run as a page of its own, which runs no script."""
    text = report_html(run)
    styles = " ".join(
        f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in _STYLE.findall(text)
    )
    policy = f"default-src 'none'; style-src {styles}; frame-ancestors 'self'; sandbox"
    headers = {"Cache-Control": "no-cache, private", "Content-Security-Policy": policy}
    return HTMLResponse(text, headers=headers)
