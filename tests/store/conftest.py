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
def versioned_store(store: SnapshotStore) -> SnapshotStore:
    """Return a store on a file system that tells versions, without which no month is rolled up."""
    if not store.files.supports_versions:
        pytest.skip("the memory file system of fsspec before 2026 has no listing of a tree")
    return store


@pytest.fixture
def filed_months(two_months: Path, versioned_store: SnapshotStore) -> SnapshotStore:
    """The same, on disk and in memory."""
    for path in sorted(two_months.rglob("*")):
        if path.is_file():
            versioned_store.files.put(path.relative_to(two_months).as_posix(), path.read_bytes())
    return versioned_store
