"""Reads the daily files of many days as one table, with the day as first column.

Three years of daily snapshots are a thousand files. Polars scans them in parallel, a batch at a time, and
the requested columns and models are pushed down into the scan. A month that was rolled up is one file. Files
without a digest, which older versions wrote, are read one by one with pyarrow, in two to five times the time.
Objects are fetched several at a time into a temporary folder and scanned there. When a scan fails, its files
are read again one by one, so that the error names the file.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import polars as pl
import pyarrow as pa

from io_intelligence_provider.errors import NotOnFileError, StorageError, in_temporary_folder
from io_intelligence_provider.storage.file_kind import FileKind, problem_of_rows, unpacked_within
from io_intelligence_provider.storage.filesystem import Files, OnDisk
from io_intelligence_provider.storage.parquet import check_files, no_rows, read_parquet

__all__ = [
    "ReadSegment",
    "dated",
    "dated_schema",
    "is_one_of",
    "read_days",
    "read_frame",
    "scan_days",
    "scan_months",
    "with_keys",
]

log = logging.getLogger(__name__)


T = TypeVar("T")


_BATCH_FILES: Final = 512
_BATCH_BYTES: Final = 64 << 20
"""Bytes scanned at once (of a month, those of its daily files); bounds the memory besides the result."""


@dataclass(frozen=True)
class ReadSegment:
    """Days to read together: one, or those of a rolled-up month.

    :param days: each day and the path of its daily file, oldest first.
    :param month: the path of the monthly file; ``None``: the segment is one day.
    :param size: total bytes of the month's daily files.
    :param has_all_days: whether the file holds no other days.
    """

    days: tuple[tuple[date, str], ...]
    month: str | None = None
    size: int = 0
    has_all_days: bool = True


def read_days(
    files: Files,
    kind: FileKind,
    segments: Iterable[ReadSegment],
    schema: pa.Schema | None = None,
    models: Collection[str] | None = None,
) -> pa.Table:
    """Return the files of several days as one table, in the order given, ``snapshot_date`` first.

    A day whose file was deleted after it was listed has no rows.

    :param kind: the kind of the daily files.
    :param schema: the columns to read, all current ones unless given; one that is newer than a file is null.
    :param models: names or ids of the rows to keep, all unless given; requires files with ``name`` and
        ``model_id``.
    :raises StorageError: when a file is damaged; the message names it.
    """
    schema = kind.schema() if schema is None else schema
    full = dated_schema(schema)

    def to_arrow(frame: pl.DataFrame) -> pa.Table:
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(full)

    parts = list(_Reading(files, kind, schema, models, to_arrow).all(segments))
    return pa.concat_tables(parts) if parts else no_rows(full)


def read_frame(
    files: Files,
    kind: FileKind,
    segments: Iterable[ReadSegment],
    schema: pa.Schema | None = None,
    models: Collection[str] | None = None,
) -> pl.DataFrame:
    """Return the result of :func:`read_days` as a polars frame, in two thirds of the time."""
    schema = kind.schema() if schema is None else schema
    parts = list(_Reading(files, kind, schema, models, lambda frame: frame).all(segments))
    return pl.concat(parts) if parts else pl.DataFrame(no_rows(dated_schema(schema)))


@dataclass(frozen=True)
class _Reading(Generic[T]):
    """One read. Each batch is converted before the next, so that the data are in memory in one form only."""

    files: Files
    kind: FileKind
    schema: pa.Schema
    models: Collection[str] | None
    convert: Callable[[pl.DataFrame], T]

    def all(self, segments: Iterable[ReadSegment]) -> Iterator[T]:
        for rolled_up, group in groupby(segments, key=lambda segment: segment.month is not None):
            if rolled_up:
                for batch in _months_at_once(group):
                    yield from self._months(batch)
            else:
                yield from self._days([day for segment in group for day in segment.days])

    def _months(self, segments: Sequence[ReadSegment]) -> Iterator[T]:
        found = self._scan_months(segments)
        if found is not None:
            yield found
        elif len(segments) > 1:
            for segment in segments:
                yield from self._months([segment])
        else:
            (segment,) = segments
            where = self.files.url(segment.month or "")
            log.warning(
                "%s cannot be read, so its daily files are read. If this happens again, delete it.", where
            )
            yield from self._days(segment.days)

    def _scan_months(self, segments: Sequence[ReadSegment]) -> T | None:
        days = [day for segment in segments for day in segment.days]
        between = None if all(segment.has_all_days for segment in segments) else (days[0][0], days[-1][0])
        paths = [segment.month for segment in segments if segment.month is not None]
        with self._folder() as folder:
            try:
                items = list(self.files.on_disk(paths, folder))
                month = self.kind.of_a_month(lambda: dated_schema(self.kind.schema()))
                verified = check_files(((item.file, self.files.url(item.path)) for item in items), month)
            except (StorageError, NotOnFileError) as error:
                log.debug("Months cannot be read: %s", error)
                return None
            if len(items) < len(segments) or not all(verified):
                return None
            return scan_months(items, between, self.schema, self.models, self._checked(items))

    def _days(self, days: Iterable[tuple[date, str]]) -> Iterator[T]:
        day_of = {path: day for day, path in days}
        with self._folder() as folder:
            for batch in _batches(self.files.on_disk(day_of, folder)):
                yield from self._batch(batch, day_of)
                for item in batch:
                    item.release()

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """Yield a folder for copies of remote files; of local ones there are none."""
        if self.files.is_local:
            yield Path()
            return
        with in_temporary_folder():
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        with folder as name:
            yield Path(name)

    def _batch(self, batch: Sequence[OnDisk], day_of: dict[str, date]) -> Iterator[T]:
        """Scan the verified files, as many in a row as there are, and read each of the others by itself."""
        try:
            checked = check_files(((item.file, self.files.url(item.path)) for item in batch), self.kind)
        except NotOnFileError:
            checked = [False] * len(batch)  # pruned since it was listed
        files = iter(batch)
        for verified, group in groupby(checked):
            items = list(islice(files, len(list(group))))
            found = (
                scan_days(items, day_of, self.schema, self.models, self._checked(items)) if verified else None
            )
            yield self.convert(self._one_by_one(items, day_of)) if found is None else found

    def _checked(self, items: Sequence[OnDisk]) -> Callable[[pl.DataFrame], T]:
        """Return a function that converts the rows of some files and raises when they violate the kind."""
        most = sum(unpacked_within(item.size) for item in items)

        def convert(frame: pl.DataFrame) -> T:
            texts = frame.select(pl.col(pl.String).str.len_bytes().cast(pl.Int64).sum())
            problem = problem_of_rows(frame, self.kind)
            if problem is not None or sum(map(sum, texts.rows())) > most:
                raise ValueError(problem or "texts that a dictionary holds unpack to too much")
            return self.convert(frame)

        return convert

    def _one_by_one(self, batch: Sequence[OnDisk], day_of: dict[str, date]) -> pl.DataFrame:
        parts = []
        for item in batch:
            try:
                table = read_parquet(self.files, item.path, self.kind, with_keys(self.schema, self.models))
            except NotOnFileError:
                log.debug("%s was pruned while it was read", item.path)
                continue
            if self.models is not None:
                keys = pl.DataFrame(table.select(["model_id", "name"]))
                table = table.filter(keys.select(is_one_of(self.models)).to_series().to_arrow())
            parts.append((day_of[item.path], table.select(self.schema.names)))
        return pl.DataFrame(dated(parts, self.schema))


def dated(parts: Iterable[tuple[date, pa.Table]], schema: pa.Schema) -> pa.Table:
    """Join the tables of several days, ``snapshot_date`` first."""
    full = dated_schema(schema)
    tables = [
        table.add_column(0, full.field(0), pa.repeat(pa.scalar(day, pa.date32()), table.num_rows)).cast(full)
        for day, table in parts
    ]
    return pa.concat_tables(tables) if tables else no_rows(full)


def dated_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with ``snapshot_date`` before the columns of a daily file."""
    return pa.schema([pa.field("snapshot_date", pa.date32(), nullable=False), *schema])


