"""Applies faults in the outermost layer of the emulator, on the server's connection.

It is plain ASGI because a web framework cannot express a reset or a truncated body.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from io_intelligence_provider.emulator.faults import Fault
from io_intelligence_provider.emulator.state import EmulatorState

__all__ = ["MODELS_PATH", "serve"]


MODELS_PATH: Final = "/api/v1/models"
CONTROL_PREFIX: Final = "/emulator/"


async def serve(app: ASGIApp, state: EmulatorState, scope: Scope, receive: Receive, send: Send) -> None:
    """Log the request and pass it to ``app``, unless a fault applies."""
    if scope["type"] != "http" or scope["path"].startswith(CONTROL_PREFIX):
        await app(scope, receive, send)
        return
    entry = _entry(scope)
    fault = state.faults.take(_number(entry["page"] or "1")) if scope["path"] == MODELS_PATH else None
    state.note({**entry, "fault": fault and fault.kind})
    if fault is None:
        await app(scope, receive, send)
    elif fault.kind in ("status", "redirect"):
        await _answer(fault, send)
    elif fault.kind == "reset":
        _abort(send)
        await _hung_up(receive)
    elif fault.kind == "delay":
        if not await _hung_up(receive, within=fault.seconds):
            await app(scope, receive, send)
    else:
        start, body = await _collect(app, scope, receive)
        if fault.kind == "truncate":
            await _send_half(start, body, send)
            await _hung_up(receive)
        else:
            if fault.how is not None:
                # Before the response is sent, so that the client's next request sees the change.
                state.drift(fault.how)
            await send(start)
            await send({"type": "http.response.body", "body": body})


def _entry(scope: Scope) -> dict[str, Any]:
    """Return the log entry of a request: of headers only the names, and the ``User-Agent``."""
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return {
        "method": scope["method"],
        "path": scope["path"],
        **{key: query[key][-1] if key in query else None for key in ("page", "page_size", "q")},
        "authorization": "authorization" in headers,
        "guest_session": "x-guest-session-id" in headers,
        "headers": sorted(headers),
        "user_agent": headers.get("user-agent"),
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


async def _answer(fault: Fault, send: Send) -> None:
    status = fault.status or HTTPStatus.FOUND
    body = json.dumps({"detail": _phrase(status)}) if fault.body is None else fault.body
    if status in (204, 304):
        body = ""  # HTTP allows no body for these
    headers = {"content-type": fault.content_type, "content-length": str(len(body.encode()))}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    if fault.location is not None:
        headers["location"] = fault.location
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(status), "headers": raw})
    await send({"type": "http.response.body", "body": body.encode()})


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


async def _collect(app: ASGIApp, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
    """Collect the response of ``app``; return its start message and the whole body."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages[0], b"".join(message.get("body", b"") for message in messages[1:])


async def _send_half(start: Message, body: bytes, send: Send) -> None:
    # The response was collected, so its Content-Length is that of the whole body.
    await send(start)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    _transport(send).close()


def _abort(send: Send) -> None:
    transport = _transport(send)
    # With a linger time of zero the kernel sends RST instead of FIN.
    linger = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


def _transport(send: Send) -> asyncio.Transport:
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if not isinstance(transport, asyncio.Transport):
        raise RuntimeError("Faults of a connection (reset, truncate) need the emulator's own server")  # noqa: TRY004
    return transport


async def _hung_up(receive: Receive, within: float | None = None) -> bool:
    """Wait at most ``within`` seconds until the client disconnects; return whether it did."""
    try:
        async with asyncio.timeout(within):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True
