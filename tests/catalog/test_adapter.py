"""Tests compressed responses: complete, truncated, and decompression bombs."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import Any

import pytest

from helpers.records import numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.catalog import adapter
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.errors import (
    AuthenticationError,
    RateLimitError,
    ResponseError,
    TransportError,
)

GZIP = {"Content-Encoding": "gzip"}


def test_a_packed_answer_is_asked_for_and_unpacked(scripted: Any, connect: Any) -> None:
    body = page_reply(numbered_models(500)).body
    server = scripted(Reply(200, gzip.compress(body), GZIP))
    assert len(connect(server.url).fetch_page().records) == 500
    assert server.requests[0].headers["Accept-Encoding"] == "gzip"


def test_several_members_are_one_answer(scripted: Any, connect: Any) -> None:
    body = page_reply(numbered_models(5)).body
    packed = gzip.compress(body[:9]) + gzip.compress(body[9:])
    assert len(connect(scripted(Reply(200, packed, GZIP)).url).fetch_page().records) == 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[:-9],
        lambda packed: packed[:20],
        lambda _: b"no gzip at all",
        lambda packed: packed[:-8] + b"\0" * 8,
        lambda packed: packed + packed[:-9],
    ],
    ids=["cut", "cut early", "none", "wrong checksum", "second member cut"],
)
def test_a_damaged_one_is_asked_for_again(scripted: Any, connect: Any, spoil: Any) -> None:
    body = page_reply(numbered_models(200)).body
    damaged = Reply(200, spoil(gzip.compress(body)), GZIP)
    server = scripted([damaged, page_reply()])
    connect(server.url).fetch_page()
    assert len(server.requests) == 2
    with pytest.raises(TransportError, match=r"gzip .*after 2 tries"):
        connect(scripted(damaged).url, max_retries=1).fetch_page()


@pytest.mark.parametrize("rest", [b"rubbish", b"\0" * 512, b"\r\n", b"\x1f"])
def test_bytes_after_its_end_are_ignored(scripted: Any, connect: Any, rest: bytes) -> None:
    body = page_reply(numbered_models(5)).body
    server = scripted(Reply(200, gzip.compress(body) + rest, GZIP))
    assert len(connect(server.url).fetch_page().records) == 5
    assert len(server.requests) == 1


@pytest.mark.parametrize("packed", [True, False])
def test_more_than_anybody_should_answer_is_refused(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, packed: bool
) -> None:
    monkeypatch.setattr(adapter, "MAX_BODY_BYTES", 1 << 20)
    body = b" " * ((1 << 20) + 1)
    server = scripted(Reply(200, gzip.compress(body), GZIP) if packed else Reply(200, body))
    with pytest.raises(ResponseError, match="more than 1 MiB"):
        connect(server.url).fetch_page()
    assert len(server.requests) == 1


def test_another_encoding_is_named(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(200, b"x", {"Content-Encoding": "br"}))
    with pytest.raises(ResponseError, match="'br'"):
        connect(server.url).fetch_page()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"x", "br"), (b"x", "deflate"), (b"x", "gzip"), (gzip.compress(b"x")[:-9], "gzip")],
    ids=["br", "deflate", "no gzip", "gzip that is cut"],
)
def test_an_error_that_cannot_be_unpacked_keeps_its_status(
    scripted: Any, connect: Any, body: bytes, encoding: str
) -> None:
    """Networks that deliver content send their own error pages in encodings that nobody asked for."""
    packed = {"Content-Encoding": encoding}
    with pytest.raises(AuthenticationError, match=r"answered 401\. "):
        connect(scripted(Reply(401, body, packed)).url).fetch_page()
    with pytest.raises(RateLimitError) as limited:
        connect(scripted(Reply(429, body, packed | {"Retry-After": "900"})).url).fetch_page()
    assert limited.value.retry_after == 900
    server = scripted([Reply(503, body, packed), page_reply(numbered_models(2))])
    assert len(connect(server.url).fetch_page().records) == 2
    server = scripted([Reply(302, body, packed | {"Location": "/moved"}), page_reply(numbered_models(2))])
    assert len(connect(server.url).fetch_page().records) == 2


def test_unpacking_thousands_of_members_does_not_outlast_the_deadline(scripted: Any, connect: Any) -> None:
    asked = []

    class Clock(Deadline):
        def check(self) -> None:
            asked.append(1)
            if len(asked) > 100:
                raise TransportError("The deadline has passed.")

    packed = gzip.compress(b"") * 1_000 + gzip.compress(page_reply().body)
    with pytest.raises(TransportError, match="deadline has passed"):
        connect(scripted(Reply(200, packed, GZIP)).url).fetch_page(deadline=Clock(60))


def test_chunks_of_two_bytes_take_no_more_memory_than_the_body(scripted: Any, connect: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = scripted(Reply(raw=[head, b"2\r\n  \r\n" * 2_500, b"0\r\n\r\n"]))
    client = connect(server.url)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseError, match="empty body"):
            client.fetch_page()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 200_000


def test_an_error_may_be_packed_too(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(404, gzip.compress(b"nothing here"), GZIP))
    with pytest.raises(Exception, match="nothing here"):
        connect(server.url).fetch_page()
