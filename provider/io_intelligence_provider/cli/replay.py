"""Implements ``io-intelligence replay``, which files the recorded price history day by day."""

from __future__ import annotations

import argparse
from datetime import date

from io_intelligence_provider.cli.arguments import add_json_argument, add_root_argument, print_json
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Serve the recorded price history from an emulator and file one snapshot for each recorded state, and what
changed with it, through the same client, checks and store as the daily Dag. A quota that nobody published
is 0 in the emulated records.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "replay", help="file the recorded price history day by day", description=DESCRIPTION
    )
    add_root_argument(parser)
    parser.add_argument("--history", metavar="FILE", help="price history, JSON lines (default: bundled)")
    parser.add_argument("--start", type=date.fromisoformat, metavar="DATE", help="first day to file")
    parser.add_argument("--end", type=date.fromisoformat, metavar="DATE", help="last day to file")
    parser.add_argument(
        "--shape",
        choices=("documented", "openai"),
        default="documented",
        help="wire shape (default: %(default)s)",
    )
    add_json_argument(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay the days.

    :raises ConfigurationError: when the history has none of the days.
    """
    from rich.console import Console
    from rich.progress import track

    from io_intelligence_provider.cli.recorded import replayed
    from io_intelligence_provider.emulator.history import PriceHistory
    from io_intelligence_provider.emulator.server import EmulatorServer
    from io_intelligence_provider.store.store import SnapshotStore

    history = PriceHistory.load(args.history)
    first, last = args.start or history.dates[0], args.end or history.dates[-1]
    days = [day for day in history.dates if first <= day <= last]
    if not days:
        raise ConfigurationError(
            f"The price history has no state from {first} to {last}; it has {len(history.dates)}, "
            f"{history.dates[0]} to {history.dates[-1]}. Correct --start and --end."
        )
    store = SnapshotStore(args.root)
    progress = Console(stderr=True)
    with EmulatorServer(catalogue=history, shape=args.shape) as server:
        summaries = list(
            track(
                replayed(server, store, days),
                "Replaying",
                total=len(days),
                console=progress,
                disable=not progress.is_terminal,
                transient=True,
            )
        )
    if args.json:
        print_json([summary.to_dict() for summary in summaries])
        return 0
    flagged = [summary for summary in summaries if summary.outcome != "passed"]
    print(f"{len(summaries)} snapshots filed below {store.files.root}, {len(flagged)} of them with findings")
    for summary in flagged:
        print(f"  {summary.snapshot_date}: {summary.outcome}, score {summary.score:g}")
    return 0
