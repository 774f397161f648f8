"""A file that one of many writers may create: on disk, in memory, and on a real S3 server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.storage.filesystem import Files

WRITERS = 6


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, Any]]:
    import boto3

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url, keys = f"http://{host}:{port}", {"aws_access_key_id": "t", "aws_secret_access_key": "t"}
    boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys).create_bucket(Bucket="create")
    yield {"key": "t", "secret": "t", "endpoint_url": url, "client_kwargs": {"region_name": "us-east-1"}}
    server.stop()


@pytest.fixture(params=["disk", "memory", "s3"])
def open_files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Files]]:
    if request.param == "disk":
        yield lambda: Files(tmp_path / "root")
    elif request.param == "s3":
        options = request.getfixturevalue("s3")
        yield lambda: Files(f"s3://create/{tmp_path.name}", storage_options=options)
    else:
        root = f"memory://create-{tmp_path.name}"
        yield lambda: Files(root)
        fsspec.filesystem("memory").rm(root, recursive=True)


def test_the_second_writer_is_told_and_changes_nothing(open_files: Callable[[], Files]) -> None:
    assert open_files().create("a/b", b"one") is True
    assert open_files().create("a/b", b"two") is False
    assert open_files().read("a/b") == b"one"
    assert open_files().list("a") == ["b"]


def test_of_many_writers_at_once_one_creates_it(open_files: Callable[[], Files]) -> None:
    barrier = Barrier(WRITERS)

    def write(number: int) -> bool:
        files = open_files()
        barrier.wait()
        return files.create("a/b", f"writer {number}".encode())

    with ThreadPoolExecutor(WRITERS) as pool:
        wrote = list(pool.map(write, range(WRITERS)))
    if open_files().url("").startswith("memory:"):  # its check and its write are two steps, in one process
        assert any(wrote)
        return
    assert wrote.count(True) == 1
    assert open_files().read("a/b") == f"writer {wrote.index(True)}".encode()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    with pytest.raises(StorageError, match="Could not create"):
        Files(tmp_path / "root").create("a/b", b"one")
    assert [path for path in (tmp_path / "root").rglob("*") if path.is_file()] == []
