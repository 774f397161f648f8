"""Answers requests: builds and gzips each body once per store version; an unchanged one gets 304."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Any, Final

from anyio import CapacityLimiter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from io_intelligence_provider import __version__
from io_intelligence_provider.errors import IOIntelligenceError, StorageError
from io_intelligence_provider.plugin import cache
from io_intelligence_provider.plugin.api.common import Parameters, parse
from io_intelligence_provider.plugin.api.routes import STATUS, JsonRoute
from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, Cache, CacheEntry, StuckError
from io_intelligence_provider.plugin.errors import Problem, UnreachableError, problem_of, scrub
from io_intelligence_provider.plugin.reader import Reader, StoreSource

__all__ = ["Body", "Page", "body", "etag_of", "has", "respond"]

log = logging.getLogger(__name__)


_LEAST: Final = 1_000
"""The smallest body, in bytes, that is compressed."""
_LEVEL: Final = 3
"""The gzip level: output is a tenth larger than with the usual 6, in half the time."""
_VARY: Final = "Cookie, Authorization, Accept-Encoding"


@dataclass(frozen=True)
class Body:
    """Holds a response body and its compressed form, if that is worthwhile.

    :param etag: weak, because the plain and compressed bytes share it.
    """

    raw: bytes
    packed: bytes | None
    etag: str | None
    modified: datetime | None = None

    @property
    def size(self) -> int:
        """Return the number of bytes in memory."""
        return len(self.raw) + len(self.packed or b"") + 500


def body(raw: bytes, etag: str | None = None, modified: datetime | None = None) -> Body:
    """Return a body with its compressed form."""
    packed = gzip.compress(raw, _LEVEL, mtime=0) if len(raw) >= _LEAST else None
    return Body(raw, packed, etag, modified)


def etag_of(*parts: str | bytes) -> str:
    """Return a weak ETag of everything a response depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return f'W/"{digest.hexdigest()}"'


def has(request: Request, etag: str) -> bool:
    """Return whether the client already holds the response with this ETag."""
    held = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    return etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in held]


