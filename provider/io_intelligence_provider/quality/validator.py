"""Validates a batch and returns the reasons for each refused row."""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.batches import Batch
from io_intelligence_provider.quality.checks import CheckCounts
from io_intelligence_provider.quality.frames import OutputTable
from io_intelligence_provider.quality.parser import BatchParser, ParsedBatch, bare_column
from io_intelligence_provider.quality.prepare import COERCION, DTYPE, Prepared
from io_intelligence_provider.quality.quarantine import RefusedRow, plain_rows, record_text, value_text
from io_intelligence_provider.quality.result import CheckFailure
from io_intelligence_provider.quality.schema import (
    NOT_NULLABLE,
    run_schema,
    without_failure_report,
)

__all__ = ["BatchValidator", "DuplicateKeys", "ValidatedBatch", "validate_batch"]


class BatchValidator:
    """Validates batches by a prepared schema.

    :param floats: see :class:`BatchParser`.
    """

    def __init__(self, prepared: Prepared, floats: frozenset[str] = frozenset()) -> None:
        self.prepared, self.floats = prepared, floats
        self.parser = BatchParser(prepared, floats)
        self._parsed: tuple[Batch, ParsedBatch] | None = None
        self._output = OutputTable(prepared)
        self._schemas: dict[Any, Any] = {}

    def parse(self, batch: Batch, *, again: bool = False) -> ParsedBatch:
        """Return a batch as the schema parses it.

        :param again: whether it is needed again; the result is kept until then.
        """
        if self._parsed is not None and self._parsed[0] is batch:
            parsed = self._parsed[1]
        else:
            parsed = self.parser.parse(None if batch.frame is not None else batch.table, batch.frame)
        self._parsed = (batch, parsed) if again else None
        return parsed

    def failures_of(self, parsed: ParsedBatch) -> list[CheckFailure]:
        """Return the failures of a parsed batch, with positions in the batch.

        A value that cannot be read as the schema's type, or is not of it, fails for that alone. The checks
        of its column, and those of whole rows, are run without it, so that it changes no other result.
        """
        found = list(parsed.failures)
        if parsed.aborted:
            return found
        unreadable = {column: set(rows) for column, rows in parsed.unreadable.items()}
        for column, rows in parsed.unreadable.items():
            found.append(CheckFailure(COERCION, column, rows, self._coercion_message(column)))
        failures = self._run(parsed.frame, unreadable)
        while mistyped := _mistyped(failures, unreadable):
            for one in mistyped:
                unreadable.setdefault(one.column, set()).update(one.rows or ())
                found.append(replace(one, message="is not of the schema's type"))
            failures = self._run(parsed.frame, unreadable)
        found += _without_missing_values(failures, parsed.frame, self.prepared)
        return [one if one.rows is None else replace(one, rows=parsed.positions(one.rows)) for one in found]

    def _coercion_message(self, column: str | None) -> str:
        if column is None:
            model: Any = self.prepared.row_type
            return f"is no {model.__name__}"
        return f"cannot be read as {self.prepared.coercion_of(column)}"

    def _run(self, frame: Any, unreadable: Mapping[str | None, set[int]]) -> list[CheckFailure]:
        if not unreadable:
            return self._check(frame, None)
        refused = unreadable.get(None, set())
        columns = [name for name in unreadable if name is not None]
        passes = [(refused, _Part(without=frozenset(columns)))]
        passes += [(refused | unreadable[name], _Part(only=name)) for name in columns]
        passes.append((set().union(*unreadable.values()), _Part(rows=True)))
        found = []
        for left_out, part in passes:
            kept = pl.int_range(len(frame), eager=True)
            kept = kept.filter(~kept.is_in(sorted(left_out)))
            if not len(kept) and part.without is None:
                continue
            found += [
                one if one.rows is None else replace(one, rows=kept.gather(list(one.rows)).to_list())
                for one in self._check(_rows(frame, kept), part)
            ]
        return found

    def _check(self, frame: Any, part: _Part | None) -> list[CheckFailure]:
        """Run the checks of the schema, or a part of them, on a parsed frame."""
        from pandera.errors import SchemaDefinitionError

        columns = list(frame.columns)
        types = {} if isinstance(frame, pl.DataFrame) else _nullable_columns(frame)
        key = (part, tuple(columns), tuple(types.items()))
        if key not in self._schemas:
            self._schemas[key] = [
                without_failure_report(schema, frame)
                for schema in _check_schemas(self.prepared, columns, types, part)
            ]
        found = []
        try:
            for schema in self._schemas[key]:
                failures = run_schema(frame, schema)
                found += failures + _further_extras(failures, schema, columns)
        except SchemaDefinitionError as error:
            raise ConfigurationError(
                f"pandera refuses the schema {self.prepared.loaded.name}: {error}"
            ) from error
        return [_of_column(one, frame) for one in found]

    def output(self, batch: Batch, parsed: ParsedBatch) -> pa.Table:
        """Return all rows of a batch as the schema parses them, unchanged where it parses nothing.

        :raises ConfigurationError: when the parsed values of a column do not have one type.
        """
        if parsed.aborted:
            return batch.table
        return self._output.of(batch.table, parsed.frame, parsed.order, parsed.unchanged)


