"""One request and what can come of it: a body, or a typed error. Retries, redirects, credentials."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, SSLError

from io_intelligence_provider import __version__
from io_intelligence_provider.catalog.answers import error_for
from io_intelligence_provider.catalog.auth import Authenticator, ClientCredentials, FixedCredential
from io_intelligence_provider.catalog.deadline import Deadline
from io_intelligence_provider.catalog.pool import open_pool, proxy_secret
from io_intelligence_provider.catalog.retry import RetryableError, parse_retry_after, retrying
from io_intelligence_provider.catalog.secret import Redactor, redact_url
from io_intelligence_provider.catalog.settings import ClientSettings
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


class Transport:
    """Sends requests for one client; threads may share it."""

    def __init__(self, settings: ClientSettings) -> None:
        self.settings = settings
        self.redactor = Redactor(
            (settings.token, settings.guest_session_id, settings.client_secret, proxy_secret(settings))
        )
        self._pool = open_pool(settings)
        self._auth: Authenticator = FixedCredential(settings.token, settings.guest_session_id)
        if settings.token_url:
            self._auth = ClientCredentials(settings, self._post_form, self.redactor)

    def close(self) -> None:
        """Close every connection of the pool."""
        self._pool.clear()

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
        credential = self._auth.headers()
        try:
            return self._send("GET", url, credential, deadline)
        except AuthenticationError as error:
            if error.status != 401 or not self._auth.renew(credential):
                raise
        return self._send("GET", url, self._auth.headers(), deadline)

    def _post_form(self, url: str, headers: dict[str, str], body: bytes) -> bytes:
        # The token endpoint gets the policy of a page of its own, within the time one page may take.
        settings = self.settings
        deadline = Deadline(settings.deadline)
        policy = retrying(settings.max_retries, settings.backoff, settings.max_backoff, deadline)
        return policy(self._send, "POST", url, headers, deadline, body)

    def _send(
        self, method: str, url: str, credential: dict[str, str], deadline: Deadline, body: bytes | None = None
    ) -> bytes:
        """Send one request, follow its redirects; the credential stays with the host it is meant for."""
        target, headers = url, credential
        for _ in range(_MAX_REDIRECTS + 1):
            status, answer_headers, answer = self._exchange(method, target, headers, deadline, body)
            location = answer_headers.get("Location")
            if status not in _REDIRECTS or not location:
                break
            if method != "GET":
                raise ResponseError(f"{redact_url(url)} redirects a {method}; give the final URL.")
            target = urljoin(target, location)
            if not _same_origin(url, target):
                headers = {}
        else:
            raise ResponseError(f"GET {self._shown(url)}: more than {_MAX_REDIRECTS} redirects.")
        if status == 200:
            return answer
        failed = f"{method} {self._shown(url)} answered {status}"
        if target != url:
            failed += f" (after a redirect to {redact_url(target)}; another host gets no credential)"
        raise self._refusal(failed, status, answer_headers, answer)

    def _refusal(
        self, failed: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> IOIntelligenceError | RetryableError:
        retry_after = parse_retry_after(headers.get("Retry-After"))
        error = error_for(failed, status, self.redactor.clean(body.decode("utf-8", "replace")), retry_after)
        if isinstance(error, (RateLimitError, ServerError)):
            log.info("%s; trying again if the deadline allows", failed)
            return RetryableError(error, retry_after)
        return error

    def _exchange(
        self, method: str, url: str, credential: dict[str, str], deadline: Deadline, body: bytes | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request and read the answer whole; every failure to do so may be tried again."""
        deadline.check()
        headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"}
        try:
            answer = self._pool.request(
                method,
                url,
                headers=headers | credential,
                body=body,
                redirect=False,
                preload_content=False,
            )
        except (HTTPError, OSError) as error:
            raise self._broken(method, url, error) from None
        whole = False
        try:
            content = self._read(answer, url, deadline)
            whole = True
        except (HTTPError, OSError) as error:
            raise self._broken(method, url, error) from None
        finally:
            if not whole:
                answer.close()  # a connection with unread bytes must not go back into the pool
            answer.release_conn()
        return answer.status, answer.headers, content

    def _read(self, answer: urllib3.BaseHTTPResponse, url: str, deadline: Deadline) -> bytes:
        chunks, size = [], 0
        for chunk in answer.stream(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise ResponseError(
                    f"GET {self._shown(url)} answered more than {MAX_BODY_BYTES >> 20} MiB in one page."
                )
            chunks.append(chunk)
            deadline.check()
        return b"".join(chunks)

    def _broken(self, method: str, url: str, error: Exception) -> TransportError | RetryableError:
        """Say what broke. The library's own exception is not chained: it may hold what was sent."""
        reason = self.redactor.clean(f"{type(error).__name__}: {error}")
        broken = TransportError(
            f"{method} {self._shown(url)} failed: {reason}. Check the host, the network and the proxy."
        )
        if isinstance(error, SSLError):
            return broken
        log.info("%s", broken)
        return RetryableError(broken)

    def _shown(self, url: str) -> str:
        """Return ``url`` fit for a message: our own query is page, page_size and q, all harmless."""
        return self.redactor.clean(url if url.startswith(self.settings.base_url) else redact_url(url))


def _same_origin(url: str, other: str) -> bool:
    """Tell whether ``other`` is the same host, or its https twin: where the credential may go."""
    one, two = urlsplit(url), urlsplit(other)
    ports = {"http": 80, "https": 443}
    first = (one.scheme, one.hostname, one.port or ports.get(one.scheme))
    second = (two.scheme, two.hostname, two.port or ports.get(two.scheme))
    upgraded = first == ("http", two.hostname, 80) and second[0] == "https" and second[2] == 443
    return first == second or upgraded
