"""The urllib3 pools: TLS, proxy and timeouts, set once and for all requests; and which proxy a URL takes."""

from __future__ import annotations

import base64
import ipaddress
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import unquote, urlsplit, urlunsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from io_intelligence_provider.catalog.redaction import Redactor, Secret
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["Pools", "environment_proxy", "open_manager", "quiet"]

_PROXY_SCHEMES: Final = ("http", "https")
_KEPT: Final = 64  # idle connections to one host: as many as the highest concurrency


class Pools:
    """One pool of connections for each proxy that is in use, and one for direct connections.

    The environment may send the API, the token endpoint and each hop of a redirect different ways, so every
    URL is looked up. urllib3 reads no ``~/.netrc``, so nothing replaces the connection's credential. Threads
    share it.

    :param redactor: learns the credentials of the proxies.
    :raises ConfigurationError: when a proxy is no http(s) URL.
    """

    def __init__(self, settings: ClientSettings, redactor: Redactor) -> None:
        self._settings = settings
        self._redactor = redactor
        self._lock = threading.Lock()
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        for url in filter(None, (settings.base_url, settings.token_url)):
            self.to(url)  # a proxy that cannot work is refused at once

    def to(self, url: str) -> urllib3.PoolManager:
        """Return the pool that leads to ``url``.

        :raises ConfigurationError: when the proxy that the environment names for it is none.
        """
        proxy, name = self._settings.proxy, "proxy"
        if not proxy:
            proxy, name = environment_proxy(url) or (None, "")
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = self._open(proxy, name)
            return self._pools[proxy]

    def clear(self) -> None:
        """Close every connection.

        ``PoolManager.clear`` alone leaves that to the garbage collector, which waits while anyone keeps an
        error: the frames of its traceback hold the pool.
        """
        with self._lock:
            managers = list(self._pools.values())
        for manager in managers:
            for key in manager.pools.keys():  # noqa: SIM118 - urllib3's container cannot be iterated over
                if pool := manager.pools.get(key):
                    pool.close()
            manager.clear()

    def _open(self, proxy: str | None, name: str) -> urllib3.PoolManager:
        settings = self._settings
        options: dict[str, Any] = {
            "num_pools": 4,
            "maxsize": _KEPT,
            "timeout": urllib3.Timeout(connect=settings.connect_timeout, read=settings.read_timeout),
            "retries": False,
            "cert_reqs": "CERT_NONE" if settings.verify is False else "CERT_REQUIRED",
        }
        if isinstance(settings.verify, str):
            option = "ca_cert_dir" if Path(settings.verify).is_dir() else "ca_certs"
            options[option] = settings.verify
        if proxy is None:
            return open_manager(**options)
        bare, user, password = _split_proxy(proxy, name)
        if user is not None:
            pair = Secret(base64.b64encode(f"{user}:{password}".encode()).decode())
            options["proxy_headers"] = {"Proxy-Authorization": f"Basic {pair.reveal()}"}
            self._redactor.add(pair)
            self._redactor.add(Secret(password or user))  # some proxies take a token as the user
            self._redactor.add(Secret(user), identifier=True)
        return open_manager(bare, **options)


class _Silent:
    """Mixed into a connection, it prints nothing, whatever ``http.client`` is set to.

    ``http.client.HTTPConnection.debuglevel = 1`` is a common trick to debug, and prints every header.
    """

    debuglevel = 0


class _HTTPConnection(_Silent, HTTPConnection):
    pass


