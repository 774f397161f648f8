"""Tests compressed responses: complete, truncated, and decompression bombs."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from helpers.records import numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.catalog import adapter
from io_intelligence_provider.errors import ResponseError, TransportError

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


def test_an_error_may_be_packed_too(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(404, gzip.compress(b"nothing here"), GZIP))
    with pytest.raises(Exception, match="nothing here"):
        connect(server.url).fetch_page()
