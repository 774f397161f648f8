"""Tests the fields of a connection: they become settings, or an error names the field."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.scripted_server import page_reply
from io_intelligence_provider import IOIntelligenceClient, __version__
from io_intelligence_provider.catalog.settings import (
    DEFAULT_BASE_URL,
    EXTRA_FIELDS,
    ClientSettings,
    connection_settings,
    is_loopback,
)
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.redaction import Secret

SECRETS = ("token", "guest_session_id", "client_secret")


def plain(settings: ClientSettings) -> dict[str, Any]:
    """Return what differs from the defaults, secrets revealed."""
    values = {name: getattr(settings, name) for name in ClientSettings.__dataclass_fields__}
    default = ClientSettings()
    return {
        name: value.reveal() if name in SECRETS else value
        for name, value in values.items()
        if value != getattr(default, name)
    }


def test_nothing_given_is_the_public_api_without_a_credential() -> None:
    assert plain(connection_settings()) == {}
    assert ClientSettings().base_url == DEFAULT_BASE_URL == "https://api.intelligence.io.solutions"
    assert (ClientSettings().page_size, ClientSettings().concurrency) == (100, 4)


def test_every_field_is_read(ca: str) -> None:
    extra = {
        "guest_session_id": " guest ",
        "page_size": 7,
        "concurrency": 2,
        "connect_timeout": 1.5,
        "read_timeout": 3,
        "max_retries": 0,
        "verify": ca,
        "proxy": "http://proxy:1",
        "token_url": "https://login.example.org/t",
        "client_id": "me",
        "client_secret": " hidden ",
        "scope": "a b",
    }
    assert set(extra) == set(EXTRA_FIELDS)
    expected = {**extra, "guest_session_id": "guest", "client_secret": "hidden"}
    assert plain(connection_settings(extra=extra)) == expected
    assert plain(connection_settings(password=" key\n")) == {"token": "key"}


def test_the_uri_form_gives_strings() -> None:
    extra = {
        "page_size": "7",
        "concurrency": " 2 ",
        "connect_timeout": "1.5",
        "max_retries": "0",
        "verify": "True",
    }
    assert plain(connection_settings(extra=extra)) == {
        "page_size": 7,
        "concurrency": 2,
        "connect_timeout": 1.5,
        "max_retries": 0,
    }
    local = connection_settings(host="localhost", extra={"verify": "FALSE"})
    assert local.verify is False


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_blank_and_null_count_as_unset(blank: str | None) -> None:
    fields = dict.fromkeys(("host", "schema", "login", "password"), blank)
    settings = connection_settings(**fields, extra=dict.fromkeys(EXTRA_FIELDS, blank))
    assert plain(settings) == {}
    with IOIntelligenceClient(token=blank, guest_session_id=blank, client_secret=blank) as client:
        assert plain(client.settings) == {}


def test_an_unknown_extra_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"headers, page-size.*Known are: guest_session_id"):
        connection_settings(extra={"page-size": 1, "headers": {"X": "secret-value"}, "page_size": 1})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pagesize", r"pagesize \(did you mean page_size\?\)"),
        ("readTimeout", r"readTimeout \(did you mean read_timeout\?\)"),
        ("X-Api-Key", "X-Api-Key"),
        ("headers", "headers"),
        ("https_proxy", "https_proxy"),
        ("retry.max.attempts", "retry.max.attempts"),
    ],
)
def test_a_plain_word_is_named(name: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        connection_settings(extra={name: 1})


@pytest.mark.parametrize(
    "name",
    [
        "sk-abc123",
        "sk-live",
        "ghp_abcdefgh",
        "io-v2-eyJhbGciOiJIUzI1NiJ9",
        "qWjRtZxKpLmN",
        "a" * 15,
        "a-b-c-d-e",
        "xkcdqwrtz",
        "has space",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "the-password-itself",
        "",
        "ключ",
        "x\ny",
    ],
)
def test_what_may_be_a_secret_is_counted_and_not_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match="1 that may be a secret") as caught:
        connection_settings(password="password-itself", extra={name: 1})
    assert not name or name not in str(caught.value)


@pytest.mark.parametrize("rest", ["//:KEY@host", "//me:KEY@host:80/path", ":KEY", "//KEY@"])
def test_a_uri_with_an_underscore_is_explained(rest: str) -> None:
    extra = {"x": "KEY"}  # a query lands in the extra
    with pytest.raises(ConfigurationError, match=r"Begin it with io-intelligence://") as caught:
        connection_settings(host="", schema=f"o_intelligence{rest}", extra=extra)
    assert "KEY" not in str(caught.value)


@pytest.mark.parametrize("schema", ["hunter", "s3cr", "api/v1", "sk-abc", "ftp x"])
def test_a_schema_that_is_no_plain_word_is_not_shown(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="schema is http, https or blank") as caught:
        connection_settings(host="h", schema=schema)
    assert schema not in str(caught.value)


def test_a_login_is_no_place_for_the_key() -> None:
    with pytest.raises(ConfigurationError, match="password") as caught:
        connection_settings(login="the-key")
    assert "the-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[
            ("page_size", bad)
            for bad in (0, 101, -1, 1.5, "1.5", "x", True, [], {}, "nan", "inf", "1e999", 10**400)
        ],
        *[("concurrency", bad) for bad in (0, 65, "many", False)],
        *[("max_retries", bad) for bad in (-1, 101, 0.5)],
        *[("connect_timeout", bad) for bad in (0, -1, "nan", "inf", 10**6, True, [])],
        *[("read_timeout", bad) for bad in (0, -1, "nan", "inf", "soon")],
        *[("verify", bad) for bad in (1, [], "nowhere.pem")],
        *[
            (key, 7)
            for key in ("guest_session_id", "proxy", "token_url", "client_id", "client_secret", "scope")
        ],
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=key):
        connection_settings(extra={key: value})


@pytest.mark.parametrize(
    ("name", "bad"), [("deadline", 0), ("backoff", -1), ("max_backoff", 10**6), ("deadline", "1")]
)
def test_a_clients_own_settings_are_bounded_too(name: str, bad: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        IOIntelligenceClient(**{name: bad})


def test_a_page_size_of_one_call_is_bounded_too() -> None:
    with (
        IOIntelligenceClient("http://127.0.0.1:1") as client,
        pytest.raises(ConfigurationError, match="page_size"),
    ):
        client.fetch_page(page_size=101)


@pytest.mark.parametrize("q", [5, b"llama", ["llama"], "\ud800"], ids=ascii)
def test_a_search_term_that_cannot_be_sent_is_refused(q: Any) -> None:
    with (
        IOIntelligenceClient("http://127.0.0.1:1") as client,
        pytest.raises(ConfigurationError, match="q must be"),
    ):
        client.fetch_catalogue(q)


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": "example.org"}, "https://example.org"),
        ({"host": " https://example.org/ "}, "https://example.org"),
        ({"host": "http://example.org"}, "http://example.org"),
        ({"host": "https://example.org/api/v1"}, "https://example.org"),
        ({"host": "https://example.org/api/v1/"}, "https://example.org"),
        ({"host": "https://example.org/api/v1///"}, "https://example.org"),
        ({"host": "https://example.org/gateway"}, "https://example.org/gateway"),
        ({"host": "https://example.org/gateway/api/v1/"}, "https://example.org/gateway"),
        ({"host": "example.org/gateway/"}, "https://example.org/gateway"),
        ({"host": "example.org", "port": 8443}, "https://example.org:8443"),
        ({"host": "https://example.org/x", "port": 8443}, "https://example.org:8443/x"),
        ({"host": "https://example.org:1", "port": 2}, "https://example.org:1"),
        ({"host": "example.org", "schema": "http"}, "http://example.org"),
        ({"host": "example.org", "schema": "HTTPS", "port": 1}, "https://example.org:1"),
        ({"host": "http://example.org", "schema": "https"}, "http://example.org"),
        ({"host": "localhost:8080"}, "https://localhost:8080"),
        ({"host": "::1", "port": 8080, "schema": "http"}, "http://[::1]:8080"),
        ({"host": "[::1]", "port": 8080}, "https://[::1]:8080"),
        ({"host": "http://[::1]:9"}, "http://[::1]:9"),
        ({"schema": "http"}, DEFAULT_BASE_URL),
    ],
    ids=str,
)
def test_the_base_url(fields: dict[str, Any], base_url: str) -> None:
    assert connection_settings(**fields).base_url == base_url


@pytest.mark.parametrize(
    "host",
    [
        "https://user:s3cret@example.org",
        "https://s3cret@example.org",
        "https://user:s3cret/x@example.org",
        "https://user:1/s3cret@example.org",
        "user:s3cret@example.org",
        "ftp://example.org",
        "https://",
        "https://[::1",
        "https://example.org:s3cret",
        "https://example.org:99999",
        "https://exa mple.org",
        "https://example.org?key=s3cret",
        "https://example.org/#s3cret",
        "://",
    ],
)
@pytest.mark.parametrize("port", [None, 443])
def test_what_is_no_base_url_is_refused_without_being_shown(host: str, port: int | None) -> None:
    with pytest.raises(ConfigurationError, match="host") as caught:
        connection_settings(host=host, port=port)
    assert "s3cret" not in str(caught.value)


def test_another_schema_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="schema is 'ftp'"):
        connection_settings(host="example.org", schema="ftp")


OAUTH = {"token_url": "https://login.example.org/t", "client_id": "me", "client_secret": "hidden"}


@pytest.mark.parametrize("missing", OAUTH)
def test_half_a_client_credential_is_refused(missing: str) -> None:
    extra = {key: value for key, value in OAUTH.items() if key != missing}
    with pytest.raises(ConfigurationError, match=f"missing: {missing}"):
        connection_settings(extra=extra)


def test_two_credentials_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="Both"):
        connection_settings(password="key", extra=OAUTH)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.org/t",
        "login.example.org/t",
        "ftp://localhost/t",
        "https://me:s3cret@login.example.org/t",
        "https://[::1",
        "https://login.example.org:s3cret/t",
    ],
)
def test_a_token_url_must_be_https_and_nothing_else(url: str) -> None:
    with pytest.raises(ConfigurationError, match="token_url") as caught:
        connection_settings(extra={**OAUTH, "token_url": url})
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:1", True),
        ("http://127.0.0.1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:1", True),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("http://10.0.0.1", False),
        ("http://0.0.0.0", False),
        ("nonsense", False),
    ],
)
def test_the_loopback_is_this_machine_only(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


def test_the_settings_reach_the_wire(scripted: Any, connect: Any) -> None:
    server = scripted(page_reply())
    connect(f"{server.url}/gateway/api/v1/", token="key", page_size=9).fetch_page(3, q="a b&c")
    connect(server.url, guest_session_id="guest").fetch_page(page_size=2)
    first, second = server.requests
    assert first.target == "/gateway/api/v1/models?page=3&page_size=9&q=a+b%26c"
    assert first.headers["Authorization"] == "Bearer key"
    assert first.headers["User-Agent"] == f"airflow-provider-io-intelligence/{__version__}"
    assert "X-Guest-Session-ID" not in first.headers
    assert second.target == "/api/v1/models?page=1&page_size=2"
    assert second.headers["X-Guest-Session-ID"] == "guest"
    assert "Authorization" not in second.headers


def test_a_timeout_is_always_set(connect: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from requests.adapters import HTTPAdapter

    seen = []
    original = HTTPAdapter.send

    def send(self: Any, *args: Any, **options: Any) -> Any:
        seen.append(options["timeout"])
        return original(self, *args, **options)

    monkeypatch.setattr(HTTPAdapter, "send", send)
    connect(scripted(page_reply()).url, connect_timeout=2, read_timeout=40, deadline=20).fetch_page()
    connect_timeout, read_timeout = seen[0]
    assert connect_timeout == 2
    assert 19 < read_timeout <= 20


@pytest.mark.parametrize(
    ("fields", "assumed"),
    [
        ({"host": "example.org"}, True),
        ({"host": "example.org", "port": 8080}, True),
        ({"host": "::1", "port": 8080}, True),
        ({"host": "example.org", "schema": "https"}, False),
        ({"host": "example.org", "schema": "http", "port": 8080}, False),
        ({"host": "https://example.org"}, False),
        ({}, False),
    ],
)
def test_a_scheme_that_nobody_gave_is_remembered(fields: dict[str, Any], assumed: bool) -> None:
    settings = connection_settings(**fields)
    assert settings.https_assumed is assumed
    assert settings.for_one_try(5).https_assumed is assumed
    assert settings.base_url.startswith("http://" if fields.get("schema") == "http" else "https://")


def test_settings_for_one_try_change_nothing_else() -> None:
    settings = ClientSettings(token=Secret("key"), deadline=60, proxy="http://127.0.0.1:1")
    once = settings.for_one_try(9)
    assert (once.max_retries, once.deadline, once.proxy) == (0, 9, settings.proxy)
    assert once.token
    assert once.token.reveal() == "key"
    assert ClientSettings(deadline=2).for_one_try(9).deadline == 2
