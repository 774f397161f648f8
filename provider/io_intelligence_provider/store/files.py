"""Files on local disk or any fsspec file system: whole or not at all.

A file is serialised first and put in one piece. On an object store one object write commits; on disk a
temporary file is written, synced and renamed. A write through an open fsspec handle is never used: it
commits half a file when an exception passes through it.
"""

from __future__ import annotations

import io
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import fsspec
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.spec import AbstractFileSystem

from io_intelligence_provider.errors import ConfigurationError, NotOnFileError, StorageError

__all__ = ["Files"]

log = logging.getLogger(__name__)

_OBJECT_STORES: Final = frozenset(
    {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory", "oci", "oss", "r2", "tos", "hf"}
)
"""Protocols whose single-object write is atomic. Elsewhere (sftp, hdfs, smb) a rename commits."""

_LEFTOVER_SECONDS: Final = 86_400  # no write takes as long


class Files:
    """Reads and writes the files below one root.

    :param root: a local path, ``~`` included, or an fsspec URL such as ``s3://bucket/prefix``.
    :param filesystem: an fsspec file system to use instead of the one that the URL names.
    :param storage_options: arguments for the file system that the URL names.
    :raises ConfigurationError: when no file system serves the URL.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        filesystem: Any = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.root = os.fspath(root)
        if not self.root.strip():
            raise ConfigurationError("The root of the store is blank.")
        if filesystem is not None and storage_options:
            raise ConfigurationError("Give either a filesystem or storage_options, not both.")
        try:
            if filesystem is None:
                filesystem, base = fsspec.core.url_to_fs(self.root, **(storage_options or {}))
            else:
                base = filesystem._strip_protocol(self.root)  # noqa: SLF001 - fsspec's own name for it
        except (ImportError, ValueError) as error:
            raise ConfigurationError(
                f"No file system for the root {self.root!r}: {error}. "
                "Install the extra for it (s3, gcs, azure) or correct the URL."
            ) from None
        while isinstance(filesystem, DirFileSystem):
            base = f"{filesystem.path.rstrip('/')}/{base.lstrip('/')}"
            filesystem = filesystem.fs
        self._fs = filesystem
        self._base = base.rstrip("/")
        protocols = (
            {filesystem.protocol} if isinstance(filesystem.protocol, str) else set(filesystem.protocol)
        )
        self.is_local = bool(protocols & {"file", "local"})
        # Where fsspec can move by copying only, a move is no better than the write itself.
        can_rename = type(filesystem).mv is not AbstractFileSystem.mv
        self._one_write_commits = bool(protocols & _OBJECT_STORES) or not can_rename
        if self.is_local:
            self._base = os.path.abspath(os.path.expanduser(self._base))  # noqa: PTH100, PTH111 - a string for fsspec

    def __repr__(self) -> str:
        return f"Files({self.root!r})"

    def url(self, path: str) -> str:
        """Return the full name of a file, fit for a message or for another engine."""
        full = self._full(path)
        return full if self.is_local else str(self._fs.unstrip_protocol(full))

    def _full(self, path: str) -> str:
        return f"{self._base}/{path}" if path else self._base

    def folders_with(self, name: str, path: str) -> list[str]:
        """Return the folders right below ``path`` that hold a file ``name``, sorted."""
        folders = self.list(path)
        if self.is_local:
            return [folder for folder in folders if os.path.isfile(f"{self._full(path)}/{folder}/{name}")]  # noqa: PTH113 - thousands of them
        with self._storage("list", path):
            # One listing of all files, where one look per folder would be as many requests.
            found = {tuple(file.split("/")[-2:]) for file in self._fs.find(self._full(path))}
        return [folder for folder in folders if (folder, name) in found]

    def list(self, path: str) -> list[str]:
        """Return the names right below a folder, sorted; none when it is not there."""
        with self._storage("list", path):
            try:
                # Listings are never taken from fsspec's cache: another process may have written.
                self._fs.invalidate_cache(self._full(path))
                entries = self._fs.ls(self._full(path), detail=False)
            except FileNotFoundError:
                return []
        names = {entry.rstrip("/").rpartition("/")[2] for entry in entries}
        return sorted(names - {"", path.rpartition("/")[2]} if not self.is_local else names - {""})

    def read(self, path: str) -> bytes:
        """Return a file whole.

        :raises NotOnFileError: when it is not there.
        """
        with self._storage("read", path):
            data: bytes = self._fs.cat_file(self._full(path))
            return data

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
                _put_local(Path(self._full(path)), data, Path(self._base))
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
                return _create_local(Path(full), data, Path(self._base))
            self._fs.invalidate_cache(full)
            try:
                self._fs.pipe_file(full, data, mode="create")
            except FileExistsError:
                return False
            found: bytes = self._fs.cat_file(full)
            return found == data

    def _put_by_rename(self, full: str, data: bytes) -> None:
        temporary = f"{self._base}/{_temporary_name(full.rpartition('/')[2], _unique())}"
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
                self._fs.rm(self._full(path), recursive=True)
            except FileNotFoundError:
                log.debug("%s was gone already", path)

    def sweep(self) -> None:
        """Remove the temporary files of writers that were killed long ago."""
        if not self.is_local:
            return
        with self._storage("sweep", ""):
            for leftover in Path(self._base).glob(_temporary_name("*", "*")):
                if leftover.stat().st_mtime < time.time() - _LEFTOVER_SECONDS:
                    leftover.unlink(missing_ok=True)

    @contextmanager
    def _storage(self, verb: str, path: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise NotOnFileError(f"Not on file: {self.url(path)}") from None
        except Exception as error:
            raise StorageError(
                f"Could not {verb} {self.url(path)}: {error}. "
                "Check the path, the storage connection and its rights."
            ) from error


def _temporary_name(name: str, unique: str) -> str:
    return f".{name}.{unique}.tmp"


def _unique() -> str:
    return f"{os.getpid()}-{secrets.token_hex(4)}"


def _put_local(target: Path, data: bytes, root: Path) -> None:
    """Write a temporary file, sync it, rename it, sync the folder.

    The temporary file lies right below the root: what a killed process leaves behind is then in no
    folder that other engines read as a whole.
    """
    with _temporary(target, data, root) as temporary:
        temporary.replace(target)
    _sync(target.parent)


def _create_local(target: Path, data: bytes, root: Path) -> bool:
    """Do the same, but fail where a rename would replace: a hard link does."""
    with _temporary(target, data, root) as temporary:
        try:
            target.hardlink_to(temporary)
        except FileExistsError:
            return False
    _sync(target.parent)
    return True


@contextmanager
def _temporary(target: Path, data: bytes, root: Path) -> Iterator[Path]:
    """Write a synced temporary file; what is left of it in the end is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = root / _temporary_name(target.name, _unique())
    try:
        with temporary.open("xb") as handle:
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
