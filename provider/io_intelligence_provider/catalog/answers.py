"""From a status that says no to the error that says what to do."""

from __future__ import annotations

from typing import Any, Final

import msgspec

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

__all__ = ["error_for"]

_ADVICE: Final = {
    401: "Check the connection's password (the API key); it is missing, wrong or expired.",
    402: "The key is valid but its account has no quota left; top it up or wait for the next day.",
    403: "The credential is not allowed to list models.",
    404: "Check the connection's host and its path prefix; /api/v1/models is appended to it.",
}
_EXCERPT: Final = 300  # characters of a foreign body that a message quotes


def error_for(failed: str, status: int, body: str, retry_after: float | None) -> IOIntelligenceError:
    """Return the error for an answer that is not 200.

    :param failed: what was asked and which status came back, without a credential.
    :param body: the answer's text, already cleaned of credentials.
    :param retry_after: seconds the server asks to wait, ``None`` when it did not say.
    """
    said = _excerpt(body)
    if status in STATUS_ERRORS:
        error: HTTPStatusError = STATUS_ERRORS[status](f"{failed}{said}. {_ADVICE[status]}", status=status)
        return error
    if status == 429:
        wait = "" if retry_after is None else f", asking to wait {retry_after:g} s"
        advice = "Lower `concurrency`, or let the task's retries wait."
        return RateLimitError(f"{failed}{wait}{said}. {advice}", status=status, retry_after=retry_after)
    if status >= 500:
        return ServerError(f"{failed}{said}. The API is in trouble; try later.", status=status)
    if status >= 400:
        details = _details(body)
        listed = ": " + "; ".join(map(str, details)) if details else said
        return RequestError(f"{failed}{listed}. Correct the request.", status=status, details=details)
    return ResponseError(f"{failed}{said}. Only 200 carries a catalogue; check the host.")


def _details(body: str) -> tuple[ErrorDetail, ...]:
    """Read an ``HTTPValidationError``; whatever does not have its form is left out."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ()
    entries = answer.get("detail") if isinstance(answer, dict) else None
    return (
        tuple(_detail(entry) for entry in entries if isinstance(entry, dict))
        if isinstance(entries, list)
        else ()
    )


def _detail(entry: dict[str, Any]) -> ErrorDetail:
    loc = entry.get("loc")
    parts = tuple(part for part in loc if isinstance(part, (str, int))) if isinstance(loc, list) else ()
    return ErrorDetail(parts, str(entry.get("msg", "")), str(entry.get("type", "")))


def _excerpt(body: str) -> str:
    text = " ".join(body.split())
    if not text:
        return ""
    return f": {text[:_EXCERPT]}{'…' if len(text) > _EXCERPT else ''}"
