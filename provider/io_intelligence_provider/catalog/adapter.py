"""Implements a requests adapter that enforces a deadline and a size, and that prints and logs nothing."""

from __future__ import annotations

import codecs
import contextlib
import http.client
import io
import logging
import os
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Final

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from io_intelligence_provider.catalog.proxies import parse_proxy
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.settings import BUNDLE_VARIABLES, add_authorities

__all__ = [
    "MAX_BODY_BYTES",
    "BoundedAdapter",
    "Exchange",
    "RefusedResponseError",
    "bundles_context",
    "current_exchange",
    "open_manager",
    "quiet",
    "within",
]

MAX_BODY_BYTES: Final = 512 * 1024 * 1024
"""Maximum bytes of one decompressed response; protects against gzip bombs."""

_CHUNK: Final = 256 * 1024
_KEPT: Final[dict[str, Any]] = {"num_pools": 4, "maxsize": 64}
"""Hosts, and idle connections to each: as many as the highest concurrency."""


class RefusedResponseError(Exception):
    """A refused response; the argument completes a sentence that begins with the request."""


class Exchange:
    """The state that a request and its redirects share: deadline and current URL.

    :param url: the URL of the request, then of each redirect.
    """

    def __init__(self, deadline: Deadline, url: str) -> None:
        self.deadline = deadline
        self.url = url
        self.proxy_source = ""
        """The setting or variable that names the proxy, empty without one."""


_EXCHANGE: Final[ContextVar[Exchange | None]] = ContextVar("io_intelligence_exchange", default=None)


def current_exchange() -> Exchange:
    """Return the exchange of this thread."""
    exchange = _EXCHANGE.get()
    if exchange is None:  # pragma: no cover - the session sends nothing else
        raise RuntimeError("Requests are sent within an exchange only.")
    return exchange


@contextlib.contextmanager
def within(exchange: Exchange) -> Iterator[None]:
    """Make an exchange the current one of this thread."""
    before = _EXCHANGE.set(exchange)
    try:
        yield
    finally:
        _EXCHANGE.reset(before)


class BoundedAdapter(HTTPAdapter):
    """Reads every response, including redirects, completely within the deadline and the size limit.

    :param connect_timeout: seconds to connect.
    :param read_timeout: seconds without a byte.
    """

    def __init__(self, connect_timeout: float, read_timeout: float) -> None:
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._lock = threading.Lock()
        self._tls: ssl.SSLContext | None = None
        super().__init__()

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        """Open the direct connections' pools; called by requests."""
        self.poolmanager = open_manager(**_KEPT)

    def proxy_manager_for(self, proxy: str, **_: Any) -> urllib3.PoolManager:
        """Return the pools of a proxy, named by its URL with user and password; called by requests."""
        with self._lock:
            if proxy not in self.proxy_manager:
                parsed = parse_proxy(proxy, "the proxy")
                pair = parsed.credential
                headers = {"Proxy-Authorization": f"Basic {pair.reveal()}"} if pair else None
                tls = bundles_context() if parsed.address.startswith("https:") else None
                self.proxy_manager[proxy] = open_manager(
                    parsed.address, proxy_headers=headers, proxy_ssl_context=tls, **_KEPT
                )
            manager: urllib3.PoolManager = self.proxy_manager[proxy]
        return manager

    def cert_verify(self, *_: Any) -> None:
        """Leave TLS to the pool: ``verify=True`` means the system's store, not requests' bundle."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return host and TLS settings of a pool; called by requests.

        :raises ConfigurationError: when an environment variable names an invalid CA bundle.
        """
        host, tls = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify is True and host["scheme"] == "https":
            with self._lock:
                self._tls = self._tls or bundles_context()
            if self._tls:
                tls["ssl_context"] = self._tls
            else:
                tls.pop("ssl_context", None)  # requests 2.32.4 puts a context with its own bundle there
        return host, tls

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        """Return the response with its body in memory; called by requests."""
        exchange = current_exchange()
        exchange.url = str(request.url)
        exchange.deadline.check()
        left = max(exchange.deadline.left(), 1e-3)
        timeout = (min(self._connect_timeout, left), min(self._read_timeout, left))
        response = super().send(request, **(options | {"stream": True, "timeout": timeout}))
        raw, is_complete = response.raw, False
        try:
            content = _read(raw)
            is_complete = True
        finally:
            if not is_complete:
                raw.close()  # a connection with unread bytes must not go back into the pool
            raw.release_conn()
        try:
            content = _unpacked(content, response.headers, exchange.deadline)
        except (HTTPError, RefusedResponseError):
            if 200 <= response.status_code < 300:
                raise
            content = b""  # it would only be quoted; the status says what to do
        # requests would look for cookies in the connection, so it gets none.
        response.raw = io.BytesIO(content)
        return response

    def close(self) -> None:
        """Close every connection.

        ``PoolManager.clear`` alone leaves that to the garbage collector, and the frames of a kept error's
        traceback hold the pool.
        """
        with self._lock:
            managers = [self.poolmanager, *self.proxy_manager.values()]
        for manager in managers:
            for key in manager.pools.keys():  # noqa: SIM118 - urllib3's container cannot be iterated over
                if pool := manager.pools.get(key):
                    pool.close()
            manager.clear()


