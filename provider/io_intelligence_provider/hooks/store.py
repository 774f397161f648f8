"""The store as Airflow is configured for it: root from ``[io_intelligence]``, storage connection."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from airflow.sdk import conf

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.hooks.storage import filesystem_of

if TYPE_CHECKING:  # loads when it is used: Dag files import this module at every parse
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["open_store"]

log = logging.getLogger(__name__)

_SECTION = "io_intelligence"


def open_store(root: str | None = None, storage_conn_id: str | None = None) -> SnapshotStore:
    """Return the store at ``root``.

    :param root: an absolute local path or an fsspec URL; ``[io_intelligence] root`` unless given.
    :param storage_conn_id: the Airflow connection of the object store; ``[io_intelligence]
        storage_conn_id`` unless given.
    :raises ConfigurationError: when the root is no location, holds credentials, or no file system serves it.
    """
    from io_intelligence_provider.storage.location import local_path, refusal_of
    from io_intelligence_provider.store.store import SnapshotStore

    what = "root"
    if not root:
        root, what = conf.get(_SECTION, "root"), f"root of the configuration section [{_SECTION}]"
    if refusal := refusal_of(root, what):
        root = None  # tracebacks may show local variables
        raise ConfigurationError(refusal)
    root = os.fspath(root)
    on_disk = local_path(root)
    if on_disk is None and not storage_conn_id:
        storage_conn_id = conf.get(_SECTION, "storage_conn_id", fallback=None) or None
    if on_disk is not None and not root.startswith((os.sep, "~", "file:", "local:")):
        log.warning(
            "The %s is the relative path %r; this process takes it for %s, another one may not. "
            "Give an absolute path.", what, root, on_disk,
        )  # fmt: skip
    return SnapshotStore(root, filesystem=filesystem_of(root, storage_conn_id, what=what))
