"""Tables in the terminal. Names come from outside: they are printed as text, never as markup or codes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.quality.contract import PRICE_COLUMNS

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["changes_table", "models_table", "price", "safe"]


def safe(value: str | None) -> Text:
    """Return foreign text without control characters, and without rich reading markup into it."""
    from rich.text import Text

    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value or ""))


def price(value: Decimal | None) -> str:
    """Return a price as published with at least two decimals; 0 is free, null is not published."""
    if value is None:
        return "\N{EM DASH}"
    if not value:
        return "free"
    whole, _, decimals = f"{value:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<2}"


def _column_title(column: str) -> str:
    return column.removesuffix("_token_price").replace("cache_", "cache\n")


def models_table(rows: list[dict[str, Any]], title: str) -> Table:
    """Return the catalogue as a table: one row per model with its prices and context."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title,
        caption="prices in USD per 1M tokens",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.title_justify = table.caption_justify = "left"
    table.add_column("model", overflow="fold")
    table.add_column("status", no_wrap=True)
    for column in PRICE_COLUMNS:
        table.add_column(_column_title(column), justify="right", no_wrap=True)
    table.add_column("context", justify="right", no_wrap=True)
    for row in rows:
        context = row["context_window"]
        table.add_row(
            safe(row["name"]),
            safe(row["status"] or "\N{EM DASH}"),
            *(price(row[column]) for column in PRICE_COLUMNS),
            "\N{EM DASH}" if context is None else f"{context:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
        )
    return table


_LONGEST_VALUE: Final = 60


def changes_table(rows: list[dict[str, Any]], title: str) -> Table:
    """Return changes as a table, in the order of ``changes.parquet``; long values are cut."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.title_justify = "left"
    table.add_column("model", overflow="fold")
    table.add_column("what", no_wrap=True)
    table.add_column("old", justify="right", overflow="fold")
    table.add_column("new", justify="right", overflow="fold")
    table.add_column("%", justify="right", no_wrap=True)
    for row in rows:
        what = row["change"] if row["field"] is None else row["field"].removesuffix("_token_price")
        table.add_row(
            safe(row["name"]),
            what.replace("_", " "),
            *(_value(row, side) for side in ("old_value", "new_value")),
            "" if row["pct"] is None else f"{row['pct']:+.2f}",
        )
    return table


def _value(row: dict[str, Any], side: str) -> Text:
    value = row[side]
    if row["field"] is None:
        return safe("")
    if value is None:
        return safe("\N{EM DASH}")
    if row["change"] == "price_changed":
        return safe(price(Decimal(value)))
    if len(value) > _LONGEST_VALUE:
        value = f"{value[: _LONGEST_VALUE - 1]}\N{HORIZONTAL ELLIPSIS}"
    return safe(value)
