"""Provides a store of two past months, on disk and in memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.months import DAYS
from helpers.records import three_models
from helpers.stores import file_records
from io_intelligence_provider import detect_changes
from io_intelligence_provider.store.store import SnapshotStore


@pytest.fixture(scope="session")
def two_months(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two months of ten days and three days of the next, with a change each day, never rolled up."""
    store = SnapshotStore(tmp_path_factory.mktemp("template"))
    for number, day in enumerate(DAYS):
        file_records(store, three_models(number), day)
        detect_changes(store, day)
    shutil.rmtree(store.files.url("compacted"), ignore_errors=True)
    return Path(store.files.url(""))


@pytest.fixture
def filed_months(two_months: Path, store: SnapshotStore) -> SnapshotStore:
    """The same, on disk and in memory."""
    for path in sorted(two_months.rglob("*")):
        if path.is_file():
            store.files.put(path.relative_to(two_months).as_posix(), path.read_bytes())
    return store
