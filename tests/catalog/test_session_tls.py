"""Tests TLS verification with the system's or a given authority, without retries of a failure."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import InsecureRequestWarning

from helpers.records import numbered_models
from helpers.scripted_server import Reply, page_reply
from io_intelligence_provider import IOIntelligenceClient
from io_intelligence_provider.errors import ConfigurationError, TransportError


def test_a_given_authority_is_trusted(scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str) -> None:
    server = scripted(page_reply(numbered_models(2)), tls=tls)
    assert len(connect(server.url, verify=ca, token="key").fetch_page().records) == 2
    assert server.requests[0].headers["Authorization"] == "Bearer key"


def test_a_folder_of_authorities_is_trusted(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str, tmp_path: Path
) -> None:
    # OpenSSL looks an authority up by the hash of its subject.
    context = ssl.create_default_context(cafile=ca)
    assert context.cert_store_stats()["x509_ca"] >= 1
    subject_hash = _subject_hash(ca)
    (tmp_path / f"{subject_hash}.0").write_bytes(Path(ca).read_bytes())
    server = scripted(page_reply(), tls=tls)
    connect(server.url, verify=str(tmp_path)).fetch_page()
    assert len(server.requests) == 1


def _subject_hash(ca: str) -> str:
    import hashlib

    from cryptography import x509

    common_name = x509.load_pem_x509_certificate(Path(ca).read_bytes()).subject
    # X509_NAME_hash: the canonical encoding is that of a UTF8String in lower case, without the outer tag.
    text = common_name.rfc4514_string().removeprefix("CN=").lower().encode()
    value = b"\x0c" + bytes([len(text)]) + text
    attribute = b"\x06\x03\x55\x04\x03" + value
    sequence = b"\x30" + bytes([len(attribute)]) + attribute
    canonical = b"\x31" + bytes([len(sequence)]) + sequence
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


@pytest.mark.parametrize("verify", ["wrong", True])
def test_an_unknown_authority_is_an_error_without_retries(
    scripted: Any, connect: Any, authority: Any, other_authority: Any, verify: Any
) -> None:
    server = scripted(page_reply(), tls=authority.server)
    accepted = []
    original = server.get_request
    server.get_request = lambda: accepted.append(1) or original()
    client = connect(server.url, verify=other_authority.path if verify == "wrong" else True, token="key")
    with pytest.raises(TransportError, match="certificate verify failed") as caught:
        client.fetch_page()
    assert "tries" not in str(caught.value)
    assert "set `verify` to the path" in str(caught.value)
    assert caught.value.__context__ is None
    assert (len(accepted), server.requests) == (1, [])


def test_a_certificate_for_another_name_is_refused(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str
) -> None:
    server = scripted(page_reply(), host="127.0.0.2", tls=tls)
    with pytest.raises(TransportError, match=r"127\.0\.0\.2"):
        connect(server.url, verify=ca).fetch_page()
    assert server.requests == []


def test_a_connection_cut_within_tls_is_tried_again(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str
) -> None:
    server = scripted([Reply(reset=True), page_reply(numbered_models(1))], tls=tls)
    assert len(connect(server.url, verify=ca).fetch_page().records) == 1
    assert len(server.requests) == 2


def test_a_handshake_that_is_cut_is_tried_again(connect: Any) -> None:
    tries = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    tries.append(connection.recv(65536))

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(TransportError, match="after 2 tries"):
            connect(f"https://127.0.0.1:{listener.getsockname()[1]}", max_retries=1).fetch_page()
        thread.join()
    assert len(tries) == 2


@pytest.mark.parametrize("host", ["https://api.example.org", "https://127.0.0.1.example.org", "10.0.0.1"])
def test_verify_false_is_refused_beyond_the_loopback(host: str) -> None:
    with pytest.raises(ConfigurationError, match="verify=false is refused"):
        IOIntelligenceClient(host, verify=False)


def test_verify_false_is_refused_when_the_client_secret_leaves_the_loopback() -> None:
    with pytest.raises(ConfigurationError, match=r"refused for https://login\.example\.org"):
        IOIntelligenceClient(
            "https://localhost",
            verify=False,
            token_url="https://login.example.org/token",
            client_id="me",
            client_secret="hidden",
        )


def test_verify_false_works_on_the_loopback(scripted: Any, connect: Any, tls: ssl.SSLContext) -> None:
    server = scripted(page_reply(), tls=tls)
    with pytest.warns(InsecureRequestWarning):
        connect(server.url, verify=False).fetch_page()
    assert len(server.requests) == 1


@pytest.mark.parametrize("verify", ["", " ", "missing.pem", None, 1, 0])
def test_what_is_no_authority_is_refused_at_once(verify: Any) -> None:
    with pytest.raises(ConfigurationError, match="verify"):
        IOIntelligenceClient("https://localhost", verify=verify)


def test_a_file_that_holds_no_authority_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nothing")
    with pytest.raises(ConfigurationError, match=r"no usable CA: .*no certificate") as caught:
        IOIntelligenceClient("https://localhost", verify=str(path))
    assert "ca.pem" not in str(caught.value)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment_is_trusted(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for other in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(other, raising=False)  # a machine may have them
    monkeypatch.setenv(name, ca)
    server = scripted(page_reply(), tls=tls)
    connect(server.url).fetch_page()
    assert server.pages() == [1]


def test_a_folder_of_the_environment_is_trusted(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{_subject_hash(ca)}.0").write_bytes(Path(ca).read_bytes())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", f" {tmp_path} ")
    server = scripted(page_reply(), tls=tls)
    connect(server.url).fetch_page()
    assert server.pages() == [1]


def test_verify_outranks_the_environment_whose_variables_add_up(
    scripted: Any,
    connect: Any,
    tls: ssl.SSLContext,
    ca: str,
    other_authority: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = scripted(page_reply(), tls=tls)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", other_authority.path)
    with pytest.raises(TransportError, match="certificate verify failed"):
        connect(server.url).fetch_page()
    connect(server.url, verify=ca).fetch_page()
    monkeypatch.setenv("SSL_CERT_FILE", ca)
    connect(server.url).fetch_page()
    with pytest.raises(TransportError, match="certificate verify failed"):
        connect(server.url, verify=other_authority.path).fetch_page()


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_of_the_environment_that_is_none_is_named_and_not_shown(
    scripted: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "/missing/ca-of-the-test.pem")
    with pytest.raises(ConfigurationError, match=f"variable {name} names no usable CA: No such") as caught:
        connect("https://127.0.0.1:1").fetch_page()
    assert "ca-of-the-test" not in str(caught.value)
    connect(scripted(page_reply()).url).fetch_page()  # it matters only where there is TLS


def answering_in_clear(answer: bytes) -> tuple[socket.socket, threading.Thread]:
    """Return a listener that answers whoever connects with this text."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener, thread


