"""Builds stores with known content: snapshots row by row, and catalogues without a server."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from helpers.records import uuid_of
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.ledger import record_sent
from io_intelligence_provider.catalog.pagination import Catalogue, Spool
from io_intelligence_provider.catalog.wire import WireShape, record_id
from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.contract.columns import COLUMNS, arrow_schema
from io_intelligence_provider.contract.records import RefusedRecord
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.emulator.catalogue import encode
from io_intelligence_provider.quality.result import CheckFailure, CheckResult, CheckRun
from io_intelligence_provider.quality.results_store import ResultHistory, TaskRun
from io_intelligence_provider.snapshot import SnapshotSummary, take_snapshot
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.store import months
from io_intelligence_provider.store.layout import QuarantineFile, models_path, quality_path, quarantine_path
from io_intelligence_provider.store.models_file import file_metadata
from io_intelligence_provider.store.store import SnapshotStore

FIRST_DAY = date(2026, 3, 1)
FETCHED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SOURCE_URL = "http://example.test"


def nth_day(number: int) -> date:
    """Return the date of a day of a :class:`StoreBuilder`, which counts them from zero."""
    return FIRST_DAY + timedelta(days=number)


def model_row(name: str, **values: Any) -> dict[str, Any]:
    """Return a row of ``models.parquet``: missing values are null; prices are given as text."""
    row: dict[str, Any] = {column.name: None for column in COLUMNS if column.name != "fetched_at"}
    row |= {"name": name, "model_id": values.pop("model_id", None) or uuid_of(name)}
    return row | {
        key: Decimal(value) if key.endswith("_price") and value is not None else value
        for key, value in values.items()
    }


LATE_COLUMNS = ("precision", "tags", "context_window", "cache_read_token_price")
"""Columns that a file of an older version may lack."""


def late_values(number: int) -> dict[str, Any]:
    """Return values of these columns, and of one more, of which every one differs from day to day."""
    return {
        "precision": f"fp{number}",
        "tags": [str(number)],
        "context_window": number + 1,
        "cache_read_token_price": str(number + 1),
        "output_token_price": str(number + 1),
    }


def refused_record(
    name: str | None, record: str = "{}", *, model_id: str | None = None, **failure: str
) -> RefusedRecord:
    """Return a refused record with one failure."""
    reason = {
        "check": "price",
        "column": "input_token_price",
        "value": "x",
        "message": "is no price",
    } | failure
    return RefusedRecord(model_id, name, record, (CheckFailure(rows=None, **reason),))


def quality_report(*checks: CheckResult, **changes: Any) -> QualityReport:
    """Return the report of a snapshot that passed, with some fields replaced."""
    fields: dict[str, Any] = {
        "run_id": "20260102T030405Z-0a1b2c3d",
        "checked_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "outcome": "passed",
        "score": 1.0,
        "rows": 2,
        "valid": 2,
        "quarantined": 0,
        "snapshot_date": date(2026, 1, 2),
        "source_url": SOURCE_URL,
        "wire_shape": "documented",
        "fields": ("name",),
    }
    return QualityReport(checks=checks, **{**fields, **changes})


class StoreBuilder:
    """Creates a store, and writes days to it without the writer under test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = SnapshotStore(root)

    def file(
        self,
        when: date | int,
        *rows: dict[str, Any],
        refused: Iterable[RefusedRecord] = (),
        shape: str = "documented",
        checks: Sequence[CheckResult] = (),
        outcome: Any = "passed",
        changes: bool = False,
        fetched_at: datetime = FETCHED_AT,
        dag_id: str | None = None,
    ) -> str:
        """Commit a snapshot with its artifacts; a failed outcome writes the artifacts only.

        :param when: a date, or the number of a day.
        :param changes: whether its changes are written as well.
        :param dag_id: the Dag that files it.
        :returns: the run's id.
        """
        when = nth_day(when) if isinstance(when, int) else when
        run, refused = secrets.token_hex(6), list(refused)
        report = quality_report(
            *checks,
            run_id=run,
            checked_at=fetched_at,
            snapshot_date=when,
            wire_shape=shape,
            outcome=outcome,
            rows=len(rows) + len(refused),
            valid=len(rows),
            quarantined=len(refused),
        )
        task = TaskRun(dag_id, "snapshot", "scheduled__1", -1, 1) if dag_id else None
        with QuarantineFile(run, fetched_at, task) as quarantine:
            quarantine.add(refused)
            self.store.files.put(quarantine_path(when, run), quarantine.finish())
        self.store.files.put(quality_path(when, run), report.to_json().encode())
        if outcome != "failed":
            metadata = {
                "snapshot_id": run,
                "fetched_at": fetched_at.isoformat(),
                "wire_shape": shape,
                "source_url": SOURCE_URL,
                "query": "",
                "provider_version": "0",
            }
            self.store.files.put(models_path(when), models_parquet(rows, fetched_at, metadata))
        if changes:
            detect_changes(self.store, when)
        return run

    def models_file(self, number: int) -> Path:
        return self.root / models_path(nth_day(number))

    def drop_columns(self, when: date, *columns: str) -> None:
        """Rewrite a models file as a version wrote it that did not know some columns."""
        path = models_path(when)
        table = pq.read_table(pa.BufferReader(self.store.files.read(path)))
        sink = pa.BufferOutputStream()
        pq.write_table(table.drop_columns(list(columns)), sink)
        self.store.files.put(path, sink.getvalue().to_pybytes())

    def damage(self, path: Path) -> None:
        """Cut a file in half."""
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])


