"""Builds the page's app. Mounting and access control are the caller's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from fastapi import Depends, FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from io_intelligence_provider.plugin.api import (
    alerts,
    changes,
    costs,
    datasets,
    history,
    models,
    overview,
    quality,
    status,
)
from io_intelligence_provider.plugin.errors import HANDLERS, problem_of
from io_intelligence_provider.plugin.http import METHODS, Page
from io_intelligence_provider.plugin.reader import StoreSource
from io_intelligence_provider.plugin.static_files import StaticFiles

__all__ = ["SECURITY_HEADERS", "SecurityMiddleware", "all_dags_readable", "build_api", "build_app"]

log = logging.getLogger(__name__)


def all_dags_readable(request: Request) -> None:
    """Let the user of a request read every Dag, as where the page is served without Airflow."""
    request.state.may_read_dag = lambda _: True


def build_app(
    source: StoreSource,
    access: Callable[..., Any],
    *,
    traffic: Callable[..., Any] = costs.configured_traffic,
    dag_access: Callable[..., Any] = all_dags_readable,
) -> ASGIApp:
    """Return the app with all middleware.

    :param source: gives the listing of the store.
    :param access: FastAPI dependency that raises 401 or 403; every route has it except the static files.
    :param traffic: FastAPI dependency that replaces :func:`~.api.costs.configured_traffic`.
    :param dag_access: FastAPI dependency that sets ``request.state.may_read_dag``: a function that returns
        whether the user may read a Dag, ``None`` for the results that name no Dag.
    """
    return SecurityMiddleware(build_api(source, access, traffic=traffic, dag_access=dag_access))


def build_api(
    source: StoreSource,
    access: Callable[..., Any],
    *,
    traffic: Callable[..., Any] = costs.configured_traffic,
    dag_access: Callable[..., Any] = all_dags_readable,
) -> FastAPI:
    """Return the FastAPI app without :class:`SecurityMiddleware`."""
    api = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(access), Depends(dag_access)],
        exception_handlers=dict(HANDLERS),
    )
    api.state.page = Page(source)
    api.dependency_overrides[costs.configured_traffic] = traffic
    for part in (status, overview, models, history, costs, changes, alerts, quality, datasets):
        api.include_router(part.router, prefix="/api")
    static = StaticFiles(api.state.page.cache)

    async def index(request: Request) -> Response:
        api.state.page.prefetch()
        return await static.page(request, "index")

    async def data_quality(request: Request) -> Response:
        return await static.page(request, "data-quality")

    for path, page in (("/", index), ("/data-quality", data_quality)):
        api.add_api_route(path, page, methods=METHODS, response_class=HTMLResponse, response_model=None)
    # Mounted, which avoids the access dependency: icons are shown before login.
    api.mount("/static", static)
    return api


SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_NO_STORE: Final = {"Cache-Control": "no-store"}


class SecurityMiddleware:
    """Allows GET and HEAD, and POST of one route; adds security headers, and hides stack traces.

    :param app: the ASGI app to wrap.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def secured(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        response = _shortcut(scope)
        if response is None:
            try:
                await self.app(scope, receive, secured)
            except Exception as error:  # the last resort: the error is logged, the user gets a plain message
                log.exception("The page failed on %s", scope["path"])
                response = None if started else problem_of(error).response
        if response is not None:
            await response(scope, receive, secured)


_POSTED: Final = "/api/costs"


def _shortcut(scope: Scope) -> Response | None:
    """Return the response to another method, or to the page's address without its slash."""
    root = scope.get("root_path", "")
    allowed = ["POST"] if scope["path"].removeprefix(root) == _POSTED else METHODS
    if scope["method"] not in allowed:
        headers = {"Allow": ", ".join(allowed)} | _NO_STORE
        return PlainTextResponse(f"Served here: {' and '.join(allowed)}.", 405, headers)
    if root and scope["path"] in (root, ""):
        # Relative, because the server does not know the public URL behind a proxy.
        name = quote(scope["path"].rpartition("/")[2])
        headers = {"Location": f"{name}/"} | _NO_STORE
        return PlainTextResponse("See the address with a slash.", 307, headers)
    return None
