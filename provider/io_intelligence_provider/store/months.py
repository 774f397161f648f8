"""Lists the daily files of one kind and rolls up past months into one file each.

A thousand small files take a thousand opens, or requests on an object store. So the daily files of a past
month are also kept as one file: ``<root>/compacted/<part>/<month>-<fingerprint>.parquet``. The fingerprint
is computed from the daily files. When one of them is rewritten, added or deleted, there is no monthly file
with the new fingerprint, and the daily files are read until the month is rolled up again. So a monthly file
is never stale, the daily files are authoritative, and deleting ``compacted/`` loses no data.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.storage.file_kind import FileKind
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.local import FileVersion
from io_intelligence_provider.storage.parquet import read_parquet
from io_intelligence_provider.store.layout import When, compacted_folder, daily_path, date_of, within
from io_intelligence_provider.store.reading import ReadSegment, dated, dated_schema

__all__ = ["DailyFiles"]

log = logging.getLogger(__name__)


_FORMAT: Final = 2
"""Part of the fingerprint: raise it when the written form changes, which invalidates all older files."""

_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9a-f]{32}\.parquet")
"""The name of a monthly file; other files below ``compacted/`` are never deleted."""

_FEWEST_DAYS: Final = 8
"""A month of fewer days reads as fast day by day."""

_LARGEST_MONTH: Final = 64 << 20
"""Total bytes of the daily files: larger months gain little, and a month is serialised in memory."""

_BYTES_AT_A_TIME: Final = 8 << 20
"""Bytes of daily files that are rolled up at a time."""

_DICTIONARY_BYTES: Final = 8 << 20
"""Dictionary size: the texts of a month repeat every day, so one dictionary holds them all."""

_ROW_GROUP: Final = 65_536

_SETTLED_SECONDS: Final = 3.0
"""Some file systems store the time of a write in steps of one or two seconds."""


@dataclass(frozen=True)
class _Month:
    """A past month.

    :param days: its daily files, oldest first, each with its version.
    :param path: the path of its monthly file, if there is one.
    """

    days: tuple[tuple[date, str, FileVersion], ...]
    path: str

    @property
    def size(self) -> int:
        """Total bytes of its daily files."""
        return sum(version.size for _, _, version in self.days)

    @property
    def is_settled(self) -> bool:
        """Whether a further write of any of its files is certain to change the file's time."""
        written = (version.written for _, _, version in self.days if version.written is not None)
        return max(written, default=0.0) <= time.time() - _SETTLED_SECONDS


