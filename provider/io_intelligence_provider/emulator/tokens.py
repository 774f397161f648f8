"""Issues and checks the OAuth2 tokens of the emulator's token endpoint."""

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
    """The accepted client. It is sent ``expires_in`` (seconds), but tokens do not expire by themselves."""

    client_id: str
    client_secret: str = field(repr=False)
    expires_in: int = 3600

    def authenticates(self, authorization: str | None) -> bool:
        """Return whether an ``Authorization`` header is this client's HTTP Basic header."""
        scheme, _, encoded = (authorization or "").partition(" ")
        try:
            user, _, password = b64decode(encoded, validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            return False
        # RFC 6749 requires form-encoding for both parts; most clients send them plain.
        pairs = ((user, password), (unquote_plus(user), unquote_plus(password)))
        known = any(same(u, self.client_id) and same(p, self.client_secret) for u, p in pairs)
        return scheme.lower() == "basic" and known


class Tokens:
    """The tokens that were issued and not revoked. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._valid: set[str] = set()
        self.issued = 0

    def issue(self) -> str:
        """Issue a new token."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._valid.add(token)
            self.issued += 1
        return token

    def accepts(self, token: str) -> bool:
        """Return whether the token was issued and not revoked."""
        with self._lock:
            return token in self._valid

    def revoke(self) -> None:
        """Revoke all tokens."""
        with self._lock:
            self._valid.clear()


def same(given: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
