"""All pages of the catalogue, once, and the proof that they belong together.

The API has no snapshot of its own: a model that is added or removed while the pages are fetched moves
others across a page border. A walk is inconsistent when the total changes between its pages, a page or
an id repeats, a page in the middle is empty, or the count is not the total. Then it starts over, up to
three times. Two successive walks with identical records are accepted: that is how the catalogue is.
What no client can see is a swap of equal size between two pages; up to 100 models fit into one page,
and one page is atomic.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from io_intelligence_provider.catalog.deadline import Deadline
from io_intelligence_provider.catalog.spool import Spool
from io_intelligence_provider.catalog.wire import Page, WireShape, record_id
from io_intelligence_provider.errors import PaginationError, ResponseError

__all__ = ["MAX_RESTARTS", "Catalogue", "walk_catalogue"]

log = logging.getLogger(__name__)

MAX_RESTARTS: Final = 3
_SLACK_PAGES: Final = 100
"""Pages beyond twice the expected number, or in a row without a new record, after which ``has_next`` is
taken for endless."""

FetchPage = Callable[[int, Deadline], Page]
"""Fetches the page of that number (from 1), with its retries."""


@dataclass
class Catalogue:
    """The records of one accepted walk, spooled; close it, or use it as a context manager.

    :param received: records that came, identical repeats included.
    :param total: what the server says there are, ``None`` where its shape does not say.
    :param repeated: ids that more than one record bears.
    :param fetched_at: when the last page of the accepted walk had come, UTC.
    :param inconsistency: what is odd about the catalogue's own state, ``None`` when nothing is.
    :param redacted: records in which the server repeated a credential; it is masked in them.
    """

    shape: WireShape
    received: int
    total: int | None
    repeated: frozenset[str]
    fetched_at: datetime
    inconsistency: str | None
    spool: Spool
    redacted: int = 0

    def pages(self) -> Iterator[list[bytes]]:
        """Yield the raw records page by page."""
        return self.spool.pages()

    def close(self) -> None:
        """Drop the spooled records."""
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class _Walk:
    """What one walk has seen so far."""

    spool: Spool = field(default_factory=Spool)
    shape: WireShape | None = None
    total: int | None = None
    received: int = 0
    redacted: int = 0
    ids: set[str] = field(default_factory=set)
    repeated: set[str] = field(default_factory=set)
    page_digests: set[int] = field(default_factory=set)
    digest: int = 0
    problem: str | None = None
    idle_pages: int = 0
    """Pages in a row, up to the last one, that were empty or repetitions."""
    ended: bool = False
    """Whether the server itself said that there is no more; a walk cut short proves nothing."""

    def take(self, number: int, page: Page) -> bool:
        """Add a page, noting what makes the walk inconsistent; tell whether it is empty or a repetition.

        :raises ResponseError: when its shape is not that of the first page.
        """
        if self.shape is None:
            self.shape, self.total = page.shape, page.total
        if page.shape is not self.shape:
            raise ResponseError(
                f"Page {number} came in the {page.shape.value} shape, page 1 in the {self.shape.value} one."
            )
        if page.total != self.total:
            self.note(f"the total went from {self.total} to {page.total} at page {number}")
            self.total = page.total
        if not page.records and page.has_next:
            self.note(f"page {number} is empty although more follows")
        self.ended = not page.has_next
        self.redacted += page.redacted
        repeats = self._take_records(number, page.records)
        idle = repeats or not page.records
        self.idle_pages = self.idle_pages + 1 if idle else 0
        return idle

    def _take_records(self, number: int, records: list[bytes]) -> bool:
        # A sum does not depend on the order: the same records in another order are the same. Python's
        # own hash has 64 bits and a seed of the process, and nothing outlives the process here.
        page_digest = sum(map(hash, records))
        for raw in records:
            identity = record_id(raw, self.shape or WireShape.DOCUMENTED)
            if identity is None:
                continue
            if identity in self.ids:
                self.repeated.add(identity)
                self.note(f"id {identity[:100]!r} came again on page {number}")
            self.ids.add(identity)
        repeats = bool(records) and page_digest in self.page_digests
        if repeats:
            self.note(f"page {number} repeats an earlier page")
        self.page_digests.add(page_digest)
        self.digest += page_digest
        self.received += len(records)
        self.spool.append(records)
        return repeats

    def finish(self) -> None:
        """Judge the walk as a whole after its last page."""
        if self.total is not None and self.received != self.total:
            self.note(f"{self.received} records came where the total is {self.total}")

    def note(self, problem: str) -> None:
        """Remember the first thing that makes the walk inconsistent."""
        self.problem = self.problem or problem

    def catalogue(self) -> Catalogue:
        return Catalogue(
            shape=self.shape or WireShape.DOCUMENTED,
            received=self.received,
            total=self.total,
            repeated=frozenset(self.repeated),
            fetched_at=datetime.now(UTC),
            inconsistency=self.problem,
            spool=self.spool,
            redacted=self.redacted,
        )


def walk_catalogue(fetch: FetchPage, *, concurrency: int, deadline: Deadline) -> Catalogue:
    """Walk over all pages until a walk is consistent, or two in a row brought identical records.

    :param fetch: fetches one page; called from ``concurrency`` threads at a time.
    :param deadline: bounds all walks together.
    :raises PaginationError: when four walks in a row were inconsistent and differed.
    """
    before: _Walk | None = None
    for left in reversed(range(1 + MAX_RESTARTS)):
        walk = _walk_once(fetch, concurrency, deadline)
        if walk.problem is None or _same_state(before, walk):
            return walk.catalogue()
        walk.spool.close()
        consequence = "Starting over" if left else "Giving up"
        log.warning("The catalogue was inconsistent while it was read: %s. %s.", walk.problem, consequence)
        before = walk
    raise PaginationError(
        f"{1 + MAX_RESTARTS} walks over the catalogue were inconsistent and no two in a row alike. The last: "
        f"{before.problem if before else ''}. Nothing was stored; try again when the catalogue stands still."
    )


def _same_state(before: _Walk | None, walk: _Walk) -> bool:
    return (
        before is not None
        and before.ended
        and walk.ended
        and (before.received, before.digest) == (walk.received, walk.digest)
    )


def _walk_once(fetch: FetchPage, concurrency: int, deadline: Deadline) -> _Walk:
    walk = _Walk()
    try:
        _follow(walk, fetch, concurrency, deadline)
    except BaseException:
        walk.spool.close()
        raise
    walk.finish()
    return walk


def _follow(walk: _Walk, fetch: FetchPage, concurrency: int, deadline: Deadline) -> None:
    """Take page after page, until the server says that there is no more, or that is no longer believed."""
    page = fetch(1, deadline)
    walk.take(1, page)
    # `total_pages` is not asked: the total and the size of the page that really came say more.
    expected = -(-page.total // len(page.records)) if page.total and page.records else 1
    if not page.has_next:
        return
    with _pages_from_two(fetch, concurrency, deadline, expected) as pages:
        for number, page in pages:
            idle = walk.take(number, page)
            if walk.ended:
                return
            too_far = number > expected and (idle or number > 2 * expected + _SLACK_PAGES)
            if too_far or walk.idle_pages > _SLACK_PAGES:
                walk.note(f"has_next is still true on page {number} of {expected}")
                return


@contextmanager
def _pages_from_two(
    fetch: FetchPage, concurrency: int, deadline: Deadline, expected: int
) -> Iterator[Iterator[tuple[int, Page]]]:
    """Yield (number, page) in order; up to ``concurrency`` are under way, none of them kept longer.

    Pages up to the expected last one are fetched ahead; beyond it ``has_next`` leads, one at a time.
    On leaving, what is still under way is given up.
    """
    scope = deadline.scope()
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="io-intelligence-page")

    def pages() -> Iterator[tuple[int, Page]]:
        under_way: deque[tuple[int, Future[Page]]] = deque()
        upcoming = 2
        while True:
            while len(under_way) < concurrency and (upcoming <= expected or not under_way):
                under_way.append((upcoming, pool.submit(fetch, upcoming, scope)))
                upcoming += 1
            number, future = under_way.popleft()
            yield number, future.result()

    try:
        yield pages()
    finally:
        scope.cancel()
        pool.shutdown(wait=True, cancel_futures=True)
