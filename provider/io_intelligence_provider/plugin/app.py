"""Builds the page's app. Mounting and access control are the caller's."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from io_intelligence_provider.plugin.api.routes import ROUTES
from io_intelligence_provider.plugin.errors import Kind, Problem, problem_of
from io_intelligence_provider.plugin.http import Page
from io_intelligence_provider.plugin.reader import StoreSource
from io_intelligence_provider.plugin.static_files import Statics

__all__ = ["SECURITY_HEADERS", "SecurityMiddleware", "build_api", "build_app"]

log = logging.getLogger(__name__)

_LOGIN: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>IO Intelligence</title>
<link rel="icon" href="static/icon.svg" type="image/svg+xml"></head>
<body><p>{text} <a href="../auth/login">Log in to Airflow</a>,
then open this page again.</p></body></html>
"""
_REFUSALS: Final[dict[int, tuple[Kind, str, str, str]]] = {
    401: (
        "login",
        "You are logged out",
        "Airflow does not know who asks.",
        "Log in to Airflow, then reload the page.",
    ),
    403: (
        "forbidden",
        "You may not see this page",
        "Your session is no longer valid, or your role lacks the permission “can read on Plugins”.",
        "Log in again; if that does not help, ask an administrator of Airflow for it.",
    ),
    404: ("not_on_file", "Not found", "There is nothing at this address.", "Open the page anew."),
}


def build_app(source: StoreSource, access: Callable[..., Any]) -> ASGIApp:
    """Return the app with all middleware.

    :param source: gives the listing of the store.
    :param access: FastAPI dependency that raises 401 or 403; every route has it except the static files.
    """
    return SecurityMiddleware(build_api(source, access))


def build_api(source: StoreSource, access: Callable[..., Any]) -> Any:
    """Return the FastAPI app without :class:`SecurityMiddleware`."""
    page = Page(source)
    statics = Statics(page.cache)
    api = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        dependencies=[Depends(access)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )
    for route in ROUTES:
        api.add_api_route(route.path, page.endpoint(route), response_model=route.answer)
    api.add_api_route("/", statics.index, response_class=HTMLResponse, response_model=None)
    # Added as a Starlette route to avoid the access dependency: icons are shown before login.
    api.router.routes.append(Route("/static/{path:path}", statics.file))
    api.add_middleware(_WarmUp, statics=statics)
    return api


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    kind, title, message, action = _REFUSALS.get(
        status, ("server", "Refused", f"Airflow refused with status {status}.", "Its log says why.")
    )
    headers = {"Cache-Control": "no-store", "Vary": "Cookie, Authorization"}
    if status in (401, 403) and request.scope["path"].endswith("/"):
        return HTMLResponse(_LOGIN.format(text=f"{title}. {message}"), status, headers=headers)
    problem = Problem(status, kind, title, message, action)
    return JSONResponse(problem.to_dict() | {"detail": message}, status, headers=headers)


async def _failed(_: Request, error: Exception) -> Response:
    # The error is raised again after this response, and SecurityMiddleware logs it.
    problem = problem_of(error)
    return JSONResponse(problem.to_dict(), problem.status, headers={"Cache-Control": "no-store"})


class _WarmUp:
    """Loads the static files once per server, in parallel with the first request; does not read the store.

    Airflow's side bar requests the icon, and so starts this app, before a user opens the page. The work runs
    in the executor of the event loop, which a stopping server waits for when it closes the loop. Nothing
    starts without a request. Lifespan events cannot be used: Airflow does not forward them to mounted apps.
    """

    def __init__(self, app: ASGIApp, statics: Statics) -> None:
        self._app = app
        self._statics = statics
        self._begun: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._begun is None and scope["type"] == "http":
            self._begun = asyncio.get_running_loop().run_in_executor(None, self._prepare)
        await self._app(scope, receive, send)

    def _prepare(self) -> None:
        try:
            self._statics.prepare()
        except Exception:  # the request that needs the files gets the error as its response
            log.exception("The page could not prepare itself; its first answers take longer, or fail alike")


SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""plotly needs inline styles to draw."""

_Headers = Sequence[tuple[bytes, bytes]]


class SecurityMiddleware:
    """Restricts methods, adds security headers and catches errors.

    :param app: the ASGI app to wrap.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        outlet = _CompressedSend(send, is_head=scope["method"] == "HEAD")
        if scope["method"] not in ("GET", "HEAD"):
            await outlet.plain(405, "Only GET and HEAD are served here.", [(b"allow", b"GET, HEAD")])
        elif _is_bare(scope):
            # Relative, because the server does not know the public URL behind a proxy.
            name = scope["path"].rpartition("/")[2].encode("ascii", "replace")
            await outlet.plain(307, "See the address with a slash.", [(b"location", name + b"/")])
        else:
            await self._pass_on(scope, receive, outlet)

    async def _pass_on(self, scope: Scope, receive: Receive, outlet: _CompressedSend) -> None:
        try:
            await self.app(dict(scope) | {"method": "GET"}, receive, outlet)
        except Exception as error:  # the last resort: the error is logged, the user gets a plain message
            log.exception("The page failed on %s", scope["path"])
            if not outlet.started:
                problem = problem_of(error)
                await outlet.answer(problem.status, json.dumps(problem.to_dict()), b"application/json")


def _is_bare(scope: Scope) -> bool:
    """Return whether the page was requested without its slash, with which relative URLs would be wrong."""
    root = scope.get("root_path", "")
    return bool(root) and scope["path"] in (root, "")


class _CompressedSend:
    """Sends the app's messages with the headers that every response has."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self._send = send
        self._is_head = is_head
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            given = {name.lower() for name, _ in message.get("headers", ())}
            more = [(name.lower().encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
            headers = [*message.get("headers", ()), *(item for item in more if item[0] not in given)]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body" and self._is_head:
            message = {**message, "body": b""}
        await self._send(message)

    async def plain(self, status: int, text: str, headers: _Headers) -> None:
        await self.answer(status, text, b"text/plain; charset=utf-8", headers)

    async def answer(self, status: int, text: str, media_type: bytes, headers: _Headers = ()) -> None:
        data = text.encode()
        start: dict[str, Any] = {"type": "http.response.start", "status": status}
        start["headers"] = [
            (b"content-type", media_type),
            (b"content-length", str(len(data)).encode()),
            (b"cache-control", b"no-store"),
            *headers,
        ]
        await self(start)
        await self({"type": "http.response.body", "body": data})
