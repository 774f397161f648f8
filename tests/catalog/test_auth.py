"""Tests OAuth2 client credentials: a token is fetched once, renewed in time, and once after a 401."""

from __future__ import annotations

import base64
import json
import threading
import traceback
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import pytest

from helpers.records import names_of, numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.catalog.auth import ClientCredentials
from io_intelligence_provider.catalog.http_errors import Answer
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.emulator.state import OAuthClient
from io_intelligence_provider.errors import (
    AuthenticationError,
    IOIntelligenceError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    ServerError,
    TransportError,
)
from io_intelligence_provider.redaction import Redactor, Secret

CLIENT = {"client_id": "me & you", "client_secret": "pw+1/ %&:", "scope": "models.read more"}


@pytest.fixture(scope="session")
def _guarded() -> Iterator[EmulatorServer]:
    oauth = OAuthClient(CLIENT["client_id"], CLIENT["client_secret"])
    with EmulatorServer(catalogue=FixedCatalogue(numbered_models(7)), oauth=oauth) as server:
        yield server


@pytest.fixture
def guarded(_guarded: EmulatorServer) -> Iterator[EmulatorServer]:
    _guarded.state.tokens.revoke()
    _guarded.state.tokens.issued = 0
    yield _guarded
    _guarded.state.reset()


@pytest.fixture
def log_in(connect: Any) -> Callable[..., Any]:
    def make(server: Any, **settings: Any) -> Any:
        return connect(server.url, token_url=f"{server.url}/oauth/token", **CLIENT, **settings)

    return make


def issuer(answers: list[Any], *, refuse: Callable[[str], bool] = lambda _: False) -> Any:
    """Script a server whose token endpoint gives these answers; the last one repeats."""

    def script(asked: Any) -> Any:
        if asked.path == "/oauth/token":
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            return answer if isinstance(answer, Reply) else Reply(200, json.dumps(answer).encode())
        if refuse(asked.headers.get("Authorization", "")):
            return Reply(401)
        return page_reply(numbered_models(1))

    return script


def token_requests(server: Any) -> list[Any]:
    return [asked for asked in server.requests if asked.path == "/oauth/token"]


@pytest.mark.long
def test_one_token_serves_a_whole_walk(guarded: EmulatorServer, log_in: Any) -> None:
    client = log_in(guarded, page_size=1)
    for _ in range(2):
        assert names_of(client.iter_models()) == [f"m{number}" for number in range(7)]
    assert guarded.state.tokens.issued == 1


@pytest.mark.long
def test_a_revoked_token_is_renewed_once(guarded: EmulatorServer, log_in: Any) -> None:
    client = log_in(guarded, page_size=1)
    client.fetch_page()
    guarded.state.tokens.revoke()
    assert len(list(client.iter_models())) == 7
    assert guarded.state.tokens.issued == 2


def test_threads_share_one_renewal(guarded: EmulatorServer, log_in: Any) -> None:
    client = log_in(guarded)
    client.fetch_page()
    guarded.state.tokens.revoke()
    barrier, failures = threading.Barrier(8), []

    def work() -> None:
        barrier.wait()
        try:
            client.fetch_page()
        except IOIntelligenceError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert guarded.state.tokens.issued == 2


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
def test_any_2xx_of_the_token_endpoint_is_read(scripted: Any, log_in: Any, status: int) -> None:
    server = scripted(issuer([Reply(status, b'{"access_token":"one"}')]))
    log_in(server).fetch_page()
    assert server.requests[-1].headers["Authorization"] == "Bearer one"


@pytest.mark.parametrize("status", [201, 202, 203])
def test_a_2xx_of_the_api_with_a_body_is_read(scripted: Any, connect: Any, status: int) -> None:
    body = page_reply(numbered_models(2)).body
    assert len(connect(scripted(Reply(status, body)).url).fetch_page().records) == 2


