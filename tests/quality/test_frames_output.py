"""Tables of parsed rows: what the schema leaves is of the source, the rest has one type in all batches."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Optional

import numpy as np
import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pytest
from pandera.engines import pandas_engine
from pydantic import BaseModel, Field

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.frames import (
    OutputTable,
    Unchanged,
    declared_type,
    model_types,
    to_arrow,
)
from io_intelligence_provider.quality.prepare import Prepared, prepare
from io_intelligence_provider.quality.schema import load_schema

pandas = pandera.pandas
BEYOND_FLOATS = 2**53 + 1
NAN = float("nan")
PARSER = pandas.Parser(lambda data: data)


def of_pandas(columns: dict[str, Any] | None = None, **options: Any) -> Prepared:
    return prepare(load_schema(pandas.DataFrameSchema(columns or {}, name="Orders", **options)))


def parsed(dtype: Any = None) -> Prepared:
    """Return a schema with a parser of its column ``a``."""
    return of_pandas({"a": pandas.Column(dtype, nullable=True, parsers=PARSER)})


def of_frame(dtype: Any = None) -> Prepared:
    """Return a schema with a parser of the whole frame."""
    return of_pandas({"a": pandas.Column(dtype, nullable=True)}, parsers=PARSER)


def kept(*rows: bool, same_type: bool = True) -> dict[str, Unchanged]:
    return {"a": Unchanged(np.array(rows), same_type)}


def types(table: pa.Table) -> dict[str, str]:
    """Return the types of columns; pandas 2 makes other texts than pandas 3."""
    return {field.name: str(field.type).removeprefix("large_") for field in table.schema}


def column(*values: Any, dtype: Any = None) -> pa.Table:
    return pa.table({"a": pa.array(values, dtype)})


def test_a_schema_that_changes_nothing_returns_the_table() -> None:
    table = column(1, 2)
    prepared = of_pandas({"a": pandas.Column(int)})
    assert OutputTable(prepared).of(table, pd.DataFrame({"a": [3, 4]}), None) is table


def test_only_columns_that_the_schema_changes_are_of_the_frame() -> None:
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.string())], {"k": "v"})
    table = pa.table({"a": [1, 2], "b": ["3", "4"]}, schema=schema)
    prepared = of_pandas({"a": pandas.Column("int32"), "b": pandas.Column("int64", coerce=True)})
    found = OutputTable(prepared).of(table, pd.DataFrame({"a": [0, 0], "b": [3, 4]}), None)
    assert found.to_pydict() == {"a": [1, 2], "b": [3, 4]}
    assert found.schema.field("a") == schema.field("a")
    assert (found.schema.field("b").type, found.schema.metadata) == (pa.int64(), None)


def test_metadata_are_kept_while_they_are_true() -> None:
    table = column(1, 2).replace_schema_metadata({"k": "v"})
    prepared = of_pandas({"a": pandas.Column("int64", coerce=True)})
    assert OutputTable(prepared).of(table, pd.DataFrame({"a": [3, 4]}), None).schema.metadata == {b"k": b"v"}


def test_columns_are_left_out_and_added_as_in_the_frame() -> None:
    prepared = of_pandas({"a": pandas.Column(int)}, strict="filter")
    table = pa.table({"z": [1], "a": [2], "b": [3]})
    found = OutputTable(prepared).of(table, pd.DataFrame({"new": [4], "a": [2]}), None)
    assert found.to_pydict() == {"a": [2], "new": [4]}
    assert found.column_names == ["a", "new"]


def test_the_index_of_a_file_is_kept_under_its_name_there() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=["7", "5"])
    prepared = of_pandas(index=pandas.Index("int64", coerce=True))
    parsed_frame = pd.DataFrame({"index": [7, 5], "a": [1, 2]})
    found = OutputTable(prepared).of(pa.Table.from_pandas(frame), parsed_frame, None)
    assert found.to_pydict() == {"a": [1, 2], "__index_level_0__": [7, 5]}


def test_an_index_that_the_frame_lacks_stays_in_the_table() -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"a": ["1", "2"]}, index=pd.Index([7, 5], name="k")))
    prepared = of_pandas({"a": pandas.Column(int, coerce=True)}, index=pandas.Index(int, name="k"))
    found = OutputTable(prepared).of(table, pd.DataFrame({"k": [7, 5], "a": [1, 2]}), None)
    assert found.to_pydict() == {"a": [1, 2], "k": [7, 5]}


def test_rows_are_in_the_order_of_the_source() -> None:
    table = column("1", "2", "3")
    found = OutputTable(parsed()).of(table, pd.DataFrame({"a": [30, 10, 20]}), [2, 0, 1])
    assert found.to_pydict() == {"a": [10, 20, 30]}


@pytest.mark.parametrize("order", [None, [2, 0, 1]])
def test_values_that_a_parser_of_the_frame_kept_are_of_the_source(order: list[int] | None) -> None:
    table = column(BEYOND_FLOATS, None, 5)
    frame = pd.DataFrame({"a": [float(BEYOND_FLOATS), 0.0, 5.0]})
    marks = kept(True, False, True)
    if order is not None:
        frame = frame.iloc[order].reset_index(drop=True)
        marks = kept(*(marks["a"].rows[row] for row in order))
    found = OutputTable(of_frame()).of(table, frame, order, marks)
    assert (found["a"].to_pylist(), types(found)) == ([BEYOND_FLOATS, 0, 5], {"a": "int64"})


def test_without_marks_all_values_are_of_the_frame() -> None:
    found = OutputTable(of_frame()).of(column(1, 2), pd.DataFrame({"a": [3, 4]}), None, {})
    assert found["a"].to_pylist() == [3, 4]
    added = OutputTable(of_frame()).of(
        column(1, 2), pd.DataFrame({"a": [1, 2], "b": [3, 4]}), None, kept(True, True)
    )
    assert added.to_pydict() == {"a": [1, 2], "b": [3, 4]}


def test_the_source_is_kept_where_nothing_changed() -> None:
    frame = pd.DataFrame({"a": [float(BEYOND_FLOATS), NAN]})
    found = OutputTable(of_frame()).of(column(BEYOND_FLOATS, None), frame, None, kept(True, True))
    assert found["a"].to_pylist() == [BEYOND_FLOATS, None]


def test_changed_rows_of_several_chunks_have_their_places() -> None:
    table = pa.concat_tables([column(1, 2), column(3, 4), column(5)])
    frame = pd.DataFrame({"a": [10, 2, 30, 4, 50]})
    found = OutputTable(of_frame()).of(table, frame, None, kept(False, True, False, True, False))
    assert found["a"].to_pylist() == [10, 2, 30, 4, 50]


@pytest.mark.parametrize(
    ("declared", "values", "same_type", "dtype"),
    [
        (None, [1.5, 2.0], True, "double"),
        ("float64", [1.5, 2.0], True, "double"),
        ("float64", [3.0, 2.0], True, "double"),
        (None, [3.0, 2.0], True, "int64"),
        (None, ["x", "2"], False, "string"),
        (None, [3, 2], False, "int64"),
    ],
)
def test_the_type_of_a_column_that_a_parser_of_the_frame_changed(
    declared: Any, values: list[Any], same_type: bool, dtype: str
) -> None:
    marks = kept(False, True, same_type=same_type)
    found = OutputTable(of_frame(declared)).of(column(1, 2), pd.DataFrame({"a": values}), None, marks)
    assert (types(found), found["a"].to_pylist()) == ({"a": dtype}, values)


def test_integers_that_floats_cannot_hold_stay_integers() -> None:
    """The schema declares floats, but the parser kept a value that these would round."""
    frame = pd.DataFrame({"a": [float(BEYOND_FLOATS), 2.0]})
    found = OutputTable(of_frame("float64")).of(column(BEYOND_FLOATS, 2), frame, None, kept(True, True))
    assert (types(found), found["a"].to_pylist()) == ({"a": "int64"}, [BEYOND_FLOATS, 2])


def test_a_kept_value_that_the_type_cannot_hold_is_refused() -> None:
    frame = pd.DataFrame({"a": [float(BEYOND_FLOATS), 1.5]})
    with pytest.raises(ConfigurationError) as refused:
        OutputTable(of_frame()).of(column(BEYOND_FLOATS, 2), frame, None, kept(True, False))
    said = str(refused.value)
    assert said.startswith("The parsed values of 'a' cannot be written as int64: Float value 1.5")
    assert said.endswith(". Declare a type for the column that holds all of them.")
    assert isinstance(refused.value.__cause__, pa.ArrowInvalid)


def test_the_type_of_the_first_batch_holds_for_the_next() -> None:
    output = OutputTable(of_frame())
    first = output.of(column(1, 2), pd.DataFrame({"a": [1.5, 2.0]}), None, kept(False, True))
    second = output.of(column(3, None), pd.DataFrame({"a": [3.0, NAN]}), None, kept(True, True))
    third = output.of(column(5), pd.DataFrame({"a": [6]}), None, kept(False, same_type=False))
    assert [types(table)["a"] for table in (first, second, third)] == ["double"] * 3
    assert [table["a"].to_pylist() for table in (second, third)] == [[3.0, None], [6.0]]
    with pytest.raises(ConfigurationError, match=r"of 'a' cannot be written as double: .*x"):
        output.of(column(5), pd.DataFrame({"a": ["x"]}), None, kept(False))


def test_a_parser_that_made_another_type_is_followed_in_each_batch() -> None:
    output = OutputTable(of_frame())
    first = output.of(column("1"), pd.DataFrame({"a": [1]}), None, kept(False, same_type=False))
    second = output.of(column("x"), pd.DataFrame({"a": [5]}), None, kept(True, same_type=False))
    assert [table["a"].to_pylist() for table in (first, second)] == [[1], [5]]
    with pytest.raises(ConfigurationError, match="of 'a' cannot be written as int64"):
        output.of(column("x"), pd.DataFrame({"a": [5]}), None, kept(True))


def test_parsed_values_have_one_type_in_all_batches() -> None:
    output = OutputTable(parsed())
    first = output.of(column("1"), pd.DataFrame({"a": [1.5]}), None)
    second = output.of(column("2"), pd.DataFrame({"a": [2]}), None)
    assert [types(table)["a"] for table in (first, second)] == ["double", "double"]
    with pytest.raises(ConfigurationError) as refused:
        output.of(column("2"), pd.DataFrame({"a": ["x"]}), None)
    said = str(refused.value)
    assert said.startswith("The parsed values of 'a' cannot be written as double: ")
    assert "'x'" in said
    assert said.endswith(". Declare a type for the column that holds all of them.")


def test_values_of_several_types_are_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^The parsed values of 'a' cannot be written as one type: "
    ):
        OutputTable(parsed()).of(column("1", "2"), pd.DataFrame({"a": [1, "x"]}), None)


def test_a_nan_of_the_source_stays_one() -> None:
    found = OutputTable(parsed()).of(column(NAN, None), pd.DataFrame({"a": [NAN, NAN]}), None)
    assert str(found["a"].to_pylist()) == "[nan, None]"


@pytest.mark.parametrize(
    ("prepared", "dtype"),
    [
        (parsed("float64"), "double"),
        (of_pandas({"a": pandas.Column("int8", coerce=True)}), "int8"),
        (of_pandas(dtype="int16", coerce=True), "int16"),
        (of_pandas({"a.*": pandas.Column("int8", regex=True, coerce=True)}), "int8"),
    ],
)
def test_the_schemas_type_is_that_of_the_first_batch(prepared: Prepared, dtype: str) -> None:
    assert types(OutputTable(prepared).of(column("1"), pd.DataFrame({"a": [1]}), None)) == {"a": dtype}


@pytest.mark.parametrize(
    ("source", "values", "dtype"),
    [
        (column(None, dtype=pa.int8()), pd.Series([None], dtype=object), "int8"),
        (column("x"), pd.Series(["y"], dtype="str"), "string"),
        (column(1), pd.Series(["y"], dtype="str"), "string"),
    ],
)
def test_the_sources_type_holds_for_nulls_and_texts(source: pa.Table, values: Any, dtype: str) -> None:
    output = OutputTable(parsed())
    assert types(output.of(source, values.to_frame("a"), None)) == {"a": dtype}
    assert types(output.of(source, values.to_frame("a"), None)) == {"a": dtype}


def test_texts_have_the_sources_type() -> None:
    frame = pd.DataFrame({"a": pd.array(["y"], pd.StringDtype("pyarrow"))})
    found = OutputTable(parsed()).of(column("x"), frame, None)
    assert found.schema.field("a").type == pa.string()


def test_a_new_column_without_values_has_the_type_of_nulls() -> None:
    found = OutputTable(of_frame()).of(column(1), pd.DataFrame({"a": [1], "b": [None]}), None)
    assert types(found)["b"] == "null"


class Offer(BaseModel):
    """A row of which one field has no type that is known before the rows."""

    id: int | None
    price: float = Field(alias="Price")
    sizes: list[int]
    any: Any
    made: Optional[dt.date]  # noqa: UP045 - the older spelling
    name: str = Field(serialization_alias="Name", alias="name_in")
    flag: bool
    mixed: int | str
    texts: list[Any]
    exact: Annotated[Decimal, Field(max_digits=5)]
    map: dict[str, int]
    odd: list[Annotated[int, []]]


def test_the_types_of_a_model_of_rows() -> None:
    plain = {
        "id": pa.int64(), "price": pa.float64(), "sizes": pa.list_(pa.int64()), "any": None,
        "made": pa.date32(), "name": pa.string(), "flag": pa.bool_(), "mixed": None, "texts": None,
        "exact": None, "map": None, "odd": None,
    }  # fmt: skip
    assert model_types(Offer, by_alias=False) == plain
    named = {{"price": "Price", "name": "Name"}.get(name, name): kind for name, kind in plain.items()}
    assert model_types(Offer, by_alias=True) == named


class Row(BaseModel):
    """A row with a number."""

    a: int | None = Field(alias="A", default=None)


@pytest.mark.parametrize(("library", "name"), [(pandas, "A"), (pandera.polars, "a")])
def test_a_model_of_rows_gives_the_types(library: Any, name: str) -> None:
    engine = pandas_engine if library is pandas else pandera.engines.polars_engine
    schema = library.DataFrameSchema(dtype=engine.PydanticModel(Row), coerce=True)
    table = pa.table({name: ["x"]})
    frame = pd.DataFrame({name: [None]}) if library is pandas else pl.DataFrame({name: [None]})
    assert types(OutputTable(prepare(load_schema(schema))).of(table, frame, None)) == {name: "int64"}


POLARS = pandera.polars.Column
PANDAS = pandas.Column


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (None, None),
        (PANDAS("int8").dtype, "int8"),
        (PANDAS("Int64").dtype, "int64"),
        (PANDAS("boolean").dtype, "bool"),
        (PANDAS("float32").dtype, "float"),
        (PANDAS("datetime64[ns]").dtype, "timestamp[ns]"),
        (PANDAS(pd.DatetimeTZDtype("us", "UTC")).dtype, "timestamp[us, tz=UTC]"),
        (PANDAS("category").dtype, None),
        (PANDAS("object").dtype, None),
        (PANDAS(pandas_engine.Date).dtype, "date32[day]"),
        (PANDAS(pandas_engine.Decimal(9, 2)).dtype, "decimal128(9, 2)"),
        (PANDAS(pandas_engine.Decimal(38, 2)).dtype, "decimal128(38, 2)"),
        (PANDAS(pandas_engine.Decimal(39, 2)).dtype, None),
        (PANDAS(np.dtype("U")).dtype, "large_string"),
        (PANDAS(list[int]).dtype, None),
        (POLARS(pl.Int8).dtype, "int8"),
        (POLARS(pl.String).dtype, "large_string"),
        (POLARS(pl.Date).dtype, "date32[day]"),
        (POLARS(pl.Decimal(9, 2)).dtype, "decimal128(9, 2)"),
        (POLARS(pl.List(pl.Int8)).dtype, "large_list<item: int8>"),
        (POLARS(pl.Null).dtype, None),
        (POLARS(pl.Categorical).dtype, None),
    ],
)
def test_the_arrow_type_of_a_schemas_type(dtype: Any, expected: str | None) -> None:
    found = declared_type(dtype)
    assert (None if found is None else str(found)) == expected


@pytest.mark.parametrize(
    ("values", "dtype", "source", "expected"),
    [
        (pd.Series([1.5, NAN, NAN]), None, [1.5, NAN, None], [1.5, NAN, None]),
        (pd.Series([1.5, NAN, NAN]), pa.float32(), [1.5, NAN, None], [1.5, NAN, None]),
        (pd.Series([NAN, NAN]), pa.float64(), [NAN, None], [NAN, None]),
        (pd.Series([1.5, NAN]), None, [None, NAN], [1.5, NAN]),
        (pd.Series([NAN, NAN]), pa.float64(), [None, None], [None, None]),
        (pd.Series([1.5, NAN]), None, None, [1.5, None]),
        (pd.Series([NAN, NAN]), pa.int8(), [NAN, NAN], [None, None]),
        (pd.Series([NAN, NAN]), pa.string(), None, [None, None]),
        (pd.Series([1, 2]), pa.int8(), None, [1, 2]),
        (pl.Series([1, None]), None, None, [1, None]),
        (pl.Series([1, None]), pa.int8(), None, [1, None]),
        (pl.Series(["x"]), pa.string(), None, ["x"]),
    ],
)
def test_a_column_as_arrow(values: Any, dtype: Any, source: Any, expected: list[Any]) -> None:
    column = None if source is None else pa.chunked_array([source], pa.float64())
    found = to_arrow(values, dtype, column)
    assert isinstance(found, pa.ChunkedArray)
    assert str(found.to_pylist()) == str(expected)
    assert dtype is None or found.type == dtype


def test_texts_of_polars_have_no_views() -> None:
    assert to_arrow(pl.Series(["x"]), None, None).type == pa.large_string()
