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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.store.days import Piece, dated_schema, read_days
from io_intelligence_provider.store.files import Files
from io_intelligence_provider.store.layout import compacted_folder, daily_path, date_of
from io_intelligence_provider.store.stamps import Stamp
from io_intelligence_provider.store.when import When, within

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DailyFiles"]

log = logging.getLogger(__name__)

_FORMAT: Final = 1
"""Part of the fingerprint: a change of what is written makes every older file unknown."""

_FEWEST_DAYS: Final = 8
"""A month of fewer reads as fast day by day."""

_LARGEST_MONTH: Final = 64 << 20
"""Bytes of the daily files together: larger ones gain little, and a month is serialised in memory."""

_PIECE_BYTES: Final = 8 << 20
"""Bytes of daily files that are rolled up at a time."""

_ROW_GROUP: Final = 65_536


@dataclass(frozen=True)
class _Month:
    """A month that is over.

    :param days: its daily files, oldest first, each with its stamp.
    :param path: of the file that holds them, when it is there.
    """

    days: tuple[tuple[date, str, Stamp], ...]
    path: str


class DailyFiles:
    """The files of one kind of a store.

    :param part: the folder that holds the folders of the days.
    :param name: what the file of each day is called.
    :param schema: gives their columns.
    """

    def __init__(self, files: Files, part: str, name: str, schema: Callable[[], pa.Schema]) -> None:
        self._files = files
        self._part = part
        self._name = name
        self._schema = schema

    def dates(self) -> list[date]:
        """Return the dates that have a file, oldest first.

        :raises StorageError: when they cannot be listed.
        """
        return list(self._listed())

    def pieces(self, start: When | None = None, end: When | None = None) -> list[Piece]:
        """Return what is to be read for the days from ``start`` to ``end``, both included, oldest first."""
        listed = self._listed()
        asked = [day for day in listed if within(day, start, end)]
        rolled_up = self._rolled_up(listed, asked)
        pieces = []
        for month, group in groupby(asked, key=rolled_up.get):
            days = tuple((day, self._path(day)) for day in group)
            if month is None:
                pieces += [Piece((day,)) for day in days]
            else:
                pieces.append(Piece(days, month.path, whole=len(days) == len(month.days)))
        return pieces

    def _rolled_up(self, listed: Mapping[date, Stamp], asked: Sequence[date]) -> dict[date, _Month]:
        """Return the months on file that hold days asked for, by each of their days."""
        months = [
            month
            for month in self._months(listed)
            if asked and month.days[0][0] <= asked[-1] and asked[0] <= month.days[-1][0]
        ]
        there = set(self._files.list(compacted_folder(self._part))) if months else set()
        return {day: month for month in months if _name(month.path) in there for day, _, _ in month.days}

    def compact(self) -> None:
        """Roll up the months that are over, and delete what was rolled up of other files than stand now.

        A month with a damaged file is passed over with a warning.

        :raises StorageError: when a file cannot be listed, written or deleted.
        """
        folder = compacted_folder(self._part)
        # Listed before the daily files: what is there now and not wanted then is old for certain.
        there = {f"{folder}/{name}" for name in self._files.list(folder) if name.endswith(".parquet")}
        wanted = {month.path: month for month in self._months(self._listed())}
        for path in wanted.keys() - there:
            self._roll_up(wanted[path])
        for path in there - wanted.keys():
            self._files.delete(path)

    def _path(self, day: date) -> str:
        return daily_path(self._part, self._name, day)

    def _listed(self) -> dict[date, Stamp]:
        # A folder without its file is what a run leaves that was killed before its first commit.
        found = self._files.folders_with(self._name, self._part)
        days = ((date_of(folder), stamp) for folder, stamp in found.items())
        return dict(sorted((day, stamp) for day, stamp in days if day is not None))

    def _months(self, listed: Mapping[date, Stamp]) -> list[_Month]:
        """Return the months that are over, by the latest day, and worth one file."""
        if not listed:
            return []
        last = _month_of(max(listed))
        months = []
        for month, group in groupby(listed.items(), key=lambda item: _month_of(item[0])):
            days = tuple((day, self._path(day), stamp) for day, stamp in group)
            small = sum(stamp.size for _, _, stamp in days) <= _LARGEST_MONTH
            known = all(stamp.tag is not None for _, _, stamp in days)
            if month < last and len(days) >= _FEWEST_DAYS and small and known:
                path = f"{compacted_folder(self._part)}/{month}-{self._fingerprint(days)}.parquet"
                months.append(_Month(days, path))
        return months

    def _fingerprint(self, days: Sequence[tuple[date, str, Stamp]]) -> str:
        digest = hashlib.blake2b(f"{_FORMAT} {self._schema().names}".encode(), digest_size=16)
        for day, _, stamp in days:
            digest.update(f"\n{day} {stamp.size} {stamp.tag}".encode())
        return digest.hexdigest()

    def _roll_up(self, month: _Month) -> None:
        try:
            data = self._serialised(month)
        except StorageError as error:
            log.warning("%s is not rolled up: %s", _name(month.path), error)
            return
        # What was read is what the fingerprint says only if nothing was written meanwhile.
        if any(found.path == month.path for found in self._months(self._listed())):
            self._files.put(month.path, data)

    def _serialised(self, month: _Month) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        options: dict[str, Any] = {"compression": "zstd", "dictionary_pagesize_limit": _PIECE_BYTES}
        with pq.ParquetWriter(sink, dated_schema(self._schema()), **options) as writer:
            for pieces in _few_at_a_time(month):
                rows = read_days(self._files, pieces, self._schema())
                writer.write_table(rows, row_group_size=_ROW_GROUP)
        data: bytes = sink.getvalue().to_pybytes()
        return data


def _few_at_a_time(month: _Month) -> Iterator[list[Piece]]:
    pieces: list[Piece] = []
    size = 0
    for day, path, stamp in month.days:
        if pieces and size + stamp.size > _PIECE_BYTES:
            yield pieces
            pieces, size = [], 0
        pieces.append(Piece(((day, path),)))
        size += stamp.size
    yield pieces


def _month_of(day: date) -> str:
    return day.isoformat()[:7]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
