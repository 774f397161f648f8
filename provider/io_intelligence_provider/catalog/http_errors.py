"""Maps HTTP error responses to exceptions that say what came back and what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from io_intelligence_provider.errors import (
    STATUS_ERRORS,
    ErrorDetail,
    IOIntelligenceError,
    RateLimitError,
    RequestError,
    ResponseError,
    ServerError,
    TransportError,
)
from io_intelligence_provider.redaction import MASK

__all__ = [
    "Answer",
    "Clean",
    "blocked_by_edge",
    "ends_early",
    "error_from_response",
    "excerpt",
    "is_html",
    "oauth_error",
    "quoted",
]

Clean = Callable[[str], str]
"""Masks every known credential in a text."""

AUTHORIZATION: Final = "Authorization"
_EXCERPT: Final = 300  # characters of a server's text that a message quotes
_LOOKED_AT: Final = 100_000  # characters of it that are searched for the excerpt


class Answer(NamedTuple):
    """A complete response.

    :param asked: the request and its way, without credentials, for messages.
    :param way: the redirects and proxy on that way, in parentheses; empty without any.
    :param body: decompressed, without a byte order mark.
    :param identified_by: names of the credential headers that were sent to the last host.
    :param withheld: whether a credential was not sent because a redirect led to another host.
    """

    asked: str
    way: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    identified_by: frozenset[str] = frozenset()
    withheld: bool = False

    def __repr__(self) -> str:
        # Error reporters print local variables, and the body may hold a token.
        return f"Answer({self.asked!r}, {self.status})"

    @property
    def media_type(self) -> str:
        """The response's media type, empty when the header is missing or invalid."""
        named = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return named if re.fullmatch(r"[\w.+-]{1,40}/[\w.+-]{1,80}", named, re.ASCII) else ""

    def shown_status(self, clean: Clean, *, for_token: bool = False) -> str:
        """Return status and media type for a message.

        :param for_token: show common media types only, because a token may be anywhere in that response.
        """
        named = self.media_type
        if for_token and named not in _COMMON_TYPES:
            named = named and "another media type"
        return f"{self.status} ({clean(named)})" if named else str(self.status)


_COMMON_TYPES: Final = frozenset(
    {
        "application/json",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "application/xml",
        "text/html",
        "text/plain",
        "text/xml",
    }
)
_PASSING: Final = {
    408: "The server timed out while it waited for the request; try again, or check the network.",
    425: "The server refuses requests this early in a TLS session; try again.",
}
"""Advice for 4xx responses that may pass with a retry."""
_BLOCKED: Final = (
    "A firewall or bot protection in front of the server blocks this client; the server itself was not "
    "reached. Let it admit this address and User-Agent, or set `proxy`."
)

_ADVICE: Final = {
    404: "Check the connection's host and its path prefix; /api/v1/models is appended to it.",
    407: "Check the user and password of the proxy.",
    429: "Lower `concurrency`, or let the task's retries wait.",
}
_WITH_KEY: Final = {
    401: "Check the connection's password (the API key); it is wrong or expired.",
    402: "The key is valid but its account has no quota left; top it up or wait for the next day.",
    403: "The credential is not allowed to list models.",
}
_WITH_SESSION: Final = {
    401: "Check the connection's guest_session_id, or set its password.",
    402: "The guest session has no quota left; wait for the next day, or set the connection's password.",
    403: "The guest session may not list models; set the connection's password.",
}
_ANONYMOUS: Final = "The request was anonymous, and guests are refused; set the connection's password."
_WITHHELD: Final = "Give the final URL as the connection's host, so that the request carries the credential."
_TOKEN_ADVICE: Final = {
    404: "Check token_url.",
    407: _ADVICE[407],
    429: "Let the task's retries wait.",
}


def error_from_response(
    answer: Answer, retry_after: float | None, clean: Clean, *, for_token: bool = False
) -> IOIntelligenceError:
    """Return the error for an error response; a :class:`TransportError` may pass with a retry.

    :param retry_after: seconds the server asks to wait, ``None`` when it did not say.
    :param for_token: whether the response came from the token endpoint, not the API.
    """
    status = answer.status
    said = oauth_error(answer.body, clean) if for_token else quoted(answer.body, clean)
    said = said and f": {said}"
    failed = answer.asked
    if answer.withheld:
        failed += " without the credential, which no other host gets,"
    failed += f" answered {answer.shown_status(clean, for_token=for_token)}"
    passing = _BLOCKED if blocked_by_edge(answer) else _PASSING.get(status)
    if passing:
        return TransportError(f"{failed}{said}. {passing}")
    advice = _advice(answer, for_token=for_token)
    if status in STATUS_ERRORS:
        return STATUS_ERRORS[status](f"{failed}{said}. {advice}", status=status)
    if status == 429:
        wait = "" if retry_after is None else f", asking to wait {retry_after:g} s"
        return RateLimitError(f"{failed}{wait}{said}. {advice}", status=status, retry_after=retry_after)
    if status >= 500:
        return ServerError(f"{failed}{said}. The server failed; try again later.", status=status)
    if status >= 400:
        details = () if for_token else _details(answer.body, clean)
        listed = f": {excerpt('; '.join(map(str, details)), clean)}" if details else said
        return RequestError(f"{failed}{listed}. {advice}", status=status, details=details)
    unusable = f"{failed}{said}. Only a 2xx response with a body is usable; check the host."
    return ResponseError(unusable, is_end=status == 204)


