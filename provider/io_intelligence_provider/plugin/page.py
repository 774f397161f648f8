"""Takes a request for JSON from its parameters to its answer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC
from typing import Any, Final

import anyio.to_thread
from anyio import CapacityLimiter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from io_intelligence_provider import __version__
from io_intelligence_provider.errors import IOIntelligenceError, StorageError
from io_intelligence_provider.plugin.answers import Body, body, etag_of, has, respond
from io_intelligence_provider.plugin.cache import DAMAGE_SECONDS, Cache, Made
from io_intelligence_provider.plugin.parameters import Parameters, parse
from io_intelligence_provider.plugin.problems import Problem, UnreachableError, problem_of, scrub
from io_intelligence_provider.plugin.reading import Reader
from io_intelligence_provider.plugin.routes import STATUS, JsonRoute
from io_intelligence_provider.plugin.source import StoreSource

__all__ = ["Page"]

log = logging.getLogger(__name__)

_JSON: Final = "application/json"
_THREADS: Final = 4
"""Threads of the page's own: a store that does not answer must not take those of Airflow's API."""


class Page:
    """Answers the JSON routes over one store.

    :param source: where the store is.
    :param cache: what is kept between requests.
    """

    def __init__(self, source: StoreSource, cache: Cache | None = None) -> None:
        self._source = source
        self.cache = cache or Cache()
        self._limiter: CapacityLimiter | None = None

    def endpoint(self, route: JsonRoute) -> Callable[[Request], Awaitable[Response]]:
        """Return the function that serves a route."""

        async def serve(request: Request) -> Response:
            self._limiter = self._limiter or CapacityLimiter(_THREADS)
            return await anyio.to_thread.run_sync(self._answer, route, request, limiter=self._limiter)

        serve.__name__ = route.path.strip("/").replace("/", "_")
        return serve

    def _answer(self, route: JsonRoute, request: Request) -> Response:
        try:
            asked = parse(route.parameters, request.query_params.multi_items())
            reader = Reader(self._listing(), self.cache)
            return self._cached(route, request, asked, reader)
        except ValidationError as error:
            return _refusal(_invalid(error))
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
        if route is STATUS:  # tells the time, so it is made anew; all it rests on is at hand
            answer = self._make(route, asked, reader, "").value
            return respond(request, answer, _JSON)
        etag = etag_of(__version__, route.path, query, reader.listing.tag)
        key = ("answer", etag)
        if has(request, etag) and self.cache.peek(key) is None:
            # Nothing is read for who has it; how old the data are is said if it is known.
            return respond(request, Body(b"", None, etag), _JSON)
        return respond(request, self.cache.get(key, lambda: self._make(route, asked, reader, etag)), _JSON)

    def _make(self, route: JsonRoute, asked: Parameters, reader: Reader, etag: str) -> Made[Body]:
        found = route.answer.model_validate(route.view(reader, asked))
        raw = found.model_dump_json().encode()
        damaged = bool(getattr(found, "warnings", ()))
        latest = reader.latest()
        modified = reader.day(latest.day).info.fetched_at.astimezone(UTC) if latest.day else None
        if route is STATUS:
            timeless = found.model_dump_json(exclude={"now", "age_hours"})
            etag = etag_of(__version__, route.path, timeless)
        elif damaged or latest.unreadable:
            # What could not be read may be readable next time, with no file changed.
            etag = etag_of(etag, raw)
        made = body(raw, etag, modified)
        return Made(made, made.size, DAMAGE_SECONDS if damaged or latest.unreadable else None)


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
