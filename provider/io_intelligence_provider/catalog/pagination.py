"""Reads all pages of the catalogue and verifies that they are consistent.

The API has no snapshots: a model that is added or removed while the pages are fetched moves others across a
page border. A walk is inconsistent when the total changes between its pages, an id is on two pages, a page in
the middle is empty, or the count differs from the total. Then it starts over, up to three times. Two
successive walks that list the same models with the same stored values are accepted as the state of the
catalogue; the check `complete` then decides whether it may be filed. Pages with different totals, and pages
that announce more than comes, are never accepted.

The pagination fields of the observed shape are unreliable: page 2 is always requested, and further pages as
long as one has a model that no earlier page had.

A swap of equal size between two pages cannot be detected. One page is atomic and holds up to 100 models.
"""

from __future__ import annotations

import logging
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Self

from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.wire import Page, WireShape, record_ids, stored_form
from io_intelligence_provider.errors import (
    HTTPStatusError,
    NotFoundError,
    PaginationError,
    RequestError,
    ResponseError,
    in_temporary_folder,
)

__all__ = ["MAX_RESTARTS", "Catalogue", "Spool", "walk_catalogue"]

log = logging.getLogger(__name__)

MAX_RESTARTS: Final = 3
_SLACK_PAGES: Final = 100
"""Pages beyond twice the expected number, or in a row without a new record, after which ``has_next`` is
no longer followed."""
_MOST_PAGES: Final = 10_000
"""Pages after which a walk is given up, because the server seems to invent models."""
_SHOWN_IDS: Final = 5
_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes; today's catalogue fits and is never written to disk

FetchPage = Callable[[int, Deadline], Page]
"""Fetches the page of a number (from 1), with retries."""


class Spool:
    """A temporary file of pages that is deleted when it is closed or collected.

    It keeps 8 bytes a record and up to 8 MiB in memory.
    """

    def __init__(self) -> None:
        # No `with` block: the file lives as long as the spool, until close().
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._pages: list[array[int]] = []

    def append(self, records: list[bytes]) -> None:
        """Add one page of raw records."""
        self._pages.append(array("q", map(len, records)))
        with in_temporary_folder():
            self._file.write(b"".join(records))

    def pages(self) -> Iterator[list[bytes]]:
        """Yield the pages in the order they were added. Not thread-safe."""
        position = 0
        for lengths in self._pages:
            with in_temporary_folder():  # seeking writes what is buffered
                self._file.seek(position)  # another iteration may have moved it
                block = self._file.read(sum(lengths))
            position += len(block)
            page, start = [], 0
            for length in lengths:
                page.append(block[start : start + length])
                start += length
            yield page

    def close(self) -> None:
        """Delete the file."""
        with suppress(OSError):  # closing writes what is buffered, which nobody needs any more
            self._file.close()


