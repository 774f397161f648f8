"""Tests the live response, key by key: every model, outcome `passed`, score 1, no noise between days.

``tests/data/live_body.json`` was put together from what public clients of the endpoint declare and publish,
2026-08 and -09.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, detect_changes, take_snapshot
from io_intelligence_provider.contract.columns import COLUMNS
from io_intelligence_provider.emulator.catalogue import encode
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.store.layout import models_path, quality_path

LIVE = (Path(__file__).parents[1] / "data" / "live_body.json").read_bytes()


class _Api(ThreadingHTTPServer):
    """Answers every request with one body."""

    body = LIVE

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.server.body  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def live() -> Iterator[_Api]:
    server = _Api(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def snapshot(local_store: SnapshotStore) -> Callable[..., Any]:
    """Return a function that files what a URL serves under a day and detects the changes."""

    def file(url: str, day: str, **options: Any) -> Any:
        with IOIntelligenceClient(url) as client:
            summary = take_snapshot(client, local_store, snapshot_date=day, **options)
        return summary, detect_changes(local_store, day)

    return file


def served(body: bytes = LIVE) -> list[dict[str, Any]]:
    return json.loads(body, parse_float=Decimal)["data"]


def answer(records: list[dict[str, Any]]) -> bytes:
    return b'{"object": "list", "data": %b}' % encode(records)


def moved(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of a later request: what differs from one to the next has moved."""
    later = []
    for number, record in enumerate(records):
        permission = record["permission"][0] | {"id": f"modelperm-{number + 7}", "created": 1736841639}
        later.append(
            record
            | {
                "created": record["created"] + 86_400,
                "permission": [permission],
                "avg_latency_ms_per_day": 7 if number else None,
                "avg_throughput_per_day": Decimal("0.125"),
            }
        )
    return later


PRICES = {
    "deepseek-ai/DeepSeek-R1-0528": ("0.56775", "2.279", "0", "0.283875"),
    "zai-org/GLM-4.5-Air": ("0.156666666666667", "0.936666666666667", "0", "0.0783333333333333"),
    "openai/gpt-oss-20b": ("0.063", "0.196", "0", "0.0315"),
    "mistralai/Mistral-Nemo-Instruct-2407": ("0.02675", "0.065", None, "0.013375"),
    "MiniMaxAI/MiniMax-M2.7": ("0.414", "1.536", "0", "0.207"),
}
TIERS = ("standard", "standard", "standard", "professional", "developer")


def test_every_value_of_the_live_answer_is_stored(live, snapshot, local_store):
    summary, _ = snapshot(live.url, "2026-09-10", fail_on="warn")
    report = local_store.quality()
    assert (summary.outcome, summary.score, summary.rows, summary.quarantined) == ("passed", 1, 5, 0)
    assert (report.unknown_fields, report.missing_fields) == ((), ())
    assert set(report.fields) == set(served()[0])
    found = {row["name"]: row for row in local_store.read().to_pylist()}
    for record, tier in zip(served(), TIERS, strict=True):
        row = found.pop(record["id"])
        prices = (None if price is None else Decimal(price) for price in PRICES[record["id"]])
        extra = ("object", "owned_by", "root", "parent", "max_model_len")
        wanted = dict.fromkeys(row) | {
            "model_id": str(
                uuid5(NAMESPACE_URL, f"https://api.intelligence.io.solutions/api/v1/models/{record['id']}")
            ),
            "name": record["id"],
            "display_name": record["name"],
            "max_tokens": record["max_tokens"],
            "context_window": record["context_window"],
            "supports_images_input": False,
            "supports_prompt_cache": True,
            "supports_tools": True,
            "supports_reasoning": True,
            "supports_attestation": False,
            "input_modalities": ["text"],
            "output_modalities": ["text"],
            "precision": "fp8",
            "min_access_tier": tier,
            "avg_latency_ms_per_day": float(record["avg_latency_ms_per_day"]),
            "avg_throughput_per_day": float(record["avg_throughput_per_day"]),
            "created_at": datetime(2026, 9, 10, 14, 10, 14, tzinfo=UTC),
            "fetched_at": row["fetched_at"],
            "extra": row["extra"],
        }
        names = [f"{kind}_token_price" for kind in ("input", "output", "cache_write", "cache_read")]
        assert row == wanted | dict(zip(names, prices, strict=True))
        assert json.loads(row["extra"]) == {key: record[key] for key in extra}
    assert found == {}


