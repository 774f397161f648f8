"""Roots and paths as users write them: they hold no credentials, and no message shows any.

A root stands in summaries, XCom, asset events, reports and messages. So a credential has no place in it:
it belongs to the Airflow connection that ``storage_conn_id`` names, or to ``storage_options``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from io_intelligence_provider.catalog.redaction import Redactor, Secret

__all__ = ["credentials_in", "redacted", "scrubbed"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/*)(.*)", re.DOTALL)
_BRACKETED: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]")
"""An IPv6 address, whose colons separate nothing."""
_ON_DISK: Final = frozenset({"file", "local", "memory"})
_AZURE: Final = frozenset({"abfs", "abfss", "az", "adl", "wasb", "wasbs"})
_CONTAINER: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9_-]{0,62}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?")
"""``container@account.dfs.core.windows.net``: no user info, though it looks like one."""
_QUERY: Final = re.compile(r"[?#][^/?#]*=")

_USER_INFO: Final = (
    "holds user info (what stands before the @), which would be shown in messages, XCom and reports"
)
_IN_QUERY: Final = (
    "holds a query (what stands after the ?), which would be shown in messages, XCom and reports"
)
_WAY: Final = (
    "Leave it out and put the credentials into an Airflow connection that storage_conn_id names; without "
    "Airflow, pass storage_options or a filesystem."
)


def credentials_in(location: str, what: str) -> str | None:
    """Return why a root or path is refused, ``None`` when it holds neither user info nor a query.

    The text shows no part of the location. It is returned, not raised, so that a caller can let go of the
    location first: tracebacks may show local variables.

    :param location: a local path, a glob, a URL, or URLs chained by ``::``.
    :param what: what the caller calls it, such as ``root`` or ``valid_path``.
    """
    for number, link in enumerate(_BRACKETED.sub("host", location.strip()).split("::")):
        scheme, slashes, rest = _parts(link)
        if _has_user_info(scheme, slashes, rest) or (number and not scheme and "@" in rest.partition("/")[0]):
            return f"The {what} {_USER_INFO}. {_WAY}"
        if scheme and not _is_path_on_disk(scheme, slashes) and _QUERY.search(rest):
            return f"The {what} {_IN_QUERY}. {_WAY}"
    return None


def _parts(url: str) -> tuple[str, str, str]:
    """Return the scheme, the slashes after it and the rest; of a plain path the rest alone."""
    found = _SCHEME.fullmatch(url)
    return (found[1].lower(), found[2], found[3]) if found and found[2] else ("", "", url)


def _is_path_on_disk(scheme: str, slashes: str) -> bool:
    return scheme in _ON_DISK and slashes != "//"


def _has_user_info(scheme: str, slashes: str, rest: str) -> bool:
    authority = unquote(rest.partition("/")[0])
    if not scheme:
        return "@" in authority.partition(":")[2]
    if _is_path_on_disk(scheme, slashes):
        return False
    if scheme in _AZURE and _CONTAINER.fullmatch(authority):
        return False
    if "@" in authority:
        return True
    _, colon, port = authority.partition(":")
    if not colon or authority.startswith("arn:"):
        return False
    # A secret may hold a slash: then the @ that ends it stands in what looks like the path.
    return not port.isdecimal() or "@" in rest


_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//+)([^\s'\"]*)")
_BARE: Final = re.compile(r"[^\s/'\"@:]+:[^\s/'\"@]+@")
"""A file system may take ``user:password@bucket`` for the bucket's name, and say so."""


def scrubbed(text: str) -> str:
    """Take user names, passwords and queries out of the URLs in a text, such as the error of a library."""
    return _BARE.sub("", _URL.sub(_scrubbed_url, text))


def _scrubbed_url(found: re.Match[str]) -> str:
    scheme, slashes, rest = found.groups()
    rest = rest.partition("?")[0]
    if "@" in rest and _has_user_info(scheme.lower(), slashes, rest):
        authority = rest.partition("/")[0]
        rest = (
            authority.rpartition("@")[2] + rest[len(authority) :]
            if "@" in authority
            else rest.rpartition("@")[2]
        )
    return f"{scheme}:{slashes}{rest}"


_SECRET_OPTION: Final = re.compile(
    r"secret|token|passw|passphrase|\bpwd\b|credential|sas|sign|auth|cookie|connection_string|key",
    re.IGNORECASE,
)
_SHORTEST: Final = 4
"""Characters of a value from which it is masked: a shorter one is part of every other word."""


def redacted(error: object, options: Any = None) -> str:
    """Return what a library's error says, without credentials.

    :param options: the options of the file system it is about; the values of secret ones are masked.
    """
    secrets = [Secret(value) for value in _secrets_in(options) if len(value) >= _SHORTEST]
    return scrubbed(Redactor(secrets).clean(str(error)))


def _secrets_in(options: Any, *, named: bool = False) -> Iterator[str]:
    """Yield the texts below every option whose name says that it is secret."""
    if isinstance(options, Mapping):
        for name, value in options.items():
            yield from _secrets_in(value, named=named or bool(_SECRET_OPTION.search(str(name))))
    elif isinstance(options, str):
        if named:
            yield options
    elif isinstance(options, bytes):
        if named:
            yield options.decode("utf-8", "replace")
    elif isinstance(options, Sequence):
        for value in options:
            yield from _secrets_in(value, named=named)
