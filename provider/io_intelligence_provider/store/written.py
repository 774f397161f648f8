"""Tells which Airflow task wrote a file, and when, in metadata of the file; in older files it is unknown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from io_intelligence_provider.errors import NotOnFileError, StorageError
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.parquet import FileKind, open_parquet
from io_intelligence_provider.store.layout import in_utc
from io_intelligence_provider.store.models_file import METADATA_PREFIX

__all__ = ["TaskRun", "Written", "read_written", "task_run", "written_now"]

_KEYS: Final = {
    "dag_id": "AIRFLOW_CTX_DAG_ID",
    "run_id": "AIRFLOW_CTX_DAG_RUN_ID",
    "task_id": "AIRFLOW_CTX_TASK_ID",
}
"""The variables that Airflow sets in the process of a task."""
_AT: Final = "written_at"
_LONGEST: Final = 1_000


@dataclass(frozen=True)
class TaskRun:
    """Names the task of a Dag run."""

    dag_id: str
    run_id: str
    task_id: str


@dataclass(frozen=True)
class Written:
    """Holds when a file was written and by which task; ``None`` is unknown."""

    at: datetime | None
    task: TaskRun | None


def task_run(values: Mapping[str, Any] | None = None) -> TaskRun | None:
    """Return the task that the values name, by default that of this process; ``None`` without one."""
    if values is None:
        values = {key: os.environ.get(name) for key, name in _KEYS.items()}
    found = {key: values.get(key) for key in _KEYS}
    known = {
        key: value for key, value in found.items() if isinstance(value, str) and 0 < len(value) <= _LONGEST
    }
    return TaskRun(**known) if len(known) == len(_KEYS) else None


def written_now() -> dict[str, str]:
    """Return the metadata of a file that this process writes now."""
    task = task_run()
    return {_AT: datetime.now(UTC).isoformat(), **(vars(task) if task else {})}


def read_written(files: Files, path: str, kind: FileKind) -> Written:
    """Return who wrote a file of the store, and when."""
    try:
        with open_parquet(files, path, kind) as file:
            metadata = file.schema.metadata or {}
    except (NotOnFileError, StorageError):
        return Written(None, None)
    values = {
        key.decode().removeprefix(METADATA_PREFIX): value.decode("utf-8", "replace")
        for key, value in metadata.items()
    }
    try:
        at = in_utc(datetime.fromisoformat(values.get(_AT, "")))
    except (ValueError, OverflowError):
        at = None
    return Written(at, task_run(values))