def _advice(answer: Answer, *, for_token: bool) -> str:
    status = answer.status
    if for_token:
        return _TOKEN_ADVICE.get(status, "Check token_url, client_id, client_secret and scope.")
    if status in _WITH_KEY:
        if answer.withheld:
            return _WITHHELD
        if AUTHORIZATION in answer.identified_by:
            return _WITH_KEY[status]
        return _WITH_SESSION[status] if answer.identified_by else _ANONYMOUS
    return _ADVICE.get(status, "Correct the request.")


_MITIGATION: Final = ("cf-mitigated", "x-vercel-mitigated", "x-amzn-waf-action")
"""Headers that Cloudflare, Vercel and AWS WAF set when they respond in place of the server."""
_CHALLENGE: Final = re.compile(
    rb"error code: ?1\d{3}|\"error_code\": ?1\d{3}|just a moment|attention required! \| cloudflare|"
    rb"cf-(?:chl|browser-verification|error-details)|_cf_chl_opt|checking your browser|"
    rb"incapsula incident|request unsuccessful\. incapsula|sucuri website firewall|captcha-delivery",
    re.IGNORECASE,
)
"""Texts of their pages: Cloudflare's codes and challenges, Imperva, Sucuri, DataDome."""


def blocked_by_edge(answer: Answer) -> bool:
    """Return whether a firewall or bot protection responded in place of the API, which responds with JSON."""
    if any(name in answer.headers for name in _MITIGATION):
        return True
    if answer.status == 403 and is_html(answer.body, answer.media_type):
        return True
    return answer.status in (403, 503) and _CHALLENGE.search(answer.body[:_LOOKED_AT]) is not None


def is_html(body: bytes, media_type: str = "") -> bool:
    """Return whether a body is an HTML page."""
    start = body[:200].lstrip().lower()
    if media_type in ("text/html", "application/xhtml+xml"):
        return not start.startswith((b"{", b"["))
    return start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<title"))


def ends_early(body: bytes) -> bool:
    """Return whether a body is a truncated JSON object or list, as after a broken connection."""
    if not body[:100].lstrip().startswith((b"{", b"[")):
        return False
    try:
        _SKIP.decode(body)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except (UnicodeError, RecursionError):
        return False
    return False


_SKIP: Final = msgspec.json.Decoder(msgspec.Raw)


def quoted(body: bytes, clean: Clean) -> str:
    """Return the beginning of a body, see :func:`excerpt`."""
    return excerpt(body[: 4 * _LOOKED_AT].decode("utf-8", "replace"), clean)


def excerpt(text: str, clean: Clean) -> str:
    """Return the beginning of a server's text on one line, without credentials and control characters."""
    # Control characters first: one between two letters must not hide a credential.
    visible = "".join(
        char if char.isprintable() else " " if char.isspace() else "" for char in text[:_LOOKED_AT]
    )
    line = " ".join(clean(visible).split())
    if len(text) >= _LOOKED_AT and len(line) <= _EXCERPT:
        line = line.rpartition(" ")[0]  # the last word may be cut, and be the beginning of a credential
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"


def oauth_error(body: bytes, clean: Clean) -> str:
    """Return the RFC 6749 (5.2) error of a token endpoint's response, cleaned and cut.

    Nothing else of the body is shown: any field may hold an access token, in any encoding.
    """
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    said = [_text(answer.get(key)) for key in ("error", "error_description")]
    for key in ("access_token", "refresh_token", "id_token"):  # these are not known as secrets yet
        if token := _text(answer.get(key)):
            said = [text.replace(token, MASK) for text in said]
    return ": ".join(filter(None, (excerpt(text, clean) for text in said)))


def _details(body: bytes, clean: Clean) -> tuple[ErrorDetail, ...]:
    """Parse an ``HTTPValidationError``; entries of another form are left out."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ()
    entries = answer.get("detail") if isinstance(answer, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(_detail(entry, clean) for entry in entries if isinstance(entry, dict))


def _detail(entry: dict[str, Any], clean: Clean) -> ErrorDetail:
    # Cleaned after decoding, because JSON can spell a letter in several ways.
    loc = entry.get("loc")
    parts = [part for part in loc if type(part) in (str, int)] if isinstance(loc, list) else []
    return ErrorDetail(
        tuple(clean(part) if isinstance(part, str) else part for part in parts),
        clean(_text(entry.get("msg"))),
        clean(_text(entry.get("type"))),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
