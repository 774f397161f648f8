"""Prepared schemas: what they declare, what pandera may no longer hide, and what needs all rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest
from pandera.engines.pandas_engine import PydanticModel
from pydantic import BaseModel

from io_intelligence_provider.quality.checks import Declared
from io_intelligence_provider.quality.prepare import (
    Prepared,
    Unique,
    needs_all_rows,
    prepare,
    times_as_text,
    unique_fields,
)
from io_intelligence_provider.quality.schema import LoadedSchema, load_schema, run_schema

pandas = pandera.pandas


def of(schema: Any) -> Prepared:
    return prepare(load_schema(schema))


def polars(columns: dict[str, Any] | None = None, **options: Any) -> Prepared:
    return of(pa.DataFrameSchema(columns or {}, name="Orders", **options))


def for_pandas(columns: dict[str, Any] | None = None, **options: Any) -> Prepared:
    return of(pandas.DataFrameSchema(columns or {}, name="Orders", **options))


def names(prepared: Prepared) -> list[tuple[str, str | None]]:
    return [(item.check, item.column) for item in prepared.declared]


def test_every_check_is_declared_in_the_order_of_the_report() -> None:
    prepared = polars(
        {
            "a": pa.Column(pl.Int64, pa.Check.ge(0), unique=True, coerce=True),
            "b": pa.Column(nullable=True, required=False),
            "^c": pa.Column(pl.String, pa.Check.isin(["x"], raise_warning=True), regex=True, unique=True),
        },
        checks=pa.Check(lambda data: data.lazyframe, name="whole"),
        strict=True,
        ordered=True,
        unique=["a", "b"],
    )
    assert prepared.declared == (
        Declared("column_in_dataframe", "a", of_rows=False),
        Declared("column_in_schema", None, of_rows=False),
        Declared("column_ordered", None, of_rows=False),
        Declared("dtype", "a", of_rows=False, rule="dtype(DataType(Int64))"),
        Declared("coerce_dtype", "a", of_rows=True, rule="coerce_dtype(DataType(Int64))"),
        Declared("not_nullable", "a", of_rows=True),
        Declared("field_uniqueness", "a", of_rows=True),
        Declared("greater_than_or_equal_to", "a", of_rows=True, rule="greater_than_or_equal_to(min_value=0)"),
        Declared("dtype", "^^c$", of_rows=False, regex=True, rule="dtype(DataType(String))"),
        Declared("not_nullable", "^^c$", of_rows=True, regex=True),
        Declared("field_uniqueness", "^^c$", of_rows=True, regex=True),
        Declared(
            "isin", "^^c$", of_rows=True, regex=True, severity="warn", rule="isin(allowed_values={'x'})"
        ),
        Declared(
            "multiple_fields_uniqueness", None, of_rows=True, rule="multiple_fields_uniqueness([['a','b']])"
        ),
        Declared("whole", None, of_rows=True, rule="whole"),
    )
    assert prepared.unique == (
        Unique("multiple_fields_uniqueness", ("a", "b")),
        Unique("field_uniqueness", ("a",)),
        Unique("field_uniqueness", ("^^c$",), regex=True),
    )
    assert (prepared.index, prepared.row_type) == ((), None)


@pytest.mark.parametrize(
    ("options", "declared"),
    [
        ({"add_missing_columns": True, "strict": "filter"}, []),
        ({"strict": True}, [("column_in_dataframe", "a"), ("column_in_schema", None)]),
        ({"ordered": True}, [("column_in_dataframe", "a"), ("column_ordered", None)]),
        ({"coerce": True}, [("column_in_dataframe", "a"), ("dtype", "a"), ("coerce_dtype", "a")]),
        ({}, [("column_in_dataframe", "a")]),
    ],
)
def test_only_what_the_schema_asks_for_is_declared(options: dict[str, Any], declared: list[Any]) -> None:
    dtype = int if options.get("coerce") else None
    assert names(polars({"a": pa.Column(dtype, nullable=True)}, **options)) == declared


def test_a_pattern_that_is_coerced_is_declared_as_one() -> None:
    declared = polars({"^c": pa.Column(pl.Int64, regex=True, coerce=True, nullable=True)}).declared
    assert [(item.check, item.column, item.regex) for item in declared] == [
        ("dtype", "^^c$", True),
        ("coerce_dtype", "^^c$", True),
    ]


def test_what_hides_failures_is_switched_off_in_a_copy() -> None:
    check = pa.Check.ge(0, raise_warning=True, n_failure_cases=1)
    column = pa.Column(int, check, unique=True, drop_invalid_rows=True)
    schema = pa.DataFrameSchema({"a": column}, unique=["a"], drop_invalid_rows=True)
    column, check = schema.columns["a"], schema.columns["a"].checks[0]  # pandera may have copied them
    prepared: Any = of(schema)
    assert prepared.loaded.schema is schema
    found = prepared.schema.columns["a"]
    assert (found.unique, found.drop_invalid_rows) == (False, False)
    assert (found.checks[0].raise_warning, found.checks[0].n_failure_cases) == (False, None)
    assert (prepared.schema.unique, prepared.schema.drop_invalid_rows) == (None, False)
    assert (column.unique, column.drop_invalid_rows) == (True, True)
    assert (check.raise_warning, check.n_failure_cases, check.name) == (True, 1, "greater_than_or_equal_to")
    assert (schema.unique, schema.drop_invalid_rows) == (["a"], True)


def _twice(data: Any) -> Any:
    return data


@pytest.mark.parametrize(
    ("checks", "expected"),
    [
        ([pa.Check(_twice, name="one")], ["one"]),
        ([pa.Check(_twice)], ["_twice"]),
        ([pa.Check(lambda data: data, name="<lambda>")], ["<lambda>"]),
        ([pa.Check(lambda data: data, error="too low")], ["too low"]),
        ([pa.Check(lambda data: data, error="too low", name="low")], ["low"]),
        ([pa.Check(lambda data: data)] * 1, ["<lambda>"]),
        ([pa.Check(_twice), pa.Check(_twice)], ["_twice#1", "_twice#2"]),
        (
            [pa.Check(_twice, error="a"), pa.Check(_twice, error="b"), pa.Check(_twice)],
            ["a", "b", "_twice#3"],
        ),
        ([pa.Check(_twice, error="a"), pa.Check(_twice, error="a")], ["_twice#1", "_twice#2"]),
        ([pa.Check(_twice), pa.Check(_twice, name="one"), pa.Check(_twice)], ["_twice#1", "one", "_twice#2"]),
        ([pa.Check(_twice, error="a"), pa.Check(_twice, error="a", name="b")], ["_twice", "b"]),
    ],
)
def test_checks_of_a_column_have_names_of_their_own(checks: list[Any], expected: list[str]) -> None:
    prepared: Any = polars({"a": pa.Column(checks=checks, nullable=True, required=False)})
    assert names(prepared) == [(name, "a") for name in expected]
    assert [check.name for check in prepared.schema.columns["a"].checks] == expected
    assert names(polars(checks=checks)) == [(name, None) for name in expected]


def test_the_type_of_the_frame_is_that_of_each_column() -> None:
    prepared: Any = polars({"a": pa.Column(nullable=True), "b": pa.Column(str, nullable=True)}, dtype=pl.Int8)
    assert {str(column.dtype) for column in prepared.schema.columns.values()} == {"Int8"}
    assert ("dtype", "a") in names(prepared)
    assert prepared.row_type is None


class Row(BaseModel):
    """A row with a number."""

    a: int


def test_a_model_of_rows_is_the_type_of_no_column() -> None:
    prepared: Any = for_pandas({"a": pandas.Column(nullable=True)}, dtype=PydanticModel(Row), coerce=True)
    assert prepared.row_type is Row
    assert prepared.schema.columns["a"].dtype is None
    assert (prepared.converts("a"), prepared.converts("other"), prepared.coercion_of("other")) == (
        True,
        True,
        None,
    )


@pytest.mark.parametrize(
    ("report", "keep"), [("all", False), ("exclude_first", "first"), ("exclude_last", "last")]
)
def test_which_occurrence_of_a_key_is_not_reported(report: Any, keep: Any) -> None:
    column = pandas.Column(unique=True, report_duplicates=report)
    prepared = for_pandas({"a": column}, unique=["b"], report_duplicates=report)
    assert [unique.keep for unique in prepared.unique] == [keep, keep]


def test_all_occurrences_of_a_key_are_reported_unless_the_schema_says_so() -> None:
    schema: Any = pa.DataFrameSchema({"a": pa.Column(unique=True)}, unique=["b"])
    schema.report_duplicates = None
    assert [unique.keep for unique in of(schema).unique] == [False, False]


@pytest.mark.parametrize(
    ("unique", "fields"),
    [
        (None, []),
        ([], []),
        ("ab", [["ab"]]),
        (["a", "b"], [["a", "b"]]),
        ([["a", "b"], ["c"]], [["a", "b"], ["c"]]),
    ],
)
def test_the_columns_that_are_unique_together(unique: Any, fields: list[list[str]]) -> None:
    schema: Any = pa.DataFrameSchema()
    schema.unique = unique
    assert unique_fields(schema) == fields
    prepared = of(schema)
    assert [item.columns for item in prepared.unique] == [tuple(field) for field in fields]
    assert names(prepared) == [("multiple_fields_uniqueness", None)] * bool(fields)


PARSER = pandas.Parser(lambda data: data)


def _any(data: Any) -> Any:
    return data > 0


@pytest.mark.parametrize(
    ("columns", "options", "reasons"),
    [
        ({"checks": pandas.Check.ge(0)}, {}, []),
        ({"checks": pandas.Check(_any, element_wise=True)}, {}, []),
        ({"checks": pandas.Check(_any)}, {}, ["check '_any' of column 'a'"]),
        ({"checks": pandas.Check(_any, error="odd")}, {}, ["check 'odd' of column 'a'"]),
        ({"checks": pandas.Check.unique_values_eq([1])}, {}, ["check 'unique_values_eq([1])' of column 'a'"]),
        ({"checks": pandas.Check.ge(0, groupby="b", error="x")}, {}, ["check 'x' of column 'a'"]),
        ({}, {"checks": pandas.Check(_any)}, ["check '_any' of the frame"]),
        ({"parsers": PARSER}, {}, ["a parser of column 'a'"]),
        ({"parsers": pandas.Parser(abs, element_wise=True)}, {}, []),
        ({}, {"parsers": PARSER}, ["a parser of the frame"]),
        ({}, {"index": pandas.Index(int)}, ["the index"]),
        (
            {"dtype": pd.CategoricalDtype(["x"])},
            {},
            ["the type of column 'a', which names its categories"],
        ),
        ({"dtype": "category"}, {}, []),
        ({"unique": True}, {"unique": ["a"]}, []),
    ],
)  # fmt: skip
def test_what_needs_all_rows(columns: Any, options: Any, reasons: list[str]) -> None:
    schema = for_pandas({"a": pandas.Column(**columns), "b": pandas.Column()}, **options)
    assert needs_all_rows(schema) == reasons


def test_polars_needs_all_rows_for_as_much() -> None:
    assert needs_all_rows(polars({"a": pa.Column(int, pa.Check.ge(0))})) == []
    assert needs_all_rows(polars({"a": pa.Column(int, pa.Check(_any))})) == ["check '_any' of column 'a'"]
    categories = "the type of column 'a', which names its categories"
    assert needs_all_rows(polars({"a": pa.Column(pl.Enum(["x"]))})) == [categories]


@pytest.mark.parametrize(
    ("kind", "dtype", "coerce", "reads"),
    [
        ("timestamp[us]", str, True, True),
        ("duration[s]", str, True, True),
        ("int64", str, True, False),
        ("date32[day]", str, True, False),
        ("timestamp[us]", str, False, False),
        ("timestamp[us]", "int64", True, False),
    ],
)
def test_times_that_pandas_reads_as_text(kind: str, dtype: Any, coerce: bool, reads: bool) -> None:
    prepared = for_pandas({"a": pandas.Column(dtype, coerce=coerce)})
    types = {"b": kind, "a": kind}
    assert times_as_text(prepared, types) == ["reading column 'a' as text"] * reads
    assert times_as_text(polars({"a": pa.Column(str, coerce=coerce)}, coerce=True), types) == []


def failing(prepared: Prepared, frame: Any) -> list[Any]:
    return [(failure.check, failure.rows) for failure in run_schema(frame, prepared.schema)]


NUMBERS = pd.DataFrame({"a": pd.array([1, None, -1], "Int64")})


@pytest.mark.parametrize("rows", [slice(0, 3), slice(0, 2)])
def test_a_missing_answer_of_pandas_fails_whatever_else_does(rows: slice) -> None:
    check = pandas.Check(lambda data: data > 0, name="positive", ignore_na=False)
    expected = [index for index in range(3)[rows] if index]
    prepared = for_pandas({"a": pandas.Column("Int64", check, nullable=True)})
    assert failing(prepared, NUMBERS[rows]) == [("positive", expected)]
    whole = pandas.Check(lambda data: data["a"] > 0, name="positive", ignore_na=False)
    assert failing(for_pandas(checks=whole), NUMBERS[rows]) == [("positive", expected)]


@pytest.mark.parametrize("answer", [None, pd.NA, False])
def test_a_missing_answer_for_the_whole_fails(answer: Any) -> None:
    check = pandas.Check(lambda _: answer, name="known", ignore_na=False)
    prepared = for_pandas({"a": pandas.Column("Int64", check, nullable=True)})
    (failure,) = run_schema(NUMBERS, prepared.schema)
    assert (failure.check, failure.rows, failure.message) == ("known", None, "fails known")


def test_a_check_gets_its_parameters() -> None:
    def above(data: Any, low: int) -> Any:
        return data > low

    check = pandas.Check(above, ignore_na=False, low=0)
    prepared = for_pandas({"a": pandas.Column("Int64", check, nullable=True)})
    assert failing(prepared, NUMBERS) == [("above", [1, 2])]


def test_missing_values_are_not_looked_at_unless_asked_for() -> None:
    check = pandas.Check(lambda data: data > 0, name="positive")
    prepared = for_pandas({"a": pandas.Column("Int64", check, nullable=True)})
    assert failing(prepared, NUMBERS) == [("positive", [2])]


def test_a_missing_answer_of_polars_fails() -> None:
    check = pa.Check(lambda value: value > 0, name="positive", element_wise=True, ignore_na=False)
    prepared = polars({"a": pa.Column(pl.Int64, check, nullable=True)})
    assert failing(prepared, pl.DataFrame({"a": [1, None, -1]})) == [("positive", [1, 2])]


def test_a_message_names_the_users_function() -> None:
    loaded = LoadedSchema(
        pandas.DataFrameSchema({"a": pandas.Column(checks=pandas.Check(_any, ignore_na=False))}),
        "pandas",
        "x",
    )
    prepared: Any = prepare(loaded)
    assert str(prepared.schema.columns["a"].checks[0]._check_fn) == str(_any)
