"""Renders tables and sparklines in the terminal. Names are untrusted, so they are printed as plain text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final, TypeAlias

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.store.store import SnapshotStore

__all__ = [
    "DAYS",
    "Column",
    "FittedTable",
    "Number",
    "Trends",
    "changes_table",
    "models_table",
    "price",
    "safe",
    "sparkline",
    "squeeze",
]


_UNKNOWN: Final = "\N{EM DASH}"
_MODEL: Final = "model"
_LONGEST_VALUE: Final = 60
_CONTEXT_RANK, _STATUS_RANK, _TREND_RANK = 5, 3, 1
_PRICE_RANKS: Final = {"cache_write_token_price": 4, "cache_read_token_price": 2}
"""The columns that are dropped first on a narrow terminal. Input and output prices are always shown."""

_NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
_TO_ASCII: Final = str.maketrans({_UNKNOWN: "-", _NARROW_SPACE: " ", "\N{HORIZONTAL ELLIPSIS}": "~"})


def safe(value: str | None) -> Text:
    """Return untrusted text without control characters, and without interpreting rich markup."""
    return Text("".join(char if _printable(char) else "\N{REPLACEMENT CHARACTER}" for char in value or ""))


def _printable(char: str) -> bool:
    return char.isprintable() or char == _NARROW_SPACE  # the separator of thousands


def price(value: Decimal | None) -> str:
    """Return a price as published with at least two decimals; 0 is free, null is not published."""
    if value is None:
        return _UNKNOWN
    if not value:
        return "free"
    whole, _, decimals = f"{value:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def models_table(rows: Sequence[dict[str, Any]], title: str, trends: Trends | None = None) -> FittedTable:
    """Return the catalogue as a table: one row per model with its prices and context.

    :param trends: adds a sparkline of the output price of each model.
    """
    statuses = [row["status"] or _UNKNOWN for row in rows]
    columns = [
        _column(_MODEL, (row["name"] for row in rows), least=34),
        # The status may be dropped when all models have the same.
        _column("status", statuses, rank=_STATUS_RANK if len(set(statuses)) == 1 else 0),
        *(
            _column(_price_title(name), (price(row[name]) for row in rows), rank=_PRICE_RANKS.get(name, 0))
            for name in PRICE_COLUMNS
        ),
        _column("context", (_tokens(row["context_window"]) for row in rows), rank=_CONTEXT_RANK),
    ]
    if trends is not None:
        lines = [trends.of(row["model_id"], row["name"], "output_token_price") for row in rows]
        columns += _trend("output", lines)
    return FittedTable(title, columns, "prices in USD per 1M tokens")


def changes_table(rows: Sequence[dict[str, Any]], title: str, trends: Trends | None = None) -> FittedTable:
    """Return changes as a table, in the order of ``changes.parquet``; long values are cut.

    :param trends: adds a sparkline of each number that changed.
    """
    columns = [
        _column(_MODEL, (row["name"] for row in rows), least=24),
        _column("what", (_what(row) for row in rows)),
        _column("old", (_value(row, "old_value") for row in rows), least=9, right=True),
        _column("new", (_value(row, "new_value") for row in rows), least=9, right=True),
        _column("%", ("" if row["pct"] is None else f"{row['pct']:+.2f}" for row in rows), right=True),
    ]
    if trends is not None:
        lines = [
            trends.of(row["model_id"], row["name"], row["field"]) if row["field"] else [] for row in rows
        ]
        columns += _trend("last", lines)
    return FittedTable(title, columns)


def _column(
    title: str, values: Iterable[str], *, rank: int = 0, least: int = 0, right: bool | None = None
) -> Column:
    cells = [safe(value) for value in values]
    plain = [safe(cell.plain.translate(_TO_ASCII).encode("ascii", "replace").decode()) for cell in cells]
    aligned = title not in (_MODEL, "status", "what") if right is None else right
    return Column(title, cells, plain, rank=rank, least=least, right=aligned)


def _trend(what: str, lines: Sequence[Sequence[Number | None]]) -> list[Column]:
    """Return a column of sparklines that can shrink to half, or none when there is nothing to draw."""
    if not any(value is not None for line in lines for value in line):
        return []

    def column(drawn: Callable[[Sequence[Number | None]], Sequence[Number | None]]) -> Column:
        return Column(
            f"{what}\n{DAYS} days",
            [safe(sparkline(drawn(line))) for line in lines],
            [safe(sparkline(drawn(line), ascii_only=True)) for line in lines],
            rank=_TREND_RANK,
            style="cyan",
        )

    whole = column(lambda line: line)
    half = column(lambda line: squeeze(line, DAYS // 2))
    return [Column(whole.title, whole.cells, whole.plain, rank=whole.rank, style=whole.style, shorter=half)]


def _price_title(column: str) -> str:
    return column.removesuffix("_token_price").replace("cache_", "cache\n")


def _tokens(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}".replace(",", _NARROW_SPACE)


def _what(row: dict[str, Any]) -> str:
    what: str = row["change"] if row["field"] is None else row["field"].removesuffix("_token_price")
    return what.replace("_", " ")


def _value(row: dict[str, Any], side: str) -> str:
    value: str | None = row[side]
    if row["field"] is None:
        return ""
    if value is None:
        return _UNKNOWN
    if row["change"] == "price_changed":
        return price(Decimal(value))
    if len(value) > _LONGEST_VALUE:
        value = f"{value[: _LONGEST_VALUE - 1]}\N{HORIZONTAL ELLIPSIS}"
    return value


_GAP: Final = 2
"""Characters between two columns: a padding of one, and a blank separator."""


@dataclass(frozen=True)
class Column:
    """One column of formatted cells.

    :param title: its heading; lines are separated by newlines.
    :param cells: one for each row.
    :param plain: the cells for ASCII-only output; ``cells`` unless given.
    :param rank: 0 is always shown; of the others the highest is dropped first.
    :param least: the width down to which cells may be folded; 0: they are not.
    :param shorter: a shorter column that replaces it before columns are dropped.
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
    """A table that is laid out when printed, for the width and the characters of the output."""

    def __init__(self, title: str, columns: Sequence[Column], caption: str = "") -> None:
        self.title = title
        self.columns = tuple(columns)
        self.caption = caption

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.laid_out(options.max_width, ascii_only=options.ascii_only)

    def laid_out(self, width: int, *, ascii_only: bool = False) -> Table:
        """Return the table for an output of ``width`` characters."""
        shown, gone = _fit(self.columns, width)
        fits = _width(shown) <= width  # if not, columns are folded further
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
    """Return the columns that fit, and the names of the dropped ones."""
    shown = list(columns)
    gone: list[str] = []
    if _width(shown) > width:
        shown = [column.shorter or column for column in shown]
    while _width(shown) > width and any(column.rank for column in shown):
        last = max(shown, key=lambda column: column.rank)
        shown.remove(last)
        gone.append(" ".join(last.title.split()))
    return shown, gone


