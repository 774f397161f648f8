"""A table that fits the terminal: what matters least goes first, and the caption says what went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

__all__ = ["Column", "FittedTable"]

_GAP: Final = 2
"""Characters between two columns: a padding of one, and a separator that is blank."""


@dataclass(frozen=True)
class Column:
    """One column, already written out.

    :param title: its head; lines are separated by newlines.
    :param cells: one for each row.
    :param plain: the same for an output that knows ASCII only; ``cells`` unless given.
    :param rank: 0 is always shown; of the others the highest goes first.
    :param least: the width down to which cells may be folded; 0: they are not.
    :param shorter: what takes its place before anything is left out.
    """

    title: str
    cells: Sequence[Text]
    plain: Sequence[Text] | None = None
    rank: int = 0
    least: int = 0
    right: bool = False
    shorter: Column | None = None
    style: str = ""

    @property
    def natural(self) -> int:
        """The width at which nothing is folded."""
        heads = [cell_len(line) for line in self.title.split("\n")]
        return max([*heads, *(cell.cell_len for cell in self.cells)])

    @property
    def narrowest(self) -> int:
        """The width below which something is cut."""
        return min(self.natural, self.least) if self.least else self.natural


class FittedTable:
    """A table that is laid out when it is printed, for the width and the characters of that output."""

    def __init__(self, title: str, columns: Sequence[Column], caption: str = "") -> None:
        self.title = title
        self.columns = tuple(columns)
        self.caption = caption

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.laid_out(options.max_width, ascii_only=options.ascii_only)

    def laid_out(self, width: int, *, ascii_only: bool = False) -> Table:
        """Return the table for an output of ``width`` characters."""
        shown, gone = _fit(self.columns, width)
        fits = _width(shown) <= width  # else what can be folded is folded further
        notes = [self.caption, f"too narrow for: {', '.join(gone)}" if gone else ""]
        table = Table(
            title=self.title,
            caption="; ".join(note for note in notes if note) or None,
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        table.title_justify = table.caption_justify = "left"
        for column in shown:
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=not column.least,
                overflow="fold",
                min_width=column.narrowest if fits else None,
                style=column.style,
            )
        cells = [
            column.plain if ascii_only and column.plain is not None else column.cells for column in shown
        ]
        for row in zip(*cells, strict=True):
            table.add_row(*row)
        return table


def _width(columns: Sequence[Column]) -> int:
    """Return the width below which something is cut."""
    return sum(column.narrowest + _GAP for column in columns) - _GAP


def _fit(columns: Sequence[Column], width: int) -> tuple[list[Column], list[str]]:
    """Return the columns that fit, and the names of those that do not."""
    shown = list(columns)
    gone: list[str] = []
    if _width(shown) > width:
        shown = [column.shorter or column for column in shown]
    while _width(shown) > width and any(column.rank for column in shown):
        last = max(shown, key=lambda column: column.rank)
        shown.remove(last)
        gone.append(" ".join(last.title.split()))
    return shown, gone