@pytest.mark.long
def test_a_day_on_which_only_measurements_moved_changes_nothing(live, snapshot, local_store):
    first, _ = snapshot(live.url, "2026-09-10")
    live.body = answer(moved(served()))
    second, changes = snapshot(live.url, "2026-09-11", fail_on="warn")
    assert (second.outcome, second.score) == ("passed", 1)
    assert second.content_hash == first.content_hash
    assert local_store.changes().num_rows == 0
    assert set(changes.counts.values()) == {0}
    assert local_store.read()["avg_throughput_per_day"].to_pylist() == [0.125] * 5


@pytest.mark.long
def test_so_does_a_day_of_the_emulated_answer(server: EmulatorServer, snapshot, local_store):
    server.state.shape = "openai"
    try:
        first, _ = snapshot(server.url, "2026-09-10", fail_on="warn")
        second, _ = snapshot(server.url, "2026-09-11", fail_on="warn")
    finally:
        server.state.shape = "documented"
    assert (first.outcome, first.score) == (second.outcome, second.score) == ("passed", 1)
    assert second.content_hash == first.content_hash
    assert local_store.changes().num_rows == 0
    latencies = [local_store.read(day)["avg_latency_ms_per_day"] for day in local_store.dates()]
    assert latencies[0] != latencies[1]


@pytest.mark.long
def test_what_did_change_is_seen(live, snapshot, local_store):
    snapshot(live.url, "2026-09-10")
    records = moved(served())
    records[0] |= {"min_access_tier": "professional", "owned_by": "another", "name": "R1", "brand": [1]}
    live.body = answer(records)
    summary, _ = snapshot(live.url, "2026-09-11")
    assert summary.outcome == "warned"
    assert local_store.quality().unknown_fields == ("brand",)
    fields = ("change", "field", "old_value", "new_value")
    assert [tuple(row[key] for key in fields) for row in local_store.changes().to_pylist()] == [
        ("access_changed", "min_access_tier", "standard", "professional"),
        ("attribute_changed", "display_name", "DeepSeek: DeepSeek R1", "R1"),
        ("attribute_changed", "extra.brand", None, "[1]"),
        ("attribute_changed", "extra.owned_by", '"io-intelligence"', '"another"'),
    ]


def make_older(store: SnapshotStore, day: str) -> None:
    """Turn a day into what was filed before the newer columns existed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(store.files.url(models_path(date.fromisoformat(day))))
    table = pq.read_table(path, partitioning=None)
    records = {record["id"]: record for record in json.loads(LIVE)["data"]}
    newer = [column.name for column in COLUMNS[table.schema.get_field_index("precision") + 1 :]]
    newer = newer[: newer.index("created_at")]
    assert newer[0] == "display_name"
    kept = ("object", "owned_by", "root", "parent", "max_model_len", "permission", "name", *newer[1:])
    extras = [json.dumps({key: records[name][key] for key in kept}) for name in table["name"].to_pylist()]
    index = table.schema.get_field_index("extra")
    table = table.set_column(index, table.schema.field("extra"), [pa.array(extras)])
    pq.write_table(table.drop_columns(newer), path)
    report = Path(store.files.url(quality_path(date.fromisoformat(day), store.info(day).snapshot_id)))
    content = json.loads(report.read_text())
    content["drift"]["unknown_fields"] = ["parent", "permission", "root"]
    content["outcome"] = "warned"
    report.write_text(json.dumps(content))


@pytest.mark.long
def test_the_first_run_after_an_upgrade_changes_nothing(live, snapshot, local_store):
    snapshot(live.url, "2026-09-10")
    make_older(local_store, "2026-09-10")
    live.body = answer(moved(served()))
    summary, changes = snapshot(live.url, "2026-09-11", fail_on="warn")
    assert (summary.outcome, summary.score) == ("passed", 1)
    assert set(changes.counts.values()) == {0}
    assert local_store.quality().missing_fields == ()
    summary, changes = snapshot(live.url, "2026-09-09")
    assert detect_changes(local_store, "2026-09-10").counts == changes.counts
