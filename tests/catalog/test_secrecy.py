"""No credential leaves the client but in its header: servers and proxies that repeat it are scrubbed."""

from __future__ import annotations

import copy
import html
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider import IOIntelligenceClient
from io_intelligence_provider.catalog.secret import Redactor, Secret, redact_url
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import ConfigurationError, IOIntelligenceError, RequestError

KEY = "io-v2/s3cr+t=K3y\"&<x>'\\%2F"
GUEST = "guest-5e55ion"
HIDDEN = "s3cret"


def everything_about(error: BaseException) -> str:
    """Return all that a log, an error page or another process could see of an error."""
    texts = [repr(error), str(error), repr(vars(error)), repr(pickle.dumps(error))]
    link: BaseException | None = error
    while link is not None:
        texts += [repr(link), *map(repr, link.args), "".join(traceback.format_exception(link))]
        # As an error reporter prints it. Frames of the tests and the server do know the key.
        for frame in traceback.TracebackException.from_exception(link, capture_locals=True).stack:
            if "/catalog/" in frame.filename and "/tests/" not in frame.filename:
                texts.append(repr(frame.locals))
        link = link.__cause__ or link.__context__
    return "\n".join(texts)


def spellings(secret: str) -> set[str]:
    in_json = json.dumps(secret)[1:-1]
    in_url = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return {secret, *in_url, in_json, in_json.replace("/", "\\/"), html.escape(secret)}


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
    "utf-16": lambda asked: asked.encode("utf-16-le"),
    "controls": lambda asked: "\x00".join(asked).encode(),
}


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [302, 400, 401, 402, 403, 404, 407, 418, 422, 429, 500, 503])
def test_a_server_that_echoes_the_credential_is_scrubbed(
    scripted: Any,
    connect: Any,
    tools: Any,
    all_logs: pytest.LogCaptureFixture,
    status: int,
    echo: str,
) -> None:
    def script(asked: Any) -> Any:
        said = f"{asked.headers['Authorization']} {asked.headers['X-Guest-Session-ID']}"
        return tools.Reply(status, ECHOES[echo](said), {"Retry-After": "0", "WWW-Authenticate": "Bearer"})

    client = connect(scripted(script).url, token=KEY, guest_session_id=GUEST, max_retries=1)
    with pytest.raises(IOIntelligenceError) as caught:
        client.fetch_page()
    seen = str(caught.value) + repr(vars(caught.value)) + all_logs.text
    seen += repr(pickle.dumps(caught.value)) + "".join(traceback.format_exception(caught.value))
    for secret in (KEY, GUEST):
        assert not [spelt for spelt in spellings(secret) if spelt.lower() in seen.lower()]
    if isinstance(caught.value, RequestError) and echo in ("detail", "escaped"):
        assert "***" in repr(caught.value.details)


@pytest.mark.parametrize("fault", ["reset", "garbage", "truncated", "gzip", "location", "no json", "refused"])
def test_no_failure_shows_the_credential(
    scripted: Any, connect: Any, tools: Any, all_logs: pytest.LogCaptureFixture, fault: str
) -> None:
    def script(asked: Any) -> Any:
        said = asked.headers["Authorization"].encode()
        return {
            "reset": tools.Reply(reset=True),
            "garbage": tools.Reply(raw=b"HTTP/1.1 " + said + b"\r\n\r\n"),
            "truncated": tools.Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
            "gzip": tools.Reply(200, said, {"Content-Encoding": "gzip"}),
            "location": tools.Reply(302, b"", {"Location": f"/{quote(KEY, safe='')}"}),
            "no json": tools.Reply(200, said),
            "refused": tools.Reply(403),
        }[fault]

    client = connect(scripted(script).url, token=KEY, guest_session_id=GUEST, max_retries=1)
    with pytest.raises(IOIntelligenceError) as caught:
        list(client.iter_models())
    seen = everything_about(caught.value) if fault not in ("location", "no json") else repr(caught.value)
    for text in (seen, all_logs.text):
        assert not [spelt for spelt in spellings(KEY) if spelt in text]
        assert GUEST not in text


def test_no_error_drags_the_library_error_along(scripted: Any, connect: Any, tools: Any) -> None:
    client = connect(scripted(tools.Reply(reset=True)).url, token=KEY, max_retries=1)
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
    for spelt in spellings(secret) - set("***"):
        if spelt.strip("*"):
            assert spelt not in redactor.clean(f"{around} {spelt} {around}").replace("***", "")


def test_a_redactor_takes_the_longer_secret_first() -> None:
    redactor = Redactor([Secret("abc"), Secret("abcdef")])
    assert redactor.clean("abcdef abc") == "*** ***"


def test_a_url_is_shown_without_user_query_and_fragment() -> None:
    assert redact_url("https://u:p@host:1/path?key=1#x") == "https://host:1/path"
