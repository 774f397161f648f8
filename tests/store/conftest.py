"""Stores on disk and in memory, and catalogues that need no server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from io_intelligence_provider.catalog.pagination import Catalogue, Spool
from io_intelligence_provider.catalog.wire import WireShape, record_id
from io_intelligence_provider.emulator.catalogue import encode
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.snapshot import SnapshotSummary, take_snapshot
from io_intelligence_provider.store.store import SnapshotStore

QUOTAS = ("chat", "api_completions", "embeddings", "audio_transcriptions", "audio_speech")


def model_record(name: str = "org/model", metadata: Any = None, /, **fields: Any) -> dict[str, Any]:
    """Return a valid record of the documented shape."""
    return {
        "model_id": str(uuid5(NAMESPACE_URL, name)),
        "name": name,
        "status": "active",
        **{f"{quota}_daily_quota_tier_1": 10 for quota in QUOTAS},
        "metadata": metadata if metadata is not None else {"input_token_price": "1"},
        "created_at": "2025-01-02T03:04:05Z",
        "updated_at": "2025-01-03T03:04:05Z",
        **fields,
    }


class PreparedClient:
    """Stands for a client whose walk over the catalogue is over: records, ready to be judged."""

    def __init__(
        self,
        records: Iterable[Any],
        *,
        shape: WireShape = WireShape.DOCUMENTED,
        total: int | None = None,
        source_url: str = "https://host/api/v1/models",
    ) -> None:
        self.raw = [record if isinstance(record, bytes) else encode(record) for record in records]
        self.shape = shape
        self.total = len(self.raw) if total is None and shape is WireShape.DOCUMENTED else total
        self.source_url = source_url
        self.asked: list[str | None] = []

    def fetch_catalogue(self, q: str | None, _page_size: int | None) -> Catalogue:
        self.asked.append(q)
        ids = [record_id(raw, self.shape) for raw in self.raw]
        seen: set[str] = set()
        repeated = {found for found in ids if found is not None and (found in seen or seen.add(found))}
        spool = Spool()
        for start in range(0, len(self.raw), 100):
            spool.append(self.raw[start : start + 100])
        return Catalogue(
            self.shape, len(self.raw), self.total, frozenset(repeated), datetime.now(UTC), None, spool
        )


@pytest.fixture(scope="session")
def model() -> Callable[..., dict[str, Any]]:
    return model_record


@pytest.fixture(scope="session")
def three_models(model: Callable[..., dict[str, Any]]) -> Callable[[int], list[dict[str, Any]]]:
    """Return a function that gives the models of a day, one of which bears the id of nobody as its name."""

    def of_day(number: int) -> list[dict[str, Any]]:
        price = f"{number}.000000000000000001"
        return [
            model("zai-org/GLM", {"input_token_price": price, "tags": ["x", "y"]}, description="é\U0001f600"),
            model("a", {"output_token_price": "12345678901234567890"}),
            model("00000000-0000-4000-8000-000000000000", {"max_tokens": number}),
        ]

    return of_day


@pytest.fixture(scope="session")
def prepared() -> type[PreparedClient]:
    return PreparedClient


@pytest.fixture(scope="session")
def take(prepared: type[PreparedClient]) -> Callable[..., SnapshotSummary]:
    """Return a function that files some records in a store."""

    def file(store: SnapshotStore, records: Iterable[Any], day: Any = "2026-01-02", **options: Any) -> Any:
        ours = {name: options.pop(name) for name in ("shape", "total", "source_url") if name in options}
        return take_snapshot(prepared(records, **ours), store, snapshot_date=day, **options)  # type: ignore[arg-type]

    return file


@pytest.fixture
def memory_root() -> Iterator[str]:
    """Return a URL of the one memory file system that a process has; nobody else uses it."""
    root = f"/{uuid4()}"
    yield f"memory:/{root}"
    fs = MemoryFileSystem()
    if fs.exists(root):
        fs.rm(root, recursive=True)


@pytest.fixture
def local_store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "store")


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, memory_root: str) -> SnapshotStore:
    return SnapshotStore(tmp_path / "store" if request.param == "local" else memory_root)


def tree(folder: Path) -> list[str]:
    """Return the files below a folder, by their relative names."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture(name="tree", scope="session")
def tree_fixture() -> Callable[[Path], list[str]]:
    return tree


@pytest.fixture(scope="session")
def _server() -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def server(_server: EmulatorServer) -> Iterator[EmulatorServer]:
    """The emulator with the bundled history; undone after each test."""
    yield _server
    _server.state.settle()
    _server.set_as_of(None)


@pytest.fixture(scope="session")
def as_json() -> Callable[[Path], Any]:
    return lambda path: json.loads(path.read_bytes())
