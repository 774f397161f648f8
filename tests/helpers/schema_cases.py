"""Defines schemas after pandera's documentation, each with invalid data, for pandas and for polars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """Holds a schema and data.

    :param rows: whether it can be validated one row group at a time.
    """

    name: str
    make: Callable[[], tuple[Any, Any]]
    rows: bool = True


def _polars(build: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[], tuple[Any, Any]]:
    def make() -> tuple[Any, Any]:
        import pandera.polars as pa
        import polars as pl

        schema, data = build(pa, pl)
        return schema, data if isinstance(data, pl.DataFrame) else pl.DataFrame(data)

    return make


def _pandas(build: Callable[[Any, Any], tuple[Any, Any]]) -> Callable[[], tuple[Any, Any]]:
    def make() -> tuple[Any, Any]:
        import pandas as pd
        import pandera.pandas as pa

        schema, data = build(pa, pd)
        return schema, data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)

    return make


def _built_in(pa: Any, _: Any) -> tuple[Any, Any]:
    numbers = list(range(-2, 8))
    checks = {
        "eq": pa.Check.eq(3), "ne": pa.Check.ne(3), "gt": pa.Check.gt(0), "ge": pa.Check.ge(0),
        "lt": pa.Check.lt(5), "le": pa.Check.le(5), "in_range": pa.Check.in_range(0, 5, include_max=False),
        "isin": pa.Check.isin([1, 2, 3]), "notin": pa.Check.notin([1, 2, 3]),
    }  # fmt: skip
    return pa.DataFrameSchema({name: pa.Column(int, check) for name, check in checks.items()}), dict.fromkeys(
        checks, numbers
    )


def _texts(pa: Any, _: Any) -> tuple[Any, Any]:
    words = ["foobar", "barfoo", "Foo", "", None, "a long text indeed", "föö"]
    checks = {
        "matches": pa.Check.str_matches("^f"), "contains": pa.Check.str_contains("oo"),
        "startswith": pa.Check.str_startswith("foo"), "endswith": pa.Check.str_endswith("foo"),
        "length": pa.Check.str_length(2, 6),
    }  # fmt: skip
    columns = {name: pa.Column(str, check, nullable=True) for name, check in checks.items()}
    return pa.DataFrameSchema(columns), dict.fromkeys(checks, words)


def _several(pa: Any, _: Any) -> tuple[Any, Any]:
    column = pa.Column(int, [pa.Check.gt(0), pa.Check.lt(3), pa.Check.ne(5, name="odd one")])
    return pa.DataFrameSchema({"a": column, "b": pa.Column(float)}), {
        "a": [1, -1, 5, 7, 2, 9],
        "b": [None, 1.0, None, 2.0, 3.0, float("nan")],
    }


def _regex(pa: Any, _: Any) -> tuple[Any, Any]:
    schema = pa.DataFrameSchema({"^num_.+$": pa.Column(float, pa.Check.ge(0), regex=True, nullable=True)})
    return schema, {"num_1": [1.0, -1.0, None], "num_2": [-3.0, 2.0, 1.0], "other": ["a", "b", "c"]}


def _unique(pa: Any, _: Any) -> tuple[Any, Any]:
    schema = pa.DataFrameSchema({"a": pa.Column(int, unique=True), "b": pa.Column(int)}, unique=["a", "b"])
    return schema, {"a": [1, 2, 2, 3, 3, 4], "b": [1, 1, 1, 2, 3, 4]}


def _coerced(pa: Any, _: Any) -> tuple[Any, Any]:
    schema = pa.DataFrameSchema({"a": pa.Column(int, coerce=True), "b": pa.Column(float)})
    return schema, {"a": ["1", "2", "x", "4", "5.5"], "b": [1.0, None, 2.0, 3.0, 4.0]}


def _element_wise(pa: Any, _: Any) -> tuple[Any, Any]:
    even = pa.Check(lambda value: value % 2 == 0, element_wise=True, name="even")
    return pa.DataFrameSchema({"a": pa.Column(int, even)}), {"a": [1, 2, 3, 4]}


def _wide_polars(pa: Any, pl: Any) -> tuple[Any, Any]:
    wide = pa.Check(lambda data: data.lazyframe.select(pl.col("a") > pl.col("b")), name="a above b")
    return pa.DataFrameSchema({"a": pa.Column(int), "b": pa.Column(int)}, checks=wide), {
        "a": [1, 5, 3],
        "b": [2, 1, 3],
    }


def _wide_pandas(pa: Any, _: Any) -> tuple[Any, Any]:
    wide = pa.Check(lambda frame: frame["a"] > frame["b"], name="a above b")
    return pa.DataFrameSchema({"a": pa.Column(int), "b": pa.Column(int)}, checks=wide), {
        "a": [1, 5, 3],
        "b": [2, 1, 3],
    }


def _vectorised_polars(pa: Any, pl: Any) -> tuple[Any, Any]:
    above = pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key) > pl.col(data.key).mean()), name="above"
    )
    return pa.DataFrameSchema({"a": pa.Column(int, above)}), {"a": [1, 2, 3, 10]}


def _vectorised_pandas(pa: Any, _: Any) -> tuple[Any, Any]:
    above = pa.Check(lambda series: series > series.mean(), name="above")
    return pa.DataFrameSchema({"a": pa.Column(int, above)}), {"a": [1, 2, 3, 10]}


def _grouped(pa: Any, _: Any) -> tuple[Any, Any]:
    check = pa.Check(
        lambda groups: groups["A"].mean() > groups["B"].mean(), groupby="group", name="A above B"
    )
    column = pa.Column(float, [check, pa.Check.gt(1)])
    return pa.DataFrameSchema({"height": column, "group": pa.Column(str)}), {
        "height": [5.0, 4.0, 7.0, 0.5],
        "group": ["A", "A", "B", "B"],
    }


def _parsed(pa: Any, _: Any) -> tuple[Any, Any]:
    column = pa.Column(float, pa.Check.lt(3), parsers=pa.Parser(lambda series: series.abs()))
    return pa.DataFrameSchema({"a": column}), {"a": [-5.0, 2.0, -1.0, 4.0]}


def _defaults(pa: Any, _: Any) -> tuple[Any, Any]:
    schema = pa.DataFrameSchema(
        {"a": pa.Column(float, pa.Check.gt(0), default=1.0), "new": pa.Column(float, default=9.0)},
        add_missing_columns=True,
        strict="filter",
    )
    return schema, {"a": [None, -1.0, 2.0], "extra": [1, 2, 3]}


def _model_polars(pa: Any, pl: Any) -> tuple[Any, Any]:
    class Model(pa.DataFrameModel):
        a: int = pa.Field(ge=0)
        b: str = pa.Field(isin=["x", "y"], nullable=True)

        @pa.check("a", name="small")
        def small(cls, data: Any) -> Any:  # noqa: N805 - pandera's own form
            return data.lazyframe.select(pl.col(data.key) < 10)

        @pa.dataframe_check
        def known(cls, data: Any) -> Any:  # noqa: N805
            return data.lazyframe.select(pl.col("b") != "y")

    return Model, {"a": [1, -1, 20, 3], "b": ["x", "z", "y", None]}


def _model_pandas(pa: Any, _: Any) -> tuple[Any, Any]:
    class Model(pa.DataFrameModel):
        a: int = pa.Field(ge=0)
        b: str = pa.Field(isin=["x", "y"], nullable=True)

        @pa.check("a", name="small")
        def small(cls, series: Any) -> Any:  # noqa: N805
            return series < 10

        @pa.dataframe_check
        def known(cls, frame: Any) -> Any:  # noqa: N805
            return frame["b"] != "y"

    return Model, {"a": [1, -1, 20, 3], "b": ["x", "z", "y", None]}


POLARS = [
    *(
        Case(build.__name__, _polars(build))
        for build in (_built_in, _texts, _several, _regex, _unique, _coerced, _element_wise, _defaults)
    ),
    *(
        Case(build.__name__, _polars(build), rows=False)
        for build in (_wide_polars, _vectorised_polars, _model_polars)
    ),
]
PANDAS = [
    *(
        Case(build.__name__, _pandas(build))
        for build in (_built_in, _texts, _several, _regex, _unique, _coerced, _element_wise, _defaults)
    ),
    *(
        Case(build.__name__, _pandas(build), rows=False)
        for build in (_wide_pandas, _vectorised_pandas, _grouped, _parsed, _model_pandas)
    ),
]
