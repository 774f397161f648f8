"""An answer as bytes: made once per state of the store, compressed once, and not sent to who has it."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Body", "body", "etag_of", "has", "respond"]

_LEAST: Final = 1_000
"""Bytes from which compressing is worth it."""
_LEVEL: Final = 3
"""A tenth larger than the usual 6, in half the time."""
_VARY: Final = "Cookie, Authorization, Accept-Encoding"


@dataclass(frozen=True)
class Body:
    """What is sent, and the same compressed, if that is worth it.

    :param etag: weak, as the compressed bytes mean the same.
    """

    raw: bytes
    packed: bytes | None
    etag: str | None
    modified: datetime | None = None

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.raw) + len(self.packed or b"") + 500


def body(raw: bytes, etag: str | None = None, modified: datetime | None = None) -> Body:
    """Return a body, compressed beside."""
    packed = gzip.compress(raw, _LEVEL, mtime=0) if len(raw) >= _LEAST else None
    return Body(raw, packed, etag, modified)


def etag_of(*parts: str | bytes) -> str:
    """Return a weak ETag of whatever an answer depends on."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(f"{len(data)}:".encode())
        digest.update(data)
    return f'W/"{digest.hexdigest()}"'


def has(request: Request, etag: str) -> bool:
    """Tell whether the asker holds the answer of that ETag already."""
    held = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    return etag.removeprefix("W/") in [tag.removeprefix("W/") for tag in held]


def respond(
    request: Request,
    answer: Body,
    media_type: str,
    cache_control: str = "no-cache, private",
    vary: str = _VARY,
) -> Response:
    """Return the response: 304 to who has it, compressed to who takes that."""
    headers = {"Cache-Control": cache_control, "Vary": vary}
    if answer.modified is not None:
        headers["Last-Modified"] = format_datetime(answer.modified.replace(microsecond=0), usegmt=True)
    if answer.etag is not None:
        headers["ETag"] = answer.etag
        if has(request, answer.etag):
            return Response(status_code=304, headers=headers)
    headers["Content-Type"] = media_type
    if answer.packed is not None and _takes_gzip(request.headers.get("accept-encoding", "")):
        return Response(answer.packed, headers=headers | {"Content-Encoding": "gzip"})
    return Response(answer.raw, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for item in accepted.lower().split(","):
        name, _, quality = item.strip().partition(";")
        if name.strip() in ("gzip", "*"):
            value = quality.strip().removeprefix("q=").strip()
            return value.rstrip("0") not in ("", "0", "0.") or not quality
    return False
