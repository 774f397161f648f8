"""Finds duplicate keys over batches that are never in memory together.

Each row's key becomes two hashes of 64 bits. Up to four million are kept in memory; more are spread over
temporary files by their first bits, and each file is searched separately. Two different keys with the same
128 bits would be reported as duplicates: with 10 billion rows the odds are about 1 to 7 x 10^18.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import polars as pl
import pyarrow as pa

from io_intelligence_provider.errors import in_temporary_folder
from io_intelligence_provider.quality.batches import Batch, Source
from io_intelligence_provider.quality.frames import frame_columns
from io_intelligence_provider.quality.prepare import UNIQUE_COLUMN, Prepared, Unique
from io_intelligence_provider.quality.profile import without_categories
from io_intelligence_provider.quality.validator import BatchValidator, DuplicateKeys

__all__ = ["Repeated", "find_duplicate_keys", "key_hashes"]


_IN_MEMORY: Final = 4_000_000
"""Keys: 24 bytes each."""
_BUCKETS: Final = 64
_SEEDS: Final = (11, 23)


def key_hashes(frame: Any, rows: Any) -> pl.DataFrame:
    """Return the hashes of the keys in a frame: ``row``, ``a``, ``b``.

    Nulls are equal to each other, and so are NaNs, as in pandera. Text is hashed as text, even when it is
    dictionary-encoded.

    :param rows: the position of each key in the data set.
    """
    keys = frame if isinstance(frame, pl.DataFrame) else pl.from_pandas(frame, nan_to_null=True)
    keys = keys.cast({name: without_categories(dtype) for name, dtype in keys.schema.items()})
    a, b = (keys.hash_rows(seed) for seed in _SEEDS)
    return pl.DataFrame({"row": pl.Series(rows, dtype=pl.Int64), "a": a, "b": b})


class Repeated:
    """Collects keys and marks the rows that repeat one.

    :param keep: ``first`` or ``last``: that occurrence is not reported; ``False``: all are.
    :param rows: number of rows of the data set.
    """

    def __init__(self, keep: str | bool, rows: int) -> None:
        self._keep = keep
        self._rows = rows
        self._kept: list[pl.DataFrame] = []
        self._count = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, hashes: pl.DataFrame) -> None:
        """Add the hashes of one batch."""
        self._kept.append(hashes)
        self._count += hashes.height
        if self._count > _IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        hashes = pl.concat(self._kept)
        with in_temporary_folder():
            if self._folder is None:
                self._folder = tempfile.TemporaryDirectory(prefix="unique-", ignore_cleanup_errors=True)
            for (bucket,), part in hashes.group_by(pl.col("a") % _BUCKETS):
                with Path(self._folder.name, str(bucket)).open("ab") as file:
                    part.write_ipc_stream(file)
        self._kept, self._count = [], 0

    def _groups(self) -> Iterator[pl.DataFrame]:
        if self._folder is None:
            if self._kept:
                yield pl.concat(self._kept)
            return
        if self._kept:
            self._spill()
        for path in sorted(Path(self._folder.name).iterdir()):
            yield _read(path)

    def finish(self) -> pl.Series:
        """Return for every row of the data set whether it repeats a key."""
        marks = pl.repeat(value=False, n=self._rows, dtype=pl.Boolean, eager=True)
        for group in self._groups():
            key = pl.struct("a", "b")
            if self._keep is False:
                repeats = group.filter(key.is_duplicated())
            else:
                kept = key.is_first_distinct() if self._keep == "first" else key.is_last_distinct()
                repeats = group.sort("row").filter(~kept)
            marks.scatter(repeats["row"].sort(), True)  # polars 1.35 takes no others
        return marks


def _read(path: Path) -> pl.DataFrame:
    """Read the Arrow streams that were appended to a spill file."""
    tables = []
    with pa.OSFile(str(path)) as file:
        while file.tell() < file.size():
            tables.append(pa.ipc.open_stream(file).read_all())
    return pl.DataFrame(pa.concat_tables(tables))


def find_duplicate_keys(source: Source | Batch, validator: BatchValidator) -> list[DuplicateKeys]:
    """Read the keys of a data set and return, for each key, the rows that repeat it.

    Keys are compared as the schema parses them. A value that cannot be parsed, or is null where the schema
    allows none, is refused for that, and its row has no key.

    :param source: the data set, or all its rows in one batch, when the schema may parse parts differently or
        add columns.
    """
    prepared = validator.prepared
    if isinstance(source, Batch):
        names = list(map(str, validator.parse(source, again=True).frame.columns)) if prepared.unique else []
    else:
        names = frame_columns(source.schema, prepared)
        names += prepared.added(names)
    keys = [(unique, columns) for unique in prepared.unique for columns in unique.resolved(names)]
    if not keys:
        return []
    wanted = {name for _, columns in keys for name in columns}
    batches: Iterable[Batch]
    if isinstance(source, Batch):
        batches, rows, parses = [source], source.rows, prepared.parses
    else:
        parses = any(map(prepared.changes, wanted)) or not wanted.issubset(source.schema.names)
        read = None
        if prepared.row_type is None or not parses:  # else each row is read as a whole
            validator = BatchValidator(prepared.restricted(wanted), validator.floats)
            read = [name for name in source.schema.names if name in wanted] or source.schema.names[:1]
        batches, rows = source.batches(read), source.rows
    with ExitStack() as stack:
        collected_keys = [stack.enter_context(Repeated(unique.keep, rows)) for unique, _ in keys]
        for batch in batches:
            frame, unreadable = _key_values(batch, validator) if parses else (batch.table, {})
            for (unique, columns), collected in zip(keys, collected_keys, strict=True):
                names = [prepared.source_name(name, frame.column_names) for name in columns]
                kept = _rows_with_key(frame.select(names), unique, columns, unreadable, prepared)
                key: Any = pl.from_arrow(frame.select(names))
                collected.add(key_hashes(key[kept], kept + batch.offset))
        return [
            DuplicateKeys(unique.check, columns, collected.finish())
            for (unique, columns), collected in zip(keys, collected_keys, strict=True)
        ]


def _key_values(batch: Batch, validator: BatchValidator) -> tuple[pa.Table, Mapping[str | None, set[int]]]:
    """Return a batch as the schema parses it, and the rows whose values cannot be parsed, by column."""
    parsed = validator.parse(batch, again=True)
    unreadable = {column: set(parsed.positions(rows)) for column, rows in parsed.unreadable.items()}
    return validator.output(batch, parsed), unreadable


def _rows_with_key(
    table: pa.Table,
    unique: Unique,
    columns: tuple[str, ...],
    unreadable: Mapping[str | None, set[int]],
    prepared: Prepared,
) -> pl.Series:
    rows = pl.int_range(table.num_rows, eager=True)
    without = set().union(*(unreadable.get(name, set()) for name in (None, *columns)))
    if without:
        rows = rows.filter(~rows.is_in(sorted(without)))
    column = prepared.column_of(columns[0])
    if unique.check == UNIQUE_COLUMN and column is not None and not column.nullable:
        values: Any = pl.from_arrow(table[0])
        missing = values.is_null() | values.is_nan() if values.dtype.is_float() else values.is_null()
        rows = rows.filter(~missing.gather(rows))
    return rows
