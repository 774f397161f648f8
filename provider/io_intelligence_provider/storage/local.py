"""Files on local disk: a temporary file, synced, then renamed or linked into its place; versions of files."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, NamedTuple, Self

from io_intelligence_provider.storage.location import temporary_name

__all__ = [
    "FileVersion",
    "IrregularFileError",
    "PendingFile",
    "delete_tree_local",
    "disk_version",
    "is_about_one_file",
    "object_version",
    "read_local",
    "size_local",
    "stamp_local",
    "sweep_local",
]


_TEMPORARY: Final = re.compile(r"\..+\.[0-9]+-[0-9a-f]+\.tmp", re.DOTALL)
_LEFTOVER_SECONDS: Final = 86_400  # no write takes as long

_OF_ONE_FILE: Final = frozenset(
    {
        errno.EACCES,
        errno.EIO,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENODEV,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
    }
)
"""What the system says of a file that cannot be read, while others may be."""


def size_local(path: str) -> int:
    """Return the size of a regular file in bytes.

    :raises OSError: when there is none, or something else lies there: to open a FIFO waits for a writer.
    """
    return _regular(os.stat(path), path)  # noqa: PTH116 - thousands of them


def read_local(path: str, most: int) -> bytes:
    """Return at most so many bytes of a regular file.

    :raises OSError: as :func:`size_local` does.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        _regular(os.fstat(descriptor), path)
        return file.read(most)


def _regular(status: os.stat_result, path: str) -> int:
    if not S_ISREG(status.st_mode):
        raise IrregularFileError(f"{path} is no regular file")
    return status.st_size


class IrregularFileError(OSError):
    """A folder, a FIFO, a device or a socket in the place of a file."""


def is_about_one_file(error: Exception) -> bool:
    """Tell whether an error says that one file cannot be read, while others may be."""
    kinds = IrregularFileError, IsADirectoryError, NotADirectoryError, PermissionError
    return isinstance(error, kinds) or (isinstance(error, OSError) and error.errno in _OF_ONE_FILE)


def stamp_local(path: str) -> FileVersion | None:
    """Return the version of a file, ``None`` when there is none.

    Whatever else lies there has a version without a tag: it is listed, so that reading it says what it is.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of them
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return FileVersion(0, None)  # a loop of links, or nothing that may be looked at
    return disk_version(status) if S_ISREG(status.st_mode) else FileVersion(0, None)


class PendingFile:
    """A file that is written beside its place and put there whole: synced, moved, its folder synced.

    What is left of it when the block ends is removed.

    :param target: its place. Folders that are missing are made.
    :param folder: where it lies until then, on the same disk; by default the target's. In the root of a
        store, what a killed process leaves is in no folder that other engines read as a whole.
    :ivar path: where to write it.
    """

    def __init__(self, target: Path, folder: Path | None = None) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._target = target
        self.path = (folder or target.parent) / temporary_name(target.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)

    def replace(self) -> None:
        """Put it in its place, whatever lies there."""
        _sync(self.path)
        self.path.replace(self._target)
        _sync(self._target.parent)

    def create(self) -> bool:
        """Put it in its place and return ``True``; ``False`` when a file lies there: a link replaces none."""
        _sync(self.path)
        try:
            self._target.hardlink_to(self.path)
        except FileExistsError:
            return False
        _sync(self._target.parent)
        return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep_local(root: Path) -> None:
    """Remove the temporary files of writers that were killed long ago."""
    for leftover in root.glob(".*.tmp"):
        status = leftover.lstat()
        is_ours = _TEMPORARY.fullmatch(leftover.name) and S_ISREG(status.st_mode)
        if is_ours and status.st_mtime < time.time() - _LEFTOVER_SECONDS:
            leftover.unlink(missing_ok=True)


def delete_tree_local(folder: Path) -> None:
    """Remove a folder and all in it; of a symbolic link the link alone."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink()
    else:
        shutil.rmtree(folder)


_CONTENT: Final = ("ETag", "etag", "generation", "md5Hash", "content_md5")
"""What object stores call the thing that stands for the content; most survive a copy to another bucket."""

_TIMES: Final = ("mtime", "modified", "last_modified", "LastModified", "updated", "created")
"""What they call the time of the last write."""


class FileVersion(NamedTuple):
    """One state of a file.

    :param size: its size in bytes.
    :param tag: what every rewrite changes; ``None`` where the file system tells nothing of that kind.
    :param written: when it was written, in seconds since 1970, where the tag is that time: two writes in
        one tick of its clock have the same.
    """

    size: int
    tag: str | None
    written: float | None = None

    def __str__(self) -> str:
        return f"{self.size}-{self.tag}"


def disk_version(status: os.stat_result) -> FileVersion:
    """Return the version of a file on disk. A copy that keeps the time of the last write keeps it as well."""
    return FileVersion(status.st_size, str(status.st_mtime_ns), status.st_mtime)


def object_version(details: Mapping[str, Any]) -> FileVersion:
    """Return the version of an object, of what fsspec says of it."""
    tag = None
    for keys in (_CONTENT, _TIMES):
        known = [str(details[key]) for key in keys if details.get(key) is not None]
        if known:
            tag = "-".join(known)
            break
    return FileVersion(int(details.get("size") or 0), tag)
