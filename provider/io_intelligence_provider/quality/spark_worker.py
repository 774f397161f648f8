"""Validates the Arrow batches of one partition on a Spark worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import polars as pl
import pyarrow as pa

from io_intelligence_provider.quality.batches import Batch
from io_intelligence_provider.quality.checks import CheckCounts
from io_intelligence_provider.quality.policy import Policy
from io_intelligence_provider.quality.prepare import Prepared
from io_intelligence_provider.quality.profile import Profiler
from io_intelligence_provider.quality.quarantine import quarantine_schema
from io_intelligence_provider.quality.result import MAX_EXAMPLES, CheckFailure
from io_intelligence_provider.quality.validator import (
    BatchValidator,
    ValidatedBatch,
    duplicate_key_failure,
    validate_batch,
)

__all__ = ["FILE", "REPEATED", "Worker", "in_utc", "parsed_differently"]


FILE: Final = "__file"
REPEATED: Final = "__repeated_"
"""Helper columns: the file of a row, and a mark for each key that it repeats."""


@dataclass
class Worker:
    """Validates the batches of a partition; pickled once, called on each worker.

    :param schema: the columns of the data without the helper columns.
    :param keys: check and columns of every key; the marks of key ``i`` are in ``__repeated_i``.
    :param floats: see :class:`BatchValidator`.
    """

    prepared: Prepared
    policy: Policy
    schema: pa.Schema
    keys: tuple[tuple[str, tuple[str, ...]], ...]
    floats: frozenset[str]
    examples: int = MAX_EXAMPLES
    profile: bool = False
    keep_valid: bool = False

    @property
    def output(self) -> pa.Schema:
        """The schema of the output: counts, refused rows and, if kept, valid rows."""
        fields = [
            pa.field("counts", pa.string()),
            pa.field("profile", pa.binary()),
            pa.field("record", pa.string()),
            pa.field("failures", quarantine_schema().field("failures").type),
            pa.field("file", pa.string()),
        ]
        if self.keep_valid:
            fields.append(pa.field("row", pa.struct(list(self._parsed_schema()))))
        return pa.schema(fields)

    def _parsed_schema(self) -> pa.Schema:
        schema = _parsed(self.prepared, self.schema)
        return pa.schema([pa.field(field.name, _for_spark(field.type)) for field in schema])

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        validator = BatchValidator(self.prepared, self.floats)
        counts = CheckCounts(self.prepared.declared, self.policy, self.examples)
        output, profiler = self.output, self._profiler()
        for arrow_batch in batches:
            with_helpers = pa.Table.from_batches([arrow_batch])
            table = with_helpers.select(range(len(self.schema))).rename_columns(self.schema.names)
            table = table.cast(self.schema)
            for file, start, stop in _runs(with_helpers[FILE].to_pylist()):
                batch = Batch(table.slice(start, stop - start), file, -1, 0)
                validated = validate_batch(
                    validator, counts, batch, self._duplicates(with_helpers.slice(start, stop - start))
                )
                yield from self._refused(validated, output)
                if self.keep_valid:
                    yield from self._valid(validator, validated, output)
            if profiler is not None:
                profiler.add(_polars(table))
        if counts.rows:
            state = profiler.state() if profiler is not None else None
            yield _batch([{"counts": json.dumps(counts.to_dict()), "profile": state}], output)

    def _profiler(self) -> Any:
        if not self.profile:
            return None
        from pyspark import TaskContext

        context = TaskContext.get()
        return Profiler(seed=context.partitionId() if context else 0)

    def _duplicates(self, table: pa.Table) -> Iterator[CheckFailure]:
        for index, (check, columns) in enumerate(self.keys):
            marks = table[f"{REPEATED}{index}"].to_pylist()
            if rows := [row for row, mark in enumerate(marks) if mark]:
                yield duplicate_key_failure(check, columns, rows)

    def _refused(self, validated: ValidatedBatch, output: pa.Schema) -> Iterator[pa.RecordBatch]:
        for rows in validated.refused_rows():
            yield _batch(
                [
                    {
                        "record": row.record,
                        "failures": [failure.to_dict() for failure in row.failures],
                        "file": row.file,
                    }
                    for row in rows
                ],
                output,
            )

    def _valid(
        self, validator: BatchValidator, validated: ValidatedBatch, output: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        row = output.field("row")
        valid = validator.output(validated.batch, validated.parsed).filter(validated.valid.to_arrow())
        if not valid.num_rows:
            return
        valid = valid.select([field.name for field in row.type]).cast(pa.schema(list(row.type)))
        structs = pa.StructArray.from_arrays(
            [column.combine_chunks() for column in valid.columns], fields=list(row.type)
        )
        others = [pa.nulls(valid.num_rows, field.type) for field in output if field.name != "row"]
        yield pa.RecordBatch.from_arrays([*others, structs], schema=output)


def _batch(rows: list[dict[str, Any]], output: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, schema=output)


def _runs(files: list[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the ranges of a batch that come from one file, with the file's decoded name."""
    start = 0
    for index in range(1, len(files) + 1):
        if index == len(files) or files[index] != files[start]:
            name = files[start]
            yield unquote(urlsplit(name).path) if name.startswith("file:") else name, start, index
            start = index


def _polars(table: pa.Table) -> Any:
    return pl.from_arrow(table)


def in_utc(schema: pa.Schema) -> pa.Schema:
    """Return a schema with timestamps in UTC; Spark returns them in the session's time zone."""
    return pa.schema(
        [
            pa.field(field.name, pa.timestamp("us", tz="UTC"))
            if pa.types.is_timestamp(field.type) and field.type.tz
            else pa.field(field.name, field.type)
            for field in schema
        ]
    )


def _parsed(prepared: Prepared, schema: pa.Schema) -> pa.Schema:
    if not prepared.parses:
        return schema
    validator, batch = BatchValidator(prepared), Batch(schema.empty_table(), "", -1, 0)
    return validator.output(batch, validator.parse(batch)).schema


def parsed_differently(prepared: Prepared, schema: pa.Schema) -> set[str]:
    """Return the columns whose values the schema may change before checking them."""
    if not prepared.parses:
        return set()
    parsed = _parsed(prepared, schema)
    columns: Any = prepared.schema.columns
    changed = {name for name, column in columns.items() if column.default is not None}
    for field in schema:
        if field.name in parsed.names and _for_spark(parsed.field(field.name).type) != _for_spark(field.type):
            changed.add(field.name)
    return changed


def _for_spark(dtype: pa.DataType) -> pa.DataType:
    """Return a type that Spark has: no unsigned numbers, dictionaries, large offsets or nanoseconds."""
    if pa.types.is_dictionary(dtype):
        return _for_spark(dtype.value_type)
    if pa.types.is_large_string(dtype) or pa.types.is_string_view(dtype) or pa.types.is_null(dtype):
        return pa.string()
    if pa.types.is_large_binary(dtype):
        return pa.binary()
    if pa.types.is_large_list(dtype):
        return pa.list_(_for_spark(dtype.value_type))
    if pa.types.is_timestamp(dtype):
        return pa.timestamp("us", tz="UTC" if dtype.tz else None)
    signed = {
        pa.uint8(): pa.int16(),
        pa.uint16(): pa.int32(),
        pa.uint32(): pa.int64(),
        pa.uint64(): pa.int64(),
    }
    return signed.get(dtype, dtype)
