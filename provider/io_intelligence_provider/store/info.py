"""The identity of a snapshot: what its models file says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.store.files import Files
from io_intelligence_provider.store.parquet import open_parquet
from io_intelligence_provider.store.table import METADATA_PREFIX

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SnapshotInfo", "read_info"]


@dataclass(frozen=True)
class SnapshotInfo:
    """What a models file says about itself."""

    snapshot_id: str
    fetched_at: datetime
    wire_shape: Literal["documented", "openai"]
    source_url: str
    query: str
    provider_version: str


def read_info(files: Files, path: str) -> SnapshotInfo:
    """Return the identity that a models file bears.

    :raises NotOnFileError: when the file is not there.
    :raises StorageError: when it is damaged, or none of ours.
    """
    with open_parquet(files, path) as file:
        schema = file.schema_arrow
    try:
        return _info(schema)
    except (KeyError, ValueError) as error:
        raise StorageError(
            f"{files.url(path)} is no snapshot of this provider: its metadata lack {error}."
        ) from error


def _info(schema: pa.Schema) -> SnapshotInfo:
    metadata = {
        key.decode().removeprefix(METADATA_PREFIX): value.decode()
        for key, value in (schema.metadata or {}).items()
        if key.startswith(METADATA_PREFIX.encode())
    }
    return SnapshotInfo(
        snapshot_id=metadata["snapshot_id"],
        fetched_at=datetime.fromisoformat(metadata["fetched_at"]),
        wire_shape="openai" if metadata["wire_shape"] == "openai" else "documented",
        source_url=metadata["source_url"],
        query=metadata["query"],
        provider_version=metadata["provider_version"],
    )
