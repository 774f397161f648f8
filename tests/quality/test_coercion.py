"""Values are read as the types of a schema: one that cannot be read changes nothing about the others."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pandera.engines import pandas_engine, polars_engine
from pydantic import AfterValidator, BaseModel, Field

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.coercion import first_format, read_column, read_rows, read_series


def of_pandas(values: Any, dtype: Any, source: Any = None) -> tuple[list[Any], str, list[int]]:
    """Return what is read of a pandas column: the values, their type, and the rows that cannot be read."""
    wanted = pandas_engine.Engine.dtype(dtype)
    series = pd.Series(values, dtype=source, name="a")
    found, bad = read_series(series, wanted)
    assert list(found.index) == list(range(len(series)))
    assert all(type(row) is int for row in bad)
    return [None if pd.isna(value) else value for value in found], str(found.dtype), bad


@pytest.mark.parametrize(
    ("values", "source", "dtype", "read", "kind", "bad"),
    [
        (["1", "2"], None, "int64", [1, 2], "int64", []),
        (["1", "x", "2"], None, "int64", [1, None, 2], "Int64", [1]),
        (["x", "1", "x", "1"], None, "int8", [None, 1, None, 1], "Int8", [0, 2]),
        (["1", None, "2"], None, "int64", [1, None, 2], "Int64", []),
        (["1", None, "x", "2"], None, "uint8", [1, None, None, 2], "UInt8", [2]),
        (["x"], None, "int64", [None], "Int64", [0]),
        ([None], "object", "int64", [None], "Int64", []),
        ([], "object", "int64", [], "int64", []),
        (["1.5", "x", "nan", "inf"], None, "float64", [1.5, None, None, np.inf], "float64", [1]),
        (["1", "x"], None, "Int64", [1, None], "Int64", [1]),
        (["1", "-1"], None, "uint8", [1, None], "UInt8", [1]),
        (["1", "1.5"], None, "int64", [1, None], "Int64", [1]),
        ([1, 0], "int64", "bool", [True, False], "bool", []),
        ([1, None], "Int64", "bool", [True, None], "boolean", []),
        ([1, "x", 2.0], "object", "int64", [1, None, 2], "Int64", [1]),
        ([1, 1.5], "object", "str", ["1", "1.5"], "str", []),
    ],
)  # fmt: skip
def test_a_column_of_pandas_is_read_but_for_its_bad_values(
    values: list[Any], source: Any, dtype: str, read: list[Any], kind: str, bad: list[int]
) -> None:
    found, of_kind, rows = of_pandas(values, dtype, source)
    assert (found, rows) == (read, bad)
    assert kind in (of_kind, "str")  # objects to pandas 2


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [
        ("int8", -128, 127),
        ("Int8", -128, 127),
        ("uint8", 0, 255),
        ("UInt8", 0, 255),
        ("int16", -(2**15), 2**15 - 1),
        ("int64", -(2**63), 2**63 - 1024),
        ("uint64", 0, 2**64 - 2048),
    ],
)
@pytest.mark.parametrize("source", ["float64", "Float64"])
def test_a_float_that_an_integer_type_cannot_hold_is_not_read(
    dtype: str, least: int, most: int, source: str
) -> None:
    above = float(most) * 2 if most > 2**60 else float(most + 1)
    below = float(least) * 2 - 2048 if least < -(2**60) else float(least - 1)
    values = [float(least), above, float(most), below, None, 1e300]
    found, _, bad = of_pandas(values, dtype, source)
    assert found == [least, None, most, None, None, None]
    assert bad == [1, 3, 5]


@pytest.mark.parametrize(("value", "bad"), [(127.9, []), (128.0, [0]), (-128.9, []), (-129.0, [0])])
def test_the_fraction_of_a_float_is_cut_before_its_range_is_looked_at(value: float, bad: list[int]) -> None:
    assert of_pandas([value, 1.0], "int8", "float64")[2] == bad


@pytest.mark.parametrize("dtype", ["float32", "str", "bool"])
def test_a_float_beyond_the_integers_is_any_other_type(dtype: str) -> None:
    assert of_pandas([1e30, 1.0], dtype, "float64")[2] == []


class Recorded:
    """A type that records how many values it is given at a time, and reads all but some."""

    def __init__(self, kind: Any, *refused: Any) -> None:
        self.type, self.refused = kind, set(refused)
        self.lengths: list[int] = []

    def coerce(self, values: pd.Series) -> pd.Series:
        self.lengths.append(len(values))
        if self.refused.intersection(values):
            raise ValueError("refused")
        return values.astype(self.type)


def test_equal_texts_are_read_once_and_bad_ones_are_found_by_halves() -> None:
    dtype = Recorded(np.dtype("int64"), "7")
    texts = [str(number) for number in range(8)] * 3
    found, bad = read_series(pd.Series(texts), dtype)
    assert bad == [7, 15, 23]
    assert found.dropna().tolist() == [0, 1, 2, 3, 4, 5, 6] * 3
    assert dtype.lengths == [24, 8, 4, 4, 2, 2, 1, 1]


def test_texts_that_are_no_numbers_are_not_read_one_by_one() -> None:
    for kind in ("int64", "uint8", "float64"):
        dtype = Recorded(np.dtype(kind), "x", "y")
        assert read_series(pd.Series(["x", "1", "y", "2"]), dtype)[1] == [0, 2]
        assert dtype.lengths == [4, 2]
    for other in (pd.Int64Dtype(), np.dtype("O")):
        dtype = Recorded(other, "x", "y")
        assert read_series(pd.Series(["x", "1", "y", "2"]), dtype)[1] == [0, 2]
        assert dtype.lengths == [4, 4, 2, 1, 1, 2, 1, 1]


def test_a_column_with_nulls_is_not_given_to_the_type_as_it_is() -> None:
    dtype = Recorded(np.dtype("int64"))
    assert read_series(pd.Series(["1", None, "2"]), dtype)[1] == []
    assert dtype.lengths == [2]


def test_values_that_are_no_texts_are_read_each_even_if_they_are_equal() -> None:
    dtype = Recorded(np.dtype("O"), 2)
    found, bad = read_series(pd.Series([1, 1.0, True, 2], dtype=object), dtype)
    assert bad == [3]
    assert [type(value) for value in found[:3]] == [int, float, bool]
    nested = pd.Series([["a"], ["b"]])
    assert read_series(nested, pandas_engine.Engine.dtype("int64"))[1] == [0, 1]


def test_types_of_objects_keep_objects() -> None:
    found, _, bad = of_pandas(["1.25", "x", None], pandas_engine.Decimal(5, 2))
    assert (found, bad) == ([Decimal("1.25"), None, None], [1])
    for texts, source in ((["x"], object), ([None], object), ([None], "float64")):
        wanted = pandas_engine.Engine.dtype(pandas_engine.Decimal(5, 2))
        assert read_series(pd.Series(texts, dtype=source), wanted)[0].dtype == object
    assert of_pandas(["2026-01-02", "x"], pandas_engine.Date)[0] == [date(2026, 1, 2), None]


def test_values_that_are_read_in_pieces_keep_the_type() -> None:
    class InPieces(Recorded):
        def coerce(self, values: pd.Series) -> pd.Series:
            if len(values) > 2:
                raise ValueError("too many at a time")
            return super().coerce(values)

    for source in (["1", "2", "3", "4", "1"], [1.0, 2.0, 3.0, 4.0, 1.0]):
        found, bad = read_series(pd.Series(source), InPieces(np.dtype("int64")))
        assert (found.tolist(), str(found.dtype), bad) == ([1, 2, 3, 4, 1], "int64", [])


def test_a_type_of_python_is_read_value_by_value() -> None:
    for values, source, bad in (([[1], "ab", ["x"]], object, [1, 2]), (["ab", "cd"], None, [0, 1])):
        assert of_pandas(values, list[int], source)[2] == bad
    assert of_pandas([1.5, None], list[int], "float64")[2] == [0]


@pytest.mark.parametrize(
    ("texts", "dayfirst", "form"),
    [
        (["2024-05-06"], False, "ISO8601"),
        (["2024/05/06"], False, "ISO8601"),
        (["20240506"], False, "ISO8601"),
        (["2024-05-06T07:08:09"], False, "ISO8601"),
        (["02/01/2024"], False, "%m/%d/%Y"),
        (["02/01/2024"], True, "%d/%m/%Y"),
        (["bad", None, "02/01/2024", "2024-05-06"], False, "%m/%d/%Y"),
        (["bad", None], False, None),
        ([None, None], False, None),
        ([], False, None),
        ([20240506], False, None),
        ([datetime(2024, 5, 6, tzinfo=UTC)], False, None),
        (["2024"], False, "%Y"),
        (["bad"] * 999 + ["2024-05-06"], False, "ISO8601"),
        (["bad"] * 1_000 + ["2024-05-06"], False, None),
        ([None] * 1_000 + ["2024-05-06"], False, "ISO8601"),
        (["13/01/2024"], False, "%d/%m/%Y"),
    ],
)
def test_the_form_of_times_is_that_of_the_first_text(
    texts: list[Any], dayfirst: bool, form: str | None
) -> None:
    assert first_format(pd.Series(texts, dtype=object), dayfirst) == form


def of_polars(column: pl.Series, dtype: Any) -> tuple[list[Any], Any, list[int]]:
    """Return what is read of a polars column: the values, their type, and the rows that cannot be read."""
    found, bad = read_column(column, polars_engine.Engine.dtype(dtype))
    assert all(type(row) is int for row in bad)
    return found.to_list(), found.dtype, bad


@pytest.mark.parametrize(
    ("values", "dtype", "read", "bad"),
    [
        (["1", "2"], pl.Int64, [1, 2], []),
        (["1", "x", None, "2"], pl.Int64, [1, None, None, 2], [1]),
        ([None, "x", "1", "y"], pl.Int8, [None, None, 1, None], [1, 3]),
        (["300", "1"], pl.Int8, [None, 1], [0]),
        (["x"], pl.Float64, [None], [0]),
        ([None], pl.Int64, [None], []),
        ([], pl.Int64, [], []),
        ([1.5, 300.0, -1.0], pl.UInt8, [1, None, None], [1, 2]),
        ([1, 0, 5], pl.Boolean, [True, False, True], []),
        ([[1], [2]], pl.Int64, [None, None], [0, 1]),
        ([[1], None], pl.Int64, [None, None], [0]),
        ([1, None], pl.String, ["1", None], []),
        ([date(2026, 1, 2), None], pl.Time, [None, None], [0]),
        ([b"\xff", b"a", None, b"\xc3\xa4", b""], pl.String, [None, "a", None, "ä", ""], [0]),
        ([b"\xff", b"a"], pl.Int64, [None, None], [0, 1]),
    ],
)
def test_a_column_of_polars_is_read_but_for_its_bad_values(
    values: list[Any], dtype: Any, read: list[Any], bad: list[int]
) -> None:
    column = pl.Series("a", values, dtype=None if any(value is not None for value in values) else pl.String)
    assert of_polars(column, dtype) == (read, dtype, bad)


def test_a_column_of_polars_without_values_has_the_type() -> None:
    for source in (pl.Binary, pl.String, pl.List(pl.Int64)):
        for dtype in (pl.String, pl.Int64, pl.Date):
            for values in ([], [None]):
                assert of_polars(pl.Series("a", values, dtype=source), dtype) == (values, dtype, [])


def test_a_type_of_polars_that_does_more_than_a_cast_reads_its_values_itself() -> None:
    """Decimals of pandera are rounded, and refused where they have too many digits before the point."""
    dtype = polars_engine.Decimal(4, 2)
    column = pl.Series("a", ["1.25", "x", None, "123.5", "99.99"])
    found, kind, bad = of_polars(column, dtype)
    assert (found, bad) == ([Decimal("1.25"), None, None, None, Decimal("99.99")], [1, 3])
    assert kind == pl.Decimal(4, 2)


@pytest.mark.parametrize(
    ("dtype", "values", "calls"),
    [
        (polars_engine.Int64(), ["1", "x", None, "y"], [4]),
        (polars_engine.Int64(), [[1], [2]], [2]),
        (polars_engine.Int64(), ["1", None], [2]),
        (polars_engine.String(), [b"\xff", b"a", None], [3]),
        (polars_engine.Decimal(4, 2), ["1", None, "2"], [3]),
        (polars_engine.Decimal(4, 2), ["1", None, "x"], [2, 1, 1]),
    ],
    ids=str,
)
def test_a_column_of_polars_is_read_as_a_whole_where_that_is_possible(
    monkeypatch: pytest.MonkeyPatch, dtype: Any, values: list[Any], calls: list[int]
) -> None:
    """Bad values of a type that is a cast are known without reading each value."""
    owner: Any = next(one for one in type(dtype).__mro__ if "coerce" in vars(one))
    coerce, lengths = owner.coerce, []

    def recording(self: Any, data: Any) -> Any:
        lengths.append(data.lazyframe.collect().height)
        return coerce(self, data)

    monkeypatch.setattr(owner, "coerce", recording)
    read_column(pl.Series("a", values), dtype)
    assert lengths == calls


def test_a_column_of_polars_keeps_its_name() -> None:
    for values in (["1", "2"], ["1", "x"], ["x"], [None, "1"]):
        for dtype in (pl.Int64, polars_engine.Decimal(4, 2)):
            read, _ = read_column(pl.Series("name", values), polars_engine.Engine.dtype(dtype))
            assert read.name == "name"


def _positive(value: int) -> int:
    if value < 0:
        raise RuntimeError("negative")
    return value


class Row(BaseModel):
    id: Annotated[int, AfterValidator(_positive)]
    name: str | None = Field(default=None, alias="Name")
    price: float = 0.5


def test_rows_of_pandas_are_read_as_models_by_the_names_of_the_data() -> None:
    frame = pd.DataFrame({"id": ["1", "-2", "x", "4"], "Name": ["a", "b", "c", None], "more": [1.5] * 4})
    table, bad = read_rows(frame, Row)
    assert bad == [1, 2]
    assert table.to_pydict() == {
        "id": [1, None, None, 4],
        "Name": ["a", None, None, None],
        "price": [0.5, None, None, 0.5],
    }
    assert table.schema.types == [pa.int64(), table.schema.field("Name").type, pa.float64()]


def test_rows_of_polars_are_read_as_models_by_the_names_of_the_fields() -> None:
    frame = pl.DataFrame({"id": [1, None, 3], "Name": ["a", "b", None], "price": [None, 1.0, 2.0]})
    table, bad = read_rows(frame, Row)
    assert bad == [0, 1]
    assert table.to_pydict() == {"id": [None, None, 3], "name": [None] * 3, "price": [None, None, 2.0]}


@pytest.mark.parametrize("frame", [pd.DataFrame({"id": ["x"]}), pl.DataFrame({"id": ["x"]})])
def test_rows_that_are_all_bad_have_the_columns_of_the_model(frame: Any) -> None:
    table, bad = read_rows(frame, Row)
    assert bad == [0]
    alias = "Name" if isinstance(frame, pd.DataFrame) else "name"
    assert table.to_pydict() == {"id": [None], alias: [None], "price": [None]}
    assert table.schema.field("id").type == pa.int64()


def test_what_is_missing_in_pandas_is_none_to_a_model_and_numbers_keep_their_type() -> None:
    frame = pd.DataFrame({0: pd.array([1, None], "Int64"), "f": [np.nan, 2.5], "t": [pd.NaT, pd.NaT]})
    seen: list[dict[str, Any]] = []

    class Recording(BaseModel):
        model_config = {"extra": "allow"}

        def model_post_init(self, _: Any) -> None:
            seen.append(dict(self.model_extra or {}))

    read_rows(frame, Recording)
    assert seen == [{"0": 1, "f": None, "t": None}, {"0": None, "f": 2.5, "t": None}]
    assert type(seen[0]["0"]) is int


def test_models_whose_values_are_of_several_types_are_refused() -> None:
    class Mixed(BaseModel):
        value: Any

    with pytest.raises(
        ConfigurationError, match="The parsed values of 'value' cannot be written as one type"
    ):
        read_rows(pd.DataFrame({"value": [1, "x"]}, dtype=object), Mixed)


def test_a_value_that_the_models_type_cannot_hold_is_refused_with_the_type() -> None:
    class Large(BaseModel):
        value: int

    with pytest.raises(ConfigurationError, match=r"'value' cannot be written as int64: .*too large"):
        read_rows(pd.DataFrame({"value": [2**70]}, dtype=object), Large)
