"""Implements ``io-intelligence replay``, which files the recorded price history day by day."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from io_intelligence_provider.cli.arguments import add_json_argument, add_root_argument, print_json
from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from io_intelligence_provider.emulator.server import EmulatorServer
    from io_intelligence_provider.snapshot import SnapshotSummary
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["add_parser", "file_missing_changes", "replay", "run"]

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
    terminal = Console(stderr=True)
    with EmulatorServer(catalogue=history, shape=args.shape) as server:
        summaries = replay(server, store, days, terminal if terminal.is_terminal else None)
    if args.json:
        print_json([summary.to_dict() for summary in summaries])
        return 0
    flagged = [summary for summary in summaries if summary.outcome != "passed"]
    print(f"{len(summaries)} snapshots filed below {store.files.root}, {len(flagged)} of them with findings")
    for summary in flagged:
        print(f"  {summary.snapshot_date}: {summary.outcome}, score {summary.score:g}")
    return 0


def replay(
    server: EmulatorServer, store: SnapshotStore, days: Sequence[date], console: Console | None = None
) -> list[SnapshotSummary]:
    """File the snapshot and the changes of each day, as the daily Dag does.

    The emulator serves its last state afterwards.

    :param server: a running emulator whose catalogue has those days.
    :param days: recorded states, oldest first.
    :param console: the console for a progress bar; ``None``: none is shown.
    :raises QualityError: when a day's catalogue fails a check that stops the commit.
    """
    from rich.progress import track

    from io_intelligence_provider.catalog.client import IOIntelligenceClient
    from io_intelligence_provider.changes.detect import detect_changes
    from io_intelligence_provider.snapshot import take_snapshot

    summaries = []
    with IOIntelligenceClient(server.url) as client:
        for day in track(
            days, "Replaying the price history", console=console, disable=console is None, transient=True
        ):
            with _delayed_interrupt():
                server.set_as_of(day)
                summaries.append(take_snapshot(client, store, snapshot_date=day))
                detect_changes(store, day)
    server.set_as_of(None)
    return summaries


@contextmanager
def _delayed_interrupt() -> Iterator[None]:
    """Delay ``KeyboardInterrupt`` until the end of the block, because polars panics on one.

    The block takes a fraction of a second. Only the main thread gets signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = False

    def note(*_: object) -> None:
        nonlocal pressed
        pressed = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def file_missing_changes(store: SnapshotStore) -> int:
    """Store the changes of every snapshot without stored changes; return the number of these snapshots.

    :raises StorageError: when a file cannot be read or written.
    """
    from io_intelligence_provider.changes.detect import detect_changes
    from io_intelligence_provider.store.layout import changes_path

    missing = [day for day in store.dates() if not store.files.exists(changes_path(day))]
    for day in missing:
        detect_changes(store, day)
    return len(missing)
