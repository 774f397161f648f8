"""Answers requests: builds and gzips each body once per store version; an unchanged one gets 304."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Any, Final, TypeVar

from anyio import CapacityLimiter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from io_intelligence_provider import __version__
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.plugin import cache
from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, Cache, CacheEntry, StuckError
from io_intelligence_provider.plugin.errors import UnreachableError
from io_intelligence_provider.plugin.listing import StoreSource
from io_intelligence_provider.plugin.reader import Reader

__all__ = ["JSON", "METHODS", "Body", "Page", "answer", "etag_of", "render", "respond"]

log = logging.getLogger(__name__)

P = TypeVar("P", bound=BaseModel | None)

METHODS: Final = ["GET", "HEAD"]
"""The methods of every route; the server leaves out the body of a response to HEAD."""

_LEAST: Final = 1_000
"""The smallest body, in bytes, that is compressed."""
_LEVEL: Final = 3
"""The gzip level: output is a tenth larger than with the usual 6, in half the time."""
_VARY: Final = "Cookie, Authorization, Accept-Encoding"
JSON: Final = "application/json"
_THREADS: Final = 4
"""The page has its own threads: a store that does not answer must not block those of Airflow's API."""
_MOST_STUCK: Final = 16
"""The number of threads stuck in a read at which no further one is started."""


@dataclass(frozen=True)
class Body:
    """Holds a response body and its compressed form, if that is worthwhile.

    :param etag: weak, because the plain and compressed bytes share it.
    """

    raw: bytes
    packed: bytes | None
    etag: str
    modified: datetime | None = None

    @classmethod
    def of(cls, raw: bytes, etag: str, modified: datetime | None = None) -> Body:
        """Return a body with its compressed form."""
        packed = gzip.compress(raw, _LEVEL, mtime=0) if len(raw) >= _LEAST else None
        return cls(raw, packed, etag, modified)

    @property
    def entry(self) -> CacheEntry[Body]:
        """Return the body as it is cached, with its number of bytes in memory."""
        return CacheEntry(self, len(self.raw) + len(self.packed or b"") + 500)


