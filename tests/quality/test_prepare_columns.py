"""Columns of a prepared schema: those of patterns and of an index, and which of the data it changes."""

from __future__ import annotations

from typing import Any

import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.prepare import Prepared, Unique, prepare
from io_intelligence_provider.quality.schema import load_schema

pandas = pandera.pandas


def polars(columns: dict[str, Any] | None = None, **options: Any) -> Prepared:
    return prepare(load_schema(pa.DataFrameSchema(columns or {}, name="Orders", **options)))


def for_pandas(columns: dict[str, Any] | None = None, **options: Any) -> Prepared:
    return prepare(load_schema(pandas.DataFrameSchema(columns or {}, name="Orders", **options)))


def names(prepared: Prepared) -> list[tuple[str, str | None]]:
    return [(item.check, item.column) for item in prepared.declared]


@pytest.mark.parametrize(
    ("unique", "sets"),
    [
        (Unique("x", ("b", "a")), [("b", "a")]),
        (Unique("x", ("b", "z")), [("b",)]),
        (Unique("x", ("z",)), []),
        (Unique("x", ("a",), regex=True), [("a",), ("ab",)]),
        (Unique("x", ("^a$",), regex=True), [("a",)]),
    ],
)
def test_unique_columns_among_those_of_the_data(unique: Unique, sets: list[tuple[str, ...]]) -> None:
    assert unique.resolved(["a", "b", "ab"]) == sets


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        ("a", ["a"]),
        ("^a$", ["a"]),
        ("a|b", ["a", "ab", "b", "bab"]),
        ("^(a|b)$", ["a", "b"]),
        ("a.*", ["a", "ab"]),
    ],
)
def test_a_pattern_of_polars_covers_what_polars_selects(key: str, matches: list[str]) -> None:
    present = ["a", "ab", "b", "bab", "c"]
    prepared: Any = polars({key: pa.Column(int, regex=True)})
    assert [name for name in present if prepared.column_of(name) is not None] == matches
    selector = pa.DataFrameSchema({key: pa.Column(regex=True)}).columns[key].selector
    assert pl.DataFrame(schema=present).select(pl.col(selector)).columns == matches
    ((found, column),) = prepared.schema.columns.items()
    assert column.name == found


def test_a_pattern_of_pandas_covers_beginnings_of_names() -> None:
    prepared = for_pandas({"a|b": pandas.Column(int, regex=True)})
    assert [name for name in ("a", "ab", "b", "cb") if prepared.column_of(name)] == ["a", "ab", "b"]
    assert list(prepared.schema.columns) == ["a|b"]


def test_a_pattern_that_python_cannot_read_is_refused() -> None:
    with pytest.raises(ConfigurationError) as refused:
        for_pandas({"a(": pandas.Column(int, regex=True)})
    assert str(refused.value) == (
        "The schema Orders has the pattern 'a(', which Python cannot read: "
        "missing ), unterminated subpattern at position 1."
    )
    assert for_pandas({"a(": pandas.Column(int)}).column_of("a(") is not None


def test_one_pattern_in_two_spellings_is_refused() -> None:
    with pytest.raises(ConfigurationError) as refused:
        polars({"a.": pa.Column(int, regex=True), "^a.$": pa.Column(int, regex=True)})
    assert str(refused.value) == "The schema Orders has the pattern '^a.$' twice. Join the two."


def test_an_index_is_the_first_column() -> None:
    check = pandas.Check.ge(0)
    index = pandas.Index(int, check, nullable=True, unique=True, report_duplicates="exclude_last", name="k")
    prepared: Any = for_pandas({"a": pandas.Column(int)}, index=index)
    assert prepared.index == ("k",)
    assert list(prepared.schema.columns) == ["k", "a"]
    column = prepared.schema.columns["k"]
    assert (str(column.dtype), column.nullable, column.coerce) == ("int64", True, False)
    assert ("greater_than_or_equal_to", "k") in names(prepared)
    assert prepared.unique == (Unique("field_uniqueness", ("k",), keep="last"),)
    assert prepared.schema.index is None
    assert prepared.loaded.schema.index is index


@pytest.mark.parametrize("of_all", [True, False])
def test_levels_of_an_index_are_columns(of_all: bool) -> None:
    parser = pandas.Parser(abs)
    levels = [pandas.Index(int, coerce=not of_all, parsers=parser), pandas.Index(str, name="k")]
    prepared: Any = for_pandas(index=pandas.MultiIndex(levels, coerce=of_all))
    assert prepared.index == ("level_0", "k")
    assert [column.coerce for column in prepared.schema.columns.values()] == [True, of_all]
    assert [len(column.parsers) for column in prepared.schema.columns.values()] == [1, 0]
    assert for_pandas(index=pandas.Index(int)).index == ("index",)


@pytest.mark.parametrize(("unique", "fields"), [("k", ("k",)), (["k", "m"], ("k", "m"))])
def test_levels_that_are_unique_together(unique: Any, fields: tuple[str, ...]) -> None:
    index = pandas.MultiIndex([pandas.Index(int, name="k"), pandas.Index(int, name="m")], unique=unique)
    together = [Unique("multiple_fields_uniqueness", columns) for columns in (("a", "b"), fields)]
    assert list(for_pandas(index=index, unique=["a", "b"]).unique) == together
    assert list(for_pandas(index=index).unique) == together[1:]


