"""Tests parsing by the index of a pandas schema, and by a pydantic model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pytest
from pandera.engines import pandas_engine, polars_engine
from pydantic import BaseModel

from io_intelligence_provider.errors import ConfigurationError

pandas, polars = pandera.pandas, pandera.polars
BEYOND_FLOATS = 9007199254740993
BACKENDS = pytest.mark.parametrize("backend", [pandas, polars], ids=["pandas", "polars"])

Write = Callable[..., str]
Check = Callable[..., Any]


def test_names_of_index_and_columns_must_differ(write: Write, check: Check) -> None:
    path = write(pl.DataFrame({"index": [4, 5]}))
    with pytest.raises(ConfigurationError, match="'index'"):
        check(path, pandas.DataFrameSchema({"index": pandas.Column(int)}, index=pandas.Index(int)))
    with pytest.raises(ConfigurationError, match="a column 'index' and an index"):
        check(path, pandas.DataFrameSchema(index=pandas.Index(int)))


def test_an_index_without_a_name_is_parsed_in_its_place(write: Write, check: Check) -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=["5", "x", "7"])
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(int)}, index=pandas.Index("int64", coerce=True, unique=True)
    )
    checked = check(write(pa.Table.from_pandas(frame)), schema)
    assert checked.failures == {(1, "index", "coerce_dtype")}
    assert checked.refused[0]["failures"][0]["value"] == "x"
    assert checked.valid.to_pydict() == {"a": [1, 3], "__index_level_0__": [5, 7]}


def test_levels_of_an_index_are_unique_together_and_coerced(write: Write, check: Check) -> None:
    table = pa.Table.from_pandas(
        pd.DataFrame({"k": ["1", "1", "x"], "l": [1, 1, 3], "a": [1, 2, 3]}).set_index(["k", "l"])
    )
    index = pandas.MultiIndex(
        [pandas.Index("int64", name="k"), pandas.Index("int64", name="l")], coerce=True, unique=["k", "l"]
    )
    checked = check(write(table), pandas.DataFrameSchema({"a": pandas.Column(int)}, index=index))
    together = "multiple_fields_uniqueness"
    assert checked.failures == {(0, None, together), (1, None, together), (2, "k", "coerce_dtype")}


def test_integers_of_an_index_with_nulls_are_integers(write: Write, check: Check) -> None:
    table = pa.table({"k": pa.array([BEYOND_FLOATS, None])}).append_column("a", [[1, 2]])
    frame_like = pa.Table.from_pandas(pd.DataFrame({"k": [5, 1, 2], "a": [1, 2, 3]}).set_index("k"))
    table = table.replace_schema_metadata(frame_like.schema.metadata)
    index = pandas.Index("int64", name="k", nullable=True)
    checked = check(write(table), pandas.DataFrameSchema({"a": pandas.Column(int)}, index=index))
    assert checked.run.quarantined == 0
    assert checked.valid["k"].to_pylist() == [BEYOND_FLOATS, None]


class Offer(BaseModel):
    """A row; ``tags`` has no type that is known before the rows."""

    id: int | None
    price: float
    tags: list[int] = []


def _offers(backend: Any, **options: Any) -> Any:
    engine = pandas_engine if backend is pandas else polars_engine
    return backend.DataFrameSchema(dtype=engine.PydanticModel(Offer), coerce=True, **options)


@BACKENDS
@pytest.mark.parametrize("row_group_size", [1, 10])
def test_a_pydantic_model_reads_each_row_as_it_is(
    write: Write, check: Check, backend: Any, row_group_size: int
) -> None:
    """The first row is none, a large number stands beside a null, and files have different values."""
    names = ["id", "price", "tags"]
    first = pa.table([pa.array([1, None]), ["x", "2"], pa.array([[1], []], pa.list_(pa.int64()))], names)
    write(first, "in/1.parquet", row_group_size=row_group_size)
    second = pa.table([pa.array([BEYOND_FLOATS, 3]), ["1.5", "-1"], [[2], [3]]], names)
    path = write(second, "in/2.parquet", row_group_size=row_group_size)
    schema = _offers(backend, columns={"price": backend.Column(float, backend.Check.gt(0))})
    checked = check(str(Path(path).parent), schema)
    reasons = [(row["failures"][0]["column"], row["failures"][0]["message"]) for row in checked.refused]
    assert reasons == [(None, "is no Offer"), ("price", "fails greater_than(0)")]
    assert checked.valid.to_pydict() == {
        "id": [None, BEYOND_FLOATS], "price": [2.0, 1.5], "tags": [[], [2]],
    }  # fmt: skip
    assert checked.valid.schema.field("id").type == pa.int64()


class Visit(BaseModel):
    """A row with times."""

    at: datetime
    others: list[datetime] = []


@BACKENDS
def test_times_of_a_pydantic_model_stay_the_same_instants(
    write: Write, check: Check, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYARROW_IGNORE_TIMEZONE", "1")  # as pandera does
    noon = datetime(2026, 7, 1, 12, tzinfo=UTC)
    times = pa.array([noon], pa.timestamp("us", "Europe/Berlin"))
    engine = pandas_engine if backend is pandas else polars_engine
    schema = backend.DataFrameSchema(dtype=engine.PydanticModel(Visit), coerce=True)
    checked = check(write(pa.table({"at": times, "others": [["2026-07-01T14:00:00+02:00"]]})), schema)
    assert checked.valid["at"].to_pylist() == [noon]
    if backend is polars:  # lists of pandas have no zones
        assert checked.valid["others"].to_pylist() == [[noon]]


@BACKENDS
def test_types_of_a_pydantic_model_hold_without_a_row(write: Write, check: Check, backend: Any) -> None:
    write(pa.table({"id": [1], "price": ["x"]}), "in/1.parquet")
    path = write(pa.table({"id": [1], "price": ["1"]}), "in/2.parquet")
    checked = check(str(Path(path).parent), _offers(backend, unique=["id"]))
    assert (checked.run.quarantined, checked.valid["price"].to_pylist()) == (1, [1.0])
