"""Counts requests to an object store, and cuts its connection: real S3 behind a relay."""

from __future__ import annotations

import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from helpers.airflow_runs import API_KEY, load_dag
from helpers.relay import Relay
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, detect_changes, take_snapshot
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import NotOnFileError, StorageError, UnreadableFileError
from io_intelligence_provider.hooks.store import filesystem_of, open_store
from io_intelligence_provider.plugin.listing import StoreSource
from io_intelligence_provider.quality.results_store import ResultHistory
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.store.layout import models_path

pytestmark = pytest.mark.long

BUCKET = "io-intelligence-relayed"


DAY, NEXT = date(2026, 6, 29), date(2026, 6, 30)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    yield moto.get_host_and_port()
    moto.stop()


@pytest.fixture
def s3(server: tuple[str, int]) -> Any:
    """A client that goes past the relay, and an empty bucket."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=f"http://{server[0]}:{server[1]}",
        region_name="us-east-1",
        aws_access_key_id="t",
        aws_secret_access_key="t",
    )
    client.create_bucket(Bucket=BUCKET)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            client.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
    return client


@pytest.fixture
def relay(server: tuple[str, int], s3: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """The relay, and an Airflow connection through it that gives up after one attempt of its own."""
    relay = Relay(server)
    extra = {
        "endpoint_url": relay.url,
        "region_name": "us-east-1",
        "config_kwargs": {"retries": {"max_attempts": 0}, "read_timeout": 20, "max_pool_connections": 16},
    }
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    # A name of its own: Airflow keeps the file system of a connection for as long as the process lives.
    name = f"s3_relayed_{relay.url.rpartition(':')[2]}"
    monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", f"s3://{BUCKET}/a prefix")
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__STORAGE_CONN_ID", name)
    yield relay
    relay.close()


@pytest.fixture
def store(relay: Relay) -> SnapshotStore:
    return open_store()


@pytest.fixture
def take(api: EmulatorServer) -> Callable[[SnapshotStore, date], Any]:
    """Return a function that files the recorded state of a day."""

    def file(store: SnapshotStore, day: date) -> Any:
        api.set_as_of(day)
        with IOIntelligenceClient(api.url, token=API_KEY) as client:
            return take_snapshot(client, store, snapshot_date=day)

    return file


def copy_days(store: SnapshotStore, number: int) -> list[date]:
    """File the snapshot of ``DAY`` under many earlier days, in the server: a request each takes long."""
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    data = store.files.read(models_path(DAY))
    days = [DAY - timedelta(days=back) for back in range(1, number)]
    for day in days:
        backend.put_object(BUCKET, f"a prefix/{models_path(day)}", data)
    return [*reversed(days), DAY]


def test_listing_is_bounded_by_pages_and_not_by_days(
    relay: Relay, store: SnapshotStore, take: Callable[..., Any]
) -> None:
    take(store, DAY)
    days = copy_days(store, 1_010)
    relay.asked.clear()
    assert store.dates() == days
    pages = [line for line in relay.asked if "list-type=2" in line]
    assert len(pages) == len(relay.asked) == 2  # of a thousand keys each
    for ask, more in (
        (lambda: store.read(DAY, columns=["name"]), 3),
        (lambda: store.price_at("zai-org/GLM-4.6", days[5]), 3),
        (lambda: store.history(days[-3], None, columns=["name"]), 5),
        (store.quality, 7),
    ):
        relay.asked.clear()
        ask()
        assert len(relay.asked) <= more, relay.asked


def test_months_that_are_over_are_one_request_each(
    relay: Relay, store: SnapshotStore, take: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    take(store, DAY)
    days = copy_days(store, 80)  # 20 in April, 31 in May, 29 in June
    whole = store.history()
    relay.cut("PUT .*compacted")
    take(store, DAY)  # the run stands; what rolls up comes with the next one
    assert "months could not be rolled up" in caplog.text
    relay.mend()
    take(store, DAY)
    relay.asked.clear()
    table = store.history(columns=["name"])
    assert len(relay.asked) == 2 + 2 + 29, relay.asked  # listings, months, days of the month that goes on
    assert sorted(set(table["snapshot_date"].to_pylist())) == days
    until = date(2026, 5, 31)
    months = store.history(end=until)
    assert months.equals(whole.slice(0, months.num_rows))
    assert months["snapshot_date"].to_pylist()[-1] == until
    relay.asked.clear()
    take(store, DAY)
    looks = [line for line in relay.asked if "compacted" in line]
    assert len(looks) <= 3, looks  # s3fs looks twice for a folder that is not there
    assert all(line.startswith("GET ") for line in looks)


def test_reports_are_listed_at_once(relay: Relay, store: SnapshotStore, take: Callable[..., Any]) -> None:
    for _ in range(2):
        take(store, DAY)
    take(store, NEXT)
    relay.asked.clear()
    assert [run.snapshot_date for run in store.runs()] == [DAY, NEXT]
    assert len(relay.asked) == 3  # one listing, two reports


def test_history_reads_objects_at_the_same_time(
    relay: Relay, store: SnapshotStore, take: Callable[..., Any]
) -> None:
    take(store, DAY)
    days = copy_days(store, 8)
    relay.gate = threading.Barrier(4)  # none is let through before four are asked for
    table = store.history(columns=["name"])
    assert not relay.gate.broken
    assert sorted(set(table["snapshot_date"].to_pylist())) == days


@pytest.mark.parametrize("part", ["quarantine", r"quality.*\.json", r"quality.*\.html", "models"])
def test_a_connection_lost_in_a_write_leaves_the_old_snapshot(
    relay: Relay, store: SnapshotStore, take: Callable[..., Any], part: str
) -> None:
    good = take(store, DAY)
    table = store.read(DAY)
    relay.cut(rf"PUT .*{part}")
    with pytest.raises(StorageError, match="Could not write s3://"):
        take(store, DAY)
    assert [line for line in relay.asked if re.search(rf"PUT .*{part}", line)]
    relay.mend()
    assert store.info(DAY).snapshot_id == good.snapshot_id
    assert store.read(DAY).equals(table)
    assert store.quality(DAY).snapshot_id == good.snapshot_id
    relay.cut(rf"PUT .*{part}", times=1)  # a single loss is tried again
    assert take(store, DAY).snapshot_id == store.info(DAY).snapshot_id != good.snapshot_id


def test_a_connection_lost_in_a_read_is_told_or_tried_again(
    relay: Relay, store: SnapshotStore, take: Callable[..., Any]
) -> None:
    for day in (DAY, NEXT):
        take(store, day)
    table = store.history()
    reads: list[tuple[str, Callable[[], Any]]] = [
        (r"GET .*2026-06-30/models\.parquet", store.history),
        (r"GET .*2026-06-30/models\.parquet", lambda: store.price_at("zai-org/GLM-4.6", NEXT)),
        (r"GET .*2026-06-30/models\.parquet", lambda: store.read(NEXT)),
        (r"GET .*quality", store.runs),
        (r"GET .*list-type=2", store.dates),
    ]
    for pattern, read in reads:
        relay.cut(pattern, answer=True)
        with pytest.raises(StorageError, match=r"Could not (read|list) s3://") as raised:
            read()
        assert not isinstance(raised.value, NotOnFileError)
        relay.cut(pattern, times=1, answer=True)
        try:
            assert read()
        except StorageError:  # older versions of s3fs do not repeat every request
            assert read()
    relay.mend()
    assert store.history().equals(table)


def test_a_reader_sees_one_snapshot_or_the_other(
    store: SnapshotStore, take: Callable[..., Any], api: EmulatorServer
) -> None:
    take(store, DAY)
    stop = threading.Event()
    seen: list[tuple[str, int]] = []

    def read() -> None:
        while not stop.is_set():
            try:
                seen.append((store.info(DAY).snapshot_id, store.read(DAY).num_rows))
            except StorageError as error:  # moto closes an object that is replaced while it is sent
                if "Internal Server Error" not in str(error):
                    raise

    reader = threading.Thread(target=read)
    reader.start()
    written = {store.info(DAY).snapshot_id} | {take(store, DAY).snapshot_id for _ in range(5)}
    stop.set()
    reader.join()
    rows = store.read(DAY).num_rows
    assert {snapshot_id for snapshot_id, _ in seen} <= written
    assert {number for _, number in seen} == {rows}


def test_the_daily_dag_and_what_follows_on_s3(
    relay: Relay,
    api: EmulatorServer,
    store: SnapshotStore,
    take: Callable[..., Any],
    run_dag: Callable[..., Any],
) -> None:
    today = datetime.now(UTC).date()
    take(store, DAY)
    api.set_as_of(NEXT)
    assert run_dag(load_dag("io_intelligence_daily_pricing")).state == "success"
    assert store.dates() == [DAY, today]
    assert store.changes().num_rows > 0
    detect_changes(store, today)
    assert [run.outcome for run in store.runs()] == ["passed", "passed"]
    prices = store.price_at("zai-org/GLM-4.6", today)
    assert store.price_at("zai-org/GLM-4.6", DAY).snapshot_date == DAY
    assert store.cost("zai-org/GLM-4.6", output_tokens=10**6) == prices.output
    periods = store.periods(["zai-org/GLM-4.6"]).to_pylist()
    held = [row["price"] for row in periods if row["field"] == "output_token_price" and not row["valid_to"]]
    assert held == [prices.output]
    assert store.prune(keep_days=1) == [DAY]
    assert store.dates() == [today]


def test_any_data_set_is_checked_on_s3(relay: Relay, s3: Any, run_dag: Callable[..., Any]) -> None:
    """Glob, quarantine, valid rows and the history of results, all by one connection of Airflow's."""
    import pandera.polars as pa
    import polars as pl
    from airflow.sdk import DAG

    from io_intelligence_provider.operators.pandera import PanderaCheckOperator

    for name, values in {"a": [1, -2, 3], "b": [4, -5]}.items():
        sink = io.BytesIO()
        pl.DataFrame({"value": values}).write_parquet(sink)
        s3.put_object(Bucket=BUCKET, Key=f"in/day={name}/part.parquet", Body=sink.getvalue())
    connection = os.environ["AIRFLOW__IO_INTELLIGENCE__STORAGE_CONN_ID"]
    with DAG("checked_on_s3") as dag:
        PanderaCheckOperator(
            task_id="check",
            path=f"s3://{BUCKET}/in/*/*.parquet",
            schema=pa.DataFrameSchema({"value": pa.Column(int, pa.Check.ge(0))}),
            quarantine_path=f"s3://{BUCKET}/refused",
            valid_path=f"s3://{BUCKET}/valid.parquet",
            max_quarantine_share=1.0,
            storage_conn_id=connection,
            results_root=f"s3://{BUCKET}/results",
            fail_on="never",
        )
    assert run_dag(dag).state == "success"
    filesystem = filesystem_of(f"s3://{BUCKET}", connection)
    files = Files(f"s3://{BUCKET}", filesystem)
    valid = pl.read_parquet(files.read("valid.parquet"))
    assert sorted(valid["value"]) == [1, 3, 4]
    (refused,) = files.list("refused")
    rows = pl.read_parquet(files.read(f"refused/{refused}"))
    assert sorted(json.loads(record)["value"] for record in rows["record"]) == [-5, -2]
    (run,) = ResultHistory(f"s3://{BUCKET}/results", filesystem=filesystem).runs()
    assert (run.rows, run.valid, run.quarantined, run.files) == (5, 3, 2, 2)
    assert run.quarantine_path == f"s3://{BUCKET}/refused/{refused}"


