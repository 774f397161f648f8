"""Opens the store that Airflow is configured for: ``[io_intelligence]`` root and storage connection."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Variable, conf
from airflow.sdk.io import attach

from io_intelligence_provider.errors import ConfigurationError, StorageError
from io_intelligence_provider.hooks.io_intelligence import connection_of, extra_of

if TYPE_CHECKING:
    from io_intelligence_provider.store.store import SnapshotStore

__all__ = ["TRAFFIC_VARIABLE", "filesystem_of", "is_configured", "open_store", "path_text", "traffic_text"]

log = logging.getLogger(__name__)


_SECTION = "io_intelligence"


def open_store(
    root: str | os.PathLike[str] | None = None, storage_conn_id: str | None = None
) -> SnapshotStore:
    """Return the store at ``root``.

    :param root: an absolute local path or an fsspec URL; ``[io_intelligence] root`` by default, also for a
        template that was rendered as ``None`` or blank.
    :param storage_conn_id: the Airflow connection of the object store; ``[io_intelligence]
        storage_conn_id`` by default.
    :raises ConfigurationError: when the root is no valid location, holds credentials, or has no file system.
    """
    from io_intelligence_provider.storage.location import local_path, refusal_of
    from io_intelligence_provider.store.store import SnapshotStore

    what = "root"
    root, storage_conn_id = _texts(root, storage_conn_id)
    if root is None:
        root, what = conf.get(_SECTION, "root"), f"root of the configuration section [{_SECTION}]"
    if refusal := refusal_of(root, what):
        root = None  # tracebacks may show local variables
        raise ConfigurationError(refusal)
    on_disk = local_path(root)
    if on_disk is None and not storage_conn_id:
        storage_conn_id = conf.get(_SECTION, "storage_conn_id", fallback=None) or None
    if on_disk is not None and not root.startswith((os.sep, "~", "file:", "local:")):
        log.warning(
            "The %s is the relative path %r; this process takes it for %s, another one may not. "
            "Give an absolute path.", what, root, on_disk,
        )  # fmt: skip
    return SnapshotStore(root, filesystem=filesystem_of(root, storage_conn_id, what=what))


def is_configured(root: str | os.PathLike[str] | None, storage_conn_id: str | None) -> bool:
    """Return whether the arguments of :func:`open_store` give the configured store, which the page shows."""
    from io_intelligence_provider.storage.location import local_path

    root, storage_conn_id = _texts(root, storage_conn_id)
    if storage_conn_id and storage_conn_id != conf.get(_SECTION, "storage_conn_id", fallback=None):
        return False
    given, configured = root or "", conf.get(_SECTION, "root", fallback=None) or ""
    return not given or (local_path(given) or given.rstrip("/")) == (
        local_path(configured) or configured.rstrip("/")
    )


def _texts(root: object, storage_conn_id: object) -> tuple[str | None, str | None]:
    """Return rendered arguments as text; an ``ObjectStoragePath`` may bring its connection."""
    connection = path_text("storage_conn_id", storage_conn_id)
    return path_text("root", root), connection or getattr(root, "conn_id", None)


def path_text(name: str, value: Any) -> str | None:
    """Return a rendered path as text, ``None`` when it is unset: ``None``, blank, or a template's ``"None"``.

    :param name: the name of the argument.
    :param value: a text, a :class:`pathlib.Path` or Airflow's ``ObjectStoragePath``.
    :raises ConfigurationError: when it is of another type.
    """
    from airflow.sdk import ObjectStoragePath

    if value is None or isinstance(value, str):
        return None if value is None or value.strip() in ("", "None") else value
    if isinstance(value, ObjectStoragePath):
        return str(value).replace(f"://{value.conn_id}@", "://", 1)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if isinstance(value, (int, float)):
        raise ConfigurationError(
            f"{name} is not text but a number ({type(value).__name__}), which may have lost digits, as 1.10 "
            "does: render_template_as_native_obj makes one of a template whose text is a number. Add text to "
            "the template, such as a folder, or turn that setting off."
        )
    raise ConfigurationError(f"{name} is of the type {type(value).__name__}; give a path or a URL as text.")


TRAFFIC_VARIABLE: Final = "io_intelligence_traffic"


def traffic_text() -> str | None:
    """Return the monthly traffic in the Airflow Variable, as YAML or JSON text; ``None`` if there is none."""
    text: str | None = Variable.get(TRAFFIC_VARIABLE, default=None)
    return text or None


_CONNECTION_TYPES: Final = {
    **dict.fromkeys(("s3", "s3a"), "aws"),
    **dict.fromkeys(("gs", "gcs"), "google_cloud_platform"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adls"),
}
"""The type of the Airflow connection by URL scheme."""


def filesystem_of(path: str, storage_conn_id: str | None = None, *, what: str = "path") -> Any:
    """Return the fsspec file system of a URL; ``None`` for a local path.

    :param what: the caller's name for the path, for messages.
    :raises MissingConnectionError: when there is no connection with that id.
    :raises ConfigurationError: when the path is no valid location, holds credentials, or has no file system.
    :raises StorageError: when the file system could not be opened, such as without a valid token.
    """
    from io_intelligence_provider.redaction import without_frames
    from io_intelligence_provider.storage.location import local_path, redacted, refusal_of

    if refusal := refusal_of(path, what):
        del path  # tracebacks may show local variables
        raise ConfigurationError(refusal)
    if local_path(path) is not None:
        if storage_conn_id:
            raise ConfigurationError(f"storage_conn_id is set, but the {what} {path!r} is a local path.")
        return None
    scheme = path.partition("://")[0].lower()
    alias = without_frames(lambda: _alias(scheme, storage_conn_id)) if storage_conn_id else None
    try:
        # Not ObjectStoragePath: it takes the container of abfs://container@account… as a connection.
        return attach(scheme, storage_conn_id, alias).fs
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"No file system for the {what} {path!r}: {redacted(error)}. "
            "Install the extra for it (s3, gcs, azure), or correct the URL or the connection."
        ) from None
    except Exception as error:  # noqa: BLE001 - some file systems ask for a token when they are made
        raise StorageError(
            f"Could not open the {what} {path!r}: {redacted(error)}. Check the URL and the connection."
        ) from None


def _alias(scheme: str, conn_id: str) -> str:
    """Return a name for the file system of a connection as it is now.

    Airflow keeps a file system by its alias as long as the process lives, so a connection that was corrected
    needs another one. Some file systems treat a missing connection as an empty one.
    """
    connection = connection_of(conn_id, _CONNECTION_TYPES.get(scheme, "TYPE"), "--conn-extra JSON")
    extra_of(connection)
    return f"{scheme}-{conn_id}-{hash(connection.get_uri()):x}"
