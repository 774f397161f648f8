"""Uniqueness over row groups and files, in memory and spread over temporary files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality import batches, uniqueness
from io_intelligence_provider.quality.uniqueness import Repeated, key_hashes


@pytest.mark.parametrize("in_memory", [1_000_000, 3])
def test_repeats_are_found_across_groups_and_files(
    write: Callable[..., str],
    check: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_memory: int,
) -> None:
    monkeypatch.setattr(batches, "_MOST_ROWS", 2)
    monkeypatch.setattr(uniqueness, "_IN_MEMORY", in_memory)
    write(pl.DataFrame({"a": [1, 2, 3, 4, 1], "b": ["x"] * 5}), "in/1.parquet")
    write(pl.DataFrame({"a": [5, 3, None, None], "b": ["x", "y", None, None]}), "in/2.parquet")
    schema = pa.DataFrameSchema(
        {"a": pa.Column(int, unique=True, nullable=True), "b": pa.Column(str, nullable=True)},
        unique=["a", "b"],
    )
    checked = check(str(tmp_path / "in"), schema)
    found = {(row["file"][-9:], row["row"], f["check"]) for row in checked.refused for f in row["failures"]}
    one, many = "field_uniqueness", "multiple_fields_uniqueness"
    both = {("1.parquet", 0), ("1.parquet", 4), ("2.parquet", 2), ("2.parquet", 3)}
    alone = {("1.parquet", 2), ("2.parquet", 1)}
    assert found == {(*row, one) for row in both | alone} | {(*row, many) for row in both}


@pytest.mark.parametrize(
    ("report", "rows"), [("all", {0, 2, 3}), ("exclude_first", {2, 3}), ("exclude_last", {0, 2})]
)
def test_which_occurrence_is_reported(
    write: Callable[..., str], check: Callable[..., Any], report: str, rows: set[int]
) -> None:
    schema = pandera.pandas.DataFrameSchema(
        {"a": pandera.pandas.Column(int, unique=True, report_duplicates=report)}
    )
    checked = check(write(pl.DataFrame({"a": [7, 1, 7, 7]})), schema)
    assert {row for row, *_ in checked.failures} == rows


def test_every_list_of_unique_columns_is_judged(write: Callable[..., str], check: Callable[..., Any]) -> None:
    """pandera stops at the first that fails."""
    schema = pa.DataFrameSchema({"a": pa.Column(int), "b": pa.Column(int)}, unique=[["a"], ["b"]])
    checked = check(write(pl.DataFrame({"a": [1, 1, 2, 3], "b": [1, 2, 5, 5]})), schema)
    assert {row for row, *_ in checked.failures} == {0, 1, 2, 3}


def test_keys_are_compared_as_the_schema_reads_them(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(int, unique=True, coerce=True)})
    checked = check(write(pl.DataFrame({"a": ["1", "01", "x", "x", "3"]})), schema)
    assert checked.failures == {
        (0, "a", "field_uniqueness"),
        (1, "a", "field_uniqueness"),
        (2, "a", "coerce_dtype"),
        (3, "a", "coerce_dtype"),
    }
    assert checked.valid["a"].to_pylist() == [3]


KEYS = st.lists(
    st.tuples(st.none() | st.integers(0, 3), st.none() | st.sampled_from(["", "a", "b"])), max_size=30
)


@pytest.mark.long
@settings(max_examples=60)
@given(
    keys=KEYS,
    keep=st.sampled_from([False, "first", "last"]),
    step=st.integers(1, 7),
    in_memory=st.integers(1, 40),
)
def test_repeats_are_those_of_pandas(keys: list[Any], keep: Any, step: int, in_memory: int) -> None:
    frame = pl.DataFrame(keys, schema={"n": pl.Int64, "t": pl.String}, orient="row")
    with pytest.MonkeyPatch.context() as patch, Repeated(keep, frame.height) as repeated:
        patch.setattr(uniqueness, "_IN_MEMORY", in_memory)
        for start in range(0, frame.height, step):
            part = frame[start : start + step]
            repeated.add(key_hashes(part, range(start, start + part.height)))
        marks = repeated.finish().to_list()
    assert marks == frame.to_pandas().duplicated(keep=keep).tolist()


@pytest.mark.parametrize(
    ("dtype", "different", "same"),
    [
        (pl.List(pl.Int64), [[], [1], [2], None, [None]], [1]),
        (pl.List(pl.Float64), [[None], [math.nan], [math.inf], [-math.inf]], [math.nan]),
        (pl.List(pl.Binary), [[b"\xfe"], [b"\xff"]], [b"\xff"]),
        (pl.Categorical(), ["b", "a"], "a"),
        (pl.List(pl.Categorical()), [["b"], ["a"]], ["a"]),
        (pl.Array(pl.String(), 1), [["b"], ["a"]], ["a"]),
        (pl.Struct({"x": pl.List(pl.Enum(["a", "b"]))}), [{"x": ["a"]}, {"x": []}, {"x": None}], {"x": []}),
    ],
    ids=str,
)
def test_nested_and_categorical_keys(dtype: Any, different: list[Any], same: Any) -> None:
    """The last row repeats one of the first batch."""
    with Repeated(keep="first", rows=len(different) + 1) as repeated:
        repeated.add(
            key_hashes(pl.DataFrame({"a": pl.Series(different, dtype=dtype)}), range(len(different)))
        )
        repeated.add(key_hashes(pl.DataFrame({"a": pl.Series([same], dtype=dtype)}), [len(different)]))
        assert repeated.finish().to_list() == [*[False] * len(different), True]


@pytest.mark.parametrize("backend", [pa, pandera.pandas])
def test_a_misspelt_unique_column_is_an_error(
    write: Callable[..., str], check: Callable[..., Any], backend: Any
) -> None:
    schema = backend.DataFrameSchema({"a": backend.Column(int)}, unique=["a", "zz"])
    with pytest.raises(ConfigurationError, match="'zz' unique"):
        check(write(pl.DataFrame({"a": [1, 1]})), schema)
