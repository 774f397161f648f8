"""Holds the state of an emulator: the day it serves, drift, issued tokens, and the log of requests."""

from __future__ import annotations

import json
import secrets
from base64 import b64decode
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from hmac import compare_digest
from itertools import count
from threading import Lock
from typing import Any, Final
from urllib.parse import unquote_plus

from io_intelligence_provider.emulator.catalogue import Catalogue, Rendered, Shape, model_id, render
from io_intelligence_provider.emulator.faults import Drift, Faults

__all__ = ["EmulatorState", "OAuthClient", "ServerQuirks", "Tokens", "same"]

LOG_LENGTH: Final = 1000


@dataclass(frozen=True)
class ServerQuirks:
    """Deviations of a server's responses.

    :param page_size_cap: the most models on a page, for any requested page size.
    :param total: sent instead of the true total.
    :param total_pages: sent instead of the true number of pages.
    :param endless: ``has_next`` is always true.
    """

    page_size_cap: int | None = None
    total: int | None = None
    total_pages: int | None = None
    endless: bool = False


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
        except ValueError:  # no base64, no ASCII or no UTF-8
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


class EmulatorState:
    """The mutable state of an emulator. Thread-safe."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        shape: Shape = "documented",
        as_of: date | None = None,
        quirks: ServerQuirks | None = None,
    ) -> None:
        self.catalogue = catalogue
        self.shape: Shape = shape
        self.quirks = quirks or ServerQuirks()
        self.faults = Faults()
        self.tokens = Tokens()
        self._lock = Lock()
        self._log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)
        self._drifts: list[Drift] = []
        self._requests = count(1)
        self._as_of: date | None = None
        self.set_as_of(as_of)

    @property
    def as_of(self) -> date | None:
        """The day that is served; ``None``: the latest state."""
        return self._as_of

    def set_as_of(self, as_of: date | None) -> None:
        """Serve another day from now on, without earlier drift.

        :raises ConfigurationError: when the catalogue has nothing for that day; the day is not changed.
        """
        self.catalogue.rendered(as_of, self.shape)
        with self._lock:
            self._as_of = as_of
            self._drifts.clear()

    def drift(self, how: Drift) -> None:
        """Change the catalogue from the next request on."""
        with self._lock:
            self._drifts.append(how)

    def reset(self) -> None:
        """Cancel all faults and undo drift."""
        self.faults.clear()
        with self._lock:
            self._drifts.clear()

    def records(self, q: str | None) -> Sequence[Rendered]:
        """Return the records to serve now: the day's catalogue with drift, filtered by ``q``."""
        with self._lock:
            as_of, drifts = self._as_of, tuple(self._drifts)
        records = self.catalogue.rendered(as_of, self.shape)
        for number, how in enumerate(drifts, start=1):
            records = _drifted(records, how, number)
        if not q:
            return records
        return [record for record in records if q.lower() in record.haystack]

    def next_request(self) -> int:
        """Return the number of the next request, from 1. Values that vary between requests derive from it."""
        return next(self._requests)

    def note(self, entry: dict[str, Any]) -> None:
        """Add one request to the log, which keeps the last 1,000."""
        with self._lock:
            self._log.append(entry)

    def requests(self) -> list[dict[str, Any]]:
        """Return the log, oldest first. It has no values of credential headers."""
        with self._lock:
            return list(self._log)


def _drifted(records: Sequence[Rendered], how: Drift, number: int) -> list[Rendered]:
    changed = list(records)
    if how == "remove_first":
        return changed[1:]
    if how == "insert_first":
        return [_newcomer(changed, number), *changed]
    if len(changed) > 1:
        changed[0], changed[-1] = changed[-1], changed[0]
    return changed


def _newcomer(records: Sequence[Rendered], number: int) -> Rendered:
    """Return a copy of the first model with a new name and identifier."""
    name = f"emulator/newcomer-{number}"
    like = next((record for record in records if _as_object(record.body)), Rendered(b"{}", ""))
    ours = {"id": name} if "id" in _as_object(like.body) else {"model_id": model_id(name)}

    def renamed(body: bytes) -> Rendered:
        return render({**_as_object(body), **ours, "name": name})

    newcomer, anew = renamed(like.body), like.anew
    return newcomer if anew is None else replace(newcomer, anew=lambda number: renamed(anew(number)).body)


def _as_object(body: bytes) -> dict[str, Any]:
    """Return a record as an object, empty when it is not one, because invalid records are served too."""
    try:
        value = json.loads(body, parse_float=Decimal)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
