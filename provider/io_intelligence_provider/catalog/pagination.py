"""All pages of the catalogue, once, and the proof that they belong together.

The API has no snapshot of its own: a model that is added or removed while the pages are fetched moves
others across a page border. A walk is inconsistent when the total changes between its pages, an id comes
on two pages, a page in the middle is empty, or the count is not the total. Then it starts over, up to
three times. Two successive walks that list the same models with the same stored values are accepted: that
is how the catalogue is, and the check `complete` decides whether it may be filed. Never accepted are pages
that name different totals and pages that promise more than comes.

The observed shape has no pagination that could be believed: page 2 is always asked for, and so on while a
page brings a model that no earlier one had.

What no client can see is a swap of equal size between two pages; up to 100 models fit into one page, and
one page is atomic.
"""

from __future__ import annotations

import logging
import tempfile
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
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
)

__all__ = ["MAX_RESTARTS", "Catalogue", "Spool", "walk_catalogue"]

log = logging.getLogger(__name__)

MAX_RESTARTS: Final = 3
_SLACK_PAGES: Final = 100
"""Pages beyond twice the expected number, or in a row without a new record, after which ``has_next`` is
taken for endless."""
_MOST_UNPROMISED_PAGES: Final = 10_000
"""Pages of the observed shape after which a server is taken for one that invents models."""
_SHOWN_IDS: Final = 5
_IN_MEMORY: Final = 8 * 1024 * 1024  # bytes; a catalogue of the size of today's never touches the disk

FetchPage = Callable[[int, Deadline], Page]
"""Fetches the page of that number (from 1), with its retries."""


class Spool:
    """A temporary file of pages; gone when it is closed or collected.

    It keeps 8 bytes a record and up to 8 MiB in memory.
    """

    def __init__(self) -> None:
        # The file lives as long as the spool, not as long as a block: close() ends it.
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self._pages: list[array[int]] = []

    def append(self, records: list[bytes]) -> None:
        """Add one page of raw records."""
        self._pages.append(array("q", map(len, records)))
        self._file.write(b"".join(records))

    def pages(self) -> Iterator[list[bytes]]:
        """Yield the pages in the order they were added. Not for two threads at a time."""
        position = 0
        for lengths in self._pages:
            self._file.seek(position)  # another reader may be half through
            block = self._file.read(sum(lengths))
            position += len(block)
            page, start = [], 0
            for length in lengths:
                page.append(block[start : start + length])
                start += length
            yield page

    def close(self) -> None:
        """Drop the file."""
        self._file.close()


