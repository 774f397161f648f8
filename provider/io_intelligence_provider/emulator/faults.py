"""Defines the faults of the emulator and applies them in its outermost layer, on the server's connection.

That layer is plain ASGI because a web framework cannot express a reset or a truncated body.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Iterable
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from io_intelligence_provider.emulator.state import EmulatorState

__all__ = ["MODELS_PATH", "Drift", "Fault", "Faults", "serve"]

Kind: TypeAlias = Literal["status", "redirect", "delay", "reset", "truncate", "drift"]
Drift: TypeAlias = Literal["remove_first", "insert_first", "swap"]

HeaderValue: TypeAlias = Annotated[str, Field(pattern=r"^[\x20-\x7e\xa0-\xff]*$")]
"""A text that HTTP can send as the value of a header."""

_ARGUMENT_OF: Final[dict[str, str]] = {
    "status": "status",
    "redirect": "location",
    "delay": "seconds",
    "drift": "how",
}
"""The required field of a kind; in the text form it is the value of the kind."""


class Fault(BaseModel):
    """One fault. It applies to requests of the models endpoint for ``page`` (``None``: for any page).

    - ``status``: respond with ``status`` and ``body``, with ``retry_after`` as the unchanged ``Retry-After``
      header (seconds or an HTTP date).
    - ``redirect``: respond with ``status`` (302 unless given) and ``location``.
    - ``delay``: respond after ``seconds``.
    - ``reset``: reset the TCP connection (RST) without a response.
    - ``truncate``: announce the whole body, send half of it and close the connection.
    - ``drift``: respond, and change the catalogue before the next request: ``remove_first`` and
      ``insert_first`` move every later model by one and change the total; ``swap`` exchanges the first
      and the last model, so that the total stays, one model is served twice and one never.

    ``times``: the number of requests that it applies to, ``None`` for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    page: int | None = None
    times: int | None = Field(default=1, ge=1)
    status: int | None = Field(default=None, ge=200, le=599)
    retry_after: HeaderValue | int | None = None
    body: Annotated[str, Field(min_length=0)] | None = None  # any bound makes pydantic refuse lone surrogates
    content_type: HeaderValue = "application/json"
    location: HeaderValue | None = None
    seconds: float | None = Field(default=None, ge=0)
    how: Drift | None = None

    @model_validator(mode="after")
    def _has_its_argument(self) -> Fault:
        argument = _ARGUMENT_OF.get(self.kind)
        if argument is not None and getattr(self, argument) is None:
            raise ValueError(f"a fault of kind {self.kind} needs {argument!r}")
        return self

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Parse a fault from its command line form.

        ``status=503,page=2,times=3,retry_after=1`` · ``delay=2`` · ``reset`` · ``truncate,page=1`` ·
        ``drift=swap,after=1`` · ``redirect=https://example.org/,status=307``; ``times=forever``.

        :raises ConfigurationError: when the text has another form.
        """
        # A comma separates only before the next key, because an HTTP date contains one.
        head, *rest = re.split(r",(?=[a-z_]+=)", text)
        kind, _, value = head.partition("=")
        fields: dict[str, Any] = {"kind": kind}
        if value:
            fields[_ARGUMENT_OF.get(kind, kind)] = value
        fields.update(dict(part.split("=", 1) for part in rest))
        if "after" in fields:
            fields["page"] = fields.pop("after")
        if fields.get("times") == "forever":
            fields["times"] = None
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            reasons = "; ".join(
                f"{'.'.join(map(str, detail['loc'])) or 'fault'}: {detail['msg']}"
                for detail in error.errors()
            )
            raise ConfigurationError(f"Not a fault: {text!r} ({reasons})") from error

    def applies_to(self, page: int | None) -> bool:
        """Return whether the fault applies to a page (``page=None``: the request's page is not a number)."""
        return self.page is None or self.page == page


class Faults:
    """The pending faults, in order. Thread-safe."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = Lock()
        self._faults = list(faults)

    def add(self, *faults: Fault) -> None:
        """Add faults after the pending ones."""
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Cancel all faults."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> tuple[Fault, ...]:
        """Return the pending faults; ``times`` is the number left."""
        with self._lock:
            return tuple(self._faults)

    def take(self, page: int | None) -> Fault | None:
        """Return the first fault that applies to a page and count it down by one."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if not fault.applies_to(page):
                    continue
                if fault.times == 1:
                    del self._faults[index]
                elif fault.times is not None:
                    self._faults[index] = fault.model_copy(update={"times": fault.times - 1})
                return fault
        return None


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