def file_every_kind(root: Path) -> None:
    """File two models a day from the end of February on, with files of every kind that a store has."""
    built = StoreBuilder(root)
    ids = ("00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001")
    for number in range(-8, 4):
        run = built.file(
            number,
            model_row("a", model_id=ids[0], output_token_price=str(number + 10)),
            model_row("b", model_id=ids[1], extra='{"k": [1]}', tags=["x"]),
            refused=[refused_record("z", "{}")] if number in (0, 2) else [],
            changes=True,
        )
        (root / f"quality/snapshot_date={nth_day(number)}/{run}.html").write_text("<p>")
        if number >= 0:
            rule = [{"name": "r", "changes": ["price_changed"], "baseline": "last_alert"}]
            record_sent(built.store, evaluate(built.store, rule, nth_day(number), "n"), "n", f"run-{number}")
    history = ResultHistory(root)
    for report in built.store.runs()[-3:]:
        history.add(replace(report, dataset="orders"))
    settled, months._SETTLED_SECONDS = months._SETTLED_SECONDS, -60.0  # type: ignore[misc]
    try:
        built.store.compact()
    finally:
        months._SETTLED_SECONDS = settled  # type: ignore[misc]


def models_parquet(rows: Iterable[dict[str, Any]], fetched_at: datetime, metadata: dict[str, str]) -> bytes:
    """Return a models file, written without the store's writer so that its errors are not repeated here.

    Like those of the store, it has a digest.
    """
    ordered = sorted(
        ({**row, "fetched_at": fetched_at} for row in rows),
        key=lambda row: (row["name"], row["model_id"]),
    )
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(ordered, schema=arrow_schema().with_metadata(file_metadata(metadata)))
    pq.write_table(table, sink, compression="zstd")
    return with_digests(sink.getvalue())


class PreparedClient:
    """Stands in for a client that has fetched the whole catalogue, ready to be validated."""

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
        counts = Counter(found for found in ids if found is not None)
        repeated = frozenset(found for found, count in counts.items() if count > 1)
        spool = Spool()
        for start in range(0, len(self.raw), 100):
            spool.append(self.raw[start : start + 100])
        return Catalogue(self.shape, len(self.raw), self.total, repeated, datetime.now(UTC), None, spool)


def file_records(
    store: SnapshotStore, records: Iterable[Any], day: Any = "2026-01-02", **options: Any
) -> SnapshotSummary:
    """Write records to a store as the snapshot of a day, through the whole pipeline except the client."""
    ours = {name: options.pop(name) for name in ("shape", "total", "source_url") if name in options}
    client: Any = PreparedClient(records, **ours)
    return take_snapshot(client, store, snapshot_date=day, **options)


def make_check_run(*checks: CheckResult, **changes: Any) -> CheckRun:
    """Return the result of a run, with some fields replaced."""
    fields: dict[str, Any] = {
        "run_id": "20260102T030405Z-0a1b2c3d",
        "dataset": "s3://lake/orders/*.parquet",
        "schema": "schemas.orders:Orders",
        "checked_at": datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
        "seconds": 1.25,
        "engine": "local",
        "mode": "rows",
        "outcome": "warned",
        "score": 0.5,
        "rows": 2,
        "valid": 1,
        "quarantined": 1,
        "files": 1,
        "checks": checks,
    }
    return CheckRun(**{**fields, **changes})


def files_below(folder: Path) -> list[str]:
    """Return the files below a folder, by their relative names."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())
