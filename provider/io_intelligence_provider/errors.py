"""Defines every error that the provider raises on purpose.

::

    IOIntelligenceError
    ├── ConfigurationError      a setting or an argument is wrong; nothing was sent
    ├── HTTPStatusError         (base) an error response
    │   ├── AuthenticationError 401, 403
    │   ├── QuotaError          402
    │   ├── NotFoundError       404
    │   ├── RequestError        422 and any other 4xx but 408 and 425
    │   ├── RateLimitError      429 after the retries
    │   └── ServerError         5xx after the retries
    ├── TransportError          connect, read, TLS, truncated body, deadline; 408, 425; a firewall in front
    ├── ResponseError           a response of neither known shape
    ├── PaginationError         no consistent walk was possible
    ├── QualityError            a check stopped the run
    ├── StorageError            the store, an output or a temporary file could not be read or written
    │   └── UnreadableFileError one file of it is damaged, or is no regular file
    ├── NotificationError       a notifier failed
    ├── OverdueError            no snapshot was committed in time, or the last run was stopped
    └── NotOnFileError          the store does not hold what was looked up

A message says what was requested, what came back and what to do. It may name a URL, but never holds a
credential: the client masks those that servers echo.

All errors can be pickled, because Airflow and process pools send exceptions between processes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    "OverdueError",
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
    "in_temporary_folder",
]


class IOIntelligenceError(Exception):
    """The base class of all errors that the provider raises on purpose."""

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
    """A connection field, an argument or the content of the root forbids the call; nothing was sent."""


@dataclass(frozen=True)
class ErrorDetail:
    """One entry of an ``HTTPValidationError``: location, message and type."""

    loc: tuple[str | int, ...]
    msg: str
    type: str

    def __str__(self) -> str:
        where = ".".join(str(part) for part in self.loc)
        return f"{where}: {self.msg} ({self.type})"


class HTTPStatusError(IOIntelligenceError):
    """An error response. ``status`` is the HTTP status code."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class RequestError(HTTPStatusError):
    """422 and any other 4xx without its own class: repeating the request cannot help.

    ``details`` holds ``loc``/``msg``/``type`` of each entry of the documented ``HTTPValidationError``.
    """

    def __init__(self, message: str, *, status: int, details: Sequence[ErrorDetail] = ()) -> None:
        super().__init__(message, status=status)
        self.details = tuple(details)


class AuthenticationError(HTTPStatusError):
    """401 or 403: the credential is missing, wrong, expired or not allowed to list models."""


class QuotaError(HTTPStatusError):
    """402: the key is valid, but its account has no quota left."""


class NotFoundError(HTTPStatusError):
    """404: the base URL has no such endpoint."""


class RateLimitError(HTTPStatusError):
    """429 after the retries, or at once when ``Retry-After`` exceeds the time left.

    ``retry_after`` is in seconds, ``None`` when the server did not say.
    """

    def __init__(self, message: str, *, status: int = 429, retry_after: float | None = None) -> None:
        super().__init__(message, status=status)
        self.retry_after = retry_after


class ServerError(HTTPStatusError):
    """5xx after the retries."""


class TransportError(IOIntelligenceError):
    """No complete response arrived: connect, read, TLS, truncated body, or the deadline passed.

    Also 408 and 425, and responses of a firewall or bot protection in front of the server.
    """


class ResponseError(IOIntelligenceError):
    """A complete response is not JSON, is an error, or has neither of the known shapes.

    ``is_end``: whether a page after the last may be answered so: with JSON without models, or with 204.
    """

    def __init__(self, message: str, *, is_end: bool = False) -> None:
        super().__init__(message)
        self.is_end = is_end


class PaginationError(IOIntelligenceError):
    """The catalogue kept changing during the walks, or the pages do not end."""


class Report(Protocol):
    """The interface of the result that an error carries."""

    @property
    def outcome(self) -> str:
        """``passed``, ``warned`` or ``failed``."""

    @property
    def checks(self) -> Sequence[Any]:
        """One result per check."""


class QualityError(IOIntelligenceError):
    """A check stopped the run. Quarantine and report were written; an earlier snapshot is unchanged.

    ``report`` is the :class:`~io_intelligence_provider.contract.report.QualityReport` of a snapshot, the
    :class:`~io_intelligence_provider.quality.result.CheckRun` of any other data set.
    """

    def __init__(self, message: str, *, report: Report) -> None:
        super().__init__(message)
        self.report = report


class StorageError(IOIntelligenceError):
    """The store, an output or a temporary file could not be reached, read or written."""


@contextmanager
def in_temporary_folder() -> Iterator[None]:
    """Raise an ``OSError`` of a temporary file as a :class:`StorageError` that names its folder."""
    try:
        yield
    except OSError as error:
        folder = tempfile.tempdir or "any folder"  # it is None when Python finds none that can be written
        raise StorageError(
            f"Could not use a temporary file in {folder}: {error}. Free space there, or name another folder "
            "in the environment variable TMPDIR."
        ) from error


class UnreadableFileError(StorageError):
    """A file of the store cannot be used: it is damaged, or not a regular file.

    Other files may be readable, so callers that do not need this one continue.
    """


class NotificationError(IOIntelligenceError):
    """A notifier failed. The others were notified; a retry calls only those that failed."""


class OverdueError(IOIntelligenceError):
    """No snapshot was committed in time, a run was stopped, or the Dag that files them is paused.

    :param reasons: one text per problem, whose first sentence says what it is.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = tuple(reasons)


class NotOnFileError(IOIntelligenceError):
    """The store does not hold a date, a model or a report."""


STATUS_ERRORS: Mapping[int, type[HTTPStatusError]] = {
    401: AuthenticationError,
    402: QuotaError,
    403: AuthenticationError,
    404: NotFoundError,
}
"""The error class of each status that needs no more than the status (422, 429 and 5xx do)."""
