"""Arrow tables as frames of pandas and polars: values stay as they are, rows are numbered from 0."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pytest
from pandera.engines.pandas_engine import PydanticModel
from pydantic import BaseModel

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.frames import (
    Unchanged,
    frame_columns,
    from_frame,
    nullable_type,
    readable,
    refuse_columns,
    to_frame,
)
from io_intelligence_provider.quality.prepare import Prepared, prepare
from io_intelligence_provider.quality.schema import load_schema

pandas = pandera.pandas
BEYOND_FLOATS = 2**53 + 1
NAN = float("nan")


def of_pandas(columns: dict[str, Any] | None = None, **options: Any) -> Prepared:
    return prepare(load_schema(pandas.DataFrameSchema(columns or {}, name="Orders", **options)))


def typed(dtype: Any) -> Prepared:
    """Return a schema of a column ``a`` of a type."""
    return of_pandas({"a": pandas.Column(dtype, nullable=True)})


class Row(BaseModel):
    """A row with a number."""

    a: int


def test_polars_gets_the_table_as_it_is() -> None:
    table = pa.table({"a": [1, None], "b": ["x", None]})
    schema = pandera.polars.DataFrameSchema({}, name="Orders")
    frame: Any = to_frame(table, prepare(load_schema(schema)))
    assert frame.equals(pl.DataFrame({"a": [1, None], "b": ["x", None]}))


ROWS = of_pandas(dtype=PydanticModel(Row), coerce=True)


@pytest.mark.parametrize(
    ("values", "kind", "prepared", "dtype"),
    [
        ([1, 2], pa.int64(), typed(int), "int64"),
        ([1, None], pa.int64(), typed(int), "Int64"),
        ([1, None], pa.uint8(), typed("uint8"), "UInt8"),
        ([True, None], pa.bool_(), typed(bool), "boolean"),
        ([True, False], pa.bool_(), typed(bool), "bool"),
        ([1, None], pa.int64(), typed(None), "Int64"),
        ([1, None], pa.int64(), typed("float64"), "float64"),
        ([1, None], pa.int8(), typed("float32"), "float64"),
        ([1, None], pa.int8(), typed("float16"), "float64"),
        ([1, None], pa.int64(), of_pandas(), "float64"),
        ([True, None], pa.bool_(), of_pandas(), "object"),
        ([1, 2], pa.int64(), typed("Int64"), "Int64"),
        ([1, 2], pa.int32(), typed("Int64"), "Int32"),
        ([True, False], pa.bool_(), typed("boolean"), "boolean"),
        ([1.5, None], pa.float64(), typed("Int64"), "float64"),
        ([1, None], pa.int64(), ROWS, "Int64"),
        ([1, 2], pa.int64(), ROWS, "int64"),
    ],
)
def test_the_type_of_numbers_in_pandas(values: list[Any], kind: Any, prepared: Prepared, dtype: str) -> None:
    frame: Any = to_frame(pa.table({"a": pa.array(values, kind)}), prepared)
    assert str(frame["a"].dtype) == dtype
    assert frame["a"].isna().tolist() == [value is None for value in values]
    assert frame["a"].dropna().tolist() == [value for value in values if value is not None]


def test_a_large_integer_beside_a_null_keeps_its_digits() -> None:
    frame: Any = to_frame(pa.table({"a": [BEYOND_FLOATS, None], "b": [1, 2]}), typed(int))
    assert frame["a"][0] == BEYOND_FLOATS


def test_integers_that_are_floats_elsewhere_in_the_data_are_floats() -> None:
    table = pa.table({"a": [1, 2], "b": [1, 2]})
    frame: Any = to_frame(table, typed("float64"), frozenset({"a", "other"}))
    assert [str(dtype) for dtype in frame.dtypes] == ["float64", "int64"]


def indexed(index: Any, a: Any = (1, 2)) -> pa.Table:
    return pa.Table.from_pandas(pd.DataFrame({"a": list(a)}, index=index))


def test_an_index_that_the_schema_lacks_is_left_out() -> None:
    index = pd.Index([7, 5], name="k")
    frame: Any = to_frame(indexed(index), typed(int))
    assert (list(frame.columns), frame.index.tolist(), frame["a"].tolist()) == (["a"], [0, 1], [1, 2])
    beside_a_null: Any = to_frame(indexed(index, pd.array([3, None], "Int64")), typed(int))
    assert beside_a_null["a"].tolist() == [3, pd.NA]


@pytest.mark.parametrize(
    ("levels", "names", "columns"),
    [
        ([[7, 5]], [None], ["index", "a"]),
        ([[7, 5]], ["k"], ["k", "a"]),
        ([[7, 5], ["x", "y"]], [None, "k"], ["level_0", "k", "a"]),
        ([[7, 5], ["x", "y"]], ["k", None], ["k", "level_1", "a"]),
    ],
)
def test_an_index_of_the_schema_is_the_first_columns(
    levels: list[Any], names: list[Any], columns: list[str]
) -> None:
    kinds = [pandas.Index(type(level[0]), name=name) for level, name in zip(levels, names, strict=True)]
    prepared = of_pandas(index=kinds[0] if len(kinds) == 1 else pandas.MultiIndex(kinds))
    index = (
        pd.MultiIndex.from_arrays(levels, names=names)
        if len(levels) > 1
        else pd.Index(levels[0], name=names[0])
    )
    table = indexed(index)
    frame: Any = to_frame(table, prepared)
    assert list(frame.columns) == columns
    assert frame.index.tolist() == [0, 1]
    assert [frame[name].tolist() for name in columns] == [*levels, [1, 2]]
    assert frame_columns(table.schema, prepared) == columns


def test_columns_of_a_schema_without_an_index_are_those_of_the_file() -> None:
    table = indexed(pd.Index([7, 5], name="k"))
    assert frame_columns(table.schema, typed(int)) == ["a", "k"]


def test_an_index_has_the_name_of_no_column() -> None:
    prepared = of_pandas(index=pandas.Index(int))
    table = pa.Table.from_pandas(pd.DataFrame({"index": [1, 2]}, index=[7, 5]))
    with pytest.raises(ConfigurationError) as refused:
        to_frame(table, prepared)
    assert str(refused.value) == (
        "The data have a column 'index' and an index of that name. Rename one of them."
    )


@pytest.mark.parametrize("name", ["k", None])
def test_integers_of_an_index_beside_a_null_keep_their_digits(name: str | None) -> None:
    prepared = of_pandas(index=pandas.Index(int, nullable=True, name=name))
    table = indexed(pd.Index(pd.array([BEYOND_FLOATS, None], "Int64"), name=name))
    table = table.replace_schema_metadata(indexed(pd.Index([7, 5], name=name)).schema.metadata)
    frame: Any = to_frame(table, prepared)
    assert frame[name or "index"].tolist() == [BEYOND_FLOATS, pd.NA]
    floats: Any = to_frame(table, of_pandas(index=pandas.Index(float, nullable=True, name=name)))
    assert str(floats[name or "index"].dtype) == "float64"


def test_a_value_that_pandas_cannot_hold_is_refused() -> None:
    table = pa.table({"a": pa.array([1], pa.time64("ns"))})
    with pytest.raises(ConfigurationError) as refused:
        to_frame(table, of_pandas())
    said = str(refused.value)
    assert said.startswith("The data have a value that pandas cannot hold: ")
    assert said.endswith(
        ". Python's times of day have no nanoseconds, its dates end in the year 9999. "
        "Use a schema of pandera.polars."
    )


@pytest.mark.parametrize(
    ("dtype", "nullable"),
    [
        ("int8", "Int8"), ("int16", "Int16"), ("int32", "Int32"), ("int64", "Int64"),
        ("uint8", "UInt8"), ("uint16", "UInt16"), ("uint32", "UInt32"), ("uint64", "UInt64"),
        ("bool", "boolean"), ("float64", None), ("object", None), ("Int64", None), ("boolean", None),
    ],
)  # fmt: skip
def test_the_type_that_has_a_null(dtype: str, nullable: str | None) -> None:
    found = nullable_type(pd.api.types.pandas_dtype(dtype))
    assert (str(found) if found is not None else None) == nullable


ARRAY = np.array([1, 2])


@pytest.mark.parametrize(
    ("before", "after", "rows", "same_type"),
    [
        (pd.Series([1, 2]), pd.Series([1, 3]), [True, False], True),
        (pd.Series([1, 2]), pd.Series([1.0, 2.5]), [True, False], False),
        (pd.Series([1, 2], dtype="uint8"), pd.Series([1.0, 2.5]), [True, False], False),
        (pd.Series([1.5, NAN]), pd.Series([1.5, NAN]), [True, True], True),
        (pd.Series([NAN, 1.0]), pd.Series([1.0, NAN]), [False, False], True),
        (pd.Series([0.0, -0.0, -0.0]), pd.Series([-0.0, 0.0, -0.0]), [False, False, True], True),
        (pd.Series([1, 0], dtype="float32"), pd.Series([1.0, -0.0]), [True, False], False),
        (pd.Series([-0.0], dtype="float32"), pd.Series([-0.0], dtype="float32"), [True], True),
        (pd.Series([0]), pd.Series([-0.0]), [True], False),
        (pd.Series([-1.5, 2.5]), pd.Series([-1.5, 2.5]), [True, True], True),
        (pd.Series([1, None], dtype="Int64"), pd.Series([1, None], dtype="Int64"), [True, True], True),
        (pd.Series([1, None], dtype="Int64"), pd.Series([1, 0], dtype="Int64"), [True, False], True),
        (pd.Series([1, None], dtype="Int64"), pd.Series([1.0, NAN]), [True, True], False),
        (pd.Series([0, NAN], dtype="Float64"), pd.Series([-0.0, NAN], dtype="Float64"), [False, True], True),
        (pd.Series([True]), pd.Series([1]), [False], False),
        (pd.Series(["a", "b"], dtype="str"), pd.Series(["a", "c"], dtype="str"), [True, False], True),
        (pd.Series(["a", None], dtype=object), pd.Series(["a", None], dtype="string"), [True, True], False),
        (pd.Series(["2026"]), pd.Series(pd.to_datetime(["2026"])), [False], False),
        (pd.Series(pd.to_datetime(["2026", None])), pd.Series([1.0, NAN]), [False, True], False),
        (pd.Series([1, True, "a"]), pd.Series([1.0, 1, "a"]), [False, False, True], True),
        (pd.Series([ARRAY, ARRAY]), pd.Series([ARRAY, ARRAY.copy()]), [True, False], True),
        (pd.Series([Decimal(1)]), pd.Series([Decimal(1)]), [True], True),
        (pd.Series([], dtype=object), pd.Series([], dtype="int64"), [], False),
        (pd.Series([1, 2], index=[1, 0]), pd.Series([1, 2]), [True, True], True),
    ],
)  # fmt: skip
def test_values_that_a_parser_left_as_they_were(
    before: Any, after: Any, rows: list[bool], same_type: bool
) -> None:
    found = Unchanged.between(before, after)
    assert (found.rows.tolist(), found.rows.dtype, found.same_type) == (rows, np.dtype(bool), same_type)


TABLE = pa.table({"a": [1, None], "b": ["x", "y"]})


@pytest.mark.parametrize(
    "data",
    [
        TABLE,
        TABLE.to_batches()[0],
        pa.table({"a": TABLE["a"], "b": TABLE["b"].cast(pa.string_view())}),
        pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
        pl.LazyFrame({"a": [1, None], "b": ["x", "y"]}),
        pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": ["x", "y"]}, index=[7, 5]),
    ],
)
def test_a_frame_of_any_kind_is_a_table(data: Any) -> None:
    found = from_frame(data)
    assert isinstance(found, pa.Table)
    assert found.to_pydict() == TABLE.to_pydict()
    assert "view" not in str(found.schema.field("b").type)


def test_an_index_is_kept_if_it_has_a_name_or_is_asked_for() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[7, 5])
    assert from_frame(frame).column_names == ["a"]
    assert from_frame(frame, index=True).column_names == ["a", "__index_level_0__"]
    assert from_frame(frame.rename_axis("k")).column_names == ["a", "k"]
    range_index = from_frame(frame.reset_index(drop=True), index=True)
    assert range_index.column_names == ["a"]
    assert range_index.to_pandas().index.equals(pd.RangeIndex(2))


NEEDED = "a pandas or polars frame, a LazyFrame or a pyarrow table is needed."
CANNOT = "which cannot be checked. Store it as another type, such as a decimal of up to 38 digits or a text."


class DataFrame:
    """Has the name of a frame only."""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([1], f"The function returned a builtins.list; {NEEDED}"),
        (DataFrame(), f"The function returned a .*test_frames.DataFrame; {NEEDED}"),
        (
            pd.DataFrame({"a": [1], 0: [2]}),
            r"The frame has a column 0 \(int\). Names have to be text.",
        ),
        (
            pl.DataFrame({"a": [1], "o": pl.Series([object()], dtype=pl.Object)}),
            "The column 'o' holds Python objects, which no file can hold. Cast it to another type.",
        ),
        (
            pl.LazyFrame({"a": ["x"]}).select(pl.col("b")),
            "The returned LazyFrame cannot be collected: .*b(.|\n)*",
        ),
        (
            pd.DataFrame({"a": [1, "x"]}),
            "The returned frame cannot be written as Parquet: .*. Give each column one type.",
        ),
        (
            pa.table([[1], [2], [3]], names=["a", "b", "b"]),
            "The table has two columns 'b'. Rename one of them.",
        ),
        (
            pa.table({"a": pa.array([None], pa.decimal256(50, 10))}),
            rf"The table has a column 'a' of the type decimal256\(50, 10\), {CANNOT}",
        ),
        (
            pd.DataFrame({"a": [Decimal("1" * 50)]}),
            rf"The frame has a column 'a' of the type decimal256\(50, 0\), {CANNOT}",
        ),
    ],
)
def test_what_cannot_be_checked_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}$"):
        from_frame(data)


@pytest.mark.parametrize(
    "dtype",
    [
        pa.decimal256(50, 10),
        pa.sparse_union([pa.field("x", pa.int8())]),
        pa.run_end_encoded(pa.int32(), pa.int8()),
        pa.month_day_nano_interval(),
        pa.string_view(),
        pa.binary_view(),
        pa.list_view(pa.int8()),
        pa.large_list_view(pa.int8()),
    ],
)
def test_a_type_that_cannot_be_checked_is_refused_at_any_depth(dtype: Any) -> None:
    nested = [
        dtype,
        pa.list_(dtype),
        pa.struct([("n", pa.int8()), ("x", dtype)]),
        pa.map_(pa.string(), dtype),
        pa.dictionary(pa.int8(), dtype),
    ]
    for kind in nested:
        with pytest.raises(ConfigurationError, match=r"^The file has a column 'a' of the type"):
            refuse_columns(pa.schema([("n", pa.int8()), ("a", kind)]), "The file")


def test_columns_that_can_be_checked_are_returned() -> None:
    kinds = [pa.list_(pa.int8()), pa.dictionary(pa.int8(), pa.string()), pa.decimal128(38, 2), pa.null()]
    schema = pa.schema([(str(number), kind) for number, kind in enumerate(kinds)])
    assert refuse_columns(schema, "The file") is schema
    assert refuse_columns(TABLE, "The table") is TABLE


def test_views_are_texts_and_bytes() -> None:
    schema = pa.schema(
        [("a", pa.string_view()), pa.field("b", pa.binary_view(), nullable=False), ("c", pa.int8())],
        {"k": "v"},
    )
    found = readable(schema)
    assert [str(kind) for kind in found.types] == ["large_string", "large_binary", "int8"]
    assert (found.metadata, found.field("b").nullable) == ({b"k": b"v"}, False)
