"""The store as Airflow is configured for it: root from ``[io_intelligence]``, storage connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import ObjectStoragePath, conf

from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:  # loads when it is used: Dag files import this module at every parse
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["open_store"]

_SECTION = "io_intelligence"


def open_store(root: str | None = None, storage_conn_id: str | None = None) -> SnapshotStore:
    """Return the store at ``root``.

    :param root: a local path or an fsspec URL; ``[io_intelligence] root`` unless given.
    :param storage_conn_id: the Airflow connection of the object store; ``[io_intelligence]
        storage_conn_id`` unless given.
    :raises ConfigurationError: when the URL's file system is not installed.
    """
    from io_intelligence_provider.store.store import SnapshotStore

    root = root or conf.get(_SECTION, "root")
    if "://" not in root:
        if storage_conn_id:
            raise ConfigurationError(
                f"storage_conn_id {storage_conn_id!r} is set, but {root!r} is a local path."
            )
        return SnapshotStore(root)
    storage_conn_id = storage_conn_id or conf.get(_SECTION, "storage_conn_id", fallback=None) or None
    path = ObjectStoragePath(root, conn_id=storage_conn_id)
    try:
        filesystem = path.fs
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"No file system for the root {root!r}: {error}. Install the provider that serves it."
        ) from error
    return SnapshotStore(filesystem.unstrip_protocol(path.path), filesystem=filesystem)