Number: TypeAlias = Decimal | int

DAYS: Final = 30
BLOCKS: Final = "▁▂▃▄▅▆▇█"
ASCII: Final = "_.:-=+*#"
GAP: Final = {BLOCKS: "·", ASCII: " "}


def sparkline(values: Sequence[Number | None], *, ascii_only: bool = False) -> str:
    """Return one character per value, scaled from the lowest to the highest value.

    Unknown values are gaps. Equal values are a line at half height.

    :param ascii_only: for output without block characters.
    :returns: the empty string when all values are unknown.
    """
    levels = ASCII if ascii_only else BLOCKS
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)

    def level(value: Number) -> str:
        at = min(int(8 * (value - low) / span), 7) if span else 3
        return levels[at]

    return "".join(GAP[levels] if value is None else level(value) for value in values)


def squeeze(values: Sequence[Number | None], cells: int) -> list[Number | None]:
    """Reduce values to at most ``cells``, so that a move of a single day stays visible.

    The values are divided into runs of equal length; each becomes its value farthest from the previous one.
    The last run becomes the last value, so that the line ends with the present.
    """
    if len(values) <= cells:
        return list(values)
    size = -(-len(values) // cells)
    first = len(values) % size or size
    shown: list[Number | None] = []
    # The first run has no previous value, so the value after it is used.
    before = next((value for value in values[first:] if value is not None), None)
    for start, end in pairwise([0, *range(first, len(values) + 1, size)]):
        run = values[start:end]
        shown.append(run[-1] if end == len(values) else _farthest(run, before))
        before = before if shown[-1] is None else shown[-1]
    return shown


def _farthest(run: Sequence[Number | None], before: Number | None) -> Number | None:
    known = [value for value in run if value is not None]
    if before is None or not known:
        return known[-1] if known else None
    return max((abs(value - before), value) for value in known)[1]


class Trends:
    """The numbers of every model over the days up to a date, from the stored snapshots.

    A day without a snapshot shows the one before, because a price holds until the next snapshot. A number is
    unknown when the snapshot does not have the model, or the number was not published.

    :param columns: numeric columns of the models file.
    :param days: the number of days, including the last one.
    """

    def __init__(self, store: SnapshotStore, last: date, columns: Collection[str], days: int = DAYS) -> None:
        self._window = [last - timedelta(days=back) for back in reversed(range(days))]
        earlier = [day for day in store.dates() if day <= self._window[0]]
        start = earlier[-1] if earlier else self._window[0]
        table = store.history(start, last, columns=["model_id", "name", *columns])
        self._rows: dict[tuple[str, date], dict[str, Number | None]] = {}
        names: dict[date, Counter[str]] = defaultdict(Counter)
        for row in table.to_pylist():
            day = row.pop("snapshot_date")
            names[day][row["name"]] += 1
            self._rows["id " + row["model_id"], day] = row
            self._rows["name " + row["name"], day] = row
        self._on_file = sorted(names)
        # A model's id differs between the two wire shapes, so a unique name is used instead.
        self._shared = {name for count in names.values() for name, bearers in count.items() if bearers > 1}

    def of(self, model_id: str, name: str, column: str) -> list[Number | None]:
        """Return one number per day, oldest first; ``None`` where it is unknown."""
        key = f"id {model_id}" if name in self._shared else f"name {name}"
        return [
            None if day is None else self._rows.get((key, day), {}).get(column)
            for day in _latest_until(self._window, self._on_file)
        ]


def _latest_until(days: Iterable[date], on_file: Sequence[date]) -> Iterable[date | None]:
    """Yield for each day the latest stored date until then; both are in order."""
    latest = None
    later = iter([*on_file, date.max])
    following = next(later)
    for day in days:
        while following <= day:
            latest, following = following, next(later)
        yield latest
