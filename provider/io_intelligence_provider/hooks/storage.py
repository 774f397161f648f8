"""The file system of a path, with the credentials of an Airflow connection."""

from __future__ import annotations

from typing import Any, Final

from airflow.sdk.io import attach

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.hooks.io_intelligence import connection_of

__all__ = ["filesystem_of"]

_CONNECTION_TYPES: Final = {
    **dict.fromkeys(("s3", "s3a"), "aws"),
    **dict.fromkeys(("gs", "gcs"), "google_cloud_platform"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "adls"),
}
"""The type of an Airflow connection by the scheme of the URLs that it serves."""


def filesystem_of(path: str, storage_conn_id: str | None = None, *, what: str = "path") -> Any:
    """Return the fsspec file system of a URL; ``None`` for a local path.

    :param what: what the caller calls the path.
    :raises MissingConnectionError: when there is no connection of that id.
    :raises ConfigurationError: when the path is no location, holds credentials, or no file system serves it.
    """
    from io_intelligence_provider.storage.location import local_path, redacted, refusal_of

    if refusal := refusal_of(path, what):
        del path  # tracebacks may show local variables
        raise ConfigurationError(refusal)
    if local_path(path) is not None:
        if storage_conn_id:
            raise ConfigurationError(f"storage_conn_id is set, but the {what} {path!r} is a local path.")
        return None
    scheme = path.partition("://")[0].lower()
    if storage_conn_id:  # some file systems take a connection that is not there for an empty one
        connection_of(storage_conn_id, _CONNECTION_TYPES.get(scheme, "TYPE"), "--conn-extra JSON")
    try:
        # Not ObjectStoragePath: it takes the container of abfs://container@account… for a connection.
        return attach(scheme, storage_conn_id).fs
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"No file system for the {what} {path!r}: {redacted(error)}. Install the provider that serves it."
        ) from None
