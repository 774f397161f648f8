"""Puts canaries into every setting, header, body, redirect and proxy, and searches all output for them.

Servers, proxies and token endpoints that repeat what they were sent are scrubbed, and what is refused is
not shown. The part that needs an Airflow is ``tests/airflow/test_canary.py``.
"""

from __future__ import annotations

import base64
import copy
import html
import http.client
import json
import pickle
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from helpers.canaries import GUEST, HIDDEN, KEY, assert_hidden, everything_about
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider import IOIntelligenceClient
from io_intelligence_provider.catalog.settings import EXTRA_FIELDS, ClientSettings, connection_settings
from io_intelligence_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    IOIntelligenceError,
    NotFoundError,
    PaginationError,
    QuotaError,
    RateLimitError,
    RequestError,
    ResponseError,
    ServerError,
    TransportError,
)

ECHOES = {
    "plain": lambda asked: f"you sent {asked}".encode(),
    "url": lambda asked: f"you sent {quote(asked, safe='')} {quote_plus(asked).lower()}".encode(),
    "json": lambda asked: json.dumps({"you": asked}).encode(),
    "php": lambda asked: json.dumps({"you": asked}).replace("/", "\\/").encode(),
    "html": lambda asked: html.escape(asked).encode(),
    "detail": lambda asked: json.dumps({"detail": [{"loc": [asked], "msg": asked, "type": asked}]}).encode(),
    "escaped": lambda asked: (
        b'{"detail":[{"loc":["%b"],"msg":"m","type":"t"}]}'
        % "".join(f"\\u{ord(char):04x}" for char in asked).encode()
    ),
    "base64": lambda asked: base64.b64encode(asked.encode()),
    "base64 within": lambda asked: base64.urlsafe_b64encode(f"x{asked}yy".encode()),
    "percent": lambda asked: "".join(f"%{ord(char):02X}" for char in asked).encode(),
    "twice": lambda asked: json.dumps({"you": quote(json.dumps(asked))}).encode(),
    "numbers": lambda asked: "".join(f"&#{ord(char)};" for char in asked).encode(),
    "utf-16": lambda asked: asked.encode("utf-16-le"),
    "controls": lambda asked: "\x00".join(asked).encode(),
}


@pytest.mark.long
@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 407, 418, 422, 429, 500, 503])
def test_a_server_that_echoes_the_credential_is_scrubbed(
    scripted: Any, connect: Any, all_logs: pytest.LogCaptureFixture, status: int, echo: str
) -> None:
    def script(asked: Any) -> Any:
        said = f"{asked.headers['Authorization']} {asked.headers['X-Guest-Session-ID']}"
        return Reply(status, ECHOES[echo](said), {"Retry-After": "0", "WWW-Authenticate": "Bearer"})

    client = connect(scripted(script).url, token=KEY, guest_session_id=GUEST, max_retries=1)
    with pytest.raises(IOIntelligenceError) as caught:
        client.fetch_page()
    assert_hidden(everything_about(caught.value) + all_logs.text, KEY, GUEST)
    if isinstance(caught.value, RequestError) and echo in ("detail", "escaped"):
        assert "***" in repr(caught.value.details)


@pytest.mark.parametrize("fault", ["reset", "garbage", "truncated", "gzip", "location", "no json", "refused"])
def test_no_failure_shows_the_credential(
    scripted: Any, connect: Any, all_logs: pytest.LogCaptureFixture, fault: str
) -> None:
    def script(asked: Any) -> Any:
        said = asked.headers["Authorization"].encode()
        return {
            "reset": Reply(reset=True),
            "garbage": Reply(raw=b"HTTP/1.1 " + said + b"\r\n\r\n"),
            "truncated": Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
            "gzip": Reply(200, said, {"Content-Encoding": "gzip"}),
            "location": Reply(302, b"", {"Location": f"/{quote(KEY, safe='')}"}),
            "no json": Reply(200, said),
            "refused": Reply(403),
        }[fault]

    client = connect(scripted(script).url, token=KEY, guest_session_id=GUEST, max_retries=1)
    with pytest.raises(IOIntelligenceError) as caught:
        list(client.iter_models())
    assert_hidden(everything_about(caught.value) + all_logs.text, KEY, GUEST)


def test_no_error_drags_the_library_error_along(scripted: Any, connect: Any) -> None:
    client = connect(scripted(Reply(reset=True)).url, token=KEY, max_retries=1)
    with pytest.raises(IOIntelligenceError) as caught:
        client.fetch_page()
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_neither_repr_nor_pickle_nor_url_holds_a_secret() -> None:
    client = IOIntelligenceClient(
        "http://127.0.0.1:1", token=KEY, guest_session_id=GUEST, proxy="http://user:pr0xypass@127.0.0.1:2"
    )
    with client:
        seen = repr(client) + repr(client.settings) + repr(vars(client.settings)["token"]) + client.source_url
        for secret in (KEY, GUEST, "pr0xypass"):
            assert secret not in seen
        for part in (client, client.settings, client.settings.token):
            with pytest.raises(TypeError):
                pickle.dumps(part)
            with pytest.raises(TypeError):
                copy.deepcopy(part)


