"""The same file of many days as one table, the day first.

Three years of daily snapshots are a thousand files. Polars scans them in parallel, a batch at a time, and
the columns and models that are asked for are pushed down into the scan. Objects of an object store are
fetched several at a time into a temporary folder and scanned there. Whatever a scan stumbles over is read
again file by file, so that an error names the file.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import UUID

from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.store.files import Files, OnDisk
from io_intelligence_provider.store.parquet import read_parquet

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

__all__ = ["dated", "read_days", "read_frame"]

T = TypeVar("T")

log = logging.getLogger(__name__)

_BATCH_FILES: Final = 512
_BATCH_BYTES: Final = 64 << 20
"""What is scanned at once: it bounds what is in memory beside the result."""

_STATISTICS_FROM: Final = 1 << 20
"""Bytes from which a file's statistics are worth a look: a smaller one has a single row group."""

_FILE: Final = "__file"


def read_days(
    files: Files,
    days: Iterable[tuple[date, str]],
    schema: pa.Schema,
    models: Collection[str] | None = None,
) -> pa.Table:
    """Return the files of several days as one table, in the order given, ``snapshot_date`` first.

    A day whose file was deleted since it was listed has no rows.

    :param days: each day and the path of its file.
    :param schema: the columns to read; one that is newer than a file is null there.
    :param models: names or ids of the rows to keep, all unless given; the files hold ``name`` and
        ``model_id`` then.
    :raises StorageError: when a file is damaged; the message names it.
    """
    import polars as pl
    import pyarrow as pa

    full = _dated_schema(schema)

    def to_arrow(frame: pl.DataFrame) -> pa.Table:
        return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(full)

    parts = _read(files, days, schema, models, to_arrow)
    return pa.concat_tables(parts) if parts else _no_rows(full)


def read_frame(
    files: Files,
    days: Iterable[tuple[date, str]],
    schema: pa.Schema,
    models: Collection[str] | None = None,
) -> pl.DataFrame:
    """Return the same as :func:`read_days` in polars, which saves a third of the time."""
    import polars as pl

    parts = _read(files, days, schema, models, lambda frame: frame)
    return pl.concat(parts) if parts else pl.DataFrame(_no_rows(_dated_schema(schema)))


def _read(
    files: Files,
    days: Iterable[tuple[date, str]],
    schema: pa.Schema,
    models: Collection[str] | None,
    convert: Callable[[pl.DataFrame], T],
) -> list[T]:
    """Read batch after batch, each converted before the next: only one form of all is in memory."""
    day_of = {path: day for day, path in days}
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for batch in _batches(files.on_disk(day_of, Path(folder))):
            found = _scan(batch, day_of, schema, models, convert)
            parts.append(
                convert(_one_by_one(files, batch, day_of, schema, models)) if found is None else found
            )
            for item in batch:
                item.release()
    return parts


def dated(parts: Iterable[tuple[date, pa.Table]], schema: pa.Schema) -> pa.Table:
    """Join the tables of several days, ``snapshot_date`` first."""
    import pyarrow as pa

    full = _dated_schema(schema)
    tables = [
        table.add_column(0, full.field(0), pa.repeat(pa.scalar(day, pa.date32()), table.num_rows)).cast(full)
        for day, table in parts
    ]
    return pa.concat_tables(tables) if tables else _no_rows(full)


def _dated_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([pa.field("snapshot_date", pa.date32(), nullable=False), *schema])


def _no_rows(schema: pa.Schema) -> pa.Table:
    """Return an empty table. Not ``empty_table``: making arrays of lists imports pandas, for a second."""
    import pyarrow as pa

    return pa.Table.from_batches([], schema)


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


def _scan(
    batch: Sequence[OnDisk],
    day_of: dict[str, date],
    schema: pa.Schema,
    models: Collection[str] | None,
    convert: Callable[[pl.DataFrame], T],
) -> T | None:
    """Read a batch at once; ``None`` when anything is wrong with it."""
    import polars as pl
    import pyarrow as pa

    types = dict(pl.DataFrame(_no_rows(_with_keys(schema, models))).schema)
    scan = pl.scan_parquet(
        [file.file for file in batch],
        schema=types,
        glob=False,
        hive_partitioning=False,
        missing_columns="insert",
        extra_columns="ignore",
        use_statistics=sum(file.size for file in batch) > _STATISTICS_FROM * len(batch),
        include_file_paths=_FILE,
    )
    if models is not None:
        scan = scan.filter(_is_one_of(models))
    day_of_file = {file.file: day_of[file.path] for file in batch}
    try:
        frame = scan.select(_FILE, *schema.names).collect().rechunk()
        # Runs of equal paths, not a look-up per row: half a million rows are a thousand runs.
        runs = frame.drop_in_place(_FILE).rle().struct.unnest()
        stamps = pl.DataFrame({"day": [day_of_file[file] for file in runs["value"]], "len": runs["len"]})
        column = stamps.select(pl.col("day").cast(pl.Date).repeat_by("len").explode()).to_series()
        if any(frame[field.name].null_count() for field in schema if not field.nullable):
            return None
        return convert(frame.insert_column(0, column.alias("snapshot_date")))
    except (
        pl.exceptions.PolarsError,
        pl.exceptions.PanicException,
        pa.ArrowException,
        OSError,
        ValueError,
    ) as error:
        log.debug("Reading %s files one by one: %s", len(batch), error)
        return None


def _one_by_one(
    files: Files,
    batch: Sequence[OnDisk],
    day_of: dict[str, date],
    schema: pa.Schema,
    models: Collection[str] | None,
) -> pl.DataFrame:
    import polars as pl

    parts = []
    for item in batch:
        try:
            table = read_parquet(files, item.path, _with_keys(schema, models))
        except NotOnFileError:
            log.debug("%s was pruned while it was read", item.path)
            continue
        if models is not None:
            keep = pl.DataFrame(table.select(["model_id", "name"])).select(_is_one_of(models)).to_series()
            table = table.filter(keep.to_arrow())
        parts.append((day_of[item.path], table.select(schema.names)))
    return pl.DataFrame(dated(parts, schema))


def _with_keys(schema: pa.Schema, models: Collection[str] | None) -> pa.Schema:
    """Return a schema that also has the columns that models are known by, or one to count rows by."""
    import pyarrow as pa

    keys = ("model_id", "name") if models is not None else () if len(schema) else ("name",)
    return pa.schema([*schema, *(pa.field(key, pa.string()) for key in keys if key not in schema.names)])


def _is_one_of(models: Collection[str]) -> pl.Expr:
    """Return the condition that a row is of one of these models, by name or id."""
    ids = [model for model in models if _is_uuid(model)]
    condition = _in("name", models)
    return condition | _in("model_id", ids) if ids else condition


def _in(column: str, values: Collection[str]) -> pl.Expr:
    import polars as pl

    if len(values) == 1:
        return pl.col(column) == next(iter(values))
    return pl.col(column).is_in(pl.Series(list(values), dtype=pl.String).implode())


def _is_uuid(text: str) -> bool:
    """Tell whether a text can be a ``model_id``; what cannot spares reading that column."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