def bundles_context() -> ssl.SSLContext | None:
    """Return a TLS context that trusts the system and the environment's CA bundles; ``None`` without bundles.

    :raises ConfigurationError: when a bundle is invalid.
    """
    bundles = {name: path for name in BUNDLE_VARIABLES if (path := os.environ.get(name, "").strip())}
    if not bundles:
        return None
    context = create_urllib3_context()
    context.load_default_certs()
    for name, path in bundles.items():
        add_authorities(context, path, f"The environment variable {name}")
    return context


def _read(raw: urllib3.BaseHTTPResponse) -> bytes:
    body = io.BytesIO()  # no list, because chunks of few bytes take twenty times their size each
    while chunk := raw.read1(_CHUNK, decode_content=False):
        _check_size(body.tell() + len(chunk))
        body.write(chunk)
    return body.getvalue()


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise RefusedResponseError(f"answered more than {MAX_BODY_BYTES >> 20} MiB in one page.")


def _unpacked(body: bytes, headers: Mapping[str, str], deadline: Deadline) -> bytes:
    """Decompress a gzip body and remove its byte order mark. Bytes after the end of the gzip are ignored.

    :raises HTTPError: when the gzip is damaged or incomplete.
    :raises TransportError: when the deadline passes; thousands of members take long, as each copies the rest.
    """
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity") or not body:
        return body.removeprefix(codecs.BOM_UTF8)
    if encoding not in ("gzip", "x-gzip"):
        shown = f": {encoding!r}" if encoding in ("br", "compress", "deflate", "zstd") else ""
        raise RefusedResponseError(f"answered in an encoding that was not asked for{shown}.")
    parts: list[bytes] = []
    size = 0
    while not parts or body.startswith(b"\x1f\x8b"):
        deadline.check()
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(body, MAX_BODY_BYTES - size + 1)
        except zlib.error as error:
            raise HTTPError(f"the gzip is damaged ({error})") from None
        size += len(part)
        _check_size(size)
        if not unpacker.eof:
            raise HTTPError("the gzip ends too early")
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts).removeprefix(codecs.BOM_UTF8)


class _BoundedReads(io.RawIOBase):
    """Reads from a socket, each time with a timeout of at most the time left.

    A socket's own timeout restarts with each byte, so a slow server could exceed it without end.
    """

    def __init__(self, connection: socket.socket, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._patience = connection.gettimeout()
        self._raw = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._deadline.check()
        left = max(self._deadline.left(), 1e-3)
        self._connection.settimeout(left if self._patience is None else min(self._patience, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    """Reads status line, headers and body, also of a proxy, within the deadline of the exchange."""

    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        if exchange := _EXCHANGE.get():
            self.fp.close()
            self.fp = io.BufferedReader(_BoundedReads(sock, exchange.deadline))

    def _read_status(self) -> tuple[str, int, str]:
        # http.client takes 102 and 103 for final; of 100 it reads on to the final response (RFC 9110, 15.2).
        version, status, reason = super()._read_status()  # type: ignore[misc]
        is_interim = 100 < status < 200 and status != http.client.SWITCHING_PROTOCOLS
        return version, http.client.CONTINUE if is_interim else status, reason


class _HTTPConnection(HTTPConnection):
    """A connection that ignores ``http.client``'s debug level.

    ``http.client.HTTPConnection.debuglevel = 1`` is often set for debugging, and prints every header.
    """

    debuglevel = 0
    response_class = _Response


class _HTTPSConnection(HTTPSConnection):
    """:class:`_HTTPConnection` with TLS."""

    debuglevel = 0
    response_class = _Response


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def open_manager(proxy: str | None = None, **options: Any) -> urllib3.PoolManager:
    """Return a pool manager whose connections print nothing; use it within :func:`quiet`."""
    for name in list(logging.root.manager.loggerDict):  # a copy, because other threads may add loggers
        if name == "urllib3" or name.startswith("urllib3."):
            logging.getLogger(name).addFilter(_QUIET)  # idempotent
    with quiet():
        manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


class _Quiet(logging.Filter):
    """Drops urllib3's log records of threads within :func:`quiet`."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - whatever it says
        return not getattr(self.thread, "quiet", False)


_QUIET: Final = _Quiet()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence urllib3's logging in this thread.

    It logs request lines with their query, and header lines that it cannot parse, which may hold anything a
    server sends. A filter on the loggers runs before every handler.
    """
    before = getattr(_QUIET.thread, "quiet", False)
    _QUIET.thread.quiet = True
    try:
        yield
    finally:
        _QUIET.thread.quiet = before
