"""Provides a store of two past months and a current one, and lists what is rolled up and read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider.storage.filesystem import OnDisk
from io_intelligence_provider.store.layout import date_of
from io_intelligence_provider.store.store import SnapshotStore

MARCH, APRIL, MAY = (
    [date(2026, month, 1) + timedelta(days=number) for number in range(10)] for month in (3, 4, 5)
)
DAYS = [*MARCH, *APRIL, *MAY[:3]]


def let_a_minute_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock ahead, not the times of the files: files are then old enough to be rolled up."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)


def answers(store: SnapshotStore) -> list[Any]:
    """Return results that do not depend on which files they are read from."""
    return [
        store.history(),
        store.history("2026-03-05", "2026-04-03", models=["a"]),
        store.history("2026-03-05", "2026-03-05", columns=["tags", "input_token_price"]),
        store.history(end="2026-03-10", columns=[]),
        store.history("2026-04-01", models=["zai-org/GLM", "nobody"], columns=["input_token_price"]),
        store.history_frame("2026-03-10"),
        store.changes(),
        store.changes("2026-03-09", "2026-04-01"),
        store.changes_frame(),
        store.periods(),
        store.price_at("zai-org/GLM", "2026-03-07"),
    ]


def months_on_file(store: SnapshotStore, part: str = "models") -> list[str]:
    """Return the months that are rolled up, such as ``2026-03``."""
    return [name[:7] for name in store.files.list(f"compacted/{part}")]


def days_read(store: SnapshotStore, monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """Return the days whose own file is read for the history of all days."""
    paths: list[str] = []
    on_disk = store.files.on_disk

    def noted(asked: Iterable[str], folder: Path) -> Iterator[OnDisk]:
        paths.extend(asked := list(asked))
        return on_disk(asked, folder)

    with monkeypatch.context() as patched:
        patched.setattr(store.files, "on_disk", noted)
        store.history(columns=["name"])
    days = (date_of(path.split("/")[1]) for path in paths if path.startswith("models/"))
    return [day for day in days if day is not None]


def refile(store: SnapshotStore, day: date, price: str = "99") -> None:
    """Write one model as the snapshot of a day."""
    file_records(store, [model_record("zai-org/GLM", {"input_token_price": price})], day, fail_on="never")


def same(one: list[Any], other: list[Any]) -> bool:
    """Compare two lists of :func:`answers`."""
    return all(
        mine.equals(others) if hasattr(mine, "equals") else mine == others
        for mine, others in zip(one, other, strict=True)
    )
