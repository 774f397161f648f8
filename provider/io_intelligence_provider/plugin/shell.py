"""Wraps the app: allows only GET and HEAD, adds security headers to responses, and hides stack traces."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any, Final

from io_intelligence_provider.plugin.errors import problem_of
from io_intelligence_provider.plugin.lazy import ASGIApp, Message, Receive, Scope, Send

__all__ = ["SECURITY_HEADERS", "SecurityMiddleware"]

log = logging.getLogger(__name__)

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
