"""Parses the roots and paths that users give and opens the file system that each one names.

A location is a path on the local disk or one fsspec URL. It is shown in summaries, XCom, asset events,
reports and messages, so it must not hold credentials: those belong to the Airflow connection that
``storage_conn_id`` names, or to ``storage_options``. No message shows any.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from urllib.parse import unquote

from io_intelligence_provider.errors import ConfigurationError, StorageError, UnreadableFileError
from io_intelligence_provider.redaction import Redactor, Secret
from io_intelligence_provider.text import escaped

__all__ = [
    "OBJECT_STORES",
    "Storage",
    "local_path",
    "redacted",
    "refusal_of",
    "scrubbed",
    "storage_of",
    "temporary_name",
]


OBJECT_STORES: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "r2", "tos", "hf"}
)
"""Protocols of object stores: URLs begin with a bucket, and the write of one object is atomic."""

_ONE_WRITE_COMMITS: Final = OBJECT_STORES | {"memory"}
"""Protocols with atomic writes of one file. Elsewhere (sftp, hdfs) a rename commits."""

_PROTOCOLS: Final = OBJECT_STORES | {"file", "local", "memory", "sftp", "ssh", "hdfs", "http", "https", "ftp"}
"""Protocols that are recognised before a colon without slashes; ``prices:2026`` is a plain name."""

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/*)(.*)", re.DOTALL)
"""A scheme has at least two letters: ``C:/data`` is a path."""
_BRACKETED: Final = re.compile(r"\[[0-9A-Fa-f:.]+\]")
"""An IPv6 address, whose colons are not separators."""
_LOCAL: Final = frozenset({"file", "local"})
_ON_DISK: Final = _LOCAL | {"memory"}
_AZURE: Final = frozenset({"abfs", "abfss", "az", "adl", "wasb", "wasbs"})
_CONTAINER: Final = re.compile(r"[A-Za-z0-9$][A-Za-z0-9_-]{0,62}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]+)?")
"""``container@account.dfs.core.windows.net``, which is not user info."""
_PAIR: Final = re.compile(r"[^/:@]+:[^/@]+@")
"""``user:password@``, also within a path."""
_SUSPECT: Final = frozenset("@?#%")
_QUERY: Final = re.compile(r"[?#][^/?#]*=")

_USER_INFO: Final = (
    "holds user info (the part before the @), which would be shown in messages, XCom and reports"
)
_IN_QUERY: Final = "holds a query (the part after the ?), which would be shown in messages, XCom and reports"
_WAY: Final = (
    "Leave it out and put the credentials into an Airflow connection that storage_conn_id names; without "
    "Airflow, pass storage_options or a filesystem."
)
_FORMS: Final = "Give a path on the local disk, or a URL such as s3://bucket/prefix."


@dataclass(frozen=True)
class Storage:
    """The file system and the key of a location.

    :param opened: an fsspec file system; ``None`` for that of the local disk, opened when it is needed,
        because loading fsspec takes as long as a small snapshot.
    :param key: the path on it; absolute on the local disk.
    :param is_local: whether it is the local disk.
    """

    opened: Any
    key: str
    is_local: bool

    @cached_property
    def filesystem(self) -> Any:
        """The fsspec file system."""
        import fsspec

        return fsspec.filesystem("file") if self.opened is None else self.opened

    def url(self, key: str) -> str:
        """Return the full name of a file without credentials, for messages and other engines."""
        return key if self.is_local else str(self.filesystem.unstrip_protocol(key))

    @property
    def one_write_commits(self) -> bool:
        """Whether writing a file is atomic, so that no rename is needed.

        Also true where fsspec moves files by copying them, because such a move is no safer than the write.
        """
        from fsspec.spec import AbstractFileSystem

        can_rename = type(self.filesystem).mv is not AbstractFileSystem.mv
        return bool(_protocols_of(self.filesystem) & _ONE_WRITE_COMMITS) or not can_rename

    @property
    def lists_trees(self) -> bool:
        """Whether one listing returns all files of a tree and raises on failure.

        The ``find`` of fsspec's base classes returns an empty listing on failure.
        """
        from fsspec.asyn import AsyncFileSystem
        from fsspec.spec import AbstractFileSystem

        kind = type(self.filesystem)
        base = AsyncFileSystem._find, AbstractFileSystem.find  # noqa: SLF001
        return getattr(kind, "_find", kind.find) not in base

    def put(self, key: str, write: Callable[[str], object], folder: str | None = None) -> None:
        """Write a remote file atomically: readers see either the old or the new content.

        :param write: writes the file under the name that it is given.
        :param folder: the folder of a temporary file before the rename; by default that of the file.
        """
        if self.one_write_commits:
            write(key)
            return
        own, _, name = key.rpartition("/")
        temporary = f"{own if folder is None else folder}/{temporary_name(name)}"
        self.filesystem.makedirs(own, exist_ok=True)
        try:
            write(temporary)
            self.filesystem.mv(temporary, key)
        except BaseException:
            if self.filesystem.exists(temporary):
                self.filesystem.rm_file(temporary)
            raise

    def failure(
        self, verb: str, where: str, error: BaseException, kind: type[StorageError] = StorageError
    ) -> StorageError:
        """Convert an exception of the file system or of a reader to an error without credentials."""
        todo = "Check the path, the storage connection and its rights."
        if issubclass(kind, UnreadableFileError):
            todo = "Restore it or delete it, or correct its rights."
        return kind(f"Could not {verb} {where}: {self.redacted(error)}. {todo}")

    def redacted(self, error: object) -> str:
        """Return the message of a library's error without the credentials of the file system."""
        return redacted(error, getattr(self.filesystem, "storage_options", None))


