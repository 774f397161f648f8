"""Tests proxies, configured or from the environment, and a ~/.netrc: none gets the credential."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from helpers.records import numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider import IOIntelligenceClient
from io_intelligence_provider.catalog.proxies import environment_proxy
from io_intelligence_provider.errors import (
    ConfigurationError,
    IOIntelligenceError,
    RequestError,
    TransportError,
)

BASIC = "Basic " + base64.b64encode("me:p@ss/wörd".encode()).decode()
USER = "me:p%40ss%2Fw%C3%B6rd"


class Proxy(ThreadingTCPServer):
    """A forward proxy that asks for a password; it notes the head of each request it sees."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Relay)
        self.heads: list[str] = []
        self.address = f"127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


class _Relay(StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n") and (line := self.rfile.readline()):
            head += line
        text = head.decode("latin-1")
        length = re.search(r"(?i)^content-length: (\d+)", text, re.MULTILINE)
        body = self.rfile.read(int(length[1])) if length else b""
        self.server.heads.append(text)
        if f"Proxy-Authorization: {BASIC}" not in text:
            told = re.search(r"Proxy-Authorization: Basic (\S+)", text)
            said = text.encode() + (base64.b64decode(told[1]) if told else b"")
            self.wfile.write(
                b"HTTP/1.1 407 No\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)
            )
            return
        method, target, _ = text.split(" ", 2)
        parts = urlsplit(target if method != "CONNECT" else f"//{target}")
        with socket.create_connection((parts.hostname, parts.port)) as upstream:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                lines = text.replace(target, f"{parts.path}?{parts.query}", 1).split("\r\n")
                kept = [line for line in lines if not line.startswith("Proxy-")]
                upstream.sendall(
                    "\r\n".join([kept[0], "Connection: close", *kept[1:]]).encode("latin-1") + body
                )
            back = threading.Thread(target=_pump, args=(upstream, self.connection), daemon=True)
            back.start()
            _pump(self.connection, upstream)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        yield server
        server.shutdown()


def test_plain_http_goes_through_the_proxy_with_its_own_password(
    scripted: Any, connect: Any, proxy: Proxy
) -> None:
    server = scripted(page_reply(numbered_models(3)))
    client = connect(server.url, proxy=f"http://{USER}@{proxy.address}", token="the-api-key")
    assert len(client.fetch_page().records) == 3
    assert proxy.heads[0].startswith(f"GET {server.url}/api/v1/models?page=1")
    assert server.requests[0].headers["Authorization"] == "Bearer the-api-key"
    assert "Proxy-Authorization" not in server.requests[0].headers


def test_https_is_a_tunnel_in_which_the_proxy_sees_no_credential(
    scripted: Any, connect: Any, proxy: Proxy, tls: ssl.SSLContext, ca: str
) -> None:
    server = scripted(page_reply(numbered_models(3)), tls=tls)
    client = connect(server.url, proxy=f"{USER}@{proxy.address}", token="the-api-key", verify=ca)
    assert len(client.fetch_page().records) == 3
    assert [head.split(" ")[0] for head in proxy.heads] == ["CONNECT"]
    assert "the-api-key" not in "".join(proxy.heads)
    assert "Proxy-Authorization" not in server.requests[0].headers
    assert server.requests[0].headers["Authorization"] == "Bearer the-api-key"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refusing_proxy_that_echoes_is_scrubbed(
    scripted: Any, connect: Any, proxy: Proxy, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    caplog.set_level("DEBUG")
    server = scripted(page_reply())
    client = connect(
        server.url.replace("http", scheme),
        proxy=f"http://me:wr0ng-pass@{proxy.address}",
        token="the-api-key",
        max_retries=1,
    )
    with pytest.raises(IOIntelligenceError, match="407") as caught:
        client.fetch_page()
    assert isinstance(caught.value, RequestError if scheme == "http" else TransportError)
    seen = f"{caught.value!r} {caught.value} {vars(caught.value)} {caplog.text} {client!r} {client.settings}"
    for secret in ("the-api-key", "wr0ng-pass", base64.b64encode(b"me:wr0ng-pass").decode()):
        assert secret not in seen
    assert server.requests == []


def test_the_environment_names_the_proxy(
    scripted: Any, connect: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{USER}@{proxy.address}")
    server = scripted(page_reply())
    connect(server.url, token="the-api-key").fetch_page()
    assert len(proxy.heads) == 1
    assert server.requests[0].headers["Authorization"] == "Bearer the-api-key"


@pytest.mark.parametrize("bypass", ["127.0.0.1", "*", "127.0.0.1:{port}"])
def test_the_environment_exempts_a_host(
    scripted: Any, connect: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, bypass: str
) -> None:
    server = scripted(page_reply())
    monkeypatch.setenv("http_proxy", f"http://{USER}@{proxy.address}")
    monkeypatch.setenv("no_proxy", bypass.format(port=urlsplit(server.url).port))
    connect(server.url).fetch_page()
    assert proxy.heads == []
    assert len(server.requests) == 1


def test_every_hop_of_a_redirect_is_looked_up_anew(
    scripted: Any, connect: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = scripted(page_reply(numbered_models(1)))
    server = scripted(Reply(302, headers={"Location": f"{other.url}/x"}))
    monkeypatch.setenv("http_proxy", f"http://{USER}@{proxy.address}")
    monkeypatch.setenv("no_proxy", server.url.removeprefix("http://"))
    client = connect(server.url)
    client.fetch_page()
    assert [head.split(" ")[1] for head in proxy.heads] == [f"{other.url}/x"]
    monkeypatch.setenv("no_proxy", "*")  # and so is every request
    client.fetch_page()
    assert len(proxy.heads) == 1
    assert len(other.requests) == 2


PROXY = {"http_proxy": "http://proxy:3128", "https_proxy": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("*", "https://example.org"),
        ("x, *", "https://example.org"),
        ("example.org", "https://example.org"),
        ("example.org", "https://api.example.org"),
        (".example.org", "https://api.example.org"),
        (".example.org", "https://example.org"),
        ("*.example.org", "https://api.example.org"),
        ("EXAMPLE.org", "https://Api.Example.ORG"),
        ("example.org.", "https://example.org"),
        ("example.org", "https://example.org."),
        (" a,\n example.org \n", "https://example.org"),
        ("a example.org", "https://example.org"),
        ("example.org:443", "https://example.org"),
        ("example.org:80", "http://example.org"),
        ("example.org:8443", "https://example.org:8443"),
        (".example.org:8443", "https://api.example.org:8443"),
        ("10.0.0.0/8", "http://10.1.2.3"),
        ("10.1.2.3/8", "http://10.1.2.3:8080"),
        ("10.1.2.3", "http://10.1.2.3:8080"),
        ("10.1.2.3:8080", "http://10.1.2.3:8080"),
        ("127.0.0.0/8", "http://127.0.0.1"),
        ("fd00::/8", "http://[fd12::1]:80"),
        ("[fd00::]/8", "http://[fd12::1]"),
        ("[fd00::/8]", "http://[fd12::1]"),
        ("fd00:0::1", "http://[fd00::1]"),
        ("[fd00::1]", "http://[fd00::1]:99"),
        ("[fd00::1]:99", "http://[fd00::1]:99"),
        ("::1", "http://[0:0:0:0:0:0:0:1]"),
        ("fe80::1", "http://[fe80::1%25eth0]"),
        ("10.0.0.0/8", "http://[::ffff:10.1.2.3]"),
        ("::ffff:10.0.0.0/104", "http://10.1.2.3"),
        ("127.0.0.1", "http://127.1"),
        ("127.0.0.0/8", "http://0x7f000001"),
        ("bücher.example", "https://www.xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "https://bücher.example"),
    ],
)
def test_no_proxy_exempts(entry: str, url: str) -> None:
    for name in ("no_proxy", "NO_PROXY", "No_Proxy"):
        assert environment_proxy(url, PROXY | {name: entry}) is None


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("", "https://example.org"),
        (" \n", "https://example.org"),
        ("ample.org", "https://example.org"),
        ("example.org", "https://example.org.evil.org"),
        ("example.org:443", "https://example.org:8443"),
        ("10.0.0.0/8", "http://11.1.2.3"),
        ("10.0.0.0/8", "http://[fd00::1]"),
        ("fd00::/8", "http://10.0.0.1"),
        ("10.1.2.3", "http://10.1.2.30"),
        ("[fd00::1]:99", "http://[fd00::1]:98"),
        ("::1", "http://[::2]"),
        ("127.0.0.0/8", "http://localhost"),
    ],
)
def test_no_proxy_exempts_nothing_else(entry: str, url: str) -> None:
    assert environment_proxy(url, PROXY | {"no_proxy": entry}) is not None


@pytest.mark.parametrize(
    "entry",
    [
        "10.0.0.0/33",
        "10.0.0/8",
        "fd00::/129",
        "example.org/24",
        "http://s3cret",
        "host:port",
        "host:99999",
        "host:",
        "[::1",
        "[s3cret]",
        "fd00:::1",
        "[::1]x",
        "a|b",
        "<local>",
        "127.0.0.1-127.0.0.9",
        "192.168.",
        "172.16.0",
        "256.0.0.1",
        "127.000.000.001",
        "u:s3cret@h",
    ],
)
@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
def test_what_is_no_entry_of_no_proxy_is_refused_by_the_name_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, entry: str, name: str
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv(name, f"127.0.0.1,{entry}")
    with pytest.raises(ConfigurationError, match=f"variable {name} has") as caught:
        IOIntelligenceClient("http://127.0.0.1:1")
    assert entry not in str(caught.value)
    monkeypatch.delenv("http_proxy")  # it matters only where there is a proxy
    IOIntelligenceClient("http://127.0.0.1:1").close()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://up:1"}, ("http://up:1", "HTTP_PROXY")),
        ({"HTTP_PROXY": "http://up:1", "http_proxy": "http://low:1"}, ("http://low:1", "http_proxy")),
        ({"HTTP_PROXY": "http://up:1", "http_proxy": ""}, None),
        ({"HTTP_PROXY": "http://up:1", "http_proxy": " \n"}, None),
        ({"Http_Proxy": " http://up:1\n"}, ("http://up:1", "Http_Proxy")),
        ({"HTTPS_PROXY": "http://up:1", "ALL_PROXY": "http://all:1"}, None),
        ({"HTTP_PROXY": "http://from-a-request:1", "REQUEST_METHOD": "GET"}, None),
        ({"http_proxy": "http://low:1", "REQUEST_METHOD": "GET"}, ("http://low:1", "http_proxy")),
    ],
)
def test_the_variable_is_chosen_as_urllib_does(
    environ: dict[str, str], expected: tuple[str, str] | None
) -> None:
    assert environment_proxy("http://example.org", environ) == expected


