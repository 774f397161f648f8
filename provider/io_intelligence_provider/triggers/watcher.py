"""Defines the trigger of an ``AssetWatcher`` that fires when prices or quotas change."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from io_intelligence_provider.errors import (
    AuthenticationError,
    ConfigurationError,
    IOIntelligenceError,
    RateLimitError,
)
from io_intelligence_provider.hooks.io_intelligence import IOIntelligenceHook
from io_intelligence_provider.hooks.store import open_store
from io_intelligence_provider.storage.location import refusal_of

if TYPE_CHECKING:
    from io_intelligence_provider.changes.watch import Observation

__all__ = ["IOIntelligenceWatchTrigger"]

Result = TypeVar("Result")

_LONGEST: Final = 3_600.0
"""The longest time in seconds between two polls that failures can lead to."""

_not_before: Final[dict[str, float]] = {}
"""The time (``time.monotonic``) before which a watcher that raised may not poll again, by its arguments.

The triggerer starts a new watcher within a second of the old one's end: without this limit, a wrong key
would be sent to the API once a second. It limits requests only; the state of the watch is in the store.
"""


class IOIntelligenceWatchTrigger(BaseEventTrigger):
    """Polls the catalogue and fires when prices or quotas differ from the last poll and the last snapshot.

    The last values are in the store, see :mod:`io_intelligence_provider.changes.watch`. Failed polls are
    logged and repeated with growing intervals of up to an hour (a longer ``interval`` is kept); after a rate
    limit the trigger waits as long as the response demands. A refused credential or an invalid setting is
    logged and raised. The payload of an event has ``event_id``, ``moved`` (``prices``, ``quotas`` or both),
    ``seen_at``, ``wire_shape``, and the hashes that were compared.

    :param io_intelligence_conn_id: the connection of the API.
    :param root: root of the store; by default ``[io_intelligence] root`` of the triggerer.
    :param storage_conn_id: Airflow connection of the object store.
    :param interval: seconds between two polls, at least 1, finite.
    :param q: search term of the API, the same as that of the snapshots below the root.
    :raises ConfigurationError: when the interval is no finite number of at least 1, ``q`` is no text, or the
        root holds credentials: Airflow stores a trigger's arguments in its database.
    """

    def __init__(
        self,
        io_intelligence_conn_id: str = IOIntelligenceHook.default_conn_name,
        root: str | None = None,
        storage_conn_id: str | None = None,
        interval: float = 900.0,
        q: str | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if type(interval) not in (int, float) or not 1 <= interval <= sys.float_info.max:
            raise ConfigurationError(
                f"interval is {interval!r:.50}; it must be a number of seconds, at least 1, and finite."
            )
        if q is not None and type(q) is not str:
            raise ConfigurationError(f"q is of the type {type(q).__name__}; it must be text or None.")
        if root is not None and (refusal := refusal_of(root, "root")):
            root = None  # tracebacks may show local variables
            raise ConfigurationError(refusal)
        self.io_intelligence_conn_id = io_intelligence_conn_id
        self.root = root
        self.storage_conn_id = storage_conn_id
        self.interval = float(interval)
        self.q = q

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and arguments of the trigger: names and numbers, no secret."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "io_intelligence_conn_id": self.io_intelligence_conn_id,
                "root": self.root,
                "storage_conn_id": self.storage_conn_id,
                "interval": self.interval,
                "q": self.q,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until cancelled; yield one event per difference.

        :raises AuthenticationError: when the credential is refused.
        :raises ConfigurationError: when the connection or the root does not allow the poll.
        """
        await _sleep(_not_before.get(repr(self), 0.0) - time.monotonic())
        failures = 0
        while True:
            wait = self.interval
            try:
                sighting = await _in_thread(self._look)
            except (AuthenticationError, ConfigurationError) as error:
                self.log.error("The watcher stops: %s", error)  # noqa: TRY400 - the message is complete
                self._brake()
                raise
            except IOIntelligenceError as error:
                failures += 1
                wait = self._wait(failures, error)
                self.log.warning("Poll %d in a row failed; next in %.0f s. %s", failures, wait, error)
            except Exception:
                self._brake()
                raise
            else:
                failures = 0
                if sighting is not None:
                    self.log.info("%s moved: event %s", " and ".join(sighting.moved), sighting.event_id)
                    yield TriggerEvent(sighting.payload())  # type: ignore[no-untyped-call]
                    await _in_thread(self._mark_sent, sighting)
            await _sleep(wait)

    def _brake(self) -> None:
        """Delay the first poll of the watcher that replaces this one."""
        _not_before[repr(self)] = time.monotonic() + max(self.interval, 60.0)

    def _wait(self, failures: int, error: IOIntelligenceError) -> float:
        """Return the seconds until the next poll after some failures in a row."""
        wait = max(self.interval, min(self.interval * 2.0 ** min(failures - 1, 20), _LONGEST))
        said = error.retry_after if isinstance(error, RateLimitError) else None
        return max(wait, min(said or 0.0, 86_400.0))

    def _look(self) -> Observation | None:
        """Poll once, in a thread, because the client, the store and the checks block."""
        from io_intelligence_provider.changes.watch import poll

        with IOIntelligenceHook(self.io_intelligence_conn_id).get_conn() as client:
            return poll(client, open_store(self.root, self.storage_conn_id), self.q)

    def _mark_sent(self, sighting: Observation) -> None:
        """Record in the store, in a thread, that the triggerer received the event."""
        from io_intelligence_provider.changes.watch import mark_sent

        try:
            mark_sent(open_store(self.root, self.storage_conn_id), sighting)
        except IOIntelligenceError as error:
            self.log.warning("The event may be sent again, because it could not be marked as sent: %s", error)


async def _in_thread(function: Callable[..., Result], *arguments: object) -> Result:
    # Not asyncio.to_thread: Airflow 3.2 finds the triggerer's loop only from threads made by asgiref.
    return await sync_to_async(function, thread_sensitive=False)(*arguments)


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(max(seconds, 0.0))
