"""Stores written row by row: what a test says is on file is on file."""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider.contract.columns import COLUMNS, arrow_schema
from io_intelligence_provider.contract.records import RefusedRecord
from io_intelligence_provider.store.layout import models_path, quarantine_path
from io_intelligence_provider.store.models_file import file_metadata
from io_intelligence_provider.store.quarantine import QuarantineFile
from io_intelligence_provider.store.store import SnapshotStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = date(2026, 3, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def model(name: str, **values: Any) -> dict[str, Any]:
    """A row of ``models.parquet``: what is not said is null; prices are given as text."""
    row: dict[str, Any] = {column.name: None for column in COLUMNS if column.name != "fetched_at"}
    row |= {"name": name, "model_id": values.pop("model_id", None) or uid(name)}
    return row | {
        key: Decimal(value) if key.endswith("_price") and value is not None else value
        for key, value in values.items()
    }


def parquet_of(rows: Sequence[dict[str, Any]], metadata: dict[str, str]) -> bytes:
    """Write a snapshot without the store's own writer: a change to that is not felt here."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = sorted(
        ({**row, "fetched_at": NOW} for row in rows), key=lambda row: (row["name"], row["model_id"])
    )
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(ordered, schema=arrow_schema().with_metadata(file_metadata(metadata)))
    pq.write_table(table, sink, compression="zstd")
    data: bytes = sink.getvalue().to_pybytes()
    return data


class World:
    """A store, and how to file a day in it."""

    def __init__(self, root: Path) -> None:
        self.store = SnapshotStore(root)

    def file(
        self,
        when: date | int,
        *rows: dict[str, Any],
        refused: Iterable[tuple[str | None, str | None]] = (),
        shape: str = "documented",
    ) -> str:
        """Commit a snapshot; ``refused`` are (model_id, name) of records in quarantine."""
        when = day(when) if isinstance(when, int) else when
        run = secrets.token_hex(6)
        metadata = {
            "snapshot_id": run,
            "fetched_at": NOW.isoformat(),
            "wire_shape": shape,
            "source_url": "http://example.test",
            "query": "",
            "provider_version": "0",
        }
        with QuarantineFile(run, NOW) as quarantine:
            quarantine.add([RefusedRecord(*who, json.dumps(who), ()) for who in refused])
            self.store.files.put(quarantine_path(when, run), quarantine.finish())
        self.store.files.put(models_path(when), parquet_of(rows, metadata))
        return run


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "store")


@pytest.fixture
def new_world(tmp_path: Path) -> Callable[[], World]:
    return lambda: World(tmp_path / secrets.token_hex(4))


@pytest.fixture(name="model", scope="session")
def model_fixture() -> Callable[..., dict[str, Any]]:
    return model


@pytest.fixture(name="uid", scope="session")
def uid_fixture() -> Callable[[str], str]:
    return uid


@pytest.fixture(name="day", scope="session")
def day_fixture() -> Callable[[int], date]:
    return day
