"""Caches what was read within a bound of bytes; each entry is loaded by one thread only."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

from io_intelligence_provider.plugin.errors import UnreachableError
from io_intelligence_provider.plugin.listing import Listing, Quarter

__all__ = [
    "DAMAGE_SECONDS",
    "LIMIT_BYTES",
    "STUCK_SECONDS",
    "Cache",
    "CacheEntry",
    "QuarterCache",
    "StuckError",
]


T = TypeVar("T")

LIMIT_BYTES: Final = 256 * 2**20
"""Most that one process keeps. Three years of daily snapshots of 500 models take about a fifth of it."""


STUCK_SECONDS: Final = 20.0
"""How long a read may take: then whoever waits for it is told, and the next one who asks tries anew."""


class StuckError(UnreachableError):
    """A read does not come back."""

    def __init__(self) -> None:
        super().__init__(
            f"The store did not answer within {STUCK_SECONDS:.0f} seconds. Check its storage, then ask again."
        )


DAMAGE_SECONDS: Final = 60.0
"""How long something is kept that rests on a file which could not be read."""


@dataclass(frozen=True)
class CacheEntry(Generic[T]):
    """Something to keep.

    :param size: its size in bytes, as near as is cheap to tell.
    :param seconds: how long it may be kept; ``None``: as long as there is room. What rests on a file that
        could not be read is kept for a short time, as the next look may find it whole.
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
    """Keeps the most recently used things; thread-safe.

    :param limit: bound of the sum of the sizes in bytes. Something larger is made anew each time.
    """

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._entries: OrderedDict[Hashable, _Slot] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    @property
    def size(self) -> int:
        """Sum of the sizes in bytes of what is kept."""
        return self._size

    def get(self, key: Hashable, make: Callable[[], CacheEntry[T]]) -> T:
        """Return what is kept under a key, or make it; threads that want it meanwhile wait for it.

        What ``make`` raises reaches the caller, and the next one tries again. What has been made for too long
        is left to the thread that is stuck in it, and made anew.

        :raises StuckError: when it is not made in time by another thread.
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
        """Tell whether a thread has been making something for too long; what it replaces is let go."""
        stuck = entry.begun is not None and time.monotonic() - entry.begun > STUCK_SECONDS
        if stuck and entry.made is not None:
            self._size -= entry.made.size
        return stuck

    def peek(self, key: Hashable) -> Any:
        """Return what is kept under a key, ``None`` when that is nothing (yet)."""
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
        """Let the least recently used go until the rest fits; what is being made has no size yet."""
        for key in list(self._entries):
            if self._size <= self._limit:
                return
            entry = self._entries[key]
            if entry.made is not None:
                del self._entries[key]
                self._size -= entry.made.size


class QuarterCache(Generic[T]):
    """One kind of thing that rests on the files of single days.

    :param name: what it is called in the cache.
    :param part: the part of the store whose files it rests on.
    :param make: makes it for several quarters at once, from their days, oldest first.
    """

    def __init__(
        self,
        listing: Listing,
        cache: Cache,
        name: str,
        part: str,
        make: Callable[[Mapping[Quarter, Sequence[date]]], Mapping[Quarter, CacheEntry[T]]],
    ) -> None:
        self._cache = cache
        self._name = name
        self._days = listing.days_by_quarter[part]
        self._tags = listing.tags_by_quarter[part]
        self._make = make

    def get(self, quarters: Sequence[Quarter]) -> list[T]:
        """Return those of several quarters."""
        if len(quarters) > 1:
            # One thread at a time, and kept for no time: what it leaves behind are the quarters.
            self._cache.get((self._name, "together"), partial(self._make_together, quarters))
        return [self._cache.get(self._key(one), partial(self._make_one, one)) for one in quarters]

    def _make_one(self, quarter: Quarter) -> CacheEntry[T]:
        return self._make_of([quarter])[quarter]

    def _make_together(self, quarters: Sequence[Quarter]) -> CacheEntry[None]:
        """Make those that are not at hand at once: one by one they take half as long again."""
        missing = [one for one in quarters if self._cache.peek(self._key(one)) is None]
        if len(missing) > 1:
            for quarter, made in self._make_of(missing).items():
                self._cache.get(self._key(quarter), partial(_given, made))
        return CacheEntry(None, 0, 0.0)

    def _make_of(self, quarters: Sequence[Quarter]) -> Mapping[Quarter, CacheEntry[T]]:
        return self._make({quarter: self._days[quarter] for quarter in quarters})

    def _key(self, quarter: Quarter) -> Hashable:
        return self._name, quarter, self._tags[quarter]


def _given(made: CacheEntry[T]) -> CacheEntry[T]:
    return made
