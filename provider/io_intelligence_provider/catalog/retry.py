"""When to ask again, how long to wait before (backoff, ``Retry-After``), and the deadline of all of it."""

from __future__ import annotations

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

MAX_RETRY_AFTER: Final = 120.0
"""Longest wait in seconds that a ``Retry-After`` can order: a worker slot is not parked for hours."""

_SECONDS: Final = re.compile(r"(?=\.?[0-9])([0-9]*)\.?([0-9]*)")


class Deadline:
    """A point in time that every wait of one walk respects; shared by its threads.

    :param seconds: how long from now.
    :param work: what it bounds, for the message.
    """

    def __init__(self, seconds: float, work: str = "one walk over the catalogue") -> None:
        self.seconds = seconds
        self.work = work
        self._end = time.monotonic() + seconds
        self._cancelled = threading.Event()

    def scope(self) -> Deadline:
        """Return the same deadline with a cancellation of its own: one attempt within the walk."""
        scope = Deadline(self.seconds, self.work)
        scope._end = self._end
        return scope

    def left(self) -> float:
        """Return the seconds that are left, 0 when there are none."""
        return max(0.0, self._end - time.monotonic())

    def cancel(self) -> None:
        """End every wait at once: nobody is interested in the outcome any more."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise when time is up or the walk was given up.

        :raises TransportError: then.
        """
        if self._cancelled.is_set():
            raise TransportError("The request was given up because the walk it belongs to has ended.")
        if not self.left():
            raise TransportError(
                f"The deadline of {self.seconds:g} s for {self.work} has passed. "
                "Raise `deadline`, or see why the API is slow."
            )

    def sleep(self, seconds: float) -> None:
        """Wait, or until the walk is given up."""
        self._cancelled.wait(seconds)


class RetryableError(Exception):
    """Carries an error that another try may cure, with the wait the server asked for.

    :param retry_after: seconds, ``None`` when the server did not say.
    """

    def __init__(self, error: IOIntelligenceError, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.retry_after = retry_after


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3).

    A fraction of a second, which the standard does not know and servers send, is rounded up.

    :param value: the header, a number of seconds or an HTTP date; anything else counts as absent.
    :param now: the time an HTTP date is compared with, the present unless given.
    """
    if value is None:
        return None
    text = value.strip()
    if found := _SECONDS.fullmatch(text):
        # Compared as text: a float would round a tiny fraction away.
        return float(found[1] or 0) + bool(found[2].strip("0")) if len(found[1]) < 16 else math.inf
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the second for an absurd zone or hour
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - (now or datetime.now(UTC))).total_seconds())


class _Wait(wait_base):
    """Exponential backoff with full jitter, but no less than ``Retry-After`` where the server gave one.

    The backoff holds also then: a server may ask to wait 0 seconds, or give a date that has passed.
    """

    def __init__(self, base: float, longest: float) -> None:
        self._backoff = wait_random_exponential(multiplier=base, max=longest)

    def __call__(self, retry_state: RetryCallState) -> float:
        asked = _failure(retry_state).retry_after
        return max(self._backoff(retry_state), min(asked or 0.0, MAX_RETRY_AFTER))


class _OutlastsDeadline(stop_base):
    """Stops when the next try would come too late.

    Compared with what the server asked, not with the capped wait: when it asks for more than the
    deadline leaves, no try of ours can succeed, so the caller hears of it at once.
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
        sleep=deadline.sleep,
        retry_error_callback=_give_up,
    )


def _give_up(state: RetryCallState) -> None:
    failure = _failure(state)
    tries = f" (after {state.attempt_number} {'try' if state.attempt_number == 1 else 'tries'})"
    error = failure.error
    error.args = (f"{error}{tries}", *error.args[1:])
    raise error from failure.__cause__
