"""The deadline bounds everything: a page, its retries, a body that drips, the whole walk."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.errors import ServerError, TransportError


def test_a_server_that_is_silent_does_not_outlast_it(emulator: Any, connect: Any) -> None:
    emulator.faults.add(Fault(kind="delay", seconds=60, times=None))
    with pytest.raises(TransportError, match=r"deadline of 0.2 s for one walk"):
        connect(emulator.url, deadline=0.2, read_timeout=60).fetch_page()


def drip(server: Any, first: bytes, drop: bytes) -> Iterator[bytes]:
    yield first
    while not server.stopping.wait(0.01):
        yield drop


@pytest.mark.parametrize("encoding", ["identity", "gzip", "chunked"])
def test_a_body_that_drips_does_not_outlast_it(
    scripted: Any, connect: Any, tools: Any, encoding: str
) -> None:
    first, drop, headers = b'{"data":[', b" ", {"Content-Encoding": "identity"}
    if encoding == "gzip":
        packer = zlib.compressobj(wbits=31)
        # An empty block unpacks to nothing, so a reader that waits for unpacked bytes waits for ever.
        first, drop = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH), b"\x00\x00\x00\xff\xff"
        headers = {"Content-Encoding": "gzip"}
    if encoding == "chunked":
        first, drop, headers = b"1\r\n{\r\n", b"1\r\n \r\n", {"Transfer-Encoding": "chunked"}
    server = scripted(lambda _: tools.Reply(headers=headers, pieces=drip(server, first, drop)))
    with pytest.raises(TransportError, match=r"deadline of 0.2 s"):
        connect(server.url, deadline=0.2).fetch_page()


def test_it_bounds_all_pages_together(scripted: Any, connect: Any, tools: Any) -> None:
    def script(asked: Any) -> Any:
        server.stopping.wait(0.02)
        return tools.page([{"model_id": str(asked.page)}], total=10_000, has_next=True)

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
    client.fetch_page()
    now += 60
    client.fetch_page()
