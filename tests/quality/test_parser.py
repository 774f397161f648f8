"""Parsing changes what the schema names and nothing else, and every row keeps its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pytest
from pandera.engines import pandas_engine

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality import batches

pandas, polars = pandera.pandas, pandera.polars
BEYOND_FLOATS = 9007199254740993
BACKENDS = pytest.mark.parametrize("backend", [pandas, polars], ids=["pandas", "polars"])

Write = Callable[..., str]
Check = Callable[..., Any]


@BACKENDS
@pytest.mark.parametrize("files", [1, 2])
def test_columns_that_are_not_parsed_come_from_the_source(
    write: Write, check: Check, backend: Any, files: int
) -> None:
    table = pa.table(
        {
            "text": ["1", "2", "3"],
            "id": pa.array([BEYOND_FLOATS, None, BEYOND_FLOATS - 1], pa.int64()),
            "small": pa.array([1, None, 2], pa.uint8()),
            "flag": pa.array([True, None, False]),
            "number": pa.array([float("nan"), None, 1.5]),
            "at": pa.array([1, None, 2], pa.timestamp("ns")),
            "code": pa.array(["a", None, "b"]).dictionary_encode(),
            "sizes": pa.array([[1], None, []], pa.list_(pa.int32())),
        }
    )
    for number in range(files):
        write(table, f"in/{number}.parquet")
    schema = backend.DataFrameSchema({"text": backend.Column(int, coerce=True)})
    path = write(table, "in/0.parquet")
    checked = check(str(Path(path).parent), schema)
    parsed = table.set_column(0, "text", pa.array([1, 2, 3], pa.int64()))
    assert checked.valid.schema.types == parsed.schema.types
    assert str(checked.valid.to_pydict()) == str(pa.concat_tables([parsed] * files).to_pydict())


@BACKENDS
def test_large_numbers_beside_nulls_do_not_become_repeats(write: Write, check: Check, backend: Any) -> None:
    table = pa.table({"id": pa.array([BEYOND_FLOATS, BEYOND_FLOATS - 1, None]), "b": ["1", "2", "x"]})
    schema = backend.DataFrameSchema(
        {"id": backend.Column(int, unique=True, nullable=True), "b": backend.Column(int, coerce=True)}
    )
    checked = check(write(table), schema)
    assert checked.failures == {(2, "b", "coerce_dtype")}
    assert checked.valid.to_pydict() == {"id": [BEYOND_FLOATS, BEYOND_FLOATS - 1], "b": [1, 2]}


@BACKENDS
@pytest.mark.parametrize("row_group_size", [1, 2, 10])
@pytest.mark.parametrize("nullable", [True, False])
def test_one_bad_value_refuses_one_row(
    write: Write, check: Check, backend: Any, row_group_size: int, nullable: bool
) -> None:
    schema = backend.DataFrameSchema(
        {"a": backend.Column(float, backend.Check.lt(9), coerce=True, nullable=nullable)}
    )
    path = write(pl.DataFrame({"a": ["1", None, "bad", "10", "2"]}), row_group_size=row_group_size)
    checked = check(path, schema)
    nulls = set() if nullable else {(1, "a", "not_nullable")}
    assert checked.failures == {(2, "a", "coerce_dtype"), (3, "a", "less_than")} | nulls
    assert checked.valid["a"].to_pylist() == ([1.0, None, 2.0] if nullable else [1.0, 2.0])


TYPES: list[tuple[Any, list[Any], Any]] = [
    (pandera.engines.pandas_engine.Decimal(5, 2), ["1.25", "2", "bad", "3.5"], Decimal("1.25")),
    (pandera.engines.pandas_engine.Date, ["2026-01-01", "2026-01-02", "bad", "2026-01-03"], date(2026, 1, 1)),
    ("timedelta64[ns]", ["1 days", "2 days", "bad", "3 days"], timedelta(days=1)),
    ("Int64", ["1", "2", "bad", "3"], 1),
    ("int8", ["1", "2", "300", "3"], 1),
    ("datetime64[us]", ["2026-01-01", "2026-01-02", "bad", "2026-01-03"], pd.Timestamp("2026-01-01")),
]


@pytest.mark.parametrize(("dtype", "texts", "first"), TYPES, ids=[str(case[0]) for case in TYPES])
@pytest.mark.parametrize("null", [False, True])
def test_each_type_refuses_the_value_that_it_cannot_read(
    write: Write, check: Check, dtype: Any, texts: list[Any], first: Any, null: bool
) -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(dtype, coerce=True, nullable=True)})
    checked = check(write(pl.DataFrame({"a": [*texts, None] if null else texts})), schema)
    assert checked.failures == {(2, "a", "coerce_dtype")}
    values = checked.valid["a"].to_pylist()
    assert values[0] == first
    assert len(values) == 3 + null
    assert (values[-1] is None) == null


@pytest.mark.parametrize("dtype", ["datetime64[us]", pandas_engine.Date])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_times_as_text_have_one_form_whatever_the_batches(
    write: Write, check: Check, monkeypatch: pytest.MonkeyPatch, dtype: Any, rows: int
) -> None:
    """A bad value before or between them changes neither the month nor the day."""
    monkeypatch.setattr(batches, "_MOST_ROWS", rows)
    monkeypatch.setattr(batches, "_FEWEST_ROWS", 1)
    schema = pandas.DataFrameSchema({"a": pandas.Column(dtype, coerce=True, nullable=True)})
    texts = ["bad", None, "13/01/2024", "02/01/2024", "bad", "03/04/2024", "2024-05-06"]
    checked = check(write(pl.DataFrame({"a": texts})), schema)
    assert checked.failures == {(row, "a", "coerce_dtype") for row in (0, 4, 6)}
    read = [None if at is None else (at.month, at.day) for at in checked.valid["a"].to_pylist()]
    assert read == [None, (1, 13), (1, 2), (4, 3)]
    checked = check(write(pl.DataFrame({"a": ["02/01/2024", "13/01/2024"]})), schema)
    assert checked.failures == {(1, "a", "coerce_dtype")}


@pytest.mark.parametrize("rows", [1, 100])
def test_times_in_forms_of_iso_8601_may_differ(
    write: Write, check: Check, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(batches, "_MOST_ROWS", rows)
    monkeypatch.setattr(batches, "_FEWEST_ROWS", 1)
    schema = pandas.DataFrameSchema({"a": pandas.Column("datetime64[us]", coerce=True)})
    checked = check(write(pl.DataFrame({"a": ["2024-05-06", "2024-05-06 07:08:09", "06/05/2024"]})), schema)
    assert checked.failures == {(2, "a", "coerce_dtype")}
    assert [at.hour for at in checked.valid["a"].to_pylist()] == [0, 7]


def test_a_form_that_the_schema_names_is_kept(write: Write, check: Check) -> None:
    dtype = pandas_engine.DateTime(unit="us", to_datetime_kwargs={"format": "%d.%m.%Y"})
    schema = pandas.DataFrameSchema({"a": pandas.Column(dtype, coerce=True)})
    checked = check(write(pl.DataFrame({"a": ["05.01.2024", "2024-05-06"]})), schema)
    assert checked.failures == {(1, "a", "coerce_dtype")}
    assert [at.month for at in checked.valid["a"].to_pylist()] == [1]


@pytest.mark.parametrize(
    ("dtype", "least", "most"),
    [
        ("int64", -(2.0**63), 2.0**63 - 1024),
        ("Int64", -(2.0**63), 2.0**63 - 1024),
        ("uint64", 0.0, 2.0**64 - 2048),
        ("int8", -128.9, 127.9),
        ("Int8", -128.0, 127.0),
        ("uint8", 0.0, 255.0),
    ],
)
@pytest.mark.parametrize("null", [False, True])
def test_a_number_beyond_the_integers_is_none(
    write: Write, check: Check, dtype: str, least: float, most: float, null: bool
) -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(dtype, coerce=True, nullable=True)})
    beyond = [float(int(most)) + 2048, least - 2048, 1e300]
    checked = check(write(pl.DataFrame({"a": [least, most, *beyond, *([None] if null else [])]})), schema)
    assert checked.failures == {(row, "a", "coerce_dtype") for row in (2, 3, 4)}
    assert checked.valid["a"].to_pylist() == [int(least), int(most), *([None] if null else [])]


def test_types_are_settled_before_the_first_row(write: Write, check: Check) -> None:
    """The first file has no value, or a smaller one, or none that is valid."""
    write(pa.table({"a": pa.nulls(2, pa.string()), "b": ["1", "2"], "c": ["x", "y"]}), "in/1.parquet")
    write(pa.table({"a": ["1.25"], "b": ["333.25"], "c": ["4"]}), "in/2.parquet")
    decimal = pandera.engines.pandas_engine.Decimal(6, 2)
    schema = pandas.DataFrameSchema(
        {
            "a": pandas.Column(decimal, coerce=True, nullable=True),
            "b": pandas.Column(decimal, coerce=True),
            "c": pandas.Column(int, pandas.Check.gt(0), coerce=True, nullable=True),
        }
    )
    folder = str(Path(write(pa.table({"a": ["2"], "b": ["1"], "c": ["5"]}), "in/3.parquet")).parent)
    checked = check(folder, schema)
    assert {row for row, *_ in checked.failures} == {0, 1}
    assert checked.valid.to_pydict() == {
        "a": [Decimal("1.25"), Decimal("2.00")],
        "b": [Decimal("333.25"), Decimal("1.00")],
        "c": [4, 5],
    }


def test_parsed_values_of_several_types_are_refused(write: Write, check: Check) -> None:
    mixed = pandas.Parser(lambda value: value if value > 1 else "one", element_wise=True)
    schema = pandas.DataFrameSchema({"a": pandas.Column(parsers=mixed)})
    with pytest.raises(ConfigurationError, match="parsed values of 'a' cannot be written"):
        check(write(pl.DataFrame({"a": [1, 2]})), schema)


def test_a_column_without_a_value_keeps_its_type_when_cells_are_mapped(write: Write, check: Check) -> None:
    same = pandas.Parser(lambda value: value, element_wise=True)
    columns = {"a": pandas.Column(str, nullable=True), "b": pandas.Column(float, nullable=True)}
    schema = pandas.DataFrameSchema(columns, parsers=same)
    for number, text in enumerate(["x", None]):
        table = pa.table({"a": pa.array([text], pa.string()), "b": pa.array([None], pa.float64())})
        path = write(table, f"in/{number}.parquet")
    checked = check(str(Path(path).parent), schema)
    assert checked.stopped is None
    assert checked.valid.to_pydict() == {"a": ["x", None], "b": [None, None]}


UNIT = "ns" if pd.__version__.startswith("2.") else "us"
"""Of times that pandas maps one by one: pandas 2 makes nanoseconds of them."""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, str) else None


@pytest.mark.parametrize(
    ("source", "value", "dtype", "parse"),
    [
        (pa.string(), "1", str, lambda value: value),
        (pa.string(), "1", float, _number),
        (pa.timestamp("us", "UTC"), 1, pandas_engine.DateTime(unit=UNIT, tz="UTC"), lambda value: value),
        (pa.int64(), 1, None, lambda value: None if pd.isna(value) else str(value)),
    ],
    ids=["text", "text-to-number", "time", "undeclared"],
)
def test_a_file_without_a_value_has_the_type_that_a_parser_of_the_column_gives(
    write: Write, check: Check, source: Any, value: Any, dtype: Any, parse: Any
) -> None:
    parser = pandas.Parser(parse, element_wise=True)
    schema = pandas.DataFrameSchema({"a": pandas.Column(dtype, nullable=True, parsers=parser)})
    for number, values in enumerate([[value, None], [None, None], []]):
        path = write(pa.table({"a": pa.array(values, source)}), f"in/{number}.parquet")
    checked = check(str(Path(path).parent), schema)
    assert checked.stopped is None
    first, *others = checked.valid["a"].to_pylist()
    assert (first is not None, others) == (True, [None, None, None])


@BACKENDS
def test_integers_with_nulls_are_integers_whatever_the_name(write: Write, check: Check, backend: Any) -> None:
    for name in ("price.usd", "price_usd"):
        write(pa.table({name: pa.array([1, 2])}), f"{name}/1.parquet")
        path = write(pa.table({name: pa.array([3, None])}), f"{name}/2.parquet")
        schema = backend.DataFrameSchema({name: backend.Column(int, backend.Check.lt(3), nullable=True)})
        checked = check(str(Path(path).parent), schema)
        assert checked.failures == {(0, name, "less_than")}
        assert checked.valid[name].to_pylist() == [1, 2, None]


@pytest.mark.parametrize("name", ["price.usd", "price_usd"])
def test_pandas_floats_are_integers_with_nulls(write: Write, check: Check, name: str) -> None:
    write(pa.table({name: pa.array([1, 2])}), "in/1.parquet")
    path = write(pa.table({name: pa.array([3, None])}), "in/2.parquet")
    checked = check(
        str(Path(path).parent), pandas.DataFrameSchema({name: pandas.Column(float, nullable=True)})
    )
    assert checked.run.quarantined == 0
    assert checked.valid[name].to_pylist() == [1, 2, 3, None]


@BACKENDS
def test_a_missing_column_hides_nothing(write: Write, check: Check, backend: Any) -> None:
    column = backend.Column(int, backend.Check.gt(0), coerce=True)
    checked = check(
        write(pl.DataFrame({"a": ["1", "x", "-1"]})), backend.DataFrameSchema({"a": column, "b": column})
    )
    assert checked.result("column_in_dataframe", "b").failed == 1
    assert checked.failures == {(1, "a", "coerce_dtype"), (2, "a", "greater_than")}
    assert "validate" not in {one.check for one in checked.run.checks}


@BACKENDS
def test_a_bad_value_below_a_pattern_or_the_frames_type_is_of_its_column(
    write: Write, check: Check, backend: Any
) -> None:
    frame = pl.DataFrame({"n_1": ["1", "2"], "n_2": ["3", "x"], "n_3": ["5", "6"]})
    pattern = backend.DataFrameSchema({"^n_.+$": backend.Column(float, coerce=True, regex=True)})
    columns = {name: backend.Column() for name in frame.columns}
    whole = backend.DataFrameSchema(columns, dtype=float, coerce=True)
    for schema in (pattern, whole, backend.DataFrameSchema(dtype=float, coerce=True)):
        checked = check(write(frame), schema)
        assert checked.failures == {(1, "n_2", "coerce_dtype")}
        assert checked.valid.to_pydict() == {"n_1": [1.0], "n_2": [3.0], "n_3": [5.0]}


@BACKENDS
def test_a_pattern_covers_the_columns_that_pandera_finds(write: Write, check: Check, backend: Any) -> None:
    """pandas looks at the beginning of a name, polars at the whole name."""
    pattern = backend.Column(float, backend.Check.gt(0), regex=True, coerce=True, unique=True)
    schema = backend.DataFrameSchema({r"n_\d": pattern})
    checked = check(write(pl.DataFrame({"n_1": ["-1", "2"], "n_10": ["-1", "-1"]})), schema)
    of_both = {(0, "n_1", "greater_than")}
    of_pandas = {(row, "n_10", name) for row in (0, 1) for name in ("greater_than", "field_uniqueness")}
    assert checked.failures == of_both | (of_pandas if backend is pandas else set())


def test_each_alternative_of_a_pattern_is_one_of_pandera(write: Write, check: Check) -> None:
    column = polars.Column(int, polars.Check.gt(0), regex=True)
    frame = pl.DataFrame({"price": [-1], "price_2": [-1], "total_cost": [-1], "costs": [-1]})
    checked = check(write(frame), polars.DataFrameSchema({"price|cost": column}))
    assert {name for _, name, _ in checked.failures} == set(frame.columns) - {"costs"}


@pytest.mark.parametrize(
    ("patterns", "said"),
    [(["(a"], "Python cannot read"), ([r"\p{L}"], "cannot read"), (["a.", "^a.$"], "twice")],
)
def test_a_pattern_that_cannot_be_read_or_is_there_twice_is_an_error(
    write: Write, check: Check, patterns: list[str], said: str
) -> None:
    schema = polars.DataFrameSchema({name: polars.Column(int, regex=True) for name in patterns})
    with pytest.raises(ConfigurationError, match=said):
        check(write(pl.DataFrame({"a": [1]})), schema)


@BACKENDS
def test_a_bad_value_is_no_reason_for_others(write: Write, check: Check, backend: Any) -> None:
    """Row 0 has one, so the checks of its other column and of the other rows are the same without it."""
    if backend is pandas:
        wide = backend.Check(lambda frame: frame["a"] < frame["b"], name="a below b")
    else:
        wide = backend.Check(lambda data: data.lazyframe.select(pl.col("a") < pl.col("b")), name="a below b")
    schema = backend.DataFrameSchema(
        {
            "a": backend.Column(int, [backend.Check.gt(0), backend.Check.ne(7)], coerce=True),
            "b": backend.Column(int, backend.Check.lt(9), coerce=True),
        },
        checks=wide,
    )
    checked = check(write(pl.DataFrame({"a": ["x", "7", "-1", "3"], "b": ["10", "1", "1", "4"]})), schema)
    assert checked.failures == {
        (0, "a", "coerce_dtype"),
        (0, "b", "less_than"),
        (1, "a", "not_equal_to"),
        (1, None, "a below b"),
        (2, "a", "greater_than"),
    }


@BACKENDS
def test_one_bad_value_is_one_failure(write: Write, check: Check, backend: Any) -> None:
    path = write(pl.DataFrame({"a": ["x", "1", "2"]}))
    schema = backend.DataFrameSchema({"a": backend.Column(int, backend.Check.gt(0), coerce=True)})
    for allowed in (1, 0):
        checked = check(path, schema, thresholds={"coerce_dtype": allowed})
        result = checked.result("coerce_dtype", "a")
        assert (result.failed, result.evaluated, result.passed) == (1, 3, bool(allowed))
        assert (checked.stopped is None) == bool(allowed)


@BACKENDS
def test_a_forbidden_null_is_the_only_reason_of_its_value(write: Write, check: Check, backend: Any) -> None:
    known = backend.Check.isin([1, 2], ignore_na=False)
    schema = backend.DataFrameSchema({"a": backend.Column(int, known, unique=True)})
    checked = check(write(pa.table({"a": pa.array([1, None, None, 3])})), schema)
    assert checked.failures == {(1, "a", "not_nullable"), (2, "a", "not_nullable"), (3, "a", "isin")}


def test_a_check_that_raises_in_one_group_is_counted_apart(write: Write, check: Check) -> None:
    def positive(value: int) -> bool:
        if value == 5:
            raise ValueError("five")
        return value > 0

    element = pandas.Check(positive, element_wise=True, name="positive")
    schema = pandas.DataFrameSchema({"a": pandas.Column(int, element)})
    write(pl.DataFrame({"a": [-1, -2, -3, 4]}), "in/1.parquet")
    path = write(pl.DataFrame({"a": [5, -6]}), "in/2.parquet")
    checked = check(str(Path(path).parent), schema)
    results = {one.level: one for one in checked.run.checks if one.check == "positive"}
    assert (results["row"].failed, results["row"].evaluated) == (3, 4)
    assert (results["dataset"].failed, results["dataset"].evaluated) == (1, 1)
    assert checked.stopped is not None


def test_every_refused_row_names_its_file_and_place(write: Write, check: Check) -> None:
    above = pandas.Check(lambda series: series < series.max(), name="below top")
    schema = pandas.DataFrameSchema({"a": pandas.Column(int, above)})
    write(pl.DataFrame({"a": [1, 9]}), "in/1.parquet")
    path = write(pl.DataFrame({"a": [2, 9, 9]}), "in/2.parquet")
    checked = check(str(Path(path).parent), schema)
    assert checked.run.mode == "whole"
    places = [(Path(row["file"]).name, row["row"]) for row in checked.refused]
    assert places == [("1.parquet", 1), ("2.parquet", 1), ("2.parquet", 2)]
    assert checked.result("below top", "a").examples[1] == {
        "file": path, "row": 1, "value": "9", "message": "fails below top",
    }  # fmt: skip


@BACKENDS
def test_a_wrong_type_of_the_whole_frame_ends(write: Write, check: Check, backend: Any) -> None:
    checked = check(
        write(pl.DataFrame({"x": ["1", "b"]})),
        backend.DataFrameSchema(dtype=pl.Int64 if backend is polars else "int64"),
    )
    assert checked.result("dtype", "x").level == "dataset"
    assert (checked.run.quarantined, checked.stopped is not None) == (0, True)


def test_a_bad_value_has_one_reason_beside_columns_that_are_not_declared(write: Write, check: Check) -> None:
    schema = pandas.DataFrameSchema({"x": pandas.Column(str)}, dtype="int64", coerce=True)
    checked = check(write(pl.DataFrame({"x": ["1", "b"], "y": ["q", "2"]})), schema)
    assert checked.failures == {(1, "x", "coerce_dtype"), (0, "y", "coerce_dtype")}


@BACKENDS
def test_a_column_below_two_patterns_is_checked_by_both(write: Write, check: Check, backend: Any) -> None:
    schema = backend.DataFrameSchema(
        {
            "^a.*$": backend.Column(int, backend.Check.gt(0), regex=True, coerce=True),
            "^.*1$": backend.Column(int, backend.Check.lt(5), regex=True, coerce=True),
        }
    )
    checked = check(write(pl.DataFrame({"a1": ["1", "-3", "9"], "a2": ["x", "2", "0"]})), schema)
    assert checked.failures == {
        (0, "a2", "coerce_dtype"),
        (1, "a1", "greater_than"),
        (2, "a1", "less_than"),
        (2, "a2", "greater_than"),
    }


def test_pandas_checks_a_declared_column_by_its_pattern_too(write: Write, check: Check) -> None:
    schema = pandas.DataFrameSchema(
        {
            "a.*": pandas.Column("int64", pandas.Check.gt(0), regex=True, coerce=True),
            "a1": pandas.Column("int64", pandas.Check.lt(5), coerce=True),
        }
    )
    checked = check(write(pl.DataFrame({"a1": ["1", "-3", "9"], "a2": ["x", "2", "3"]})), schema)
    assert checked.failures == {(0, "a2", "coerce_dtype"), (1, "a1", "greater_than"), (2, "a1", "less_than")}


@BACKENDS
def test_a_schema_that_leaves_no_column(write: Write, check: Check, backend: Any) -> None:
    path = write(pl.DataFrame({"x": [0, 0]}))
    with pytest.raises(ConfigurationError, match="leaves no column"):
        check(path, backend.DataFrameSchema({"b": backend.Column(int, required=False)}, strict="filter"))
    checked = check(path, backend.DataFrameSchema({"b": backend.Column(int)}, strict="filter"))
    assert checked.result("column_in_dataframe", "b").failed == 1


@BACKENDS
def test_a_text_column_is_no_number_in_any_row(write: Write, check: Check, backend: Any) -> None:
    checked = check(
        write(pl.DataFrame({"k": ["5", "x", "7"]})), backend.DataFrameSchema({"k": backend.Column(int)})
    )
    assert (checked.result("dtype", "k").level, checked.run.quarantined) == ("dataset", 0)


@BACKENDS
@pytest.mark.parametrize("dtype", [int, bool, str, float])
def test_an_added_column_is_null_or_its_default(
    write: Write, check: Check, backend: Any, dtype: type
) -> None:
    path = write(pl.DataFrame({"a": [1, 2]}))
    for coerce in (False, True):
        added = backend.Column(dtype, nullable=True, coerce=coerce)
        schema = backend.DataFrameSchema({"a": backend.Column(int), "b": added}, add_missing_columns=True)
        checked = check(path, schema)
        assert (checked.run.outcome, checked.valid["b"].to_pylist()) == ("passed", [None, None])
        expected = to_arrow_type(dtype)
        assert checked.valid.schema.field("b").type == expected


def to_arrow_type(dtype: type) -> pa.DataType:
    """Return the type of a column that was text to pandas or polars."""
    return {int: pa.int64(), bool: pa.bool_(), str: pa.large_string(), float: pa.float64()}[dtype]


@BACKENDS
def test_an_added_column_is_checked_as_any_other(write: Write, check: Check, backend: Any) -> None:
    added = backend.Column(int, [backend.Check.gt(4), backend.Check.gt(7)], default=5, unique=True)
    schema = backend.DataFrameSchema({"a": backend.Column(int), "b": added}, add_missing_columns=True)
    checked = check(write(pl.DataFrame({"a": [1, 2]})), schema)
    assert checked.failures == {
        (row, "b", name) for row in (0, 1) for name in ("greater_than(7)", "field_uniqueness")
    }
    assert (checked.result("greater_than(4)", "b").evaluated, checked.result("dtype", "b").evaluated) == (
        2,
        1,
    )


def test_an_added_column_without_a_type_is_refused(write: Write, check: Check) -> None:
    schema = pandas.DataFrameSchema({"b": pandas.Column(nullable=True)}, add_missing_columns=True)
    with pytest.raises(ConfigurationError, match="adds the column 'b', which has no type"):
        check(write(pl.DataFrame({"a": [1]})), schema)


def test_lists_that_are_to_be_texts_are_refused_one_by_one() -> None:
    import pandas as pd
    import pandera.pandas as pandas_backend

    from io_intelligence_provider import CheckOptions, check_frame

    columns = {
        "tags": pandas_backend.Column("int64", coerce=True, nullable=True),
        "fare": pandas_backend.Column(int, pandas_backend.Check.ge(0)),
    }
    frame = pd.DataFrame({"tags": [["a"], ["b"], None], "fare": [1, -2, 3]})
    run = check_frame(frame, pandas_backend.DataFrameSchema(columns), CheckOptions(fail_on="never"))
    failed = {(check.column, check.check): check.failed for check in run.checks if check.failed}
    assert failed["fare", "greater_than_or_equal_to"] == 1
    assert failed["tags", "coerce_dtype"] == 2