def test_the_system_is_never_asked(scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import urllib.request

    for name in ("getproxies", "proxy_bypass", "getproxies_environment", "proxy_bypass_environment"):
        monkeypatch.setattr(urllib.request, name, None)
    server = scripted(page_reply())
    assert connect(server.url).fetch_page().records == []
    assert server.pages() == [1]


@pytest.mark.parametrize(
    "value", ["http://u:s3cret@h:port", "http://exa mple", "socks5://s3cret:1", "http://[s3cret"]
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy"])
def test_a_variable_that_is_no_proxy_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"environment variable {name} is no http") as caught:
        IOIntelligenceClient("https://example.org")
    assert value not in f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"
    assert "s3cret" not in str(caught.value)


def test_a_proxy_that_goes_wrong_on_the_way_is_a_configuration_error(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = scripted(Reply(302, headers={"Location": "https://example.invalid/"}))
    client = connect(server.url)
    monkeypatch.setenv("https_proxy", "http://exa mple:s3cret")
    with pytest.raises(ConfigurationError, match="variable https_proxy") as caught:
        client.fetch_page()
    assert "s3cret" not in str(caught.value)


def test_white_space_around_a_variable_is_stripped(
    scripted: Any, connect: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f" http://{USER}@{proxy.address}\n")
    connect(scripted(page_reply()).url).fetch_page()
    assert len(proxy.heads) == 1


def test_a_configured_proxy_outranks_the_environment(
    scripted: Any, connect: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "*")
    connect(scripted(page_reply()).url, proxy=f"http://{USER}@{proxy.address}").fetch_page()
    assert len(proxy.heads) == 1


def test_the_token_endpoint_goes_its_own_way(
    scripted: Any, connect: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = scripted(Reply(200, b'{"access_token":"t"}'))
    server = scripted(page_reply())
    monkeypatch.setenv("http_proxy", f"http://{USER}@{proxy.address}")
    monkeypatch.setenv("no_proxy", server.url.removeprefix("http://"))
    connect(server.url, token_url=f"{issuer.url}/t", client_id="me", client_secret="pw").fetch_page()
    assert [head.split(" ")[1] for head in proxy.heads] == [f"{issuer.url}/t"]


OAUTH = {"token_url": "HTTP://127.0.0.1:1/t", "client_id": "me", "client_secret": "hunter2"}


@pytest.mark.parametrize(
    ("base_url", "settings", "refused"),
    [
        ("https://127.0.0.1:1", {"verify": False}, "verify=false is for this machine only"),
        ("http://127.0.0.1:1", OAUTH, "token_url without https is for this machine only"),
    ],
    ids=["unverified", "in clear"],
)
def test_what_is_safe_on_this_machine_only_goes_through_no_proxy_on_another(
    monkeypatch: pytest.MonkeyPatch, base_url: str, settings: dict[str, Any], refused: str
) -> None:
    """A proxy would receive the client secret in clear, or be trusted without a certificate."""
    another, variable = "http://proxy.example:3128", base_url.partition(":")[0] + "_proxy"
    with pytest.raises(ConfigurationError, match=f"{refused}, and the setting `proxy` names a proxy"):
        IOIntelligenceClient(base_url, proxy=another, **settings)
    monkeypatch.setenv(variable, another)
    with pytest.raises(ConfigurationError, match=f"{refused}, and the environment variable {variable}"):
        IOIntelligenceClient(base_url, **settings)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    IOIntelligenceClient(base_url, **settings).close()
    IOIntelligenceClient(base_url, proxy="http://127.0.0.1:3128", **settings).close()


def test_a_netrc_replaces_nothing(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login intruder password from-netrc\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    server = scripted(page_reply())
    connect(server.url, token="the-api-key").fetch_page()
    connect(server.url).fetch_page()
    assert [asked.headers.get("Authorization") for asked in server.requests] == ["Bearer the-api-key", None]


@pytest.mark.parametrize(
    "proxy_url",
    [
        "socks5://h:1",
        "http://",
        "http://[::1",
        "http://u:s3cret@h:port",
        "http://u:s3cret/x@h:1",
        "http://u:9/s3cret@h:1",
        "http://u:9#s3cret@h:1",
        "http://u:s3cret@[h:1",
    ],
)
def test_what_is_no_proxy_is_refused_without_being_shown(proxy_url: str) -> None:
    with pytest.raises(ConfigurationError, match="proxy") as caught:
        IOIntelligenceClient("http://127.0.0.1:1", proxy=proxy_url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nobody_behind_the_proxy_address_is_a_transport_error(scripted: Any, connect: Any) -> None:
    gone = scripted(page_reply())
    gone.server_close()
    client = connect("http://127.0.0.1:1", proxy=f"http://me:s3cret@{gone.url[7:]}", max_retries=1)
    with pytest.raises(TransportError, match=r"proxy.*after 2 tries") as caught:
        client.fetch_page()
    assert "s3cret" not in str(caught.value)
