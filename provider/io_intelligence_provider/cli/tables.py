"""Tables in the terminal. Names come from outside: they are printed as text, never as markup or codes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from io_intelligence_provider.quality.contract import PRICE_COLUMNS

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

__all__ = ["column_title", "models_table", "price", "safe"]


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


def column_title(column: str) -> str:
    """Return the head of a price column."""
    return column.removesuffix("_token_price").replace("cache_", "cache\n")


def models_table(rows: list[dict[str, Any]], title: str) -> Table:
    """Return the catalogue as a table: one row per model with its prices and context."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, caption="prices in USD per 1M tokens", box=box.SIMPLE_HEAD, pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("model", overflow="fold")
    table.add_column("status", no_wrap=True)
    for column in PRICE_COLUMNS:
        table.add_column(column_title(column), justify="right", no_wrap=True)
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
