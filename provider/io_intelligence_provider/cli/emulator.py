"""Implements the commands that serve the recorded price history: emulate and replay."""

from __future__ import annotations

import json
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Final

from io_intelligence_provider.cli.arguments import (
    EMULATOR_PORT,
    add_json_argument,
    add_root_argument,
    api_key,
    iso_date,
    print_json,
)
from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from io_intelligence_provider.cli.commands import Commands
    from io_intelligence_provider.emulator.catalogue import Catalogue
    from io_intelligence_provider.emulator.server import EmulatorServer
    from io_intelligence_provider.snapshot import SnapshotSummary
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["add_emulate", "add_replay", "file_missing_changes", "replay"]

_EMULATE: Final = """\
Serve the models endpoint of IO Intelligence from a bundled price history, to test a Dag, also
against faults. Without --api-key-env every request is accepted.
"""

_FAULT: Final = """\
a fault; may be repeated. One of status=CODE[,retry_after=VALUE], redirect=URL, delay=SECONDS,
reset, truncate, drift=remove_first|insert_first|swap; then ,page=N (drift: ,after=N) and ,times=N or
,times=forever (default: once, on any page). Example: status=503,times=3,retry_after=1. The bundled history
is one page for a client that asks for 100 models a page.
"""


def add_emulate(commands: Commands) -> None:
    """Register ``emulate``."""
    parser = commands.add_parser(
        "emulate", help="serve an emulation of the models endpoint", description=_EMULATE
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=int, default=EMULATOR_PORT, help="port, 0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--shape",
        choices=("documented", "openai"),
        default="documented",
        help="form of the responses: as documented, or as public clients observe it (default: %(default)s)",
    )
    parser.add_argument(
        "--as-of",
        type=iso_date,
        metavar="DATE",
        help="day to serve, as YYYY-MM-DD (default: the last of the history)",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--history", metavar="FILE", help="price history, JSON lines, instead of the bundled one"
    )
    source.add_argument(
        "--catalogue", metavar="FILE", help="JSON list of records (may be .gz) to serve unchanged instead"
    )
    parser.add_argument(
        "--api-key-env", metavar="NAME", help="environment variable with the only API key to accept"
    )
    parser.add_argument("--fault", action="append", default=[], metavar="SPEC", help=_FAULT)
    parser.set_defaults(run=_run_emulate)


def _run_emulate(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Returns 0, or 2 when an argument is wrong or the address is taken."""
    from io_intelligence_provider.emulator.faults import Fault
    from io_intelligence_provider.emulator.server import EmulatorServer

    try:
        faults = [Fault.parse(spec) for spec in args.fault]
        server = EmulatorServer(
            host=args.host,
            port=args.port,
            catalogue=_catalogue(args),
            api_key=api_key(args.api_key_env) if args.api_key_env else None,
            shape=args.shape,
            as_of=args.as_of,
        )
        server.start()
    except (ConfigurationError, OSError) as error:
        print(f"io-intelligence emulate: {error}", file=sys.stderr)
        return 2
    server.faults.add(*faults)
    try:
        print(_welcome(server.url, args), flush=True)
        server.wait()
    except KeyboardInterrupt:
        print()
    finally:
        server.stop()
    return 0


def _catalogue(args: argparse.Namespace) -> Catalogue:
    from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory

    if args.catalogue:
        return FixedCatalogue.from_file(args.catalogue)
    return PriceHistory.load(args.history)


def _welcome(url: str, args: argparse.Namespace) -> str:
    """Return the emulator's URL and example commands; a key is named by its variable, never shown."""
    key = args.api_key_env
    header = f' -H "Authorization: Bearer ${key}"' if key else ""
    connection = json.dumps({"conn_type": "io_intelligence", "host": url})
    if key:
        connection = f"""{connection[:-1]}, "password": "'"${key}"'"}}"""
    return (
        f"Serving {args.shape} answers at {url}/api/v1/models (Ctrl-C stops)\n\n"
        f"  curl{header} '{url}/api/v1/models?page_size=2'\n"
        f"  export AIRFLOW_CONN_IO_INTELLIGENCE_DEFAULT='{connection}'\n"
    )


_REPLAY: Final = """\
Serve the recorded price history from an emulator and file one snapshot for each recorded state, and what
changed with it, through the same client, checks and store as the daily Dag. A quota that nobody published
is 0 in the emulated records.
"""


def add_replay(commands: Commands) -> None:
    """Register ``replay``."""
    parser = commands.add_parser(
        "replay", help="file the recorded price history day by day", description=_REPLAY
    )
    add_root_argument(parser)
    parser.add_argument("--history", metavar="FILE", help="price history, JSON lines (default: bundled)")
    parser.add_argument("--start", type=iso_date, metavar="DATE", help="first day to file")
    parser.add_argument("--end", type=iso_date, metavar="DATE", help="last day to file")
    parser.add_argument(
        "--shape",
        choices=("documented", "openai"),
        default="documented",
        help="wire shape (default: %(default)s)",
    )
    add_json_argument(parser)
    parser.set_defaults(run=_run_replay)


def _run_replay(args: argparse.Namespace) -> int:
    """Replay the days.

    :raises ConfigurationError: when the history has none of the days.
    """
    from rich.console import Console

    from io_intelligence_provider.emulator.catalogue import PriceHistory
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
