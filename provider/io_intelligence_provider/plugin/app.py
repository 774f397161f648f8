"""Builds the page's app and serves its files. Mounting and access control are the caller's.

The files are served under a version in their path. None of them is secret.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from string import Template
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import quote

import anyio.to_thread
import starlette.staticfiles
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
from io_intelligence_provider.plugin.cache import Cache, CacheEntry
from io_intelligence_provider.plugin.errors import HANDLERS, problem_of
from io_intelligence_provider.plugin.http import METHODS, Body, Page, etag_of, respond
from io_intelligence_provider.plugin.listing import StoreSource

__all__ = [
    "FOLDER",
    "SECURITY_HEADERS",
    "SecurityMiddleware",
    "StaticFiles",
    "all_dags_readable",
    "build_api",
    "build_app",
]

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


FOLDER: Final = Path(__file__).parent / "static"
_VARY: Final = "Accept-Encoding"
_REVALIDATED: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_LOOK_SECONDS: Final = 1.0
_MARK: Final = "v-"
"""How the name of a version begins in a path."""
_IMPORT: Final = re.compile(r'^import\b[^;]*?"(\.[^"]+)";', re.MULTILINE)
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The types of files that are served. Written out, because the machine's own table may differ."""

_Name: TypeAlias = Literal["index", "data-quality"]

_FILLED: Final[dict[_Name, dict[str, str]]] = {
    "index": {"title": "IO Intelligence", "icon": "icon", "module": "app.js", "tabs": "Views"},
    "data-quality": {
        "title": "Data quality",
        "icon": "quality",
        "module": "datasets/app.js",
        "tabs": "Path",
    },
}
"""What each page puts into ``page.html``."""


class StaticFiles(starlette.staticfiles.StaticFiles):
    """Serves the files of one folder with our headers; reads and compresses each version of a file once.

    The page refers to its files as ``static/v-<version>/...``, and they to each other by relative paths: a
    browser keeps them for ever, and asks for all of them anew after an upgrade. The version is a hash of
    their content, so that all servers of a release agree. Without it, or with that of another release, a file
    is revalidated on each use.

    :param cache: keeps the files.
    """

    def __init__(self, cache: Cache, folder: Path = FOLDER) -> None:
        super().__init__(directory=folder)
        self._cache = cache
        self._folder = folder

    async def page(self, request: Request, name: _Name) -> Response:
        """Return the HTML of a page."""
        answer = await anyio.to_thread.run_sync(self._html, name)
        return respond(request, answer, _MEDIA_TYPES[".html"], "no-cache, private")

    def _html(self, name: _Name) -> Body:
        version = self.version()

        def load() -> CacheEntry[Body]:
            template = Template((self._folder / "page.html").read_text("utf-8"))
            static, filled = f"static/{_MARK}{version}", _FILLED[name]
            preloads = "\n".join(
                f'<link rel="modulepreload" href="{static}/{path}">'
                for path in self._needed(filled["module"])
            )
            data = template.substitute(filled, static=static, preloads=preloads).encode()
            return Body.of(data, etag_of(data)).entry

        return self._cache.get((name, version), load)

    def _needed(self, module: str) -> list[str]:
        """Return what a module imports, directly or not: a browser alone would ask level by level."""
        folder = self._folder.resolve()
        found: set[Path] = set()
        waiting = [folder / module]
        while waiting:
            path = waiting.pop()
            names = _IMPORT.findall(path.read_text("utf-8"))
            imported = {(path.parent / name).resolve() for name in names} - found
            found |= imported
            waiting += imported
        return sorted(path.relative_to(folder).as_posix() for path in found)

    def version(self) -> str:
        """Return the version of the files, at most a second old: a visit asks for forty of them."""
        return self._cache.get("version", lambda: CacheEntry(self._hash(), 100, _LOOK_SECONDS))

    def _hash(self) -> str:
        files = sorted(path for path in self._folder.rglob("*") if path.suffix in _MEDIA_TYPES)

        def load() -> CacheEntry[str]:
            digest = blake2b(digest_size=8)
            for path in files:
                data = path.read_bytes()
                digest.update(f"{path.relative_to(self._folder).as_posix()} {len(data)}\n".encode() + data)
            return CacheEntry(digest.hexdigest(), 100)

        state = tuple((path.name, *_version(path.stat())) for path in files)
        return self._cache.get(("version", state), load)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file, and read it here, because this runs in a thread and :meth:`file_response` does not."""
        first, _, rest = path.partition("/")
        if first.startswith(_MARK):
            path = rest
        if os.path.splitext(path)[1] not in _MEDIA_TYPES:  # noqa: PTH122 - `Path` ignores a slash at the end
            return "", None
        try:
            full, status = super().lookup_path(path)
            if status is not None:
                self._body(full, status)
        except (OSError, ValueError):  # a name that is too long, a folder, a file without read permission
            return "", None
        return full, status

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Return a file: for ever under the current version, else to be revalidated."""
        del status_code
        request, path = Request(scope), Path(full_path)
        lasting = f"/{_MARK}{self.version()}/" in scope["path"]
        body = self._body(str(full_path), stat_result)
        return respond(
            request, body, _MEDIA_TYPES[path.suffix], _FOR_EVER if lasting else _REVALIDATED, _VARY
        )

    def _body(self, path: str, status: os.stat_result) -> Body:
        def load() -> CacheEntry[Body]:
            data = Path(path).read_bytes()
            return Body.of(data, etag_of(data)).entry

        return self._cache.get(("file", path, _version(status)), load)


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_size
