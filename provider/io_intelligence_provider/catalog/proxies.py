"""Selects the proxy for a URL: the configured one, or that of the environment with ``NO_PROXY``."""

from __future__ import annotations

import base64
import ipaddress
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.redaction import Secret

__all__ = ["Proxy", "environment_proxy", "parse_proxy", "proxy_for"]

_PROXY_SCHEMES: Final = ("http", "https")


@dataclass(frozen=True)
class Proxy:
    """A proxy that requests go through.

    :param address: its URL without user info.
    :param user: ``None`` without authentication.
    :param source: the environment variable or setting that names it, for messages.
    """

    address: str
    user: str | None
    password: Secret
    source: str

    @property
    def url(self) -> str:
        """Its URL with percent-encoded user and password, which identifies it."""
        if self.user is None:
            return self.address
        scheme, _, host = self.address.partition("://")
        return f"{scheme}://{quote(self.user, safe='')}:{quote(self.password.reveal(), safe='')}@{host}"

    @property
    def credential(self) -> Secret | None:
        """The HTTP Basic pair, ``None`` without a user."""
        if self.user is None:
            return None
        return Secret(base64.b64encode(f"{self.user}:{self.password.reveal()}".encode()).decode())


def proxy_for(url: str, configured: str | None, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy for a URL: the configured one, else the environment's.

    :raises ConfigurationError: when it is not an http(s) URL; the message names the variable, not its value.
    """
    if configured:
        return parse_proxy(configured, "the setting `proxy`")
    found = environment_proxy(url, environ)
    return parse_proxy(found[0], f"the environment variable {found[1]}") if found else None


def parse_proxy(proxy: str, source: str) -> Proxy:
    """Split the URL of a proxy; without a scheme it is http.

    :param source: the variable or setting that names it.
    :raises ConfigurationError: when it is not an http(s) URL.
    """
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in _PROXY_SCHEMES and parts.hostname and url.isprintable() and (parts.port or 1)
        address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        parse_url(address)  # the HTTP library parses it again
    except (ValueError, LocationValueError):
        fits = False
    if not fits or "@" in url.rpartition(parts.netloc)[2] or " " in url:
        # Not shown, because an invalid URL may hold the password anywhere.
        raise ConfigurationError(
            f"{source[0].upper()}{source[1:]} is no http(s) URL of the form http://user:password@host:port, "
            "with special characters of the password percent-encoded."
        )
    user = None if parts.username is None else unquote(parts.username)
    return Proxy(address, user, Secret(unquote(parts.password or "")), source)


def environment_proxy(url: str, environ: Mapping[str, str] = os.environ) -> tuple[str, str] | None:
    """Return the environment's proxy for ``url`` and the variable that names it, else ``None``.

    ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` are read, in lower case first, as by ``urllib``. The
    system's settings are not read, because on macOS that is not safe after a fork.

    :raises ConfigurationError: when an entry of ``NO_PROXY`` is invalid; the message names the variable.
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
    """Return the variable that is set, in lower case first; an empty lower-case variable counts as unset."""
    lower = f"{kind}_proxy"
    if lower in environ:
        return lower if environ[lower].strip() else None
    if kind == "http" and "REQUEST_METHOD" in environ:
        return None  # CVE-2016-1000110: in a CGI script it holds the request header `Proxy`
    return next((name for name in environ if name.lower() == lower and environ[name].strip()), None)


_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAPPED: Final = 96
"""Bits of an IPv6 address before the IPv4 address within it."""
_HOST: Final = re.compile(r"(?:\*?\.)?([\w-]+(?:\.[\w-]+)*)\.?")


def _exempt(host: str, port: int | None, variable: str, environ: Mapping[str, str]) -> bool:
    """Return whether ``NO_PROXY`` exempts a host. Parses all entries, so that invalid ones raise early."""
    host = _ascii(host.rstrip(".").lower())
    address = _address(host) or _short_address(host)
    entries = environ[variable].replace(",", " ").split()
    try:
        return any([_matches(entry, host, port, address) for entry in entries])  # noqa: C419 - all of them
    except ValueError:
        raise ConfigurationError(
            f"The environment variable {variable} has an entry that is none of: a host or domain, an IP "
            "address (IPv6 bare or in brackets), each with or without :port, a network (10.0.0.0/8), or *."
        ) from None


def _short_address(host: str) -> _Address | None:
    """Return the address of a host such as ``127.1`` or ``0x7f000001``, which sockets accept."""
    if not re.fullmatch("[0-9][0-9a-fx]*", host.rpartition(".")[2]):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _matches(entry: str, host: str, port: int | None, address: _Address | None) -> bool:
    """Return whether one entry of ``NO_PROXY`` matches.

    :raises ValueError: when the entry is invalid.
    """
    if entry == "*":
        return True
    if entry.count("[") != entry.count("]"):
        raise ValueError(entry)
    if "/" in entry:
        network = _network(entry.replace("[", "").replace("]", ""))
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
    if found is None or found[1].rpartition(".")[2].isdecimal():  # part of an address, or a range of them
        raise ValueError(entry)
    exempted_host = _ascii(found[1])
    return address is None and (host == exempted_host or host.endswith(f".{exempted_host}"))


def _ascii(host: str) -> str:
    """Return a host in ASCII, with other letters as punycode."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Parse an IP network; an IPv4-mapped IPv6 network becomes IPv4.

    :raises ValueError: when ``text`` is not a network.
    """
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED:
        return network
    return ipaddress.ip_network(f"{mapped}/{network.prefixlen - _MAPPED}")


def _address(text: str, *, needed: bool = False) -> _Address | None:
    """Parse an IP address; an IPv4-mapped IPv6 address becomes IPv4.

    :raises ValueError: when ``text`` is not an address although one is needed.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        if needed:
            raise
        return None
    return getattr(address, "ipv4_mapped", None) or address
