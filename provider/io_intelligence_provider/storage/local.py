"""Writes files on local disk atomically (temporary file, sync, rename or link) and returns their versions."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, NamedTuple, Self

from io_intelligence_provider.storage.location import temporary_name

__all__ = [
    "FileVersion",
    "FolderNames",
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
_LEFTOVER_SECONDS: Final = 86_400  # longer than any write takes

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
"""Error numbers that concern one file, while others may be readable."""


_WITHOUT_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""Error numbers of a file system without hard links, such as FAT, SMB and many in user space."""


def size_local(path: str) -> int:
    """Return the size of a regular file in bytes.

    :raises OSError: when there is none, or it is not a regular file: opening a FIFO would wait for a writer.
    """
    return _regular(os.stat(path), path)  # noqa: PTH116 - thousands of them


def read_local(path: str, most: int) -> bytes:
    """Return at most ``most`` bytes of a regular file.

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
    """A folder, a FIFO, a device or a socket in place of a file."""


def is_about_one_file(error: Exception) -> bool:
    """Return whether an error concerns one file only, while others may be readable."""
    kinds = IrregularFileError, IsADirectoryError, NotADirectoryError, PermissionError
    return isinstance(error, kinds) or (isinstance(error, OSError) and error.errno in _OF_ONE_FILE)


def stamp_local(path: str) -> FileVersion | None:
    """Return the version of a file, ``None`` when there is none.

    Anything but a regular file gets a version without a tag, so that it is listed and reading it raises.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of them
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return FileVersion(0, None)  # a loop of links, or no permission
    return disk_version(status) if S_ISREG(status.st_mode) else FileVersion(0, None)


class PendingFile:
    """A temporary file that is moved to its target: file synced, moved, folder synced.

    A temporary file that is left at the end of the block is removed.

    :param target: the path of the final file. Missing folders are created.
    :param folder: the folder of the temporary file, on the same disk; by default the target's. With the root
        of a store, files of killed processes stay out of the folders that other engines read as a whole.
    :ivar path: the path to write to.
    """

    def __init__(self, target: Path, folder: Path | None = None) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self._target = target
        self.path = (folder or target.parent) / temporary_name(target.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # of a read-only disk, say: it would hide why the file was not written
            self.path.unlink(missing_ok=True)

    def replace(self) -> None:
        """Move the file to its target and replace an existing file."""
        _sync(self.path)
        self.path.replace(self._target)
        _sync_folder(self._target.parent)

    def create(self) -> bool:
        """Link the file to its target; return ``False`` when that exists, because a link replaces no file.

        Where the file system has no links, the target is claimed with an empty file, which is then replaced.
        """
        _sync(self.path)
        try:
            try:
                self._target.hardlink_to(self.path)
            except OSError as error:
                if error.errno not in _WITHOUT_LINKS:
                    raise
                self._target.touch(exist_ok=False)
                self.path.replace(self._target)
        except FileExistsError:
            return False
        _sync_folder(self._target.parent)
        return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    """Sync a folder where that is possible. Some network file systems and folders without read permission
    refuse; the file itself is synced and complete."""
    try:
        _sync(path)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM):
            raise


def sweep_local(root: Path) -> None:
    """Remove temporary files that killed writers left, once they are a day old."""
    for leftover in root.glob(".*.tmp"):
        try:
            status = leftover.lstat()
        except FileNotFoundError:
            continue  # that of another writer, which has moved it to its place
        is_ours = _TEMPORARY.fullmatch(leftover.name) and S_ISREG(status.st_mode)
        if is_ours and status.st_mtime < time.time() - _LEFTOVER_SECONDS:
            leftover.unlink(missing_ok=True)


def delete_tree_local(folder: Path) -> None:
    """Remove a folder and its content; of a symbolic link only the link."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink()
    else:
        shutil.rmtree(folder)


_CONTENT: Final = ("ETag", "etag", "generation", "md5Hash", "content_md5")
"""Keys by which object stores return a tag of the content; most tags survive a copy to another bucket."""

_TIMES: Final = ("mtime", "modified", "last_modified", "LastModified", "updated", "created")
"""Keys by which object stores return the time of the last write."""


class FileVersion(NamedTuple):
    """The version of a file.

    :param size: its size in bytes.
    :param tag: a value that every rewrite changes; ``None`` where the file system has none.
    :param written: the time of the write in seconds since 1970, where the tag is that time; two writes in one
        tick of the clock have the same tag.
    """

    size: int
    tag: str | None
    written: float | None = None

    def __str__(self) -> str:
        return f"{self.size}-{self.tag}"


def disk_version(status: os.stat_result) -> FileVersion:
    """Return the version of a file on disk. A copy that keeps the modification time keeps the version."""
    return FileVersion(status.st_size, str(status.st_mtime_ns), status.st_mtime)


_TICK_NS: Final = 2_000_000_000
"""A folder that changed this recently is read again: two changes may leave the same time."""


class FolderNames:
    """Remembers the names in folders on disk until a folder changes, as thousands of them rarely do.

    A file that is overwritten leaves its folder as it was: this tells names, not versions.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Collection[str]]] = {}

    def get(self, path: str, read: Callable[[], Collection[str]]) -> Collection[str]:
        """Return the names in a folder; ``read`` is called when it may have changed."""
        try:
            changed = os.stat(path).st_mtime_ns  # noqa: PTH116 - thousands of them
        except OSError:
            return read()
        known = self._known.get(path)
        if known is not None and known[0] == changed:
            return known[1]
        names = read()
        if abs(time.time_ns() - changed) > _TICK_NS:
            self._known[path] = changed, names
        return names


def object_version(details: Mapping[str, Any]) -> FileVersion:
    """Return the version of an object from fsspec's details of it."""
    tag = None
    for keys in (_CONTENT, _TIMES):
        known = [str(details[key]) for key in keys if details.get(key) is not None]
        if known:
            tag = "-".join(known)
            break
    return FileVersion(int(details.get("size") or 0), tag)
