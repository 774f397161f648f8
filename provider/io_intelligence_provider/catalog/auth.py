"""Who the client is to the API: a bearer token, a guest, nobody, or an OAuth2 client."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol, TypeAlias
from urllib.parse import quote_plus, urlencode

import msgspec

from io_intelligence_provider.catalog.redaction import Redactor, Secret, redact_url, sendable
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import AuthenticationError, ConfigurationError, RequestError

__all__ = ["Authenticator", "ClientCredentials", "Credential", "FixedCredential", "TokenRequest"]

_RENEW_BEFORE: Final = 60.0  # seconds: a token that lives shorter than a slow page is no use
_DEFAULT_LIFETIME: Final = 300.0  # seconds, where the server does not say (RFC 6749, 5.1)

Credential: TypeAlias = Mapping[str, Secret]
"""The headers that carry a credential. They are revealed where the request is sent, so that no frame of
a traceback holds them as text: error reporters do print local variables."""


class Authenticator(Protocol):
    """Gives the credential headers of a request and reacts to a 401."""

    def headers(self, deadline: Deadline) -> Credential:
        """Return the headers that carry the credential; never logged, never sent to another host."""

    def renew(self, refused: Credential) -> bool:
        """Try to get a better credential than the refused headers; tell whether there is one."""


class FixedCredential:
    """A bearer token, a guest session, both or neither."""

    def __init__(self, token: Secret | None, guest_session_id: Secret | None) -> None:
        self._token = token
        self._guest_session_id = guest_session_id

    def headers(self, deadline: Deadline) -> Credential:  # noqa: ARG002 - nothing to wait for
        """See :class:`Authenticator`."""
        headers = {}
        if self._token:
            headers["Authorization"] = Secret(f"Bearer {self._token.reveal()}")
        if self._guest_session_id:
            headers["X-Guest-Session-ID"] = self._guest_session_id
        return headers

    def renew(self, refused: Credential) -> bool:  # noqa: ARG002 - a fixed credential has no other
        """See :class:`Authenticator`."""
        return False


TokenRequest = Callable[[str, Credential, bytes, Deadline], tuple[int, bytes]]
"""Posts (URL, headers, form body) and returns status and body of a 2xx answer, or raises the typed error."""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class ClientCredentials:
    """OAuth2 client credentials (RFC 6749, 4.4): the token is fetched, cached and renewed.

    It is renewed a minute before it expires, and once when the API answers 401. Threads share it.
    """

    def __init__(self, settings: ClientSettings, request: TokenRequest, redactor: Redactor) -> None:
        self._settings = settings
        self._request = request
        self._redactor = redactor
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._renew_at = 0.0

    def headers(self, deadline: Deadline) -> Credential:
        """See :class:`Authenticator`.

        :raises AuthenticationError: when the token endpoint refuses the client.
        """
        with self._alone(deadline):
            if self._token is None or time.monotonic() >= self._renew_at:
                self._fetch(deadline)
            token = self._token
        return FixedCredential(token, self._settings.guest_session_id).headers(deadline)

    def renew(self, refused: Credential) -> bool:
        """See :class:`Authenticator`. Another thread may have renewed it already: that counts."""
        sent = refused.get("Authorization")
        token = self._token
        if sent and token and sent.reveal() == f"Bearer {token.reveal()}":
            self._renew_at = 0.0
        return True

    @contextmanager
    def _alone(self, deadline: Deadline) -> Iterator[None]:
        """Let one thread at a time fetch a token; another one waits no longer than it has time."""
        if not self._lock.acquire(timeout=deadline.left()):
            deadline.check()
        try:
            yield
        finally:
            self._lock.release()

    def _fetch(self, deadline: Deadline) -> None:
        settings = self._settings
        if not (settings.token_url and settings.client_id and settings.client_secret):
            raise ConfigurationError("OAuth2 client credentials need token_url, client_id, client_secret.")
        form = {"grant_type": "client_credentials"} | ({"scope": settings.scope} if settings.scope else {})
        basic = _basic(settings.client_id, settings.client_secret)
        self._redactor.add(basic)
        self._redactor.add(Secret(settings.client_id), identifier=True)
        credential = {"Authorization": Secret(f"Basic {basic.reveal()}")}
        asked_at = time.monotonic()  # the token's life may begin before its answer arrives
        try:
            status, body = self._request(settings.token_url, credential, urlencode(form).encode(), deadline)
        except RequestError as error:  # RFC 6749, 5.2: a refused client or scope is a 400 as well
            raise AuthenticationError(str(error), status=error.status) from None
        token = _decode_token(body)
        del body
        if token is None:
            raise AuthenticationError(
                f"The token endpoint {redact_url(settings.token_url)} answered without a usable "
                "access_token. Check token_url, client_id and scope.",
                status=status,
            )
        self._token, lifetime = token
        self._redactor.add(self._token)
        self._renew_at = asked_at + max(lifetime - _RENEW_BEFORE, lifetime / 2)


def _basic(client_id: str, client_secret: Secret) -> Secret:
    # RFC 6749, 2.3.1: both halves are form-encoded before they go into HTTP Basic.
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
    return Secret(base64.b64encode(pair.encode()).decode())


def _decode_token(body: bytes) -> tuple[Secret, float] | None:
    """Return the token and the seconds it lives, ``None`` when there is none that a header can carry."""
    try:
        token = msgspec.json.decode(body, type=_Token, strict=False)  # "3600" is a number to some servers
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    value = token.access_token.strip()
    if not value or not sendable(value):
        return None
    return Secret(value), _DEFAULT_LIFETIME if token.expires_in is None else token.expires_in
