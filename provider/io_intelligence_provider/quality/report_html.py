"""Renders a result as one self-contained HTML page without scripts, in light and dark, printable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any, Final, TypeVar

import jinja2

from io_intelligence_provider.quality.result import LONGEST_IN_EXAMPLE, CheckResult, CheckRun, ColumnProfile
from io_intelligence_provider.text import cut, printable

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


def report_html(result: CheckRun) -> str:
    """Render a result as HTML below 200 KB. Items that do not fit are counted; the JSON form has them.

    All text is untrusted; jinja2 escapes it.
    """
    return _template().render(view=view_of(result))


_ROWS: Final = 35_000
_EXAMPLES: Final = 30_000
_PROFILE: Final = 30_000
_LIST: Final = 5_000
"""Budgets in bytes: the rows of a table, its examples, the profile, a list of names. They keep a page with
two tables and three lists below 200 KB, and no part crowds out another."""
_ROW: Final = 400  # bytes of markup around one row of a table
_EXAMPLE: Final = 45  # around one example
_NAME: Final = 15  # around one name in a list

Item = TypeVar("Item")


def _size(*values: object) -> int:
    return sum(len(escape(str(value)).encode("utf-8", "replace")) for value in values if value is not None)


@dataclass(frozen=True)
class CheckRow:
    """One check; ``hidden`` examples did not fit."""

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
    """The values that the template shows; it escapes all of them."""

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


def view_of(result: CheckRun) -> View:
    """Return the template's values for a result."""
    shown = result.presentation()
    on_whole, rows = _by_level(result.checks)
    profile = _fitting(
        result.profile, lambda column: _ROW + _size(column.column, column.min, column.max), _PROFILE
    )
    return View(
        title=f"Data quality of {printable(shown.subject)}: {result.outcome}",
        heading=f"Data quality of {shown.subject}",
        outcome=result.outcome,
        words=shown.outcome,
        facts=list(shown.facts),
        total=f"{shown.read} = {result.valid} valid + {result.quarantined} quarantined; "
        f"score {result.score:.3f}",
        tables=[_table(shown.on_whole, on_whole), _found(rows)],
        drift=None if shown.drift is None else {what: _names(keys) for what, keys in shown.drift.items()},
        profile=profile,
        profile_hidden=len(result.profile) - len(profile),
        passed=_passed(rows),
    )


def _by_level(checks: Iterable[CheckResult]) -> tuple[list[CheckResult], list[CheckResult]]:
    """Return the data-set checks to show one by one, failed ones first, and all other checks.

    A data-set check that passed on one column is listed with the row checks that passed.
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
    """Return as many of the first items as fit the budget."""
    fitting: list[Item] = []
    for item in items:
        budget -= size(item)
        if budget < 0:
            break
        fitting.append(item)
    return fitting


def _cut(text: str) -> str:
    return cut(text, LONGEST_IN_EXAMPLE)
