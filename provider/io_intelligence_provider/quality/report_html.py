"""A result as one HTML page: self-contained, no script, light and dark, fit for print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any, Final, TypeVar

import jinja2

from io_intelligence_provider.quality.report import LONGEST_IN_EXAMPLE, CheckResult, QualityReport
from io_intelligence_provider.quality.result import CheckRun, ColumnProfile
from io_intelligence_provider.text import cut

__all__ = ["CheckTable", "View", "report_html", "view_of"]


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("io_intelligence_provider.quality", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")


def report_html(result: QualityReport | CheckRun) -> str:
    """Render a result, below 200 KB whatever was found: what does not fit is counted, the JSON form has it.

    Everything in it comes from outside, so jinja2 escapes all of it.
    """
    return _template().render(view=view_of(result))


_ROWS: Final = 35_000
_EXAMPLES: Final = 30_000
_PROFILE: Final = 30_000
_LIST: Final = 5_000
"""Bytes of the rows of a table, of its examples, of the profile, of a list of names. With two tables and
three lists the page stays below 200 KB, and no part of it crowds out another."""
_ROW: Final = 330  # bytes of markup around one row of a table
_EXAMPLE: Final = 45  # around one example
_NAME: Final = 15  # around one name in a list

_SNAPSHOT_WORDS: Final = {
    "passed": "Committed, nothing found",
    "warned": "Committed, with findings",
    "failed": "Not committed",
}
_RUN_WORDS: Final = {
    "passed": "Passed, nothing found",
    "warned": "Passed, with findings",
    "failed": "Stopped",
}

Item = TypeVar("Item")


def _size(*values: object) -> int:
    return sum(len(escape(str(value)).encode("utf-8", "replace")) for value in values if value is not None)


@dataclass(frozen=True)
class CheckRow:
    """One check as it is shown; ``hidden`` examples did not fit."""

    check: str
    column: str
    result: CheckResult
    examples: list[dict[str, Any]]
    hidden: int


@dataclass(frozen=True)
class CheckTable:
    """A table of checks; ``hidden`` rows did not fit."""

    title: str
    rows: list[CheckRow]
    hidden: int


@dataclass(frozen=True)
class Names:
    """A list of names; ``hidden`` ones did not fit."""

    shown: list[str]
    hidden: int


@dataclass(frozen=True)
class View:
    """Everything that the template shows. All of it is text from outside: the template escapes it."""

    title: str
    heading: str
    outcome: str
    words: str
    facts: list[str]
    total: str
    tables: list[CheckTable]
    drift: dict[str, Names] | None
    profile: list[ColumnProfile]
    profile_hidden: int
    passed: Names


def view_of(result: QualityReport | CheckRun) -> View:
    """Return what the page shows of a result."""
    return _snapshot_view(result) if isinstance(result, QualityReport) else _run_view(result)


def _snapshot_view(report: QualityReport) -> View:
    facts = [
        report.source_url,
        f"{report.wire_shape} shape",
        f"read {report.fetched_at:%Y-%m-%d %H:%M:%S} UTC",
        f"run {report.snapshot_id}",
    ]
    on_snapshot, rows = _by_level(report.checks)
    tables = [_table("Snapshot checks", on_snapshot), _found(rows)]
    drift = {
        "Unknown": _names(report.unknown_fields),
        "Missing since the previous snapshot": _names(report.missing_fields),
    }
    return View(
        title=f"Data quality {report.snapshot_date}: {report.outcome}",
        heading=f"Data quality of {report.snapshot_date}",
        outcome=report.outcome,
        words=_SNAPSHOT_WORDS[report.outcome],
        facts=facts,
        total=f"{report.served} served = {report.valid} valid + {report.quarantined} quarantined; "
        f"score {report.score:.3f}",
        tables=tables,
        drift=drift,
        profile=[],
        profile_hidden=0,
        passed=_passed(rows),
    )


def _run_view(run: CheckRun) -> View:
    name = cut(run.dataset, 2 * LONGEST_IN_EXAMPLE)
    facts = [
        f"schema {cut(run.schema, 2 * LONGEST_IN_EXAMPLE)}",
        f"checked {run.checked_at:%Y-%m-%d %H:%M:%S} UTC in {run.seconds:.1f} s",
        f"{run.engine}, {'row by row' if run.mode == 'rows' else 'as a whole'}",
        f"run {run.run_id}",
    ]
    paths = (("quarantine", run.quarantine_path), ("valid rows", run.valid_path))
    facts += [f"{what} in {cut(path, 2 * LONGEST_IN_EXAMPLE)}" for what, path in paths if path]
    on_whole, rows = _by_level(run.checks)
    tables = [_table("Checks of the data set", on_whole), _found(rows)]
    profile = _fitting(
        run.profile, lambda column: _ROW + _size(column.column, column.min, column.max), _PROFILE
    )
    return View(
        title=f"Data quality of {_printable(name)}: {run.outcome}",
        heading=f"Data quality of {name}",
        outcome=run.outcome,
        words=_RUN_WORDS[run.outcome],
        facts=facts,
        total=f"{run.rows} rows of {run.files} {'file' if run.files == 1 else 'files'} = {run.valid} valid + "
        f"{run.quarantined} quarantined; score {run.score:.3f}",
        tables=tables,
        drift=None,
        profile=profile,
        profile_hidden=len(run.profile) - len(profile),
        passed=_passed(rows),
    )


def _by_level(checks: Iterable[CheckResult]) -> tuple[list[CheckResult], list[CheckResult]]:
    """Return the checks to show one by one because they speak of the whole, and the others.

    What failed comes first. What passed on one of many columns is listed with the row checks that passed.
    """
    on_whole: list[CheckResult] = []
    others: list[CheckResult] = []
    for check in checks:
        is_one_of_many = check.column is not None and check.evaluated and not check.failed
        (others if check.level == "row" or is_one_of_many else on_whole).append(check)
    return sorted(on_whole, key=lambda check: check.passed), others


def _found(rows: Sequence[CheckResult]) -> CheckTable:
    return _table("Row checks that found something", [check for check in rows if check.failed])


def _table(title: str, checks: Sequence[CheckResult]) -> CheckTable:
    named = [(_cut(check.check), _cut(check.column or ""), check) for check in checks]
    rows = _fitting(named, lambda row: _ROW + _size(row[0], row[1]), _ROWS)
    left = _EXAMPLES
    shown = []
    for name, column, check in rows:
        examples = _fitting(check.examples, _example_size, left)
        left -= sum(_example_size(example) for example in examples)
        shown.append(CheckRow(name, column, check, examples, len(check.examples) - len(examples)))
    return CheckTable(title, shown, len(checks) - len(rows))


def _example_size(example: dict[str, Any]) -> int:
    return _EXAMPLE + sum(_NAME + _size(key, value) for key, value in example.items())


def _passed(rows: Sequence[CheckResult]) -> Names:
    return _names([f"{check.check} {check.column or ''}".strip() for check in rows if not check.failed])


def _names(names: Sequence[str]) -> Names:
    shown = _fitting([_cut(name) for name in names[:100]], lambda name: _NAME + _size(name), _LIST)
    return Names(shown, len(names) - len(shown))


def _fitting(items: Iterable[Item], size: Callable[[Item], int], budget: int) -> list[Item]:
    """Return the first items, as many as fit; what does not is counted by whoever asked."""
    fitting: list[Item] = []
    for item in items:
        budget -= size(item)
        if budget < 0:
            break
        fitting.append(item)
    return fitting


def _printable(text: str) -> str:
    """Return text without what could turn the direction of a window's title: no element can isolate it."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _cut(text: str) -> str:
    return cut(text, LONGEST_IN_EXAMPLE)
