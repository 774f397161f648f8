"""Converts Arrow tables to the frames that a schema validates, and parsed frames back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, TypeVar, Union, get_args, get_origin

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.prepare import Prepared
from io_intelligence_provider.quality.schema import Frame

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = [
    "NOT_OF_ONE_TYPE",
    "OutputTable",
    "Unchanged",
    "frame_columns",
    "from_frame",
    "model_types",
    "not_of_one_type",
    "nullable_type",
    "readable",
    "refuse_columns",
    "to_frame",
]

_WithSchema = TypeVar("_WithSchema", pa.Table, pa.Schema)


def to_frame(table: pa.Table, prepared: Prepared, floats: frozenset[str] = frozenset()) -> Frame:
    """Return a table as the frame that the schema validates, rows numbered from 0.

    pandas has no integer or boolean column with nulls but in its nullable types, so a column that the schema
    declares as anything but floats becomes one of these: its values stay as they are.

    :param floats: integer columns that hold a null somewhere in the data set and are floats in the schema.
        They are floats in every batch.
    """
    if prepared.loaded.backend == "polars":
        frame = pl.from_arrow(table)
        if not isinstance(frame, pl.DataFrame):  # pragma: no cover - a table is never one column
            raise TypeError(f"{type(frame)} is no frame")
        return frame
    data = _to_pandas(table)
    for name in set(data.columns).intersection(table.column_names):
        if _keeps_nulls(table[name], prepared, name):
            data[name] = table[name].to_pandas(types_mapper=_nullable_types().get).set_axis(data.index)
    if prepared.index:
        plain = ["index"] if data.index.nlevels == 1 else [f"level_{n}" for n in range(data.index.nlevels)]
        names = [name or other for name, other in zip(data.index.names, plain, strict=True)]
        if taken := set(names).intersection(data.columns):
            raise ConfigurationError(
                f"The data have a column {min(taken)!r} and an index of that name. Rename one of them."
            )
        data = data.reset_index()
        for name in names:
            source = prepared.source_name(name, table.column_names)
            if source in table.column_names and _keeps_nulls(table[source], prepared, name):
                data[name] = table[source].to_pandas(types_mapper=_nullable_types().get)
    else:
        data = data.reset_index(drop=True)
    for name in floats & set(data.columns):
        data[name] = data[name].astype("float64")
    return data


def _to_pandas(table: pa.Table) -> Any:
    try:
        return table.to_pandas()
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"The data have a value that pandas cannot hold: {error}. Python's times of day have no "
            "nanoseconds, its dates end in the year 9999. Use a schema of pandera.polars."
        ) from error


def _keeps_nulls(column: pa.ChunkedArray, prepared: Prepared, name: str) -> bool:
    """Return whether a column has one of pandas' nullable types in the frame."""
    if not (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)):
        return False
    declared = prepared.column_of(name)
    dtype = str(getattr(declared, "dtype", None))
    if dtype in ("float64", "float32", "float16") or (declared is None and prepared.row_type is None):
        return False
    return bool(column.null_count) or dtype in set(map(str, _nullable_types().values()))


