"""Renders tables and sparklines in the terminal. Names are untrusted, so they are printed as plain text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.store.store import SnapshotStore
from io_intelligence_provider.text import printable

__all__ = [
    "DAYS",
    "Number",
    "Trends",
    "changes_table",
    "models_table",
    "price",
    "safe",
    "sparkline",
    "terminal",
]

Number: TypeAlias = Decimal | int

DAYS: Final = 30
"""Days of a trend. An output narrower than ``_WIDE`` shows the last half of them."""
_WIDE: Final = 120
_NARROWEST: Final = 30
"""Columns below which a price would lose digits. Some environments say that a terminal has none."""

_UNKNOWN, _ELLIPSIS, _GAP = "\N{EM DASH}", "\N{HORIZONTAL ELLIPSIS}", "\N{MIDDLE DOT}"
_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_TO_ASCII: Final = str.maketrans(_UNKNOWN + _ELLIPSIS + _GAP + _BLOCKS, "-~ _.:-=+*#")
_LONGEST_VALUE: Final = 60


def terminal() -> Console:
    """Return the console of the standard output."""
    console = Console()
    console.width = max(console.width, _NARROWEST)
    return console


def safe(value: str | None) -> Text:
    """Return untrusted text without control characters, and without interpreting rich markup."""
    return Text(printable(value or ""))


def price(value: Decimal | None) -> str:
    """Return a price as published with at least two decimals; 0 is free, null is not published."""
    if value is None:
        return _UNKNOWN
    if not value:
        return "free"
    integer, _, decimals = f"{value:f}".partition(".")
    return f"{integer}.{decimals.rstrip('0'):0<2}"


@dataclass(frozen=True)
class _Column:
    """One column of a table.

    :param drop: 0 is always shown; on a narrow output the column with the highest number is dropped first.
    :param fold: the width down to which cells may be folded; 0: they are not.
    """

    title: str
    cells: Sequence[str]
    drop: int = 0
    fold: int = 0
    right: bool = False
    style: str = ""

    @property
    def width(self) -> int:
        """The width below which cells are folded further than they may be."""
        widest = max(cell_len(text) for text in (*self.title.split("\n"), *self.cells))
        return min(widest, self.fold or widest)


def models_table(
    console: Console, rows: Sequence[dict[str, Any]], title: str, trends: Trends | None = None
) -> Table:
    """Return the catalogue as a table for a console: one row per model with its prices and context.

    :param trends: adds a sparkline of the output price of each model.
    """
    statuses = [row["status"] or _UNKNOWN for row in rows]
    drops = {"cache_write_token_price": 4, "cache_read_token_price": 2}
    columns = [
        _Column("model", [row["name"] for row in rows], fold=34),
        # The status may be dropped when all models have the same.
        _Column("status", statuses, drop=3 if len(set(statuses)) == 1 else 0),
        *(
            _Column(_label(name, "\n"), [price(row[name]) for row in rows], drops.get(name, 0), right=True)
            for name in PRICE_COLUMNS
        ),
        _Column("context", [_tokens(row["context_window"]) for row in rows], drop=5, right=True),
    ]
    if trends is not None:
        lines = [trends.of(row["model_id"], row["name"], "output_token_price") for row in rows]
        columns += _trend(console, "output", lines)
    return _table(console, title, columns, "prices in USD per 1M tokens")


def changes_table(
    console: Console, rows: Sequence[dict[str, Any]], title: str, trends: Trends | None = None
) -> Table:
    """Return changes as a table for a console, in the order of ``changes.parquet``; long values are cut.

    :param trends: adds a sparkline of each number that changed.
    """
    columns = [
        _Column("model", [row["name"] for row in rows], fold=24),
        _Column("what", [_label(row["field"] or row["change"]) for row in rows]),
        _Column("old", [_value(row, "old_value") for row in rows], fold=9, right=True),
        _Column("new", [_value(row, "new_value") for row in rows], fold=9, right=True),
        _Column("%", ["" if row["pct"] is None else f"{row['pct']:+.2f}" for row in rows], right=True),
    ]
    if trends is not None:
        lines = [
            trends.of(row["model_id"], row["name"], row["field"]) if row["field"] else [] for row in rows
        ]
        columns += _trend(console, "last", lines)
    return _table(console, title, columns)


def _label(name: str, separator: str = " ") -> str:
    return name.removesuffix("_token_price").replace("_", separator)


def _tokens(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}".replace(",", " ")


def _value(row: dict[str, Any], side: str) -> str:
    value: str | None = row[side]
    if row["field"] is None:
        return ""
    if value is None:
        return _UNKNOWN
    if row["change"] == "price_changed":
        return price(Decimal(value))
    return value if len(value) <= _LONGEST_VALUE else value[: _LONGEST_VALUE - 1] + _ELLIPSIS


def _trend(console: Console, title: str, lines: Sequence[Sequence[Number | None]]) -> Iterator[_Column]:
    """Yield a column of sparklines, or nothing when there is no number to draw."""
    days = DAYS if console.width >= _WIDE else DAYS // 2
    cells = [sparkline(line[-days:]) for line in lines]
    if any(cells):
        yield _Column(f"{title}\n{days} days", cells, drop=1, style="cyan")


def _table(console: Console, title: str, columns: Sequence[_Column], caption: str = "") -> Table:
    """Lay out the columns that fit the console, and name those that do not."""
    gap = 2  # a padding of one, and a blank separator
    shown, dropped = list(columns), []
    while too_wide := sum(column.width + gap for column in shown) - gap > console.width:
        last = max(shown, key=lambda column: column.drop)
        if not last.drop:
            break
        shown.remove(last)
        dropped.append(" ".join(last.title.split()))
    notes = [caption] if caption else []
    if dropped:
        notes.append(f"too narrow for: {', '.join(dropped)}")
    table = Table(
        title=title,
        caption="; ".join(notes) or None,
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
            no_wrap=not column.fold,
            overflow="fold",
            min_width=None if too_wide else column.width,
            style=column.style,
        )
    for row in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*(safe(_ascii(cell) if console.options.ascii_only else cell) for cell in row))
    return table


def _ascii(text: str) -> str:
    return text.translate(_TO_ASCII).encode("ascii", "replace").decode()


def sparkline(values: Sequence[Number | None]) -> str:
    """Return one character per value, scaled from the lowest to the highest value.

    Unknown values are gaps. Equal values are a line at half height.

    :returns: the empty string when all values are unknown.
    """
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)

    def block(value: Number) -> str:
        return _BLOCKS[min(int(8 * (value - low) / span), 7) if span else 3]

    return "".join(_GAP if value is None else block(value) for value in values)


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
            # What is left are numbers: the change of a name is also asked for, and has no trend.
            day, model_id, name = (row.pop(key) for key in ("snapshot_date", "model_id", "name"))
            names[day][name] += 1
            self._rows[f"id {model_id}", day] = row
            self._rows[f"name {name}", day] = row
        self._on_file = sorted(names)
        # A model's id differs between the two wire shapes, so a unique name is used instead.
        self._shared = {name for count in names.values() for name, models in count.items() if models > 1}

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
