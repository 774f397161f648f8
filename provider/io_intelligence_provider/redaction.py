"""Secrets that cannot be printed by accident, and what comes from servers with every secret taken out."""

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
"""Characters. A shorter secret is not looked for in records: it would hit innocent words and numbers."""
_SHORTEST_IDENTIFIER: Final = 8
"""Characters. A shorter client id or user name is no secret, and would hit innocent words in messages."""
_LAYERS: Final = 3
"""How many encodings around each other are undone to find a secret."""


class Secret:
    """A string that shows itself only through :meth:`reveal`: not in a repr, a log or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret; call it where it is put on the wire and nowhere else."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({MASK!r})"

    __str__ = __repr__

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("A Secret is not pickled: it would leave the client.")


def sendable(text: str) -> bool:
    """Tell whether a header can carry ``text``: printable ASCII, no white space around it."""
    return text.isascii() and text.isprintable() and text == text.strip()


def bare(error: Failure) -> Failure:
    """Return ``error`` without its frames, cause and context.

    Error reporters print the local variables of frames, and a library's own exception may hold what was
    sent. ``raise ... from None`` hides a context in a printed traceback only; it is still there.
    """
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def without_frames(
    call: Callable[[], Result],
    only: type[BaseException] | tuple[type[BaseException], ...] = IOIntelligenceError,
) -> Result:
    """Return what ``call`` returns; what it raises is raised from here, see :func:`bare`.

    :param only: the exceptions that lose their frames; others, which are mistakes of ours, keep them.
    """
    try:
        return call()
    except only as error:
        failure = bare(error)
    try:
        raise failure
    finally:
        del failure  # a frame that holds its own exception lives until the next garbage collection


class Redactor:
    """Takes known secrets out of foreign text: servers do echo what they were sent. Threads share it.

    :param on_secret: is called with each secret, in each form in which it may come back; Airflow's hook
        gives its log masker here.
    """

    def __init__(
        self, secrets: Iterable[Secret | None] = (), on_secret: Callable[[str], None] | None = None
    ) -> None:
        self._on_secret = on_secret
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._in_text = _Patterns()
        self._in_records = _Patterns()
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret | None, *, identifier: bool = False) -> None:
        """Learn one more secret (a freshly fetched access token), in the forms it may come back in.

        :param identifier: it only names somebody (a client id): masked in messages when it is long
            enough to be no common word, never in records, which may hold such a word of their own.
        """
        if secret is None or not secret.reveal():
            return
        if identifier and len(secret.reveal()) < _SHORTEST_IDENTIFIER:
            return
        with self._lock:
            if secret.reveal() in self._known:
                return
            self._known.add(secret.reveal())
            self._in_text = self._in_text.with_secret(secret)
            if not identifier and len(secret.reveal()) >= _SHORTEST_IN_RECORDS:
                self._in_records = self._in_records.with_secret(secret)
        if self._on_secret is not None and not identifier:
            for form in sorted(_forms(secret.reveal())):
                self._on_secret(form)

    def clean(self, text: str) -> str:
        """Return ``text`` with every known secret masked; all of it when one is hidden by an encoding."""
        return self._in_text.clean(text)

    def may_be_in(self, text: bytes) -> bool:
        """Tell whether JSON text holds a secret, in whichever spelling; fast where it holds none."""
        return self._in_records.may_be_in(text)

    def clean_value(self, value: Any) -> Any:
        """Return a decoded JSON value with the secrets masked, in keys and numbers as well."""
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
    """The forms of some secrets: as one pattern, and as bytes in lower case for a fast look."""

    def __init__(self, literals: frozenset[str] = frozenset(), cores: frozenset[str] = frozenset()) -> None:
        self._literals = literals
        self._cores = cores
        self._needles = tuple(form.lower().encode() for form in literals | cores)
        # The longest first: a secret may be part of another. %2f is %2F, hence the case.
        parts = [
            *map(re.escape, sorted(literals, key=len, reverse=True)),
            # The letters around the core of a base64 text hold the rest of the first and the last character.
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


def _cores(value: str) -> frozenset[str]:
    """Return what every base64 text has in common that holds a secret somewhere, one for each alignment."""
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
    """Yield ``text`` with its escapes of JSON, of URLs or of HTML undone, then those of each of these.

    One kind at a time: what is left of a secret that itself looks escaped would be no longer the secret.
    """
    seen, latest = {text}, [text]
    for _ in range(_LAYERS):
        decoded = {decode(one) for one in latest for sign, decode in _DECODERS if sign in one} - seen
        yield from decoded
        seen |= decoded
        latest = list(decoded)


def redact_url(url: str) -> str:
    """Return ``url`` without user info, query and fragment: the part that may stand in a message."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
