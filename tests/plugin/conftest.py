"""Stores with known content, and the page over them, served by a real server on loopback."""

from __future__ import annotations

import json
import secrets
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.contract.columns import COLUMNS, arrow_schema
from io_intelligence_provider.contract.records import RefusedRecord
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.quality.result import CheckFailure, CheckResult
from io_intelligence_provider.store.layout import models_path, quality_path, quarantine_path
from io_intelligence_provider.store.models_file import file_metadata
from io_intelligence_provider.store.quarantine import QuarantineFile
from io_intelligence_provider.store.store import SnapshotStore

FIRST = date(2026, 3, 1)
PREFIX = "/io-intelligence/"


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def model(name: str, **values: Any) -> dict[str, Any]:
    """A row of ``models.parquet``: what is not said is null; prices are given as text."""
    row: dict[str, Any] = {column.name: None for column in COLUMNS if column.name != "fetched_at"}
    row |= {
        "name": name,
        "model_id": values.pop("model_id", None) or str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
    }
    return row | {
        key: Decimal(value) if key.endswith("_price") and value is not None else value
        for key, value in values.items()
    }


class World:
    """A store, and how to file a day in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = SnapshotStore(root)

    def file(
        self,
        number: int,
        *rows: dict[str, Any],
        refused: Iterable[RefusedRecord] = (),
        shape: str = "documented",
        checks: Sequence[CheckResult] = (),
        outcome: Any = "passed",
        changes: bool = False,
    ) -> str:
        """Commit a snapshot with its evidence; a failed outcome leaves the evidence only."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        run, when, fetched = secrets.token_hex(6), day(number), datetime.now(UTC)
        metadata = {
            "snapshot_id": run,
            "fetched_at": fetched.isoformat(),
            "wire_shape": shape,
            "source_url": "http://example.test",
            "query": "",
            "provider_version": "0",
        }
        refused = list(refused)
        report = QualityReport(
            run_id=run,
            checked_at=fetched,
            outcome=outcome,
            score=1.0,
            rows=len(rows) + len(refused),
            valid=len(rows),
            quarantined=len(refused),
            checks=tuple(checks),
            snapshot_date=when,
            source_url="http://example.test",
            wire_shape=shape,
            fields=(),
        )
        with QuarantineFile(run, fetched) as quarantine:
            quarantine.add(refused)
            self.store.files.put(quarantine_path(when, run), quarantine.finish())
        self.store.files.put(quality_path(when, run), report.to_json().encode())
        if outcome != "failed":
            ordered = sorted(
                ({**row, "fetched_at": fetched} for row in rows),
                key=lambda row: (row["name"], row["model_id"]),
            )
            schema = arrow_schema().with_metadata(file_metadata(metadata))
            sink = pa.BufferOutputStream()
            pq.write_table(pa.Table.from_pylist(ordered, schema=schema), sink, compression="zstd")
            self.store.files.put(models_path(when), sink.getvalue().to_pybytes())
        if changes:
            detect_changes(self.store, when)
        return run

    def models_file(self, number: int) -> Path:
        return self.root / models_path(day(number))

    def damage(self, path: Path) -> None:
        """Cut a file in half."""
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


class Answer:
    """Status, headers and body of an answer."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.data = response.data

    @property
    def text(self) -> str:
        return self.data.decode()

    def json(self) -> Any:
        # Not a float: what is compared is what was sent.
        return json.loads(self.data)


class Client:
    """Asks a page; never follows a redirect, sends no header that it is not told to."""

    def __init__(self, host: str, pool: urllib3.PoolManager) -> None:
        self.host = host
        self._pool = pool

    def get(self, path: str, params: Any = None, /, method: str = "GET", **headers: str) -> Answer:
        """Ask for something below the page's prefix, or for an absolute path."""
        url = self.host + (path if path.startswith("/") else PREFIX + path)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        encoded = urlencode(params, doseq=True) if params else ""
        full = f"{url}?{encoded}" if encoded else url
        return Answer(
            self._pool.request(
                method, full, headers=sent, redirect=False, retries=False, decode_content=False
            )
        )

    def api(self, route: str, /, **params: Any) -> Any:
        """Return the JSON of a route that must answer."""
        answer = self.get(f"api/{route}", params)
        assert answer.status == 200, answer.text
        return answer.json()

    def problem(self, route: str, /, **params: Any) -> tuple[int, dict[str, Any]]:
        """Return status and error of a route that must not."""
        answer = self.get(f"api/{route}", params)
        return answer.status, answer.json()["error"]


@contextmanager
def page_over(open_store: Any, access: Any = lambda: None, seconds: float = 0.0) -> Iterator[Client]:
    """Serve the page over a store: a root, or a function that opens one."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from io_intelligence_provider.plugin.app import build_app
    from io_intelligence_provider.plugin.reader import StoreSource

    opener = open_store if callable(open_store) else lambda: SnapshotStore(open_store)
    page = build_app(StoreSource(opener, seconds), access)
    app = Starlette(routes=[Mount("/io-intelligence", page)])
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    ready = threading.Event()
    startup = server.startup

    async def started(*arguments: Any, **options: Any) -> None:
        await startup(*arguments, **options)
        ready.set()

    server.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, name="page")
    thread.start()
    try:
        assert ready.wait(60)
        port = server.servers[0].sockets[0].getsockname()[1]
        with urllib3.PoolManager() as pool:
            yield Client(f"http://127.0.0.1:{port}", pool)
    finally:
        server.should_exit = True
        thread.join()  # with those of its event loop


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Return a function that serves the page over a store until the test is over."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(page_over(*arguments, **options))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "store")


@pytest.fixture(scope="session")
def new_world() -> Callable[[Path], World]:
    """Return a function that gives the store at a root, to be filled."""
    return World


@pytest.fixture(scope="session")
def real(recorded_store: Path) -> Iterator[Client]:
    """The page over the recorded history."""
    with page_over(recorded_store, seconds=1.0) as client:
        yield client


def refusal(name: str | None, record: str, **failure: str) -> RefusedRecord:
    """A refused record with one reason."""
    reason = {
        "check": "price",
        "column": "input_token_price",
        "value": "x",
        "message": "is no price",
    } | failure
    return RefusedRecord(None, name, record, (CheckFailure(rows=None, **reason),))


@pytest.fixture(name="model", scope="session")
def model_fixture() -> Callable[..., dict[str, Any]]:
    return model


@pytest.fixture(name="day", scope="session")
def day_fixture() -> Callable[[int], date]:
    return day


@pytest.fixture(name="refusal", scope="session")
def refusal_fixture() -> Callable[..., RefusedRecord]:
    return refusal
