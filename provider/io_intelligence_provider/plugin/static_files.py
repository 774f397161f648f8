"""Serves the page's files, and plotly.min.js from the installed plotly package. None of them is secret."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import stat
from pathlib import Path
from typing import Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from io_intelligence_provider.plugin.cache import Cache, CacheEntry
from io_intelligence_provider.plugin.errors import Problem
from io_intelligence_provider.plugin.http import Body, body, etag_of, respond

__all__ = ["FOLDER", "Statics", "plotly_version"]


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


class Statics:
    """Serves the files of one folder; each version of a file is read and compressed once.

    :param cache: keeps the files.
    """

    def __init__(self, cache: Cache, folder: Path = FOLDER) -> None:
        self._cache = cache
        self._folder = folder

    def prepare(self) -> None:
        """Read and compress the chart library of several megabytes before it is requested."""
        self._file(_PLOTLY)

    async def index(self, request: Request) -> Response:
        """Return the HTML of the page."""
        file = self._folder / "index.html"
        answer = await anyio.to_thread.run_sync(self._index, file)
        return respond(request, answer, _MEDIA_TYPES[".html"], "no-cache, private")

    def _index(self, file: Path) -> Body:
        version = plotly_version()

        def make() -> CacheEntry[Body]:
            text = file.read_text("utf-8").replace(_PLACEHOLDER, version).encode()
            made = body(text, etag_of(text))
            return CacheEntry(made, made.size)

        return self._cache.get(("index", _version(file), version), make)

    async def file(self, request: Request) -> Response:
        """Return a file of the folder; 404 for anything else, whatever the path contains."""
        name = request.path_params["path"]
        found = await anyio.to_thread.run_sync(self._file, name)
        media_type = _MEDIA_TYPES.get(Path(name).suffix)
        if found is None or media_type is None:
            return missing()
        lasting = name == _PLOTLY and request.query_params.get("v") == plotly_version()
        return respond(request, found, media_type, _FOR_EVER if lasting else _OURS, _VARY)

    def _file(self, name: str) -> Body | None:
        path = _plotly_file() if name == _PLOTLY else self._own(name)
        if path is None:
            return None

        def make() -> CacheEntry[Body]:
            data = path.read_bytes()
            made = body(data, etag_of(data))
            return CacheEntry(made, made.size)

        return self._cache.get(("file", str(path), _version(path)), make)

    def _own(self, name: str) -> Path | None:
        """Return a file of the folder, ``None`` when there is none or the name leads out of it."""
        if "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
            return None
        path = (self._folder / name).resolve()
        is_inside = path.is_relative_to(self._folder.resolve())
        try:
            return path if is_inside and stat.S_ISREG(path.stat().st_mode) else None
        except OSError:
            return None


def missing() -> Response:
    """Return a 404 response."""
    problem = Problem(
        404, "not_on_file", "Not found", "There is nothing at this address.", "Open the page anew."
    )
    return JSONResponse(problem.to_dict(), 404)


def _plotly_file() -> Path | None:
    # Found without an import: plotly takes longer to load than the rest of the page.
    spec = importlib.util.find_spec("plotly")
    places = spec.submodule_search_locations if spec else None
    paths = [Path(place) / "package_data" / _PLOTLY for place in places or ()]
    return next((path for path in paths if path.is_file()), None)


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size