@dataclass
class Catalogue:
    """The records of one accepted walk, spooled; close it, or use it as a context manager.

    :param received: number of records, including those that one page lists twice, without those whose id was
        on an earlier page.
    :param total: the total that the server names, ``None`` where its shape has none.
    :param repeated: ids of more than one record.
    :param on_two_pages: the first few ids that are on more than one page.
    :param fetched_at: when the last page of the accepted walk arrived, UTC.
    :param inconsistency: the inconsistency of the accepted walk, ``None`` when there is none.
    :param redacted: records in which the server repeated a credential; it is masked in them.
    :param has_unidentified: whether any record may be without an id.
    """

    shape: WireShape
    received: int
    total: int | None
    repeated: frozenset[str]
    fetched_at: datetime
    inconsistency: str | None
    spool: Spool
    on_two_pages: tuple[str, ...] = ()
    redacted: int = 0
    has_unidentified: bool = True

    @property
    def is_complete(self) -> bool:
        """Whether all models that the server counts were received, each on one page only."""
        return self.total is None or (self.received == self.total and not self.on_two_pages)

    def pages(self) -> Iterator[list[bytes]]:
        """Yield the raw records page by page."""
        return self.spool.pages()

    def close(self) -> None:
        """Delete the spooled records."""
        self.spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class _Walk:
    """The state of one walk."""

    spool: Spool = field(default_factory=Spool)
    shape: WireShape = WireShape.DOCUMENTED
    pages: int = 0
    total: int | None = None
    total_pages: int | None = None
    """The highest ``total_pages`` of any page of the observed shape; unused for the documented one."""
    received: int = 0
    redacted: int = 0
    ids: set[str] = field(default_factory=set)
    unidentified: set[int] = field(default_factory=set)
    """Hashes of the records without an id."""
    repeated: set[str] = field(default_factory=set)
    on_two_pages: list[str] = field(default_factory=list)
    problem: str | None = None
    is_provable: bool = True
    """Whether an equal second walk would prove that this is the state of the catalogue."""
    idle_pages: int = 0
    """Number of latest pages in a row without a new record."""
    ended: bool = False
    """Whether the server said that there are no more pages; a walk that was cut short proves nothing."""

    def take(self, page: Page) -> bool:
        """Add the next page and record inconsistencies.

        :returns: whether the page had nothing new.
        :raises ResponseError: when its shape is not that of the first page.
        """
        self.pages += 1
        if self.pages == 1:
            self.shape = page.shape
        if page.shape is not self.shape:
            raise ResponseError(
                f"Page {self.pages} came in the {page.shape.value} shape, page 1 in the {self.shape.value} "
                "one. Check the host and the proxy: two servers seem to answer."
            )
        if page.total is not None:
            if self.total not in (None, page.total):
                change = f"the total went from {self.total} to {page.total} at page {self.pages}"
                self.note(change, final=True)
            self.total = page.total
        if page.total_pages is not None:
            self.total_pages = max(page.total_pages, self.total_pages or 0)
        if not page.records and page.has_next:
            self.note(f"page {self.pages} is empty although more follows")
        self.ended = not page.has_next
        self.redacted += page.redacted
        ids = record_ids(page.records, self.shape)
        is_idle = not self._is_news(page.records, ids)
        self.idle_pages = self.idle_pages + 1 if is_idle else 0
        self._take_records(page.records, ids)
        return is_idle

    def brings_nothing_new(self, page: Page) -> bool:
        """Return whether a page lists only models that earlier pages listed."""
        if page.shape is not self.shape:
            return False
        return not self._is_news(page.records, record_ids(page.records, self.shape))

    def _is_news(self, records: list[bytes], ids: list[str | None]) -> bool:
        known = [identity for identity in ids if identity is not None]
        if known:
            return not self.ids.issuperset(known)
        return any(_state_of(raw, self.shape) not in self.unidentified for raw in records)

    def _take_records(self, records: list[bytes], ids: list[str | None]) -> None:
        self.spool.append(records)
        new = {identity for identity in ids if identity is not None}
        if len(new) == len(ids) and self.ids.isdisjoint(new):  # nearly every page
            self.ids |= new
            self.received += len(new)
            return
        on_this_page: set[str] = set()
        for raw, identity in zip(records, ids, strict=True):
            if identity is None:
                self.unidentified.add(_state_of(raw, self.shape))
            elif identity in self.ids:
                self.repeated.add(identity)
                self.note(f"id {identity[:100]!r} came again on page {self.pages}")
                if len(self.on_two_pages) < _SHOWN_IDS:
                    self.on_two_pages.append(identity[:100])
                continue
            elif identity in on_this_page:
                self.repeated.add(identity)
            else:
                on_this_page.add(identity)
            self.received += 1
        self.ids |= on_this_page

    def promised(self, page: Page) -> str | None:
        """Return which field of the last page (observed shape) announces more, ``None`` when none does."""
        total, total_pages = page.total or self.total or 0, max(page.total_pages or 0, self.total_pages or 0)
        if page.has_next:
            return "it says that more follows"
        if total > self.received:
            return f"its total is {total}"
        if total_pages > self.pages:
            return f"it counts {total_pages} pages"
        return None

    def finish(self) -> None:
        """Check the walk after its last page."""
        if self.shape is WireShape.OPENAI:
            if self.on_two_pages:
                self.is_provable = False  # without a total, missed models cannot be detected
        elif self.received != self.total:
            self.note(f"{self.received} records came where the total is {self.total}")

    def note(self, problem: str, *, final: bool = False) -> None:
        """Record the first inconsistency of the walk.

        :param final: an equal second walk does not make the walk acceptable.
        """
        self.problem = self.problem or problem
        self.is_provable = self.is_provable and not final

    def state(self) -> tuple[int, int]:
        """Return a value that is equal for walks with the same models and the same stored values."""
        # A sum, so that the order of the records does not matter.
        digest = sum(_state_of(raw, self.shape) for page in self.spool.pages() for raw in page)
        return self.received, digest

    def catalogue(self) -> Catalogue:
        return Catalogue(
            shape=self.shape,
            received=self.received,
            total=self.total if self.shape is WireShape.DOCUMENTED else None,
            repeated=frozenset(self.repeated),
            fetched_at=datetime.now(UTC),
            inconsistency=self.problem,
            spool=self.spool,
            on_two_pages=tuple(self.on_two_pages),
            redacted=self.redacted,
            has_unidentified=bool(self.unidentified),
        )


