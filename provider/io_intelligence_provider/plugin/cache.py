"""Caches what was read, up to a limit in bytes; only one thread loads an entry."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast

from io_intelligence_provider.plugin.errors import UnreachableError

__all__ = [
    "DAMAGE_SECONDS",
    "LIMIT_BYTES",
    "STUCK_SECONDS",
    "Cache",
    "CacheEntry",
    "StuckError",
]


T = TypeVar("T")

LIMIT_BYTES: Final = 256 * 2**20
"""The limit for one process. Three years of daily snapshots of 500 models take about a fifth of it."""


STUCK_SECONDS: Final = 20.0
"""The longest a read may take: after that, waiting threads get an error and the next request reads again."""


class StuckError(UnreachableError):
    """Reports a read that does not return."""

    def __init__(self) -> None:
        super().__init__(
            f"The store did not answer within {STUCK_SECONDS:.0f} seconds. Check its storage, then ask again."
        )


DAMAGE_SECONDS: Final = 60.0
"""How long an entry is kept if one of its files could not be read."""


@dataclass(frozen=True)
class CacheEntry(Generic[T]):
    """Holds a value to keep.

    :param size: its approximate size in bytes.
    :param seconds: how long it may be kept; ``None``: as long as there is room. A value with an unreadable
        file behind it is kept for a short time, because the file may soon be readable.
    """

    value: T
    size: int
    seconds: float | None = None


@dataclass
class _Slot:
    made: CacheEntry[Any] | None = None
    until: float | None = None
    begun: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Cache:
    """Keeps the most recently used values; thread-safe.

    :param limit: the largest sum of sizes in bytes. A larger value is loaded on every request.
    """

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._entries: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    @property
    def size(self) -> int:
        """Return the sum of the sizes in bytes of all entries."""
        return self._size

    def get(self, key: Hashable, make: Callable[[], CacheEntry[T]]) -> T:
        """Return the value of a key, loading it if necessary; other threads that need it wait.

        Errors of ``make`` reach the caller, and the next call tries again. A load that takes too long is left
        to its thread, and the next call starts another one.

        :raises StuckError: when another thread does not finish loading in time.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._is_stuck(entry):
                entry = self._entries[key] = _Slot()
            self._entries.move_to_end(key)
        if not entry.lock.acquire(timeout=STUCK_SECONDS):
            raise StuckError
        try:
            made = self._valid(entry)
            if made is None:
                entry.begun = time.monotonic()
                try:
                    made = make()
                except BaseException:
                    self._forget(key, entry)
                    raise
                finally:
                    entry.begun = None
                self._keep(key, entry, made)
            return cast("T", made.value)
        finally:
            entry.lock.release()

    def _is_stuck(self, entry: _Slot) -> bool:
        """Return whether an entry has been loading for too long; its old value then counts no more."""
        stuck = entry.begun is not None and time.monotonic() - entry.begun > STUCK_SECONDS
        if stuck and entry.made is not None:
            self._size -= entry.made.size
        return stuck

    def peek(self, key: Hashable) -> Any:
        """Return the value of a key, or ``None`` when it is not loaded."""
        with self._lock:
            entry = self._entries.get(key)
        made = entry and self._valid(entry)
        return made.value if made else None

    @staticmethod
    def _valid(entry: _Slot) -> CacheEntry[Any] | None:
        return entry.made if entry.until is None or time.monotonic() < entry.until else None

    def _forget(self, key: Hashable, entry: _Slot) -> None:
        with self._lock:
            if self._entries.get(key) is entry:
                del self._entries[key]
                self._size -= entry.made.size if entry.made else 0

    def _keep(self, key: Hashable, entry: _Slot, made: CacheEntry[Any]) -> None:
        with self._lock:
            listed = self._entries.get(key) is entry
            if listed and made.size > self._limit:
                del self._entries[key]
                self._size -= entry.made.size if entry.made else 0
                listed = False
            if listed:
                self._size += made.size - (entry.made.size if entry.made else 0)
            entry.made = made
            entry.until = None if made.seconds is None else time.monotonic() + made.seconds
            if listed:
                self._evict()

    def _evict(self) -> None:
        """Remove the least recently used entries until the rest fits; loading ones have no size yet."""
        for key in list(self._entries):
            if self._size <= self._limit:
                return
            entry = self._entries[key]
            if entry.made is not None:
                del self._entries[key]
                self._size -= entry.made.size
