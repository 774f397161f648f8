"""Files on local disk or any fsspec file system: whole or not at all.

A file is serialised first and put in one piece. On an object store one object write commits; on disk a
temporary file is written, synced and renamed. A write through an open fsspec handle is never used: it
commits half a file when an exception passes through it.

No path leaves the root: each is checked, here, for its parts. Symbolic links below the root are followed, as
whoever administers the disk made them; a tree that is deleted is deleted up to a link, never through it.
"""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

from fsspec.asyn import AsyncFileSystem
from fsspec.spec import AbstractFileSystem

from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.store.ahead import read_ahead
from io_intelligence_provider.store.local import (
    create_local,
    delete_tree_local,
    put_local,
    sweep_local,
    temporary_name,
)
from io_intelligence_provider.store.location import OBJECT_STORES, redacted, storage_of
from io_intelligence_provider.store.stamps import Stamp, disk_stamp, object_stamp

__all__ = ["Files", "OnDisk"]

log = logging.getLogger(__name__)

_ATOMIC: Final = OBJECT_STORES | {"memory"}
"""Protocols whose single-object write is atomic. Elsewhere (sftp, hdfs, smb) a rename commits."""

_PART: Final = re.compile(r"[0-9A-Za-z._=-]+")
"""Every folder and file name of a store is of these characters. A name of others is not ours."""
_LONGEST_PART: Final = 255


def _is_part(name: str) -> bool:
    """Tell whether a name can be one of our folders or files: one step down, never up or away."""
    return len(name) <= _LONGEST_PART and name not in (".", "..") and _PART.fullmatch(name) is not None


@dataclass(frozen=True)
class OnDisk:
    """A file of the store as one on local disk.

    :param path: its path below the root.
    :param file: where it lies: itself, or a temporary copy of an object.
    :param size: its size in bytes.
    """

    path: str
    file: str
    size: int
    is_copy: bool = False

    def release(self) -> None:
        """Delete what is only a copy."""
        if self.is_copy:
            Path(self.file).unlink(missing_ok=True)


