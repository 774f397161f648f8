"""Returns stored snapshots as results of checks, so that history checks work on them as on any data set."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import polars as pl

from io_intelligence_provider.contract.columns import COLUMNS, arrow_schema
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.errors import NotOnFileError, UnreadableFileError
from io_intelligence_provider.quality.profile import Profiler
from io_intelligence_provider.quality.result import CheckRun, ColumnProfile
from io_intelligence_provider.storage.parquet import open_parquet
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.models_file import MODELS_KIND, chosen_columns
from io_intelligence_provider.store.store import SnapshotStore, When

__all__ = ["catalogue_runs", "footer_profile", "snapshot_profile", "with_columns"]

log = logging.getLogger(__name__)


def catalogue_runs(
    store: SnapshotStore, start: When | None = None, end: When | None = None
) -> list[CheckRun]:
    """Return every stored run as a result, stopped ones included, oldest first.

    Committed runs have the profile of their models. When a snapshot file cannot be used, a warning is logged
    and its run has no profile. A replay reads all days within minutes, so ``checked_at`` is the beginning of
    the snapshot's date where the catalogue was not read on that date.

    :param start: first snapshot date, all unless given.
    :param end: last snapshot date, included.
    :raises StorageError: when the storage does not respond.
    """
    return list(_runs(store, start, end))


def _runs(store: SnapshotStore, start: When | None, end: When | None) -> Iterator[CheckRun]:
    dates = frozenset(store.dates())
    for report in store.runs(start, end):
        profile: tuple[ColumnProfile, ...] = ()
        try:
            day = report.snapshot_date
            if day in dates and store.info(day).snapshot_id == report.snapshot_id:
                profile = snapshot_profile(store, day)
        except (UnreadableFileError, NotOnFileError) as error:
            log.warning("The run %s has no profile: %s", report.snapshot_id, error)
        yield _as_run(with_columns(report, profile), _when(report))


def _as_run(report: QualityReport, checked_at: datetime) -> CheckRun:
    # Without what a report adds: `fetched_at` is its `checked_at`, and must stay what it was.
    values = {field.name: getattr(report, field.name) for field in fields(CheckRun)}
    return CheckRun(**values | {"checked_at": checked_at})


def _when(report: QualityReport) -> datetime:
    if report.fetched_at.astimezone(UTC).date() == report.snapshot_date:
        return report.fetched_at
    return datetime.combine(report.snapshot_date, time(), UTC)


def snapshot_profile(store: SnapshotStore, when: When = "latest") -> tuple[ColumnProfile, ...]:
    """Return the profile of a snapshot's models, for the columns that its file has.

    :raises NotOnFileError: when there is no such snapshot.
    """
    profiler = Profiler()
    with open_parquet(store.files, models_path(store.resolve(when)), MODELS_KIND) as file:
        # A column that is newer than the file is read as null, but its values are unknown.
        names = [column.name for column in COLUMNS if column.name in file.schema.names]
        profiler.add(pl.DataFrame(file.read(chosen_columns(names))))
    return profiler.finish()


def footer_profile(store: SnapshotStore, when: When = "latest") -> tuple[ColumnProfile, ...]:
    """Return rows, nulls and bounds of a snapshot's columns from its file's footer, without reading data.

    Lists are left out, because their leaves have other names, and so are columns without a null count.

    :raises NotOnFileError: when there is no such snapshot.
    """
    with open_parquet(store.files, models_path(store.resolve(when)), MODELS_KIND) as file:
        metadata = file.metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [metadata.schema.column(number) for number in range(metadata.num_columns)]
    profiles = (
        _footer(column.name, metadata.num_rows, [group.column(number).statistics for group in groups])
        for number, column in enumerate(columns)
        if column.path == column.name
    )
    return tuple(profile for profile in profiles if profile is not None)


def _footer(name: str, rows: int, statistics: list[Any]) -> ColumnProfile | None:
    if any(group is None or not group.has_null_count for group in statistics):
        return None
    bounds = [(group.min, group.max) for group in statistics if group.has_min_max]
    smallest = _plain(min((low for low, _ in bounds), default=None))
    greatest = _plain(max((high for _, high in bounds), default=None))
    return ColumnProfile(
        name, rows, sum(group.null_count for group in statistics), min=smallest, max=greatest
    )


def _plain(bound: Any) -> float | str | None:
    """Return a bound that is a number or a time, else ``None``."""
    if isinstance(bound, datetime):
        return bound.isoformat()
    is_number = isinstance(bound, (int, float, Decimal)) and not isinstance(bound, bool)
    return float(bound) if is_number else None


def with_columns(report: QualityReport, profile: tuple[ColumnProfile, ...] = ()) -> QualityReport:
    """Return a report with the columns of the catalogue and, if given, their profile."""
    columns = tuple((field.name, str(field.type)) for field in arrow_schema())
    return replace(report, columns=columns, profile=profile)
