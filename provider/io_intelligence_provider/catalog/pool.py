"""The urllib3 pools: TLS, proxy and timeouts, set once and for all requests."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

# Not getproxies() and proxy_bypass(): on macOS those ask the system, which is not safe after a fork.
from urllib.request import (  # type: ignore[attr-defined] # typeshed lacks the second
    getproxies_environment,
    proxy_bypass_environment,
)

import urllib3

from io_intelligence_provider.catalog.secret import Redactor, Secret
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["Pools"]

_PROXY_SCHEMES: Final = ("http", "https")
_KEPT: Final = 64  # idle connections to one host: as many as the highest concurrency


class Pools:
    """One pool of connections for each proxy that is in use, and one for direct connections.

    The environment may send the API and the token endpoint different ways, so every URL is looked up.
    urllib3 reads no ``~/.netrc``, so nothing replaces the connection's credential. Threads share it.

    :param redactor: learns the credentials of the proxies.
    :raises ConfigurationError: when the proxy is no http(s) URL.
    """

    def __init__(self, settings: ClientSettings, redactor: Redactor) -> None:
        self._settings = settings
        self._redactor = redactor
        self._lock = threading.Lock()
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._proxies: dict[tuple[str, str], str | None] = {}
        self.to(settings.base_url)  # a proxy that cannot work is refused at once

    def to(self, url: str) -> urllib3.PoolManager:
        """Return the pool that leads to ``url``."""
        parts = urlsplit(url)
        with self._lock:
            proxy = self._proxy(parts.scheme, parts.netloc)
            if proxy not in self._pools:
                self._pools[proxy] = self._open(proxy)
            return self._pools[proxy]

    def _proxy(self, scheme: str, netloc: str) -> str | None:
        """Return the proxy for a host; looked up once, as reading the environment takes as long as a page."""
        host = (scheme, netloc)
        if host not in self._proxies:
            self._proxies[host] = _proxy_url(self._settings, scheme, netloc)
        return self._proxies[host]

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

    def _open(self, proxy: str | None) -> urllib3.PoolManager:
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
            return urllib3.PoolManager(**options)
        bare, credential = _split_proxy(proxy)
        if credential:
            options["proxy_headers"] = {"Proxy-Authorization": f"Basic {credential.reveal()}"}
            self._redactor.add(credential)
            self._redactor.add(Secret(unquote(urlsplit(proxy).password or "")))
        return urllib3.ProxyManager(bare, **options)


def _split_proxy(proxy: str) -> tuple[str, Secret | None]:
    """Return the proxy's URL without user info, and its user info as HTTP Basic wants it."""
    try:
        parts = urlsplit(proxy)
        fits = parts.scheme in _PROXY_SCHEMES and parts.hostname and (parts.port or 1)
    except ValueError:
        fits = False
    if not fits or "@" in proxy.rpartition(parts.netloc)[2]:
        # Not shown: what does not parse may hold the password anywhere.
        raise ConfigurationError(
            "The proxy is no http(s) URL of the form http://user:password@host:port, with special "
            "characters of the password percent-encoded."
        )
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
    if parts.username is None:
        return bare, None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return bare, Secret(base64.b64encode(pair.encode()).decode())


def _proxy_url(settings: ClientSettings, scheme: str, netloc: str) -> str | None:
    if settings.proxy:
        return settings.proxy if "://" in settings.proxy else f"http://{settings.proxy}"
    if not netloc or proxy_bypass_environment(netloc):
        return None
    proxy: str | None = getproxies_environment().get(scheme)
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"
