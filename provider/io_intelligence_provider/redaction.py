"""Masks secrets in text from servers, and keeps them out of reprs, logs and tracebacks."""

from __future__ import annotations

import base64
import html
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit, urlunsplit

from io_intelligence_provider.errors import IOIntelligenceError

__all__ = ["MASK", "Redactor", "Secret", "bare", "redact_url", "sendable", "without_frames"]


Result = TypeVar("Result")
Failure = TypeVar("Failure", bound=BaseException)

MASK: Final = "***"
_SHORTEST_IN_RECORDS: Final = 6
"""Characters. A shorter secret is not masked in records, because it would match common words and numbers."""
_SHORTEST_IDENTIFIER: Final = 8
"""Characters. A shorter client id or user name is not masked, because it would match common words."""
_LAYERS: Final = 3
"""Maximum number of nested encodings that are undone to find a secret."""


class Secret:
    """A string that only :meth:`reveal` returns; it is not in a repr, a log or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret; call this only where it is sent."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    __str__ = __repr__

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("A Secret is not pickled: it would leave the client.")


def sendable(text: str) -> bool:
    """Return whether a header can carry ``text``: printable ASCII, no white space around it."""
    return text.isascii() and text.isprintable() and text == text.strip()


def bare(error: Failure) -> Failure:
    """Return ``error`` without its frames, cause and context.

    Error reporters print the local variables of frames, and a library's exception may hold the request.
    ``raise ... from None`` only hides the context in a printed traceback.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def without_frames(
    call: Callable[[], Result],
    only: type[BaseException] | tuple[type[BaseException], ...] = IOIntelligenceError,
) -> Result:
    """Return the result of ``call``, or raise its exception without frames, see :func:`bare`.

    :param only: the exceptions that lose their frames; others are bugs and keep them.
    """
    try:
        return call()
    except only as error:
        failure = bare(error)
    try:
        raise failure
    finally:
        del failure  # breaks the reference cycle between frame and exception


class Redactor:
    """Masks known secrets in text from servers, which may echo what they were sent. Threads may share it.

    :param on_secret: called with each secret in each form in which it may come back; Airflow's hook passes
        its log masker.
    """

    def __init__(
        self, secrets: Iterable[Secret | None] = (), on_secret: Callable[[str], None] | None = None
    ) -> None:
        self._on_secret = on_secret
        self._lock = threading.Lock()
        self._known: set[tuple[str, bool]] = set()
        self._in_text = _Patterns()
        self._in_records = _Patterns()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret | None, *, identifier: bool = False) -> None:
        """Add a secret, such as a new access token, in the forms in which it may come back.

        :param identifier: the value is an identifier such as a client id: masked in messages if it is too
            long for a common word, never in records, which may hold the same word.
        """
        if secret is None or not secret.reveal():
            return
        if identifier and len(secret.reveal()) < _SHORTEST_IDENTIFIER:
            return
        with self._lock:
            if (secret.reveal(), identifier) in self._known:
                return
            self._known.add((secret.reveal(), identifier))
            self._in_text = self._in_text.with_secret(secret)
            if not identifier and len(secret.reveal()) >= _SHORTEST_IN_RECORDS:
                self._in_records = self._in_records.with_secret(secret)
        if self._on_secret is not None and not identifier:
            for form in sorted(_forms(secret.reveal())):
                self._on_secret(form)

    def clean(self, text: str) -> str:
        """Return ``text`` with every known secret masked, or all of it when an encoding hides one."""
        return self._in_text.clean(text)

    def may_be_in(self, text: bytes) -> bool:
        """Return whether JSON text holds a secret in any spelling; fast when it holds none."""
        return self._in_records.may_be_in(text)

    def clean_value(self, value: Any) -> Any:
        """Return a decoded JSON value with the secrets masked, also in keys and numbers."""
        if isinstance(value, str):
            return self._in_records.clean(value)
        if isinstance(value, dict):
            return {self._in_records.clean(key): self.clean_value(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.clean_value(item) for item in value]
        if isinstance(value, (int, Decimal)) and self._in_records.clean(str(value)) != str(value):
            return MASK
        return value


class _Patterns:
    """The forms of some secrets: as one pattern, and as lower-case bytes for a fast search."""

    def __init__(self, literals: frozenset[str] = frozenset(), cores: frozenset[str] = frozenset()) -> None:
        self._literals = literals
        self._cores = cores
        self._needles = tuple(form.lower().encode() for form in literals | cores)
        # Longest first, because a secret may be part of another. Case-insensitive, because %2f equals %2F.
        parts = [
            *map(re.escape, sorted(literals, key=len, reverse=True)),
            # The characters around a base64 core also encode parts of the secret's first and last characters.
            *(rf"[\w+/-]?{re.escape(core)}[\w+/-]?={{0,2}}" for core in sorted(cores)),
        ]
        self._pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None

    def with_secret(self, secret: Secret) -> _Patterns:
        return _Patterns(self._literals | _forms(secret.reveal()), self._cores | _cores(secret.reveal()))

    def clean(self, text: str) -> str:
        pattern = self._pattern
        if pattern is None:
            return text
        cleaned = pattern.sub(MASK, text)
        return MASK if any(pattern.search(decoded) for decoded in _decodings(cleaned)) else cleaned

    def may_be_in(self, text: bytes) -> bool:
        if not self._needles:
            return False
        lowered = text.lower()
        if any(needle in lowered for needle in self._needles):
            return True
        if not any(sign in lowered for sign in (b"\\", b"%", b"&")):
            return False
        decodings = _decodings(text.decode("utf-8", "replace"))
        return any(
            needle in decoded.lower().encode("utf-8", "replace")
            for decoded in decodings
            for needle in self._needles
        )


def _forms(value: str) -> frozenset[str]:
    """Return the forms of a secret: plain, in a URL, in JSON, in HTML and in a Python repr."""
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


def _cores(value: str) -> frozenset[str]:
    """Return, for each alignment, the part common to all base64 texts that contain a secret."""
    data, cores = value.encode("utf-8", "replace"), set()
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).decode()
        core = coded[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        if len(core) >= 8:
            cores |= {core, core.replace("+", "-").replace("/", "_")}
    return frozenset(cores)


_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(.))", re.IGNORECASE | re.DOTALL)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else found[3]


_DECODERS: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("\\", lambda text: _ESCAPE.sub(_unescaped, text)),
    ("%", unquote),
    ("&", html.unescape),
)


def _decodings(text: str) -> Iterator[str]:
    """Yield ``text`` with the escapes of JSON, URLs or HTML undone, then decode each result again.

    One kind at a time, because decoding several would alter a secret that itself looks escaped.
    """
    seen, latest = {text}, [text]
    for _ in range(_LAYERS):
        decoded = {decode(one) for one in latest for sign, decode in _DECODERS if sign in one} - seen
        yield from decoded
        seen |= decoded
        latest = list(decoded)


def redact_url(url: str) -> str:
    """Return ``url`` without user info, query and fragment, for messages."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an invalid URL)"  # a password may be anywhere in it
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
