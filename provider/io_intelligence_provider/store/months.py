"""The files of one kind, a day each, and the months rolled up from them.

A thousand small files cost a thousand openings, on an object store a thousand requests. So the daily files
of a month that is over are also kept as one: ``<root>/compacted/<part>/<month>-<fingerprint>.parquet``. The
fingerprint is that of the daily files it was made of: when one of them is filed again, added or deleted, no
file bears the new fingerprint, and the daily files are read until the month is rolled up again. So a month
is never stale, the daily files stay the truth, and to delete ``compacted/`` costs nothing but time.
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
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.local import FileVersion
from io_intelligence_provider.storage.parquet import FileKind, read_parquet
from io_intelligence_provider.store.layout import When, compacted_folder, daily_path, date_of, within
from io_intelligence_provider.store.reading import ReadSegment, dated, dated_schema

__all__ = ["DailyFiles"]

log = logging.getLogger(__name__)


_FORMAT: Final = 1
"""Part of the fingerprint: a change of what is written makes every older file unknown."""

_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9a-f]{32}\.parquet")
"""What a month's file is called: nothing else below ``compacted/`` is ours to delete."""

_FEWEST_DAYS: Final = 8
"""A month of fewer reads as fast day by day."""

_LARGEST_MONTH: Final = 64 << 20
"""Bytes of the daily files together: larger ones gain little, and a month is serialised in memory."""

_BYTES_AT_A_TIME: Final = 8 << 20
"""Bytes of daily files that are rolled up at a time."""

_DICTIONARY_BYTES: Final = 8 << 20
"""A month's texts repeat day after day: room for a dictionary of all of them."""

_ROW_GROUP: Final = 65_536

_SETTLED_SECONDS: Final = 3.0
"""Some file systems tell the time of a write by the second, or by two."""


@dataclass(frozen=True)
class _Month:
    """A month that is over.

    :param days: its daily files, oldest first, each with its version.
    :param path: of the file that holds them, when it is there.
    """

    days: tuple[tuple[date, str, FileVersion], ...]
    path: str

    @property
    def size(self) -> int:
        """Bytes of its daily files."""
        return sum(version.size for _, _, version in self.days)

    @property
    def is_settled(self) -> bool:
        """Whether another write of one of its files would bear another time for certain."""
        written = (version.written for _, _, version in self.days if version.written is not None)
        return max(written, default=0.0) <= time.time() - _SETTLED_SECONDS


class DailyFiles:
    """The files of one kind of a store.

    :param part: the folder that holds the folders of the days.
    :param name: what the file of each day is called.
    :param kind: what each can be.
    """

    def __init__(self, files: Files, part: str, name: str, kind: FileKind) -> None:
        self._files = files
        self._part = part
        self._name = name
        self._kind = kind

    def dates(self) -> list[date]:
        """Return the dates that have a file, oldest first.

        :raises StorageError: when they cannot be listed.
        """
        return list(self._listed())

    def segments(self, start: When | None = None, end: When | None = None) -> list[ReadSegment]:
        """Return what is to be read for the days from ``start`` to ``end``, both included, oldest first."""
        listed = self._listed(start, end)
        asked = [day for day in listed if within(day, start, end)]
        rolled_up = self._rolled_up(listed, asked)
        segments = []
        for month, group in groupby(asked, key=rolled_up.get):
            days = tuple((day, self._path(day)) for day in group)
            if month is None:
                segments += [ReadSegment((day,)) for day in days]
            else:
                whole = len(days) == len(month.days)
                segments.append(ReadSegment(days, month.path, month.size, whole))
        return segments

    def _rolled_up(self, listed: Mapping[date, FileVersion], asked: Sequence[date]) -> dict[date, _Month]:
        """Return the months on file that hold days asked for, by each of their days."""
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
        """Delete what was rolled up of other files than stand now.

        :returns: the months that are over and not rolled up, oldest first.
        :raises StorageError: when a file cannot be listed or deleted.
        """
        # Listed before the daily files: what is there now and not wanted then is old for certain.
        there = self._there()
        months = self._months(self._listed())
        for path in there - {month.path for month in months}:
            self._files.delete(path)
        return [month for month in months if month.path not in there]

    def compact(self, most: int | None = None) -> None:
        """Do that, and roll up the months that are over, the newest first.

        A month that cannot be read is passed over with a warning.

        :param most: how many at most, all unless given.
        :raises StorageError: when a file cannot be listed, written or deleted.
        """
        if not self._files.supports_versions:
            return
        done = 0
        for month in reversed(self.drop_stale()):
            if done == most:
                break
            # One that fails takes nobody's turn: it would each time, and older ones would never be rolled up.
            done += month.is_settled and self._roll_up(month)

    def _there(self) -> set[str]:
        folder = compacted_folder(self._part)
        return {f"{folder}/{name}" for name in self._files.list(folder) if _MONTH.fullmatch(name)}

    def _path(self, day: date) -> str:
        return daily_path(self._part, self._name, day)

    def _listed(self, start: When | None = None, end: When | None = None) -> dict[date, FileVersion]:
        """Return the days that have a file; those of a range are enough where nothing is rolled up."""
        if self._files.supports_versions:
            start = end = None

        def wanted(folder: str) -> bool:
            day = date_of(folder)
            return day is not None and within(day, start, end)

        # A folder without its file is what a run leaves that was killed before its first commit.
        found = self._files.folders_with(self._name, self._part, wanted)
        days = ((date_of(folder), version) for folder, version in found.items())
        return dict(sorted((day, version) for day, version in days if day is not None))

    def _months(self, listed: Mapping[date, FileVersion]) -> list[_Month]:
        """Return the months that are over, by the latest day, and worth one file."""
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
        """Write a month; tell whether it could be read."""
        try:
            data = self._serialised(month)
        except Exception as error:  # noqa: BLE001 - whatever a damaged file makes pyarrow raise
            log.warning("%s is not rolled up: %s", month.path, error)
            return False
        self._files.put(month.path, data)
        # Written, replaced or pruned meanwhile: then it is not what its name says, or must not be there.
        if all(found.path != month.path for found in self._months(self._listed())):
            self._files.delete(month.path)
        return True

    def _serialised(self, month: _Month) -> bytes:
        schema, sink = self._kind.schema(), pa.BufferOutputStream()
        options: dict[str, Any] = {"compression": "zstd", "dictionary_pagesize_limit": _DICTIONARY_BYTES}
        with pq.ParquetWriter(sink, dated_schema(schema), **options) as writer:
            for days in _few_at_a_time(month):
                # By pyarrow, file by file: at damaged bytes a scan by polars can end the process.
                parts = ((day, read_parquet(self._files, path, self._kind)) for day, path, _ in days)
                writer.write_table(dated(parts, schema), row_group_size=_ROW_GROUP)
        data: bytes = sink.getvalue().to_pybytes()
        return data


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
