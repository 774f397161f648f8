"""Files the recorded price history as a store, day by day, from the emulator."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from rich.console import Console
from rich.progress import track

from io_intelligence_provider.catalog.client import IOIntelligenceClient
from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.snapshot import SnapshotSummary, take_snapshot
from io_intelligence_provider.store.layout import changes_path
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["file_missing_changes", "file_recorded", "replay", "replayed"]


def replayed(server: EmulatorServer, store: SnapshotStore, days: Sequence[date]) -> Iterator[SnapshotSummary]:
    """File the snapshot and the changes of each day, as the daily Dag does; yield its summary.

    :param server: a running emulator whose catalogue has those days.
    :param days: recorded states, oldest first.
    """
    summaries = replay(server, store, days)
    while True:
        with _ctrl_c_held_back():
            summary = next(summaries, None)
            if summary is not None:
                detect_changes(store, summary.snapshot_date)
        if summary is None:
            return
        yield summary


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
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


def file_recorded(
    server: EmulatorServer, store: SnapshotStore, days: Sequence[date], console: Console | None = None
) -> None:
    """Call :func:`replayed` with a progress bar, and make the emulator serve its last state afterwards.

    :param console: the console for the progress bar.
    """
    for _ in track(
        replayed(server, store, days),
        "Replaying the price history",
        len(days),
        console=console,
        disable=console is None,
    ):
        pass
    server.set_as_of(None)


def file_missing_changes(store: SnapshotStore) -> int:
    """Store the changes of every snapshot without stored changes; return the number of these snapshots.

    :raises StorageError: when a file cannot be read or written.
    """
    missing = [day for day in store.dates() if not store.files.exists(changes_path(day))]
    for day in missing:
        detect_changes(store, day)
    return len(missing)


def replay(server: EmulatorServer, store: SnapshotStore, days: Sequence[date]) -> Iterator[SnapshotSummary]:
    """File one snapshot for each day, under its date, and yield its summary.

    :param server: a running emulator whose catalogue has those days.
    :param days: recorded states, oldest first.
    :raises QualityError: when a day's catalogue fails a check that stops the commit.
    """
    with IOIntelligenceClient(server.url) as client:
        for day in days:
            server.set_as_of(day)
            yield take_snapshot(client, store, snapshot_date=day)
