"""Runs the chain of tasks on a real S3 server on loopback, through an Airflow connection."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from helpers.airflow_runs import API_KEY, catalogue_records
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, export_prices, take_snapshot
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import ConfigurationError, StorageError
from io_intelligence_provider.hooks.io_intelligence import MissingConnectionError
from io_intelligence_provider.hooks.store import open_store
from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
from io_intelligence_provider.operators.common import number
from io_intelligence_provider.operators.pandera import PanderaCheckOperator
from io_intelligence_provider.operators.snapshot import IOIntelligenceSnapshotOperator

BUCKET = "io-intelligence-test"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A real S3 server; yields its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and the Airflow connection ``s3_try`` that leads to it."""
    import boto3

    extra = {"endpoint_url": s3, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_TRY", json.dumps(connection))
    client = boto3.client(
        "s3", endpoint_url=s3, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
    )
    client.create_bucket(Bucket=BUCKET)
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    return f"s3://{BUCKET}/prices"


def test_a_storage_connection_that_is_not_there_is_named_with_how_to_add_it() -> None:
    with pytest.raises(MissingConnectionError, match="airflow connections add lake --conn-type aws"):
        open_store("s3://bucket/prices", "lake")


@pytest.mark.parametrize("name", ["root", "path", "quarantine_path", "valid_path", "results_root", "dataset"])
def test_a_location_with_credentials_never_becomes_an_argument(name: str) -> None:
    """Airflow keeps the arguments of a task in its database: a check in the run would come too late."""
    from airflow.sdk import DAG

    operators: list[Any] = [IOIntelligenceSnapshotOperator, IOIntelligenceChangesOperator]
    arguments: dict[str, Any] = {}
    if name != "root":
        operators, arguments = [PanderaCheckOperator], {"path": "/data/x.parquet", "schema": "a:b"}
    with DAG("secret", schedule=None):
        for operator in operators:
            with pytest.raises(ConfigurationError, match=f"^The {name} holds user info") as refused:
                operator(
                    task_id=f"a_{operator.__name__}", **(arguments | {name: "s3://AKIA:c4nary@bucket/x"})
                )
            assert "c4nary" not in str(refused.value)
            operator(task_id=f"b_{operator.__name__}", **(arguments | {name: "{{ var.value.place }}"}))


@pytest.mark.parametrize("value", ["c4nary", True, 10.5, "1e400", [1]])
def test_a_number_that_is_none_is_not_shown(value: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        number("page_size", value, int)
    assert str(refused.value) == "page_size is no integer."
    assert refused.value.__cause__ is None
    assert number("page_size", "10", int) == number("page_size", 10.0, int) == 10


def test_a_relative_root_is_named_with_the_folder_it_means(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("prices").files.root == str(tmp_path / "prices")
    assert f"the relative path 'prices'; this process takes it for {tmp_path}/prices" in caplog.text
    caplog.clear()
    for absolute in (str(tmp_path), f"file://{tmp_path}", "~/prices"):
        open_store(absolute)
    assert not caplog.records


def test_the_operator_files_a_snapshot_on_s3(
    api: EmulatorServer, bucket: str, run_dag: Callable[..., Any]
) -> None:
    from airflow.sdk import DAG

    with DAG("on_s3", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        IOIntelligenceSnapshotOperator(task_id="snapshot", root=bucket, storage_conn_id="s3_try")
    for _ in range(2):  # the second replaces the first, and its artifacts
        run = run_dag(dag)
        assert run.state == "success"
    store = open_store(bucket, "s3_try")
    today = datetime.now(UTC).date()
    assert store.dates() == [today]
    assert store.read().num_rows == 26
    assert store.quality().outcome == "passed"
    assert store.quarantine().num_rows == 0
    assert len(store.runs()) == 1
    summary = run.get_task_instances()[0].xcom_pull(task_ids="snapshot")
    assert summary["path"] == f"{bucket}/models/snapshot_date={today}/models.parquet"


@pytest.mark.parametrize("user_info", ["s3_try", "AKIA:SECRET", "AKIA:SEC/RET", "SECRET"])
@pytest.mark.parametrize("configured", [True, False])
def test_user_info_in_a_root_is_refused_and_not_shown(
    bucket: str, user_info: str, configured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also Airflow's own short form of a connection: what stands there may as well be a key."""
    root = bucket.replace("s3://", f"s3://{user_info}@")
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", root)
    with pytest.raises(ConfigurationError, match="storage_conn_id") as refused:
        open_store(None if configured else root)
    assert user_info not in str(refused.value)
    frames = [frame for frame, _ in traceback.walk_tb(refused.value.__traceback__)][1:]
    assert frames
    assert not [frame for frame in frames if user_info in repr(frame.f_locals)]
    assert ("configuration section" in str(refused.value)) is configured


def test_the_container_of_an_azure_url_is_no_user_info(monkeypatch: pytest.MonkeyPatch) -> None:
    """adlfs is not installed here; what counts is whom Airflow is asked for, and which path is left."""
    from fsspec.implementations.memory import MemoryFileSystem

    asked = []

    class Storage:
        fs = MemoryFileSystem()

    def attach(*arguments: Any) -> Storage:
        asked.append(arguments)
        return Storage()

    monkeypatch.setattr("io_intelligence_provider.hooks.store.attach", attach)
    monkeypatch.setenv("AIRFLOW_CONN_AZURE", '{"conn_type": "adls"}')
    root = "abfss://prices@account.dfs.core.windows.net/io"
    store = open_store(root, "azure")
    assert [arguments[:2] for arguments in asked] == [("abfss", "azure")]
    assert store.files.root == root


def test_the_configured_root_and_connection_are_the_defaults(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", bucket)
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__STORAGE_CONN_ID", "s3_try")
    assert open_store().dates() == []


def test_a_corrected_connection_counts_without_a_restart(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = os.environ["AIRFLOW_CONN_S3_TRY"]
    config = {"retries": {"max_attempts": 0}}
    extra = {"endpoint_url": "http://127.0.0.1:1", "region_name": "us-east-1", "config_kwargs": config}
    wrong = {"conn_type": "aws", "login": "test", "password": "test", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_TRY", json.dumps(wrong))
    with pytest.raises(StorageError, match="Could not list"):
        open_store(bucket, "s3_try").dates()
    monkeypatch.setenv("AIRFLOW_CONN_S3_TRY", right)
    store = open_store(bucket, "s3_try")
    assert store.dates() == []
    # The unchanged one is opened once, not at each look.
    assert open_store(bucket, "s3_try").files.location.filesystem is store.files.location.filesystem


def test_a_connection_whose_extra_is_no_json_does_not_reach_another_endpoint(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow takes it for empty, and the bucket would be looked for at Amazon."""
    extra = '{"endpoint_url": "http://127.0.0.1:1",}'
    wrong = {"conn_type": "aws", "login": "test", "password": "hunter2", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3_TRY", json.dumps(wrong))
    with pytest.raises(ConfigurationError, match="extra of connection 's3_try' is no JSON object") as caught:
        open_store(bucket, "s3_try")
    frames = traceback.walk_tb(caught.value.__traceback__)
    assert "hunter2" not in str([frame.f_locals for frame, _ in list(frames)[1:]])


def test_a_local_root_takes_no_storage_connection(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="local path"):
        open_store(str(tmp_path), "s3_try")


def test_a_file_system_that_is_not_installed_is_a_clear_error() -> None:
    with pytest.raises(ConfigurationError, match=r"Install the extra for it \(s3, gcs, azure\)"):
        open_store("gs://bucket/prefix")


@pytest.mark.parametrize(
    ("raised", "error", "advice"),
    [
        (ValueError, ConfigurationError, "correct the URL or the connection"),
        (OSError, StorageError, "Check the URL and the connection"),
        (RuntimeError, StorageError, "Check the URL and the connection"),
    ],
)
def test_a_connection_that_opens_no_file_system(
    raised: type[Exception], error: type[Exception], advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file systems of the clouds ask for a token when they are made; none is installed here."""

    def attach(*_: Any) -> Any:
        raise raised("no token from https://user:hunter2@login.example.com/?sig=hunter2")

    monkeypatch.setattr("io_intelligence_provider.hooks.store.attach", attach)
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", '{"conn_type": "google_cloud_platform"}')
    with pytest.raises(error, match=advice) as caught:
        open_store("gs://bucket/prefix", "google")
    assert "root 'gs://bucket/prefix'" in str(caught.value)
    assert "no token from" in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_an_export_of_a_local_store_uses_the_connection_of_its_path(
    file_day: Callable[..., Any], root: Path, bucket: str, run_dag: Callable[..., Any]
) -> None:
    from airflow.sdk import DAG, ObjectStoragePath

    from io_intelligence_provider.operators.export import IOIntelligenceExportOperator

    file_day(datetime.now(UTC).date(), catalogue_records())
    path = ObjectStoragePath(f"{bucket.replace('://', '://s3_try@')}/{{{{ task.task_id }}}}.json")
    with DAG("export_to_s3", schedule=None) as dag:
        IOIntelligenceExportOperator(
            task_id="export", format="litellm", path=path, storage_conn_id="{{ none }}"
        )
    assert run_dag(dag).state == "success"
    exported = open_store(bucket, "s3_try").files.read("export.json")
    assert exported == export_prices(SnapshotStore(root), "litellm")


def test_changes_alerts_and_exports_on_s3(
    api: EmulatorServer, bucket: str, run_dag: Callable[..., Any], webhook: Any
) -> None:
    from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier
    from airflow.sdk import DAG

    from io_intelligence_provider.operators.alert import IOIntelligenceAlertOperator
    from io_intelligence_provider.operators.changes import IOIntelligenceChangesOperator
    from io_intelligence_provider.operators.export import IOIntelligenceExportOperator

    store = open_store(bucket, "s3_try")
    today = datetime.now(UTC).date()
    with IOIntelligenceClient(api.url, token=API_KEY) as client:
        for days_ago, recorded in ((1, date(2026, 6, 29)), (0, date(2026, 6, 30))):
            api.set_as_of(recorded)
            take_snapshot(client, store, snapshot_date=today - timedelta(days=days_ago))
    where = {"root": bucket, "storage_conn_id": "s3_try"}
    notifier = SlackWebhookNotifier(text="{{ io_intelligence.text }}")
    with DAG("changes_on_s3", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        changes = IOIntelligenceChangesOperator(task_id="changes", **where)
        changes >> IOIntelligenceAlertOperator(
            task_id="alert", rules="[{name: moves}]", notifiers=[notifier], **where
        )
        IOIntelligenceExportOperator(
            task_id="export", format="litellm", path=f"{bucket}/prices/litellm.json", **where
        )
    for _ in range(2):
        run = run_dag(dag)
        assert run.state == "success"
    rows = store.changes(today).to_pylist()
    assert len(rows) > 0
    summary = next(item for item in run.get_task_instances() if item.task_id == "changes").xcom_pull(
        task_ids="changes"
    )
    assert summary["path"] == f"{bucket}/changes/snapshot_date={today}/changes.parquet"
    assert store.files.read("prices/litellm.json") == export_prices(store, "litellm")
    (message,) = webhook.messages  # the second run has nothing new
    assert f"moves ({len(rows)} changes" in message["text"]
