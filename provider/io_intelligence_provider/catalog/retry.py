"""Decides on retries: which errors, how long to wait (backoff, ``Retry-After``), and the overall deadline."""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.stop import stop_any, stop_base
from tenacity.wait import wait_base, wait_random_exponential

from io_intelligence_provider.errors import IOIntelligenceError, TransportError

__all__ = ["MAX_RETRY_AFTER", "Deadline", "RetryableError", "parse_retry_after", "retrying"]

log = logging.getLogger(__name__)

MAX_RETRY_AFTER: Final = 120.0
"""Longest wait in seconds for a ``Retry-After``, so that it does not block a worker slot for hours."""

_SECONDS: Final = re.compile(r"(?=\.?[0-9])([0-9]*)\.?([0-9]*)")


class Deadline:
    """The deadline of one walk; its threads share it.

    :param seconds: seconds from now.
    :param work: the work that it bounds, for the message.
    """

    def __init__(self, seconds: float, work: str = "one walk over the catalogue") -> None:
        self.seconds = seconds
        self.work = work
        self._end = time.monotonic() + seconds
        self._cancelled = threading.Event()

    def scope(self) -> Deadline:
        """Return the same deadline with a separate cancellation, for one attempt within the walk."""
        scope = Deadline(self.seconds, self.work)
        scope._end = self._end
        return scope

    def left(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def cancel(self) -> None:
        """End every wait at once, because the result is no longer needed."""
        self._cancelled.set()

    def check(self) -> None:
        """Check the deadline and the cancellation.

        :raises TransportError: when the time is up or the walk was cancelled.
        """
        if self._cancelled.is_set():
            raise TransportError("The request was given up because the walk it belongs to has ended.")
        if not self.left():
            raise TransportError(
                f"The deadline of {self.seconds:g} s for {self.work} has passed. "
                "Raise `deadline`, or see why the API is slow."
            )

    def sleep(self, seconds: float) -> None:
        """Wait until the time has passed or the walk is cancelled."""
        self._cancelled.wait(seconds)


class RetryableError(Exception):
    """Carries an error that may pass with a retry, and the wait that the server asked for.

    :param retry_after: seconds, ``None`` when the server did not say.
    """

    def __init__(self, error: IOIntelligenceError, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3).

    Fractions of a second, which servers send although the standard has none, are rounded up.

    :param value: the header, a number of seconds or an HTTP date; anything else counts as absent.
    :param now: the time to compare an HTTP date with, the present unless given.
    """
    if value is None:
        return None
    text = value.strip()
    if found := _SECONDS.fullmatch(text):
        # Compared as text, because a float would lose a tiny fraction.
        return float(found[1] or 0) + bool(found[2].strip("0")) if len(found[1]) < 16 else math.inf
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError for an absurd zone or hour
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


class _Wait(wait_base):
    """Exponential backoff with full jitter, and at least ``Retry-After`` where the server sent one.

    The backoff also applies then, because ``Retry-After`` may be 0 seconds or a past date.
    """

    def __init__(self, base: float, longest: float) -> None:
        self._backoff = wait_random_exponential(multiplier=base, max=longest)

    def __call__(self, retry_state: RetryCallState) -> float:
        asked = _failure(retry_state).retry_after
        return max(self._backoff(retry_state), min(asked or 0.0, MAX_RETRY_AFTER))


class _OutlastsDeadline(stop_base):
    """Stops when the next try would be after the deadline.

    It uses the wait that the server asked for, not the capped one: if that exceeds the time left, no retry
    can succeed, so the error is raised at once.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: RetryCallState) -> bool:
        asked = _failure(retry_state).retry_after
        return max(retry_state.upcoming_sleep, asked or 0.0) >= self._deadline.left()


def _failure(state: RetryCallState) -> RetryableError:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, RetryableError):  # pragma: no cover - tenacity retries nothing else here
        raise TypeError(f"retried something else: {error!r}")
    return error


def retrying(max_retries: int, backoff: float, max_backoff: float, deadline: Deadline) -> Retrying:
    """Return the policy for one page: at most ``max_retries`` more tries, all before the deadline.

    :param backoff: seconds; the n-th wait is drawn from 0 to ``backoff * 2**(n-1)``.
    :param max_backoff: seconds; the upper bound of that draw.
    """

    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, RetryableError)),
        stop=stop_any(stop_after_attempt(max_retries + 1), _OutlastsDeadline(deadline)),
        wait=_Wait(backoff, max_backoff),
        before_sleep=lambda state: _log_try(state, max_retries + 1),
        sleep=deadline.sleep,
        retry_error_callback=_give_up,
    )


def _log_try(state: RetryCallState, tries: int) -> None:
    error = _failure(state).error
    log.warning(
        "Try %d of %d failed; the next starts in %.1f s. %s",
        state.attempt_number, tries, state.upcoming_sleep, error,
    )  # fmt: skip


def _give_up(state: RetryCallState) -> None:
    failure = _failure(state)
    tries = f" (after {state.attempt_number} {'try' if state.attempt_number == 1 else 'tries'})"
    error = failure.error
    error.args = (f"{error}{tries}", *error.args[1:])
    raise error from failure.__cause__
