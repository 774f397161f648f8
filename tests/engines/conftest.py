"""Provides a store of six weeks of real prices, and a last day with every kind of change."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, detect_changes, take_snapshot
from io_intelligence_provider.cli.emulator import replay
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

LAST = date(2026, 7, 1)


def last_day(history: PriceHistory) -> list[dict[str, Any]]:
    """Return the last real catalogue with one model less, and one each refused, free, unpriced and cut."""
    records = sorted(history.records(), key=lambda record: record["name"])
    records.pop(0)
    records[0]["status"] = "?"
    records[1]["metadata"]["input_token_price"] = "0"
    records[2]["metadata"]["output_token_price"] = None
    records[3]["chat_daily_quota_tier_1"] = 7
    records[3]["metadata"]["tags"] = ["fast", "new"]
    return records


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> SnapshotStore:
    store = SnapshotStore(tmp_path_factory.mktemp("engines") / ".demo" / "store")
    history = PriceHistory.load()
    days = [day for day in history.dates if day >= date(2026, 5, 14)]
    with EmulatorServer(catalogue=history) as server:
        replay(server, store, days)
    with (
        EmulatorServer(catalogue=FixedCatalogue(last_day(history))) as server,
        IOIntelligenceClient(server.url) as client,
    ):
        take_snapshot(client, store, snapshot_date=LAST)
    detect_changes(store, LAST)
    return store


@pytest.fixture(scope="session")
def folder(store: SnapshotStore) -> Path:
    """Return ``<root>/models``, with what a killed writer may have left behind."""
    root = Path(store.files.url(""))
    (root / ".models.parquet.1-abcd.tmp").write_bytes(b"half a file")
    (root / "models" / "snapshot_date=2026-07-02").mkdir()
    return root / "models"
