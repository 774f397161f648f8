"""The failures of one batch: which rows, of which column, and what is checked without them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from pandera import pandas, polars
from pandera.engines import pandas_engine, polars_engine
from pydantic import BaseModel

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.batches import Batch
from io_intelligence_provider.quality.prepare import prepare
from io_intelligence_provider.quality.schema import load_schema
from io_intelligence_provider.quality.validator import BatchValidator

BACKENDS = pytest.mark.parametrize("backend", [pandas, polars], ids=["pandas", "polars"])
Found = set[tuple[str, str | None, tuple[int, ...] | None]]


def batch_of(columns: Any) -> Batch:
    return Batch(columns if isinstance(columns, pa.Table) else pa.table(columns), "x.parquet", 0, 0)


def validator_of(schema: Any, floats: Sequence[str] = ()) -> BatchValidator:
    return BatchValidator(prepare(load_schema(schema)), frozenset(floats))


def failures(schema: Any, *batches: Any, floats: Sequence[str] = ()) -> Found:
    """Return the check, column and rows of each failure of the last of some batches."""
    validator = validator_of(schema, floats)
    for batch in batches:
        found = validator.failures_of(validator.parse(batch_of(batch)))
    listed = [(one.check, one.column, None if one.rows is None else tuple(one.rows)) for one in found]
    assert len(set(listed)) == len(listed)
    return set(listed)


def messages(schema: Any, batch: Any) -> dict[tuple[str, str | None], str]:
    validator = validator_of(schema)
    found = validator.failures_of(validator.parse(batch_of(batch)))
    return {(one.check, one.column): one.message for one in found}


@BACKENDS
def test_a_valid_batch_has_no_failures(backend: Any) -> None:
    assert failures(backend.DataFrameSchema({"a": backend.Column(int)}, strict=True), {"a": [1, 2]}) == set()


@BACKENDS
def test_an_unreadable_value_fails_for_that_alone(backend: Any) -> None:
    """Neither the checks of its column nor those of its row look at it; those of the other columns do."""
    positive = backend.Check.gt(0)
    if backend is pandas:
        rows = pandas.Check(lambda frame: frame["a"] + frame["b"] < 10, name="sum")
    else:
        below = pl.col("a") + pl.col("b") < 10
        rows = polars.Check(lambda data: data.lazyframe.select(below), name="sum")
    schema = backend.DataFrameSchema(
        {
            "a": backend.Column(int, positive, coerce=True),
            "b": backend.Column(int, positive, coerce=True),
            "c": backend.Column(int, positive),
        },
        checks=rows,
        strict=True,
        ordered=True,
    )
    table = {
        "a": ["x", "-1", "1", "9", "1", "9"],
        "b": ["9", "1", "y", "9", "-5", "1"],
        "c": [-1, 1, -1, 1, 1, 1],
    }
    assert failures(schema, table) == {
        ("coerce_dtype", "a", (0,)),
        ("coerce_dtype", "b", (2,)),
        ("greater_than", "a", (1,)),
        ("greater_than", "b", (4,)),
        ("greater_than", "c", (0, 2)),
        ("sum", None, (3, 5)),
    }
    kind = "int64" if backend is pandas else "Int64"
    assert messages(schema, table)["coerce_dtype", "b"] == f"cannot be read as {kind}"


@BACKENDS
def test_where_no_value_can_be_read_the_columns_are_checked_all_the_same(backend: Any) -> None:
    schema = backend.DataFrameSchema(
        {
            "a": backend.Column(int, backend.Check.gt(0), coerce=True),
            "b": backend.Column(int, backend.Check.gt(0)),
            "c": backend.Column(int),
        },
        strict=True,
    )
    found = failures(schema, {"a": ["x", "y"], "b": [1, -1], "more": [1, 1]})
    assert found == {
        ("coerce_dtype", "a", (0, 1)),
        ("greater_than", "b", (1,)),
        ("column_in_dataframe", "c", None),
        ("column_in_schema", "more", None),
    }


@BACKENDS
def test_columns_out_of_order_are_said_once_beside_an_unreadable_value(backend: Any) -> None:
    schema = backend.DataFrameSchema(
        {"a": backend.Column(int, coerce=True), "b": backend.Column(int, coerce=True)}, ordered=True
    )
    found = failures(schema, {"b": ["1", "x"], "a": ["1", "x"]})
    assert {one for one in found if one[0] == "coerce_dtype"} == {
        ("coerce_dtype", "a", (1,)),
        ("coerce_dtype", "b", (1,)),
    }
    assert {(check, rows) for check, _, rows in found if check != "coerce_dtype"} == {
        ("column_ordered", None)
    }


class Row(BaseModel):
    a: int
    b: int = 1


@pytest.mark.parametrize(
    ("backend", "model"),
    [(pandas, pandas_engine.PydanticModel(Row)), (polars, polars_engine.PydanticModel(Row))],
    ids=["pandas", "polars"],
)
def test_a_row_that_is_no_model_is_in_no_other_check(backend: Any, model: Any) -> None:
    positive = backend.Check.gt(0)
    columns = {"a": backend.Column(None, positive), "b": backend.Column(None, positive)}
    schema = backend.DataFrameSchema(columns, dtype=model, coerce=True)
    table = {"a": ["-1", "x", "2"], "b": [1, -1, -2]}
    assert failures(schema, table) == {
        ("coerce_dtype", None, (1,)),
        ("greater_than", "a", (0,)),
        ("greater_than", "b", (2,)),
    }
    assert messages(schema, table)["coerce_dtype", None] == "is no Row"


@pytest.mark.parametrize(
    ("backend", "engine"), [(pandas, pandas_engine), (polars, polars_engine)], ids=["pandas", "polars"]
)
def test_where_no_row_is_a_model_a_missing_column_is_said(backend: Any, engine: Any) -> None:
    columns = {"a": backend.Column(), "c": backend.Column()}
    schema = backend.DataFrameSchema(columns, dtype=engine.PydanticModel(Row), coerce=True)
    found = failures(schema, {"a": ["x", "y"]})
    assert found == {("coerce_dtype", None, (0, 1)), ("column_in_dataframe", "c", None)}


def test_a_check_is_not_asked_about_no_value() -> None:
    largest = pandas.Check(lambda values: bool(values.max() > 0), name="largest")
    rows = pandas.Check(lambda frame: bool(frame["a"].max() > 0), name="rows")
    schema = pandas.DataFrameSchema({"a": pandas.Column(int, largest, coerce=True)}, checks=rows)
    assert failures(schema, {"a": ["x", "y"]}) == {("coerce_dtype", "a", (0, 1))}


def test_checks_of_rows_see_the_columns_of_the_data() -> None:
    same = pandas.Check(lambda frame: list(frame.columns) == ["a", "b"], name="same columns")
    columns = {"a": pandas.Column(int, coerce=True), "b": pandas.Column(int)}
    schema = pandas.DataFrameSchema(columns, checks=same)
    assert failures(schema, {"a": ["1", "x"], "b": [1, 2]}) == {("coerce_dtype", "a", (1,))}


def test_an_object_of_another_type_fails_for_that_alone() -> None:
    """A parser may make objects of several types in one column."""
    made: dict[int, Any] = {1: 1, 2: "long", 3: "x", 4: 2.5}
    parser = pandas.Parser(lambda series: series.map(made).astype(object))
    short = pandas.Check(lambda series: series.str.len() < 2, name="short")
    positive = pandas.Check(lambda frame: frame["b"] > 0, name="positive")
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(str, short, parsers=parser), "b": pandas.Column(int)}, checks=positive
    )
    table = {"a": [1, 2, 3, 4], "b": [-1, -1, 1, 1]}
    assert failures(schema, table) == {
        ("dtype", "a", (0, 3)),
        ("short", "a", (1,)),
        ("positive", None, (1,)),
    }
    assert messages(schema, table)["dtype", "a"] == "is not of the schema's type"


@BACKENDS
def test_another_type_is_one_failure_of_the_column(backend: Any) -> None:
    schema = backend.DataFrameSchema(
        {"a": backend.Column(int, backend.Check.gt(0)), "b": backend.Column(int, backend.Check.gt(0))}
    )
    found = failures(schema, {"a": [1.5, -1.0], "b": [1, -1]})
    assert {("dtype", "a", None), ("greater_than", "a", (1,)), ("greater_than", "b", (1,))} == found
    texts = failures(backend.DataFrameSchema({"a": backend.Column(int)}), {"a": ["x", "y"]})
    assert texts == {("dtype", "a", None)}


@BACKENDS
def test_a_null_where_there_must_be_none_is_the_only_failure_of_its_value(backend: Any) -> None:
    def of(*checks: Any, **options: Any) -> Any:
        return backend.DataFrameSchema({"a": backend.Column(float, [*checks], **options)})

    checks = [
        backend.Check.gt(0),
        backend.Check(lambda value: value < 5, element_wise=True, name="less_than", ignore_na=False),
    ]
    table = {"a": [1.0, None, -1.0, 9.0]}
    assert failures(of(*checks), table) == {
        ("not_nullable", "a", (1,)),
        ("greater_than", "a", (2,)),
        ("less_than", "a", (3,)),
    }
    only = of(backend.Check(lambda value: value > -9, element_wise=True, name="above", ignore_na=False))
    assert failures(only, table) == {("not_nullable", "a", (1,))}


@BACKENDS
def test_nan_is_ignored_by_checks_that_ignore_missing_values(backend: Any) -> None:
    """A check that does not ignore them changes nothing about another of its column."""
    below = backend.Check.lt(9)
    text = backend.Column(str, backend.Check.str_length(max_value=1), nullable=True)
    always = {("less_than", "a", (2,)), ("str_length", "t", (1,))}
    for ignore_na in (True, False):
        checks = [below, backend.Check.isin([1.0, 10.0], ignore_na=ignore_na)]
        schema = backend.DataFrameSchema({"a": backend.Column(float, checks, nullable=True), "t": text})
        found = failures(schema, {"a": [1.0, float("nan"), 10.0], "t": ["x", "yy", None]})
        assert found == always | (set() if ignore_na else {("isin", "a", (1,))})


def test_nan_is_not_ignored_by_the_check_of_any_pattern_that_says_so() -> None:
    def column(*checks: Any) -> Any:
        return polars.Column(float, [*checks], regex=True, nullable=True)

    strict = polars.Check.isin([1.0], ignore_na=False)
    table = {"n_1": [1.0, float("nan")]}
    schema = polars.DataFrameSchema({"^n_.$": column(polars.Check.lt(9)), "^n_1$": column(strict)})
    assert failures(schema, table) == {("isin", "n_1", (1,))}
    by_name = polars.DataFrameSchema(
        {"^n_.$": column(strict), "n_1": polars.Column(float, polars.Check.isin([1.0]), nullable=True)}
    )
    assert failures(by_name, table | {"n_2": [1.0, 1.0]}) == set()


def test_rows_are_those_of_the_batch_whatever_order_a_parser_gives_them() -> None:
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(int, pandas.Check.lt(3)), "b": pandas.Column(int, coerce=True)},
        parsers=pandas.Parser(lambda frame: frame.sort_values("a")),
    )
    found = failures(schema, {"a": [4, 1, 3, 2], "b": ["1", "2", "3", "x"]})
    assert found == {("less_than", "a", (0, 2)), ("coerce_dtype", "b", (3,))}


def test_a_parser_is_run_once() -> None:
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(int, pandas.Check.lt(3))},
        parsers=pandas.Parser(lambda frame: frame.assign(a=frame["a"] + 1)),
    )
    assert failures(schema, {"a": [1, 2]}) == {("less_than", "a", (1,))}


def test_a_parser_that_raises_is_the_only_failure() -> None:
    def broken(_: Any) -> Any:
        raise ValueError("oh")

    schema = pandas.DataFrameSchema({"b": pandas.Column(int)}, parsers=pandas.Parser(broken))
    assert messages(schema, {"a": [1]}) == {("validate", None): "raised ValueError: oh"}


@BACKENDS
def test_columns_of_a_pattern_and_columns_outside_the_schema(backend: Any) -> None:
    pattern = backend.Column(int, backend.Check.gt(0), regex=True)
    schema = backend.DataFrameSchema({r"n_\d": pattern, "b": backend.Column(int)}, strict=True)
    table = {"n_1": [1, -1], "n_2": [-1, 1], "b": [1, 1], "x": [1, 1], "y": [1, 1], "n_": [1, 1]}
    assert failures(schema, table) == {
        ("greater_than", "n_1", (1,)),
        ("greater_than", "n_2", (0,)),
        *{("column_in_schema", name, None) for name in ("x", "y", "n_")},
    }
    assert messages(schema, table)["column_in_schema", "y"] == "is not in the schema"


@BACKENDS
def test_a_pattern_that_no_column_matches_is_a_failure(backend: Any) -> None:
    schema = backend.DataFrameSchema({r"^n_\d$": backend.Column(int, regex=True)})
    assert {rows for _, _, rows in failures(schema, {"a": [1]})} == {None}


@BACKENDS
def test_a_column_by_name_and_by_patterns(backend: Any) -> None:
    """To pandas it has all their checks, to polars those of its name alone."""
    schema = backend.DataFrameSchema(
        {
            "a.": backend.Column(int, backend.Check.gt(0), regex=True),
            "a1": backend.Column(int, backend.Check.lt(5)),
            "a[12]": backend.Column(int, backend.Check.ne(7), regex=True),
        },
        backend.Check(lambda _: False, name="never") if backend is pandas else None,
        strict=True,
    )
    found = failures(schema, {"a1": [-1, 9, 7], "a2": [-2, 9, 7], "z": [1, 1, 1]})
    of_a2: Found = {("greater_than", "a2", (0,)), ("not_equal_to", "a2", (2,))}
    of_a1: Found = {("less_than", "a1", (1, 2))}
    if backend is pandas:
        of_a1 |= {("greater_than", "a1", (0,)), ("not_equal_to", "a1", (2,)), ("never", None, None)}
    assert found == of_a1 | of_a2 | {("column_in_schema", "z", None)}


@BACKENDS
def test_the_type_of_a_frame_is_that_of_each_column(backend: Any) -> None:
    table = {"a": [1, 2], "b": [1.5, 2.5]}
    assert failures(backend.DataFrameSchema(dtype=int), table) == {("dtype", "b", None)}
    assert "'b'" in messages(backend.DataFrameSchema(dtype=int), table)["dtype", "b"]
    one = backend.DataFrameSchema({"a": backend.Column()}, dtype=float)
    assert failures(one, table) == {("dtype", "a", None)}
    assert failures(backend.DataFrameSchema(), table) == set()
    read = backend.DataFrameSchema(dtype=float, coerce=True)
    assert failures(read, {"a": ["1", "x"], "b": ["y", "2"]}) == {
        ("coerce_dtype", "a", (1,)),
        ("coerce_dtype", "b", (0,)),
    }


@BACKENDS
def test_what_a_schema_adds_or_drops_is_no_failure(backend: Any) -> None:
    added = backend.Column(int, backend.Check.lt(5), default=7)
    schema = backend.DataFrameSchema({"a": backend.Column(int), "b": added}, add_missing_columns=True)
    assert failures(schema, {"a": [1, 2]}) == {("less_than", "b", (0, 1))}
    dropping = backend.DataFrameSchema({"a": backend.Column(int, backend.Check.lt(2))}, strict="filter")
    assert failures(dropping, {"a": [1, 2], "z": [1, 1]}) == {("less_than", "a", (1,))}
    needed = backend.DataFrameSchema({"b": backend.Column(int)}, add_missing_columns=True)
    assert {(check, column) for check, column, _ in failures(needed, {"a": [1]})} == {
        ("add_missing_has_default", "b")
    }


@BACKENDS
def test_a_default_is_checked_and_no_null_is_left(backend: Any) -> None:
    column = backend.Column(float, backend.Check.gt(0), default=-1.0)
    assert failures(backend.DataFrameSchema({"a": column}), {"a": [1.0, None]}) == {
        ("greater_than", "a", (1,))
    }


@pytest.mark.parametrize(("dtype", "values"), [(int, [1, None, -1]), ("int8", [1, None, -1])])
@pytest.mark.parametrize("nullable", [True, False])
def test_integers_beside_a_null_of_pandas_have_the_declared_type(
    dtype: Any, values: list[Any], nullable: bool
) -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(dtype, pandas.Check.gt(0), nullable=nullable)})
    kind = pa.int64() if dtype is int else pa.int8()
    nulls = set() if nullable else {("not_nullable", "a", (1,))}
    table = pa.table({"a": pa.array(values, kind)})
    assert failures(schema, table) == {("greater_than", "a", (2,)), *nulls}
    assert failures(schema, table[2:], table) == {("greater_than", "a", (2,)), *nulls}
    assert failures(schema, table, table[2:]) == {("greater_than", "a", (0,))}
    other = pa.table({"a": pa.array(values, pa.int32())})
    assert ("dtype", "a", None) in failures(schema, other)


def test_truth_values_beside_a_null_of_pandas_have_the_declared_type() -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(bool, nullable=True)})
    assert failures(schema, {"a": [True, None]}) == set()
    assert failures(schema, {"a": [1, None]}) == {("dtype", "a", None)}


def test_integers_that_are_floats_in_the_data_set_are_floats_in_each_batch() -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(float, nullable=True)})
    assert failures(schema, {"a": [1, 2]}, floats=["a"]) == set()
    assert failures(schema, {"a": [1, 2]}) == {("dtype", "a", None)}


@BACKENDS
def test_each_batch_is_checked_by_the_columns_that_it_has(backend: Any) -> None:
    pattern = backend.Column(int, backend.Check.gt(0), regex=True)
    schema = backend.DataFrameSchema({"n_.": pattern})
    assert failures(schema, {"n_1": [1]}, {"n_2": [-1]}) == {("greater_than", "n_2", (0,))}
    read = backend.DataFrameSchema({"a": backend.Column(int, backend.Check.gt(0), coerce=True)})
    assert failures(read, {"a": ["x", "-1"]}, {"a": ["-1", "1"]}) == {("greater_than", "a", (0,))}


def test_a_schema_that_pandera_refuses_is_an_error_with_its_name() -> None:
    grouped = pandas.Hypothesis(
        lambda _: (0.0, 1.0), samples="a", groupby="b", relationship=lambda _, p: p > 0, name="grouped"
    )
    schema = pandas.DataFrameSchema({"a": pandas.Column(int)}, grouped, name="Orders")
    with pytest.raises(ConfigurationError, match=r"^pandera refuses the schema Orders: `groupby` cannot be"):
        failures(schema, {"a": [1], "b": [1]})


def test_failures_of_the_data_set_have_no_place_in_a_sorted_frame() -> None:
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(int, pandas.Check.gt(1)), "absent": pandas.Column(int)},
        parsers=pandas.Parser(lambda frame: frame.sort_values("a")),
    )
    expected = {("column_in_dataframe", "absent", None), ("greater_than", "a", (1,))}
    assert failures(schema, {"a": [2, 1]}) == expected


def test_a_value_of_another_type_fails_alone() -> None:
    mixed = pandas.Parser(lambda _: [date(2026, 1, 1), "x"])
    schema = pandas.DataFrameSchema(
        {
            "a": pandas.Column(pandas_engine.Date, parsers=mixed),
            "b": pandas.Column(int, pandas.Check.gt(0)),
        }
    )
    found = failures(schema, {"a": ["", ""], "b": [1, -1]})
    assert found == {("dtype", "a", (1,)), ("greater_than", "b", (1,))}