def etag_of(*parts: str | bytes) -> str:
    """Return a weak ETag of everything a response depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return f'W/"{digest.hexdigest()}"'


def respond(
    request: Request,
    body: Body,
    media_type: str,
    cache_control: str = "no-cache, private",
    vary: str = _VARY,
) -> Response:
    """Return the response: 304 for a client that holds it, gzip for a client that accepts it."""
    headers = {"Cache-Control": cache_control, "Vary": vary, "ETag": body.etag}
    if body.modified is not None:
        headers["Last-Modified"] = format_datetime(body.modified.replace(microsecond=0), usegmt=True)
    if _holds(request, body.etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Type"] = media_type
    if body.packed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(body.packed, headers=headers | {"Content-Encoding": "gzip"})
    return Response(body.raw, headers=headers)


def _holds(request: Request, etag: str) -> bool:
    """Return whether the client already holds the response with this ETag."""
    held = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    return etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in held]


def _takes_gzip(accepted: str) -> bool:
    for item in accepted.lower().split(","):
        name, _, quality = item.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            value = quality.strip().removeprefix("q=").strip()
            return value.rstrip("0") not in ("", "0", "0.") or not quality
    return False


async def answer(
    request: Request,
    model: type[BaseModel],
    compute: Callable[[Reader, P], dict[str, Any]],
    asked: P,
    changing: Collection[str] | None = None,
) -> Response:
    """Return the response of a JSON route, from the cache if the store has not changed.

    :param model: the model of the response.
    :param compute: reads the store; takes the parameters and returns the fields of the model.
    :param changing: fields that depend on the current time, if any. A response with such fields, or one that
        depends on more than the snapshots, where this is empty, is not cached; its ETag does not cover them.
    """
    page: Page = request.app.state.page

    def view(reader: Reader) -> BaseModel:
        return model.model_validate(compute(reader, asked))

    query = f"{model.__name__}?{'' if asked is None else asked.model_dump_json()}"
    return await page.run(partial(page.respond, request, query, view, changing))


async def render(request: Request, compute: Callable[[Reader], Response]) -> Response:
    """Return the response of a route that is no JSON."""
    page: Page = request.app.state.page
    return await page.run(lambda: compute(page.reader()))


class Page:
    """Runs the routes for one store.

    :param source: gives the listing of the store.
    :ivar cache: keeps values between requests.
    """

    def __init__(self, source: StoreSource) -> None:
        self._source = source
        self.cache = Cache()
        self._limiter: CapacityLimiter | None = None
        self._stuck = 0
        self._prefetching: threading.Thread | None = None

    def prefetch(self) -> None:
        """Start to read what most views need, while the browser fetches the page's scripts.

        An error is dropped here: the request that needs it reads again and gets it.
        """

        def work() -> None:
            try:
                reader = self.reader()
                reader.latest()
                with reader.prefetch(reader.changes):
                    reader.timeline()
            except BaseException:  # a panic of polars is one
                log.debug("Reading ahead for the views failed", exc_info=True)

        if self._prefetching is None or not self._prefetching.is_alive():
            self._prefetching = threading.Thread(target=work, name="io-intelligence-prefetch", daemon=True)
            self._prefetching.start()

    async def run(self, work: Callable[[], Response]) -> Response:
        """Run a function in a new thread, and abandon the thread when it takes too long.

        An abandoned thread blocks neither the next request nor the shutdown of the server.

        :raises StuckError: when it takes too long, or too many threads were abandoned.
        """
        self._limiter = self._limiter or CapacityLimiter(_THREADS)
        async with self._limiter:
            if self._stuck >= _MOST_STUCK:
                raise StuckError
            done = self._start(work)
            try:
                return await asyncio.wait_for(done, cache.STUCK_SECONDS)
            except asyncio.CancelledError:
                self._stuck += done.cancelled()  # from Python 3.12 on it may be done, and no thread is stuck
                raise
            except TimeoutError:
                self._stuck += done.cancelled()
                log.warning(
                    "A read of the store takes more than %s seconds and is abandoned", cache.STUCK_SECONDS
                )
                raise StuckError from None

    def _start(self, work: Callable[[], Response]) -> asyncio.Future[Response]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Response] = loop.create_future()

        def finish(response: Response | None, error: BaseException | None) -> None:
            if done.cancelled():
                self._stuck -= 1
            elif response is not None:
                done.set_result(response)
            else:
                # A panic of polars is a BaseException; wrapped, so that the handlers of Exception answer it.
                done.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))

        def run() -> None:
            response, failure = None, None
            try:
                response = work()
            except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
                failure = error
            with suppress(RuntimeError):  # the loop is closed and no request waits
                loop.call_soon_threadsafe(finish, response, failure)

        threading.Thread(target=run, name="io-intelligence-page", daemon=True).start()
        return done

    def respond(
        self,
        request: Request,
        query: str,
        view: Callable[[Reader], BaseModel],
        changing: Collection[str] | None,
    ) -> Response:
        """Return the response to a query; ``view`` computes its model if it is not cached."""
        reader = self.reader()
        if changing is not None:  # its inputs are cached
            found = view(reader)
            etag = etag_of(__version__, query, found.model_dump_json(exclude=set(changing)))
            raw = found.model_dump_json().encode()
            return respond(request, Body.of(raw, etag, _modified(reader)), JSON)
        etag = etag_of(__version__, query, reader.listing.tag)
        key = ("response", etag)
        if _holds(request, etag) and self.cache.peek(key) is None:
            # Skip the reads when the client holds the response; Last-Modified is then unknown.
            return respond(request, Body(b"", None, etag), JSON)
        return respond(request, self.cache.get(key, partial(_load, reader, view, etag)), JSON)

    def reader(self) -> Reader:
        """Return a reader of the store as it is now."""
        try:
            return Reader(self._source.listing(), self.cache)
        except StorageError as error:
            raise UnreachableError(str(error)) from error


def _load(reader: Reader, view: Callable[[Reader], BaseModel], etag: str) -> CacheEntry[Body]:
    found = view(reader)
    raw = found.model_dump_json().encode()
    damaged = bool(getattr(found, "warnings", ()) or reader.latest().unreadable)
    if damaged:
        # With no file changed, an unreadable part may be readable next time, so the ETag covers the body.
        etag = etag_of(etag, raw)
    entry = Body.of(raw, etag, _modified(reader)).entry
    return replace(entry, seconds=DAMAGE_SECONDS) if damaged else entry


def _modified(reader: Reader) -> datetime | None:
    latest = reader.latest().day
    return reader.day(latest).info.fetched_at.astimezone(UTC) if latest else None
