"""Reads ranges of days, around those that cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Final

import polars as pl

from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.plugin.problems import scrub

__all__ = ["gathered", "within"]

_GIVE_UP: Final = 30
"""Days that fail before one succeeds until the store counts as broken, not its files."""


def gathered(
    days: Sequence[date], read: Callable[[date, date], pl.DataFrame]
) -> tuple[list[pl.DataFrame], dict[date, str]]:
    """Read a range of days; where that fails, halve it until the days that cannot be read stand alone.

    :raises StorageError: when the first thirty all fail: then it is not the files.
    """
    frames: list[pl.DataFrame] = []
    damaged: dict[date, str] = {}
    waiting = [days] if days else []
    while waiting:
        part = waiting.pop()
        try:
            frames.append(read(part[0], part[-1]))
        except (StorageError, NotOnFileError) as error:
            if len(part) > 1:
                middle = len(part) // 2
                waiting += [part[middle:], part[:middle]]
                continue
            damaged[part[0]] = scrub(str(error))
            if not frames and len(damaged) >= _GIVE_UP:
                raise
    return frames, damaged


def within(day: date, start: date | None, end: date | None) -> bool:
    return (start is None or start <= day) and (end is None or day <= end)
