"""Where the page finds its store, and how often it looks whether anything in it changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from io_intelligence_provider.errors import ConfigurationError, IOIntelligenceError
from io_intelligence_provider.plugin.cache import Cache, Made
from io_intelligence_provider.plugin.listing import Listing, take_listing
from io_intelligence_provider.storage.location import redacted
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["StoreSource"]

_LOOK_SECONDS: Final = 1.0
_OPEN_SECONDS: Final = 60.0


class StoreSource:
    """Gives a listing of the store that is at most a second old.

    Requests that come while the store is listed wait for that listing, and share its failure: a store that
    does not answer is asked once, not once a request.

    :param open_store: how to open it. It is opened anew every minute and after each failure, so that a
        changed connection is taken up.
    :param seconds: how long a listing, or a failure, stands for the next ones.
    """

    def __init__(self, open_store: Callable[[], SnapshotStore], seconds: float = _LOOK_SECONDS) -> None:
        self._open_store = open_store
        self._seconds = seconds
        self._store: SnapshotStore | None = None
        self._opened = 0.0
        self._listings = Cache()

    def listing(self) -> Listing:
        """Return the files of the store.

        :raises ConfigurationError: when it cannot be opened: an unknown connection, a file system that is
            not installed.
        :raises StorageError: when it cannot be listed, or not in time.
        """
        found = self._listings.get("listing", lambda: Made(self._look(), 0, self._seconds))
        if isinstance(found, IOIntelligenceError):
            raise found.with_traceback(None)
        return found

    def _look(self) -> Listing | IOIntelligenceError:
        try:
            store = self._store
            if store is None or time.monotonic() - self._opened > _OPEN_SECONDS:
                store = self._store = self._open()
                self._opened = time.monotonic()
            return take_listing(store)
        except IOIntelligenceError as error:
            self._store = None
            return error

    def _open(self) -> SnapshotStore:
        try:
            return self._open_store()
        except IOIntelligenceError:
            raise
        except Exception as error:  # noqa: BLE001 - secrets backends and storage providers raise anything
            said = redacted(error)
            raise ConfigurationError(
                f"The store cannot be opened: {said or type(error).__name__}. Check the connection, "
                "and that the provider of its storage is installed."
            ) from (error if said == str(error) else None)
