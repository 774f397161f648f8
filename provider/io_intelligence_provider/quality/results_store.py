"""Stores the history of results: one small Parquet file for each run, never rewritten.

``<root>/results/dataset_id=<id>/<run_id>.parquet`` holds one row: the run, with its checks, columns and
profile as lists. One file for each run makes adding a run atomic, and concurrent runs never write the same
file. The id is made of the data set's name and the schema's, so that the runs of two schemas on one data set
are two histories.
"""

from __future__ import annotations

import io
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC
from functools import cache, partial
from typing import Any, Final, Literal, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.errors import (
    ConfigurationError,
    IOIntelligenceError,
    UnreadableFileError,
)
from io_intelligence_provider.quality.history_rules import LONGEST_WINDOW
from io_intelligence_provider.quality.result import CheckResult, CheckRun, ColumnProfile, checked, run_file
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.storage.file_kind import FileKind
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.storage.parquet import CheckedFile, no_rows
from io_intelligence_provider.text import path_name, short_hash

__all__ = [
    "RESULTS_KIND",
    "ResultHistory",
    "TaskRun",
    "dataset_id",
    "read_past",
    "read_results",
    "result_row",
    "results_schema",
    "run_of_row",
    "runs_table",
]

log = logging.getLogger(__name__)


Kind: TypeAlias = Literal["runs", "checks", "columns"]

RESULTS: Final = "results"
LARGEST_RESULT: Final = 8 << 20  # bytes: five hundred times a usual one
_BEFORE_SCHEMA: Final = "--"  # which `path_name` never has
_LISTED: Final = {"runs": None, "checks": "checks", "columns": "profile"}
_LISTS: Final = ["checks", "columns", "profile"]
_OF_RUN: Final = ("run_id", "dataset", "checked_at", "outcome")
"""The columns of its run that each row of ``checks`` and ``columns`` repeats."""


def dataset_id(dataset: str, schema: str | None = None) -> str:
    """Return a data set's name as a unique and readable part of a path.

    :param schema: the name of the schema, which becomes part of the id: ``orders-1f2e3d4c--5a6b7c8d``.
    """
    name = path_name(dataset)
    return name if schema is None else f"{name}{_BEFORE_SCHEMA}{short_hash(schema)}"


@dataclass(frozen=True)
class TaskRun:
    """The task instance of Airflow that wrote a file; ``map_index`` is -1 unless it is mapped."""

    dag_id: str
    task_id: str
    dag_run_id: str
    map_index: int = -1
    try_number: int | None = None