@pytest.mark.parametrize("scheme", ["", "https://"], ids=["assumed", "given"])
def test_a_server_that_answers_tls_in_clear_is_named(connect: Any, scheme: str) -> None:
    listener, thread = answering_in_clear(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(TransportError, match=r"`verify`") as caught:
            connect(f"{scheme}{host}", token="key").fetch_page()
        thread.join()
    said = str(caught.value)
    assert ("https was assumed" in said) == (not scheme)
    assert (f"write http://{host}" if not scheme else "else write http://") in said
    assert "tries" not in said


def test_https_that_was_assumed_is_named_for_a_server_that_waits_for_http(
    scripted: Any, connect: Any
) -> None:
    host = scripted(page_reply()).url.removeprefix("http://")
    with pytest.raises(TransportError, match=f"https was assumed.*write http://{host}"):
        connect(host, connect_timeout=0.2, max_retries=0).fetch_page()


def test_https_that_works_is_no_longer_suspected(
    scripted: Any, connect: Any, tls: ssl.SSLContext, ca: str
) -> None:
    server = scripted([page_reply(), Reply(reset=True)], tls=tls)
    client = connect(server.url.removeprefix("https://"), verify=ca, max_retries=0)
    client.fetch_page()
    with pytest.raises(TransportError) as caught:
        client.fetch_page()
    assert "assumed" not in str(caught.value)