class Files:
    """Reads and writes the files below one root.

    :param root: a local path, ``~`` included, or an fsspec URL such as ``s3://bucket/prefix``.
    :param filesystem: an fsspec file system to use instead of the one that the URL names.
    :param storage_options: arguments for the file system that the URL names.
    :raises ConfigurationError: when the root is no location, or no file system serves it.
    :raises StorageError: when the file system cannot be opened.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        filesystem: Any = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        location = storage_of(root, filesystem, storage_options, what="root of the store")
        self._fs, base, self.is_local = self._location = location
        self.root = base if self.is_local else os.fspath(root)
        self._base: str = base if self.is_local else base.rstrip("/")  # the root of a disk keeps its slash
        kind, protocol = type(self._fs), self._fs.protocol
        # Where fsspec can move by copying only, a move is no better than the write itself.
        can_rename = kind.mv is not AbstractFileSystem.mv
        protocols = {protocol} if isinstance(protocol, str) else {*protocol}
        self._one_write_commits = bool(protocols & _ATOMIC) or not can_rename
        # The `find` of fsspec's base classes takes a listing that failed for an empty one.
        base_find = AsyncFileSystem._find, AbstractFileSystem.find  # noqa: SLF001
        self._lists_trees = getattr(kind, "_find", kind.find) not in base_find

    def __repr__(self) -> str:
        return f"Files({self.root!r})"

    def url(self, path: str) -> str:
        """Return the full name of a file, fit for a message or for another engine."""
        return self._location.url(self._full(path))

    def _full(self, path: str) -> str:
        """Return where a path of the store lies. Whatever is read, written or deleted comes through here.

        :raises StorageError: when it does not lead to a place below the root.
        """
        if not path:
            return self._base
        if not all(map(_is_part, path.split("/"))):
            raise StorageError(
                f"{path[:200]!r} is no path of a store, so it is neither read, written nor deleted below "
                f"{self.url('')}. What names it is damaged, or somebody tampered with it."
            )
        return f"{self._base}/{path}"

    @property
    def tells_stamps(self) -> bool:
        """Whether a listing tells one state of a file from another."""
        return self.is_local or self._lists_trees

    def folders_with(self, name: str, path: str, wanted: Callable[[str], bool]) -> dict[str, Stamp]:
        """Return the folders right below ``path`` that hold a file ``name``, sorted, each with its stamp.

        :param wanted: tells by its name whether to look into a folder at all: others may be of any kind.
        """
        if self.is_local:
            found = self._stamped_on_disk(name, path, wanted)
        elif self._lists_trees:
            parts = ((*file.rpartition("/")[::2], said) for file, said in self.details(path).items())
            found = {
                folder: object_stamp(said) for folder, file, said in parts if file == name and wanted(folder)
            }
        else:
            folders = filter(wanted, self.list(path))
            found = {folder: Stamp(0, None) for folder in folders if name in self._names_in(path, folder)}
        return dict(sorted(found.items()))

    def _stamped_on_disk(self, name: str, path: str, wanted: Callable[[str], bool]) -> dict[str, Stamp]:
        found = {}
        for folder in filter(wanted, self.list(path)):
            with self._storage("look up", f"{path}/{folder}/{name}"):
                try:
                    status = os.stat(f"{self._full(path)}/{folder}/{name}")  # noqa: PTH116 - thousands of them
                except (FileNotFoundError, NotADirectoryError):
                    continue
            if S_ISREG(status.st_mode):
                found[folder] = disk_stamp(status)
        return found

    def in_folders(self, path: str) -> list[tuple[str, str]]:
        """Return the folder and name of every file in the folders right below ``path``, sorted.

        An object store is asked for one listing of all, where one look per folder would be as many requests.
        """
        if not self._lists_trees:
            return [(folder, name) for folder in self.list(path) for name in self._names_in(path, folder)]
        with self._storage("list", path):
            try:
                self._fs.invalidate_cache(self._full(path))
                found = self._fs.find(self._full(path))
            except FileNotFoundError:
                return []
        depth = self._full(path).strip("/").count("/") + 3
        parts = (file.strip("/").split("/") for file in found)
        return sorted(
            (part[-2], part[-1]) for part in parts if len(part) == depth and all(map(_is_part, part[-2:]))
        )

    def details(self, path: str) -> Mapping[str, Mapping[str, Any]]:
        """Return what an object store says of each file below ``path``: by its path below that."""
        base = self._full(path)
        with self._storage("list", path):
            try:
                self._fs.invalidate_cache(base)
                found = self._fs.find(base, detail=True)
            except FileNotFoundError:
                return {}
        return {file[len(base) :].strip("/"): said for file, said in found.items()}

    def _names_in(self, path: str, folder: str) -> Collection[str]:
        try:
            return self.list(f"{path}/{folder}")
        except StorageError:
            if self.is_local and not os.path.isdir(f"{self._full(path)}/{folder}"):  # noqa: PTH112
                return []  # a file in the place of a folder: not ours
            raise

    def list(self, path: str) -> list[str]:
        """Return the names right below a folder, sorted; none when it is not there.

        Foreign names that no file of a store can have are left out.
        """
        with self._storage("list", path):
            try:
                if self.is_local:  # a tenth of what fsspec takes for a thousand days
                    return sorted(filter(_is_part, os.listdir(self._full(path))))  # noqa: PTH208
                # Listings are never taken from fsspec's cache: another process may have written.
                self._fs.invalidate_cache(self._full(path))
                entries = self._fs.ls(self._full(path), detail=False)
            except FileNotFoundError:
                return []
        names = {entry.rstrip("/").rpartition("/")[2] for entry in entries}
        return sorted(filter(_is_part, names - {path.rpartition("/")[2]}))

    def read(self, path: str) -> bytes:
        """Return a file whole.

        :raises NotOnFileError: when it is not there.
        """
        with self._storage("read", path):
            if self.is_local:
                return Path(self._full(path)).read_bytes()
            data: bytes = self._fs.cat_file(self._full(path))
            return data

    def read_many(self, paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each file with its content, in the order given; one that is not there is left out.

        An object store whose file system allows it is asked for several at a time.
        """
        if getattr(self._fs, "async_impl", False):
            yield from read_ahead(self.read, paths)
            return
        for path in paths:
            try:
                yield path, self.read(path)
            except NotOnFileError:
                log.debug("%s was deleted since it was listed", path)

    def on_disk(self, paths: Iterable[str], folder: Path) -> Iterator[OnDisk]:
        """Yield each file as one on local disk, in the order given; one that is not there is left out.

        :param folder: takes the copies of what lies elsewhere; ``release`` deletes each.
        """
        if self.is_local:
            for path in paths:
                full = self._full(path)
                with self._storage("read", path):
                    try:
                        size = os.stat(full).st_size  # noqa: PTH116 - thousands of them
                    except FileNotFoundError:
                        continue
                yield OnDisk(path, full, size)
            return
        for number, (path, data) in enumerate(self.read_many(paths)):
            copy = folder / str(number)
            copy.write_bytes(data)
            yield OnDisk(path, str(copy), len(data), is_copy=True)

    def source(self, path: str) -> str | io.BytesIO:
        """Return what pyarrow can open: the path on disk, the bytes of an object elsewhere.

        :raises NotOnFileError: when the file is not there.
        """
        if not self.is_local:
            return io.BytesIO(self.read(path))
        with self._storage("read", path):
            Path(self._full(path)).stat()
        return self._full(path)

    def exists(self, path: str) -> bool:
        """Tell whether a file is there now."""
        with self._storage("look up", path):
            self._fs.invalidate_cache(self._full(path))
            try:
                # Not fsspec's `exists`: it takes every failure for a file that is not there.
                self._fs.info(self._full(path))
            except FileNotFoundError:
                return False
            return True

    def put(self, path: str, data: bytes) -> None:
        """Write a file: readers see the old one or the new one, whole."""
        with self._storage("write", path):
            if self.is_local:
                put_local(Path(self._full(path)), data, Path(self._base))
            elif self._one_write_commits:
                self._fs.pipe_file(self._full(path), data)
            else:
                self._put_by_rename(self._full(path), data)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that is not there yet; tell whether it was this call that wrote it.

        Of several writers at once exactly one is told so on disk, and where one write can be conditional:
        on S3, and where fsspec does it for other object stores. Elsewhere a writer may be overtaken between
        look and write; ``data`` that differs from writer to writer lets most of them find out.
        """
        with self._storage("create", path):
            full = self._full(path)
            if self.is_local:
                return create_local(Path(full), data, Path(self._base))
            self._fs.invalidate_cache(full)
            try:
                self._fs.pipe_file(full, data, mode="create")
            except FileExistsError:
                return False
            found: bytes = self._fs.cat_file(full)
            return found == data

    def _put_by_rename(self, full: str, data: bytes) -> None:
        temporary = f"{self._base}/{temporary_name(full.rpartition('/')[2])}"
        self._fs.makedirs(full.rpartition("/")[0], exist_ok=True)
        try:
            self._fs.pipe_file(temporary, data)
            self._fs.mv(temporary, full)
        except BaseException:
            if self._fs.exists(temporary):
                self._fs.rm_file(temporary)
            raise

    def delete(self, path: str) -> None:
        """Remove a file; one that is not there any more is fine."""
        with self._storage("delete", path):
            try:
                self._fs.rm_file(self._full(path))
            except FileNotFoundError:
                log.debug("%s was gone already", path)

    def delete_tree(self, path: str) -> None:
        """Remove a folder and all in it; one that is not there any more is fine."""
        with self._storage("delete", path):
            try:
                if self.is_local:
                    delete_tree_local(Path(self._full(path)))
                elif self._lists_trees:  # a recursive `rm` takes the brackets in a root for a pattern
                    self._fs.invalidate_cache(self._full(path))
                    folder = self._full(path).strip("/")
                    for file in self._fs.find(self._full(path)):
                        if file.strip("/").startswith(f"{folder}/"):
                            self._fs.rm_file(file)
                else:
                    self._fs.rm(self._full(path), recursive=True)
            except FileNotFoundError:
                log.debug("%s was gone already", path)

    def sweep(self) -> None:
        """Remove the temporary files of writers that were killed long ago."""
        if not self.is_local:
            return
        with self._storage("sweep", ""):
            sweep_local(Path(self._base))

    @contextmanager
    def _storage(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - libraries raise anything; it goes on as one of ours
            if isinstance(error, FileNotFoundError) and verb not in ("write", "create"):
                raise NotOnFileError(f"Not on file: {self.url(path)}") from None
            said = self.redacted(error)
            raise StorageError(
                f"Could not {verb} {self.url(path)}: {said}. "
                "Check the path, the storage connection and its rights."
            ) from (error if said == str(error) else None)

    def redacted(self, error: object) -> str:
        """Return what a library's error says, without the credentials of this file system."""
        return redacted(error, getattr(self._fs, "storage_options", None))
