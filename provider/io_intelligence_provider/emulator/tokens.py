"""OAuth2 client credentials: the tokens that the emulator's token endpoint issues."""

from __future__ import annotations

import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from hmac import compare_digest
from threading import Lock
from urllib.parse import unquote_plus

__all__ = ["OAuthClient", "Tokens", "same"]


@dataclass(frozen=True)
class OAuthClient:
    """The one client that is served. ``expires_in`` (seconds) is told to it; nothing expires by itself."""

    client_id: str
    client_secret: str = field(repr=False)
    expires_in: int = 3600

    def authenticates(self, authorization: str | None) -> bool:
        """Tell whether an ``Authorization`` header is the HTTP Basic one of this client."""
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            user, _, password = b64decode(encoded, validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            return False
        # RFC 6749 has both parts form-encoded; most clients send them plain.
        pairs = ((user, password), (unquote_plus(user), unquote_plus(password)))
        known = any(same(u, self.client_id) and same(p, self.client_secret) for u, p in pairs)
        return scheme.lower() == "basic" and known


class Tokens:
    """Tokens issued and not yet revoked. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._valid: set[str] = set()
        self.issued = 0

    def issue(self) -> str:
        """Return a fresh token."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._valid.add(token)
            self.issued += 1
        return token

    def accepts(self, token: str) -> bool:
        """Tell whether the token was issued and not revoked."""
        with self._lock:
            return token in self._valid

    def revoke(self) -> None:
        """Make every token issued so far worthless."""
        with self._lock:
            self._valid.clear()


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
