"""Tests unusable responses: one message with status, media type, final URL, and start of the body."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from helpers.records import numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.errors import (
    AuthenticationError,
    NotFoundError,
    QuotaError,
    RateLimitError,
    ResponseError,
    ServerError,
    TransportError,
)

KEY = "the-api-key-4711"
HTML = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Hello</body></html>"
JSON = {"Content-Type": "application/json"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (HTML, PAGE, r"answered 200 \(text/html\) with an HTML page, no JSON: <!DOCTYPE html> .*Sign in"),
        (b"  <html>x", {}, r"answered 200 with an HTML page, no JSON: <html>x"),
        (b'{"error": "over capacity"}', JSON, r"200 \(application/json\) with an error in place of"),
        (b'{"error": {"message": "no", "code": 7}}', JSON, r"an error in place of models: .*message.*no"),
        (b'{"detail": "no list"}', JSON, r'with an error in place of models: \{"detail": "no list"\}'),
        (b"", JSON, r"answered 200 \(application/json\) with an empty body\. Check the host"),
        (b" \r\n", {}, r"answered 200 with an empty body\. Check the host"),
        (b'{"models": [1]}', JSON, r'neither known shape: there is no list `data`: \{"models": \[1\]\}'),
        (b'{"data": {"a": 1}}', JSON, r"neither known shape: `data` is no list: "),
        (b'["a"]', JSON, r'neither known shape: it is a list, no object with `data`: \["a"\]'),
        (b"7", JSON, r"neither known shape: it is a value, no object with `data`: 7"),
        (b'{"object": "list"}', JSON, r"neither known shape: there is no list `data`: "),
        (b'{"data": []}', JSON, r"neither known shape: there is `data`, but neither a `pagination`"),
        (b"upstream!", {"Content-Type": "text/plain"}, r"\(text/plain\) with no JSON \(Exp.*\): upstream!"),
        (b"ok", {"Content-Type": "nonsense"}, r"answered 200 with no JSON"),
    ],
)  # fmt: skip
def test_a_2xx_that_is_no_page_is_shown(
    scripted: Any, connect: Any, body: bytes, headers: dict[str, str], said: str
) -> None:
    server = scripted(Reply(200, body, headers))
    with pytest.raises(ResponseError, match=said) as caught:
        connect(server.url, token=KEY).fetch_page()
    assert f"GET {server.url}/api/v1/models (page 1)" in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same host", "other host"])
def test_a_redirect_to_a_login_page_is_shown_with_its_end(
    scripted: Any, connect: Any, elsewhere: bool
) -> None:
    def script(asked: Any) -> Any:
        if asked.path == "/login":
            return Reply(200, HTML, PAGE)
        return Reply(302, headers={"Location": f"{target.url}/login?next=hidden&token={KEY[::-1]}"})

    server = scripted(script)
    target = scripted(script) if elsewhere else server
    with pytest.raises(ResponseError, match="login page") as caught:
        connect(server.url, token=KEY).fetch_page()
    said = str(caught.value)
    assert f"(redirected to {target.url}/login) answered 200 (text/html) with an HTML page" in said
    assert "hidden" not in said
    assert KEY[::-1] not in said


def test_the_beginning_of_a_body_is_clean_and_short(scripted: Any, connect: Any) -> None:
    def script(asked: Any) -> Any:
        return Reply(200, f"you\x00\x1b[31m sent\n{asked.headers['Authorization']} {'x' * 999}".encode())

    with pytest.raises(ResponseError, match=r"you\[31m sent Bearer \*\*\* x{200,}…\. ") as caught:
        connect(scripted(script).url, token=KEY).fetch_page()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("filler", [" ", "\0", "\u2003"], ids=["blanks", "controls", "wide blanks"])
def test_a_credential_that_is_cut_is_not_shown(scripted: Any, connect: Any, filler: str) -> None:
    body = f"unknown: {filler * (100_000 - len('unknown: ') - len(KEY) + 1)}{KEY} again".encode()
    with pytest.raises(NotFoundError, match=r"answered 404: unknown:\. ") as caught:
        connect(scripted(Reply(404, body)).url, token=KEY).fetch_page()
    assert KEY[:6] not in str(caught.value)


def test_a_media_type_is_shown_only_where_it_is_one(scripted: Any, connect: Any) -> None:
    def script(asked: Any) -> Any:
        return Reply(404, b"", {"Content-Type": f"{asked.headers['Authorization']}/x"})

    with pytest.raises(Exception, match=r"answered 404\. ") as caught:
        connect(scripted(script).url, token=KEY).fetch_page()
    assert KEY not in str(caught.value)


def test_an_error_status_is_shown_with_its_media_type(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(500, b"<html>Bad Gateway", PAGE))
    with pytest.raises(ServerError, match=r"answered 500 \(text/html\): <html>Bad Gateway\. "):
        connect(server.url, max_retries=0).fetch_page()


@pytest.mark.parametrize("bom", [b"\xef\xbb\xbf"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_order_mark_is_passed_over(scripted: Any, connect: Any, bom: bytes, packed: bool) -> None:
    body = bom + page_reply(numbered_models(2)).body
    reply = Reply(200, gzip.compress(body), {"Content-Encoding": "gzip"}) if packed else Reply(200, body)
    assert len(connect(scripted(reply).url).fetch_page().records) == 2


@pytest.mark.parametrize("status", [408, 425])
def test_a_passing_4xx_is_asked_for_again(scripted: Any, connect: Any, status: int) -> None:
    server = scripted([Reply(status), page_reply(numbered_models(2))])
    assert len(connect(server.url).fetch_page().records) == 2
    server = scripted(Reply(status, b"early", {"Retry-After": "0"}))
    with pytest.raises(TransportError, match=rf"answered {status}: early\. .*after 2 tries"):
        connect(server.url, max_retries=1, deadline=60).fetch_page()


CUT = b'{"data":[{"model_id":"a","name":"b"}'


@pytest.mark.parametrize("body", [b"{", CUT, CUT[:-1], CUT + b"]", b'{"data":[{"name":"\xc3', b'["x'])
@pytest.mark.parametrize("chunked", [False, True], ids=["until it closes", "chunked"])
def test_json_cut_short_without_a_length_is_asked_for_again(
    scripted: Any, connect: Any, body: bytes, chunked: bool
) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/json\r\n"
    raw = b"%b\r\n%b" % (head, body)
    if chunked:
        raw = b"%bTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)
    cut = Reply(raw=raw)
    server = scripted([cut, page_reply(numbered_models(2))])
    assert len(connect(server.url).fetch_page().records) == 2
    assert len(server.requests) == 2
    with pytest.raises(
        TransportError, match=r"200 \(application/json\) with JSON that is cut short.*2 tries"
    ):
        connect(scripted(cut).url, max_retries=1).fetch_page()


@pytest.mark.parametrize("raw", [b"", b"nonsense", HTML, b'{"data":]', b'{"error":"x"}', b'{"data":[]} {'])
def test_what_is_whole_without_a_length_is_final(scripted: Any, connect: Any, raw: bytes) -> None:
    server = scripted(Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + raw))
    with pytest.raises(ResponseError):
        connect(server.url).fetch_page()
    assert len(server.requests) == 1


def test_json_cut_short_with_its_length_is_final(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(200, CUT))
    with pytest.raises(ResponseError, match="no JSON"):
        connect(server.url).fetch_page()
    assert len(server.requests) == 1


@pytest.mark.parametrize(("seconds", "left"), [("900", 60), ("900.5", 60), ("29.5", 30)])
def test_a_fraction_of_a_second_counts(scripted: Any, connect: Any, seconds: str, left: float) -> None:
    server = scripted(Reply(429, headers={"Retry-After": seconds}))
    with pytest.raises(RateLimitError) as caught:
        connect(server.url, deadline=left).fetch_page()
    assert len(server.requests) == 1
    assert caught.value.retry_after == -(-float(seconds) // 1)


BLOCKS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "1010": (403, b"error code: 1010", {"Content-Type": "text/plain", "Server": "cloudflare"}),
    "1020": (403, b"error code: 1020\n", {}),
    "json": (403, b'{"cloudflare_error": true, "error_code": 1010}', JSON),
    "moment": (403, b"<!DOCTYPE html><title>Just a moment...</title>", PAGE),
    "moment without a type": (403, b"<html><title>Just a moment\xe2\x80\xa6</title>", {}),
    "moment 503": (503, b"<!DOCTYPE html><title>Just a moment...</title>", PAGE),
    "mitigated": (403, b"", {"cf-mitigated": "challenge"}),
    "mitigated 200": (200, HTML, PAGE | {"CF-Mitigated": "challenge"}),
    "waf": (202, HTML, PAGE | {"x-amzn-waf-action": "challenge"}),
    "attention": (403, b"<html>Attention Required! | Cloudflare", PAGE),
    "denied": (403, b"<HTML><TITLE>Access Denied</TITLE>Reference #18.4", PAGE),
    "incapsula": (403, b"Request unsuccessful. Incapsula incident ID: 7", {}),
    "nginx": (403, b"<html><center><h1>403 Forbidden</h1></center><hr>nginx</html>", PAGE),
}


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("token", [KEY, None], ids=["key", "guest"])
def test_an_edge_that_blocks_is_no_refused_key(
    scripted: Any, connect: Any, block: str, token: str | None
) -> None:
    reply = Reply(*BLOCKS[block])
    server = scripted([reply, reply, page_reply(numbered_models(2))])
    assert len(connect(server.url, token=token).fetch_page().records) == 2
    with pytest.raises(TransportError, match=r"blocks this client.*after 2 tries") as caught:
        connect(scripted(reply).url, token=token, max_retries=1).fetch_page()
    said = str(caught.value)
    assert f"answered {reply.status}" in said
    assert "key" not in said.lower().replace("the-api-key", "")
    assert "credential" not in said


@pytest.mark.parametrize(
    "reply",
    [
        (403, b'{"detail":"Forbidden"}', JSON),
        (403, b"Forbidden", {}),
        (403, b"", {}),
        (401, HTML, PAGE),
    ],
)
def test_a_refused_key_still_is_one(scripted: Any, connect: Any, reply: Any) -> None:
    server = scripted(Reply(*reply))
    with pytest.raises(AuthenticationError):
        connect(server.url, token=KEY).fetch_page()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "expected"), [(401, AuthenticationError), (402, QuotaError), (403, AuthenticationError)]
)
def test_a_refusal_speaks_of_what_was_sent(scripted: Any, connect: Any, status: int, expected: Any) -> None:
    server = scripted(Reply(status, b'{"detail":"no"}', JSON))
    said = {}
    for who, given in {
        "key": {"token": KEY},
        "guest": {"guest_session_id": "guest-4711"},
        "none": {},
    }.items():
        with pytest.raises(expected) as caught:
            connect(server.url, **given).fetch_page()
        said[who] = str(caught.value).lower()
    assert "key" in said["key"] or "credential" in said["key"]
    assert "guest" in said["guest"]
    assert "anonymous" in said["none"]
    assert "password" in said["none"]  # where to put one
    for who in ("guest", "none"):
        assert not [word for word in ("key", "credential", "token", "expired") if word in said[who]]


def test_a_403_elsewhere_speaks_of_no_credential_where_there_is_none(scripted: Any, connect: Any) -> None:
    other = scripted(Reply(403, b"{}", JSON))
    server = scripted(Reply(302, headers={"Location": other.url}))
    with pytest.raises(AuthenticationError, match="anonymous") as caught:
        connect(server.url).fetch_page()
    assert "credential" not in str(caught.value)
    with pytest.raises(AuthenticationError, match=r"without the credential.*Give the final URL"):
        connect(server.url, token=KEY).fetch_page()


TOKEN = "fresh-t0ken-4711"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ((200, b'{"error":"invalid_client","error_description":"no such"}', JSON),
         r"200 \(application/json\) with the error 'invalid_client: no such', without a usable access_token"),
        ((200, HTML, PAGE), r"200 \(text/html\) with an HTML page, without a usable access_token"),
        ((200, b"", {}), r"200 with an empty body, without a usable access_token"),
        ((201, b'{"token":"fresh-t0ken-4711"}', JSON), r"201 \(application/json\) with something else"),
        ((200, b"fresh-t0ken-4711", {"Content-Type": "x/fresh-t0ken-4711"}), r"200 \(another media type\) w"),
    ],
)  # fmt: skip
def test_a_token_answer_without_a_token_is_shown(scripted: Any, connect: Any, reply: Any, said: str) -> None:
    server = scripted(Reply(*reply))
    oauth = {"token_url": f"{server.url}/t?x=hidden", "client_id": "me", "client_secret": "pw-4711"}
    with pytest.raises(AuthenticationError, match=said) as caught:
        connect(server.url, **oauth).fetch_page()
    assert f"POST {server.url}/t answered" in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("reply", [BLOCKS["1010"], BLOCKS["moment"], (408, b"", {}), (425, b"", {})])
def test_a_token_endpoint_may_be_blocked_as_well(scripted: Any, connect: Any, reply: Any) -> None:
    issued = iter([Reply(*reply)])
    server = scripted(
        lambda asked: (
            next(issued, Reply(200, b'\xef\xbb\xbf{"access_token":"t"}'))
            if asked.path == "/t"
            else page_reply(numbered_models(1))
        )
    )
    oauth = {"token_url": f"{server.url}/t", "client_id": "me", "client_secret": "pw-4711"}
    assert len(connect(server.url, **oauth).fetch_page().records) == 1
    assert [asked.path for asked in server.requests] == ["/t", "/t", "/api/v1/models"]


@pytest.mark.parametrize(
    "answer",
    [
        (407, b"", {}),
        (502, b"proxy down", {}),
        (200, HTML, PAGE),
        (200, b"", {}),
        (403, BLOCKS["moment"][1], PAGE),
    ],
)
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY"])
def test_a_proxy_of_the_environment_is_named(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, name: str
) -> None:
    proxy = scripted(Reply(*answer))  # it answers whatever it is asked
    host = proxy.url.removeprefix("http://")
    monkeypatch.setenv(name, f"http://someone:pr0xy-pass@{host}")
    with pytest.raises(Exception, match=f"the environment variable {name} names") as caught:
        connect("http://models.invalid", max_retries=0).fetch_page()
    assert "pr0xy-pass" not in str(caught.value)
    assert host not in str(caught.value)
    assert json.dumps(proxy.requests[0].target).startswith('"http://models.invalid/')


def test_a_proxy_that_is_not_there_is_named_and_one_that_is_not_used_is_not(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(TransportError, match=r"\(through the proxy that .* https_proxy names\) failed"):
        connect("https://models.invalid", max_retries=0).fetch_page()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(ServerError) as caught:
        connect(scripted(Reply(500)).url, max_retries=0).fetch_page()
    assert "proxy" not in str(caught.value)