class ResultHistory:
    """Appends and reads the results below one root.

    :param root: a local path or an fsspec URL.
    :param filesystem: an fsspec file system to use instead of the one the URL names.
    :param storage_options: arguments for the file system the URL names.
    :raises ConfigurationError: when no file system serves the URL.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        filesystem: Any = None,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.files = Files(root, filesystem, storage_options)

    @classmethod
    def of(cls, files: Files) -> ResultHistory:
        """Return the history below the root of ``files``."""
        history = cls.__new__(cls)
        history.files = files
        return history

    def __repr__(self) -> str:
        return f"ResultHistory({self.files.root!r})"

    def add(self, run: CheckRun, dataset: str | None = None, task: TaskRun | None = None) -> str:
        """Append a run and return the path of its file. Adding the same run again replaces it.

        :param dataset: the name under which runs are compared; the run's own ``dataset`` unless given.
        :param task: the task instance that made the run.
        :raises StorageError: when the file cannot be written.
        """
        name = dataset or run.dataset
        table = pa.Table.from_pylist([result_row(run, name, task)], schema=results_schema())
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        path = f"{_folder(name, run.schema)}/{run_file(run.run_id, 'parquet')}"
        self.files.put(path, with_digests(buffer.getbuffer()))
        return self.files.url(path)

    def run(self, run_id: str, dataset: str) -> CheckRun:
        """Return one run as it was filed; its ``dataset`` is the path that was checked.

        :param dataset: the name it was filed under.
        :raises NotOnFileError: when no such run is on file.
        :raises StorageError: when its file cannot be read or is no result.
        """
        file = run_file(run_id, "parquet")
        paths = [
            f"{folder}/{file}" for folder in self._folders(dataset, None) if file in self.files.list(folder)
        ]
        # Without a match, the read says what is not on file.
        path = paths[0] if paths else f"{RESULTS}/dataset_id={dataset_id(dataset)}/{file}"
        data = self.files.read(path)
        try:
            table, (run,) = _parsed(data, self.files.url(path))
        except (TypeError, ValueError, RecursionError) as error:
            raise UnreadableFileError(f"{self.files.url(path)} is no result: {error}") from error
        return replace(run, dataset=table["source"][0].as_py())

    def runs(
        self, dataset: str | None = None, limit: int | None = None, *, schema: str | None = None
    ) -> list[CheckRun]:
        """Return the stored runs, oldest first. Their ``dataset`` is the name they were filed under.

        A file that is not a result is skipped with a warning.

        :param dataset: the name to read, all unless given.
        :param limit: return only this many of the latest runs of each data set and schema.
        :param schema: the name of the schema whose runs to read, all unless given.
        :raises StorageError: when the history cannot be listed.
        """
        tables = self._tables(dataset, limit, schema)
        found = [run for _, runs in tables for run in runs if schema in (None, run.schema)]
        return sorted(found, key=lambda run: run.checked_at)

    def table(self, kind: Kind = "runs", dataset: str | None = None) -> pa.Table:
        """Return the history as a table, oldest first.

        :param kind: ``runs``: one row per run; ``checks``: one row per run and check; ``columns``: one row
            per run and profiled column.
        :param dataset: the name to read, all unless given.
        """
        tables = [table for table, _ in self._tables(dataset, None, None)]
        return _flat(pa.concat_tables(tables) if tables else no_rows(results_schema()), kind)

    def _tables(
        self, dataset: str | None, limit: int | None, schema: str | None
    ) -> Iterator[tuple[pa.Table, list[CheckRun]]]:
        paths: list[str] = []
        for folder in self._folders(dataset, schema):
            names = sorted(name for name in self.files.list(folder) if name.endswith(".parquet"))
            # Their names begin with the time.
            kept = names if limit is None else names[max(len(names) - limit, 0) :]
            paths += [f"{folder}/{name}" for name in kept]
        yield from _decoded(self.files, paths, partial(log.warning, "%s"))

    def _folders(self, dataset: str | None, schema: str | None) -> list[str]:
        if dataset is not None and schema is not None:
            return [_folder(dataset, schema)]
        folders = [f"{RESULTS}/{name}" for name in self.files.list(RESULTS) if name.startswith("dataset_id=")]
        if dataset is None:
            return folders
        wanted = f"{RESULTS}/dataset_id={dataset_id(dataset)}"
        return [folder for folder in folders if folder.partition(_BEFORE_SCHEMA)[0] == wanted]


def read_results(
    files: Files, paths: Iterable[str], *, brief: bool = False
) -> tuple[list[tuple[CheckRun, TaskRun | None]], list[str]]:
    """Return the runs of result files with the tasks that filed them, and why other files cannot be read.

    :param brief: leave out checks, columns and profile, which take most of the time.
    """
    damaged: list[str] = []
    found = [
        (run, _task_in_row(row))
        for table, runs in _decoded(files, paths, damaged.append, brief=brief)
        for run, row in zip(runs, table.to_pylist(), strict=True)
    ]
    return found, damaged


def _decoded(
    files: Files, paths: Iterable[str], report: Callable[[str], None], *, brief: bool = False
) -> Iterator[tuple[pa.Table, list[CheckRun]]]:
    """Yield the content of each result file, and report why another one is left out."""
    for path, data in files.read_many(paths, LARGEST_RESULT):
        where = files.url(path)
        try:
            if isinstance(data, UnreadableFileError):
                raise data
            yield _parsed(data, where, brief=brief)
        except UnreadableFileError as error:
            report(str(error))
        except (TypeError, ValueError, RecursionError) as error:
            report(f"{where} is no result and is passed over: {error}")


def _folder(dataset: str, schema: str) -> str:
    return f"{RESULTS}/dataset_id={dataset_id(dataset, schema)}"


def _parsed(data: bytes, where: str, *, brief: bool = False) -> tuple[pa.Table, list[CheckRun]]:
    """Return the content of a result file.

    :raises UnreadableFileError: when it is damaged.
    :raises ValueError: or ``TypeError``, ``RecursionError``: when it is not a result.
    """
    with CheckedFile(pa.BufferReader(data), where, RESULTS_KIND) as file:
        schema = results_schema()
        table = file.read(pa.schema([one for one in schema if not brief or one.name not in _LISTS]))
    return table, [run_of_row(row) for row in table.to_pylist()]


def runs_table(runs: Iterable[CheckRun], kind: Kind = "runs") -> pa.Table:
    """Return runs in the form of :meth:`ResultHistory.table`."""
    rows = [result_row(run, run.dataset) for run in runs]
    return _flat(pa.Table.from_pylist(rows, schema=results_schema()), kind)


def _flat(runs: pa.Table, kind: Kind) -> pa.Table:
    if kind not in _LISTED:
        raise ConfigurationError(f"There is no table {kind!r} of results. There are: {', '.join(_LISTED)}.")
    runs = runs.sort_by([("checked_at", "ascending"), ("run_id", "ascending")])
    if (nested := _LISTED[kind]) is None:
        return runs.drop_columns(_LISTS)
    return _unnested(runs, nested)


def _unnested(runs: pa.Table, nested: str) -> pa.Table:
    lists = runs[nested].combine_chunks()
    parents, values = lists.value_parent_indices(), lists.flatten()
    names = [values.type.field(number).name for number in range(values.type.num_fields)]
    repeated = {name: runs[name].take(parents) for name in _OF_RUN}
    fields = dict(zip(names, values.flatten(), strict=True))
    return pa.table(repeated | {"of_rows" if name == "rows" else name: data for name, data in fields.items()})


def read_past(
    history: ResultHistory, dataset: str, schema: str | None = None, limit: int = 2 * LONGEST_WINDOW
) -> list[CheckRun]:
    """Return the latest runs on a data set for the history checks, oldest first, stopped ones included.

    A history that cannot be read gives a warning in the log and an empty list, so that the data are validated
    all the same; the history checks then report too few earlier runs.
    """
    try:
        return history.runs(dataset, limit, schema=schema)
    except IOIntelligenceError as error:
        log.warning("The history of %s cannot be read, so nothing is compared with it: %s", dataset, error)
        return []


@cache
def results_schema() -> pa.Schema:
    """Return the schema of a result file. Columns may be added to it; existing ones keep their meaning."""
    text, count, number = pa.string(), pa.int64(), pa.float64()
    check = pa.struct(
        {
            "check": text,
            "column": text,
            "level": text,
            "severity": text,
            "evaluated": count,
            "failed": count,
            "passed": pa.bool_(),
            "threshold_count": count,
            "threshold_share": number,
            "examples": text,
            "rule_id": text,
            "dimension": text,
        }
    )
    profile = pa.struct(
        {
            "column": text,
            "rows": count,
            "nulls": count,
            "distinct": count,
            "distinct_exact": pa.bool_(),
            "min": number,
            "max": number,
            "earliest": text,
            "latest": text,
            "median": number,
            "mad": number,
        }
    )
    return pa.schema(
        {
            "run_id": text,
            "dataset": text,
            "source": text,
            "schema": text,
            "checked_at": pa.timestamp("us", "UTC"),
            "seconds": number,
            "engine": text,
            "mode": text,
            "outcome": text,
            "score": number,
            "rows": count,
            "valid": count,
            "quarantined": count,
            "files": count,
            "quarantine_path": text,
            "valid_path": text,
            "checks": pa.list_(check),
            "columns": pa.list_(pa.struct({"name": text, "type": text})),
            "profile": pa.list_(profile),
            "data_interval_start": pa.timestamp("us", "UTC"),
            "dag_id": text,
            "task_id": text,
            "dag_run_id": text,
            "map_index": count,
            "try_number": count,
        }
    )


def result_row(run: CheckRun, dataset: str, task: TaskRun | None = None) -> dict[str, Any]:
    """Convert a run to a row.

    :param dataset: the name it is filed under; the run's own ``dataset`` goes to ``source``.
    """
    begin = run.data_interval_start
    return {
        "run_id": run.run_id,
        "dataset": dataset,
        "source": run.dataset,
        "schema": run.schema,
        "checked_at": run.checked_at.astimezone(UTC),  # see `read_rows` in coercion.py
        "seconds": run.seconds,
        "engine": run.engine,
        "mode": run.mode,
        "outcome": run.outcome,
        "score": run.score,
        "rows": run.rows,
        "valid": run.valid,
        "quarantined": run.quarantined,
        "files": run.files,
        "quarantine_path": run.quarantine_path,
        "valid_path": run.valid_path,
        "checks": [_check_row(check) for check in run.checks],
        "columns": [{"name": name, "type": type_} for name, type_ in run.columns],
        "profile": [_profile_row(column) for column in run.profile],
        "data_interval_start": begin and begin.astimezone(UTC),
        **(asdict(task) if task else dict.fromkeys(field.name for field in fields(TaskRun))),
    }


def _task_in_row(row: Mapping[str, Any]) -> TaskRun | None:
    values = [row[field.name] for field in fields(TaskRun)]
    return None if None in values else TaskRun(*values)


def _check_row(check: CheckResult) -> dict[str, Any]:
    share = isinstance(check.threshold, float)
    return {
        "check": check.check,
        "column": check.column,
        "level": check.level,
        "severity": check.severity,
        "evaluated": check.evaluated,
        "failed": check.failed,
        "passed": check.passed,
        "threshold_count": None if share else check.threshold,
        "threshold_share": check.threshold if share else None,
        "examples": json.dumps(check.examples),
        "rule_id": check.rule_id,
        "dimension": check.dimension,
    }


def _profile_row(column: ColumnProfile) -> dict[str, Any]:
    """Convert a profile to a row; numbers and dates have separate columns, so that each has one type."""
    row = asdict(column)
    for bound, text in (("min", "earliest"), ("max", "latest")):
        row[text] = row[bound] if isinstance(row[bound], str) else None
        row[bound] = None if isinstance(row[bound], str) else row[bound]
    return row


def run_of_row(row: Mapping[str, Any]) -> CheckRun:
    """Convert a row to a run; its ``dataset`` is the name it was filed under.

    :raises ValueError: when a value is invalid.
    """
    plain = [field.name for field in fields(CheckRun) if field.name not in _LISTS]
    form = {name: row[name] for name in plain} | {
        "checks": [_check_of(check) for check in row.get("checks") or ()],
        "columns": [(column["name"], column["type"]) for column in row.get("columns") or ()],
        "profile": [_profile_of(column) for column in row.get("profile") or ()],
    }
    try:
        run = msgspec.convert(form, CheckRun)
    except msgspec.ValidationError as error:  # a ValueError from msgspec 0.21 on
        raise ValueError(str(error)) from None
    for check in run.checks:
        checked(check)
    return run


def _check_of(row: Mapping[str, Any]) -> dict[str, Any]:
    share, count = row["threshold_share"], row["threshold_count"]
    plain = ("check", "column", "level", "severity", "evaluated", "failed", "rule_id", "dimension")
    return {key: row[key] for key in plain} | {
        "examples": json.loads(row["examples"]),
        "threshold": count if share is None else share,
    }


def _profile_of(row: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {
        bound: row[bound] if row[text] is None else row[text]
        for bound, text in (("min", "earliest"), ("max", "latest"))
    }
    return {name: value for name, value in row.items() if name not in ("earliest", "latest")} | bounds


RESULTS_KIND: Final = FileKind(  # holds one run
    "result file",
    results_schema,
    most_rows=1_000,
    rows_free=1_000,
    rows_per_byte=1,
    required=frozenset({"run_id", "dataset", "checked_at", "outcome", "checks"}),
)