@dataclass(frozen=True)
class _Part:
    """A part of a schema's checks.

    :param without: all but the checks of these columns, which may be none, and of rows.
    :param only: the checks of one column.
    :param rows: the checks of whole rows.
    """

    without: frozenset[str] | None = None
    only: str | None = None
    rows: bool = False


def _check_schemas(
    prepared: Prepared, present: Sequence[Any], types: Mapping[str, Any], part: _Part | None
) -> Iterator[Any]:
    """Yield schemas that only check a frame, whatever it would parse: one, or more if columns have several.

    :param present: the columns of the frame.
    :param types: pandas' nullable types of some columns; the schema declares those without nulls.
    """
    schema: Any = copy.copy(prepared.schema)
    schema.coerce, schema.add_missing_columns = False, False
    schema.strict = schema.strict is True
    if getattr(schema, "parsers", None):
        schema.parsers = []
    if prepared.row_type is None and not schema.columns and schema.dtype is not None:
        schema.columns = {name: _column(prepared, name, schema.dtype) for name in map(str, present)}
    schema.dtype = None  # that of a frame is its columns', that of rows was applied by the parser
    layers: list[dict[str, Any]] = [{}]
    for name, column in _single_columns(schema, present, polars=prepared.loaded.backend == "polars"):
        layer = next((one for one in layers if name not in one), None)
        if layer is None:
            layers.append(layer := {})
        layer[name] = _checked_column(column, types.get(name), prepared)
    for number, columns in enumerate(layers):
        yield _restricted(schema, columns, part, first=not number)


def _restricted(schema: Any, columns: dict[str, Any], part: _Part | None, *, first: bool) -> Any:
    schema = copy.copy(schema)
    if not first or (part is not None and not part.rows):
        schema.checks = []
    if not first or (part is not None and part.without is None):
        schema.strict = schema.ordered = False
    if part is not None and part.without is not None:
        columns = {
            name: bare_column(column) if name in part.without else column for name, column in columns.items()
        }
    elif part is not None:
        columns = {name: column for name, column in columns.items() if name == part.only}
    schema.columns = columns
    return schema


def _single_columns(schema: Any, present: Sequence[Any], *, polars: bool) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a schema; a pattern becomes the columns that it matches, if any.

    To polars schemas a column that is declared by name belongs to no pattern, to pandas schemas it does.
    """
    explicit = {name for name, column in schema.columns.items() if not column.regex}
    for key, column in schema.columns.items():
        matches = [str(name) for name in present if column.regex and re.match(key, str(name))]
        if polars:
            matches = [name for name in matches if name not in explicit]
        if not matches:
            yield key, column
        for name in matches:
            single = copy.copy(column)
            single.name, single.regex = name, False
            yield name, single


def _mistyped(failures: Sequence[CheckFailure], known: Mapping[str | None, set[int]]) -> list[CheckFailure]:
    """Return the failures of values that are not of their column's type, but for known ones."""
    return [
        one
        for one in failures
        if one.check == DTYPE
        and one.column is not None
        and set(one.rows or ()) - known.get(one.column, set())
    ]


def _of_column(one: CheckFailure, frame: Any) -> CheckFailure:
    """Make a wrong type one failure of its column, unless the column holds Python objects of several types.

    pandera names the rows of other columns too: those whose value could not be converted.
    """
    if one.check != DTYPE or one.rows is None or one.column not in frame.columns:
        return one
    import pandas as pd

    column = frame[one.column]
    # pandas 2 has text as objects.
    if column.dtype == object and pd.api.types.infer_dtype(column) != "string":
        return one
    return replace(one, rows=None)


def _checked_column(declared: Any, nullable: Any, prepared: Prepared) -> Any:
    """Return a column that only checks.

    :param nullable: pandas' nullable type of the column in the frame, if it has one.
    """
    column = copy.copy(declared)
    column.coerce, column.default = False, None
    if getattr(column, "parsers", None):
        column.parsers = []
    if prepared.schema.add_missing_columns:
        column.required = False
    if nullable is not None and str(column.dtype) == str(nullable).lower().replace("boolean", "bool"):
        column.dtype = nullable
    return column