class _HTTPSConnection(_Silent, HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def open_manager(proxy: str | None = None, **options: Any) -> urllib3.PoolManager:
    """Return a pool manager whose connections print nothing; use it within :func:`quiet`."""
    for name in list(logging.root.manager.loggerDict):  # a copy: other threads make loggers meanwhile
        if name == "urllib3" or name.startswith("urllib3."):
            logging.getLogger(name).addFilter(_QUIET)  # again does nothing
    with quiet():
        manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager


class _Quiet(logging.Filter):
    """Drops what urllib3 logs in a thread within :func:`quiet`."""

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - whatever it says
        return not getattr(self.thread, "quiet", False)


_QUIET: Final = _Quiet()


@contextmanager
def quiet() -> Iterator[None]:
    """Let urllib3 log nothing in this thread.

    It logs the header lines that it cannot parse, which hold the credential when a server echoes it, and
    the path of every URL, which is the secret of a webhook. A filter on the loggers themselves comes before
    every handler. What is worth knowing we log.
    """
    before = getattr(_QUIET.thread, "quiet", False)
    _QUIET.thread.quiet = True
    try:
        yield
    finally:
        _QUIET.thread.quiet = before


def _split_proxy(proxy: str, name: str) -> tuple[str, str | None, str]:
    """Return the URL of a proxy without user info, the user (``None`` without one) and the password."""
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in _PROXY_SCHEMES and parts.hostname and url.isprintable() and (parts.port or 1)
        bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        parse_url(bare)  # what the HTTP library makes of it
    except (ValueError, LocationValueError):
        fits = False
    if not fits or "@" in url.rpartition(parts.netloc)[2] or " " in url:
        # Not shown: what does not parse may hold the password anywhere.
        what = f"The environment variable {name}" if name.lower().endswith("_proxy") else f"The {name}"
        raise ConfigurationError(
            f"{what} is no http(s) URL of the form http://user:password@host:port, with special "
            "characters of the password percent-encoded."
        )
    return bare, parts.username and unquote(parts.username), unquote(parts.password or "")


def environment_proxy(url: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Return the proxy that the environment names for ``url``, and the variable that does; else ``None``.

    ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY``, in lower case first, as ``urllib`` reads them. The
    system is never asked: on macOS that is not safe after a fork, and nobody would see why.

    :raises ConfigurationError: when ``NO_PROXY`` has an entry that is none; it names the variable.
    """
    parts = urlsplit(url)
    name = _variable(parts.scheme, environ)
    if name is None or not parts.hostname:
        return None
    exempting = _variable("no", environ)
    if exempting is not None and _exempt(parts.hostname, _port(parts.scheme, parts.port), exempting, environ):
        return None
    return environ[name].strip(), name


def _port(scheme: str, port: int | None) -> int | None:
    return port or {"http": 80, "https": 443}.get(scheme)


def _variable(kind: str, environ: Mapping[str, str]) -> str | None:
    """Return the variable that is set, the one in lower case first; set to nothing there, it is unset."""
    lower = f"{kind}_proxy"
    if lower in environ:
        return lower if environ[lower].strip() else None
    if kind == "http" and "REQUEST_METHOD" in environ:
        return None  # CVE-2016-1000110: in a CGI script it is the header `Proxy` of a request
    return next((name for name in environ if name.lower() == lower and environ[name].strip()), None)


_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_HOST: Final = re.compile(r"(?:\*?\.)?([\w-]+(?:\.[\w-]+)*)\.?")


def _exempt(host: str, port: int | None, variable: str, environ: Mapping[str, str]) -> bool:
    """Tell whether ``NO_PROXY`` exempts a host. Every entry is read, so that a wrong one is found at once."""
    host = host.rstrip(".").lower()
    address = _address(host)
    entries = environ[variable].replace(",", " ").split()
    try:
        return any([_matches(entry, host, port, address) for entry in entries])  # noqa: C419 - all of them
    except ValueError:
        raise ConfigurationError(
            f"The environment variable {variable} has an entry that is none of: a host or domain, an IP "
            "address (IPv6 bare or in brackets), each with or without :port, a network (10.0.0.0/8), or *."
        ) from None


def _matches(entry: str, host: str, port: int | None, address: _Address | None) -> bool:
    """Tell whether one entry of ``NO_PROXY`` matches.

    :raises ValueError: when it is no such entry.
    """
    if entry == "*":
        return True
    if entry.count("[") != entry.count("]"):
        raise ValueError(entry)
    if "/" in entry:
        network = ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
        return address is not None and address.version == network.version and address in network
    name, bracket, rest = entry.removeprefix("[").partition("]") if entry.startswith("[") else (entry, "", "")
    if not bracket and entry.count(":") == 1:
        name, colon, rest = entry.partition(":")
        rest = colon + rest
    if rest and not (re.fullmatch(":[0-9]{1,5}", rest) and 0 < int(rest[1:]) < 65_536):
        raise ValueError(entry)
    if rest and int(rest[1:]) != port:
        return False
    exempted = _address(name)
    if exempted is not None or bracket or ":" in name:
        return address == (exempted or _address(name, needed=True))
    found = _HOST.fullmatch(name.lower())
    if found is None:
        raise ValueError(entry)
    return address is None and (host == found[1] or host.endswith(f".{found[1]}"))


def _address(text: str, *, needed: bool = False) -> _Address | None:
    """Return the IP address that ``text`` is, an IPv4 address within IPv6 as the former.

    :raises ValueError: when it is none and one is needed.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        if needed:
            raise
        return None
    return getattr(address, "ipv4_mapped", None) or address
