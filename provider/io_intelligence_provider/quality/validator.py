"""Validates a batch and returns the reasons for each refused row."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.batches import Batch
from io_intelligence_provider.quality.counts import CheckCounts
from io_intelligence_provider.quality.frames import to_frame, to_table
from io_intelligence_provider.quality.pandera_backend import (
    NOT_NULLABLE,
    Frame,
    Schema,
    run_schema,
    without_failure_report,
)
from io_intelligence_provider.quality.prepare import COERCION, DTYPE, Prepared
from io_intelligence_provider.quality.quarantine import RefusedRow, plain_rows, record_text, value_text
from io_intelligence_provider.quality.result import MAX_EXAMPLES, CheckFailure

__all__ = ["DROPPED", "BatchValidator", "DuplicateKeys", "ValidatedBatch", "validate_batch"]


DROPPED: Final = "dropped_by_parser"
"""The check name for a row that a parser of the schema dropped."""

_TYPE: Final = (COERCION, DTYPE)


@dataclass
class BatchValidator:
    """Validates batches by a prepared schema.

    :param floats: integer columns that hold a null somewhere in the data set and are floats in the schema.
        They are converted in every batch, as pandas would convert the whole column.
    """

    prepared: Prepared
    floats: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._schema: Schema | None = None
        self._parser: Schema | None = None

    def failures_of(self, batch: Batch) -> list[CheckFailure]:
        """Return the failures of a batch, with positions in the batch.

        A row whose value cannot be read as the schema's type is refused for that, and the other rows are
        validated without it, so that one bad value does not hide the failures of other checks.
        """
        alive = pl.int_range(batch.rows, eager=True)
        found: list[CheckFailure] = []
        while True:
            failures = self._run(batch if len(alive) == batch.rows else _some(batch, alive))
            blocked = _blocked(failures)
            if not blocked:
                return found + [_at(failed, alive) for failed in failures]
            removed = set().union(*blocked.values())
            found += [_at(failed, alive) for failed in _of_removed(failures, blocked, removed)]
            places = pl.int_range(len(alive), eager=True)
            alive = alive.filter(~places.is_in(sorted(removed)))

    def _run(self, batch: Batch) -> list[CheckFailure]:
        from pandera.errors import SchemaDefinitionError

        frame: Any = batch.frame
        if frame is None:
            frame = to_frame(batch.table, self.prepared, self.floats)
        if self._schema is None:
            self._schema = without_failure_report(self.prepared.schema, frame)
        try:
            failures = run_schema(frame, self._schema)
        except SchemaDefinitionError as error:
            raise ConfigurationError(
                f"pandera refuses the schema {self.prepared.loaded.name}: {error}"
            ) from error
        return failures + _further_extras(failures, self._schema, list(frame.columns))

    def parsed(self, table: pa.Table) -> tuple[Frame, list[int]] | None:
        """Return a table as the schema parses it, and the positions of the remaining rows.

        ``None`` when a row cannot be parsed.
        """
        from pandera.errors import SchemaErrors

        frame = to_frame(table, self.prepared, self.floats)
        if self._parser is None:
            self._parser = without_failure_report(self.prepared.parser, frame)
        try:
            parsed = self._parser.validate(frame, lazy=True)
        except SchemaErrors as errors:
            # Other errors, such as a column of the wrong type, leave usable parsed data.
            if any(str(error.check).startswith(COERCION) for error in errors.schema_errors):
                return None
            parsed = errors.data
        except Exception:  # noqa: BLE001 - a parser of the user's; the validator reports what it raised
            return None
        return parsed, _positions(parsed, table.num_rows)

    def valid_table(self, table: pa.Table, valid: pl.Series, like: pa.Schema | None) -> pa.Table:
        """Return the valid rows as the schema parses them, unchanged when it parses nothing.

        :param valid: for every row, whether it is valid.
        :param like: the schema that earlier tables were written with.
        """
        kept = table.filter(valid.to_arrow())
        if not self.prepared.parses:
            return kept
        parsed = self.parsed(kept)
        return kept if parsed is None else to_table(parsed[0], like)

    def dropped(self, batch: Batch) -> CheckFailure | None:
        """Return the failure of the rows that a parser of the schema drops."""
        if not getattr(self.prepared.schema, "parsers", None):
            return None
        parsed = self.parsed(batch.table)
        if parsed is None:
            return None
        missing = sorted(set(range(batch.rows)) - set(parsed[1]))
        if not missing:
            return None
        return CheckFailure(DROPPED, None, missing, "is dropped by a parser of the schema")


def _some(batch: Batch, rows: pl.Series) -> Batch:
    return Batch(batch.table.take(rows.to_arrow()), batch.file, 0, 0)


def _positions(frame: Any, rows: int) -> list[int]:
    if hasattr(frame, "index"):
        labels = frame.index.tolist()
        if len(set(labels)) == len(labels) and all(
            isinstance(label, int) and label < rows for label in labels
        ):
            return list(labels)
    return list(range(len(frame)))


def _blocked(failures: Sequence[CheckFailure]) -> dict[str, set[int]]:
    """Return, by column, the rows whose values prevent the column from having its type."""
    blocked: dict[str, set[int]] = {}
    wrong = {failed.column for failed in failures if failed.check in _TYPE}
    for failed in failures:
        if failed.column is None or not failed.rows:
            continue
        # A null turns pandas' integers into floats and its booleans into objects.
        if failed.check in _TYPE or (failed.check == NOT_NULLABLE and failed.column in wrong):
            blocked.setdefault(failed.column, set()).update(failed.rows)
    return blocked


def _of_removed(
    failures: Sequence[CheckFailure], blocked: Mapping[str, set[int]], removed: AbstractSet[int]
) -> list[CheckFailure]:
    """Return the failures of the removed rows; for the blocking columns only type and null failures."""
    kept = []
    for failed in failures:
        if not failed.rows or (failed.column in blocked and failed.check not in (*_TYPE, NOT_NULLABLE)):
            continue
        if rows := [row for row in failed.rows if row in removed]:
            kept.append(replace(failed, rows=rows, message=_TYPE_MESSAGE.get(failed.check, failed.message)))
    return kept


_TYPE_MESSAGE: Final = {
    COERCION: "cannot be read as the schema's type",
    DTYPE: "is not of the schema's type",
}


def _at(failed: CheckFailure, alive: pl.Series) -> CheckFailure:
    return failed if failed.rows is None else replace(failed, rows=alive.gather(list(failed.rows)).to_list())


def _further_extras(
    failures: Sequence[CheckFailure], schema: Any, present: Sequence[str]
) -> list[CheckFailure]:
    """Return the columns outside a strict schema that pandera did not name: for polars it stops at one."""
    if schema.strict is not True:
        return []
    named = {failed.column for failed in failures if failed.check == "column_in_schema"}
    extra = [
        name
        for name in present
        if name not in schema.columns
        and not any(column.regex and re.match(key, name) for key, column in schema.columns.items())
    ]
    return [
        CheckFailure("column_in_schema", name, None, "is not in the schema")
        for name in extra
        if name not in named
    ]


_AT_A_TIME: Final = 10_000
"""Refused rows that are converted to Python objects at a time."""


@dataclass(frozen=True)
class DuplicateKeys:
    """Rows of the data set that repeat a key.

    :param marks: for every row of the data set, whether it repeats a key.
    """

    check: str
    columns: tuple[str, ...]
    marks: pl.Series

    def of(self, batch: Batch) -> CheckFailure | None:
        """Return the duplicates in one batch as a failure."""
        rows = self.marks.slice(batch.offset, batch.rows).arg_true().to_list()
        return duplicate_key_failure(self.check, self.columns, rows) if rows else None


def duplicate_key_failure(check: str, columns: tuple[str, ...], rows: Sequence[int]) -> CheckFailure:
    """Return the failure of rows that repeat a key."""
    if check == "field_uniqueness":
        return CheckFailure(check, columns[0], rows, "is not unique")
    return CheckFailure(check, None, rows, f"the columns {', '.join(columns)} are not unique together")


@dataclass
class ValidatedBatch:
    """A batch and the reasons for its refused rows.

    :param reasons: the failures of each refused row.
    """

    batch: Batch
    reasons: Mapping[int, Sequence[CheckFailure]]

    @property
    def valid(self) -> pl.Series:
        """For every row, whether it is valid."""
        marks = pl.repeat(value=True, n=self.batch.rows, dtype=pl.Boolean, eager=True)
        return marks.scatter(list(self.reasons), False)

    def refused_rows(self) -> Iterator[list[RefusedRow]]:
        """Yield the refused rows with their reasons, up to 10,000 at a time."""
        rows = sorted(self.reasons)
        for start in range(0, len(rows), _AT_A_TIME):
            chunk = rows[start : start + _AT_A_TIME]
            plain = plain_rows(self.batch.table, chunk)
            yield [self._refused(row, values) for row, values in zip(chunk, plain, strict=True)]

    def _refused(self, row: int, values: dict[str, Any]) -> RefusedRow:
        failures = tuple(
            CheckFailure(
                failed.check, failed.column, None, failed.message, value_text(values.get(failed.column or ""))
            )
            for failed in self.reasons[row]
        )
        first = self.batch.first
        return RefusedRow(
            record_text(values), failures, self.batch.file or None, None if first < 0 else first + row
        )


def validate_batch(
    validator: BatchValidator, counts: CheckCounts, batch: Batch, repeats: Iterable[CheckFailure | None]
) -> ValidatedBatch:
    """Validate a batch and count its failures.

    :param repeats: the uniqueness failures of the batch, which are found over the whole data set.
    """
    reasons: dict[int, list[CheckFailure]] = defaultdict(list)
    governed: set[int] = set()

    def count(failed: CheckFailure) -> None:
        if failed.rows is None:
            where = {"file": batch.file} if batch.file else {}
            counts.count_dataset(failed.check, failed.column, failed.message, **where)
            return
        counts.count_rows(failed.check, failed.column, len(failed.rows), _examples(batch, failed))
        if counts.severity(failed.check, failed.column) == "error":
            if counts.policy.threshold_of(failed.check, failed.column) is None:
                governed.update(failed.rows)
            for row in failed.rows:
                reasons[row].append(failed)

    for failed in [*validator.failures_of(batch), *(item for item in repeats if item is not None)]:
        count(failed)
    if dropped := validator.dropped(batch):
        count(dropped)
    counts.rows += batch.rows
    counts.quarantined += len(reasons)
    counts.governed += len(governed)
    return ValidatedBatch(batch, reasons)


def _examples(batch: Batch, failed: CheckFailure) -> list[dict[str, Any]]:
    rows = list(failed.rows or ())[:MAX_EXAMPLES]
    columns = [failed.column] if failed.column in batch.table.column_names else []
    values = plain_rows(batch.table.select(columns), rows) if columns else [{}] * len(rows)
    where = {"file": batch.file} if batch.file else {}
    return [
        where
        | ({"row": batch.first + row} if batch.first >= 0 else {})
        | {"value": value_text(plain.get(failed.column or "")), "message": failed.message}
        for row, plain in zip(rows, values, strict=True)
    ]
