"""From a path, a glob or a folder on any storage to the Parquet files it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.storage.location import redacted, storage_of

__all__ = ["Found", "FoundFile", "find", "partitions_of", "storage_failure"]

_ENDINGS: Final = (".parquet", ".parq", ".pq")
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True)
class FoundFile:
    """One file.

    :param path: its full name, fit for a message.
    :param key: its name on its file system.
    :param partitions: what the names of its folders say, as text.
    """

    path: str
    key: str
    partitions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """The files of one data set, sorted by name."""

    path: str
    files: tuple[FoundFile, ...]
    filesystem: Any = field(repr=False)
    is_local: bool


def storage_failure(verb: str, path: str, error: Exception, filesystem: Any) -> StorageError:
    """Return the error for what a file system or a reader of files raised, without its credentials."""
    said = redacted(error, getattr(filesystem, "storage_options", None))
    return StorageError(
        f"Could not {verb} {path}: {said}. Check the path, the storage connection and its rights."
    )


def find(path: str, filesystem: Any = None) -> Found:
    """Return the Parquet files that a path names.

    A file is taken whatever its name; of a folder, and of folders that a glob matches, the files that end
    in ``.parquet``, ``.parq`` or ``.pq`` at any depth, but none whose name, or a folder's below that
    one, begins with ``_`` or ``.``: writers keep unfinished work there. ``key=value`` folders become columns.

    :raises NotOnFileError: when there is none.
    """
    storage = storage_of(path, filesystem)
    filesystem, key, is_local = storage
    try:
        filesystem.invalidate_cache()
        roots = [key]
        if _WILD & set(key) and not filesystem.exists(key):
            roots = sorted(filesystem.glob(key))
        base = key if roots == [key] else _fixed_part(key)
        keys = [(root, file) for root in roots for file in _files_of(filesystem, root)]
    except Exception as error:  # noqa: BLE001 - libraries raise anything; it goes on as one of ours
        raise storage_failure("look up", path, error, filesystem) from None
    if not keys:
        raise NotOnFileError(f"{path} matches no Parquet file. Check the path, or let the task run later.")
    files = [
        FoundFile(
            path=storage.url(file),
            key=file,
            partitions={} if [file] == [base] else partitions_of(file[len(base) :]),
        )
        for _, file in sorted(set(keys), key=lambda pair: pair[1])
    ]
    return Found(path, tuple(files), filesystem, is_local)


def _files_of(filesystem: Any, root: str) -> list[str]:
    if filesystem.isfile(root):
        return [root]
    return [
        file
        for file in filesystem.find(root)
        if file.lower().endswith(_ENDINGS)
        and not any(part.startswith(("_", ".")) for part in file[len(root.rstrip("/")) + 1 :].split("/"))
    ]


def _fixed_part(key: str) -> str:
    fixed = []
    for part in key.split("/"):
        if _WILD & set(part):
            break
        fixed.append(part)
    return "/".join(fixed)


def partitions_of(below: str) -> dict[str, str]:
    """Return what ``key=value`` folders in the name of a file say, as text."""
    pairs = (part.partition("=") for part in below.split("/")[:-1])
    return {name: value for name, equals, value in pairs if equals and name}