@dataclass
class Catalogue:
    """The records of one accepted walk, spooled; close it, or use it as a context manager.

    :param received: records that came, those included that one page lists twice, and not those whose id an
        earlier page had brought.
    :param total: what the server says there are, ``None`` where its shape does not say.
    :param repeated: ids of more than one record.
    :param on_two_pages: the first few ids that came on more than one page.
    :param fetched_at: when the last page of the accepted walk had come, UTC.
    :param inconsistency: what is odd about the catalogue's own state, ``None`` when nothing is.
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
        """Whether every model came that the server counts, each on one page only."""
        return self.total is None or (self.received == self.total and not self.on_two_pages)

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
    shape: WireShape = WireShape.DOCUMENTED
    pages: int = 0
    total: int | None = None
    total_pages: int | None = None
    """The most that any page of the observed shape named; the documented one is not asked."""
    received: int = 0
    redacted: int = 0
    ids: set[str] = field(default_factory=set)
    unidentified: set[int] = field(default_factory=set)
    """Hashes of the records without an id."""
    repeated: set[str] = field(default_factory=set)
    on_two_pages: list[str] = field(default_factory=list)
    problem: str | None = None
    is_provable: bool = True
    """Whether a second walk alike may prove that the catalogue is so."""
    idle_pages: int = 0
    """Pages in a row, up to the last one, that brought nothing new."""
    ended: bool = False
    """Whether the server itself said that there is no more; a walk cut short proves nothing."""

    def take(self, page: Page) -> bool:
        """Add the next page and note what makes the walk inconsistent.

        :returns: whether it brought nothing new.
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
        """Tell whether a page of the same shape lists no model that the pages before it had not."""
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
        """Return what promises more after the last page of the observed shape, ``None`` when nothing does."""
        if page.has_next:
            return "it says that more follows"
        if self.total is not None and self.total > self.received:
            return f"its total is {self.total}"
        if self.total_pages is not None and self.total_pages > self.pages:
            return f"it counts {self.total_pages} pages"
        return None

    def finish(self) -> None:
        """Check the walk as a whole after its last page."""
        if self.shape is WireShape.OPENAI:
            if self.on_two_pages:
                self.is_provable = False  # no total could tell whether a model was missed
        elif self.received != self.total:
            self.note(f"{self.received} records came where the total is {self.total}")

    def note(self, problem: str, *, final: bool = False) -> None:
        """Remember the first thing that makes the walk inconsistent.

        :param final: no second walk can make it the catalogue's own state.
        """
        self.problem = self.problem or problem
        self.is_provable = self.is_provable and not final

    def state(self) -> tuple[int, int]:
        """Return what two walks have in common that list the same models with the same stored values."""
        # A sum does not depend on the order: the same records in another order are the same.
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
    # Python's own hash has 64 bits and a seed of the process, and nothing outlives the process here.
    return hash(stored_form(raw, shape, without_moving=True))


def walk_catalogue(
    fetch: FetchPage, *, concurrency: int, deadline: Deadline, page_size: int | None = None
) -> Catalogue:
    """Walk over all pages until a walk is consistent, or two in a row found the catalogue alike.

    :param fetch: fetches one page; called from ``concurrency`` threads at a time.
    :param deadline: bounds all walks together.
    :param page_size: models that a page may hold, where the caller knows.
    :raises PaginationError: when four walks in a row were inconsistent and differed, or could prove nothing.
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
        f"{1 + MAX_RESTARTS} walks over the catalogue were inconsistent and no two in a row prove it whole. "
        f"The last: {problem}. Nothing was stored. Try again later; if it stays so, a proxy or a cache may "
        "answer instead of the API: check the host."
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
    """Take page after page, until the server says that there is no more, or that is no longer believed."""
    # `total_pages` is not asked: the total and the size of the page that really came say more.
    expected = -(-first.total // len(first.records)) if first.total and first.records else 1
    with _pages_from_two(fetch, concurrency, deadline, expected) as pages:
        for number, page in pages:
            is_idle = walk.take(page)
            if walk.ended:
                return
            too_far = number > expected and (is_idle or number > 2 * expected + _SLACK_PAGES)
            if too_far or walk.idle_pages > _SLACK_PAGES:
                walk.note(f"has_next is still true on page {number} of {expected}")
                return


def _follow_observed(walk: _Walk, page: Page, fetch: FetchPage, deadline: Deadline, *, is_full: bool) -> None:
    """Take page after page while one brings something new.

    :param is_full: whether the first page holds as many models as a page may, so that more may follow.
    :raises IOIntelligenceError: when a page that was promised cannot be read, or no answer comes at all.
    """
    while walk.pages < _MOST_UNPROMISED_PAGES:
        promise = walk.promised(page)
        try:
            following = fetch(walk.pages + 1, deadline)
        except (HTTPStatusError, ResponseError) as error:
            # A server without pages may refuse the parameter in any way; one that has them, as far as can be
            # known, says so by a bad request, not by falling over, by asking to wait or to log in.
            may_have_pages = walk.pages > 1 or is_full
            means_no_page = not may_have_pages or isinstance(
                error, (RequestError, NotFoundError, ResponseError)
            )
            if promise or not means_no_page:
                raise
            log.info("Page %d of the catalogue ends it: %s", walk.pages + 1, error)
            walk.ended = True
            return
        if walk.brings_nothing_new(following):
            if promise:
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
