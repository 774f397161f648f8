"""Renders a result as one self-contained HTML page without scripts, in light and dark, printable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final, TypeVar

from markupsafe import Markup

from io_intelligence_provider.quality.result import LONGEST_IN_EXAMPLE, CheckResult, CheckRun, ColumnProfile
from io_intelligence_provider.text import cut, printable

__all__ = ["report_html"]


def report_html(result: CheckRun) -> str:
    """Render a result as HTML below 200 KB. Items that do not fit are counted; the JSON form has them.

    All text is untrusted: ``Markup.format`` and ``Markup.join`` escape it.
    """
    shown = result.presentation()
    on_whole, others = _by_level(result.checks)
    found = [check for check in others if check.failed]
    passed, skipped = (
        [
            f"{check.check} {check.column or ''}".strip()
            for check in others
            if not check.failed and bool(check.evaluated) is evaluated
        ]
        for evaluated in (True, False)
    )
    total = f"{shown.read} = {result.valid} valid + {result.quarantined} quarantined"
    page = Markup(
        "<!doctype html>\n"
        '<html lang="en">\n'
        "<head>\n"
        '<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        """content="default-src 'none'; style-src 'unsafe-inline'">\n"""
        "<title>Data quality of {}: {outcome}</title>\n"
        "<style>\n{}</style>\n"
        "</head>\n"
        "<body>\n"
        '<h1><bdi>Data quality of {}</bdi> <span class="chip {outcome}">{}</span></h1>\n'
        '<p class="muted">{}</p>\n'
        '<p class="sum">{}; score {:.3f}</p>\n'
        "{}{}{}{}"
        '<h2>{}</h2>\n<p class="muted">{}</p>\n{}'
        "</body>\n"
        "</html>"
    ).format(
        printable(shown.subject),
        Markup(Path(__file__).with_name("report.css").read_text(encoding="utf-8")),  # noqa: S704 - our own
        shown.subject,
        shown.outcome,
        _joined(shown.facts),
        total,
        result.score,
        _check_table(shown.on_whole, on_whole),
        _check_table("Row checks that found something", found),
        _drift(shown.drift),
        _profile(result.profile),
        "Checks of rows and columns that passed" if shown.drift is None else "Row checks that passed",
        _names(passed),
        Markup('<h2>Row checks not evaluated</h2>\n<p class="muted">{}</p>\n').format(_names(skipped))
        if skipped
        else "",
        outcome=result.outcome,
    )
    return str(page)


_ROWS: Final = 35_000
_EXAMPLES: Final = 30_000
_PROFILE: Final = 30_000
_LIST: Final = 5_000
"""Budgets in bytes: the rows of a table, its examples, the profile, a list of names. They keep a page with
two tables and four lists below 200 KB, and no part crowds out another."""
_ROW: Final = 400  # bytes of markup around one row of a table
_EXAMPLE: Final = 45  # around one example
_NAME: Final = 15  # around one name in a list

Item = TypeVar("Item")


def _size(*values: object) -> int:
    return sum(len(escape(str(value)).encode("utf-8", "replace")) for value in values if value is not None)


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


def _check_table(title: str, checks: Sequence[CheckResult]) -> Markup:
    named = [(_cut(check.check), _cut(check.column or ""), check) for check in checks]
    fitting = _fitting(named, lambda row: _ROW + _size(row[0], row[1]), _ROWS)
    left = _EXAMPLES
    rows = []
    for name, column, check in fitting:
        examples = _fitting(check.examples, _example_size, left)
        left -= sum(_example_size(example) for example in examples)
        rows.append(_check_row(name, column, check, examples))
    headings = ("Check", "Column", "Severity", "Evaluated ", "Failed ", "Result", "Examples")
    table = _table(title, headings, rows) or Markup("<p>None.</p>")
    return Markup("<h2>{}</h2>\n{}{}\n").format(title, table, _more(len(checks) - len(rows), "checks"))


def _check_row(name: str, column: str, check: CheckResult, examples: list[dict[str, Any]]) -> Markup:
    if not check.passed:
        is_error = check.severity == "error"
        chip = "failed" if is_error else "warned", "failed" if is_error else "flagged", "\n"
    elif check.failed:
        chip = "passed", f"within {check.threshold}", "\n"
    else:
        chip = ("passed", "passed", "") if check.evaluated else ("idle", "not evaluated", "")
    items = [
        Markup("<li><code>{}</code></li>").format(
            _joined(f"{key}: {value}" for key, value in example.items() if value is not None)
        )
        for example in examples
    ]
    dimension = Markup('<br><span class="muted" title="rule {}">{}</span>').format(
        check.rule_id, check.dimension
    )
    return Markup(
        '<tr><td class="name"><bdi>{}</bdi>{}</td><td><bdi>{}</bdi></td><td>{}</td>\n'
        '<td class="n">{}</td><td class="n">{}</td>\n'
        '<td><span class="chip {}">{}</span>{}</td>\n'
        "{}{}</td></tr>\n"
    ).format(
        name,
        dimension if check.dimension else "",
        column,
        check.severity,
        check.evaluated,
        check.failed,
        *chip,
        Markup('<td class="examples"><ul>{}</ul>').format(Markup("").join(items))
        if items
        else Markup("<td>"),
        _more(len(check.examples) - len(examples), "examples"),
    )


def _table(title: str, headings: Iterable[str], rows: Sequence[Markup]) -> Markup:
    """Return a table, nothing without rows.

    :param headings: of the columns; those of numbers end with a space.
    """
    if not rows:
        return Markup("")
    cells = [
        Markup('<th scope="col"{}>{}</th>').format(
            Markup(' class="n"') if heading.endswith(" ") else "", heading.rstrip()
        )
        for heading in headings
    ]
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table>\n'
        "<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n"
    ).format(title, Markup("").join(cells), Markup("").join(rows))


def _more(hidden: int, what: str) -> Markup:
    text = Markup('<p class="muted">and {} more {} in the JSON report</p>')
    return text.format(hidden, what) if hidden else Markup("")


def _example_size(example: dict[str, Any]) -> int:
    return _EXAMPLE + sum(_NAME + _size(key, value) for key, value in example.items())


def _drift(drift: Mapping[str, Sequence[str]] | None) -> Markup:
    if drift is None:
        return Markup("")
    parts = [Markup("{}: {}.").format(what, _names(keys)) for what, keys in drift.items()]
    return Markup("<h2>Drift of the API's keys</h2>\n<p>{}</p>\n").format(Markup(" ").join(parts))


def _profile(columns: Sequence[ColumnProfile]) -> Markup:
    if not columns:
        return Markup("")
    shown = _fitting(columns, lambda column: _ROW + _size(column.column, column.min, column.max), _PROFILE)
    row = Markup(
        '<tr><td class="name"><bdi>{}</bdi></td><td class="n">{}</td><td class="n">{}</td>\n'
        '<td class="n">{}</td>\n'
        '<td class="n">{}</td><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td></tr>\n'
    )
    rows = [
        row.format(
            column.column,
            column.rows,
            column.nulls,
            ""
            if column.distinct is None
            else f"{'' if column.distinct_exact else 'about '}{column.distinct}",
            *map(_figure, (column.min, column.median, column.mad, column.max)),
        )
        for column in shown
    ]
    headings = (
        "Column", "Rows ", "Without a value ", "Different values ", "Smallest ", "Median ", "MAD ",
        "Greatest ",
    )  # fmt: skip
    return Markup("<h2>Columns</h2>\n{}{}\n").format(
        _table("Columns", headings, rows), _more(len(columns) - len(shown), "columns")
    )


def _figure(value: float | str | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.6g}"


def _names(names: Sequence[str]) -> Markup:
    shown = _fitting([_cut(name) for name in names[:100]], lambda name: _NAME + _size(name), _LIST)
    hidden = len(names) - len(shown)
    listed = _joined(shown) if shown or hidden else Markup("none")
    return Markup("{} and {} more").format(listed, hidden).strip() if hidden else listed


def _joined(texts: Iterable[str]) -> Markup:
    return Markup(", ").join(Markup("<bdi>{}</bdi>").format(text) for text in texts)


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