def _state_of(raw: bytes, shape: WireShape) -> int:
    # Python's hash has 64 bits; its per-process seed is fine, because it is only used in this process.
    return hash(stored_form(raw, shape, without_moving=True))


def walk_catalogue(
    fetch: FetchPage, *, concurrency: int, deadline: Deadline, page_size: int | None = None
) -> Catalogue:
    """Read all pages until a walk is consistent, or two successive walks are equal.

    :param fetch: fetches one page; called from ``concurrency`` threads at a time.
    :param deadline: bounds all walks together.
    :param page_size: models that a page may hold, if known.
    :raises PaginationError: when four walks in a row were inconsistent and no two successive ones proved
        the state of the catalogue.
    """
    before: tuple[int, int] | None = None
    problem = None
    for left in reversed(range(1 + MAX_RESTARTS)):
        walk = _walk_once(fetch, concurrency, deadline, page_size)
        if walk.problem is None:
            return walk.catalogue()
        state = walk.state() if walk.ended and walk.is_provable else None
        if state is not None and state == before:
            return walk.catalogue()
        walk.spool.close()
        consequence = "Starting over" if left else "Giving up"
        log.warning("The catalogue was inconsistent while it was read: %s. %s.", walk.problem, consequence)
        before, problem = state, walk.problem
    raise PaginationError(
        f"{1 + MAX_RESTARTS} walks over the catalogue were inconsistent and no two in a row agree. "
        f"The last: {problem}. Nothing was stored. Try again later; if this continues, a proxy or a cache "
        "may respond instead of the API: check the host."
    )


def _walk_once(fetch: FetchPage, concurrency: int, deadline: Deadline, page_size: int | None) -> _Walk:
    walk = _Walk()
    try:
        page = fetch(1, deadline)
        walk.take(page)
        if walk.shape is WireShape.OPENAI:
            is_full = page_size is not None and len(page.records) >= page_size
            _follow_observed(walk, page, fetch, deadline, is_full=is_full)
        elif page.has_next:
            _follow_documented(walk, page, fetch, concurrency, deadline)
    except BaseException:
        walk.spool.close()
        raise
    walk.finish()
    return walk


def _follow_documented(
    walk: _Walk, first: Page, fetch: FetchPage, concurrency: int, deadline: Deadline
) -> None:
    """Read pages until the server says that there are no more, or the limit of extra pages is reached."""
    # `total_pages` is ignored: the total and the actual page size are more reliable.
    expected = -(-first.total // len(first.records)) if first.total and first.records else 1
    with _pages_from_two(fetch, concurrency, deadline, expected) as pages:
        for number, page in pages:
            is_idle = walk.take(page)
            if walk.ended:
                return
            too_far = number > expected and (is_idle or number > 2 * expected + _SLACK_PAGES)
            if too_far or walk.idle_pages > _SLACK_PAGES or number >= _MOST_PAGES:
                walk.note(f"has_next is still true on page {number} of {expected}")
                return


def _follow_observed(walk: _Walk, page: Page, fetch: FetchPage, deadline: Deadline, *, is_full: bool) -> None:
    """Read pages while they have something new.

    :param is_full: whether the first page holds as many models as a page may, so that more may follow.
    :raises IOIntelligenceError: when an announced page cannot be read, or there is no response.
    """
    while walk.pages < _MOST_PAGES:
        promise = walk.promised(page)
        try:
            following = fetch(walk.pages + 1, deadline)
        except (HTTPStatusError, ResponseError) as error:
            # A server without pagination may refuse the parameter with any error. One with pagination is
            # expected to end it with a bad request or without models, not with a server error, rate limit,
            # login or anything that may be a damaged page.
            may_have_pages = walk.pages > 1 or is_full
            is_end = isinstance(error, (RequestError, NotFoundError)) or (
                isinstance(error, ResponseError) and error.is_end
            )
            means_no_page = not may_have_pages or is_end
            if promise or not means_no_page:
                raise
            log.info("Page %d of the catalogue ends it: %s", walk.pages + 1, error)
            walk.ended = True
            return
        if walk.brings_nothing_new(following):
            if promise := promise or walk.promised(following):
                walk.note(f"page {walk.pages + 1} brought nothing new although {promise}", final=True)
            walk.ended = True
            return
        page = following
        walk.take(page)
    walk.note(f"page {walk.pages} still brought models that no page before had", final=True)


@contextmanager
def _pages_from_two(
    fetch: FetchPage, concurrency: int, deadline: Deadline, expected: int
) -> Iterator[Iterator[tuple[int, Page]]]:
    """Yield (number, page) in order, with up to ``concurrency`` requests at a time.

    Pages up to the expected last one are prefetched; further ones are fetched one by one while ``has_next``
    is true. Requests that are still running at the end are cancelled.
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
