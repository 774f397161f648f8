"""Which proxy a URL takes: the configured one, or what the environment names and ``NO_PROXY`` leaves."""

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
    :param user: ``None`` where it asks for none.
    :param source: who names it, for messages: a variable of the environment or the setting.
    """

    address: str
    user: str | None
    password: Secret
    source: str

    @property
    def url(self) -> str:
        """Its URL with user and password, percent-encoded: what tells two of them apart."""
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
    """Return the proxy that a URL takes: the configured one, else the one that the environment names.

    :raises ConfigurationError: when it is no http(s) URL; the message names the variable, not its value.
    """
    if configured:
        return parse_proxy(configured, "the setting `proxy`")
    found = environment_proxy(url, environ)
    return parse_proxy(found[0], f"the environment variable {found[1]}") if found else None


def parse_proxy(proxy: str, source: str) -> Proxy:
    """Split the URL of a proxy; without a scheme it is http.

    :param source: who names it.
    :raises ConfigurationError: when it is no http(s) URL.
    """
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        fits = parts.scheme in _PROXY_SCHEMES and parts.hostname and url.isprintable() and (parts.port or 1)
        address = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))
        parse_url(address)  # what the HTTP library makes of it
    except (ValueError, LocationValueError):
        fits = False
    if not fits or "@" in url.rpartition(parts.netloc)[2] or " " in url:
        # Not shown: what does not parse may hold the password anywhere.
        raise ConfigurationError(
            f"{source[0].upper()}{source[1:]} is no http(s) URL of the form http://user:password@host:port, "
            "with special characters of the password percent-encoded."
        )
    user = None if parts.username is None else unquote(parts.username)
    return Proxy(address, user, Secret(unquote(parts.password or "")), source)


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
_MAPPED: Final = 96
"""Bits of an IPv6 address before the IPv4 address within it."""
_HOST: Final = re.compile(r"(?:\*?\.)?([\w-]+(?:\.[\w-]+)*)\.?")


def _exempt(host: str, port: int | None, variable: str, environ: Mapping[str, str]) -> bool:
    """Tell whether ``NO_PROXY`` exempts a host. Every entry is read, so that a wrong one is found at once."""
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
    """Return the address of a host such as ``127.1`` or ``0x7f000001``, which sockets take for one."""
    if not re.fullmatch("[0-9][0-9a-fx]*", host.rpartition(".")[2]):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _matches(entry: str, host: str, port: int | None, address: _Address | None) -> bool:
    """Tell whether one entry of ``NO_PROXY`` matches.

    :raises ValueError: when it is no such entry.
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
    """Return a host as a URL writes it: with letters of other scripts as punycode."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return an IP network, one of IPv4 within IPv6 as the former.

    :raises ValueError: when it is none.
    """
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED:
        return network
    return ipaddress.ip_network(f"{mapped}/{network.prefixlen - _MAPPED}")


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