@cache
def _nullable_types() -> dict[pa.DataType, Any]:
    import pandas as pd

    names = ["Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "boolean"]
    return {
        pa.bool_() if name == "boolean" else pa.type_for_alias(name.lower()): pd.api.types.pandas_dtype(name)
        for name in names
    }


def nullable_type(dtype: Any) -> Any:
    """Return pandas' nullable type for a type of numpy that has no null, else ``None``."""
    if dtype.kind not in "iub" or hasattr(dtype, "na_value"):
        return None
    return _nullable_types()[pa.from_numpy_dtype(dtype)]


def frame_columns(schema: pa.Schema, prepared: Prepared) -> list[str]:
    """Return the columns of the validated frame, including the index of a pandas schema."""
    return list(to_frame(schema.empty_table(), prepared).columns) if prepared.index else list(schema.names)


@dataclass(frozen=True)
class Unchanged:
    """The values of a column that a parser of the whole frame left as they were.

    :param rows: for each row of the frame, whether it did, as an array of numpy.
    :param same_type: whether the column has the type that it had before.
    """

    rows: Any
    same_type: bool

    @classmethod
    def between(cls, before: Any, after: Any) -> Unchanged:
        """Compare a pandas column before and after a parser, row by row."""
        import pandas as pd

        same_type = before.dtype == after.dtype
        missing = before.isna().to_numpy() & after.isna().to_numpy()
        if "O" in (before.dtype.kind, after.dtype.kind):
            pairs = zip(before.array, after.array, strict=True)
            equal = pd.Series([_is_same(one, other) for one, other in pairs], dtype=bool).to_numpy()
        elif same_type or {before.dtype.kind, after.dtype.kind} <= set("iuf"):
            found = before.array == after.array
            equal = pd.Series(found, dtype="boolean").fillna(value=False).to_numpy(dtype=bool)
            if before.dtype.kind == after.dtype.kind == "f":  # 0.0 equals -0.0
                bits = (one.to_numpy("float64", na_value=0.0).view("int64") for one in (before, after))
                is_negative = [of_one < 0 for of_one in bits]
                equal = equal & (is_negative[0] == is_negative[1])
        else:
            equal = False
        return cls(equal | missing, same_type)


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except ValueError:  # arrays
        return False


class OutputTable:
    """Builds the tables of valid rows and of keys from the source's rows and the parsed ones.

    A value that the schema does not change comes from the source. The types of changed columns are settled
    with the first batch: the schema's type where Arrow has one, else that of the parsed values.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._types: dict[str, pa.DataType] = {}
        if prepared.row_type is not None and prepared.schema.coerce:
            by_alias = prepared.loaded.backend == "pandas"
            types = model_types(prepared.row_type, by_alias=by_alias)
            self._types = {name: dtype for name, dtype in types.items() if dtype is not None}

    def of(
        self,
        table: pa.Table,
        frame: Any,
        order: Sequence[int] | None,
        unchanged: Mapping[str, Unchanged] | None = None,
    ) -> pa.Table:
        """Return all rows of a batch in the source's order, as the schema parses them.

        :param table: the source's rows.
        :param frame: the parsed rows, with nulls for what could not be parsed.
        :param order: for each row of the frame its position in the table, ``None``: the same.
        :param unchanged: what parsers of the whole frame left as it was, by column.
        :raises ConfigurationError: when the values of a column do not have one type.
        """
        prepared = self._prepared
        if not prepared.parses:
            return table
        own = {prepared.source_name(name, table.column_names): name for name in map(str, frame.columns)}
        before = {
            prepared.source_name(name, table.column_names) for name in frame_columns(table.schema, prepared)
        }
        names = [name for name in table.column_names if name not in before or name in own]
        columns, fields = [], []
        for name in [*names, *(name for name in own if name not in table.column_names)]:
            source = table[name] if name in table.column_names else None
            if source is not None and not (name in own and prepared.changes(own[name])):
                columns.append(source)
                fields.append(table.schema.field(name))
                continue
            values, kept = frame[own[name]], (unchanged or {}).get(own[name])
            if order is not None:
                values = values.set_axis(list(order)).sort_index()
            if source is not None and kept is not None:
                columns.append(self._merged(own[name], values, source, _in_order(kept, order)))
            else:
                columns.append(self._converted(own[name], values, source))
            fields.append(pa.field(name, columns[-1].type))
        same = pa.schema(fields) == table.schema.remove_metadata()
        return pa.table(columns, schema=pa.schema(fields, table.schema.metadata if same else None))

    def _merged(self, name: str, values: Any, source: pa.ChunkedArray, kept: Unchanged) -> pa.ChunkedArray:
        """Return the source's values where a parser of the whole frame kept them, else the parsed ones."""
        settled = self._types.get(name)
        if settled is None and not kept.same_type:
            return self._converted(name, values, source)
        types = [settled] if settled is not None else self._possible(name, values, source)
        error: Exception | None = None
        for dtype in types:
            try:
                array = _merge(values, source, kept, dtype)
            except NOT_OF_ONE_TYPE as raised:
                error = error or raised
            else:
                self._types[name] = dtype
                return array
        raise not_of_one_type(name, types[0], error) from error

    def _possible(self, name: str, values: Any, source: pa.ChunkedArray) -> list[pa.DataType]:
        """Return the types that a column may get which a parser of the whole frame left of its type."""
        declared = declared_type(getattr(self._prepared.column_of(name), "dtype", None))
        if declared is not None and pa.types.is_floating(declared) and pa.types.is_integer(source.type):
            return [declared, source.type]  # pandas made floats of the integers, as the schema wants
        with suppress(*NOT_OF_ONE_TYPE):
            return [source.type, to_arrow(values, None, source).type]
        return [source.type]

    def _converted(self, name: str, values: Any, source: pa.ChunkedArray | None) -> pa.ChunkedArray:
        settled = self._types.get(name)
        if settled is None:
            column = self._prepared.column_of(name)
            settled = declared_type(self._prepared.coercion_of(name) or getattr(column, "dtype", None))
        try:
            array = to_arrow(values, settled, source)
        except NOT_OF_ONE_TYPE as error:
            raise not_of_one_type(name, settled, error) from error
        if name not in self._types:
            if (pa.types.is_null(array.type) and source is not None) or (
                source is not None
                and pa.types.is_string(source.type)
                and pa.types.is_large_string(array.type)
            ):
                array = array.cast(source.type)
            self._types[name] = array.type
        return array


NOT_OF_ONE_TYPE: Final = (pa.ArrowException, pl.exceptions.PolarsError, TypeError, ValueError, OverflowError)


def _merge(values: Any, source: pa.ChunkedArray, kept: Unchanged, dtype: pa.DataType) -> pa.ChunkedArray:
    """Return a column of a type, made of the source's values that were kept and the parsed ones."""
    left = source.filter(pa.array(kept.rows))
    try:
        left = left.cast(dtype)
    except pa.ArrowException:
        if kept.same_type:
            raise
        return to_arrow(values, dtype, source)  # the parser made another type of them
    changed = ~kept.rows
    if not changed.any():
        return left
    parsed = to_arrow(values[changed], dtype, None)
    places = kept.rows.cumsum() - 1
    places[changed] = len(left) + changed.cumsum()[changed] - 1
    return pa.chunked_array([*left.chunks, *parsed.chunks], dtype).take(pa.array(places))


def _in_order(kept: Unchanged, order: Sequence[int] | None) -> Unchanged:
    """Return the marks in the order of the source's rows."""
    if order is None:
        return kept
    rows = kept.rows.copy()
    rows[list(order)] = kept.rows
    return Unchanged(rows, kept.same_type)


def not_of_one_type(name: str, dtype: pa.DataType | None, error: Exception | None) -> ConfigurationError:
    return ConfigurationError(
        f"The parsed values of {name!r} cannot be written as {dtype or 'one type'}: {error}. "
        "Declare a type for the column that holds all of them."
    )


def declared_type(dtype: Any) -> pa.DataType | None:
    """Return the Arrow type of a schema's type; ``None`` when only the values can tell."""
    kind = getattr(dtype, "type", None)
    if kind is None:
        return None
    if type(dtype).__name__ == "Date" and type(dtype).__module__.endswith("pandas_engine"):
        return pa.date32()
    if type(dtype).__name__ == "Decimal" and type(dtype).__module__.endswith("pandas_engine"):
        return pa.decimal128(dtype.precision, dtype.scale) if dtype.precision <= _DECIMAL else None
    if getattr(kind, "kind", None) == "U":  # pandas 2 keeps text as objects, so an empty column has no type
        return pa.large_string()
    try:
        if "polars" in type(dtype).__module__:
            found = to_arrow(pl.Series([], dtype=kind), None, None).type
        else:
            import pandas as pd

            found = to_arrow(pd.Series([], dtype=kind), None, None).type
    except Exception:  # noqa: BLE001 - a type of Python's own, or one that needs values
        return None
    return None if pa.types.is_null(found) or pa.types.is_dictionary(found) else found


_DECIMAL: Final = 38


def model_types(model: type[BaseModel], *, by_alias: bool) -> dict[str, pa.DataType | None]:
    """Return the Arrow types of a pydantic model's fields, ``None`` where only the values can tell.

    :param by_alias: whether to name the fields by their aliases, as pandera does for pandas.
    """
    types = {}
    for name, info in model.model_fields.items():
        alias = (info.serialization_alias or info.alias) if by_alias else None
        types[alias or name] = _annotated_type(info.annotation)
    return types


def _annotated_type(annotation: Any) -> pa.DataType | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        options = [option for option in arguments if option is not NoneType]
        return _annotated_type(options[0]) if len(options) == 1 else None
    if origin is list and (inner := _annotated_type(arguments[0])) is not None:
        return pa.list_(inner)
    return _PLAIN.get(annotation) if isinstance(annotation, type) else None


_PLAIN: Final[Mapping[type, pa.DataType]] = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    bool: pa.bool_(),
    date: pa.date32(),
}


