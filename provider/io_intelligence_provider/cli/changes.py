"""Implements ``io-intelligence changes``, which prints the changes of a day."""

from __future__ import annotations

import argparse
from datetime import date
from typing import TYPE_CHECKING, Any

from io_intelligence_provider.cli.arguments import (
    add_date_argument,
    add_json_argument,
    add_root_argument,
    print_json,
)
from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from io_intelligence_provider.changes.detect import ChangesSummary
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["add_parser", "find_changes", "run"]

DESCRIPTION = """\
Compare the snapshot of a day with the one before and print every change. Like the daily Dag it files
changes.parquet, and a rerun files the same; with --against a date nothing is written.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("changes", help="show what changed on a day", description=DESCRIPTION)
    add_root_argument(parser)
    add_date_argument(parser)
    parser.add_argument(
        "--against",
        metavar="DATE",
        default="previous",
        help="an earlier date on file to compare with (default: %(default)s)",
    )
    parser.add_argument(
        "--min-pct",
        type=float,
        metavar="PCT",
        help="only changes of at least so many per cent, and those that have no percentage",
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the changes of one day."""
    from io_intelligence_provider.store.store import SnapshotStore

    if args.min_pct is not None and not args.min_pct >= 0:
        raise ConfigurationError(f"--min-pct is {args.min_pct:g}; it must be 0 or more.")
    store = SnapshotStore(args.root)
    summary, rows = find_changes(store, args.date, args.against)
    least = args.min_pct or 0.0
    shown = [row for row in rows if row["pct"] is None or abs(row["pct"]) >= least]
    if args.json:
        print_json(summary.to_dict() | {"changes": [_plain(row) for row in shown]})
        return 0
    from rich.console import Console

    from io_intelligence_provider.changes.kinds import NUMERIC_FIELDS
    from io_intelligence_provider.cli.tables import Trends, changes_table

    console = Console()
    if summary.previous_date is None:
        console.print(f"{summary.snapshot_date} is the first snapshot on file: there is nothing to compare.")
        return 0
    hidden = f", {len(rows) - len(shown)} below {least:g} % not shown" if len(shown) < len(rows) else ""
    title = f"Changes on {summary.snapshot_date} since {summary.previous_date}: {len(rows)}{hidden}"
    numbers = {row["field"] for row in shown} & set(NUMERIC_FIELDS)
    trends = Trends(store, summary.snapshot_date, sorted(numbers)) if numbers else None
    console.print(changes_table(console, shown, title, trends))
    return 0


def find_changes(
    store: SnapshotStore, day: date | None = None, against: str = "previous"
) -> tuple[ChangesSummary, list[dict[str, Any]]]:
    """Return the changes of a day as rows of ``changes.parquet``; store them if against the previous day.

    :raises NotOnFileError: when there is no such snapshot.
    :raises ConfigurationError: when ``against`` is not an earlier date.
    """
    from io_intelligence_provider.changes.detect import compare_days, detect_changes

    summary = detect_changes(store, day, against)
    if against == "previous":
        table = store.changes(summary.snapshot_date, summary.snapshot_date)
        return summary, table.drop_columns(["snapshot_date"]).to_pylist()
    return summary, compare_days(store, day, against).changes.to_pylist()


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"previous_date": row["previous_date"].isoformat()}
