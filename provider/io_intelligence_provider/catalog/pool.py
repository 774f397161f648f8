"""The urllib3 pool: TLS, proxy and timeouts, set once and for all requests."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

# Not getproxies() and proxy_bypass(): on macOS those ask the system, which is not safe after a fork.
from urllib.request import (  # type: ignore[attr-defined] # typeshed lacks the second
    getproxies_environment,
    proxy_bypass_environment,
)

import urllib3

from io_intelligence_provider.catalog.secret import Secret, redact_url
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import ConfigurationError

__all__ = ["open_pool", "proxy_secret"]

_PROXY_SCHEMES: Final = ("http", "https")


def open_pool(settings: ClientSettings) -> urllib3.PoolManager:
    """Return a pool with as many connections as the walk uses; a request on it never lacks a timeout.

    urllib3 reads no ``~/.netrc``, so nothing replaces the connection's credential.

    :raises ConfigurationError: when the proxy is no http(s) URL.
    """
    options: dict[str, Any] = {
        "num_pools": 4,
        "maxsize": settings.concurrency,
        "timeout": urllib3.Timeout(connect=settings.connect_timeout, read=settings.read_timeout),
        "retries": False,
        "cert_reqs": "CERT_NONE" if settings.verify is False else "CERT_REQUIRED",
    }
    if isinstance(settings.verify, str):
        options["ca_certs"] = settings.verify
    proxy = _proxy_url(settings)
    if proxy is None:
        return urllib3.PoolManager(**options)
    parts = urlsplit(proxy)
    if parts.scheme not in _PROXY_SCHEMES or not parts.hostname:
        raise ConfigurationError(f"The proxy is no http(s) URL: {redact_url(proxy)!r}")
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        options["proxy_headers"] = urllib3.make_headers(proxy_basic_auth=pair)
    return urllib3.ProxyManager(bare, **options)


def proxy_secret(settings: ClientSettings) -> Secret | None:
    """Return the proxy's password, so that it can be taken out of messages."""
    password = urlsplit(_proxy_url(settings) or "").password
    return Secret(unquote(password)) if password else None


def _proxy_url(settings: ClientSettings) -> str | None:
    if settings.proxy:
        return settings.proxy if "://" in settings.proxy else f"http://{settings.proxy}"
    parts = urlsplit(settings.base_url)
    if not parts.hostname or proxy_bypass_environment(parts.hostname):
        return None
    return getproxies_environment().get(parts.scheme)
