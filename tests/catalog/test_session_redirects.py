"""Tests redirects: they are followed, and the credential stays with its scheme, host and port."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from helpers.records import numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider.errors import AuthenticationError, ResponseError, ServerError

KEYS = {"token": "key-for-one-host", "guest_session_id": "guest-for-one-host"}


def sent(asked: Any) -> tuple[str | None, str | None]:
    headers = {name.lower(): value for name, value in asked.headers.items()}
    return headers.get("authorization"), headers.get("x-guest-session-id")


BOTH = ("Bearer key-for-one-host", "guest-for-one-host")
NONE = (None, None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("absolute", [True, False], ids=["absolute", "relative"])
def test_the_same_host_keeps_the_credential(scripted: Any, connect: Any, status: int, absolute: bool) -> None:
    def script(asked: Any) -> Any:
        if asked.path == "/moved":
            return page_reply(numbered_models(1))
        return Reply(status, headers={"Location": f"{server.url if absolute else ''}/moved?page=1"})

    server = scripted(script)
    assert len(connect(server.url, **KEYS).fetch_page().records) == 1
    assert [(asked.path, sent(asked)) for asked in server.requests] == [
        ("/api/v1/models", BOTH),
        ("/moved", BOTH),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_port_or_host_loses_the_credential(scripted: Any, connect: Any, host: str) -> None:
    other = scripted(page_reply(numbered_models(1)))
    location = other.url.replace("127.0.0.1", host)
    server = scripted(Reply(302, headers={"Location": f"{location}/elsewhere"}))
    assert len(connect(server.url, **KEYS).fetch_page().records) == 1
    assert [sent(asked) for asked in server.requests + other.requests] == [BOTH, NONE]


def test_the_same_port_under_another_name_loses_the_credential(scripted: Any, connect: Any) -> None:
    def script(asked: Any) -> Any:
        if asked.path == "/there":
            return page_reply()
        return Reply(302, headers={"Location": f"{server.url.replace('127.0.0.1', 'localhost')}/there"})

    server = scripted(script)
    connect(server.url, **KEYS).fetch_page()
    assert [sent(asked) for asked in server.requests] == [BOTH, NONE]


def test_another_scheme_loses_the_credential(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str
) -> None:
    plain = scripted(page_reply())
    server = scripted(Reply(302, headers={"Location": plain.url}), tls=tls)
    connect(server.url, verify=ca, **KEYS).fetch_page()
    assert [sent(asked) for asked in server.requests + plain.requests] == [BOTH, NONE]


def test_a_chain_away_and_back_does_not_get_it_again(scripted: Any, connect: Any) -> None:
    def script(asked: Any) -> Any:
        return page_reply() if asked.path == "/back" else Reply(302, headers={"Location": other.url})

    server = scripted(script)
    other = scripted(Reply(302, headers={"Location": f"{server.url}/back"}))
    connect(server.url, **KEYS).fetch_page()
    assert [sent(asked) for asked in server.requests] == [BOTH, NONE]
    assert [sent(asked) for asked in other.requests] == [NONE]


def test_a_401_from_another_host_says_that_it_got_no_credential(scripted: Any, connect: Any) -> None:
    other = scripted(Reply(401))
    server = scripted(Reply(302, headers={"Location": f"{other.url}/x?signature=hidden"}))
    with pytest.raises(AuthenticationError, match="without the credential") as caught:
        connect(server.url, **KEYS).fetch_page()
    assert f"{other.url}/x" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_retry_after_a_redirect_starts_where_it_was_meant_to(scripted: Any, connect: Any) -> None:
    other = scripted([Reply(503), page_reply()])
    server = scripted(Reply(302, headers={"Location": other.url}))
    connect(server.url, **KEYS).fetch_page()
    assert [sent(asked) for asked in server.requests] == [BOTH, BOTH]
    assert [sent(asked) for asked in other.requests] == [NONE, NONE]


def test_a_circle_ends(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(302, headers={"Location": "/api/v1/models"}))
    with pytest.raises(ResponseError, match="redirected more than 5 times"):
        connect(server.url).fetch_page()
    assert len(server.requests) == 6


@pytest.mark.parametrize(
    "location",
    ["http://[::1", "ftp://127.0.0.1/x", "javascript:alert(1)", "http://127.0.0.1:port/", "file:///x"],
)
def test_what_is_no_http_url_is_not_followed(scripted: Any, connect: Any, location: str) -> None:
    server = scripted(Reply(302, headers={"Location": location}))
    with pytest.raises(ResponseError, match="redirected to something that is not an http"):
        connect(server.url).fetch_page()
    assert len(server.requests) == 1


def test_a_redirect_without_a_target_is_an_answer(scripted: Any, connect: Any) -> None:
    with pytest.raises(ResponseError, match="answered 302"):
        connect(scripted(Reply(302)).url).fetch_page()


@pytest.mark.parametrize("spelt", ["key-for-one-host", "key%2Dfor%2Done%2Dhost"])
def test_a_url_that_repeats_the_credential_is_not_followed(scripted: Any, connect: Any, spelt: str) -> None:
    token = "key-for-one-host" if spelt.startswith("key-") else "key/for/one/host"
    spelt = spelt.replace("%2D", "%2f")
    other = scripted(page_reply())
    server = scripted(Reply(302, headers={"Location": f"{other.url}/?key={spelt}"}))
    with pytest.raises(ResponseError, match="repeats the credential") as caught:
        connect(server.url, token=token).fetch_page()
    assert other.requests == []
    assert spelt not in str(caught.value)


def test_verify_false_is_not_carried_to_other_hosts(scripted: Any, connect: Any) -> None:
    server = scripted(Reply(302, headers={"Location": "https://models.invalid/"}))
    with pytest.raises(ResponseError, match="verify=false does not allow"):
        connect(server.url, verify=False).fetch_page()


@pytest.fixture
def failing_elsewhere(scripted: Any) -> Any:
    other = scripted(Reply(500))
    return scripted(Reply(307, headers={"Location": other.url}))


def test_the_message_names_both_addresses(connect: Any, failing_elsewhere: Any) -> None:
    with pytest.raises(ServerError, match=r"GET http://.* \(redirected to http://.*\) .*answered 500"):
        connect(failing_elsewhere.url, max_retries=0).fetch_page()


@pytest.mark.parametrize("location", ["", "  "])
def test_a_redirect_to_nothing_is_an_answer(scripted: Any, connect: Any, location: str) -> None:
    with pytest.raises(ResponseError, match="answered 302"):
        connect(scripted(Reply(302, headers={"Location": location})).url).fetch_page()


def test_a_target_that_is_no_text_is_not_followed(scripted: Any, connect: Any) -> None:
    raw = b"HTTP/1.1 302 Found\r\nLocation: /\xff\xfe\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(ResponseError, match="redirected to something that is not an http"):
        connect(scripted(Reply(raw=raw)).url).fetch_page()


def test_cookies_are_neither_kept_nor_sent(scripted: Any, connect: Any) -> None:
    cookie = {"Set-Cookie": "session=from-the-server; Path=/"}

    def script(asked: Any) -> Any:
        if asked.path == "/moved":
            return page_reply(**cookie)
        return Reply(302, headers={"Location": "/moved", **cookie})

    server = scripted(script)
    client = connect(server.url)
    for _ in range(2):
        client.fetch_page()
    assert len(server.requests) == 4
    assert not [asked for asked in server.requests if "cookie" in map(str.lower, asked.headers)]
