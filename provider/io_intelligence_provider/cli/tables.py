"""Tables in the terminal. Names come from outside: they are printed as text, never as markup or codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from rich.text import Text

from io_intelligence_provider.cli.fitting import Column, FittedTable
from io_intelligence_provider.cli.sparkline import DAYS, Number, Trends, sparkline, squeeze
from io_intelligence_provider.contract.columns import PRICE_COLUMNS

__all__ = ["changes_table", "models_table", "price", "safe"]

_UNKNOWN: Final = "\N{EM DASH}"
_MODEL: Final = "model"
_LONGEST_VALUE: Final = 60
_CONTEXT_RANK, _STATUS_RANK, _TREND_RANK = 5, 3, 1
_PRICE_RANKS: Final = {"cache_write_token_price": 4, "cache_read_token_price": 2}
"""What goes first on a narrow terminal. Input and output prices stay at any width."""

_NARROW_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
_TO_ASCII: Final = str.maketrans({_UNKNOWN: "-", _NARROW_SPACE: " ", "\N{HORIZONTAL ELLIPSIS}": "~"})


def safe(value: str | None) -> Text:
    """Return foreign text without control characters, and without rich reading markup into it."""
    return Text("".join(char if _printable(char) else "\N{REPLACEMENT CHARACTER}" for char in value or ""))


def _printable(char: str) -> bool:
    return char.isprintable() or char == _NARROW_SPACE  # our own, between thousands


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

    :param trends: with it, a sparkline of the output price of each model.
    """
    statuses = [row["status"] or _UNKNOWN for row in rows]
    columns = [
        _column(_MODEL, (row["name"] for row in rows), least=34),
        # A status that all share can go; one that tells models apart stays.
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

    :param trends: with it, a sparkline of each number that changed.
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
    """Return a column of sparklines that shrinks to half, or none when there is nothing to draw."""
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
