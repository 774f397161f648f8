"""Tests credentials in a root or a path: refused everywhere, never shown."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli import main
from io_intelligence_provider.errors import ConfigurationError, StorageError
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.results_store import ResultHistory
from io_intelligence_provider.quality.run import check_dataset, check_frame
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.location import (
    Storage,
    local_path,
    redacted,
    refusal_of,
    scrubbed,
    storage_of,
)

CANARY = "c4nary"
WITH_CREDENTIALS = [
    f"sftp://u:{CANARY}@host/x",
    f"sftp://{CANARY}@host/x",
    f"SFTP://u:{CANARY}@host",
    f" sftp://u:{CANARY}@host/x",
    f"sftp:/u:{CANARY}@host/x",
    f"sftp://u:p@{CANARY}@host/x",
    f"sftp://u:{CANARY}@[::1]:22/x",
    f"sftp://u:1::{CANARY}@host/x",
    f"sftp://u%3A{CANARY}%40host/x",
    f"u:{CANARY}@host/x",
    f"s3://KEY:{CANARY}@bucket/prefix",
    f"s3://KEY:{CANARY}/+more@bucket/prefix",
    f"s3://KEY:9/{CANARY}@bucket/prefix",
    f"s3:///KEY:{CANARY}@bucket/prefix",
    f"s3:KEY:{CANARY}@bucket/prefix",
    f"simplecache::sftp://u:{CANARY}@host/x",
    f"zip://*.parquet::s3://KEY:{CANARY}@bucket/x.zip",
    f"s3://bucket/prefix?token={CANARY}",
    f"https://host/x.parquet?a=1&sig={CANARY}",
    f"https://host/x#access_token={CANARY}",
    f"filecache::https://host/x?sig={CANARY}",
    f"memory://user:{CANARY}@x/prices",
    f"file://u:{CANARY}@host/x",
    f"abfss://container:{CANARY}@account.dfs.core.windows.net/x",
    f"abfss://{CANARY}==@account.dfs.core.windows.net/x",
    f"'sftp://u:{CANARY}@host/x'",
    f'"sftp://{CANARY}@host/x"',
    f"root=sftp://u:{CANARY}@host/x",
    f"/data/sftp://u:{CANARY}@host",
    f"s_ftp://u:{CANARY}@host/x",
    f"<sftp://u:{CANARY}@host/x>",
    f"\u200bsftp://u:{CANARY}@host/x",
    f"sftp//u:{CANARY}@host/x",
    f"sftp://host/u:{CANARY}@x",
    f"sftp://u%253A{CANARY}%2540host/x",
]
WITHOUT = [
    "/data/io",
    "~/io",
    "me@work/data",
    "/data/a:b@c",
    "prices:2026/x",
    "C:/data",
    "file:///home/me@work/a:b",
    "file:///data/what?is=this",
    "memory:///x",
    "memory://x/y",
    "s3://bucket/me@work/x",
    "s3://bucket/day=202?-0[1-3]-*/part-?.parquet",
    "s3://bucket/day=?/region=eu/*.parquet",
    "s3://arn:aws:s3:us-east-1:1234:accesspoint/point/key",
    "sftp://host:22/x",
    "sftp://[::1]:22/x",
    "abfs://container@account.dfs.core.windows.net/x",
    "abfss://my-box1@account.blob.core.windows.net/x",
    "hf://datasets/someone/set@main/x",
]


def open_files(root: str) -> Any:
    return Files(root)


def check_at(path: str) -> Any:
    import pandera.polars as pa

    return check_dataset(path, pa.DataFrameSchema({"a": pa.Column(int)}))


def frame_at(path: str) -> Any:
    import pandera.polars as pa
    import polars as pl

    return check_frame(
        pl.DataFrame({"a": [1]}), pa.DataFrameSchema({"a": pa.Column(int)}), CheckOptions(valid_path=path)
    )


def spark_at(path: str) -> Any:
    from io_intelligence_provider.quality.spark import check_on_spark

    return check_on_spark(path, "pandera_of:nothing")


def watch_at(root: str) -> Any:
    from io_intelligence_provider.triggers.watcher import IOIntelligenceWatchTrigger

    return IOIntelligenceWatchTrigger(root=root)


TAKERS: dict[str, Callable[[str], Any]] = {
    "store": SnapshotStore,
    "store with a file system": lambda root: SnapshotStore(root, filesystem=MemoryFileSystem()),
    "results": ResultHistory,
    "files": open_files,
    "data set": check_at,
    "frame": frame_at,
    "quarantine_path": lambda path: CheckOptions(quarantine_path=path),
    "valid_path": lambda path: CheckOptions(valid_path=path),
    "spark": spark_at,
    "watcher": watch_at,
}


@pytest.mark.parametrize("location", WITH_CREDENTIALS)
@pytest.mark.parametrize("taker", TAKERS)
def test_a_location_with_credentials_is_refused_and_not_shown(taker: str, location: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        TAKERS[taker](location)
    assert "storage_conn_id" in str(refused.value)
    for text in (str(refused.value), repr(refused.value), repr(refused.value.__dict__)):
        assert CANARY not in text
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("location", WITHOUT)
def test_what_only_looks_like_credentials_is_taken(location: str) -> None:
    assert refusal_of(location, "root") is None
    assert CheckOptions(valid_path=location).valid_path == location


@pytest.mark.parametrize(
    "location",
    [item for item in WITH_CREDENTIALS if item.startswith(("s3://", "sftp://u:"))],
)
def test_a_text_with_a_url_is_shown_without_credentials(location: str) -> None:
    assert CANARY not in scrubbed(f"Could not open '{location}': refused")


@pytest.mark.parametrize("location", [item for item in WITHOUT if "?" not in item and ":b" not in item])
def test_a_text_with_any_other_url_is_left_as_it_is(location: str) -> None:
    text = f"Could not open '{location}': refused"
    assert scrubbed(text) == text


@pytest.mark.parametrize("command", ["show", "changes", "replay"])
def test_commands_refuse_such_a_root(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--root", f"sftp://u:{CANARY}@host/x"]) == 2
    out, err = capsys.readouterr()
    assert CANARY not in out + err
    assert "user info" in err


def test_the_help_shows_no_credentials_of_the_configured_root(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", f"sftp://u:{CANARY}@host/100%25")
    with pytest.raises(SystemExit):
        main(["show", "--help"])
    shown = capsys.readouterr().out
    assert CANARY not in shown
    assert "sftp://host/100%25" in shown.replace("\n", "").replace(" ", "")


OPTIONS = {
    "key": "AKIA-public",
    "secret": CANARY,
    "client_kwargs": {"aws_session_token": [f"{CANARY}/two"]},
    "endpoint_url": "http://127.0.0.1:9",
}


def test_the_values_of_secret_options_are_masked() -> None:
    error = ValueError(f"bad pair AKIA-public {CANARY} {CANARY}%2Ftwo at http://127.0.0.1:9/x?sig={CANARY}")
    assert redacted(error, OPTIONS) == "bad pair *** *** *** at http://127.0.0.1:9/x"


class Refusing(MemoryFileSystem):
    """A file system that says its password when it refuses."""

    protocol = "refusing"
    cachable = False

    def cat_file(self, path: str, *_: Any, **__: Any) -> bytes:
        raise PermissionError(f"wrong password {self.storage_options['password']} for {path}")

    info = ls = find = pipe_file = rm_file = cat_file


def test_storage_options_stand_in_no_error_and_no_repr() -> None:
    filesystem = Refusing(password=CANARY)
    store = SnapshotStore("/root", filesystem=filesystem)
    assert CANARY not in repr(store) + repr(store.files) + repr(ResultHistory.of(store.files))
    for act in (
        store.dates,
        store.read,
        store.runs,
        lambda: store.files.put("a", b""),
        lambda: file_records(store, [model_record()]),
    ):
        with pytest.raises(StorageError, match=r"wrong password \*\*\* for") as failed:
            act()
        assert failed.value.__cause__ is None  # a traceback shows that as well


class Connecting(MemoryFileSystem):
    """A file system that connects when it is made, and says its password when it cannot."""

    cachable = False

    def __init__(self, **options: Any) -> None:
        raise options["error"](f"no entry with {options['password']}")


fsspec.register_implementation("connecting", Connecting, clobber=True)


def test_a_file_system_that_cannot_be_made_shows_no_options() -> None:
    for error, ours in ((OSError, StorageError), (TypeError, ConfigurationError)):
        with pytest.raises(ours, match=r"no entry with \*\*\*") as failed:
            SnapshotStore("connecting://x", storage_options={"password": CANARY, "error": error})
        assert failed.value.__cause__ is None


@pytest.mark.parametrize("root", ["s4://bucket/x", "connecting://x", "prices::2026"])
def test_storage_options_stand_in_no_frame_of_ours(root: str) -> None:
    with pytest.raises((ConfigurationError, StorageError)) as failed:
        SnapshotStore(root, storage_options={"password": CANARY, "error": OSError})
    frames = [frame for frame, _ in traceback.walk_tb(failed.tb)][1:]  # less the test's own
    assert len(frames) >= 3
    values = [value for frame in frames for name, value in frame.f_locals.items() if name != "self"]
    assert CANARY not in repr(values)


def test_a_data_set_on_such_a_storage(tmp_path: Path) -> None:
    from io_intelligence_provider.quality.files import Found, find

    filesystem = Refusing(password=CANARY)
    with pytest.raises(StorageError, match=r"wrong password \*\*\*"):
        find("refusing://x/*.parquet", filesystem)
    assert "filesystem" not in repr(Found("x", (), Storage(filesystem, "x", is_local=False)))


NO_LOCATION = [
    "",
    "  ",
    " s3://bucket/x",
    "s3:/bucket/prefix",
    "memory:/x",
    "gs:bucket/prefix",
    "s3:bucket/prefix",
    "file:relative",
    "file://relative/x",
    "file://host/x",
    "local://host/x",
    "s3://",
    "s3:///prefix",
    "abfs://",
    "s://bucket/x",
    "my_store://bucket/x",
    "s4://bucket/x",
    "/data/a\0b",
    "/data/\udc80",
    "prices::2026",
    "prices::2026/x.parquet",
    "/data/prices::2026",
    "simplecache::s3://bucket/x",
    "filecache::file:///data",
    "zip://*.parquet::s3://bucket/x.zip",
    7,
    b"/data/x",
    Path("s3://bucket/prefix"),
    Path("memory://x"),
]


@pytest.mark.parametrize("location", NO_LOCATION, ids=repr)
@pytest.mark.parametrize("taker", ["store", "results", "files", "data set", "frame"])
def test_what_is_no_location_is_refused(
    taker: str, location: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (taker, location) == ("frame", ""):
        return  # a frame that is written nowhere
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError):
        TAKERS[taker](location)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/data/x", "/data/x"),
        ("/data/a b%20c", "/data/a b%20c"),
        ("file:///data/a%20b", "/data/a b"),
        ("FILE:///data/a%2520b", "/data/a%20b"),
        ("file://localhost/data", "/data"),
        ("file:/data/x", "/data/x"),
        ("local:///data/x", "/data/x"),
        ("file:///data/100%", "/data/100%"),
        (Path("file:///data/a%20b"), "/data/a b"),
        (Path("/data/x"), "/data/x"),
        ("x/../y", "{folder}/y"),
        ("~/x", "{home}/x"),
    ],
)
def test_a_local_location_is_one_absolute_path(
    location: str | Path, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = path.format(folder=tmp_path, home=Path.home())
    assert local_path(str(location)) == expected
    assert storage_of(location).key == storage_of(location, LocalFileSystem()).key == expected
    files = Files(location)
    assert (files.root, files.url(""), files.is_local) == (expected, expected, True)


def test_the_scheme_of_a_url_is_of_any_case() -> None:
    assert storage_of("MEMORY://x/y").key == "/x/y"
    assert local_path("MEMORY://x/y") is None


def test_an_output_on_disk_beside_an_input_on_another_storage(tmp_path: Path) -> None:
    """The file system of the input does not serve it: of an object store, it would name a bucket."""
    import pandera.polars as pa
    import polars as pl

    filesystem = fsspec.filesystem("memory")
    pl.DataFrame({"a": [1, -1]}).write_parquet(buffer := io.BytesIO())
    filesystem.pipe_file("/beside/x.parquet", buffer.getvalue())
    schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))})
    options = CheckOptions(
        quarantine_path=str(tmp_path / "refused.parquet"),
        valid_path="memory://beside-valid/x.parquet",
        max_quarantine_share=1,
    )
    try:
        run = check_dataset("memory://beside/x.parquet", schema, options, filesystem=filesystem)
        assert run.quarantined == 1
        assert pl.read_parquet(tmp_path / "refused.parquet").height == 1
        assert filesystem.exists("/beside-valid/x.parquet")
    finally:
        for folder in ("/beside", "/beside-valid"):
            filesystem.rm(folder, recursive=True)
