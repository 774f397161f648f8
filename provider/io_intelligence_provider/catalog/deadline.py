"""How long a walk may still take, and whether it was given up."""

from __future__ import annotations

import threading
import time

from io_intelligence_provider.errors import TransportError

__all__ = ["Deadline"]


class Deadline:
    """A point in time that every wait of one walk respects; shared by its threads.

    :param seconds: how long from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._cancelled = threading.Event()

    def scope(self) -> Deadline:
        """Return the same deadline with a cancellation of its own: one attempt within the walk."""
        scope = Deadline(self.seconds)
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
                f"The deadline of {self.seconds:g} s for one walk over the catalogue has passed. "
                "Raise `deadline`, or see why the API is slow."
            )

    def sleep(self, seconds: float) -> None:
        """Wait, or until the walk is given up."""
        self._cancelled.wait(seconds)
