"""Measures the page's routes: ``python tests/bench/page.py [MODELS] [DAYS] [ROOT]`` prints a line per route.

The store is made below a temporary folder (or ROOT, which is kept and used again): models, changes, reports.
On each day three models in ten move their four prices. Cold is the first answer of a page that has read
nothing yet, with the libraries imported; warm the median of thirty differing by nothing but the moment;
``new`` the median of warm answers to questions not asked before; 304 that of asking with the ETag. All are
asked over HTTP of a server on loopback. Trust the ratios: the machine's other work is in the figures.

Also printed: what loading the plugin adds to a process that has ``airflow.sdk`` loaded, as every task has.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.changes.diff import SORTED_BY, to_parquet
from io_intelligence_provider.changes.values import percent
from io_intelligence_provider.contract.columns import COLUMNS, PRICE_COLUMNS, QUOTA_COLUMNS, arrow_schema
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.plugin.app import build_app
from io_intelligence_provider.plugin.listing import StoreSource
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.store.layout import (
    QuarantineFile,
    changes_path,
    changes_schema,
    models_path,
    quality_path,
    quarantine_path,
)
from io_intelligence_provider.store.models_file import file_metadata, writer_options

LAST: Final = date(2026, 6, 30)
_TIMES: Final = 30


def rows_of(names: list[str], prices: list[list[int]], when: datetime) -> pa.Table:
    """Return a snapshot; prices are thousandths."""
    schema = arrow_schema()
    count = len(names)
    values: dict[str, Any] = {
        "model_id": [str(uuid.uuid5(uuid.NAMESPACE_URL, name)) for name in names],
        "name": names,
        "description": ["What its vendor says of a model, at some length. " * 4] * count,
        "status": ["active"] * count,
        "tags": [["a", "b"]] * count,
        "fetched_at": [when] * count,
        **{quota: [1_000_000] * count for quota in QUOTA_COLUMNS},
        **{
            column: [Decimal(price[place]).scaleb(-3) for price in prices]
            for place, column in enumerate(PRICE_COLUMNS)
        },
    }
    columns = [
        pa.array(values[field.name], field.type) if field.name in values else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def changes_of(names: list[str], before: list[list[int]], now: list[list[int]], previous: date) -> pa.Table:
    """Return the changed prices of a day; each tenth day or so a quota changed too."""
    rows = []
    for name, old, new in zip(names, before, now, strict=True):
        for place, column in enumerate(PRICE_COLUMNS):
            if old[place] != new[place]:
                one, other = (Decimal(value[place]).scaleb(-3).normalize() for value in (old, new))
                rows.append(
                    {
                        "previous_date": previous,
                        "model_id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)),
                        "name": name,
                        "change": "price_changed",
                        "field": column,
                        "old_value": f"{one:f}",
                        "new_value": f"{other:f}",
                        "pct": percent(one, other),
                        "direction": "up" if other > one else "down",
                    }
                )
    if previous.day % 10 == 0:
        changed = {"change": "quota_changed", "field": QUOTA_COLUMNS[0], "old_value": "1", "new_value": "2"}
        rows.append(rows[0] | changed | {"pct": 100.0, "direction": "up"})
    frame = pl.DataFrame(pa.Table.from_pylist(rows, schema=changes_schema()))
    return frame.sort(*SORTED_BY).to_arrow().cast(changes_schema())


def report_of(day: date, run: str, when: datetime, count: int) -> QualityReport:
    """Return a report of the usual size: some seventy checks."""
    checks = [
        CheckResult(check, column.name, "row", "error", count, 0)
        for column in COLUMNS
        for check in ("required", "type")
    ] + [CheckResult(f"check_{number}", None, "snapshot", "error", 1, 0) for number in range(8)]
    return QualityReport(
        run_id=run,
        checked_at=when,
        outcome="passed",
        score=1.0,
        rows=count,
        valid=count,
        quarantined=0,
        checks=tuple(checks),
        snapshot_date=day,
        source_url="https://host/api/v1/models",
        wire_shape="documented",
        fields=tuple(column.name for column in COLUMNS),
    )


def fill(root: Path, count: int, days: int) -> None:
    """File that many days of that many models."""
    store, chance = SnapshotStore(root), random.Random(1)  # noqa: S311 - no secret
    names = sorted(f"vendor-{number % 40}/Model-{number:04d}-Instruct" for number in range(count))
    prices = [[chance.randint(1, 9_999) for _ in PRICE_COLUMNS] for _ in names]
    day = LAST - timedelta(days=days - 1)
    previous: date | None = None
    while day <= LAST:
        run, when = (
            str(uuid.UUID(int=chance.getrandbits(128))),
            datetime(day.year, day.month, day.day, 6, tzinfo=UTC),
        )
        now = [
            [max(1, int(value * chance.uniform(0.9, 1.1))) for value in price]
            if chance.random() < 0.3
            else price
            for price in prices
        ]
        metadata = {
            "snapshot_id": run,
            "fetched_at": when.isoformat(),
            "wire_shape": "documented",
            "source_url": "https://host/api/v1/models",
            "query": "",
            "provider_version": "bench",
        }
        with QuarantineFile(run, when) as quarantine:
            _write(root / quarantine_path(day, run), quarantine.finish())
        _write(root / quality_path(day, run), report_of(day, run, when, count).to_json().encode())
        sink = pa.BufferOutputStream()
        table = rows_of(names, now, when).replace_schema_metadata(file_metadata(metadata))
        pq.write_table(table, sink, **writer_options())
        _write(root / models_path(day), with_digests(sink.getvalue()))
        changed = changes_of(names, prices, now, previous) if previous else changes_schema().empty_table()
        _write(root / changes_path(day), to_parquet(changed, metadata))
        prices, previous, day = now, day, day + timedelta(days=1)
    store.compact()
    assert len(store.dates()) == days


def _write(path: Path, data: bytes) -> None:
    # Not the store's own writer: it waits for the disk, thousands of times.
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve the page on loopback; yield its address."""
    page = build_app(StoreSource(lambda: SnapshotStore(root)), lambda: None)
    app = Starlette(routes=[Mount("/io-intelligence", page)])
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/io-intelligence/api/"
    server.should_exit = True
    thread.join()


