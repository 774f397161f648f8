"""Canaries in every setting, header, body, redirect and proxy: none is in what anybody can see.

Servers, proxies and token endpoints that repeat what they were sent are scrubbed, and what is refused is
not shown. The part that needs an Airflow is ``tests/airflow/test_canary.py``.
"""

from __future__ import annotations

import base64
import copy
import html
import http.client
import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.catalog.settings import EXTRA_FIELDS, ClientSettings, connection_settings
from io_intelligence_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    IOIntelligenceError,
    NotFoundError,
    PaginationError,
    QualityError,
    QuotaError,
    RateLimitError,
    RequestError,
    ResponseError,
    ServerError,
    TransportError,
)
from io_intelligence_provider.redaction import Redactor, Secret, redact_url

KEY = "io-v2/s3cr+t=K3y\"&<x>'\\%2F"
GUEST = "guest-5e55ion"
HIDDEN = "s3cret"


def everything_about(error: BaseException) -> str:
    """Return all that a log, an error page or another process could see of an error."""
    texts = [repr(error), str(error), repr(vars(error)), repr(error.args), repr(pickle.dumps(error))]
    link: BaseException | None = error
    while link is not None:
        texts += [repr(link), *map(repr, link.args), "".join(traceback.format_exception(link))]
        # As an error reporter prints it. Frames of the tests and their server do know the key.
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if "/tests/" not in frame.filename:
                texts.append(repr(frame.locals))
        link = link.__cause__ or link.__context__
    return "\n".join(texts)


def in_base64(text: str) -> set[str]:
    """Return what base64 makes of a secret at the three places where it can begin, less the ends."""
    coded = [base64.b64encode(b"x" * before + text.encode()).decode()[4:-4] for before in range(3)]
    return {form for core in coded for form in (core, core.replace("+", "-").replace("/", "_"))}


def spellings(secret: str) -> set[str]:
    in_json = json.dumps(secret)[1:-1]
    in_url = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    every = {"".join(f"%{ord(char):02x}" for char in secret), "".join(f"\\u{ord(c):04x}" for c in secret)}
    numbers = "".join(f"&#{ord(char)};" for char in secret)
    return {secret, *in_url, *every, numbers, in_json, in_json.replace("/", "\\/"), html.escape(secret)} | {
        core for core in in_base64(secret) if len(core) >= 8
    }


def assert_hidden(seen: str, *secrets: str) -> None:
    lowered = seen.lower()
    for secret in secrets:
        assert not [spelt for spelt in spellings(secret) if spelt.lower() in lowered]


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG):
        for name in ("urllib3", "http", "asyncio", "concurrent", "tenacity", "io_intelligence_provider"):
            caplog.set_level(logging.DEBUG, logger=name)
        yield caplog


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


def test_a_secret_shows_itself_only_on_request() -> None:
    secret = Secret("hidden")
    assert secret.reveal() == "hidden"
    assert "hidden" not in f"{secret} {secret!r} {[secret]}"
    assert not hasattr(secret, "__dict__")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=4), st.text())
def test_a_redactor_takes_out_every_spelling(secret: str, around: str) -> None:
    redactor = Redactor([Secret(secret), None, Secret("")])
    for spelt in spellings(secret) - in_base64(secret):
        if spelt.strip("*"):
            assert spelt not in redactor.clean(f"{around} {spelt} {around}").replace("***", "")


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=9), st.integers(0, 5))
def test_a_redactor_takes_out_what_base64_makes_of_a_secret(secret: str, before: int) -> None:
    for coded in (base64.b64encode, base64.urlsafe_b64encode):
        text = coded(b"x" * before + secret.encode() + b"yyy").decode()
        cleaned = Redactor([Secret(secret)]).clean(f"sent {text} back")
        assert "***" in cleaned
        assert not [core for core in in_base64(secret) if len(core) >= 8 and core in cleaned]


