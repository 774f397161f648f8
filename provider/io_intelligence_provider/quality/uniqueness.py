"""Finds duplicate keys over batches that are never in memory together.

Each row's key becomes two hashes of 64 bits. Up to four million are kept in memory; more are spread over
temporary files by their first bits, and each file is searched separately. Two different keys with the same
128 bits would be reported as duplicates: with 10 billion rows the odds are about 1 to 7 x 10^18.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import polars as pl
import pyarrow as pa

from io_intelligence_provider.quality.batches import Batch, Source
from io_intelligence_provider.quality.frames import frame_columns, to_frame
from io_intelligence_provider.quality.prepare import COERCION, DTYPE, Prepared
from io_intelligence_provider.quality.validator import BatchValidator, DuplicateKeys

__all__ = ["Repeated", "find_duplicate_keys", "key_frame", "key_hashes"]


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
    keys = keys.with_columns(
        pl.col(pl.Categorical, pl.Enum).cast(pl.String),
        # Types that polars cannot hash are hashed as JSON.
        *(
            pl.struct(name).struct.json_encode().alias(name)
            for name, dtype in keys.schema.items()
            if dtype.is_nested()
        ),
    )
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
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="unique-")
        hashes = pl.concat(self._kept)
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
            marks.scatter(repeats["row"], True)
        return marks


def _read(path: Path) -> pl.DataFrame:
    """Read the Arrow streams that were appended to a spill file."""
    tables = []
    with pa.OSFile(str(path)) as file:
        while file.tell() < file.size():
            tables.append(pa.ipc.open_stream(file).read_all())
    return pl.DataFrame(pa.concat_tables(tables))


def find_duplicate_keys(
    source: Source, prepared: Prepared, validator: BatchValidator, *, whole: bool = False
) -> list[DuplicateKeys]:
    """Read the keys of a data set and return, for each key, the rows that repeat it.

    Keys are compared as the schema parses them. A row whose value cannot be parsed is refused for that and
    has no key.

    :param whole: parse all rows in one batch, because the schema may parse parts differently.
    """
    keys = [
        (unique, columns)
        for unique in prepared.unique
        for columns in unique.resolved(frame_columns(source.schema, prepared))
    ]
    if not keys:
        return []
    wanted = (
        None
        if prepared.parses or prepared.index
        else sorted({name for _, columns in keys for name in columns})
    )
    with ExitStack() as stack:
        collected_keys = [stack.enter_context(Repeated(unique.keep, source.rows)) for unique, _ in keys]
        for batch in _whole(source) if whole else source.batches(wanted):
            frame, rows = key_frame(batch.table, prepared, validator)
            for (_, columns), collected in zip(keys, collected_keys, strict=True):
                collected.add(key_hashes(frame[list(columns)], rows + batch.offset))
        return [
            DuplicateKeys(unique.check, columns, collected.finish())
            for (unique, columns), collected in zip(keys, collected_keys, strict=True)
        ]


def _whole(source: Any) -> list[Batch]:
    return [Batch(source.table, "", 0, 0)]


def key_frame(table: pa.Table, prepared: Prepared, validator: BatchValidator) -> tuple[Any, pl.Series]:
    """Return a table as the schema parses it, and the positions of the remaining rows."""
    rows = pl.int_range(table.num_rows, eager=True)
    if not prepared.parses:
        return to_frame(table, prepared) if prepared.index else pl.from_arrow(table), rows
    parsed = validator.parsed(table)
    if parsed is None:
        unreadable = {
            row
            for failed in validator.failures_of(Batch(table, "", 0, 0))
            if failed.check in (COERCION, DTYPE)
            for row in failed.rows or ()
        }
        rows = rows.filter(~rows.is_in(sorted(unreadable)))
        table = table.take(rows.to_arrow())
        parsed = validator.parsed(table)
        if parsed is None:  # the whole column has the wrong type: compared as it is
            return pl.from_arrow(table), rows
    frame, left = parsed
    return frame, rows.gather(left)