def test_what_another_process_wrote_is_seen(
    relay: Relay, store: SnapshotStore, s3: Any, take: Callable[..., Any]
) -> None:
    """s3fs answers sizes and listings from what it listed before; another file system plays the process."""
    take(store, DAY)
    source, history = StoreSource(lambda: store, 0.0), ResultHistory.of(store.files)
    history.add(store.quality(DAY), "orders")

    def look() -> tuple[Any, ...]:
        days = source.listing().dates
        return (
            store.dates(), days, [run.snapshot_id for run in store.runs()], len(history.runs("orders")),
            store.quality().snapshot_id, store.quarantine().num_rows,
            store.history(columns=["name"]).num_rows,
        )  # fmt: skip

    before = look()
    options = {"key": "t", "secret": "t", "endpoint_url": relay.url, "skip_instance_cache": True}
    other = SnapshotStore(f"s3://{BUCKET}/a prefix", storage_options=options)
    again = take(other, DAY)
    taken = take(other, NEXT)
    ResultHistory.of(other.files).add(other.quality(NEXT), "orders")
    after = look()
    assert (before[0], after[0], list(after[1])) == ([DAY], [DAY, NEXT], [DAY, NEXT])
    assert after[2:5] == ([again.snapshot_id, taken.snapshot_id], 2, taken.snapshot_id)
    assert after[6] > before[6]
    relay.asked.clear()
    store.read(DAY)
    assert [line.partition(" ")[0] for line in relay.asked] == ["HEAD", "GET"]  # no size is asked for
    s3.put_object(Bucket=BUCKET, Key=f"a prefix/{models_path(DAY)}", Body=b"")
    with pytest.raises(UnreadableFileError, match="it has 0 bytes"):
        store.read(DAY)