class DailyFiles:
    """The daily files of one kind in a store.

    :param part: the folder that holds the folders of the days.
    :param name: the name of each day's file.
    :param kind: the kind of file.
    """

    def __init__(self, files: Files, part: str, name: str, kind: FileKind) -> None:
        self._files = files
        self._part = part
        self._name = name
        self._kind = kind

    def dates(self) -> list[date]:
        """Return the dates that have a file, oldest first.

        :raises StorageError: when the files cannot be listed.
        """
        return list(self._listed())

    def segments(self, start: When | None = None, end: When | None = None) -> list[ReadSegment]:
        """Return the segments to read for the days from ``start`` to ``end``, both included, oldest first."""
        listed = self._listed(start, end)
        asked = [day for day in listed if within(day, start, end)]
        rolled_up = self._rolled_up(listed, asked)
        segments = []
        for month, group in groupby(asked, key=rolled_up.get):
            days = tuple((day, self._path(day)) for day in group)
            if month is None:
                segments += [ReadSegment((day,)) for day in days]
            else:
                has_all_days = len(days) == len(month.days)
                segments.append(ReadSegment(days, month.path, month.size, has_all_days))
        return segments

    def _rolled_up(self, listed: Mapping[date, FileVersion], asked: Sequence[date]) -> dict[date, _Month]:
        """Return the monthly files that hold requested days, by each of their days."""
        months = [
            month
            for month in self._months(listed)
            if asked and month.days[0][0] <= asked[-1] and asked[0] <= month.days[-1][0]
        ]
        try:
            there = self._there() if months else set()
        except StorageError as error:
            log.warning("The months of %s cannot be listed, so daily files are read: %s", self._part, error)
            return {}
        return {day: month for month in months if month.path in there for day, _, _ in month.days}

    def drop_stale(self) -> list[_Month]:
        """Delete the monthly files whose daily files have changed.

        :returns: the past months that are not rolled up, oldest first.
        :raises StorageError: when a file cannot be listed or deleted.
        """
        # Listed before the daily files, so that a monthly file written meanwhile is not deleted.
        there = self._there()
        months = self._months(self._listed())
        for path in there - {month.path for month in months}:
            self._files.delete(path)
        return [month for month in months if month.path not in there]

    def compact(self, most: int | None = None) -> None:
        """Delete stale monthly files and roll up past months, the newest first.

        A month that cannot be read is skipped with a warning.

        :param most: maximum number of months, all unless given.
        :raises StorageError: when a file cannot be listed, written or deleted.
        """
        if not self._files.supports_versions:
            return
        done = 0
        for month in reversed(self.drop_stale()):
            if done == most:
                break
            # A failing month does not count towards the limit; it would block all older ones in every run.
            done += month.is_settled and self._roll_up(month)

    def _there(self) -> set[str]:
        folder = compacted_folder(self._part)
        return {f"{folder}/{name}" for name in self._files.list(folder) if _MONTH.fullmatch(name)}

    def _path(self, day: date) -> str:
        return daily_path(self._part, self._name, day)

    def _listed(self, start: When | None = None, end: When | None = None) -> dict[date, FileVersion]:
        """Return the days that have a file; only those of the range when nothing is rolled up."""
        if self._files.supports_versions:
            start = end = None

        def wanted(folder: str) -> bool:
            day = date_of(folder)
            return day is not None and within(day, start, end)

        # A run that was killed before its first commit leaves a folder without the file.
        found = self._files.folders_with(self._name, self._part, wanted)
        days = ((date_of(folder), version) for folder, version in found.items())
        return dict(sorted((day, version) for day, version in days if day is not None))

    def _months(self, listed: Mapping[date, FileVersion]) -> list[_Month]:
        """Return the months before that of the latest day that are worth rolling up."""
        if not listed:
            return []
        last = _month_of(max(listed))
        months = []
        for month, group in groupby(listed.items(), key=lambda item: _month_of(item[0])):
            days = tuple((day, self._path(day), version) for day, version in group)
            if (
                month == last
                or len(days) < _FEWEST_DAYS
                or any(version.tag is None for _, _, version in days)
            ):
                continue
            path = f"{compacted_folder(self._part)}/{month}-{self._fingerprint(days)}.parquet"
            found = _Month(days, path)
            if found.size <= _LARGEST_MONTH:
                months.append(found)
        return months

    def _fingerprint(self, days: Sequence[tuple[date, str, FileVersion]]) -> str:
        digest = hashlib.blake2b(f"{_FORMAT} {self._kind.schema().names}".encode(), digest_size=16)
        for day, _, version in days:
            digest.update(f"\n{day} {version.size} {version.tag}".encode())
        return digest.hexdigest()

    def _roll_up(self, month: _Month) -> bool:
        """Write a monthly file; return whether its daily files could be read."""
        try:
            data = self._serialised(month)
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes pyarrow raise
            log.warning("%s is not rolled up: %s", month.path, error)
            return False
        self._files.put(month.path, data)
        # A daily file was written or pruned meanwhile, so the fingerprint is wrong.
        if all(found.path != month.path for found in self._months(self._listed())):
            self._files.delete(month.path)
        return True

    def _serialised(self, month: _Month) -> bytes:
        schema, sink = self._kind.schema(), pa.BufferOutputStream()
        options: dict[str, Any] = {"compression": "zstd", "dictionary_pagesize_limit": _DICTIONARY_BYTES}
        with pq.ParquetWriter(sink, dated_schema(schema), **options) as writer:
            for days in _few_at_a_time(month):
                parts = ((day, read_parquet(self._files, path, self._kind)) for day, path, _ in days)
                writer.write_table(dated(parts, schema), row_group_size=_ROW_GROUP)
        return with_digests(sink.getvalue())


def _few_at_a_time(month: _Month) -> Iterator[list[tuple[date, str, FileVersion]]]:
    few: list[tuple[date, str, FileVersion]] = []
    for one in month.days:
        if few and sum(version.size for _, _, version in [*few, one]) > _BYTES_AT_A_TIME:
            yield few
            few = []
        few.append(one)
    yield few


def _month_of(day: date) -> str:
    return day.isoformat()[:7]
