"""A result in the terminal."""

from __future__ import annotations

from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from io_intelligence_provider.quality.report import CheckResult, QualityReport
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.text import cut

__all__ = ["printable", "result_table"]


_LONGEST_EXAMPLE: Final = 120
_STYLES: Final = {"failed": "bold red", "flagged": "yellow", "passed": "green", "not evaluated": "dim"}


def printable(value: str | None) -> Text:
    """Return foreign text without control characters, and without rich reading markup into it."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value or ""))


def result_table(result: QualityReport | CheckRun, *, every: bool = False) -> Table:
    """Return a result as a table for rich: the checks that found something, and those of the whole.

    :param every: row checks that found nothing as well.
    """
    table = Table(
        title=printable(_title(result)),
        caption=printable(_caption(result)),
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.title_justify = table.caption_justify = "left"
    table.add_column("check", overflow="fold")
    table.add_column("column", overflow="fold")
    table.add_column("result", no_wrap=True)
    table.add_column("failed", justify="right", no_wrap=True)
    table.add_column("evaluated", justify="right", no_wrap=True)
    table.add_column("example", overflow="fold")
    for check in result.checks:
        if every or check.failed or check.level != "row":
            table.add_row(*_cells(check))
    return table


def _cells(check: CheckResult) -> list[Any]:
    word = _word(check)
    example = check.examples[0] if check.examples else {}
    shown = ", ".join(f"{key}: {value}" for key, value in example.items() if value is not None)
    return [
        printable(check.check),
        printable(check.column),
        Text(word, _STYLES[word]),
        str(check.failed),
        str(check.evaluated),
        printable(cut(shown, _LONGEST_EXAMPLE)),
    ]


def _word(check: CheckResult) -> str:
    if not check.passed:
        return "failed" if check.severity == "error" else "flagged"
    return "passed" if check.evaluated else "not evaluated"


def _title(result: QualityReport | CheckRun) -> str:
    of = str(result.snapshot_date) if isinstance(result, QualityReport) else result.dataset
    return f"Data quality of {of}: {result.outcome}, score {result.score:.3f}"


def _caption(result: QualityReport | CheckRun) -> str:
    rows = f"{result.served} served" if isinstance(result, QualityReport) else f"{result.rows} rows"
    return f"{rows} = {result.valid} valid + {result.quarantined} quarantined"
