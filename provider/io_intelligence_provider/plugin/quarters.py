"""What the page reads of a store a quarter of a year at a time, each quarter once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Generic, TypeVar

from io_intelligence_provider.plugin.cache import Cache, Made
from io_intelligence_provider.plugin.listing import Listing, Quarter

__all__ = ["Quarters"]

T = TypeVar("T")


class Quarters(Generic[T]):
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
        make: Callable[[Mapping[Quarter, Sequence[date]]], Mapping[Quarter, Made[T]]],
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

    def _make_one(self, quarter: Quarter) -> Made[T]:
        return self._make_of([quarter])[quarter]

    def _make_together(self, quarters: Sequence[Quarter]) -> Made[None]:
        """Make those that are not at hand at once: one by one they take half as long again."""
        missing = [one for one in quarters if self._cache.peek(self._key(one)) is None]
        if len(missing) > 1:
            for quarter, made in self._make_of(missing).items():
                self._cache.get(self._key(quarter), partial(_given, made))
        return Made(None, 0, 0.0)

    def _make_of(self, quarters: Sequence[Quarter]) -> Mapping[Quarter, Made[T]]:
        return self._make({quarter: self._days[quarter] for quarter in quarters})

    def _key(self, quarter: Quarter) -> Hashable:
        return self._name, quarter, self._tags[quarter]


def _given(made: Made[T]) -> Made[T]:
    return made
