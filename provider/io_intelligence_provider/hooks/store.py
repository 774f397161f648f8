"""The store as Airflow is configured for it: root from ``[io_intelligence]``, storage connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import conf

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.hooks.storage import filesystem_of

if TYPE_CHECKING:  # loads when it is used: Dag files import this module at every parse
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["open_store"]

_SECTION = "io_intelligence"


def open_store(root: str | None = None, storage_conn_id: str | None = None) -> SnapshotStore:
    """Return the store at ``root``.

    :param root: a local path or an fsspec URL; ``[io_intelligence] root`` unless given.
    :param storage_conn_id: the Airflow connection of the object store; ``[io_intelligence]
        storage_conn_id`` unless given.
    :raises ConfigurationError: when the root holds credentials, or the URL's file system is not installed.
    """
    from io_intelligence_provider.store.store import SnapshotStore

    what = "root"
    if not root:
        root, what = conf.get(_SECTION, "root"), f"root of the configuration section [{_SECTION}]"
    if not storage_conn_id and "://" in root:
        storage_conn_id = conf.get(_SECTION, "storage_conn_id", fallback=None) or None
    try:
        filesystem = filesystem_of(root, storage_conn_id, what=what)
    except ConfigurationError:
        root = None  # it may hold credentials, and tracebacks may show local variables
        raise
    return SnapshotStore(root, filesystem=filesystem)