def _column(prepared: Prepared, name: str, dtype: Any) -> Any:
    if prepared.loaded.backend == "polars":
        import pandera.polars

        return pandera.polars.Column(dtype, name=name)
    import pandera.pandas

    return pandera.pandas.Column(dtype, name=name)


def _nullable_columns(frame: Any) -> dict[str, Any]:
    """Return the columns of a pandas frame that have one of its nullable types, with that type."""
    from pandera.engines import pandas_engine

    return {
        str(name): pandas_engine.Engine.dtype(dtype)
        for name, dtype in frame.dtypes.items()
        if getattr(dtype, "kind", "") in "iub" and hasattr(dtype, "na_value")
    }


def _rows(frame: Any, rows: pl.Series) -> Any:
    if len(rows) == len(frame):
        return frame
    if isinstance(frame, pl.DataFrame):
        return frame[rows]
    return frame.iloc[rows.to_list()].reset_index(drop=True)


def _without_missing_values(
    failures: Sequence[CheckFailure], frame: Any, prepared: Prepared
) -> list[CheckFailure]:
    """Remove failures of values that are missing.

    Where the schema forbids them, that is their only failure. Where it allows them, checks ignore them unless
    they say otherwise; NaN counts as missing, which pandera does for pandas but not for polars.
    """
    nulls = {one.column: frozenset(one.rows or ()) for one in failures if one.check == NOT_NULLABLE}
    kept = []
    for one in failures:
        if one.rows is None or one.column is None or one.check == NOT_NULLABLE:
            kept.append(one)
            continue
        ignored = nulls.get(one.column) or _ignored_nan(one.check, one.column, frame, prepared)
        if rows := [row for row in one.rows if row not in ignored]:
            kept.append(replace(one, rows=rows))
    return kept


def _ignored_nan(check: str, name: str, frame: Any, prepared: Prepared) -> frozenset[int]:
    """Return the rows of NaN of a polars column, unless the check does not ignore missing values."""
    if not isinstance(frame, pl.DataFrame) or name not in frame.columns or not frame[name].dtype.is_float():
        return frozenset()
    columns = (column for key, column in _single_columns(prepared.schema, [name], polars=True) if key == name)
    ignores = all(one.ignore_na for column in columns for one in column.checks if one.name == check)
    return frozenset(frame[name].is_nan().arg_true()) if ignores else frozenset()


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

    :param parsed: its rows as the schema parses them.
    :param reasons: the failures of each refused row.
    """

    prepared: Prepared
    batch: Batch
    parsed: ParsedBatch
    reasons: Mapping[int, Sequence[CheckFailure]]

    @property
    def valid(self) -> pl.Series:
        """For every row, whether it is valid."""
        marks = pl.repeat(value=True, n=self.batch.rows, dtype=pl.Boolean, eager=True)
        return marks.scatter(sorted(self.reasons), False)

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
                failed.check,
                failed.column,
                None,
                failed.message,
                value_text(values.get(self.prepared.source_name(failed.column, values))),
            )
            for failed in self.reasons[row]
        )
        return RefusedRow(record_text(values), failures, *self.batch.locate(row))


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
            counts.count_dataset(failed.check, failed.column, failed.message, batch.rows, **where)
            return
        counts.count_rows(
            failed.check,
            failed.column,
            len(failed.rows),
            _examples(validator.prepared, batch, failed, counts.examples),
        )
        if counts.severity(failed.check, failed.column) == "error":
            if counts.policy.threshold_of(failed.check, failed.column) is None:
                governed.update(failed.rows)
            for row in failed.rows:
                reasons[row].append(failed)

    parsed = validator.parse(batch)
    counts.columns.update(dict.fromkeys(map(str, parsed.frame.columns)))
    for failed in [*validator.failures_of(parsed), *(item for item in repeats if item is not None)]:
        count(failed)
    counts.rows += batch.rows
    counts.quarantined += len(reasons)
    counts.governed += len(governed)
    return ValidatedBatch(validator.prepared, batch, parsed, reasons)


def _examples(prepared: Prepared, batch: Batch, failed: CheckFailure, most: int) -> list[dict[str, Any]]:
    rows = list(failed.rows or ())[:most]
    if not rows:
        return []
    name = prepared.source_name(failed.column, batch.table.column_names)
    columns = [name] if name in batch.table.column_names else []
    values = plain_rows(batch.table.select(columns), rows) if columns else [{}] * len(rows)
    return [
        {
            name: place
            for name, place in zip(("file", "row"), batch.locate(row), strict=True)
            if place is not None
        }
        | {"value": value_text(plain.get(name)), "message": failed.message}
        for row, plain in zip(rows, values, strict=True)
    ]
