"""Parsers of frames and of columns: rows keep their places, and values their digits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandera import pandas

from io_intelligence_provider.errors import ConfigurationError

BEYOND_FLOATS = 9007199254740993

Write = Callable[..., str]
Check = Callable[..., Any]


def test_a_parser_that_sorts_moves_no_verdict(write: Write, check: Check) -> None:
    sort = pandas.Parser(lambda frame: frame.sort_values("a").reset_index(drop=True))
    schema = pandas.DataFrameSchema({"a": pandas.Column(int, pandas.Check.ge(0))}, parsers=sort, strict=True)
    checked = check(write(pl.DataFrame({"a": [3, 1, -2, 2]})), schema)
    assert checked.failures == {(2, "a", "greater_than_or_equal_to")}
    assert checked.valid.to_pydict() == {"a": [3, 1, 2]}


def test_a_check_sees_the_order_that_a_parser_made(write: Write, check: Check) -> None:
    sort = pandas.Parser(lambda frame: frame.sort_values("a"))
    grows = pandas.Check(lambda series: series.diff().fillna(1) > 0, name="grows")
    schema = pandas.DataFrameSchema({"a": pandas.Column(int, grows)}, parsers=sort)
    checked = check(write(pl.DataFrame({"a": [3, 1, 2, 3]})), schema)
    assert checked.failures == {(3, "a", "grows")}
    assert checked.valid.to_pydict() == {"a": [3, 1, 2]}


@pytest.mark.parametrize(
    ("parser", "said"),
    [
        (lambda frame: frame[frame["a"] > 1], "4 rows went in, 3 came out"),
        (lambda frame: pd.concat([frame, frame]), "4 rows went in, 8 came out"),
        (lambda frame: frame[["a"]], "it returned no column"),
        (lambda frame: frame * 2, "it changed the column"),
        (lambda frame: frame.assign(**{frame.columns[-1]: 0}), "it changed the column"),
        (lambda _: None, "it returned no column"),
    ],
)
def test_a_parser_that_loses_track_of_rows_is_refused(
    write: Write, check: Check, parser: Any, said: str
) -> None:
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(int)}, parsers=pandas.Parser(parser, name="mine"), strict=True
    )
    with pytest.raises(ConfigurationError, match=rf"parser 'mine' .*{said}"):
        check(write(pl.DataFrame({"a": [3, 1, 2, 4]})), schema)


TABLE = pa.table(
    {
        "a": [3, 1, 2, 4],
        "id": pa.array([BEYOND_FLOATS, None, BEYOND_FLOATS - 1, 5]),
        "big": pa.array([2**64 - 1, None, 1, 2], pa.uint64()),
        "number": pa.array([float("nan"), None, -0.0, 1.0]),
        "price": pa.array([Decimal("1.10"), None, Decimal("2.00"), Decimal("3.00")]),
        "flag": pa.array([True, None, False, True]),
        "at": pa.array([1, None, 2, 3], pa.timestamp("ns", "UTC")),
        "code": pa.array(["a", None, "b", "a"]).dictionary_encode(),
        "sizes": pa.array([[1], None, [], [2, 3]], pa.list_(pa.int32())),
        "nested": pa.array([{"x": BEYOND_FLOATS}, None, {"x": 2}, {"x": 1}]),
    }
)
"""Columns of which none is what pandas reads, but for ``a``."""


def text_of(table: pa.Table) -> str:
    """Return types and values; NaN equals no other."""
    return str([(field.name, field.type) for field in table.schema]) + str(table.to_pydict())


@pytest.mark.parametrize(
    "parser",
    [
        lambda frame: frame,
        lambda frame: frame.sort_values("a"),
        lambda frame: frame.sort_values("a", ascending=False).reset_index(drop=True),
    ],
)
def test_what_a_parser_of_the_frame_leaves_comes_from_the_source(
    write: Write, check: Check, parser: Any
) -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(int)}, parsers=pandas.Parser(parser))
    path = write(TABLE)
    assert text_of(check(path, schema).valid) == text_of(pq.read_table(path))


def test_only_values_that_a_parser_changed_are_parsed(write: Write, check: Check) -> None:
    def parse(frame: Any) -> Any:
        changed = frame.assign(
            id=frame["id"].fillna(0), a=-frame["a"], number=frame["number"] + 0.0, half=frame["a"] / 2
        )
        return changed.drop(columns="flag").sort_values("a")

    schema = pandas.DataFrameSchema({"a": pandas.Column(int)}, parsers=pandas.Parser(parse))
    expected = TABLE.drop_columns("flag").to_pydict() | {
        "a": [-3, -1, -2, -4],
        "id": [BEYOND_FLOATS, 0, BEYOND_FLOATS - 1, 5],
        "number": [float("nan"), None, 0.0, 1.0],
        "half": [1.5, 0.5, 1.0, 2.0],
    }
    found = check(write(TABLE), schema).valid
    assert str(found.to_pydict()) == str(expected)
    assert found.schema.field("id").type == pa.int64()


SMALL, LARGE = [1, 2, BEYOND_FLOATS], [BEYOND_FLOATS, None, 7]


@pytest.mark.parametrize("row_group_size", [1, 2, 10])
def test_a_column_that_only_a_later_batch_changes(write: Write, check: Check, row_group_size: int) -> None:
    for number, values in enumerate((SMALL, LARGE, SMALL)):
        path = write(pa.table({"id": values}), f"in/{number}.parquet", row_group_size=row_group_size)
    folder = str(Path(path).parent)

    def checked(parse: Callable[[Any], Any], **columns: Any) -> Any:
        parser = pandas.Parser(parse, element_wise=True, name="mine")
        return check(folder, pandas.DataFrameSchema(columns, parsers=parser))

    found = checked(lambda value: 0 if value == 7 else value)
    assert found.run.mode == "rows"
    assert found.valid.schema.field("id").type == pa.int64()
    assert found.valid["id"].to_pylist() == [*SMALL, BEYOND_FLOATS, None, 0, *SMALL]
    for other in (3.5, "seven"):
        with pytest.raises(ConfigurationError, match="parsed values of 'id' cannot be written as int64"):
            checked(lambda value, other=other: other if value == 7 else value)


def test_a_parser_of_cells_gets_one_type_from_all_files(write: Write, check: Check) -> None:
    """As pandas reads the whole column: floats, because one file has a null."""
    write(pa.table({"n": [1, 2]}), "in/1.parquet")
    path = write(pa.table({"n": pa.array([3, None])}), "in/2.parquet")
    schema = pandas.DataFrameSchema(parsers=pandas.Parser(str, element_wise=True))
    assert check(str(Path(path).parent), schema).valid["n"].to_pylist() == ["1.0", "2.0", "3.0", "nan"]


def test_values_that_the_new_type_cannot_hold_are_refused(write: Write, check: Check) -> None:
    halve = pandas.Parser(lambda frame: frame.assign(id=frame["id"].where(frame["id"] != 8, 1.5)))
    schema = pandas.DataFrameSchema(parsers=halve)
    small = pa.table({"id": pa.array([8, None, 5])})
    assert check(write(small), schema).valid["id"].to_pylist() == [1.5, None, 5.0]
    large = pa.table({"id": pa.array([8, None, BEYOND_FLOATS])})
    with pytest.raises(ConfigurationError, match="cannot be written as int64"):
        check(write(large), schema)


def test_large_numbers_are_compared_as_they_are(write: Write, check: Check) -> None:
    """Keys beside nulls, and a column whose checks are declared without a type."""
    table = pa.table({"id": pa.array([BEYOND_FLOATS, BEYOND_FLOATS - 1, None])})
    same = pandas.Parser(lambda frame: frame)
    schema = pandas.DataFrameSchema(
        {"id": pandas.Column(checks=pandas.Check.isin([BEYOND_FLOATS]), nullable=True)},
        parsers=same,
        unique=["id"],
    )
    assert check(write(table), schema).failures == {(1, "id", "isin")}


def test_columns_of_a_parsed_frame_have_different_names(write: Write, check: Check) -> None:
    twice = pandas.Parser(lambda frame: pd.concat([frame, frame[["a"]]], axis=1), name="mine")
    with pytest.raises(ConfigurationError, match=r"parser 'mine' .* two columns of one name: 'a'"):
        check(write(pl.DataFrame({"a": [1]})), pandas.DataFrameSchema(parsers=twice))


@pytest.mark.parametrize(
    "parser", [lambda s: s[s > 1], lambda _: [1.0], lambda s: s.set_axis(range(5, 5 + len(s)))]
)
def test_a_parser_of_a_column_returns_a_value_for_each_row(
    write: Write, check: Check, parser: Callable[[Any], Any]
) -> None:
    schema = pandas.DataFrameSchema({"a": pandas.Column(float, parsers=pandas.Parser(parser, name="mine"))})
    with pytest.raises(ConfigurationError, match="parser 'mine' of the column 'a'"):
        check(write(pl.DataFrame({"a": [3.0, 1.0]})), schema)


def test_a_parser_of_a_column_may_sort_by_label(write: Write, check: Check) -> None:
    sort = pandas.Parser(lambda series: series.sort_values())
    schema = pandas.DataFrameSchema({"a": pandas.Column(float, parsers=sort), "b": pandas.Column(int)})
    checked = check(write(pl.DataFrame({"a": [3.0, 1.0], "b": [30, 10]})), schema)
    assert checked.valid.to_pydict() == {"a": [3.0, 1.0], "b": [30, 10]}


def test_a_column_that_a_parser_made_is_checked_as_any_other(write: Write, check: Check) -> None:
    schema = pandas.DataFrameSchema(
        {"half": pandas.Column("int64", pandas.Check.lt(2), unique=True)},
        parsers=pandas.Parser(lambda frame: frame.assign(half=frame["a"] // 2)),
        unique=["half"],
    )
    checked = check(write(pl.DataFrame({"a": [1, 2, 3, 4]})), schema)
    together = "multiple_fields_uniqueness"
    assert checked.failures == {
        (1, "half", "field_uniqueness"), (1, None, together),
        (2, "half", "field_uniqueness"), (2, None, together),
        (3, "half", "less_than"),
    }  # fmt: skip
    assert checked.result("less_than", "half").evaluated == 4


def test_parsers_of_a_batch_run_once(write: Write, check: Check) -> None:
    calls = []
    parser = pandas.Parser(lambda frame: calls.append(len(frame)) or frame)
    schema = pandas.DataFrameSchema({"a": pandas.Column(int, unique=True)}, parsers=parser)
    check(write(pl.DataFrame({"a": [1, 2]})), schema)
    assert calls == [2]


def test_keys_are_parsed_without_the_other_columns(write: Write, check: Check) -> None:
    seen = []
    parser = pandas.Parser(lambda value: seen.append(value) or value, element_wise=True)
    schema = pandas.DataFrameSchema(
        {"a": pandas.Column(int, coerce=True, unique=True), "b": pandas.Column(str, parsers=parser)}
    )
    checked = check(write(pl.DataFrame({"a": ["1", "01", "2"], "b": ["x", "y", "z"]})), schema)
    assert seen == ["x", "y", "z"]
    assert checked.failures == {(0, "a", "field_uniqueness"), (1, "a", "field_uniqueness")}


@pytest.mark.parametrize("key", ["n", "^n$"])
def test_a_default_fills_a_column_that_still_has_another_type(write: Write, check: Check, key: str) -> None:
    column = pandas.Column(int, pandas.Check.gt(0), coerce=True, default=5, regex=key != "n")
    checked = check(write(pl.DataFrame({"n": ["1", None, "x", "-1"]})), pandas.DataFrameSchema({key: column}))
    assert checked.failures == {(2, "n", "coerce_dtype"), (3, "n", "greater_than")}
    assert checked.valid["n"].to_pylist() == [1, 5]