FRESH = "fre5h-t0ken-of-the-issuer"
LEAKS = {
    "other fields": json.dumps({"token": FRESH, "id_token": FRESH, "data": {"access_token": FRESH}}).encode(),
    "html": f"<html>access_token={FRESH}</html>".encode(),
    "form": f"access_token={FRESH}&error=x".encode(),
    "base64": base64.b64encode(FRESH.encode()),
    "in the description": json.dumps({"access_token": FRESH, "error_description": f"took {FRESH}"}).encode(),
    "error is no text": json.dumps({"error": {"token": FRESH}, "error_description": [FRESH]}).encode(),
    "detail": json.dumps({"detail": [{"loc": [FRESH], "msg": FRESH, "type": FRESH}]}).encode(),
    "list": json.dumps([FRESH]).encode(),
    "too deep": b"[" * 100_000 + FRESH.encode(),
    "utf-16": json.dumps({"access_token": FRESH}).encode("utf-16"),
    "unusable": json.dumps({"access_token": f"{FRESH}\x00"}).encode(),
    "unusable life": json.dumps({"access_token": FRESH, "expires_in": "soon"}).encode(),
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("status", "leak"),
    [
        (status, leak)
        for status in (200, 201, 204, 302, 304, 400, 401, 403, 404, 422, 429, 500)
        for leak in LEAKS
        if status >= 204 or leak != "in the description"  # that one is a good token, and read
    ],
)
def test_a_token_answer_is_quoted_by_its_error_alone(
    scripted: Any, log_in: Any, caplog: pytest.LogCaptureFixture, status: int, leak: str
) -> None:
    caplog.set_level("DEBUG")
    server = scripted(issuer([Reply(status, LEAKS[leak])]))
    with pytest.raises(IOIntelligenceError) as caught:
        log_in(server, max_retries=0).fetch_page()
    shown = f"{caught.value!r} {vars(caught.value)} {caplog.text}"
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    shown += "".join(repr(frame.locals) for frame in frames if "/tests/" not in frame.filename)
    assert FRESH not in shown
    assert base64.b64encode(FRESH.encode()).decode() not in shown


@pytest.mark.parametrize(
    "raw",
    [
        b'{"access_token":"%b"}',
        b"HTTP/1.1 %b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, %b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%b\r\n",
        b"HTTP/1.1 200 OK\r\nno header %b\r\n\r\n",
    ],
)
def test_a_token_answer_that_is_no_http_is_not_quoted(
    scripted: Any, log_in: Any, caplog: pytest.LogCaptureFixture, raw: bytes
) -> None:
    caplog.set_level("DEBUG")
    server = scripted(issuer([Reply(raw=raw.replace(b"%b", FRESH.encode()))]))
    with pytest.raises(IOIntelligenceError) as caught:
        log_in(server, max_retries=0).fetch_page()
    assert FRESH not in f"{caught.value!r} {vars(caught.value)} {caplog.text}"


def test_what_a_token_endpoint_may_say_is_said(scripted: Any, log_in: Any) -> None:
    said = {
        "error": "invalid_scope",
        "error_description": "no\nsuch scope " + "x" * 500,
        "error_uri": "hidden",
    }
    server = scripted(issuer([Reply(400, json.dumps(said).encode())]))
    with pytest.raises(
        AuthenticationError, match=r"answered 400: invalid_scope: no such scope x+…"
    ) as caught:
        log_in(server).fetch_page()
    assert "hidden" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_second_401_is_reported(scripted: Any, log_in: Any) -> None:
    server = scripted(issuer([{"access_token": "one"}, {"access_token": "two"}], refuse=lambda _: True))
    with pytest.raises(AuthenticationError, match="answered 401"):
        log_in(server).fetch_page()
    used = [asked.headers["Authorization"] for asked in server.requests if asked.path != "/oauth/token"]
    assert used == ["Bearer one", "Bearer two"]


def test_the_request_is_that_of_the_standard(scripted: Any, log_in: Any) -> None:
    server = scripted(issuer([{"access_token": "one", "token_type": "bearer"}]))
    log_in(server, guest_session_id="guest").fetch_page()
    asked, used = server.requests
    assert asked.method == "POST"
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": [CLIENT["scope"]]}
    assert asked.headers["Authorization"].startswith("Basic ")
    assert "X-Guest-Session-ID" not in asked.headers
    assert used.headers["Authorization"] == "Bearer one"
    assert used.headers["X-Guest-Session-ID"] == "guest"


