"""The identity of a snapshot: what its models file says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import urlsplit

import pyarrow as pa

from io_intelligence_provider.errors import UnreadableFileError
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.parquet import open_parquet
from io_intelligence_provider.store.layout import is_run_id
from io_intelligence_provider.store.table import METADATA_PREFIX, MODELS_KIND
from io_intelligence_provider.store.when import in_utc

__all__ = ["NoRunIdError", "SnapshotInfo", "info_of", "read_info"]


_LONGEST: Final = 16_384
"""Bytes of one entry: a URL, a search term, an id."""


@dataclass(frozen=True)
class SnapshotInfo:
    """What a models file says about itself."""

    snapshot_id: str
    fetched_at: datetime
    wire_shape: Literal["documented", "openai"]
    source_url: str
    query: str
    provider_version: str


class NoRunIdError(UnreadableFileError):
    """A models file whose ``snapshot_id`` is no id of a run; ``info`` is what it says, that id included."""

    def __init__(self, message: str, info: SnapshotInfo) -> None:
        super().__init__(message)
        self.info = info


def read_info(files: Files, path: str) -> SnapshotInfo:
    """Return the identity that a models file bears.

    :raises NotOnFileError: when the file is not there.
    :raises NoRunIdError: when its id is none.
    :raises UnreadableFileError: when it is damaged, or none of ours.
    """
    with open_parquet(files, path, MODELS_KIND) as file:
        return info_of(file.schema, file.where)


def info_of(schema: pa.Schema, where: str) -> SnapshotInfo:
    """Return the identity in the metadata of a schema.

    :param where: the file that it was read from.
    :raises NoRunIdError: when the id of the run is none.
    :raises UnreadableFileError: when there is no such identity.
    """
    try:
        info = _info(schema)
    except (KeyError, ValueError, OverflowError) as error:
        raise UnreadableFileError(
            f"{where} is no snapshot of this provider: its metadata lack {error}. Restore the file, or let a "
            "run of that day replace it."
        ) from error
    if not is_run_id(info.snapshot_id):
        raise NoRunIdError(
            f"{where} names {info.snapshot_id[:100]!r} as its snapshot_id, which is no id of a run, so its "
            "report and quarantine cannot be found. Restore the file, or let a run of that day replace it.",
            info,
        )
    return info


def _info(schema: pa.Schema) -> SnapshotInfo:
    prefix = METADATA_PREFIX.encode()
    if any(len(value) > _LONGEST for key, value in (schema.metadata or {}).items() if key.startswith(prefix)):
        raise ValueError(f"values of at most {_LONGEST} bytes")
    metadata = {
        # What is no UTF-8 is no id either; it must not hide the rest.
        key.decode().removeprefix(METADATA_PREFIX): value.decode("utf-8", "replace")
        for key, value in (schema.metadata or {}).items()
        if key.startswith(prefix)
    }
    shape = metadata["wire_shape"]
    if shape not in ("documented", "openai"):
        raise ValueError("a known wire_shape")
    urlsplit(metadata["source_url"])  # whoever compares hosts does it
    fetched_at = in_utc(datetime.fromisoformat(metadata["fetched_at"]))
    return SnapshotInfo(
        snapshot_id=metadata["snapshot_id"],
        fetched_at=fetched_at,
        wire_shape="openai" if shape == "openai" else "documented",
        source_url=metadata["source_url"],
        query=metadata["query"],
        provider_version=metadata["provider_version"],
    )