def respond(
    request: Request,
    answer: Body,
    media_type: str,
    cache_control: str = "no-cache, private",
    vary: str = _VARY,
) -> Response:
    """Return the response: 304 for a client that holds it, gzip for a client that accepts it."""
    headers = {"Cache-Control": cache_control, "Vary": vary}
    if answer.modified is not None:
        headers["Last-Modified"] = format_datetime(answer.modified.replace(microsecond=0), usegmt=True)
    if answer.etag is not None:
        headers["ETag"] = answer.etag
        if has(request, answer.etag):
            return Response(status_code=304, headers=headers)
    headers["Content-Type"] = media_type
    if answer.packed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(answer.packed, headers=headers | {"Content-Encoding": "gzip"})
    return Response(answer.raw, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for item in accepted.lower().split(","):
        name, _, quality = item.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            value = quality.strip().removeprefix("q=").strip()
            return value.rstrip("0") not in ("", "0", "0.") or not quality
    return False


_JSON: Final = "application/json"
_THREADS: Final = 4
"""The page has its own threads: a store that does not answer must not block those of Airflow's API."""
_MOST_STUCK: Final = 16
"""The number of threads stuck in a read at which no further one is started."""


class Page:
    """Answers the JSON routes for one store.

    :param source: gives the listing of the store.
    :param cache: keeps values between requests.
    """

    def __init__(self, source: StoreSource, cache: Cache | None = None) -> None:
        self._source = source
        self.cache = cache or Cache()
        self._limiter: CapacityLimiter | None = None
        self._stuck = 0

    def endpoint(self, route: JsonRoute) -> Callable[[Request], Awaitable[Response]]:
        """Return the function that serves a route."""

        async def serve(request: Request) -> Response:
            self._limiter = self._limiter or CapacityLimiter(_THREADS)
            async with self._limiter:
                return await self._in_time(partial(self._answer, route, request))

        serve.__name__ = route.path.strip("/").replace("/", "_")
        return serve

    async def _in_time(self, work: Callable[[], Response]) -> Response:
        """Run a function in a new thread, and abandon the thread when it takes too long.

        An abandoned thread blocks neither the next request nor the shutdown of the server.
        """
        if self._stuck >= _MOST_STUCK:
            return _refusal(problem_of(StuckError()))
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Response] = loop.create_future()

        def settle(answer: Response | None, error: BaseException | None) -> None:
            if done.cancelled():
                self._stuck -= 1
            elif answer is not None:
                done.set_result(answer)
            else:
                # A panic of polars is a BaseException; wrapped, so that the handlers of Exception answer it.
                done.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))

        def run() -> None:
            answer, failure = None, None
            try:
                answer = work()
            except BaseException as error:  # noqa: BLE001 - raised again where it is awaited
                failure = error
            with suppress(RuntimeError):  # the loop is closed and no request waits
                loop.call_soon_threadsafe(settle, answer, failure)

        threading.Thread(target=run, name="io-intelligence-page", daemon=True).start()
        try:
            return await asyncio.wait_for(done, cache.STUCK_SECONDS)
        except asyncio.CancelledError:
            self._stuck += 1
            raise
        except TimeoutError:
            self._stuck += 1
            log.warning(
                "A read of the store takes more than %s seconds and is left alone", cache.STUCK_SECONDS
            )
            return _refusal(problem_of(StuckError()))

    def _answer(self, route: JsonRoute, request: Request) -> Response:
        try:
            asked = parse(route.parameters, request.query_params.multi_items())
        except ValidationError as error:
            return _refusal(_invalid(error))
        try:
            reader = Reader(self._listing(), self.cache)
            return self._cached(route, request, asked, reader)
        except IOIntelligenceError as error:
            problem = problem_of(error)
            log.log(
                logging.INFO if problem.status < 500 else logging.WARNING,
                "%s: %s",
                route.path,
                scrub(str(error)),
            )
            return _refusal(problem)

    def _listing(self) -> Any:
        try:
            return self._source.listing()
        except StorageError as error:
            raise UnreachableError(str(error)) from error

    def _cached(self, route: JsonRoute, request: Request, asked: Parameters, reader: Reader) -> Response:
        query = asked.model_dump_json()
        if route is STATUS:  # it contains the current time, so it is never cached; its inputs are
            answer = self._make(route, asked, reader, "").value
            return respond(request, answer, _JSON)
        etag = etag_of(__version__, route.path, query, reader.listing.tag)
        key = ("answer", etag)
        if has(request, etag) and self.cache.peek(key) is None:
            # Skip the reads when the client holds the response; Last-Modified is then unknown.
            return respond(request, Body(b"", None, etag), _JSON)
        return respond(request, self.cache.get(key, lambda: self._make(route, asked, reader, etag)), _JSON)

    def _make(self, route: JsonRoute, asked: Parameters, reader: Reader, etag: str) -> CacheEntry[Body]:
        found = route.answer.model_validate(route.view(reader, asked))
        raw = found.model_dump_json().encode()
        damaged = bool(getattr(found, "warnings", ()))
        latest = reader.latest()
        modified = reader.day(latest.day).info.fetched_at.astimezone(UTC) if latest.day else None
        if route is STATUS:
            timeless = found.model_dump_json(exclude={"now", "age_hours"})
            etag = etag_of(__version__, route.path, timeless)
        elif damaged or latest.unreadable:
            # With no file changed, an unreadable part may be readable next time, so the ETag covers the body.
            etag = etag_of(etag, raw)
        made = body(raw, etag, modified)
        return CacheEntry(made, made.size, DAMAGE_SECONDS if damaged or latest.unreadable else None)


def _invalid(error: ValidationError) -> Problem:
    detail = [
        {
            "type": item["type"],
            "loc": ["query", *item["loc"]],
            "msg": item["msg"].removeprefix("Value error, "),
            "input": str(item["input"])[:200],
        }
        for item in error.errors(include_url=False, include_context=False)
    ]
    said = "; ".join(f"{'.'.join(map(str, item['loc'][1:])) or 'query'}: {item['msg']}" for item in detail)
    return Problem(
        422,
        "invalid",
        "This cannot be asked",
        said,
        "Correct the address, or start again from the overview.",
        detail,
    )


def _refusal(problem: Problem) -> Response:
    return JSONResponse(
        problem.to_dict(),
        problem.status,
        headers={"Cache-Control": "no-store", "Vary": "Cookie, Authorization"},
    )
