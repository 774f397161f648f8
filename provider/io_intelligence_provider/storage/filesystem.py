"""Reads and writes whole files atomically, on local disk or any fsspec file system.

A file is serialised first and written in one piece. On an object store one object write commits; on disk a
temporary file is written, synced and renamed. Open fsspec handles are never used for writing: they commit
half a file when an exception passes through them.

Every path is checked here, so that none leaves the root. Symbolic links below the root are followed, because
the administrator made them. Deleting a tree removes a link, never the target.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import pyarrow as pa

from io_intelligence_provider.errors import (
    IOIntelligenceError,
    NotOnFileError,
    StorageError,
    UnreadableFileError,
    in_temporary_folder,
)
from io_intelligence_provider.storage.local import (
    FileVersion,
    PendingFile,
    delete_tree_local,
    is_about_one_file,
    object_version,
    read_local,
    size_local,
    stamp_local,
    sweep_local,
)
from io_intelligence_provider.storage.location import storage_of
from io_intelligence_provider.storage.prefetch import OnDisk, prefetch

__all__ = ["LARGEST_FILE", "Files", "OnDisk"]

log = logging.getLogger(__name__)

Result = TypeVar("Result")


LARGEST_FILE: Final = 512 << 20
"""Bytes of the largest file that is read; a million models take a fifth of it."""

_PART: Final = re.compile(r"[0-9A-Za-z._=-]+")
"""The characters of every folder and file name in a store; other names are ignored."""
_LONGEST_PART: Final = 255


def _is_part(name: str) -> bool:
    """Return whether a name can be a folder or file of a store: one level down, never up or absolute."""
    return len(name) <= _LONGEST_PART and name not in (".", "..") and _PART.fullmatch(name) is not None


def _committed(target: Path, folder: Path, data: bytes, commit: Callable[[PendingFile], Result]) -> Result:
    with PendingFile(target, folder) as pending:
        with pending.path.open("xb") as handle:
            handle.write(data)
        return commit(pending)


class Files:
    """Reads and writes the files below one root.

    :param root: a local path, ``~`` included, or an fsspec URL such as ``s3://bucket/prefix``.
    :param filesystem: an fsspec file system to use instead of the one that the URL names.
    :param storage_options: arguments for the file system that the URL names.
    :raises ConfigurationError: when the root is not a location, or no file system serves it.
    :raises StorageError: when the file system cannot be opened.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        filesystem: Any = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        try:
            location = storage_of(root, filesystem, storage_options, what="root of the store")
        except IOIntelligenceError:
            del root, storage_options  # tracebacks may show local variables
            raise
        self.location, base, self.is_local = location, location.key, location.is_local
        self.root = base if self.is_local else os.fspath(root)
        self._base: str = base if self.is_local else base.rstrip("/")  # the root of a disk keeps its slash
        self._lists_trees = not self.is_local and location.lists_trees

    def __repr__(self) -> str:
        return f"Files({self.root!r})"

    @property
    def _fs(self) -> Any:
        return self.location.filesystem

    def url(self, path: str) -> str:
        """Return the full name of a file without credentials, for messages and other engines."""
        return self.location.url(self._full(path))

    def _full(self, path: str) -> str:
        """Return the full path of a path in the store. Every read, write and delete calls it.

        :raises StorageError: when the path is not below the root.
        """
        if not path:
            return self._base
        if not all(map(_is_part, path.split("/"))):
            raise StorageError(
                f"{path[:200]!r} is no path of a store, so it is neither read, written nor deleted below "
                f"{self.url('')}. The file that names it is damaged or was tampered with."
            )
        return f"{self._base}/{path}"

    @property
    def supports_versions(self) -> bool:
        """Whether listings give a version for each file."""
        return self.is_local or self._lists_trees

    def folders_with(self, name: str, path: str, wanted: Callable[[str], bool]) -> dict[str, FileVersion]:
        """Return the folders right below ``path`` that hold a file ``name``, sorted, each with its version.

        :param wanted: takes a folder's name and returns whether to look into it.
        """
        if self.is_local:
            found = self._stamped_on_disk(name, path, wanted)
        elif self._lists_trees:
            parts = ((*file.rpartition("/")[::2], said) for file, said in self.details(path).items())
            found = {
                folder: object_version(said)
                for folder, file, said in parts
                if file == name and wanted(folder)
            }
        else:
            folders = filter(wanted, self.list(path))
            found = {
                folder: FileVersion(0, None) for folder in folders if name in self.names_in(path, folder)
            }
        return dict(sorted(found.items()))

    def _stamped_on_disk(self, name: str, path: str, wanted: Callable[[str], bool]) -> dict[str, FileVersion]:
        base = self._full(path)
        versions = (
            (folder, stamp_local(f"{base}/{folder}/{name}")) for folder in filter(wanted, self.list(path))
        )
        return {folder: version for folder, version in versions if version is not None}

    def in_folders(self, path: str) -> list[tuple[str, str]]:
        """Return the folder and name of every file in the folders right below ``path``, sorted.

        An object store gets one request for all folders, not one for each.
        """
        if not self._lists_trees:
            return [(folder, name) for folder in self.list(path) for name in self.names_in(path, folder)]
        with self._storage("list", path):
            try:
                found = self._fs.find(self._fresh(path))
            except FileNotFoundError:
                return []
        depth = self._full(path).strip("/").count("/") + 3
        parts = (file.strip("/").split("/") for file in found)
        return sorted(
            (part[-2], part[-1]) for part in parts if len(part) == depth and all(map(_is_part, part[-2:]))
        )

    def details(self, path: str) -> Mapping[str, Mapping[str, Any]]:
        """Return an object store's details of each file below ``path``, by its path relative to that."""
        base = self._full(path)
        with self._storage("list", path):
            try:
                found = self._fs.find(self._fresh(path), detail=True)
            except FileNotFoundError:
                return {}
        return {file[len(base) :].strip("/"): said for file, said in found.items()}

    def names_in(self, path: str, folder: str) -> Collection[str]:
        """Return the names in a folder below ``path``; a file in its place has none."""
        try:
            return self.list(f"{path}/{folder}")
        except StorageError:
            if self.is_local and not os.path.isdir(f"{self._full(path)}/{folder}"):  # noqa: PTH112
                return []  # foreign
            raise

    def list(self, path: str) -> list[str]:
        """Return the names right below a folder, sorted; an empty list when it does not exist.

        Names that no file of a store can have are left out.
        """
        with self._storage("list", path):
            try:
                if self.is_local:  # for a thousand days in a tenth of the time that fsspec takes
                    return sorted(filter(_is_part, os.listdir(self._full(path))))  # noqa: PTH208
                entries = self._fs.ls(self._fresh(path), detail=False)
            except FileNotFoundError:
                return []
        names = {entry.rstrip("/").rpartition("/")[2] for entry in entries}
        return sorted(filter(_is_part, names - {path.rpartition("/")[2]}))

    def read(self, path: str, most: int = LARGEST_FILE) -> bytes:
        """Return the content of a regular file.

        :param most: maximum size in bytes.
        :raises NotOnFileError: when it does not exist.
        :raises UnreadableFileError: when it is larger, or not a regular file.
        """
        with self._storage("read", path):
            if self.is_local:
                data = read_local(self._full(path), most + 1)
            else:
                data = self._read_object(self._fresh(path), most + 1)
        if len(data) > most:
            raise UnreadableFileError(
                f"{self.url(path)} has more than {most} bytes, which no file of its kind has. "
                "Restore it or delete it."
            )
        return data

    def _read_object(self, full: str, most: int) -> bytes:
        """Return the beginning of an object.

        A range bounds the response, and keeps file systems from looking up the size first, which they would
        take from a cached listing that may be stale.
        """
        try:
            data: bytes = self._fs.cat_file(full, start=0, end=most)
        except (FileNotFoundError, PermissionError):
            raise
        except Exception:
            # Stores refuse a range of an empty object.
            details = self._fs.info(full)
            if details.get("type") == "file" and details.get("size") == 0:
                return b""
            raise
        return data

    def _fresh(self, path: str) -> str:
        """Return a full path after dropping fsspec's cache of it and of its folders.

        Another process may have written, so neither a listing nor a size may come from the cache.
        """
        full = part = self._full(path)
        while len(part) > len(self._base):
            self._fs.invalidate_cache(part)
            part = part.rpartition("/")[0]
        self._fs.invalidate_cache(self._base)
        return full

    def read_many(
        self, paths: Iterable[str], most: int = LARGEST_FILE
    ) -> Iterator[tuple[str, bytes | UnreadableFileError]]:
        """Yield each file with its content, in the order given; files that do not exist are left out.

        A file that cannot be used is yielded with its error, so that the others are still read. Object stores
        are asked for several files at a time, where the file system allows it.
        """

        def content(path: str) -> bytes | UnreadableFileError:
            try:
                return self.read(path, most)
            except UnreadableFileError as error:
                return error

        if getattr(self._fs, "async_impl", False):
            yield from prefetch(content, paths)
            return
        for path in paths:
            try:
                yield path, content(path)
            except NotOnFileError:
                log.debug("%s was deleted since it was listed", path)

    def on_disk(self, paths: Iterable[str], folder: Path) -> Iterator[OnDisk]:
        """Yield each file as a file on local disk, in the order given; those that do not exist are left out.

        :param folder: the folder for copies of remote files; ``release`` deletes each.
        :raises UnreadableFileError: when a file cannot be used.
        """
        if self.is_local:
            for path in paths:
                full = self._full(path)
                with self._storage("read", path):
                    try:
                        size = size_local(full)
                    except FileNotFoundError:
                        continue
                yield OnDisk(path, full, size)
            return
        for number, (path, data) in enumerate(self.read_many(paths)):
            if isinstance(data, UnreadableFileError):
                raise data
            copy = folder / str(number)
            with in_temporary_folder():
                copy.write_bytes(data)
            yield OnDisk(path, str(copy), len(data), is_copy=True)

    def source(self, path: str) -> pa.NativeFile:
        """Open a regular file for pyarrow: a local file, or the bytes of an object.

        Both are native, because pyarrow may end the process when one of its threads still reads a Python
        file.

        :raises NotOnFileError: when the file does not exist.
        :raises UnreadableFileError: when it cannot be used.
        """
        if not self.is_local:
            return pa.BufferReader(self.read(path))
        with self._storage("read", path):
            size_local(self._full(path))
            return pa.OSFile(self._full(path))

    def exists(self, path: str) -> bool:
        """Return whether a path exists now, readable or not."""
        with self._storage("look up", path):
            if self.is_local:
                found = stamp_local(self._full(path)) is not None
                if not found and os.path.isfile(self._base):  # noqa: PTH113
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self._base)
                return found
            try:
                # Not fsspec's `exists`, which returns False on every failure.
                self._fs.info(self._fresh(path))
            except FileNotFoundError:
                return False
            return True

    def put(self, path: str, data: bytes) -> None:
        """Write a file atomically: readers see either the old or the new content."""
        with self._storage("write", path):
            if self.is_local:
                self._write_local(path, data, PendingFile.replace)
            else:
                self.location.put(
                    self._full(path), lambda name: self._fs.pipe_file(name, data), folder=self._base
                )

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that does not exist yet; return whether this call wrote it.

        Of several concurrent writers exactly one gets ``True`` on disk and where writes can be conditional:
        on S3, and on other object stores where fsspec supports it. Elsewhere another writer may come between
        the look-up and the write; most writers notice that if each writes different ``data``.
        """
        with self._storage("create", path):
            if self.is_local:
                return self._write_local(path, data, PendingFile.create)
            full = self._fresh(path)
            try:
                self._fs.pipe_file(full, data, mode="create")
            except FileExistsError:
                return False
            found: bytes = self._fs.cat_file(full)
            return found == data

    def _write_local(self, path: str, data: bytes, commit: Callable[[PendingFile], Result]) -> Result:
        """Write a temporary file at the root and commit it.

        Below a link or a mount that leads to another disk, the temporary file is beside the target.
        """
        target = Path(self._full(path))
        try:
            return _committed(target, Path(self._base), data, commit)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
        return _committed(target, target.parent, data, commit)

    def delete(self, path: str) -> None:
        """Remove a file, if it exists."""
        with self._storage("delete", path):
            try:
                self._fs.rm_file(self._full(path))
            except FileNotFoundError:
                log.debug("%s was gone already", path)

    def delete_tree(self, path: str) -> None:
        """Remove a folder and its content, if it exists."""
        with self._storage("delete", path):
            try:
                if self.is_local:
                    delete_tree_local(Path(self._full(path)))
                elif self._lists_trees:
                    folder = self._full(path).strip("/")
                    for file in self._fs.find(self._fresh(path)):
                        if file.strip("/").startswith(f"{folder}/"):
                            self._fs.rm_file(file)
                else:
                    self._delete_folder(self._fresh(path))
            except FileNotFoundError:
                log.debug("%s was gone already", path)

    def _delete_folder(self, full: str) -> None:
        """Remove a remote folder. fsspec's recursive `rm` reads brackets in a root as a pattern."""
        for entry in self._fs.ls(full, detail=True):
            name = entry["name"].rstrip("/")
            if not name.strip("/").startswith(f"{full.strip('/')}/"):
                continue  # some list the folder itself
            if entry["type"] == "directory":
                self._fs.invalidate_cache(name)
                self._delete_folder(name)
            else:
                self._fs.rm_file(name)
        with suppress(FileNotFoundError):  # some have folders only as long as there are files in them
            self._fs.rmdir(full)

    def sweep(self) -> None:
        """Remove temporary files that killed writers left, once they are a day old."""
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
            kind = UnreadableFileError if verb == "read" and is_about_one_file(error) else StorageError
            failure = self.location.failure(verb, self.url(path), error, kind)
            raise failure from (error if self.redacted(error) == str(error) else None)

    def redacted(self, error: object) -> str:
        """Return the message of a library's error without the credentials of this file system."""
        return self.location.redacted(error)
