"""One request and what can come of it: a body, or a typed error. Retries, redirects, credentials."""

from __future__ import annotations

import logging
import ssl
import zlib
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Final, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    IncompleteRead,
    InvalidHeader,
    LocationValueError,
    ProxyError,
    SSLError,
)

from io_intelligence_provider import __version__
from io_intelligence_provider.catalog.auth import (
    Authenticator,
    ClientCredentials,
    Credential,
    FixedCredential,
)
from io_intelligence_provider.catalog.http_errors import error_for, excerpt
from io_intelligence_provider.catalog.proxies import Pools, quiet
from io_intelligence_provider.catalog.redaction import Redactor, redact_url, without_frames
from io_intelligence_provider.catalog.retry import Deadline, RetryableError, parse_retry_after, retrying
from io_intelligence_provider.catalog.settings import ClientSettings, is_loopback
from io_intelligence_provider.errors import (
    AuthenticationError,
    IOIntelligenceError,
    RateLimitError,
    ResponseError,
    ServerError,
    TransportError,
)

__all__ = ["MAX_BODY_BYTES", "Transport"]

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = 512 * 1024 * 1024
"""Bytes of one answer, unpacked, beyond which it is refused: the bound of a gzip bomb."""

_CHUNK: Final = 256 * 1024
_MAX_REDIRECTS: Final = 5
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_USER_AGENT: Final = f"airflow-provider-io-intelligence/{__version__}"


class _Answer(NamedTuple):
    """An answer that arrived whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends requests for one client; threads may share it."""

    def __init__(self, settings: ClientSettings, on_secret: Callable[[str], None] | None = None) -> None:
        self.settings = settings
        secrets = (settings.token, settings.guest_session_id, settings.client_secret)
        self.redactor = Redactor(secrets, on_secret)
        self._pools = Pools(settings, self.redactor)
        self._auth: Authenticator = FixedCredential(settings.token, settings.guest_session_id)
        if settings.token_url:
            self._auth = ClientCredentials(settings, self._post_form, self.redactor)

    def close(self) -> None:
        """Close every connection."""
        self._pools.clear()

    def get(self, path: str, params: Mapping[str, str | int], deadline: Deadline) -> bytes:
        """Return the body of ``GET base_url + path``, asking again as the retry policy says.

        :raises IOIntelligenceError: the class of errors.py that fits the last failure.
        """
        url = f"{self.settings.base_url}{path}?{urlencode(params)}"
        policy = retrying(
            self.settings.max_retries, self.settings.backoff, self.settings.max_backoff, deadline
        )
        return policy(self._get_once, url, deadline)

    def _get_once(self, url: str, deadline: Deadline) -> bytes:
        credential = self._auth.headers(deadline)
        try:
            return self._send("GET", url, credential, deadline)[1]
        except AuthenticationError as error:
            if error.status != 401 or not self._auth.renew(credential):
                raise
        return self._send("GET", url, self._auth.headers(deadline), deadline)[1]

    def _post_form(
        self, url: str, credential: Credential, body: bytes, deadline: Deadline
    ) -> tuple[int, bytes]:
        # The token endpoint gets a retry policy of its own, within the time that the walk still has.
        settings = self.settings
        policy = retrying(settings.max_retries, settings.backoff, settings.max_backoff, deadline)
        return policy(self._send, "POST", url, credential, deadline, body)

    def _send(
        self, method: str, url: str, credential: Credential, deadline: Deadline, body: bytes | None = None
    ) -> tuple[int, bytes]:
        """Send one request, follow its redirects, and return status and body of the 2xx at their end.

        The credential stays with the host it is meant for.
        """
        for_token = method != "GET"
        asked = f"{method} {self._shown(url, whole=not for_token)}"
        failed, target = asked, url
        for _ in range(_MAX_REDIRECTS + 1):
            answer = self._exchange(method, target, credential, deadline, body, failed)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                break
            if for_token:
                raise ResponseError(f"{asked} was answered with a redirect; give the final URL.")
            target = self._hop(asked, url, target, location)
            failed = f"{asked} (redirected to {self._shown(target)})"
            if not _same_origin(url, target):
                credential = {}  # for good: whoever was asked in between may have written the way back
        else:
            raise ResponseError(f"{asked} was redirected more than {_MAX_REDIRECTS} times.")
        log.debug("%s answered %d", failed, answer.status)
        # Gateways do answer 201 or 203. Without a body there is nothing to read, whatever the status means.
        if answer.status == 200 or (200 <= answer.status < 300 and (for_token or answer.body)):
            return answer.status, answer.body
        if not credential and target != url:
            failed += " without the credential, which no other host gets,"
        raise self._refusal(f"{failed} answered {answer.status}", answer, for_token=for_token)

    def _hop(self, asked: str, url: str, target: str, location: str) -> str:
        """Return where a redirect leads to.

        :raises ResponseError: when nothing should be sent there.
        """
        try:
            hop = urljoin(target, location)
            parts = urlsplit(hop)
            fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
        except ValueError:
            fits = False
        if not fits:
            raise ResponseError(f"{asked} was redirected to what is no http(s) URL.")
        if self.redactor.clean(hop) != hop and self.redactor.clean(url) == url:
            raise ResponseError(f"{asked} was redirected to a URL that repeats the credential; not followed.")
        if self.settings.verify is False and not is_loopback(hop):
            raise ResponseError(
                f"{asked} was redirected to {self._shown(hop)}, which verify=false does not allow."
            )
        return hop

    def _refusal(
        self, failed: str, answer: _Answer, *, for_token: bool
    ) -> IOIntelligenceError | RetryableError:
        retry_after = parse_retry_after(answer.headers.get("Retry-After"))
        error = error_for(
            failed, answer.status, answer.body, retry_after, self.redactor.clean, for_token=for_token
        )
        if isinstance(error, (RateLimitError, ServerError)):
            log.info("%s; trying again if retries and deadline allow", failed)
            return RetryableError(error, retry_after)
        return error

    def _exchange(
        self,
        method: str,
        url: str,
        credential: Credential,
        deadline: Deadline,
        body: bytes | None,
        asked: str,
    ) -> _Answer:
        """Send one request and read the answer whole; every failure to do so may be tried again."""
        deadline.check()
        try:
            # Whatever comes, a task's timeout too: the library's frames hold the headers as text.
            with quiet():
                return without_frames(
                    lambda: self._attempt(method, url, credential, deadline, body, asked), BaseException
                )
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            broken = self._broken(asked, error)
        # Raised out here, so that it has no context: the library's own error may hold what was sent.
        deadline.check()
        raise broken

    def _attempt(
        self,
        method: str,
        url: str,
        credential: Credential,
        deadline: Deadline,
        body: bytes | None,
        asked: str,
    ) -> _Answer:
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        left = max(deadline.left(), 1e-3)
        answer = self._pools.to(url).request(
            method,
            url,
            headers=headers | {name: secret.reveal() for name, secret in credential.items()},
            body=body,
            redirect=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(
                connect=min(self.settings.connect_timeout, left), read=min(self.settings.read_timeout, left)
            ),
        )
        whole = False
        try:
            content = _unpacked(_read(answer, deadline, asked), answer.headers, asked)
            whole = True
        finally:
            if not whole:
                answer.close()  # a connection with unread bytes must not go back into the pool
            answer.release_conn()
        return _Answer(answer.status, answer.headers, content)

    def _broken(self, asked: str, error: Exception) -> TransportError | RetryableError:
        """Say what broke, without the library's own exception."""
        reason = excerpt(_reason(error), self.redactor.clean)
        broken = TransportError(f"{asked} failed: {reason}. Check the host, the network and the proxy.")
        if _is_final(error):
            return broken
        log.info("%s", broken)
        return RetryableError(broken)

    def _shown(self, url: str, *, whole: bool = False) -> str:
        """Return ``url`` fit for a message; the query only of our own, which is page, page_size and q."""
        return self.redactor.clean(url if whole else redact_url(url))


