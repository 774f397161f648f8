"""Lists the files of a store with a fingerprint, which shows cheaply whether anything changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.local import disk_version, object_version
from io_intelligence_provider.store.layout import CHANGES, CHANGES_FILE, MODELS, MODELS_FILE, date_of
from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["PARTS", "Listing", "take_listing"]

PARTS: Final = (MODELS, CHANGES, "quality", "quarantine")


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


def take_listing(store: SnapshotStore) -> Listing:
    """List the files of a store.

    :raises StorageError: when it cannot be listed. A root that does not exist has no files.
    """
    root = store.files.url("")
    files: dict[str, dict[date, dict[str, str]]] = {part: {} for part in PARTS}
    try:
        found = _on_disk(root) if store.files.is_local else _on_object_store(store.files)
        for part, folder, name, version in found:
            day = date_of(folder)
            if day is not None:
                files[part].setdefault(day, {})[name] = version
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - storage libraries raise errors of any type
        said = store.files.redacted(error)
        raise StorageError(
            f"Could not list {root}: {said}. Check the path, the storage connection and its rights."
        ) from (error if said == str(error) else None)
    return Listing(store, files)


def _on_disk(root: str) -> Iterator[tuple[str, str, str, str]]:
    for part in PARTS:
        for folder in _entries(f"{root}/{part}"):
            if not _is_folder(folder):
                continue
            for file in _entries(folder.path):
                try:
                    status = file.stat()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    # The file exists but has no version, as in a loop of links; reading reports the error.
                    yield part, folder.name, file.name, f"unreadable-{error.errno}"
                    continue
                # The time of the last metadata change also detects changed permissions.
                yield part, folder.name, file.name, f"{disk_version(status)}-{status.st_ctime_ns}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a loop of links


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except FileNotFoundError:
        return []


def _on_object_store(files: Files) -> Iterator[tuple[str, str, str, str]]:
    for part in PARTS:
        for path, details in files.details(part).items():
            folder, _, name = path.partition("/")
            if name and "/" not in name:
                yield part, folder, name, str(object_version(details))
