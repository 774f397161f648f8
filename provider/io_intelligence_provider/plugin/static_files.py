"""Serves the page's files, each set of them under a version in its path. None of them is secret."""

from __future__ import annotations

import os
import re
from hashlib import blake2b
from pathlib import Path
from string import Template
from typing import Final, Literal, TypeAlias

import anyio.to_thread
import starlette.staticfiles
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from io_intelligence_provider.plugin.cache import Cache, CacheEntry
from io_intelligence_provider.plugin.http import Body, etag_of, respond

__all__ = ["FOLDER", "StaticFiles"]


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
    "index": {"title": "IO Intelligence", "icon": "icon", "module": "app.js"},
    "data-quality": {"title": "Data quality", "icon": "quality", "module": "datasets/app.js"},
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