def test_an_index_that_cannot_be_columns_is_refused() -> None:
    levels = [pandas.Index(int, name="k"), pandas.Index(int)]
    with pytest.raises(ConfigurationError) as refused:
        for_pandas(index=pandas.MultiIndex(levels, strict=True))
    assert str(refused.value) == (
        "The schema's MultiIndex is strict, which is not supported. Leave that out."
    )
    for name in ("k", "level_1"):
        with pytest.raises(ConfigurationError) as refused:
            for_pandas({name: pandas.Column(), "z": pandas.Column()}, index=pandas.MultiIndex(levels))
        assert str(refused.value) == (
            f"The schema has {name!r} both as a column and as its index. Rename one of them."
        )


def test_an_index_without_a_name_has_another_one_in_the_file() -> None:
    prepared = for_pandas(index=pandas.MultiIndex([pandas.Index(int), pandas.Index(int, name="k")]))
    assert prepared.source_name("level_0", ["a"]) == "__index_level_0__"
    assert prepared.source_name("k", ["a"]) == "__index_level_1__"
    assert prepared.source_name("level_0", ["level_0"]) == "level_0"
    assert prepared.source_name("other", ["a"]) == "other"
    assert prepared.source_name(None, ["a"]) == ""


def test_a_column_is_found_by_its_name_before_its_pattern() -> None:
    prepared: Any = for_pandas({"a.": pandas.Column(int, regex=True), "ab": pandas.Column(str)})
    columns = prepared.schema.columns
    assert prepared.column_of("ab") is columns["ab"]
    assert prepared.column_of("ac") is columns["a."]
    assert prepared.column_of("a.") is columns["a."]
    assert prepared.column_of("b") is None


PARSER = pandas.Parser(lambda data: data)


@pytest.mark.parametrize(
    ("columns", "options", "parses", "converts", "changes"),
    [
        ({}, {}, False, [], []),
        ({}, {"strict": True}, False, [], []),
        ({}, {"strict": "filter"}, True, [], []),
        ({}, {"add_missing_columns": True}, True, [], []),
        ({}, {"coerce": True}, True, ["a"], ["a"]),
        ({}, {"dtype": "str", "coerce": True}, True, ["a", "b"], ["a", "b"]),
        ({}, {"parsers": PARSER}, True, [], ["a", "b"]),
        ({"coerce": True}, {}, True, ["a"], ["a"]),
        ({"default": 0}, {}, True, ["a"], ["a"]),
        ({"parsers": PARSER}, {}, True, ["a"], ["a"]),
        ({}, {"index": pandas.Index(int, name="b")}, False, [], []),
        ({}, {"index": pandas.Index(int, name="b", coerce=True)}, True, ["b"], ["b"]),
    ],
)
def test_what_of_the_data_a_schema_changes(
    columns: Any, options: Any, parses: bool, converts: list[str], changes: list[str]
) -> None:
    prepared = for_pandas({"a": pandas.Column(int, **columns)}, **options)
    assert prepared.parses is parses
    assert [name for name in ("a", "b") if prepared.converts(name)] == converts
    assert [name for name in ("a", "b") if prepared.changes(name)] == changes


def test_what_of_the_data_a_schema_of_polars_changes() -> None:
    prepared = polars({"a": pa.Column(int, default=0), "b": pa.Column(int)})
    assert prepared.parses
    assert [name for name in ("a", "b", "c") if prepared.converts(name)] == ["a"]
    assert [name for name in ("a", "b", "c") if prepared.changes(name)] == ["a"]
    assert not polars({"b": pa.Column(int)}).parses


def test_the_type_that_a_column_is_converted_to() -> None:
    prepared = polars({"a": pa.Column(int, coerce=True), "b": pa.Column(int)})
    assert (str(prepared.coercion_of("a")), prepared.coercion_of("b")) == ("Int64", None)
    assert prepared.coercion_of("other") is None
    whole = polars({"a": pa.Column(int)}, dtype=pl.Int8, coerce=True)
    assert (str(whole.coercion_of("a")), str(whole.coercion_of("other"))) == ("Int8", "Int8")
    assert polars(dtype=pl.Int8).coercion_of("other") is None


def test_the_columns_that_a_schema_adds() -> None:
    columns = {
        "a": pa.Column(default=0),
        "b": pa.Column(default=0),
        "may": pa.Column(required=False),
        "^p.*$": pa.Column(regex=True),
    }
    assert polars(columns, add_missing_columns=True).added(["a"]) == ["b"]
    assert polars(columns).added(["a"]) == []


def test_the_part_of_a_schema_that_parses_some_columns() -> None:
    columns = {"a": pandas.Column(int), "b": pandas.Column(int), "c.": pandas.Column(int, regex=True)}
    prepared = for_pandas(columns, strict=True, ordered=True)
    part: Any = prepared.restricted({"b", "cd"})
    assert list(part.schema.columns) == ["b", "c."]
    assert (part.schema.strict, part.schema.ordered) == (False, False)
    assert list(prepared.restricted({"a", "c"}).schema.columns) == ["a"]
    assert list(prepared.schema.columns) == list(columns)
    assert (prepared.schema.strict, prepared.schema.ordered) == (True, True)
