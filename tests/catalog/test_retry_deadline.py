"""Tests that the deadline bounds a page, its retries, a slow body and the walk."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.catalog.adapter import _BoundedReads
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.errors import ServerError, TransportError

pytestmark = pytest.mark.long


def test_a_server_that_is_silent_does_not_outlast_it(emulator: Any, connect: Any) -> None:
    emulator.faults.add(Fault(kind="delay", seconds=60, times=None))
    with pytest.raises(TransportError, match=r"deadline of 0.2 s for one walk"):
        connect(emulator.url, deadline=0.2, read_timeout=60).fetch_page()


def drip(server: Any, first: bytes, drop: bytes) -> Iterator[bytes]:
    yield first
    while not server.stopping.wait(0.01):
        yield drop


@pytest.mark.parametrize("encoding", ["identity", "gzip", "chunked"])
def test_a_body_that_drips_does_not_outlast_it(scripted: Any, connect: Any, encoding: str) -> None:
    first, drop, headers = b'{"data":[', b" ", {"Content-Encoding": "identity"}
    if encoding == "gzip":
        packer = zlib.compressobj(wbits=31)
        # An empty block unpacks to nothing, so a reader that waits for unpacked bytes waits for ever.
        first, drop = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH), b"\x00\x00\x00\xff\xff"
        headers = {"Content-Encoding": "gzip"}
    if encoding == "chunked":
        first, drop, headers = b"1\r\n{\r\n", b"1\r\n \r\n", {"Transfer-Encoding": "chunked"}
    server = scripted(lambda _: Reply(headers=headers, pieces=drip(server, first, drop)))
    with pytest.raises(TransportError, match=r"deadline of 0.2 s"):
        connect(server.url, deadline=0.2).fetch_page()


DRIPS = {
    "status line": (b"HTTP/1.1 ", b"2"),
    "header line": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: x\r\n"),
    "informational answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "size of a chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
    "trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n", b"X: x\r\n"),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 99999\r\n\r\n", b"x"),
    "error": (b"HTTP/1.1 503 No\r\nContent-Length: 99999\r\n\r\n", b"x"),
}


@pytest.mark.parametrize("where", DRIPS)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_no_part_of_an_answer_that_drips_outlasts_it(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str, where: str, secure: bool
) -> None:
    server = scripted(lambda _: Reply(raw=drip(server, *DRIPS[where])), tls=tls if secure else None)
    begun = time.monotonic()
    with pytest.raises(TransportError, match=r"deadline of 0.3 s"):
        connect(server.url, deadline=0.3, verify=ca).fetch_page()
    assert time.monotonic() - begun < 5


def test_a_proxy_that_drips_its_answer_to_connect_does_not_outlast_it(scripted: Any, connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 ")
                while not stop.wait(0.01):
                    connection.sendall(b"x")

        thread = threading.Thread(target=answer)
        thread.start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TransportError, match=r"deadline of 0.3 s"):
            connect("https://127.0.0.1:1", deadline=0.3, proxy=proxy).fetch_page()
        stop.set()
        thread.join()


def test_a_read_waits_no_longer_than_it_leaves() -> None:
    one, other = socket.socketpair()
    with one, other:
        one.settimeout(60)
        with _BoundedReads(one, Deadline(0.1)) as reads, pytest.raises(TimeoutError):
            reads.read(1)


def test_it_bounds_all_pages_together(scripted: Any, connect: Any) -> None:
    def script(asked: Any) -> Any:
        server.stopping.wait(0.02)
        return page_reply([{"model_id": str(asked.page)}], total=10_000, has_next=True)

    server = scripted(script)
    with pytest.raises(TransportError, match="deadline"):
        list(connect(server.url, deadline=0.3, concurrency=2).iter_models())
    assert len(server.requests) < 100


def test_it_bounds_the_waits_between_tries(emulator: Any, connect: Any, emulator_pages: Any) -> None:
    emulator.faults.add(Fault(kind="status", status=500, times=None))
    client = connect(emulator.url, deadline=5, backoff=3_600, max_backoff=3_600, max_retries=100)
    with pytest.raises(ServerError):
        client.fetch_page()
    assert len(emulator_pages()) < 5


def test_a_cancelled_scope_ends_without_ending_the_whole() -> None:
    whole = Deadline(60)
    scope = whole.scope()
    scope.cancel()
    scope.sleep(60)
    with pytest.raises(TransportError, match="given up"):
        scope.check()
    whole.check()
    assert 0 < scope.left() <= whole.seconds


def test_a_passed_deadline_says_so() -> None:
    passed = Deadline(0)
    assert passed.left() == 0
    with pytest.raises(TransportError, match="has passed"):
        passed.check()


def test_each_call_has_a_deadline_of_its_own(
    emulator: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    clock = SimpleNamespace(monotonic=lambda: now)  # this module's alone: servers need the real one
    monkeypatch.setattr("io_intelligence_provider.catalog.retry.time", clock)
    client = connect(emulator.url, deadline=10)
    first = client.fetch_page()
    now += 60
    assert client.fetch_page() == first
