"""Tests that each error status raises its own class, with what a caller needs to act on it."""

from __future__ import annotations

import json
import pickle
from typing import Any

import psutil
import pytest

from helpers.scripted_server import Reply
from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.errors import (
    AuthenticationError,
    ErrorDetail,
    IOIntelligenceError,
    NotFoundError,
    QuotaError,
    RateLimitError,
    RequestError,
    ResponseError,
    ServerError,
)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AuthenticationError),
        (402, QuotaError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (400, RequestError),
        (418, RequestError),
        (422, RequestError),
        (204, ResponseError),
        (304, ResponseError),
    ],
)
def test_a_final_refusal_is_its_own_error_after_one_request(
    emulator: Any, connect: Any, emulator_pages: Any, status: int, expected: type[IOIntelligenceError]
) -> None:
    emulator.faults.add(Fault(kind="status", status=status, times=None))
    client = connect(emulator.url)
    with pytest.raises(expected) as caught:
        client.fetch_page()
    assert type(caught.value) is expected
    assert emulator_pages() == [1]
    assert f"{emulator.url}/api/v1/models?page=1&page_size=100" in str(caught.value)
    assert str(status) in str(caught.value)
    assert getattr(caught.value, "status", status) == status


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, RateLimitError), (500, ServerError), (502, ServerError), (503, ServerError), (599, ServerError)],
)
def test_trouble_is_reported_after_the_retries(
    emulator: Any, connect: Any, emulator_pages: Any, status: int, expected: type[IOIntelligenceError]
) -> None:
    emulator.faults.add(Fault(kind="status", status=status, times=None))
    client = connect(emulator.url, max_retries=2)
    with pytest.raises(expected, match=rf"{status}.*after 3 tries") as caught:
        client.fetch_page()
    assert type(caught.value) is expected
    assert emulator_pages() == [1, 1, 1]


def test_a_422_carries_every_detail(scripted: Any, connect: Any) -> None:
    detail = [
        {"loc": ["query", "page", 0], "msg": "too big", "type": "less_than", "input": 7},
        {"loc": "oddly", "msg": 3},
        "no object",
    ]
    server = scripted(Reply(422, json.dumps({"detail": detail}).encode()))
    with pytest.raises(RequestError, match=r"query\.page\.0: too big \(less_than\)") as caught:
        connect(server.url).fetch_page()
    assert caught.value.details == (
        ErrorDetail(("query", "page", 0), "too big", "less_than"),
        ErrorDetail((), "", ""),
    )
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (str(copy), copy.status, copy.details) == (str(caught.value), 422, caught.value.details)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>no</html>",
        b'{"detail":"no list"}',
        b"[1]",
        b'{"detail":[{"msg":' + b"9" * 5_000 + b"}]}",
        b'{"detail":[{"msg":"\\ud800"}]}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_a_422_without_the_documented_body_has_no_details(scripted: Any, connect: Any, body: bytes) -> None:
    with pytest.raises(RequestError, match="answered 422") as caught:
        connect(scripted(Reply(422, body)).url).fetch_page()
    assert caught.value.details == ()
    assert len(str(caught.value)) < 700


def test_a_message_is_one_printable_line(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(404, b"not\r\n\x1b[31mfound\x00\x07 here"))
    with pytest.raises(NotFoundError, match=r"not \[31mfound here") as caught:
        connect(server.url).fetch_page()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"{}",
        b"[]",
        b"null",
        b'{"data":[]}',
        b'{"data":{},"object":"list"}',
        b'{"data":[],"pagination":[]}',
        b'{"data":[],"pagination":{"total":"1","has_next":false}}',
        b'{"data":[],"pagination":{"total":true,"has_next":false}}',
        b'{"data":[],"pagination":{"total":-1,"has_next":false}}',
        b'{"data":[],"pagination":{"total":1}}',
        b'{"data":[NaN],"object":"list"}',
        b'{"data":[' + b"[" * 100_000,
        b'{"data":["\\ud800",' + b"[" * 100_000 + b"]" * 100_000 + b'],"object":"list"}',
        b'{"data":["\\ud800"],"pagination":{"total":' + b"9" * 5_000 + b',"has_next":false}}',
    ],
)
def test_an_answer_of_neither_shape_is_not_asked_for_again(scripted: Any, connect: Any, body: bytes) -> None:
    server = scripted(Reply(200, body))
    with pytest.raises(ResponseError, match=r"api/v1/models \(page 1\)"):
        connect(server.url).fetch_page()
    assert len(server.requests) == 1


def test_a_closed_client_has_no_connection_left_while_its_error_is_kept(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(200, b"x", {"Content-Encoding": "br"}))
    client = connect(server.url)
    with pytest.raises(ResponseError) as kept:
        client.fetch_page()
    assert to_port(server.server_port) == 1
    client.close()
    assert to_port(server.server_port) == 0
    assert kept.value.__traceback__


def to_port(port: int) -> int:
    """Return the number of this process's connections to a port."""
    connections = psutil.Process().net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.port == port for one in connections)
