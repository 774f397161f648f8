"""The real price history, day by day, through the whole chain into a store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from io_intelligence_provider.catalog.client import IOIntelligenceClient
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.store.snapshot import SnapshotSummary, take_snapshot
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["replay"]


def replay(server: EmulatorServer, store: SnapshotStore, days: Sequence[date]) -> Iterator[SnapshotSummary]:
    """File one snapshot for each day, under its own date, and yield its summary.

    :param server: a running emulator whose catalogue has those days.
    :param days: recorded states, oldest first.
    :raises QualityError: when a day's catalogue fails a check that stops the commit.
    """
    with IOIntelligenceClient(server.url) as client:
        for day in days:
            server.set_as_of(day)
            yield take_snapshot(client, store, snapshot_date=day)
