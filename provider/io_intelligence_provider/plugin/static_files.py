"""Serves the page's files, and plotly.min.js from the installed plotly package. None of them is secret."""

from __future__ import annotations

import importlib.metadata
import os
from pathlib import Path
from typing import Final

import anyio.to_thread
import starlette.staticfiles
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from io_intelligence_provider.plugin.cache import Cache, CacheEntry
from io_intelligence_provider.plugin.http import Body, etag_of, respond

__all__ = ["FOLDER", "StaticFiles", "plotly_version"]


FOLDER: Final = Path(__file__).parent / "static"
_PLOTLY: Final = "plotly.min.js"
_PLACEHOLDER: Final = "__PLOTLY_VERSION__"
_VARY: Final = "Accept-Encoding"
_OURS: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
"""The types of files that are served. Written out, because the machine's own table may differ."""


def plotly_version() -> str:
    """Return the version of the installed plotly, without importing it."""
    return importlib.metadata.version("plotly")


class StaticFiles(starlette.staticfiles.StaticFiles):
    """Serves the files of one folder with our headers; reads and compresses each version of a file once.

    :param cache: keeps the files.
    """

    def __init__(self, cache: Cache, folder: Path = FOLDER) -> None:
        super().__init__(directory=folder, packages=[("plotly", "package_data")])
        self._cache = cache
        self._folder = folder

    def prepare(self) -> None:
        """Read and compress the chart library of several megabytes before it is requested."""
        self.lookup_path(_PLOTLY)

    async def index(self, request: Request) -> Response:
        """Return the HTML of the page."""
        answer = await anyio.to_thread.run_sync(self._index)
        return respond(request, answer, _MEDIA_TYPES[".html"], "no-cache, private")

    def _index(self) -> Body:
        file, version = self._folder / "index.html", plotly_version()

        def load() -> CacheEntry[Body]:
            text = file.read_text("utf-8").replace(_PLACEHOLDER, version).encode()
            return Body.of(text, etag_of(text)).entry

        return self._cache.get(("index", _version(file.stat()), version), load)

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file, and read it here, because this runs in a thread and :meth:`file_response` does not."""
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
        """Return a file: plotly's for ever under its version, all others revalidated on each use."""
        del status_code
        request, path = Request(scope), Path(full_path)
        lasting = path.name == _PLOTLY and request.query_params.get("v") == plotly_version()
        body = self._body(str(full_path), stat_result)
        return respond(request, body, _MEDIA_TYPES[path.suffix], _FOR_EVER if lasting else _OURS, _VARY)

    def _body(self, path: str, status: os.stat_result) -> Body:
        def load() -> CacheEntry[Body]:
            data = Path(path).read_bytes()
            return Body.of(data, etag_of(data)).entry

        return self._cache.get(("file", path, _version(status)), load)


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_mtime_ns, status.st_size