def _read(answer: urllib3.BaseHTTPResponse, deadline: Deadline, asked: str) -> bytes:
    """Read the bytes as they come, so that a body that drips cannot outlast the deadline."""
    chunks, size = [], 0
    while chunk := answer.read1(_CHUNK, decode_content=False):
        size += len(chunk)
        _check_size(size, asked)
        chunks.append(chunk)
        deadline.check()
    return b"".join(chunks)


def _check_size(size: int, asked: str) -> None:
    if size > MAX_BODY_BYTES:
        raise ResponseError(f"{asked} answered more than {MAX_BODY_BYTES >> 20} MiB in one page.")


def _unpacked(body: bytes, headers: Mapping[str, str], asked: str) -> bytes:
    """Return the body without its gzip.

    :raises HTTPError: when it is damaged or incomplete.
    """
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in ("gzip", "x-gzip"):
        shown = f": {encoding!r}" if encoding in ("br", "compress", "deflate", "zstd") else ""
        raise ResponseError(f"{asked} answered in an encoding that was not asked for{shown}.")
    parts, size = [], 0
    while body:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(body, MAX_BODY_BYTES - size + 1)
        except zlib.error as error:
            raise HTTPError(f"the gzip is damaged ({error})") from None
        size += len(part)
        _check_size(size, asked)
        if not unpacker.eof:
            raise HTTPError("the gzip ends too early")
        parts.append(part)
        body = unpacker.unused_data
    return b"".join(parts)


def _reason(error: Exception) -> str:
    """Return what broke in the words of the libraries, without those that quote what the server sent.

    That may be anything: a token in the place of a status line, a header line, the size of a chunk.
    """
    cause = next((arg for arg in error.args if isinstance(arg, Exception)), error)
    for one in (error, cause):
        quotes = isinstance(one, (HTTPException, InvalidHeader, ValueError)) and not isinstance(one, OSError)
        if quotes and type(one) is not IncompleteRead:
            return " of ".join(dict.fromkeys(type(part).__name__ for part in (error, one)))
    return f"{type(error).__name__}: {error}"


def _is_final(error: Exception) -> bool:
    """Tell whether asking again cannot help: a certificate does not fit, or the URL is none."""
    cause = error.original_error if isinstance(error, ProxyError) else error
    if isinstance(cause, SSLError):
        # The peer hung up within TLS: that is a broken connection like any other.
        return not (cause.args and isinstance(cause.args[0], (ssl.SSLEOFError, ssl.SSLZeroReturnError)))
    return isinstance(cause, LocationValueError)


def _same_origin(url: str, other: str) -> bool:
    """Tell whether ``other`` is the same host, or its https twin: where the credential may go."""
    one, two = urlsplit(url), urlsplit(other)
    ports = {"http": 80, "https": 443}
    first = (one.scheme, one.hostname, one.port or ports.get(one.scheme))
    second = (two.scheme, two.hostname, two.port or ports.get(two.scheme))
    upgraded = first == ("http", two.hostname, 80) and second[0] == "https" and second[2] == 443
    return first == second or upgraded
