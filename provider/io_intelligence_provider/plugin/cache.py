"""Caches what was read, up to a limit in bytes; only one thread loads an entry."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

from cachetools import TLRUCache

from io_intelligence_provider.plugin.errors import UnreachableError

__all__ = ["DAMAGE_SECONDS", "LIMIT_BYTES", "STUCK_SECONDS", "Cache", "CacheEntry", "StuckError"]


T = TypeVar("T")

LIMIT_BYTES: Final = 256 * 2**20
"""The limit for one process. Three years of daily snapshots of 500 models take about a fifth of it."""

STUCK_SECONDS: Final = 20.0
"""The longest a read may take: after that, waiting threads get an error and the next request reads again."""

DAMAGE_SECONDS: Final = 60.0
"""How long an entry is kept if one of its files could not be read."""


class StuckError(UnreachableError):
    """Reports a read that does not return."""

    def __init__(self) -> None:
        super().__init__(
            f"The store did not answer within {STUCK_SECONDS:.0f} seconds. Check its storage, then ask again."
        )


@dataclass(frozen=True)
class CacheEntry(Generic[T]):
    """Holds a value to keep.

    :param size: its approximate size in bytes.
    :param seconds: how long it may be kept; by default as long as there is room. A value with an unreadable
        file behind it is kept for a short time, because the file may soon be readable.
    """

    value: T
    size: int
    seconds: float | None = None


class _Load(Future[CacheEntry[Any]]):
    """A load that one thread runs and others may wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = time.monotonic()


class Cache:
    """Keeps the most recently used values; thread-safe.

    :param limit: the largest sum of sizes in bytes. A larger value is loaded on every request.
    """

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._entries: TLRUCache[Hashable, CacheEntry[Any]] = TLRUCache(limit, _expiry, getsizeof=_size)
        self._loads: dict[Hashable, _Load] = {}
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Return the sum of the sizes in bytes of all entries."""
        with self._lock:
            return int(self._entries.currsize)

    def peek(self, key: Hashable) -> Any:
        """Return the value of a key, or ``None`` when it is not loaded."""
        with self._lock:
            entry = self._entries.get(key)
        return entry and entry.value

    def get(self, key: Hashable, load: Callable[[], CacheEntry[T]]) -> T:
        """Return the value of a key, loading it if necessary.

        Threads that need it meanwhile wait and share the result, or the error. After an error the next call
        loads again. A load that takes too long is left to its thread, and the next call starts another one.

        :raises StuckError: when another thread does not finish loading in time.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                return cast("T", entry.value)
            running = self._loads.get(key)
            if running is None or time.monotonic() - running.begun > STUCK_SECONDS:
                running, mine = _Load(), True
                self._loads[key] = running
            else:
                mine = False
        if mine:
            self._run(key, running, load)
        elif not wait([running], STUCK_SECONDS).done:
            raise StuckError
        return cast("T", running.result().value)

    def _run(self, key: Hashable, running: _Load, load: Callable[[], CacheEntry[Any]]) -> None:
        try:
            entry = load()
        except BaseException as error:
            self._finish(key, running)
            running.set_exception(error)
            raise
        self._finish(key, running, entry)
        running.set_result(entry)

    def _finish(self, key: Hashable, running: _Load, entry: CacheEntry[Any] | None = None) -> None:
        with self._lock:
            if self._loads.get(key) is not running:
                return  # it took too long, and another thread loads anew
            del self._loads[key]
            if entry is not None and entry.size <= self._limit:
                self._entries[key] = entry


def _expiry(_: Hashable, entry: CacheEntry[Any], now: float) -> float:
    return math.inf if entry.seconds is None else now + entry.seconds


def _size(entry: CacheEntry[Any]) -> int:
    return entry.size
