"""Lists the files of a store with their versions, at most once a second for all requests."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from typing import Final

from io_intelligence_provider.alerts.ledger import LEDGER
from io_intelligence_provider.errors import ConfigurationError, IOIntelligenceError
from io_intelligence_provider.plugin.cache import Cache, CacheEntry
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.local import FolderNames, object_version
from io_intelligence_provider.storage.location import redacted
from io_intelligence_provider.store.layout import CHANGES, CHANGES_FILE, MODELS, MODELS_FILE, date_of
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["PARTS", "Listing", "StoreSource", "take_listing"]


PARTS: Final = (MODELS, CHANGES, "quality", "quarantine", LEDGER)


@dataclass(frozen=True)
class Listing:
    """Lists the files of a store at one moment: part, day and name, with a version that a rewrite changes."""

    store: SnapshotStore
    files: Mapping[str, Mapping[date, Mapping[str, str]]]

    @cached_property
    def dates(self) -> tuple[date, ...]:
        """Return the days with a snapshot, oldest first. A folder without the file is an unfinished write."""
        return self._days_with(MODELS, MODELS_FILE)

    @cached_property
    def change_dates(self) -> tuple[date, ...]:
        """Return the days with a changes file, oldest first."""
        return self._days_with(CHANGES, CHANGES_FILE)

    @cached_property
    def tag(self) -> str:
        """Return the fingerprint of all files."""
        return self.tag_of(PARTS)

    def tag_of(self, parts: Sequence[str], days: Sequence[date] | None = None) -> str:
        """Return the fingerprint of some parts, optionally of some days only."""
        digest = hashlib.blake2b(self.store.files.url("").encode(), digest_size=12)
        for part in parts:
            folders = self.files[part]
            for day in sorted(folders) if days is None else days:
                names = folders.get(day, {})
                for name in sorted(names):
                    digest.update(f"\0{part}/{day}/{name}\0{names[name]}".encode())
        return digest.hexdigest()

    def _days_with(self, part: str, name: str) -> tuple[date, ...]:
        return tuple(sorted(day for day, names in self.files[part].items() if name in names))


def take_listing(store: SnapshotStore, known: FolderNames | None = None) -> Listing:
    """List the files of a store.

    :param known: the folders on disk as an earlier listing found them.
    :raises StorageError: when it cannot be listed. A root that does not exist has no files.
    """
    files: dict[str, dict[date, dict[str, str]]] = {part: {} for part in PARTS}
    for part, of_part in files.items():
        for folder, name, version in _versions(store.files, part, known or FolderNames()):
            day = date_of(folder)
            if day is not None:
                of_part.setdefault(day, {})[name] = version
    return Listing(store, files)


def _versions(files: Files, part: str, known: FolderNames) -> Iterator[tuple[str, str, str]]:
    """Yield the folder, name and version of every file in the folders of a part."""
    if not files.is_local:
        for path, details in files.details(part).items():
            folder, _, name = path.partition("/")
            if name and "/" not in name:
                yield folder, name, str(object_version(details))
        return
    for folder in files.list(part):
        path = f"{files.root}/{part}/{folder}"
        for name in known.get(path, partial(files.names_in, part, folder)):
            try:
                status = os.stat(f"{path}/{name}")  # noqa: PTH116 - thousands of them
            except FileNotFoundError:
                continue
            except OSError as error:
                # The file exists but has no version, as in a loop of links; reading reports the error.
                yield folder, name, f"unreadable-{error.errno}"
                continue
            # The time of the last metadata change also detects changed permissions.
            yield folder, name, f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


_LOOK_SECONDS: Final = 1.0
_OPEN_SECONDS: Final = 60.0


class StoreSource:
    """Gives a listing of the store that is at most a second old.

    Requests that arrive during a listing wait for it and share its result or error, so that a store that
    does not answer is asked once, not once per request.

    :param open_store: opens the store. It is called every minute and after each failure, so that changes of
        the connection take effect.
    :param seconds: how long a listing, or a failure, is reused.
    """

    def __init__(self, open_store: Callable[[], SnapshotStore], seconds: float = _LOOK_SECONDS) -> None:
        self._open_store = open_store
        self._seconds = seconds
        self._store: SnapshotStore | None = None
        self._opened = 0.0
        self._listings = Cache()
        self._folders = FolderNames()

    def listing(self) -> Listing:
        """Return the files of the store.

        :raises ConfigurationError: when it cannot be opened, because of an unknown connection or a file
            system that is not installed.
        :raises StorageError: when it cannot be listed, or not in time.
        """
        found = self._listings.get("listing", lambda: CacheEntry(self._look(), 0, self._seconds))
        if isinstance(found, IOIntelligenceError):
            raise found.with_traceback(None)
        return found

    def _look(self) -> Listing | IOIntelligenceError:
        try:
            store = self._store
            if store is None or time.monotonic() - self._opened > _OPEN_SECONDS:
                store = self._store = self._open()
                self._opened = time.monotonic()
            return take_listing(store, self._folders)
        except IOIntelligenceError as error:
            self._store = None
            return error

    def _open(self) -> SnapshotStore:
        try:
            return self._open_store()
        except IOIntelligenceError:
            raise
        except Exception as error:  # noqa: BLE001 - secrets backends and storage providers raise errors of any type
            message = redacted(error)
            raise ConfigurationError(
                f"The store cannot be opened: {message or type(error).__name__}. Check the connection, "
                "and that the provider of its storage is installed."
            ) from (error if message == str(error) else None)
