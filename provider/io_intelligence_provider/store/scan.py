"""Polars scans of daily files and of months: many files at once, filters and columns pushed down.

A scan returns ``None`` when anything is wrong with one of its files, without telling which: whoever asked
reads them one by one then, so that the error names the file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Any, Final, TypeVar
from uuid import UUID

import polars as pl
import pyarrow as pa

from io_intelligence_provider.storage.filesystem import OnDisk
from io_intelligence_provider.storage.parquet import no_rows

__all__ = ["is_one_of", "scan_days", "scan_months", "with_keys"]

T = TypeVar("T")

log = logging.getLogger(__name__)

_STATISTICS_FROM: Final = 1 << 20
"""Bytes from which a file's statistics are worth a look: a smaller one has a single row group."""

_FILE: Final = "__file"


def scan_days(
    items: Sequence[OnDisk],
    day_of: Mapping[str, date],
    schema: pa.Schema,
    models: Collection[str] | None,
    convert: Callable[[pl.DataFrame], T],
) -> T | None:
    """Read daily files at once, in the order given.

    :param day_of: the day of each path, which becomes ``snapshot_date``.
    :param convert: what becomes of the frame.
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
        # Runs of equal paths, not a look-up per row: half a million rows are a thousand runs.
        runs = frame.drop_in_place(_FILE).rle().struct.unnest()
        stamps = pl.DataFrame({"day": [day_of_file[file] for file in runs["value"]], "len": runs["len"]})
        column = stamps.select(pl.col("day").cast(pl.Date).repeat_by("len").explode()).to_series()
        return _checked(frame.insert_column(0, column.alias("snapshot_date")), schema, convert)

    return _guarded(read, items)


def scan_months(
    items: Sequence[OnDisk],
    between: tuple[date, date] | None,
    schema: pa.Schema,
    models: Collection[str] | None,
    convert: Callable[[pl.DataFrame], T],
) -> T | None:
    """Read files of a month each at once, in the order given.

    :param between: first and last day to keep, all unless given.
    :param convert: what becomes of the frame.
    """

    def read() -> T | None:
        # Nothing is filled in: the fingerprint in its name says that a month has every column.
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
    """Return a schema that also has the columns that models are known by, or one to count rows by."""
    keys = ("model_id", "name") if models is not None else () if len(schema) else ("name",)
    return pa.schema([*schema, *(pa.field(key, pa.string()) for key in keys if key not in schema.names)])


def is_one_of(models: Collection[str]) -> pl.Expr:
    """Return the condition that a row is of one of these models, by name or id."""
    ids = [model for model in models if _is_uuid(model)]
    condition = _in("name", models)
    return condition | _in("model_id", ids) if ids else condition


def _in(column: str, values: Collection[str]) -> pl.Expr:
    if len(values) == 1:
        return pl.col(column) == next(iter(values))
    return pl.col(column).is_in(pl.Series(list(values), dtype=pl.String).implode())


def _is_uuid(text: str) -> bool:
    """Tell whether a text can be a ``model_id``; what cannot spares reading that column."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
