"""Secrets that cannot be printed by accident, and text from servers with every secret taken out."""

from __future__ import annotations

import html
import json
import re
import threading
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

__all__ = ["Redactor", "Secret", "redact_url"]

_MASK: Final = "***"


class Secret:
    """A string that shows itself only through :meth:`reveal`: not in a repr, a log or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret; call it where it is put on the wire and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({_MASK!r})"

    __str__ = __repr__

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("A Secret is not pickled: it would leave the client.")


class Redactor:
    """Takes known secrets out of foreign text: servers do echo what they were sent. Threads share it."""

    def __init__(self, secrets: Iterable[Secret | None] = ()) -> None:
        self._lock = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret | None) -> None:
        """Learn one more secret (a freshly fetched access token), in the forms it may come back in."""
        if secret is None or not secret.reveal():
            return
        with self._lock:
            self._forms |= _forms(secret.reveal())
            # The longest first: a secret may be part of another. %2f is %2F, hence the case.
            longest_first = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def clean(self, text: str) -> str:
        """Return ``text`` with every known secret masked."""
        return self._pattern.sub(_MASK, text) if self._pattern else text


def _forms(value: str) -> frozenset[str]:
    """Return what a secret looks like plain, in a URL, in JSON, in HTML and in a Python repr."""
    in_json = json.dumps(value)[1:-1]
    return frozenset(
        {
            value,
            quote(value),
            quote(value, safe=""),
            quote_plus(value),
            in_json,
            in_json.replace("/", "\\/"),
            html.escape(value),
            repr(value)[1:-1],
        }
    )


def redact_url(url: str) -> str:
    """Return ``url`` without user info, query and fragment: the part that may stand in a message."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
