"""From a status that says no to the error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from io_intelligence_provider.catalog.redaction import MASK
from io_intelligence_provider.errors import (
    STATUS_ERRORS,
    ErrorDetail,
    HTTPStatusError,
    IOIntelligenceError,
    RateLimitError,
    RequestError,
    ResponseError,
    ServerError,
)

__all__ = ["Clean", "error_for", "excerpt"]

Clean = Callable[[str], str]
"""Takes every known credential out of a text."""

_ADVICE: Final = {
    401: "Check the connection's password (the API key); it is missing, wrong or expired.",
    402: "The key is valid but its account has no quota left; top it up or wait for the next day.",
    403: "The credential is not allowed to list models.",
    404: "Check the connection's host and its path prefix; /api/v1/models is appended to it.",
    407: "Check the user and password of the proxy.",
    429: "Lower `concurrency`, or let the task's retries wait.",
}
_TOKEN_ADVICE: Final = {
    404: "Check token_url.",
    407: _ADVICE[407],
    429: "Let the task's retries wait.",
}
_EXCERPT: Final = 300  # characters of a foreign text that a message quotes
_LOOKED_AT: Final = 100_000  # characters of it that are looked through for them


def error_for(
    failed: str, status: int, body: bytes, retry_after: float | None, clean: Clean, *, for_token: bool = False
) -> IOIntelligenceError:
    """Return the error for an answer that is not 200.

    :param failed: what was asked and which status came back, without a credential.
    :param retry_after: seconds the server asks to wait, ``None`` when it did not say.
    :param for_token: whether it was the token endpoint that was asked, not the API.
    """
    said = oauth_error(body, clean) if for_token else excerpt(body.decode("utf-8", "replace"), clean)
    said = said and f": {said}"
    if for_token:
        advice = _TOKEN_ADVICE.get(status, "Check token_url, client_id, client_secret and scope.")
    else:
        advice = _ADVICE.get(status, "Correct the request.")
    if status in STATUS_ERRORS:
        error: HTTPStatusError = STATUS_ERRORS[status](f"{failed}{said}. {advice}", status=status)
        return error
    if status == 429:
        wait = "" if retry_after is None else f", asking to wait {retry_after:g} s"
        return RateLimitError(f"{failed}{wait}{said}. {advice}", status=status, retry_after=retry_after)
    if status >= 500:
        return ServerError(f"{failed}{said}. The server is in trouble; try later.", status=status)
    if status >= 400:
        details = () if for_token else _details(body, clean)
        listed = f": {excerpt('; '.join(map(str, details)), clean)}" if details else said
        return RequestError(f"{failed}{listed}. {advice}", status=status, details=details)
    return ResponseError(f"{failed}{said}. Only 2xx with a body is an answer; check the host.")


def excerpt(text: str, clean: Clean) -> str:
    """Return the beginning of a foreign text on one line, free of credentials and control characters."""
    # In this order: a control character between two letters must not hide a credential.
    visible = "".join(
        char if char.isprintable() else " " if char.isspace() else "" for char in text[:_LOOKED_AT]
    )
    line = " ".join(clean(visible).split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"


def oauth_error(body: bytes, clean: Clean) -> str:
    """Return what RFC 6749 (5.2) lets a token endpoint say, cleaned and cut; nothing else of its answer.

    The rest of the body may be an access token, in any field and in any encoding.
    """
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    said = [_text(answer.get(key)) for key in ("error", "error_description")]
    for key in ("access_token", "refresh_token", "id_token"):  # not known as secrets yet, if it repeats them
        if token := _text(answer.get(key)):
            said = [text.replace(token, MASK) for text in said]
    return ": ".join(filter(None, (excerpt(text, clean) for text in said)))


def _details(body: bytes, clean: Clean) -> tuple[ErrorDetail, ...]:
    """Read an ``HTTPValidationError``; whatever does not have its form is left out."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ()
    entries = answer.get("detail") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(_detail(entry, clean) for entry in entries if isinstance(entry, dict))


def _detail(entry: dict[str, Any], clean: Clean) -> ErrorDetail:
    # Cleaned after they were decoded: JSON can spell a letter in more than one way.
    loc = entry.get("loc")
    parts = [part for part in loc if type(part) in (str, int)] if isinstance(loc, list) else []
    return ErrorDetail(
        tuple(clean(part) if isinstance(part, str) else part for part in parts),
        clean(_text(entry.get("msg"))),
        clean(_text(entry.get("type"))),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
