"""Provides an HTTP server with scripted responses, and a certificate authority for its TLS."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Request:
    """Holds one request as it arrived."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def page(self) -> int:
        return int(parse_qs(urlsplit(self.target).query).get("page", ["1"])[0])


@dataclass(frozen=True)
class Reply:
    """Describes one response. ``raw`` is sent unchanged, ``reset`` replaces everything else.

    :param pieces: the body, sent piece by piece without a length, until the client closes the connection.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | Iterable[bytes] | None = None
    pieces: Iterable[bytes] | None = None
    reset: bool = False


Script = Callable[[Request], Reply]


class ScriptedServer(ThreadingHTTPServer):
    """Listens on a free port of the loopback and records requests."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Script, host: str, tls: ssl.SSLContext | None) -> None:
        super().__init__((host, 0), _Handler)
        self.script = script
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self.url = f"{'https' if tls else 'http'}://{host}:{self.server_port}"
        self._tls = tls
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), name="scripted", daemon=True)
        self._thread.start()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        if self._tls:
            # The handshake happens in the handler's thread, at the first read.
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=True
            )
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: clients close connections on purpose here, and tests check what they report."""

    def pages(self) -> list[int]:
        return [request.page for request in self.requests]

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        request = Request(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        self.server.requests.append(request)
        self._answer(self.server.script(request))

    do_POST = do_GET  # noqa: N815 - the library's name
    do_PATCH = do_GET  # noqa: N815 - the library's name

    def _answer(self, reply: Reply) -> None:
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        if reply.raw is not None:
            for piece in [reply.raw] if isinstance(reply.raw, bytes) else reply.raw:
                self.wfile.write(piece)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.pieces is None:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)
        for piece in reply.pieces or ():
            self.wfile.write(piece)
        self.close_connection = self.close_connection or reply.pieces is not None

    def log_message(self, *_: Any) -> None:
        pass


def page_reply(
    records: Iterable[Any] = (), *, total: int | None = None, has_next: bool = False, **headers: str
) -> Reply:
    """Return one page of the documented shape; ``bytes`` among the records are sent unchanged."""
    texts = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    pagination = json.dumps({"total": len(texts) if total is None else total, "has_next": has_next})
    return Reply(
        body=b'{"data":[%b],"pagination":%b}' % (b",".join(texts), pagination.encode()), headers=headers
    )


def listing_body(*records: Any) -> bytes:
    """Return a response of the observed shape."""
    return json.dumps({"object": "list", "data": records}).encode()


def as_script(script: Script | Reply | list[Reply]) -> Script:
    if callable(script):
        return script
    left = [script] if isinstance(script, Reply) else list(script)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@dataclass(frozen=True)
class Authority:
    """Holds a certificate authority: the file that clients trust, and the server's certificate."""

    path: str
    server: ssl.SSLContext


def make_authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName("localhost"),
    ]
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, key_pem = folder / "ca.pem", folder / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key_pem)
    return Authority(str(pem), context)
