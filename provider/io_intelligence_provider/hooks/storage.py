"""The file system of a path, with the credentials of an Airflow connection."""

from __future__ import annotations

from typing import Any

from airflow.sdk import ObjectStoragePath

from io_intelligence_provider.errors import ConfigurationError

__all__ = ["filesystem_of"]


def filesystem_of(path: str, storage_conn_id: str | None = None) -> Any:
    """Return the fsspec file system of a URL; ``None`` for a local path.

    :raises ConfigurationError: when no file system serves the URL.
    """
    if "://" not in path:
        if storage_conn_id:
            raise ConfigurationError(
                f"storage_conn_id {storage_conn_id!r} is set, but {path!r} is a local path."
            )
        return None
    try:
        return ObjectStoragePath(path, conn_id=storage_conn_id).fs
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"No file system for {path!r}: {error}. Install the provider that serves it."
        ) from error