@pytest.mark.parametrize(
    ("expires_in", "kept_for"),
    [(3_600, 3_540), ("3600", 3_540), (100, 50), (60, 30), (2, 1), (None, 240)],
)
def test_a_token_is_renewed_before_it_expires(
    scripted: Any, log_in: Any, monkeypatch: pytest.MonkeyPatch, expires_in: Any, kept_for: float
) -> None:
    now = 1_000.0
    clock = SimpleNamespace(monotonic=lambda: now)  # this module's alone: servers need the real one
    monkeypatch.setattr("io_intelligence_provider.catalog.auth.time", clock)
    server = scripted(issuer([{"access_token": "t", "expires_in": expires_in}]))
    client = log_in(server, deadline=86_000)
    client.fetch_page()
    now += kept_for - 0.5
    client.fetch_page()
    assert len(token_requests(server)) == 1
    now += 1
    client.fetch_page()
    assert len(token_requests(server)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        {"access_token": ""},
        {"access_token": None},
        {"access_token": 7},
        {"access_token": "a\nb"},
        {"access_token": "ключ"},
        {"access_token": "t", "expires_in": "soon"},
    ],
)
def test_an_answer_without_a_usable_token_is_named(scripted: Any, log_in: Any, answer: Any) -> None:
    server = scripted(issuer([answer]))
    with pytest.raises(AuthenticationError, match="without a usable access_token"):
        log_in(server).fetch_page()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, AuthenticationError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (302, ResponseError),
        (429, RateLimitError),
        (500, ServerError),
    ],
)
def test_a_refusing_token_endpoint_is_named_and_asked_no_more_than_a_page(
    scripted: Any, log_in: Any, status: int, expected: type[IOIntelligenceError]
) -> None:
    reply = Reply(status, b'{"error":"invalid_client"}', {"Location": "/other"} if status == 302 else {})
    server = scripted(issuer([reply]))
    with pytest.raises(expected, match=r"POST http://127\.0\.0\.1:\d+/oauth/token") as caught:
        log_in(server, max_retries=2).fetch_page()
    assert len(server.requests) == (3 if status in (429, 500) else 1)
    assert getattr(caught.value, "status", status) == status
    assert "API key" not in str(caught.value)
    assert "/api/v1/models" not in str(caught.value)


def test_neither_secret_nor_token_is_shown(
    scripted: Any, log_in: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    def script(asked: Any) -> Any:
        said = asked.headers["Authorization"]
        if asked.path == "/oauth/token":
            body = {"access_token": "fre5h-t0ken"} if len(server.requests) == 1 else {"you sent": said}
            return Reply(200 if len(server.requests) == 1 else 400, json.dumps(body).encode())
        return Reply(401, said.encode())

    server = scripted(script)
    client = log_in(server)
    with pytest.raises(AuthenticationError) as caught:
        client.fetch_page()
    basic = server.requests[0].headers["Authorization"].removeprefix("Basic ")
    seen = f"{caught.value!r} {caplog.text} {client!r} {client.settings!r} {vars(caught.value)}"
    for secret in (CLIENT["client_secret"], basic, "fre5h-t0ken"):
        assert secret not in seen


def test_an_echoed_access_token_is_scrubbed(scripted: Any, log_in: Any) -> None:
    def script(asked: Any) -> Any:
        if asked.path == "/oauth/token":
            return Reply(200, b'{"access_token":"fre5h-t0ken"}')
        return Reply(403, asked.headers["Authorization"].encode())

    with pytest.raises(AuthenticationError, match=r"Bearer \*\*\*"):
        log_in(scripted(script)).fetch_page()


def test_a_late_401_does_not_throw_a_newer_token_away() -> None:
    fetched = iter(b'{"access_token":"%d"}' % number for number in range(9))
    settings = ClientSettings(
        token_url="https://127.0.0.1/t", client_id="me", client_secret=Secret(CLIENT["client_secret"])
    )
    auth = ClientCredentials(settings, lambda *_: Answer("POST", "", 200, {}, next(fetched)), Redactor())
    deadline = Deadline(60)
    old = auth.credential(deadline)
    for _ in range(3):  # three threads were refused with the old token, one after the other
        assert auth.renew(old)
        assert auth.credential(deadline).headers["Authorization"].reveal() == "Bearer 1"


def test_the_token_is_no_exception_to_the_deadline(scripted: Any, log_in: Any) -> None:
    server = scripted(issuer([Reply(503, b"", {"Retry-After": "100"})]))
    with pytest.raises(ServerError):
        log_in(server, deadline=50).fetch_page()
    assert len(server.requests) == 1


def test_a_hanging_token_endpoint_does_not_outlast_the_deadline(scripted: Any, log_in: Any) -> None:
    def script(_: Any) -> Any:
        server.stopping.wait(60)
        return page_reply()

    server = scripted(script)
    with pytest.raises(TransportError, match=r"deadline of 0.2 s"):
        log_in(server, deadline=0.2, read_timeout=60).fetch_page()


def test_an_answer_does_not_show_its_body() -> None:
    assert FRESH not in repr(Answer("POST https://h/t", "", 200, {"X": FRESH}, FRESH.encode()))