def _protocols_of(filesystem: Any) -> set[str]:
    protocol = filesystem.protocol
    return {protocol} if isinstance(protocol, str) else {*protocol}


_BEGINNING: Final = 50


def temporary_name(name: str) -> str:
    """Return a temporary name for ``name`` that is unique and that no engine reads as data.

    It is short enough for any file system, also where ``name`` is as long as a name can be.
    """
    return f".{name[:_BEGINNING]}.{os.getpid()}-{secrets.token_hex(4)}.tmp"


def storage_of(
    location: str | os.PathLike[str],
    filesystem: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    *,
    what: str = "path",
) -> Storage:
    """Return the file system of a location, and the path on it.

    A relative path begins at the working folder, ``~`` is a home folder, and a ``file://`` URL is
    percent-decoded.

    :param filesystem: an fsspec file system to use instead of the one that the location names.
    :param storage_options: arguments for the file system that the location names.
    :param what: the caller's name for the location.
    :raises ConfigurationError: when it is not a location, holds credentials, or no file system serves it.
    :raises StorageError: when the file system cannot be opened.
    """
    if refusal := refusal_of(location, what):
        del location, storage_options  # tracebacks may show local variables
        raise ConfigurationError(refusal)
    text = os.fspath(location)
    if filesystem is not None and storage_options:
        raise ConfigurationError("Give either a filesystem or storage_options, not both.")
    on_disk = local_path(text)
    if on_disk is not None and filesystem is None and not storage_options:
        return Storage(None, on_disk, is_local=True)
    import fsspec  # here, because Dag files load this module when they are parsed
    from fsspec.implementations.dirfs import DirFileSystem

    try:
        if filesystem is not None:
            key = filesystem._strip_protocol(text)  # noqa: SLF001 - fsspec's own name for it
        elif on_disk is not None:
            filesystem, key = fsspec.filesystem("file", **(storage_options or {})), on_disk
        else:
            filesystem, key = fsspec.core.url_to_fs(_with_lower_scheme(text), **(storage_options or {}))
    except (ImportError, TypeError, ValueError) as error:
        said, storage_options = redacted(error, storage_options), None  # tracebacks may show local variables
        raise ConfigurationError(
            f"No file system for the {what} {text!r}: {said}. "
            "Install the extra for it (s3, gcs, azure), or correct the URL or the storage_options."
        ) from None
    except Exception as error:  # noqa: BLE001 - some file systems connect when they are made
        said, storage_options = redacted(error, storage_options), None
        raise StorageError(
            f"Could not open the {what} {text!r}: {said}. "
            "Check the URL, the storage_options and their rights."
        ) from None
    wrapped = isinstance(filesystem, DirFileSystem)
    while isinstance(filesystem, DirFileSystem):
        key = f"{filesystem.path.rstrip('/')}/{key.lstrip('/')}"
        filesystem = filesystem.fs
    is_local = bool(_protocols_of(filesystem) & _LOCAL)
    if is_local:
        key = _absolute(key) if wrapped or on_disk is None else on_disk
    return Storage(filesystem, key, is_local)


def refusal_of(location: object, what: str) -> str | None:
    """Return why a root or path is refused, ``None`` when it is a location without credentials.

    The text shows no part of a location that holds credentials. It is returned, not raised, so that callers
    can delete the location first: tracebacks may show local variables.

    :param location: a local path, a glob or a URL.
    :param what: the caller's name for it, such as ``root`` or ``valid_path``.
    """
    given = os.fspath(location) if isinstance(location, os.PathLike) else location
    if not isinstance(given, str):
        return f"The {what} is no text but of the type {type(given).__name__}. {_FORMS}"
    if not given.strip():
        return f"The {what} is blank. {_FORMS}"
    return _credentials_in(given, what) or _form_of(given, what)


