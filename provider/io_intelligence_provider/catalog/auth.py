"""Who the client is to the API: a bearer token, a guest, nobody, or an OAuth2 client."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import quote, urlencode

import msgspec

from io_intelligence_provider.catalog.secret import Redactor, Secret, redact_url
from io_intelligence_provider.catalog.settings import ClientSettings
from io_intelligence_provider.errors import AuthenticationError, ConfigurationError, RequestError

__all__ = ["Authenticator", "ClientCredentials", "FixedCredential", "TokenRequest"]

_RENEW_BEFORE: Final = 60.0  # seconds: a token that lives shorter than a slow page is no use
_DEFAULT_LIFETIME: Final = 300.0  # seconds, where the server does not say (RFC 6749, 4.2.2)


class Authenticator(Protocol):
    """Gives the credential headers of a request and reacts to a 401."""

    def headers(self) -> dict[str, str]:
        """Return the headers that carry the credential; never logged, never sent to another host."""

    def renew(self, refused: dict[str, str]) -> bool:
        """Try to get a better credential than the refused headers; tell whether there is one."""


class FixedCredential:
    """A bearer token, a guest session, both or neither."""

    def __init__(self, token: Secret | None, guest_session_id: Secret | None) -> None:
        self._token = token
        self._guest_session_id = guest_session_id

    def headers(self) -> dict[str, str]:
        """See :class:`Authenticator`."""
        headers = {}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token.reveal()}"
        if self._guest_session_id:
            headers["X-Guest-Session-ID"] = self._guest_session_id.reveal()
        return headers

    def renew(self, refused: dict[str, str]) -> bool:  # noqa: ARG002 - a fixed credential has no other
        """See :class:`Authenticator`."""
        return False


TokenRequest = Callable[[str, dict[str, str], bytes], bytes]
"""Posts (URL, headers, form body) and returns the body of the 200 answer, or raises the typed error."""


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

    def headers(self) -> dict[str, str]:
        """See :class:`Authenticator`.

        :raises AuthenticationError: when the token endpoint refuses the client.
        """
        with self._lock:
            if self._token is None or time.monotonic() >= self._renew_at:
                self._fetch()
            token = self._token
        return FixedCredential(token, self._settings.guest_session_id).headers()

    def renew(self, refused: dict[str, str]) -> bool:
        """See :class:`Authenticator`. Another thread may have renewed it already: that counts."""
        with self._lock:
            if self._token and refused.get("Authorization") == f"Bearer {self._token.reveal()}":
                self._token = None
        return True

    def _fetch(self) -> None:
        settings = self._settings
        if not (settings.token_url and settings.client_id and settings.client_secret):
            raise ConfigurationError("OAuth2 client credentials need token_url, client_id, client_secret.")
        form = {"grant_type": "client_credentials"} | ({"scope": settings.scope} if settings.scope else {})
        # RFC 6749, 2.3.1: both halves are form-encoded before they go into HTTP Basic.
        pair = f"{quote(settings.client_id, safe='')}:{quote(settings.client_secret.reveal(), safe='')}"
        basic = Secret(base64.b64encode(pair.encode()).decode())
        self._redactor.add(basic)
        headers = {
            "Authorization": f"Basic {basic.reveal()}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        try:
            body = self._request(settings.token_url, headers, urlencode(form).encode())
        except RequestError as error:  # RFC 6749, 5.2: a refused client is a 400 as well
            raise AuthenticationError(
                f"{error} Check client_id, client_secret and scope.", status=401
            ) from None
        try:
            token = msgspec.json.decode(body, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise AuthenticationError(
                f"The token endpoint {redact_url(settings.token_url)} answered without an access_token. "
                "Check token_url, client_id and scope.",
                status=200,
            ) from None
        self._token = Secret(token.access_token)
        self._redactor.add(self._token)
        lifetime = _DEFAULT_LIFETIME if token.expires_in is None else token.expires_in
        self._renew_at = time.monotonic() + max(lifetime - _RENEW_BEFORE, lifetime / 2)