def asked(url: str, **headers: str) -> tuple[float, int, dict[str, str], bytes]:
    """Return seconds, status, headers and body of an answer."""
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own server
    start = time.perf_counter()
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            data = response.read()
            return time.perf_counter() - start, response.status, dict(response.headers), data
    except urllib.error.HTTPError as error:
        if error.code != 304:
            raise
        return time.perf_counter() - start, error.code, dict(error.headers), b""


def routes(root: Path) -> dict[str, Callable[[int], str]]:
    """Return each route as a question; the number makes it one that was not asked before."""
    store = SnapshotStore(root)
    dates = store.dates()
    names = store.read(columns=["name"])["name"].to_pylist()

    def day(number: int) -> str:
        return dates[-1 - number % (len(dates) // 2)].isoformat()

    def several(number: int) -> str:
        return "&".join(f"models={names[(number * 7 + place) % len(names)]}" for place in range(10))

    fields = "&".join(f"fields={field}" for field in PRICE_COLUMNS)
    return {
        "status": lambda _: "status",
        "overview": lambda number: f"overview?days=30&date={day(number)}",
        "models": lambda number: f"models?date={day(number)}",
        "model": lambda number: f"model?model={names[number % len(names)]}",
        "history": lambda number: f"history?{several(number)}&{fields}",
        "changes": lambda number: f"changes?end={day(number)}&min_pct=5",
        "changes, all": lambda number: f"changes?start={dates[0]}&min_pct={number}&q=1&limit=5000",
        "changes/days": lambda _: "changes/days",
        "quality": lambda number: f"quality?date={day(number)}",
        "quarantine": lambda number: f"quarantine?offset={number}",
    }


def measure(root: Path) -> None:
    """Print a line per route."""
    print(f"{'route':14}{'cold':>9}{'new':>9}{'warm':>9}{'304':>9}{'bytes':>12}{'gzip':>10}")
    for name, question in routes(root).items():
        with served(root) as address:
            cold, *_, data = asked(address + question(0))
            new = [asked(address + question(number + 1))[0] for number in range(10)]
            warm = [asked(address + question(0))[0] for _ in range(_TIMES)]
            tag = asked(address + question(0))[2]["etag"]
            held = [asked(address + question(0), **{"If-None-Match": tag}) for _ in range(_TIMES)]
            assert {status for _, status, _, _ in held} == {304}
            packed = asked(address + question(0), **{"Accept-Encoding": "gzip"})[3]
        times = [cold, *(statistics.median(of) for of in (new, warm, [one[0] for one in held]))]
        print(
            f"{name:14}"
            + "".join(f"{one * 1000:6.0f} ms" for one in times)
            + f"{len(data):12,}{len(packed):10,}"
        )


_LOAD: Final = """
import json, time
import airflow.sdk
from airflow.sdk.plugins_manager import AirflowPlugin
start = time.perf_counter()
import io_intelligence_provider.plugin
print(json.dumps(1000 * (time.perf_counter() - start)))
"""


def plugin_load() -> None:
    """Print what importing the plugin costs a task."""
    times = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", _LOAD], check=True, capture_output=True, text=True)
        times.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"\nloading the plugin, airflow.sdk being loaded: {statistics.median(times):.1f} ms (median of 5)")


def main(count: int, days: int, root: Path | None) -> None:
    """Make the store if need be, and measure."""
    with tempfile.TemporaryDirectory() as folder:
        root = root or Path(folder) / "store"
        if not root.exists():
            start = time.perf_counter()
            fill(root, count, days)
            print(f"{days} snapshots of {count} models made in {time.perf_counter() - start:.0f} s")
        pq.read_table(
            root / models_path(LAST), partitioning=None
        )  # what pyarrow loads at first use is no cost of a route
        measure(root)
    plugin_load()


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 500,
        int(sys.argv[2]) if len(sys.argv) > 2 else 1_095,
        Path(sys.argv[3]) if len(sys.argv) > 3 else None,
    )
