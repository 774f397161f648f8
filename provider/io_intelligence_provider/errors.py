"""Every error the provider raises on purpose.

::

    IOIntelligenceError
    ├── ConfigurationError      a setting or an argument is wrong; nothing was asked
    ├── HTTPStatusError         (base) an answer whose status says no
    │   ├── AuthenticationError 401, 403
    │   ├── QuotaError          402
    │   ├── NotFoundError       404
    │   ├── RequestError        422 and any other 4xx but 408 and 425
    │   ├── RateLimitError      429 after the retries
    │   └── ServerError         5xx after the retries
    ├── TransportError          connect, read, TLS, truncated body, deadline; 408, 425; a firewall in front
    ├── ResponseError           an answer that is neither known shape
    ├── PaginationError         the walk cannot be made consistent
    ├── QualityError            a check stopped the run
    ├── StorageError            the store could not be read or written
    │   └── UnreadableFileError one file of it is damaged, or is no regular file
    ├── NotificationError       a notifier could not be told
    └── NotOnFileError          what was looked up is not there

A message says what was asked, what came back and what to do. It may name a URL; it never holds a
credential (the client scrubs what servers echo before it gets here).

All of them survive ``pickle``: Airflow and process pools send exceptions between processes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "AuthenticationError",
    "ConfigurationError",
    "ErrorDetail",
    "HTTPStatusError",
    "IOIntelligenceError",
    "NotFoundError",
    "NotOnFileError",
    "NotificationError",
    "PaginationError",
    "QualityError",
    "QuotaError",
    "RateLimitError",
    "RequestError",
    "ResponseError",
    "ServerError",
    "StorageError",
    "TransportError",
    "UnreadableFileError",
]


class IOIntelligenceError(Exception):
    """The root: catch this to catch whatever the provider raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls ``cls(*args)``, which fails for classes with keyword-only arguments.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(
    cls: type[IOIntelligenceError], args: tuple[Any, ...], state: dict[str, Any]
) -> IOIntelligenceError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigurationError(IOIntelligenceError):
    """A connection field, an argument or the root's own history forbids the call; nothing was sent."""


@dataclass(frozen=True)
class ErrorDetail:
    """One entry of an ``HTTPValidationError``: where, what, and the kind of mistake."""

    loc: tuple[str | int, ...]
    msg: str
    type: str

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.loc)
        return f"{where}: {self.msg} ({self.type})"


class HTTPStatusError(IOIntelligenceError):
    """An answer whose status says no. ``status`` is the HTTP status code."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class RequestError(HTTPStatusError):
    """422 (and any 4xx without a class of its own): asking again as before cannot help.

    ``details`` holds ``loc``/``msg``/``type`` of each entry of the documented ``HTTPValidationError``.
    """

    def __init__(self, message: str, *, status: int, details: Sequence[ErrorDetail] = ()) -> None:
        super().__init__(message, status=status)
        self.details = tuple(details)


class AuthenticationError(HTTPStatusError):
    """401 or 403: the credential is missing, wrong, expired or not allowed to list models."""


class QuotaError(HTTPStatusError):
    """402: the key is valid, its account has no quota left."""


class NotFoundError(HTTPStatusError):
    """404: no such endpoint under this base URL."""


class RateLimitError(HTTPStatusError):
    """429 after the retries, or at once when ``Retry-After`` exceeds what the deadline leaves.

    ``retry_after`` is in seconds, ``None`` when the server did not say.
    """

    def __init__(self, message: str, *, status: int = 429, retry_after: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class ServerError(HTTPStatusError):
    """5xx after the retries."""


class TransportError(IOIntelligenceError):
    """No whole answer of the server arrived: connect, read, TLS, truncated body, or the deadline passed.

    Also 408 and 425, and what a firewall or bot protection answers in place of the server.
    """


class ResponseError(IOIntelligenceError):
    """An answer arrived whole, but it is not JSON, an error, or has neither of the known shapes."""


class PaginationError(IOIntelligenceError):
    """The catalogue kept changing while it was walked, or the pages have no end."""


class Report(Protocol):
    """What an error knows of the result it carries."""

    @property
    def outcome(self) -> str:
        """``passed``, ``warned`` or ``failed``."""

    @property
    def checks(self) -> Sequence[Any]:
        """One result per check."""


class QualityError(IOIntelligenceError):
    """A check stopped the commit; quarantine and report were written, the last snapshot stands.

    ``report`` is the :class:`~io_intelligence_provider.contract.report.QualityReport` of a snapshot, the
    :class:`~io_intelligence_provider.quality.result.CheckRun` of any other data set.
    """

    def __init__(self, message: str, *, report: Report) -> None:
        super().__init__(message)
        self.report = report


class StorageError(IOIntelligenceError):
    """The store could not be reached, read or written."""


class UnreadableFileError(StorageError):
    """One file of the store is there and cannot be used: it is damaged, or no regular file.

    The storage answers and other files may be fine, so whoever can do without this one goes on.
    """


class NotificationError(IOIntelligenceError):
    """A notifier failed; the others were told, and a retry tells only those that were not."""


class NotOnFileError(IOIntelligenceError):
    """A date, a model or a report that the store does not hold."""


STATUS_ERRORS: Mapping[int, type[HTTPStatusError]] = {
    401: AuthenticationError,
    402: QuotaError,
    403: AuthenticationError,
    404: NotFoundError,
}
"""Statuses with an error class of their own (422, 429 and 5xx carry more than a status)."""
