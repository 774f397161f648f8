"""Parses a batch as its schema declares: parsers, added columns, defaults, coercion.

Every row keeps its position and every value that cannot be parsed is known by column and row, so that one bad
value changes nothing about the others. pandera's own types, parsers and defaults do the work.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.coercion import first_format, read_column, read_rows, read_series
from io_intelligence_provider.quality.frames import Unchanged, nullable_type, to_frame
from io_intelligence_provider.quality.prepare import Prepared
from io_intelligence_provider.quality.result import CheckFailure
from io_intelligence_provider.quality.schema import RAISED, Frame, whole_validation

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["BatchParser", "ParsedBatch", "bare_column"]


ROW: Final = "__io_intelligence_row__"
"""The column that follows the rows through parsers of the whole frame."""

_ADDED: Final = "add_missing_has_default"


@dataclass
class ParsedBatch:
    """A batch as the schema parses it.

    :param frame: the rows, numbered from 0, in the order that the schema's parsers gave them.
    :param order: for each row of the frame its position in the batch; ``None``: unchanged.
    :param unreadable: positions in the frame of the values that cannot be read as their column's type, by
        column; ``None`` as a column: rows that a type of whole rows refuses. The frame holds nulls there.
    :param unchanged: for each column that a parser of the whole frame got, which values it left as they were.
    :param failures: failures of the data set.
    :param aborted: whether a parser raised, so that nothing else can be validated.
    """

    frame: Frame
    order: Sequence[int] | None = None
    unreadable: dict[str | None, list[int]] = field(default_factory=dict)
    unchanged: dict[str, Unchanged] = field(default_factory=dict)
    failures: list[CheckFailure] = field(default_factory=list)
    aborted: bool = False

    def positions(self, rows: Sequence[int]) -> Sequence[int]:
        """Convert rows of the frame to positions in the batch, ascending."""
        order = self.order
        return rows if order is None else sorted(order[row] for row in rows)


class BatchParser:
    """Parses batches by a prepared schema.

    :param floats: integer columns that hold a null somewhere in the data set and are floats in the schema.
        They are converted in every batch, as pandas would convert the whole column.
    """

    def __init__(self, prepared: Prepared, floats: frozenset[str] = frozenset()) -> None:
        self.prepared = prepared
        self._floats = floats
        self._formats: dict[str, str] = {}
        self._polars = prepared.loaded.backend == "polars"

    def parse(self, table: pa.Table | None, frame: Any = None) -> ParsedBatch:
        """Return a batch as the schema parses it.

        :param frame: the same rows as a polars frame, if they are at hand.
        :raises ConfigurationError: when a parser of the whole frame loses or adds rows.
        """
        if frame is None:
            frame = to_frame(table, self.prepared, self._floats)
        parsed = ParsedBatch(frame)
        if not self.prepared.parses:
            return parsed
        try:
            with whole_validation():
                for step in (self._run_parsers, self._fill, self._coerce, self._fill_after):
                    step(parsed)
        except ConfigurationError:
            raise
        except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - a parser raises anything
            parsed.failures.append(
                CheckFailure(RAISED, None, None, f"raised {type(error).__name__}: {error}")
            )
            parsed.aborted = True
        return parsed

    def _run_parsers(self, parsed: ParsedBatch) -> None:
        """Run the parsers of the whole frame on it and a column that numbers its rows."""
        parsers = list(getattr(self.prepared.schema, "parsers", None) or [])
        if not parsers:
            return
        before: Any = parsed.frame
        frame = before.copy()
        rows = len(frame)
        self.prepared.schema.get_backend(frame)  # registers pandera's parsers for pandas
        order: Sequence[int] | None = None
        for parser in parsers:
            if parser.element_wise:  # cell by cell: rows cannot move
                frame = self._with_types_of_nulls(frame, parser(frame).parser_output)
                continue
            frame = frame.assign(**{ROW: range(rows) if order is None else order})
            frame = parser(frame).parser_output
            order = _checked_rows(frame, rows, parser.name)
            frame = frame.drop(columns=ROW)
        parsed.frame = frame.reset_index(drop=True)
        parsed.order = None if order is None or order == list(range(rows)) else order
        if parsed.order is not None:
            before = before.take(parsed.order)
        parsed.unchanged = {
            name: Unchanged.between(before[name], parsed.frame[name])
            for name in map(str, parsed.frame.columns)
            if name in before.columns and not self.prepared.converts(name)
        }

    def _with_types_of_nulls(self, before: Any, found: Any) -> Any:
        """Return a frame that was mapped cell by cell, see :meth:`_with_type_of_nulls`."""
        names = before.columns.intersection(found.columns)
        return found.assign(
            **{name: self._with_type_of_nulls(str(name), before[name], found[name]) for name in names}
        )

    def _with_type_of_nulls(self, name: str, before: Any, found: Any) -> Any:
        """Return a column that was mapped cell by cell, of the schema's type if it has no value.

        pandas makes floats of such a column, or a type of nulls. Maybe just this batch has no value.
        """
        dtype = getattr(self.prepared.column_of(name), "dtype", None)
        if dtype is None or before.notna().any() or found.notna().any() or _has_type(found, dtype):
            return found
        if _has_type(before, dtype):
            return before
        with suppress(Exception):  # the type may have no nulls
            return _type_with_nulls(dtype).coerce(found)
        return found

    def _fill(self, parsed: ParsedBatch) -> None:
        """Add and remove columns, fill defaults, and run the parsers of single columns."""
        schema = _structure(self.prepared, list(parsed.frame.columns))
        if schema is not None:
            if not self._polars:
                self._make_room(parsed, schema)
            self._apply(parsed, schema)
        for name in map(str, parsed.frame.columns):
            for parser in getattr(self.prepared.column_of(name), "parsers", None) or ():
                self.prepared.schema.get_backend(parsed.frame)  # registers pandera's parsers
                before, found = parsed.frame[name], _parsed_column(parser, parsed.frame[name])
                parsed.frame[name] = (
                    self._with_type_of_nulls(name, before, found) if parser.element_wise else found
                )

    def _make_room(self, parsed: ParsedBatch, schema: Any) -> None:
        """Make objects of columns that will be converted to another type and cannot hold its default yet."""
        frame: Any = parsed.frame
        for name in frame.columns:
            column = schema.columns.get(name)
            if column is None or column.default is None or self.prepared.coercion_of(str(name)) is None:
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    frame[name].fillna(column.default)
            except (TypeError, ValueError, Warning):
                frame = frame.assign(**{name: frame[name].astype(object)})
        parsed.frame = frame

    def _fill_after(self, parsed: ParsedBatch) -> None:
        """Fill defaults; polars schemas do that after the types were changed."""
        columns: Any = self.prepared.schema.columns
        filled = {
            name: column
            for name, column in columns.items()
            if column.default is not None and (column.regex or name in parsed.frame.columns)
        }
        if not self._polars or not filled:
            return
        schema = copy.copy(self.prepared.schema)
        schema.columns = {name: bare_column(column, dtype=column.dtype) for name, column in filled.items()}
        for name, column in schema.columns.items():
            column.default = filled[name].default
        _without_checks(schema)
        schema.strict = False
        self._apply(parsed, schema)

    def _apply(self, parsed: ParsedBatch, schema: Any) -> None:
        from pandera.errors import SchemaErrors

        try:
            parsed.frame = schema.validate(parsed.frame, lazy=True)
        except SchemaErrors as errors:
            # Other errors, such as a column that still has another type, are of no interest yet.
            parsed.failures += [
                CheckFailure(_ADDED, str(error.failure_cases), None, "is missing and has no default")
                for error in errors.schema_errors
                if str(error.check) == _ADDED
            ]
            parsed.frame = errors.data

    def _coerce(self, parsed: ParsedBatch) -> None:
        schema: Any = self.prepared.schema
        if self.prepared.row_type is not None and schema.coerce:
            self._coerce_rows(parsed, self.prepared.row_type)
            return
        wanted = [
            (name, dtype)
            for name in map(str, parsed.frame.columns)
            if (dtype := self.prepared.coercion_of(name)) is not None
        ]
        if self._polars:
            self._coerce_polars(parsed, wanted)
            return
        for name, dtype in wanted:
            series = parsed.frame[name]
            coerced, bad = read_series(series, self._with_format(name, series, dtype))
            parsed.frame[name] = coerced
            if bad:
                parsed.unreadable[name] = bad

    def _with_format(self, name: str, texts: Any, dtype: Any) -> Any:
        """Return a type of times that reads all texts of a column in one form, that of the first.

        pandas takes the form of the first text of each call. So the size of a batch, or a bad value, would
        decide whether 02/01/2024 is in January or in February.
        """
        options = getattr(dtype, "to_datetime_kwargs", None)
        if options is None or {"format", "unit"} & set(options):
            return dtype
        if name not in self._formats and (found := first_format(texts, options.get("dayfirst", False))):
            self._formats[name] = found
        if name not in self._formats:
            return dtype
        dtype = copy.copy(dtype)
        object.__setattr__(dtype, "to_datetime_kwargs", {**options, "format": self._formats[name]})
        return dtype

    def _coerce_polars(self, parsed: ParsedBatch, wanted: Sequence[tuple[str, Any]]) -> None:
        from pandera.api.polars.types import PolarsData

        frame: Any = parsed.frame
        lazy = frame.lazy()
        with suppress(Exception):  # some value is of another type; it is found below, column by column
            for name, dtype in wanted:
                lazy = dtype.coerce(PolarsData(lazy, name))
            parsed.frame = lazy.collect()
            return
        for name, dtype in wanted:
            coerced, bad = read_column(frame[name], dtype)
            frame = frame.with_columns(coerced.alias(name))
            if bad:
                parsed.unreadable[name] = bad
        parsed.frame = frame

    def _coerce_rows(self, parsed: ParsedBatch, model: type[BaseModel]) -> None:
        """Convert each row to a pydantic model, and the models to columns."""
        table, bad = read_rows(parsed.frame, model)
        parsed.frame = to_frame(table, self.prepared)
        if bad:
            parsed.unreadable[None] = bad


def _has_type(series: Any, dtype: Any) -> bool:
    from pandera.engines import pandas_engine

    found = dtype.check(pandas_engine.Engine.dtype(series.dtype), series)
    return all(found) if isinstance(found, Iterable) else bool(found)


def _parsed_column(parser: Any, series: Any) -> Any:
    """Return a column as a parser of it returns it: by label, in the order of the rows, or one value for all.

    :raises ConfigurationError: when it returns another number of values, or does not say whose they are.
    """
    import pandas as pd

    found = parser(series).parser_output
    if isinstance(found, pd.Series):
        is_whole = len(found) == len(series) and set(found.index) == set(series.index)
    else:
        is_whole = not pd.api.types.is_list_like(found) or len(found) == len(series)
    if not is_whole:
        raise ConfigurationError(
            f"The parser {parser.name!r} of the column {series.name!r} returned {len(found)} values for "
            f"{len(series)} rows, or other labels than theirs. It has to return one value for each row. "
            "Refuse rows by a check instead of dropping them."
        )
    return found


def _checked_rows(frame: Any, rows: int, parser: str) -> list[int]:
    """Return the rows' positions after a parser.

    :raises ConfigurationError: when rows were lost, added or renumbered, or columns have one name.
    """
    found = list(frame[ROW]) if ROW in getattr(frame, "columns", ()) else None
    if found is not None and not frame.columns.is_unique:
        raise ConfigurationError(
            f"The parser {parser!r} of the whole frame returned two columns of one name: "
            f"{frame.columns[frame.columns.duplicated()][0]!r}. Give each column a name of its own."
        )
    if found is not None and len(found) == rows and set(found) == set(range(rows)):
        return [int(row) for row in found]
    said = (
        f"it returned no column {ROW}"
        if found is None
        else f"{rows} rows went in, {len(found)} came out"
        if len(found) != rows
        else f"it changed the column {ROW}"
    )
    raise ConfigurationError(
        f"The parser {parser!r} of the whole frame cannot be followed: {said}. That column numbers the rows; "
        "a parser has to return every row once, with this column as it is. Refuse rows by a check instead of "
        "dropping them, and change columns by name."
    )


def bare_column(column: Any, dtype: Any = None) -> Any:
    """Return a column of a schema that checks nothing."""
    bare = copy.copy(column)
    bare.dtype = dtype
    bare.checks = []
    bare.coerce = False
    bare.nullable = True
    bare.required = False
    bare.default = None
    if getattr(bare, "parsers", None):
        bare.parsers = []
    return bare


def _without_checks(schema: Any) -> None:
    schema.checks = []
    schema.dtype = None
    schema.coerce = False
    schema.ordered = False
    if getattr(schema, "parsers", None):
        schema.parsers = []


def _structure(prepared: Prepared, present: Sequence[Any]) -> Any:
    """Return a schema that only adds, removes and fills columns, ``None`` if it has nothing to do.

    :raises ConfigurationError: when a column to be added has no type.
    """
    schema: Any = prepared.schema
    polars = prepared.loaded.backend == "polars"
    result = copy.copy(schema)
    result.columns = {}
    busy = schema.strict == "filter"
    added = prepared.added(present)
    for name, column in _by_name(prepared, present):
        bare = result.columns[name] = bare_column(column)
        if name in added:
            if column.dtype is None:
                raise ConfigurationError(
                    f"The schema {prepared.loaded.name} adds the column {name!r}, which has no type. "
                    "Declare one."
                )
            bare.dtype, bare.nullable, bare.required = column.dtype, column.nullable, True
            if not polars and column.default is None:
                bare.dtype = _type_with_nulls(column.dtype)
        if name in added or not polars:  # polars schemas fill defaults after the types were changed
            bare.default = column.default
        busy = busy or name in added or bare.default is not None
    _without_checks(result)
    if result.strict != "filter":
        result.strict = False
    return result if busy else None


def _by_name(prepared: Prepared, present: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a schema, and for pandas each that a pattern with a default matches."""
    columns: Any = prepared.schema.columns
    yield from columns.items()
    if prepared.loaded.backend == "polars":
        return
    for name in map(str, present):
        column = prepared.column_of(name)
        if column is not None and column.regex and column.default is not None:
            single = copy.copy(column)
            single.name, single.regex = name, False
            yield name, single


def _type_with_nulls(dtype: Any) -> Any:
    """Return a type of pandas that holds the same values and nulls."""
    import pandas as pd
    from pandera.engines import pandas_engine

    with suppress(TypeError):  # a type of Python's own
        if (nullable := nullable_type(pd.api.types.pandas_dtype(dtype.type))) is not None:
            return pandas_engine.Engine.dtype(nullable)
    return dtype
