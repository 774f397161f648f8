"""One batch as the parser leaves it: its frame, its order, what cannot be read, what failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars
import pyarrow as pa
import pytest
from pandera.engines import pandas_engine

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.parser import BatchParser, ParsedBatch, bare_column
from io_intelligence_provider.quality.prepare import prepare
from io_intelligence_provider.quality.result import CheckFailure
from io_intelligence_provider.quality.schema import load_schema

pandas, polars = pandera.pandas, pandera.polars
TEXT = str(pd.Series(["x"]).dtype)  # pandas 2 has objects
BACKENDS = pytest.mark.parametrize("backend", [pandas, polars], ids=["pandas", "polars"])


def parse(schema: Any, **columns: Any) -> ParsedBatch:
    return BatchParser(prepare(load_schema(schema))).parse(pa.table(columns))


def values(parsed: ParsedBatch) -> dict[str, list[Any]]:
    """Return the columns of a batch, with ``None`` for every null."""
    frame: Any = parsed.frame
    return {
        str(name): [
            None if pd.api.types.is_scalar(one) and pd.isna(one) else one for one in list(frame[name])
        ]
        for name in frame.columns
    }


def whole(parse: Callable[[Any], Any], name: str | None = None) -> Any:
    """Return a parser of the whole frame."""
    return pandas.Parser(parse, name=name)


def cells(parse: Callable[[Any], Any]) -> Any:
    return pandas.Parser(parse, element_wise=True)


def by(name: str) -> Any:
    """Return a parser that sorts the frame by a column."""
    return whole(lambda frame: frame.sort_values(name, kind="stable"))


def test_a_parser_that_raises_ends_the_batch_and_is_named() -> None:
    def refuse(_: Any) -> Any:
        raise LookupError("no such rate")

    parsed = parse(pandas.DataFrameSchema(parsers=whole(refuse)), a=[1])
    assert parsed.failures == [CheckFailure("validate", None, None, "raised LookupError: no such rate")]
    assert parsed.aborted is True
    assert parse(pandas.DataFrameSchema({"a": pandas.Column(coerce=True)}), a=[1]).aborted is False


@pytest.mark.parametrize(
    ("parsers", "order", "a"),
    [
        ([by("b")], [2, 0, 1], [3, 1, 2]),
        ([by("b"), by("a")], None, [1, 2, 3]),
        ([by("b"), whole(lambda frame: frame.iloc[::-1])], [1, 0, 2], [2, 1, 3]),
        ([cells(lambda value: -value), by("a")], [2, 1, 0], [-3, -2, -1]),
        ([by("a")], None, [1, 2, 3]),
        ([cells(lambda value: value + 1)], None, [2, 3, 4]),
    ],
    ids=["sorted", "sorted-back", "twice", "cells-then-sorted", "unmoved", "cells"],
)
def test_rows_are_followed_through_each_parser(
    parsers: list[Any], order: Sequence[int] | None, a: list[int]
) -> None:
    parsed = parse(pandas.DataFrameSchema(parsers=parsers), a=[1, 2, 3], b=[8, 9, 7])
    assert values(parsed)["a"] == a
    assert parsed.order == order
    assert list(parsed.frame.index) == [0, 1, 2]  # type: ignore[union-attr]
    assert parsed.positions([0, 1]) == (sorted(order[:2]) if order else [0, 1])


def test_what_a_parser_of_the_frame_left_alone_is_known_for_columns_that_nothing_else_changes() -> None:
    columns = {"b": pandas.Column(str, coerce=True), "c": pandas.Column(default=0)}
    schema = pandas.DataFrameSchema(columns, parsers=whole(lambda frame: frame.assign(new=1)))
    assert set(parse(schema, a=[1], b=[1], c=[1]).unchanged) == {"a"}


@pytest.mark.parametrize(
    ("dtype", "source", "parser", "found"),
    [
        (str, pa.nulls(2, pa.string()), cells(lambda value: value), TEXT),
        ("int64", pa.array([], pa.int64()), cells(float), "int64"),
        (bool, pa.nulls(2, pa.bool_()), cells(lambda _: None), "boolean"),
        ("float32", pa.nulls(2, pa.float32()), cells(float), "float32"),
        ("int64", pa.array([None, None], pa.int64()), cells(float), "Int64"),
        ("float64", pa.nulls(2, pa.float64()), whole(lambda one: one.astype(object)), "object"),
        ("float64", pa.array([1.0, None]), cells(lambda _: None), "object"),
        ("float64", pa.nulls(2, pa.float64()), cells(lambda _: "x"), TEXT),
    ],
)
def test_a_column_without_a_value_has_the_type_of_the_schema_if_its_cells_were_mapped(
    dtype: Any, source: Any, parser: Any, found: str
) -> None:
    """A value before or after, or another kind of parser, says what the type is."""
    schema = pandas.DataFrameSchema({"a": pandas.Column(dtype, nullable=True, parsers=parser)})
    assert str(parse(schema, a=source).frame["a"].dtype) == found


@BACKENDS
def test_defaults_fill_nulls_and_columns_that_are_missing(backend: Any) -> None:
    schema = backend.DataFrameSchema(
        {
            "plain": backend.Column(int, coerce=True),
            "text": backend.Column(int, coerce=True, default=7),
            "number": backend.Column(float, default=0.5),
            "new": backend.Column(int, default=3),  # a text of polars is a column's name for older versions
            "later": backend.Column(float, coerce=True, default=1.5),
        },
        add_missing_columns=True,
    )
    parsed = parse(
        schema,
        plain=["1", "2", "3"],
        text=["4", None, "bad"],
        number=pa.array([None, 2.0, 3.0]),
        later=[None, "2", "3"],
    )
    assert values(parsed) == {
        "plain": [1, 2, 3],
        "text": [4, 7, None] if backend is pandas else [4, 7, 7],
        "number": [0.5, 2.0, 3.0],
        "new": [3] * 3,
        "later": [1.5, 2.0, 3.0],
    }
    assert (parsed.failures, parsed.unreadable) == ([], {"text": [2]})


@BACKENDS
def test_columns_that_are_missing_without_a_default_are_failures_of_the_data_set(backend: Any) -> None:
    columns = {name: backend.Column(int) for name in ("b", "a", "c")}
    parsed = parse(backend.DataFrameSchema(columns, add_missing_columns=True), a=["x"])
    why = "is missing and has no default"
    failures = [CheckFailure("add_missing_has_default", name, None, why) for name in ("b", "c")]
    # pandera stops at the first one of polars, and older versions at that of pandas.
    assert parsed.failures in ((failures[:1], failures) if backend is pandas else (failures[:1],))
    assert values(parsed)["a"] == ["x"]
    assert parsed.aborted is False


@BACKENDS
def test_a_filter_leaves_the_columns_of_the_schema_and_checks_none(backend: Any) -> None:
    """Order, types, nulls and patterns are checked later."""
    columns = {
        "b": backend.Column(int, backend.Check.gt(5)),
        "a": backend.Column(int, coerce=True),
        "^n_.$": backend.Column(float, regex=True),
        "absent": backend.Column(int),
    }
    options = {"checks": backend.Check(lambda _: False), "dtype": None, "strict": "filter", "ordered": True}
    parsed = parse(backend.DataFrameSchema(columns, **options), a=["1"], other=[1], n_1=["x"], b=["0"])
    assert values(parsed) == {"a": [1], "n_1": ["x"], "b": ["0"]}
    assert (parsed.failures, parsed.aborted) == ([], False)


def test_a_frame_of_polars_is_only_filled_after_its_types_were_changed() -> None:
    schema = polars.DataFrameSchema(
        {
            "b": polars.Column(int, polars.Check.gt(5), coerce=True, default=1),
            "a": polars.Column(int, polars.Check.gt(5), unique=True),
            "absent": polars.Column(int, default=1, required=False),
        },
        checks=polars.Check(lambda _: False),
        strict=True,
        ordered=True,
    )
    parsed = parse(schema, extra=[1, 1], a=[1, 1], b=["2", None])
    assert values(parsed) == {"extra": [1, 1], "a": [1, 1], "b": [2, 1]}
    assert (parsed.failures, parsed.aborted) == ([], False)


@BACKENDS
def test_a_column_that_is_added_needs_a_type(backend: Any) -> None:
    schema = backend.DataFrameSchema({"a": backend.Column()}, add_missing_columns=True, name="Fares")
    with pytest.raises(ConfigurationError) as raised:
        parse(schema, b=[1])
    said = "The schema Fares adds the column 'a', which has no type. Declare one."
    assert str(raised.value) == said


@pytest.mark.parametrize(
    ("parser", "found"),
    [
        (lambda _: [8, 9], [8, 9]),
        (lambda _: (8, 9), [8, 9]),
        (lambda series: series.to_numpy() + 1, [2, 3]),
        (lambda _: 5, [5, 5]),
        (lambda _: "no", ["no", "no"]),
        (lambda series: series.iloc[::-1] * 2, [2, 4]),
    ],
    ids=["list", "tuple", "array", "number", "text", "by-label"],
)
def test_a_parser_of_a_column_may_return(parser: Callable[[Any], Any], found: list[Any]) -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(int, parsers=pandas.Parser(parser))})
    assert values(parse(schema, a=[1, 2])) == {"a": found}


def test_a_parser_of_a_column_is_told_what_it_has_to_return() -> None:
    shorter = pandas.Parser(lambda series: series[:1], name="mine")
    with pytest.raises(ConfigurationError) as raised:
        parse(pandas.DataFrameSchema({"a": pandas.Column(int, parsers=shorter)}), a=[1, 2])
    assert str(raised.value) == (
        "The parser 'mine' of the column 'a' returned 1 values for 2 rows, or other labels than theirs. It "
        "has to return one value for each row. Refuse rows by a check instead of dropping them."
    )


@pytest.mark.parametrize(
    ("parser", "said"),
    [
        (lambda frame: frame[["a"]], "it returned no column __io_intelligence_row__"),
        (lambda frame: frame[:1], "2 rows went in, 1 came out"),
        (lambda frame: frame * 0, "it changed the column __io_intelligence_row__"),
    ],
)
def test_a_parser_of_the_frame_is_told_what_it_has_to_return(parser: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(pandas.DataFrameSchema(parsers=whole(parser, "mine")), a=[1, 2])
    assert str(raised.value) == (
        f"The parser 'mine' of the whole frame cannot be followed: {said}. That column numbers the rows; a "
        "parser has to return every row once, with this column as it is. Refuse rows by a check instead of "
        "dropping them, and change columns by name."
    )


@BACKENDS
def test_a_bare_column_checks_nothing_and_the_schema_keeps_its_own(backend: Any) -> None:
    column = backend.Column(int, backend.Check.gt(0), coerce=True, default=1)
    if backend is pandas:
        column.parsers = [cells(abs)]
    bare = bare_column(column)
    assert [bare.dtype, bare.checks, bare.coerce, bare.nullable, bare.required, bare.default] == [
        None, [], False, True, False, None,
    ]  # fmt: skip
    assert not getattr(bare, "parsers", None)
    assert (column.coerce, len(column.checks), column.default) == (True, 1, 1)
    assert bare_column(column, column.dtype).dtype == column.dtype


def test_a_failure_of_the_first_pass_is_kept_by_the_second() -> None:
    """polars fills defaults at the end, where a column that still has another type is no news."""
    columns = {"b": polars.Column(int), "a": polars.Column(int, default=1)}
    parsed = parse(polars.DataFrameSchema(columns, add_missing_columns=True), a=["x"])
    assert [(one.check, one.column) for one in parsed.failures] == [("add_missing_has_default", "b")]


def test_a_parser_of_the_frame_runs_once_beside_a_default() -> None:
    calls = []
    count = whole(lambda frame: calls.append(len(frame)) or frame)
    parse(pandas.DataFrameSchema({"a": pandas.Column(float, default=1.0)}, parsers=count), a=[None, 2.0])
    assert calls == [2]


@pytest.mark.parametrize(
    ("options", "text", "found"),
    [
        ({"dayfirst": True}, "03/04/2024", "2024-04-03"),
        ({"dayfirst": False}, "03/04/2024", "2024-03-04"),
        ({"format": "%Y%d%m"}, "20240304", "2024-04-03"),
    ],
)
def test_options_of_times_as_text_are_those_of_the_schema(
    options: dict[str, Any], text: str, found: str
) -> None:
    """Beside a column of another form."""
    dtype = pandas_engine.DateTime(unit="us", to_datetime_kwargs=options)
    columns = {"iso": pandas.Column("datetime64[us]"), "at": pandas.Column(dtype)}
    parsed = parse(pandas.DataFrameSchema(columns, coerce=True), iso=["2024-05-06"], at=[text])
    assert parsed.unreadable == {}
    assert [str(parsed.frame[name][0].date()) for name in columns] == ["2024-05-06", found]


def test_a_default_of_a_pattern_fills_a_column_whose_name_is_no_pattern_of_itself() -> None:
    schema = pandas.DataFrameSchema({"^n": pandas.Column(float, default=1.0, regex=True)})
    assert values(parse(schema, **{"n(1)": [None, 2.0]})) == {"n(1)": [1.0, 2.0]}


def test_a_column_of_a_type_of_python_is_added_without_values() -> None:
    column = pandas.Column(list[int], nullable=True, coerce=False)
    parsed = parse(pandas.DataFrameSchema({"new": column}, add_missing_columns=True), a=[1])
    assert (values(parsed)["new"], parsed.failures, parsed.aborted) == ([None], [], False)


def test_cells_that_are_nulls_stay_where_the_type_has_none() -> None:
    column = pandas.Column(list[int], nullable=True, parsers=cells(lambda _: None))
    parsed = parse(pandas.DataFrameSchema({"a": column}), a=pa.nulls(2, pa.list_(pa.int64())))
    assert (values(parsed), parsed.aborted) == ({"a": [None, None]}, False)