def test_settings_with_a_proxy_password_alone_are_not_pickled_either() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(ClientSettings(proxy="http://user:pr0xypass@127.0.0.1:2"))


@pytest.mark.parametrize("field", ["token", "guest_session_id", "client_secret"])
@pytest.mark.parametrize("bad", ["a\nb", "a\r\nX: y", "a\0b", "ключ", "“key”", "\ud800"])
def test_what_no_header_can_carry_is_refused_without_being_shown(field: str, bad: str) -> None:
    oauth = {"token_url": "https://127.0.0.1/t", "client_id": "me"} if field == "client_secret" else {}
    with pytest.raises(ConfigurationError, match=field) as caught:
        IOIntelligenceClient("http://127.0.0.1:1", **{field: HIDDEN + bad}, **oauth)
    assert HIDDEN not in everything_about(caught.value)


MODEL = {"id": "m", "name": "m"}


def endless(asked: Any) -> Any:
    """Answer pages that never add up, with the credential in every id."""
    records = [{"model_id": f"{asked.headers['Authorization']}-{asked.page}-{time_of(asked)}", "name": "m"}]
    return page_reply(records, total=5, has_next=asked.page < 3)


_asked: list[Any] = []


def time_of(asked: Any) -> int:
    _asked.append(asked)
    return len(_asked)


PROVOKED: dict[type[IOIntelligenceError], Callable[[Any], Any]] = {
    AuthenticationError: lambda asked: Reply(401, said(asked), bad_headers(asked)),
    QuotaError: lambda asked: Reply(402, said(asked), bad_headers(asked)),
    NotFoundError: lambda asked: Reply(404, said(asked), bad_headers(asked)),
    RequestError: lambda asked: Reply(
        422, json.dumps({"detail": [{"loc": [said(asked).decode()], "msg": said(asked).decode()}]}).encode()
    ),
    RateLimitError: lambda asked: Reply(429, said(asked), {"Retry-After": "999999"}),
    ServerError: lambda asked: Reply(503, said(asked), bad_headers(asked)),
    TransportError: lambda asked: Reply(raw=said(asked) + b"\r\n\r\n" + said(asked)),
    ResponseError: lambda asked: Reply(200, said(asked), bad_headers(asked)),
    PaginationError: endless,
}


def said(asked: Any) -> bytes:
    return " ".join(f"{name}: {value}" for name, value in asked.headers.items()).encode()


def bad_headers(asked: Any) -> dict[str, str]:
    value = asked.headers.get("Authorization", "")
    return {"X-Echo": value, "Location": f"/{quote(value)}", "Content-Encoding": "identity"}


@pytest.mark.parametrize("expected", PROVOKED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("oauth", [False, True], ids=["key", "oauth"])
def test_no_error_class_shows_a_canary(
    scripted: Any,
    connect: Any,
    all_logs: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    expected: type[IOIntelligenceError],
    oauth: bool,
) -> None:
    canaries = {"guest_session_id": "guest-canary-4711", "scope": "scope-canary-4711"}
    if oauth:
        canaries |= {"client_id": "client-canary-4711", "client_secret": "secret/canary+4711"}
    else:
        canaries |= {"token": KEY}
        del canaries["scope"]

    def script(asked: Any) -> Any:
        if asked.path == "/token":
            return Reply(201, b'{"access_token": "fresh-canary-4711"}')
        return PROVOKED[expected](asked)

    server = scripted(script)
    settings = canaries | ({"token_url": f"{server.url}/token?x=url-canary-4711"} if oauth else {})
    client = connect(server.url, max_retries=1, **settings)
    with pytest.raises(expected) as caught:
        list(client.iter_models())
    assert type(caught.value) is expected
    basic = base64.b64encode(b"client-canary-4711:secret%2Fcanary%2B4711").decode()
    seen = everything_about(caught.value) + all_logs.text + "".join(capsys.readouterr())
    assert_hidden(
        seen + repr(client) + repr(client.settings),
        *canaries.values(),
        "fresh-canary-4711",
        "url-canary-4711",
        basic,
    )


MALFORMED = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 27\r\n",
    b'\r\n\r\n{"object":"list","data":[]}',
)


@pytest.mark.parametrize("line", [b"%b", b" %b", b": %b", b"no colon %b\r\n and %b"])
def test_a_malformed_header_line_is_not_logged(
    scripted: Any, connect: Any, all_logs: pytest.LogCaptureFixture, line: bytes
) -> None:
    def script(asked: Any) -> Any:
        echoed = line.replace(b"%b", said(asked))
        if asked.path == "/token":
            return Reply(raw=b'HTTP/1.1 200 OK\r\n%b\r\n\r\n{"access_token":"fresh-canary"}' % echoed)
        return Reply(raw=MALFORMED[0] + echoed + MALFORMED[1])

    server = scripted(script)
    oauth = {"token_url": f"{server.url}/token", "client_id": "me", "client_secret": KEY}
    assert connect(server.url, token=KEY, guest_session_id=GUEST).fetch_page().records == []
    assert connect(server.url, guest_session_id=GUEST, **oauth).fetch_page().records == []
    basic = base64.b64encode(f"me:{quote_plus(KEY)}".encode()).decode()
    assert_hidden(all_logs.text, KEY, GUEST, basic, "fresh-canary")
    assert "/api/v1/models?page=1&page_size=100 answered 200" in all_logs.text


