"""Renders a result as a table for the terminal."""

from __future__ import annotations

from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from io_intelligence_provider.quality.result import CheckResult, CheckRun
from io_intelligence_provider.text import example_text, printable

__all__ = ["result_table"]


_LONGEST_EXAMPLE: Final = 120
_STYLES: Final = {"failed": "bold red", "flagged": "yellow", "passed": "green", "not evaluated": "dim"}


def _text(value: str | None) -> Text:
    """Return untrusted text without control characters, and without interpreting rich markup."""
    return Text(printable(value or ""))


def result_table(result: CheckRun, *, every: bool = False) -> Table:
    """Return a result as a rich table: the checks with failures, and those of the data set.

    :param every: include row checks without failures.
    """
    shown = result.presentation()
    table = Table(
        title=_text(f"Data quality of {shown.subject}: {result.outcome}, score {result.score:.3f}"),
        caption=_text(f"{shown.read} = {result.valid} valid + {result.quarantined} quarantined"),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.title_justify = table.caption_justify = "left"
    table.add_column("check", overflow="fold")
    table.add_column("column", overflow="fold")
    with_dimensions = any(check.dimension for check in result.checks)
    if with_dimensions:
        table.add_column("dimension", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("failed", justify="right", no_wrap=True)
    table.add_column("evaluated", justify="right", no_wrap=True)
    table.add_column("example", overflow="fold")
    for check in result.checks:
        if every or check.failed or check.level != "row":
            check_name, column, *others = _cells(check)
            dimension = [check.dimension or ""] if with_dimensions else []
            table.add_row(check_name, column, *dimension, *others)
    return table


def _cells(check: CheckResult) -> list[Any]:
    word = _word(check)
    example = check.examples[0] if check.examples else {}
    return [
        _text(check.check),
        _text(check.column),
        Text(word, _STYLES[word]),
        str(check.failed),
        str(check.evaluated),
        _text(example_text(example, _LONGEST_EXAMPLE)),
    ]


def _word(check: CheckResult) -> str:
    if not check.passed:
        return "failed" if check.severity == "error" else "flagged"
    return "passed" if check.evaluated else "not evaluated"
