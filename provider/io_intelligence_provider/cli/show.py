"""Implements ``io-intelligence show``, which prints a snapshot as a table."""

from __future__ import annotations

import argparse
from datetime import datetime
from decimal import Decimal
from typing import Any

from io_intelligence_provider.cli.arguments import (
    add_date_argument,
    add_json_argument,
    add_root_argument,
    print_json,
)
from io_intelligence_provider.contract.columns import PRICE_COLUMNS

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Print the models and prices of a snapshot, and draw the output price of each model over the 30 days up to it
(15 below 120 columns) on a scale of its own; a dot is a day on which the price is unknown. Columns that do
not fit the terminal are left out and named.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("show", help="show a snapshot", description=DESCRIPTION)
    add_root_argument(parser)
    add_date_argument(parser)
    parser.add_argument("--search", metavar="TEXT", default="", help="only names that hold this text")
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one snapshot."""
    from io_intelligence_provider.store.store import SnapshotStore

    store = SnapshotStore(args.root)
    day = store.resolve(args.date or "latest")
    wanted = args.search.casefold()
    rows = [row for row in store.read(day).to_pylist() if wanted in row["name"].casefold()]
    if args.json:
        print_json([_plain(row) for row in rows])
        return 0
    from rich.console import Console

    from io_intelligence_provider.cli.tables import Trends, models_table

    report = store.quality(day)
    title = f"{day}: {len(rows)} models, {report.quarantined} quarantined, {report.outcome}"
    console = Console()
    console.print(models_table(console, rows, title, Trends(store, day, ["output_token_price"])))
    return 0


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON values; prices are decimal text, so that they stay exact."""
    plain: dict[str, Any] = {}
    for key, value in row.items():
        if key in PRICE_COLUMNS and isinstance(value, Decimal):
            text = f"{value:f}"
            plain[key] = text.rstrip("0").rstrip(".") if "." in text else text
        else:
            plain[key] = value.isoformat() if isinstance(value, datetime) else value
    return plain