def test_other_threads_and_other_users_of_urllib3_still_log(
    scripted: Any, connect: Any, all_logs: pytest.LogCaptureFixture
) -> None:
    import urllib3

    server = scripted(page_reply())
    connect(server.url).fetch_page()
    assert "urllib3" not in {record.name.split(".")[0] for record in all_logs.records}
    with urllib3.PoolManager() as pool:
        pool.request("GET", f"{server.url}/theirs")
    assert "/theirs" in all_logs.text


def test_the_debug_output_of_the_standard_library_is_off(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    connect(scripted(page_reply()).url, token=KEY).fetch_page()
    assert "".join(capsys.readouterr()) == ""


@pytest.mark.parametrize("kind", [TimeoutError, KeyboardInterrupt, RuntimeError])
def test_a_timeout_in_the_middle_of_a_request_shows_no_header(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise kind("Airflow's task timeout is raised in whatever line is running")

    client = connect(scripted(page_reply()).url, token=KEY, max_retries=0)
    monkeypatch.setattr(http.client.HTTPConnection, "getresponse", interrupted)
    with pytest.raises((kind, TransportError)) as caught:
        client.fetch_page()
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    libraries = ("urllib3", "requests")
    assert not [frame for frame in frames if any(f"/{name}/" in frame.filename for name in libraries)]
    assert_hidden(everything_about(caught.value), KEY)


PASTED = "sk-canary 4711\x01!"
"""Fits into no field; its digits are in no line of the test that uses it."""


@pytest.mark.parametrize("field", [*EXTRA_FIELDS, "host", "schema", "login", "password", "name of an extra"])
def test_no_value_of_a_refused_field_is_shown(field: str) -> None:
    canary = PASTED
    fields: dict[str, Any] = {}
    if field in EXTRA_FIELDS:
        fields["extra"] = {"token_url": "https://h/t", "client_id": "me", "client_secret": "x"} | {
            field: canary
        }
        fields["extra"] |= {"proxy": f"http://{canary}"} if field == "proxy" else {}
    elif field == "name of an extra":
        fields["extra"] = {canary: 1}
    else:
        fields[field] = canary
    with pytest.raises(ConfigurationError) as caught:
        connection_settings(**fields)
    assert "4711" not in f"{caught.value!r} {vars(caught.value)}"
    assert field == "name of an extra" or field in str(caught.value)


@pytest.mark.parametrize("name", [*ClientSettings.__dataclass_fields__, "pasted"])
def test_no_keyword_of_the_client_is_shown(name: str) -> None:
    name = name.replace("pasted", PASTED)
    oauth = {"token_url": "https://h/t", "client_id": "me", "client_secret": "x"}
    given: Any = {name: PASTED} if name == "token" else oauth | {name: PASTED}
    with pytest.raises(TypeError if name == PASTED else ConfigurationError) as caught:
        IOIntelligenceClient(**given)
    assert "4711" not in everything_about(caught.value)


@pytest.mark.parametrize(
    "name", ["token", "base_url", "proxy", "token_url", "client_id", "client_secret", "guest_session_id"]
)
@pytest.mark.parametrize("value", [b"4711", 4711, ["4711"]])
def test_a_credential_that_is_no_string_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a string") as caught:
        IOIntelligenceClient(**{name: value})
    assert "4711" not in everything_about(caught.value)


@pytest.mark.parametrize("around", ["{}\n", "\r\n{}\r\n", " {}\t"])
@pytest.mark.parametrize("name", ["token", "guest_session_id", "client_secret"])
def test_white_space_around_a_credential_is_stripped(
    scripted: Any, connect: Any, name: str, around: str
) -> None:
    server = scripted(
        lambda asked: Reply(200, b'{"access_token":" t\\n"}') if asked.path == "/t" else page_reply()
    )
    oauth = {"token_url": f" {server.url}/t\n", "client_id": " me\n"} if name == "client_secret" else {}
    connect(server.url, **{name: around.format("a-secret")}, **oauth).fetch_page()
    sent = server.requests[0].headers
    expected = {
        "token": ("Authorization", "Bearer a-secret"),
        "guest_session_id": ("X-Guest-Session-ID", "a-secret"),
        "client_secret": ("Authorization", "Basic " + base64.b64encode(b"me:a-secret").decode()),
    }[name]
    assert sent[expected[0]] == expected[1]
    assert name != "client_secret" or server.requests[1].headers["Authorization"] == "Bearer t"