def to_arrow(values: Any, dtype: pa.DataType | None, source: pa.ChunkedArray | None) -> pa.ChunkedArray:
    """Convert a column of a frame to Arrow; a NaN that was no null in the source stays one."""
    if isinstance(values, pl.Series):
        array = values.to_arrow(compat_level=pl.CompatLevel.oldest())
        found = pa.chunked_array([array])
        return found if dtype is None or found.type == dtype else found.cast(dtype)
    if dtype is None or pa.types.is_floating(dtype) or values.notna().any():
        array = pa.Array.from_pandas(values, type=dtype)
    else:  # without a value, the column of a batch may be of any type
        array = pa.nulls(len(values), dtype)
    found = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    if pa.types.is_floating(found.type) and source is not None and found.null_count:
        was_null = source.combine_chunks().is_null()
        lost = pc.and_(found.combine_chunks().is_null(), pc.invert(was_null))
        found = pc.if_else(lost, pa.scalar(float("nan"), found.type), found)
    return found


def from_frame(data: Any, *, index: bool = False) -> pa.Table:
    """Convert pandas, polars, a LazyFrame or an Arrow table to an Arrow table.

    :param index: whether to keep an index of pandas that has no name; one that has a name is kept.
    :raises ConfigurationError: when ``data`` is none of these, or cannot be written as Parquet.
    """
    if hasattr(data, "collect") and hasattr(data, "collect_schema"):
        data = _collected(data)  # pandera does not check the data of a LazyFrame
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if isinstance(data, pa.Table):
        return refuse_columns(data.cast(readable(data.schema)), "The table")
    if type(data).__name__ != "DataFrame" or not (hasattr(data, "to_arrow") or hasattr(data, "iloc")):
        raise ConfigurationError(
            f"The function returned a {type(data).__module__}.{type(data).__name__}; "
            "a pandas or polars frame, a LazyFrame or a pyarrow table is needed."
        )
    try:
        if isinstance(data, pl.DataFrame):
            _refuse_objects(data)
            return refuse_columns(data.to_arrow(), "The frame")
        if wrong := [label for label in data.columns if not isinstance(label, str)]:
            raise ConfigurationError(
                f"The frame has a column {wrong[0]!r} ({type(wrong[0]).__name__}). Names have to be text."
            )
        kept = index or any(name is not None for name in data.index.names)
        table = pa.Table.from_pandas(data, preserve_index=None if kept else False)
        return refuse_columns(table.cast(readable(table.schema)), "The frame")
    except (pa.ArrowException, pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise ConfigurationError(
            f"The returned frame cannot be written as Parquet: {error}. Give each column one type."
        ) from error


def _collected(lazy: Any) -> Any:
    try:
        return lazy.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ConfigurationError(f"The returned LazyFrame cannot be collected: {error}") from error


def _refuse_objects(frame: pl.DataFrame) -> None:
    for name, dtype in frame.schema.items():
        if dtype == pl.Object:
            raise ConfigurationError(
                f"The column {name!r} holds Python objects, which no file can hold. Cast it to another type."
            )


_OFFSET: Final = re.compile(r"[+-][0-9]{2}(:?[0-9]{2})?")


def readable(schema: pa.Schema) -> pa.Schema:
    """Return a schema without views, which pyarrow cannot filter, and without offsets, which polars has not.

    Times whose zone is an offset such as ``+05:30`` are the same instants in UTC.
    """

    def plain(field: pa.Field) -> pa.Field:
        if pa.types.is_string_view(field.type):
            return field.with_type(pa.large_string())
        if pa.types.is_timestamp(field.type) and _OFFSET.fullmatch(field.type.tz or ""):
            return field.with_type(pa.timestamp(field.type.unit, "UTC"))
        return field.with_type(pa.large_binary()) if pa.types.is_binary_view(field.type) else field

    return pa.schema([plain(field) for field in schema], schema.metadata)


def refuse_columns(table: _WithSchema, where: str) -> _WithSchema:
    """Return the table or schema if its columns can be checked.

    :param where: what has these columns, for the message.
    :raises ConfigurationError: when two columns have one name, or one a name or type that cannot be checked.
    """
    schema = table.schema if isinstance(table, pa.Table) else table
    seen: set[str] = set()
    for field in schema:
        if field.name in seen:
            raise ConfigurationError(f"{where} has two columns {field.name!r}. Rename one of them.")
        seen.add(field.name)
        if "\0" in field.name:
            raise ConfigurationError(
                f"{where} has a column {field.name!r}, a name that Arrow cannot pass on."
            )
        if not _can_be_checked(field.type):
            raise ConfigurationError(
                f"{where} has a column {field.name!r} of the type {field.type}, which cannot be checked. "
                "Store it as another type, such as a decimal of up to 38 digits or a text."
            )
    return table


def _can_be_checked(dtype: pa.DataType) -> bool:
    """Return whether polars can hold values of a type; it panics, or worse, on the others."""
    if any(unknown(dtype) for unknown in _UNKNOWN):
        return False
    if pa.types.is_dictionary(dtype):
        return _can_be_checked(dtype.value_type)
    if pa.types.is_timestamp(dtype):
        return dtype.tz is None or _is_zone(dtype.tz)
    return all(_can_be_checked(dtype.field(number).type) for number in range(dtype.num_fields))


@cache
def _is_zone(name: str) -> bool:
    try:
        pl.from_arrow(pa.array([], pa.timestamp("us", name)))
    except pl.exceptions.ComputeError:
        return False
    return True


_UNKNOWN: Final = (
    pa.types.is_decimal256,
    pa.types.is_union,
    pa.types.is_run_end_encoded,
    pa.types.is_interval,
    pa.types.is_string_view,
    pa.types.is_binary_view,
    pa.types.is_list_view,
    pa.types.is_large_list_view,
)
