"""Authenticates the client: by bearer token, guest session, OAuth2 client credentials, or not at all."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Protocol
from urllib.parse import quote_plus, urlencode

import msgspec
from requests import PreparedRequest
from requests.auth import AuthBase

from io_intelligence_provider.catalog.http_errors import Answer, is_html, oauth_error
from io_intelligence_provider.catalog.retry import Deadline
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import AuthenticationError, ConfigurationError, RequestError
from io_intelligence_provider.redaction import Redactor, Secret, sendable

__all__ = [
    "Authenticator",
    "BearerToken",
    "ClientCredentials",
    "Credential",
    "FixedCredential",
    "TokenRequest",
]

_RENEW_BEFORE: Final = 60.0  # seconds, so that a token does not expire during a slow request
_DEFAULT_LIFETIME: Final = 300.0  # seconds, where the server does not say (RFC 6749, 5.1)


class Credential(AuthBase):
    """The headers that identify the client. They are set only when a request is sent.

    Until then they are :class:`Secret` objects, because error reporters print the local variables of frames.
    """

    def __init__(self, headers: Mapping[str, Secret]) -> None:
        self.headers = headers

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the headers; called by requests."""
        for name, secret in self.headers.items():
            request.headers[name] = secret.reveal()
        return request


class BearerToken(Credential):
    """An API key or access token."""

    def __init__(self, token: Secret) -> None:
        super().__init__({"Authorization": Secret(f"Bearer {token.reveal()}")})


class Authenticator(Protocol):
    """Gives the credential of a request and reacts to a 401."""

    def credential(self, deadline: Deadline) -> Credential:
        """Return the credential, which must not be logged or sent to another host."""

    def renew(self, refused: Credential) -> bool:
        """Try to replace a refused credential; return whether there is a new one."""


class FixedCredential:
    """A bearer token, a guest session, both or neither."""

    def __init__(self, token: Secret | None, guest_session_id: Secret | None) -> None:
        headers = dict(BearerToken(token).headers) if token else {}
        if guest_session_id:
            headers["X-Guest-Session-ID"] = guest_session_id
        self._credential = Credential(headers)

    def credential(self, deadline: Deadline) -> Credential:  # noqa: ARG002 - nothing to wait for
        """See :class:`Authenticator`."""
        return self._credential

    def renew(self, refused: Credential) -> bool:  # noqa: ARG002 - a fixed credential has no other
        """See :class:`Authenticator`."""
        return False


TokenRequest = Callable[[str, Credential, bytes, Deadline], Answer]
"""Posts (URL, credential, form body) and returns a 2xx response, or raises the typed error."""


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float | None = None


class ClientCredentials:
    """OAuth2 client credentials (RFC 6749, 4.4): the token is fetched, cached and renewed.

    It is renewed a minute before it expires, and once after a 401 of the API. Threads may share it.
    """

    def __init__(self, settings: ClientSettings, request: TokenRequest, redactor: Redactor) -> None:
        self._settings = settings
        self._request = request
        self._redactor = redactor
        self._lock = threading.Lock()
        self._token: Secret | None = None
        self._renew_at = 0.0

    def credential(self, deadline: Deadline) -> Credential:
        """See :class:`Authenticator`.

        :raises AuthenticationError: when the token endpoint refuses the client.
        """
        with self._alone(deadline):
            if self._token is None or time.monotonic() >= self._renew_at:
                self._fetch(deadline)
            token = self._token
        return FixedCredential(token, self._settings.guest_session_id).credential(deadline)

    def renew(self, refused: Credential) -> bool:
        """See :class:`Authenticator`. A token that another thread has renewed counts as new."""
        sent = refused.headers.get("Authorization")
        token = self._token
        if sent and token and sent.reveal() == f"Bearer {token.reveal()}":
            self._renew_at = 0.0
        return True

    @contextmanager
    def _alone(self, deadline: Deadline) -> Iterator[None]:
        """Let one thread at a time fetch a token; others wait until their deadline at most."""
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
        credential = Credential({"Authorization": Secret(f"Basic {basic.reveal()}")})
        asked_at = time.monotonic()  # the token's lifetime may begin before the response arrives
        try:
            answer = self._request(settings.token_url, credential, urlencode(form).encode(), deadline)
        except RequestError as error:  # RFC 6749, 5.2: a refused client or scope is a 400 as well
            raise AuthenticationError(str(error), status=error.status) from None
        token = _decode_token(answer.body)
        if token is None:
            refused = self._without_token(answer)
            del answer  # tracebacks may show local variables, and a token may be anywhere in it
            raise refused
        self._token, lifetime = token
        self._redactor.add(self._token)
        self._renew_at = asked_at + max(lifetime - _RENEW_BEFORE, lifetime / 2)

    def _without_token(self, answer: Answer) -> AuthenticationError:
        """Return the error for a 2xx without a token. Of its body only an OAuth error is quoted."""
        clean = self._redactor.clean
        said = oauth_error(answer.body, clean)
        if not answer.body.strip():
            came = "with an empty body"
        elif is_html(answer.body, answer.media_type):
            came = "with an HTML page"
        else:
            came = f"with the error {said!r}" if said else "with something else"
        return AuthenticationError(
            f"{answer.asked} answered {answer.shown_status(clean, for_token=True)} {came}, without a usable "
            "access_token. Check token_url, client_id, client_secret and scope.",
            status=answer.status,
        )


def _basic(client_id: str, client_secret: Secret) -> Secret:
    # RFC 6749, 2.3.1: id and secret are form-encoded before they go into HTTP Basic.
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
    return Secret(base64.b64encode(pair.encode()).decode())


def _decode_token(body: bytes) -> tuple[Secret, float] | None:
    """Return the token and its lifetime in seconds, ``None`` without a token that a header can carry."""
    try:
        token = msgspec.json.decode(body, type=_Token, strict=False)  # some servers send "3600" as text
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    value = token.access_token.strip()
    if not value or not sendable(value):
        return None
    return Secret(value), _DEFAULT_LIFETIME if token.expires_in is None else token.expires_in