def _months_at_once(segments: Iterable[ReadSegment]) -> Iterator[list[ReadSegment]]:
    batch: list[ReadSegment] = []
    for segment in segments:
        if batch and sum(one.size for one in batch) + segment.size > _BATCH_BYTES:
            yield batch
            batch = []
        batch.append(segment)
    yield batch


def _batches(files: Iterable[OnDisk]) -> Iterator[list[OnDisk]]:
    batch: list[OnDisk] = []
    size = 0
    for file in files:
        if batch and (len(batch) == _BATCH_FILES or size + file.size > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


_STATISTICS_FROM: Final = 1 << 20
"""Bytes from which a file's statistics are used: a smaller file has a single row group."""

_FILE: Final = "__file"


def scan_days(
    items: Sequence[OnDisk],
    day_of: Mapping[str, date],
    schema: pa.Schema,
    models: Collection[str] | None,
    convert: Callable[[pl.DataFrame], T],
) -> T | None:
    """Scan several daily files together, in the order given.

    :param day_of: the day of each path, which becomes ``snapshot_date``.
    :param convert: converts the frame.
    """
    day_of_file = {item.file: day_of[item.path] for item in items}

    def read() -> T | None:
        large = sum(item.size for item in items) > _STATISTICS_FROM * len(items)
        scan = _scan(
            items,
            _types(with_keys(schema, models)),
            use_statistics=large,
            include_file_paths=_FILE,
            missing_columns="insert",
        )
        frame = _filtered(scan, models).select(_FILE, *schema.names).collect().rechunk()
        # One look-up per run of equal paths, not per row: half a million rows are a thousand runs.
        runs = frame.drop_in_place(_FILE).rle().struct.unnest()
        versions = pl.DataFrame({"day": [day_of_file[file] for file in runs["value"]], "len": runs["len"]})
        column = versions.select(pl.col("day").cast(pl.Date).repeat_by("len").explode()).to_series()
        return _checked(frame.insert_column(0, column.alias("snapshot_date")), schema, convert)

    return _guarded(read, items)


def scan_months(
    items: Sequence[OnDisk],
    between: tuple[date, date] | None,
    schema: pa.Schema,
    models: Collection[str] | None,
    convert: Callable[[pl.DataFrame], T],
) -> T | None:
    """Scan several monthly files together, in the order given.

    :param between: first and last day to keep, all unless given.
    :param convert: converts the frame.
    """

    def read() -> T | None:
        # No column has to be filled in: the fingerprint of a monthly file covers the columns.
        types = {"snapshot_date": pl.Date, **_types(with_keys(schema, models))}
        scan = _scan(items, types, missing_columns="raise")
        if between is not None:
            scan = scan.filter(pl.col("snapshot_date").is_between(*between))
        frame = _filtered(scan, models).select("snapshot_date", *schema.names).collect().rechunk()
        return _checked(frame, schema, convert)

    return _guarded(read, items)


def _scan(items: Sequence[OnDisk], types: Mapping[str, Any], **options: Any) -> pl.LazyFrame:
    return pl.scan_parquet(
        [item.file for item in items],
        schema=types,
        glob=False,
        hive_partitioning=False,
        extra_columns="ignore",
        **options,
    )


def _types(schema: pa.Schema) -> dict[str, Any]:
    return dict(pl.DataFrame(no_rows(schema)).schema)


def _filtered(scan: pl.LazyFrame, models: Collection[str] | None) -> pl.LazyFrame:
    return scan if models is None else scan.filter(is_one_of(models))


def _checked(frame: pl.DataFrame, schema: pa.Schema, convert: Callable[[pl.DataFrame], T]) -> T | None:
    required = ["snapshot_date", *(field.name for field in schema if not field.nullable)]
    if any(frame[name].null_count() for name in required):
        return None
    return convert(frame)


def _guarded(read: Callable[[], T | None], items: Sequence[OnDisk]) -> T | None:
    try:
        return read()
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        pa.ArrowException,
        OSError,
        ValueError,
    ) as error:
        log.debug("A scan of %s files failed: %s", len(items), error)
        return None


def with_keys(schema: pa.Schema, models: Collection[str] | None) -> pa.Schema:
    """Return a schema with the columns needed to filter by model, or with one to count rows."""
    keys = ("model_id", "name") if models is not None else () if len(schema) else ("name",)
    return pa.schema([*schema, *(pa.field(key, pa.string()) for key in keys if key not in schema.names)])


def is_one_of(models: Collection[str]) -> pl.Expr:
    """Return the condition that a row belongs to one of these models, by name or id."""
    ids = [model for model in models if _is_uuid(model)]
    condition = _in("name", models)
    return condition | _in("model_id", ids) if ids else condition


def _in(column: str, values: Collection[str]) -> pl.Expr:
    if len(values) == 1:
        return pl.col(column) == next(iter(values))
    return pl.col(column).is_in(pl.Series(list(values), dtype=pl.String).implode())


def _is_uuid(text: str) -> bool:
    """Return whether a text can be a ``model_id``; if not, that column need not be read."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
