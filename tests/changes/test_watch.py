"""Tests polling: what is a difference, which watcher sends it, and what is sent again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.changes.watch import (
    Observation,
    Watch,
    fingerprint,
    fingerprint_on_file,
    mark_sent,
    poll,
)
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import ConfigurationError, StorageError

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HISTORY = PriceHistory.load()
RECORDS = HISTORY.records()


class Endpoint:
    """An emulator whose records a test changes, and the client and store that look at it."""

    def __init__(self, server: EmulatorServer, client: IOIntelligenceClient, root: Path) -> None:
        self.server = server
        self.client = client
        self.root = root
        self.store = SnapshotStore(root)

    def serve(self, records: list[Any]) -> None:
        self.server.state.catalogue = FixedCatalogue(records)

    def poll(self, minutes: float = 0.0) -> Observation | None:
        return poll(self.client, self.store, now=NOW + timedelta(minutes=minutes))

    def file(self) -> None:
        take_snapshot(self.client, self.store, fail_on="never", max_quarantine_share=1)


@pytest.fixture(scope="module")
def _server() -> Iterator[EmulatorServer]:
    with EmulatorServer(catalogue=FixedCatalogue(RECORDS)) as server:
        yield server


@pytest.fixture
def endpoint(_server: EmulatorServer, tmp_path: Path) -> Iterator[Endpoint]:
    _server.state.catalogue = FixedCatalogue(RECORDS)
    with IOIntelligenceClient(_server.url) as client:
        yield Endpoint(_server, client, tmp_path / "store")


def changed(position: int = 0, **values: Any) -> list[dict[str, Any]]:
    def new(record: dict[str, Any]) -> dict[str, Any]:
        return record | values_of_record | {"metadata": record["metadata"] | metadata}

    metadata = {key: value for key, value in values.items() if key.endswith(("_price", "_tier"))}
    values_of_record = {key: value for key, value in values.items() if key not in metadata}
    return [new(record) if at == position else record for at, record in enumerate(RECORDS)]


PRICE = RECORDS[0]["metadata"]["input_token_price"]


def dearer(by: str = "1") -> list[dict[str, Any]]:
    return changed(input_token_price=str(Decimal(PRICE) + Decimal(by)))


def test_the_first_look_remembers_and_says_nothing(endpoint: Endpoint) -> None:
    assert endpoint.poll() is None
    assert endpoint.poll(1) is None
    assert len(list((endpoint.root / "watch").rglob("*.json"))) == 1


def test_the_first_look_compares_with_the_snapshot_on_file(endpoint: Endpoint) -> None:
    endpoint.file()
    endpoint.serve(dearer())
    sighting = endpoint.poll()
    assert sighting is not None
    assert sighting.moved == ("prices",)


def without_access(file: Path) -> None:
    """Make a models file one of a version that did not know access tiers."""
    table = pq.ParquetFile(file).read()
    pq.write_table(table.drop_columns(["min_access_tier"]), file)


@pytest.mark.parametrize("beside", [{}, {"input_token_price": "77"}])
def test_access_tiers_that_were_not_recorded_have_not_moved(
    endpoint: Endpoint, beside: dict[str, str]
) -> None:
    endpoint.serve(changed(min_access_tier="professional"))
    endpoint.file()
    (file,) = endpoint.root.rglob("models.parquet")
    without_access(file)
    endpoint.serve(changed(min_access_tier="professional", **beside))
    sighting = endpoint.poll()
    assert (sighting.moved if sighting else ()) == (("prices",) if beside else ())


def test_a_link_of_a_version_that_knew_no_access_tiers(endpoint: Endpoint) -> None:
    endpoint.poll()
    (link,) = (endpoint.root / "watch").rglob("*.json")
    content = json.loads(link.read_text("utf-8"))
    del content["fingerprint"]["access"]
    link.write_text(json.dumps(content), "utf-8")
    endpoint.serve(changed(min_access_tier="professional"))
    assert endpoint.poll() is None  # remembered: the next move is seen
    endpoint.serve(changed(min_access_tier="standard"))
    sighting = endpoint.poll()
    assert sighting is not None
    assert sighting.moved == ("quotas",)


@pytest.mark.long
@pytest.mark.parametrize(
    ("records", "moved"),
    [
        (dearer("0.000001"), ("prices",)),
        (changed(input_token_price="0"), ("prices",)),
        (changed(cache_read_token_price=None), ("prices",)),
        (changed(input_token_price="free"), ("prices",)),
        (changed(chat_daily_quota_tier_1=7), ("quotas",)),
        (changed(min_access_tier="professional"), ("quotas",)),
        (changed(input_token_price="77", chat_daily_quota_tier_1=7), ("prices", "quotas")),
        (RECORDS[1:], ("prices", "quotas")),
        (changed(name="another/name"), ("prices", "quotas")),
    ],
)
def test_what_is_a_difference(endpoint: Endpoint, records: list[Any], moved: tuple[str, ...]) -> None:
    endpoint.poll()
    endpoint.serve(records)
    sighting = endpoint.poll()
    assert sighting is not None
    assert sighting.moved == moved
    mark_sent(endpoint.store, sighting)
    assert endpoint.poll(600) is None


@pytest.mark.parametrize(
    "records",
    [
        changed(description="another"),
        changed(trendiness=99),  # refused, its prices are known all the same
        changed(status="inactive", updated_at="2026-07-01T00:00:00Z"),
        changed(input_token_price=f"{PRICE}0e0"),
        [*RECORDS, RECORDS[0]],
        list(reversed(RECORDS)),
    ],
)
def test_what_is_none(endpoint: Endpoint, records: list[Any]) -> None:
    endpoint.poll()
    endpoint.serve(records)
    assert endpoint.poll() is None


def test_an_event_comes_once_however_often_is_looked(endpoint: Endpoint) -> None:
    endpoint.poll()
    endpoint.serve(dearer())
    first = endpoint.poll()
    assert first is not None
    assert endpoint.poll(0.5) is None  # it may be on its way
    mark_sent(endpoint.store, first)
    assert endpoint.poll(600) is None


def test_an_event_that_died_with_its_watcher_comes_again_under_its_id(endpoint: Endpoint) -> None:
    endpoint.poll()
    endpoint.serve(dearer())
    first = endpoint.poll()
    again = endpoint.poll(1)
    assert first is not None
    assert again is not None
    assert (again.event_id, again.moved) == (first.event_id, first.moved)
    mark_sent(endpoint.store, again)
    assert endpoint.poll(600) is None


@pytest.mark.parametrize(("filed", "moved"), [(False, ("prices", "quotas")), (True, ("quotas",))])
def test_an_event_that_died_is_part_of_the_next_one(
    endpoint: Endpoint, filed: bool, moved: tuple[str, ...]
) -> None:
    endpoint.file()
    endpoint.poll()
    endpoint.serve(dearer())
    assert endpoint.poll() is not None  # and its watcher is killed
    if filed:
        endpoint.file()
    more = [record | {"chat_daily_quota_tier_1": 77} for record in dearer()]
    endpoint.serve(more)
    event = endpoint.poll(1)
    assert event is not None
    assert event.moved == moved


@pytest.mark.long
def test_it_does_not_come_again_when_a_run_filed_it_meanwhile(endpoint: Endpoint) -> None:
    endpoint.poll()
    endpoint.serve(dearer())
    assert endpoint.poll() is not None
    endpoint.file()
    assert endpoint.poll(1) is None
    assert endpoint.poll(600) is None


@pytest.mark.long
def test_what_a_run_filed_before_is_no_news(endpoint: Endpoint) -> None:
    endpoint.file()
    endpoint.poll()
    endpoint.serve(dearer())
    endpoint.file()
    assert endpoint.poll() is None
    endpoint.serve(RECORDS)
    assert endpoint.poll() is not None  # and back again is


@pytest.mark.long
def test_there_and_back_with_nothing_filed_is_one_event(endpoint: Endpoint) -> None:
    endpoint.file()
    endpoint.poll()
    endpoint.serve(dearer())
    first = endpoint.poll()
    assert first is not None
    mark_sent(endpoint.store, first)
    endpoint.serve(RECORDS)
    assert endpoint.poll() is None  # what is on file is served again


def test_of_two_watchers_one_has_the_event(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint.poll()
    endpoint.serve(dearer())
    advance, found = Watch.advance, []

    def meanwhile(self: Watch, *arguments: Any) -> Observation | None:
        monkeypatch.setattr(Watch, "advance", advance)
        found.append(endpoint.poll())  # another watcher looks between this one's look and its write
        return advance(self, *arguments)

    monkeypatch.setattr(Watch, "advance", meanwhile)
    assert endpoint.poll() is None
    assert found[0] is not None


@pytest.mark.long
def test_every_day_reads_the_same_from_the_api_and_from_the_store(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    seen = set()
    with EmulatorServer(catalogue=HISTORY) as server, IOIntelligenceClient(server.url) as client:
        for day in HISTORY.dates[::8]:
            server.set_as_of(day)
            with client.fetch_catalogue() as catalogue:
                found = fingerprint(catalogue)
            take_snapshot(client, store, snapshot_date=day)
            assert fingerprint_on_file(store) == found
            seen.add(found.prices)
    assert len(seen) == len(HISTORY.dates[::8])


def test_refused_records_read_the_same_from_the_store(endpoint: Endpoint) -> None:
    odd = [{"name": "no id"}, 7, "text", {"model_id": "\ud800"}]
    broken = [*changed(input_token_price="$1"), *odd]
    broken[3] = broken[3] | {"trendiness": 99}
    endpoint.serve(broken)
    with endpoint.client.fetch_catalogue() as catalogue:
        found = fingerprint(catalogue)
    endpoint.file()
    assert endpoint.store.quarantine().num_rows >= 4
    assert fingerprint_on_file(endpoint.store) == found


@pytest.mark.long
def test_another_wire_shape_moves_nothing(tmp_path: Path) -> None:
    def found(shape: Any) -> Any:
        with (
            EmulatorServer(catalogue=HISTORY, shape=shape) as server,
            IOIntelligenceClient(server.url) as client,
            client.fetch_catalogue() as catalogue,
        ):
            return fingerprint(catalogue)

    documented, openai = found("documented"), found("openai")
    assert documented.wire_shape != openai.wire_shape
    assert documented.quotas != openai.quotas
    assert documented.moved_since(openai) == openai.moved_since(documented) == ()


def test_a_root_of_another_query_is_refused(endpoint: Endpoint) -> None:
    endpoint.file()
    with pytest.raises(ConfigurationError, match="belongs to one query"):
        poll(endpoint.client, endpoint.store, "llama")


def test_queries_and_endpoints_have_chains_of_their_own(endpoint: Endpoint) -> None:
    endpoint.poll()
    poll(endpoint.client, endpoint.store, "llama")
    assert len(list((endpoint.root / "watch").iterdir())) == 2


def test_what_is_no_link_is_told(endpoint: Endpoint) -> None:
    endpoint.poll()
    (path,) = (endpoint.root / "watch").rglob("*.json")
    path.write_text("{}")
    with pytest.raises(StorageError, match="Delete it"):
        endpoint.poll()


def test_the_chain_stays_short(tmp_path: Path, endpoint: Endpoint) -> None:
    watch = Watch(endpoint.store, "http://example.test")
    with endpoint.client.fetch_catalogue() as catalogue:
        seen = fingerprint(catalogue)
    for _ in range(60):
        assert watch.advance(watch.latest(), seen, (), NOW) is not None
    names = sorted(path.name for path in (endpoint.root / "watch").rglob("*.json"))
    assert len(names) == 51
    assert names[-1] == "00000060.json"


def test_a_payload_is_small_plain_json(endpoint: Endpoint) -> None:
    endpoint.poll()
    endpoint.serve(dearer())
    sighting = endpoint.poll()
    assert sighting is not None
    payload = sighting.payload()
    assert len(json.dumps(payload)) < 1_000
    assert payload["moved"] == ["prices"]
