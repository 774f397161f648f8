"""Verifies digests, reads Parquet footers and refuses files of another kind, before any value is read.

All files of a store are read here. A damaged file is refused before a library parses it. The footer's column
names and types, number of rows and sizes are compared with the limits of the file's kind, so that a malicious
file, or one of another kind, is refused and a file uses no more memory than its kind allows. A file may lack
columns that are newer than it, and may have columns that this version does not know, which are never read.
Errors are :class:`StorageError` and name the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from operator import mul
from typing import Any, Final, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from io_intelligence_provider.errors import IOIntelligenceError, NotOnFileError, UnreadableFileError
from io_intelligence_provider.storage.digest import PagesDigest, digest_of_pages
from io_intelligence_provider.storage.file_kind import (
    FileKind,
    problem_of_footer,
    problem_of_rows,
    unpacked_within,
)
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.location import Storage

__all__ = [
    "CheckedFile",
    "check_bytes",
    "check_files",
    "no_rows",
    "open_any",
    "open_parquet",
    "read_parquet",
]


_LARGEST_FOOTER: Final = 16 << 20
"""Bytes. The footer for a million models has 2 MB; parsed, it takes about ten times its size."""
_FEWEST_ROWS: Final = 128
"""The smallest number of rows that are read at a time."""
_PLAIN: Final = frozenset({"PLAIN", "RLE", "BIT_PACKED"})
"""The encodings that a column chunk without repeated texts has; RLE is that of its nulls."""
_TAIL: Final = 8
"""The last bytes of a Parquet file: the length of its footer, and ``PAR1``."""


class CheckedFile:
    """A Parquet file whose footer was checked. Only requested columns are read, of pages that were verified.

    :param where: its full name, for messages.
    """

    digest: PagesDigest | None
    """The digest of its pages; ``None`` for files of older versions and other writers."""

    def __init__(self, source: pa.NativeFile, where: str, kind: FileKind) -> None:
        self._source = source
        self._kind = kind
        self._size = 0
        self._is_verified = False
        self.where = where
        with _refusing(where):
            self._file = self._opened()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Tables that were read stay valid."""
        self._source.close()

    @cached_property
    def schema(self) -> pa.Schema:
        """The file's Arrow schema with its metadata."""
        return self._file.schema_arrow

    @property
    def metadata(self) -> Any:
        """The footer as pyarrow's object."""
        return self._file.metadata

    def _opened(self) -> Any:
        self._size = size = self._source.size()
        if size < _TAIL:
            raise OSError(f"it has {size} bytes")
        tail = self._source.read_at(_TAIL, size - _TAIL)
        if tail[4:] == b"PAR1" and int.from_bytes(tail[:4], "little") > _LARGEST_FOOTER:
            raise OSError(f"its footer has more than {_LARGEST_FOOTER} bytes")
        self.digest = digest_of_pages(self._source, size)
        file = pq.ParquetFile(self._source)
        if (problem := problem_of_footer(file, size, self._kind)) is not None:
            raise _RefusedError(problem)
        return file

    @cached_property
    def _bounds_of_texts(self) -> dict[str, tuple[int, int]]:
        """Upper bounds in bytes for the texts of each column: of the longest one, and of all.

        Each value may be the longest text of a chunk, unless all are written out.
        """
        found: dict[str, tuple[int, int]] = {}
        schema, groups = self.metadata.schema, range(self.metadata.num_row_groups)
        for number in range(self.metadata.num_columns):
            column = schema.column(number)
            if column.physical_type == "BYTE_ARRAY":
                chunks = [self.metadata.row_group(group).column(number) for group in groups]
                sizes = [chunk.total_uncompressed_size for chunk in chunks]
                repeats = [1 if _PLAIN.issuperset(chunk.encodings) else chunk.num_values for chunk in chunks]
                found[column.path] = max(sizes, default=0), sum(map(mul, sizes, repeats))
        return found

    @cached_property
    def _without_values(self) -> frozenset[str]:
        """The columns of which the footer says that all values are null, if a digest vouches for the footer.

        In a large catalogue most columns are such, and reading one takes as long as reading a price.
        A list is never such: its path in the footer is not its name, since an empty one counts as a null.
        """
        if self.digest is None:
            return frozenset()
        schema = self.metadata.schema
        groups = [self.metadata.row_group(number) for number in range(self.metadata.num_row_groups)]
        return frozenset(
            schema.column(number).path
            for number in range(self.metadata.num_columns)
            if all(_has_no_value(group.column(number)) for group in groups)
        )

    def read(self, chosen: pa.Schema | None = None) -> pa.Table:
        """Read the known columns, or some of them; one that is newer than the file is null.

        :raises UnreadableFileError: when the data are damaged.
        """
        wanted = self._kind.schema() if chosen is None else chosen
        with _refusing(self.where):
            self.verify_pages()
            there = frozenset(self.schema.names) - self._without_values
            names = [name for name in wanted.names if name in there]
            table = self._read_within_bounds(names)
            table.validate(full=True)  # also finds invalid UTF-8, which polars would trust
            columns = [
                table[field.name] if field.name in names else pa.nulls(self.metadata.num_rows, field.type)
                for field in wanted
            ]
            try:
                found = _as_columns(pa.table(columns, names=wanted.names), wanted)
            except (pa.ArrowException, TypeError, ValueError) as error:
                raise _RefusedError(str(error)) from None
            if (problem := _problem_of_table(found, self._kind)) is not None:
                raise _RefusedError(problem)
        return found.replace_schema_metadata(_texts(self.schema.metadata))

    def verify_pages(self) -> None:
        """Compare the pages with their digest, if the file has one and this was not done before.

        :raises DamagedError: when they have changed since the file was written.
        """
        if self.digest is not None and not self._is_verified:
            self.digest.verify(self._source)
            self._is_verified = True

    def _read_within_bounds(self, names: list[str]) -> pa.Table:
        """Read columns and refuse repeated long texts, which a dictionary hides in a small file.

        Columns for which the footer allows that are read some rows at a time and measured. Columns where even
        a few rows may be too large, and lists, are first read with their dictionaries.
        """
        wanted, most = frozenset(names), unpacked_within(self._size)
        suspect = {
            path: longest
            for path, (longest, total) in self._bounds_of_texts.items()
            if total > most and path.partition(".")[0] in wanted
        }
        if not suspect:
            return self._file.read(names, use_threads=False)
        rows = most // sum(suspect.values())
        if rows < _FEWEST_ROWS or not all(map(self._is_plain_text, suspect)):
            file = pq.ParquetFile(self._source, metadata=self.metadata, read_dictionary=[*suspect])
            found = file.read([name for name in self.schema.names if name in wanted], use_threads=False)
            chunks = [chunk for column in found.columns for chunk in column.chunks]
            self._check_texts(sum(map(_size_of_texts, chunks)))
            return self._file.read(names, use_threads=False)
        batches, unpacked = [], 0
        for batch in self._file.iter_batches(rows, columns=names, use_threads=False):
            batches.append(batch)
            unpacked += sum(_size_of_texts(batch.column(name)) for name in suspect)
            self._check_texts(unpacked)
        return pa.Table.from_batches(batches, pa.schema([self.schema.field(name) for name in names]))

    def _is_plain_text(self, path: str) -> bool:
        """Return whether a column has one text a row. A repeated field may have no dot in its path either."""
        dtype = self.schema.field(path).type if path in self.schema.names else pa.null()
        return bool(types.is_string(dtype) or types.is_large_string(dtype))

    def _check_texts(self, unpacked: int) -> None:
        if unpacked > (most := unpacked_within(self._size)):
            raise _RefusedError(f"its texts unpack to {unpacked} bytes, and it has at most {most}")