def test_a_redactor_takes_the_longer_secret_first() -> None:
    redactor = Redactor([Secret("abc"), Secret("abcdef")])
    assert redactor.clean("abcdef abc") == "*** ***"


def test_a_url_is_shown_without_user_query_and_fragment() -> None:
    assert redact_url("https://u:p@host:1/path?key=1#x") == "https://host:1/path"


MODEL = {"id": "m", "name": "m"}


def listing(*records: Any) -> bytes:
    return json.dumps({"object": "list", "data": records}).encode()


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


SECRETS_SPELT = {
    "plain": json.dumps,
    "escaped": lambda key: '"' + "".join(f"\\u{ord(char):04X}" for char in key) + '"',
    "escaped once": lambda key: f'"\\u{ord(key[0]):04x}' + json.dumps(key)[2:],
    "url": lambda key: json.dumps(f"https://h/?key={quote(key, safe='')}"),
    "base64": lambda key: json.dumps(base64.b64encode(f"Bearer {key}".encode()).decode()),
    "json in json": lambda key: json.dumps(json.dumps({"you": key})),
    "html": lambda key: json.dumps(html.escape(key)),
    "in a list": lambda key: json.dumps([{"deep": [key]}]),
    "as a key": lambda key: json.dumps({key: 1}),
    "invalid utf-8": lambda key: json.dumps(f"{key}\ud800"),
}


def stored(root: Path) -> str:
    """Return all that the files below a root hold, as text."""
    import pyarrow.parquet as pq

    texts = []
    for path in root.rglob("*"):
        if path.suffix == ".parquet":
            table = pq.ParquetFile(path).read()
            texts += [str(table.to_pylist()), str(table.schema.metadata)]
        elif path.is_file():
            texts += [path.read_text(), path.read_bytes().decode("latin-1")]
    return "\n".join(texts)


@pytest.mark.parametrize("spelt", SECRETS_SPELT)
@pytest.mark.parametrize("place", ["extra", "name", "refused", "measured"])
def test_a_credential_in_a_record_is_in_no_file_and_a_finding(
    scripted: Any, connect: Any, tmp_path: Path, spelt: str, place: str
) -> None:
    field = {"extra": "echo", "name": "name", "refused": "input_token_price", "measured": "max_tokens"}[place]

    def script(asked: Any) -> Any:
        key = asked.headers["Authorization"].removeprefix("Bearer ")
        echoing = f'{{"id":"echo","{field}":{SECRETS_SPELT[spelt](key)}}}'
        records = [json.dumps({"id": f"m{number}", "object": "model"}) for number in range(12)]
        return Reply(200, f'{{"object":"list","data":[{",".join([echoing, *records])}]}}'.encode())

    client = connect(scripted(script).url, token=KEY)
    page = client.fetch_page()
    assert page.redacted == 1
    assert page.records[1] == b'{"id": "m0", "object": "model"}'
    assert_hidden(repr(page) + repr(list(client.iter_models())), KEY)

    store = SnapshotStore(tmp_path)
    summary = take_snapshot(client, store, snapshot_date="2026-01-02")
    assert summary.rows + summary.quarantined == 13
    assert summary.outcome == "warned"
    (finding,) = (check for check in store.quality().checks if check.check == "redacted")
    assert (finding.level, finding.column, finding.severity) == ("row", None, "warn")
    assert (finding.evaluated, finding.failed, finding.passed) == (13, 1, False)
    assert_hidden(stored(tmp_path) + repr(store.read().to_pylist()), KEY)


