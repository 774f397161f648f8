"""Finds the Parquet files of a data set on any storage, with their partitions, and writes those of a run.

A path, a glob or a folder names the files of a data set.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.utils import glob_translate

from io_intelligence_provider.errors import (
    ConfigurationError,
    NotOnFileError,
    StorageError,
    in_temporary_folder,
)
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.storage.local import PendingFile
from io_intelligence_provider.storage.location import Storage, local_path, storage_of

__all__ = [
    "Found",
    "FoundFile",
    "ParquetTarget",
    "find",
    "fixed_part",
    "output_filesystem",
    "partition_types",
    "partitions_of",
    "refuse_output_among_input",
    "with_partitions",
]

_ENDINGS: Final = (".parquet", ".parq", ".pq")
_WILD: Final = frozenset("*?[")


@dataclass(frozen=True)
class FoundFile:
    """One file.

    :param path: its full name, without credentials.
    :param key: its name on its file system.
    :param partitions: the ``key=value`` pairs of its folders, as text.
    """

    path: str
    key: str
    partitions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """The files of one data set, sorted by name."""

    path: str
    files: tuple[FoundFile, ...]
    storage: Storage = field(repr=False)


def find(path: str, filesystem: Any = None) -> Found:
    """Return the Parquet files that a path names.

    A file that is named directly may have any name. A folder, or one that a glob matches, gives its files
    that end in ``.parquet``, ``.parq`` or ``.pq``, at any depth. Names and subfolders that begin with ``_``
    or ``.`` are left out, because writers keep unfinished files there; a glob that has such a name itself
    matches them. ``key=value`` folders become columns.

    :raises NotOnFileError: when no file matches.
    :raises ConfigurationError: when a folder is a table of Delta Lake, Hudi or Iceberg, whose files alone do
        not say which rows it holds.
    """
    storage = storage_of(path, filesystem)
    filesystem, key = storage.filesystem, storage.key
    try:
        filesystem.invalidate_cache()
        roots = [key]
        if _WILD & set(key) and not filesystem.exists(key):
            roots = sorted(root for root in filesystem.glob(key) if not _is_hidden(root, key))
        base = key if roots == [key] else fixed_part(key)
        for root in roots:
            _refuse_table_format(filesystem, root, path)
        keys = [(root, file) for root in roots for file in _files_of(filesystem, root)]
    except ConfigurationError:
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise anything; it goes on as one of ours
        raise storage.failure("look up", path, error) from None
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
    return Found(path, tuple(files), storage)


_TABLE_FORMATS: Final = {
    "_delta_log": "Delta Lake",
    ".hoodie": "Apache Hudi",
    "metadata/*.metadata.json": "Apache Iceberg",
}


def _refuse_table_format(filesystem: Any, root: str, path: str) -> None:
    for mark, name in _TABLE_FORMATS.items():
        found = filesystem.glob(f"{root}/{mark}") if "*" in mark else filesystem.exists(f"{root}/{mark}")
        if found:
            raise ConfigurationError(
                f"{path} is a table of {name} (it holds {mark}); its folder has files of removed rows too. "
                "Read the table with its own library, and check the frame with @task.pandera or check_frame."
            )


def _files_of(filesystem: Any, root: str) -> list[str]:
    if filesystem.isfile(root):
        return [root]
    return [
        file
        for file in filesystem.find(root)
        if file.lower().endswith(_ENDINGS) and not _is_hidden(file[len(root.rstrip("/")) + 1 :])
    ]


def _is_hidden(name: str, pattern: str = "") -> bool:
    """Return whether a file or a folder above it is one that writers keep to themselves.

    :param pattern: the glob that matched it, which may ask for one.
    """
    fixed = fixed_part(pattern)
    hidden, asked = (
        any(part.startswith(("_", ".")) for part in text[len(fixed) :].split("/")) for text in (name, pattern)
    )
    return hidden and not asked


def fixed_part(key: str) -> str:
    """Return the folders of a path above its first one with a wildcard; the path itself without any."""
    fixed = []
    for part in key.split("/"):
        if _WILD & set(part):
            break
        fixed.append(part)
    return "/".join(fixed)


def partitions_of(below: str) -> dict[str, str]:
    """Return the ``key=value`` folders in the name of a file, as text."""
    pairs = (part.partition("=") for part in below.split("/")[:-1])
    return {name: value for name, equals, value in pairs if equals and name}


_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


def partition_types(files: Sequence[FoundFile]) -> dict[str, pa.DataType]:
    """Return the type of each partition column: integer or date where every value is one, else string."""
    values: dict[str, set[str]] = {}
    for file in files:
        for name, value in file.partitions.items():
            values.setdefault(name, set()).add(value)
    types = {}
    for name, texts in values.items():
        known = texts - {_NULL}
        if known and all(_is_integer(text) for text in known):
            types[name] = pa.int64()
        elif known and all(_is_date(text) for text in known):
            types[name] = pa.date32()
        else:
            types[name] = pa.string()
    return types


def with_partitions(table: pa.Table, partitions: Mapping[str, str], target: pa.Schema) -> pa.Table:
    """Return a table in the target schema: partitions become columns, other missing columns are null."""
    there = set(table.column_names)
    if table.schema.equals(target):
        return table.replace_schema_metadata(target.metadata)
    columns = []
    for wanted in target:
        if wanted.name in there:
            column = table[wanted.name]
            columns.append(column if column.type == wanted.type else column.cast(wanted.type))
        else:
            value = _value(partitions.get(wanted.name, _NULL), wanted.type)
            columns.append(pa.repeat(pa.scalar(value, wanted.type), table.num_rows))
    return pa.Table.from_arrays(columns, schema=target)


def _value(text: str, dtype: pa.DataType) -> Any:
    if text == _NULL:
        return None
    if pa.types.is_integer(dtype):
        return int(text)
    return date.fromisoformat(text) if pa.types.is_date(dtype) else unquote(text)


def _is_integer(text: str) -> bool:
    # A value with leading zeros is a code, not a number.
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(text)) == text


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def output_filesystem(target: str, path: str, filesystem: Any) -> Any:
    """Return the file system of an output: the input's, unless only the output is a local path.

    :param filesystem: the input's file system.
    """
    return None if local_path(target) is not None and local_path(path) is None else filesystem


def refuse_output_among_input(found: Found, options: CheckOptions) -> None:
    """Refuse an output path that is part of the input.

    :raises ConfigurationError: when an output would be read as input.
    """
    for name in ("quarantine_path", "valid_path"):
        target = getattr(options, name)
        if not target:
            continue
        output = storage_of(
            target, output_filesystem(target, found.path, found.storage.filesystem), what=name
        )
        if type(output.filesystem) is not type(found.storage.filesystem):
            continue
        key, read = output.key, storage_of(found.path, found.storage.filesystem).key
        if name == "quarantine_path" and not key.endswith(".parquet"):
            key = f"{key}/run.parquet"
        is_file = [file.key for file in found.files] == [read]
        names = [(read, key)]
        if output.is_local:  # and by the names without links
            fixed = fixed_part(read)
            names.append((os.path.realpath(fixed) + read[len(fixed) :], _without_links(key)))
        if any(_would_read(read, key, is_file=is_file) for read, key in names):
            raise ConfigurationError(
                f"{name} is {target}, which lies in what is checked ({found.path}): the next run would read "
                "it as data. Give it a place of its own."
            )


def _without_links(key: str) -> str:
    """Return the name of a local file that a run writes; it replaces a link in its own place."""
    return os.path.join(os.path.realpath(os.path.dirname(key)), os.path.basename(key))  # noqa: PTH118, PTH119, PTH120


def _would_read(read: str, key: str, *, is_file: bool) -> bool:
    """Return whether a file would be found by a path when it is there."""
    if is_file:
        return key == read
    parts = key.split("/")
    above = ["/".join(parts[:number]) for number in range(1, len(parts) + 1)]
    is_match = re.compile(glob_translate(read)).match
    return any(
        (folder == read or (is_match(folder) and not _is_hidden(folder, read)))
        and not _is_hidden(key[len(folder) + 1 :])
        for folder in above
    )


class ParquetTarget:
    """A Parquet file that is written to a temporary file until :meth:`commit`.

    For a local path the temporary file is in the same folder. For a remote path it is in the system's folder
    for temporary files, and is uploaded whole. Without a commit it is removed.

    :param path: the path of the final file.
    :param filesystem: an fsspec file system to use instead of the one that the path names.
    """

    def __init__(self, path: str, filesystem: Any = None) -> None:
        self._storage = storage_of(path, filesystem)
        self.path = self._storage.url(self._storage.key)
        self._opened = ExitStack()
        self._pending: PendingFile | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._opened, suppress(OSError):  # it would hide why the file was not written
            self._close()

    @property
    def place(self) -> str:
        """The path without links, equal for two targets that are one file."""
        return _without_links(self._storage.key) if self._storage.is_local else self.path

    @property
    def schema(self) -> pa.Schema | None:
        """The schema of the tables written so far, ``None`` before the first."""
        return self._writer.schema if self._writer is not None else None

    def write(self, table: pa.Table) -> None:
        """Append a table; the first one determines the schema.

        :raises StorageError: when it cannot be written.
        :raises ConfigurationError: when a column has a type that Parquet does not have.
        """
        with self._writing():
            if self._writer is None:
                self._pending = self._opened.enter_context(self._new_file())
                self._writer = pq.ParquetWriter(self._pending.path, table.schema, compression="zstd")
            if table.num_rows:
                self._writer.write_table(table.cast(self._writer.schema))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Raise an error of the temporary file, or of a type that Parquet does not have, as one of ours."""
        try:
            with nullcontext() if self._storage.is_local else in_temporary_folder():
                yield
        except OSError as error:
            raise self._storage.failure("write", self.path, error) from None
        except pa.ArrowNotImplementedError as error:
            raise ConfigurationError(
                f"The rows cannot be written to {self.path}: {error}. Give the column another type."
            ) from error

    def _new_file(self) -> PendingFile:
        if self._storage.is_local:
            return PendingFile(Path(self._storage.key))
        folder = self._opened.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        return PendingFile(Path(folder, "data.parquet"))

    def _close(self) -> None:
        if self._writer is not None and self._writer.is_open:
            self._writer.close()

    def commit(self) -> str:
        """Move the file to its target and return the path.

        :raises StorageError: when it cannot be written there.
        """
        if self._pending is None:
            raise RuntimeError("nothing was written")
        source = str(self._pending.path)
        try:
            with self._writing():
                self._close()
            if self._storage.is_local:
                self._pending.replace()
            else:
                self._storage.put(
                    self._storage.key, lambda name: self._storage.filesystem.put_file(source, name)
                )
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - libraries raise anything; it goes on as one of ours
            raise self._storage.failure("write", self.path, error) from None
        return self.path