def _has_no_value(chunk: Any) -> bool:
    """Return whether the footer counts no value in a column chunk; it may not say."""
    counts = chunk.statistics
    return counts is not None and counts.has_null_count and bool(counts.null_count == chunk.num_values)


def _as_columns(table: pa.Table, wanted: pa.Schema) -> pa.Table:
    """Return a table with the columns of a schema.

    :raises pa.ArrowException: when a value does not fit, a null where there must be none among them.
    """
    if any(one.type != other.type for one, other in zip(table.schema, wanted, strict=True)):
        return table.cast(wanted)  # loads `pyarrow.compute`, which takes as long as a small snapshot
    for column, field in zip(table.columns, wanted, strict=True):
        if column.null_count and not field.nullable:
            raise pa.ArrowInvalid(f"Casting field {field.name!r} with null values to non-nullable")
    return pa.Table.from_arrays(table.columns, schema=wanted)


def open_parquet(files: Files, path: str, kind: FileKind) -> CheckedFile:
    """Open a file of the store.

    :raises NotOnFileError: when it does not exist.
    :raises UnreadableFileError: when it is damaged or not of that kind.
    """
    source = files.source(path)
    try:
        return CheckedFile(source, files.url(path), kind)
    except BaseException:
        source.close()
        raise


@contextmanager
def open_any(storage: Storage, key: str, where: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file with any columns that is not part of a store.

    :param where: its full name, for messages.
    :raises StorageError: when it cannot be opened, or cannot be read within the block.
    """
    try:
        with pq.ParquetFile(key if storage.is_local else storage.filesystem.open(key, "rb")) as file:
            yield file
    except IOIntelligenceError:
        raise
    except Exception as error:
        if storage.is_local and not isinstance(error, (OSError, pa.ArrowException)):
            raise  # a bug; but file systems of object stores raise errors of any type
        raise storage.failure("read", f"{where} as Parquet", error) from None


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    """Convert exceptions of libraries to an error that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise NotOnFileError(f"Not on file: {where}") from None
    except _RefusedError as error:
        raise UnreadableFileError(
            f"{where} is no file of this store: {error}. Restore it or delete it."
        ) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise UnreadableFileError(
            f"{where} is no readable Parquet file: {error}. Restore it or delete it."
        ) from error


class _RefusedError(Exception):
    """A footer or row that violates the file's kind."""


def check_files(sources: Iterable[tuple[str, str]], kind: FileKind) -> list[bool]:
    """Refuse files on local disk that are damaged or not of a kind, before another library opens them.

    :param sources: the path of each, and its name for messages.
    :returns: of each, whether its bytes were verified; on others polars may end the process.
    :raises NotOnFileError: when a file no longer exists.
    :raises UnreadableFileError: when a file is refused.
    """
    verified = []
    for source, where in sources:
        with _refusing(where), pa.OSFile(source) as file:
            checked = CheckedFile(file, where, kind)
            checked.verify_pages()
            verified.append(checked.digest is not None)
    return verified


def check_bytes(data: bytes, where: str, kind: FileKind, unpacked: int) -> None:
    """Refuse bytes that are about to be written if they would be refused when they are read.

    :param unpacked: bytes of the table that was serialised.
    :raises UnreadableFileError: when they would be refused.
    """
    with CheckedFile(pa.BufferReader(data), where, kind) as file:
        if unpacked > unpacked_within(len(data)):  # the footer does not count what dictionaries repeat
            file.read()


def _size_of_texts(array: Any) -> int:
    """Return the bytes of an array's texts without dictionary encoding; fast, because batches are small."""
    if types.is_string(array.type) or types.is_large_string(array.type):
        offsets = memoryview(array.buffers()[1] or bytes(8)).cast("i" if types.is_string(array.type) else "q")
        return int(offsets[array.offset + len(array)] - offsets[array.offset])
    if types.is_dictionary(array.type):
        lengths = pl.Series(array.dictionary).str.len_bytes().cast(pl.Int64)
        indices = pl.Series(array.indices).drop_nulls()
        if not indices.is_between(0, lengths.len() - 1).all():
            raise _RefusedError("it refers to a text that its dictionary does not have")
        return int(lengths.gather(indices).sum())
    if types.is_list(array.type) or types.is_large_list(array.type):
        return _size_of_texts(array.flatten())
    if types.is_struct(array.type):
        return sum(map(_size_of_texts, array.flatten()))
    if types.is_string_view(array.type) or types.is_binary(array.type):
        raise _RefusedError(f"texts of the type {array.type} cannot be measured")
    return 0


def read_parquet(files: Files, path: str, kind: FileKind, chosen: pa.Schema | None = None) -> pa.Table:
    """Read the known columns of a file, or some of them, with its metadata; one that is newer is null.

    :param chosen: columns of the kind, all unless given.
    :raises NotOnFileError: when it does not exist.
    :raises UnreadableFileError: when it is damaged, or not of that kind.
    """
    with open_parquet(files, path, kind) as file:
        return file.read(chosen)


def _problem_of_table(table: pa.Table, kind: FileKind) -> str | None:
    looked_at = [
        field.name
        for field in table.schema
        if kind.check is not None or field.name in kind.required or types.is_temporal(field.type)
    ]
    return problem_of_rows(pl.DataFrame(table.select(looked_at)), kind) if looked_at else None


def _texts(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Return the entries that are text, because polars panics on others."""
    return {key: value for key, value in (metadata or {}).items() if _is_text(key) and _is_text(value)}


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def no_rows(schema: pa.Schema) -> pa.Table:
    """Return an empty table without ``empty_table``, which imports pandas and takes a second."""
    return pa.Table.from_batches([], schema)