@pytest.mark.parametrize("secret", ["guest", "oauth token", "oauth secret", "basic", "proxy"])
def test_every_credential_is_taken_out_of_records(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    basic = base64.b64encode(b"client-4711:s3cret-4711").decode()
    echoed = {
        "guest": "guest-4711",
        "oauth token": "fresh-token-4711",
        "oauth secret": "s3cret-4711",
        "basic": basic,
        "proxy": "proxy-pass-4711",
    }[secret]

    def script(asked: Any) -> Any:
        if asked.path == "/t":
            return Reply(200, b'{"access_token":"fresh-token-4711"}')
        return Reply(200, listing({"id": "x", "echo": f"you: {echoed}"}, MODEL))

    server = scripted(script)
    if secret == "proxy":  # the server itself stands for the proxy: it answers whatever it is asked
        monkeypatch.setenv("http_proxy", server.url.replace("://", f"://user:{echoed}@"))
    oauth = {"token_url": f"{server.url}/t", "client_id": "client-4711", "client_secret": "s3cret-4711"}
    settings = {"guest_session_id": "guest-4711"} | ({} if secret == "proxy" else oauth)
    page = connect(server.url, **settings).fetch_page()
    assert page.redacted == 1
    assert json.loads(page.records[0]) == {"id": "x", "echo": "you: ***"}


def test_a_number_and_a_record_beyond_decoding_are_masked_as_well(scripted: Any, connect: Any) -> None:
    deep = b"[" * 900 + b'"4711471147"' + b"]" * 900
    body = b'{"object":"list","data":[{"id":"x","n":4711471147},%b,{"id":"4711471147","id":"y"}]}' % deep
    page = connect(scripted(Reply(200, body)).url, token="4711471147").fetch_page()
    assert page.redacted == 3
    assert b"4711471147" not in b"".join(page.records)
    assert json.loads(page.records[0]) == {"id": "x", "n": "***"}


@pytest.mark.parametrize("token", ["key", "model", "to"])
def test_a_short_secret_does_not_damage_records(scripted: Any, connect: Any, token: str) -> None:
    record = {"id": "monkey-model", "max_tokens": 7}
    page = connect(scripted(Reply(200, listing(record))).url, token=token).fetch_page()
    assert page.redacted == 0
    assert json.loads(page.records[0]) == record


def test_a_client_id_is_masked_in_messages_and_never_in_records(scripted: Any, connect: Any) -> None:
    def script(asked: Any) -> Any:
        if asked.path == "/t":
            return Reply(200, b'{"access_token":"fresh-token"}')
        if asked.page == 2:
            return Reply(404, b"no models for io-intelligence")
        return Reply(200, listing({"id": "x", "owned_by": "io-intelligence"}))

    server = scripted(script)
    client = connect(
        server.url, token_url=f"{server.url}/t", client_id="io-intelligence", client_secret="s3cret-4711"
    )
    assert client.fetch_page().redacted == 0
    with pytest.raises(NotFoundError, match=r"no models for \*\*\*"):
        client.fetch_page(2)


def test_a_report_of_a_stopped_run_shows_none_either(scripted: Any, connect: Any, tmp_path: Path) -> None:
    server = scripted(
        lambda asked: Reply(200, listing({"id": "x", "input_token_price": asked.headers["Authorization"]}))
    )
    with pytest.raises(QualityError) as caught:
        take_snapshot(connect(server.url, token=KEY), SnapshotStore(tmp_path), snapshot_date="2026-01-02")
    assert_hidden(everything_about(caught.value) + stored(tmp_path), KEY)


def test_each_form_of_each_secret_is_told_to_the_observer(scripted: Any) -> None:
    seen: list[str] = []
    server = scripted(
        lambda asked: Reply(200, b'{"access_token":"fresh/t"}') if asked.path == "/t" else page_reply()
    )
    settings = ClientSettings(
        server.url, token_url=f"{server.url}/t", client_id="me", client_secret=Secret("pw+1\n")
    )
    with IOIntelligenceClient.from_settings(settings, seen.append) as client:
        client.fetch_page()
    basic = base64.b64encode(b"me:pw%2B1").decode()
    assert {"pw+1", "pw%2B1", basic, "fresh/t", "fresh%2Ft", "fresh\\/t"} <= set(seen)
    assert "me" not in seen
    assert not re.search(r"\s", "".join(seen))