def _credentials_in(location: str, what: str) -> str | None:
    for number, link in enumerate(_links(location)):
        scheme, slashes, rest = _parts(link)
        # With a character such as a quotation mark before it, a scheme is none, but the rest may be a URL.
        after = rest if number else rest.partition("//")[2]
        hidden = not scheme and "@" in _decoded(after).lstrip("/").partition("/")[0]
        if hidden or _has_user_info(scheme, slashes, rest):
            return f"The {what} {_USER_INFO}. {_WAY}"
        if scheme and not _is_path_on_disk(scheme, slashes) and _QUERY.search(rest):
            return f"The {what} {_IN_QUERY}. {_WAY}"
    return None


def _form_of(location: str, what: str) -> str | None:
    """Return why a text without credentials is not a location."""
    scheme, slashes, rest = _parts(location)
    protocol = location.partition(":")[0].lower()
    if len(_links(location)) > 1:
        reason = f"is a chain of URLs (::), which is not read. {_FORMS}"
    elif "\0" in location or escaped(location) != location:  # messages, XCom and pyarrow need UTF-8
        reason = f"holds a character that no path can hold. {_FORMS}"
    elif "://" in location and not scheme:
        reason = f"is neither a path nor a URL. {_FORMS}"
    elif not scheme and location.lower() != protocol and protocol in _PROTOCOLS:
        reason = f"lacks the slashes after {protocol}:. {_FORMS}"
    elif scheme not in _LOCAL and len(slashes) == 1:
        reason = f"has one slash after {scheme}:, as a URL has that went through a Path. Give it as a text."
    elif scheme in _LOCAL and len(slashes) == 2 and rest.partition("/")[0] not in ("", "localhost"):
        reason = f"names a host, or a relative path. Write {scheme}:///… with an absolute path."
    elif scheme in OBJECT_STORES and (len(slashes) != 2 or not rest):
        reason = f"names no bucket. Write {scheme}://bucket/prefix."
    else:
        return None
    # Not shown, because it may hold a credential in a form unknown here.
    shown = "" if _SUSPECT & set(location) else f" {location[:200]!r}"
    return f"The {what}{shown} {reason}"


def local_path(location: str) -> str | None:
    """Return a location's absolute path on the local disk, ``None`` for other URLs."""
    scheme, slashes, rest = _parts(location)
    if not scheme:
        return _absolute(location)
    if scheme not in _LOCAL:
        return None
    return _absolute("/" + unquote(rest.removeprefix("localhost") if slashes == "//" else rest).lstrip("/"))


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))  # noqa: PTH100, PTH111 - a string for fsspec


def _with_lower_scheme(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme.lower()}{separator}{rest}"


def _links(location: str) -> list[str]:
    """Return the URLs of a text that fsspec would read as a chain of URLs."""
    return _BRACKETED.sub("host", location.strip()).split("::")


def _parts(url: str) -> tuple[str, str, str]:
    """Return the scheme, the slashes after it and the rest; for a plain path only the rest."""
    found = _SCHEME.fullmatch(url)
    return (found[1].lower(), found[2], found[3]) if found and found[2] else ("", "", url)


def _decoded(text: str) -> str:
    """Percent-decode a text until it no longer changes, at most five times."""
    for _ in range(5):
        if (plain := unquote(text)) == text:
            break
        text = plain
    return text


def _is_path_on_disk(scheme: str, slashes: str) -> bool:
    return scheme in _ON_DISK and slashes != "//"


def _has_user_info(scheme: str, slashes: str, rest: str) -> bool:
    authority = _decoded(rest.partition("/")[0])
    if not scheme:
        return "@" in authority.partition(":")[2]
    if _is_path_on_disk(scheme, slashes):
        return False
    if scheme in _AZURE and _CONTAINER.fullmatch(authority):
        return False
    if "@" in authority or _PAIR.search(_decoded(rest)):
        return True
    _, colon, port = authority.partition(":")
    if not colon or authority.startswith("arn:"):
        return False
    # A secret may hold a slash: then the @ after it is in what looks like the path.
    return not port.isdecimal() or "@" in rest


_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//+)([^\s'\"]*)")
_BARE: Final = re.compile(r"[^\s/'\"@:]+:[^\s/'\"@]+@")
"""``user:password@bucket``, which a file system may report as the name of the bucket."""


def scrubbed(text: str) -> str:
    """Remove user names, passwords and queries from the URLs in a text, such as a library's error."""
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
"""Minimum length of a value that is masked; shorter ones occur in common words."""


def redacted(error: object, options: Any = None) -> str:
    """Return the message of a library's error without credentials.

    :param options: the options of the file system; the values of secret ones are masked.
    """
    known = [Secret(value) for value in _secrets_in(options) if len(value) >= _SHORTEST]
    return scrubbed(Redactor(known).clean(str(error)))


def _secrets_in(options: Any, *, named: bool = False) -> Iterator[str]:
    """Yield the texts in every option whose name marks it as secret."""
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
