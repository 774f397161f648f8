"""Tests values as text, and that percentages and directions of columns equal those of each pair."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.changes.values import (
    as_text,
    direction,
    directions,
    extra_texts,
    percent,
    percents,
)
from io_intelligence_provider.errors import StorageError

PRICE = pl.Decimal(38, 18)
prices = st.none() | st.one_of(
    st.decimals(0, 10**19, allow_nan=False, places=18),
    st.decimals(0, 100, allow_nan=False, places=4),
    st.just(Decimal(0)),
)
integers = st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 10**6) | st.just(0)


@pytest.mark.parametrize(
    ("numbers", "dtype"), [(prices, PRICE), (integers, pl.Int64())], ids=["prices", "integers"]
)
def test_columns_are_as_their_pairs(numbers, dtype):
    @given(st.lists(st.tuples(numbers, numbers), max_size=30))
    @example([(None, None)])
    @example([])
    def compared(pairs):
        old, new = (pl.Series([pair[side] for pair in pairs], dtype=dtype) for side in (0, 1))
        assert percents(old, new).to_list() == [percent(*pair) for pair in pairs]
        assert directions(old, new).to_list() == [direction(*pair) for pair in pairs]

    compared()


@pytest.mark.parametrize(
    ("old", "new", "pct"),
    [
        ("0.000001", "0.000002", 100.0),
        ("0.000000001", "0.000000003", 200.0),
        ("0.000000001000000001", "0.000000002000000001", 99.9999999),
        ("0.000000001", "0.000000001000000001", 0.0000001),
        ("35184.372088832", "35184.372088833", 100 / 35184372088832),
        ("0", "1", None),
    ],
)
def test_a_price_of_nine_decimals_is_divided_as_a_double_and_no_other(old, new, pct):
    found = percents(*(pl.Series([Decimal(price)], dtype=PRICE) for price in (old, new))).to_list()
    assert found == [percent(Decimal(old), Decimal(new))]
    assert found == ([None] if pct is None else [pytest.approx(pct, rel=1e-8)])


@pytest.mark.parametrize(
    ("old", "new", "pct", "way"),
    [
        (4, 5, 25.0, "up"),
        (Decimal("0.3"), Decimal("0.1"), -200 / 3, "down"),
        (2, 2, 0.0, None),
        (0, 1, None, "up"),
        (1, 0, -100.0, "down"),
        (-4, -5, 25.0, "down"),
        (None, 1, None, None),
        (1, None, None, None),
        (None, None, None, None),
    ],
)
def test_a_change_in_per_cent(old, new, pct, way):
    assert percent(old, new) == pct
    assert direction(old, new) == way


@pytest.mark.parametrize(
    ("field", "values", "texts"),
    [
        ("input_token_price", ["1.50", "200", "0", "0.000000000000000001", None],
         ["1.5", "200", "0", "0.000000000000000001", None]),
        ("tags", [["é", 'a"b'], [], None], ['["é", "a\\"b"]', "[]", None]),
        ("created_at", [datetime(2026, 1, 2, 3, 4, 5, 60_000, UTC), datetime(2026, 1, 2, tzinfo=UTC), None],
         ["2026-01-02T03:04:05.060Z", "2026-01-02T00:00:00Z", None]),
        ("supports_tools", [True, False, None], ["true", "false", None]),
        ("max_tokens", [-5, None], ["-5", None]),
        ("name", ["a", None], ["a", None]),
    ],
)  # fmt: skip
def test_a_value_as_text(field, values, texts):
    series = pl.Series("x", values)
    if field.endswith("price"):
        series = series.cast(PRICE)
    found = as_text(field, series)
    assert (found.name, found.dtype, found.to_list()) == ("x", pl.String, texts)


def test_lists_that_are_all_null_are_text_as_well():
    tags = pl.Series("x", [None, None], dtype=pl.List(pl.String))
    assert as_text("tags", tags).dtype == pl.String


@pytest.mark.parametrize(
    ("extra", "texts"),
    [
        (None, {}),
        ("{}", {}),
        ('{"b": "x", "a": {"d": [1.0, null], "c": "é"}}',
         {"extra.b": '"x"', "extra.a": '{"c": "\\u00e9", "d": [1, null]}'}),
        ('{"a": 1.50, "b": 1e2, "c": -0.0, "d": 0e999999, "e": true}',
         {"extra.a": "1.5", "extra.b": "100", "extra.c": "0", "extra.d": "0", "extra.e": "true"}),
        ('{"a": 1e99, "b": 1e100, "c": 10e99, "d": 1.5e-200}',
         {"extra.a": "1" + "0" * 99, "extra.b": "1E+100", "extra.c": "1E+100", "extra.d": "1.5E-200"}),
        ('{"a": 0.12345678901234567890123456789012345678900}',
         {"extra.a": "0.123456789012345678901234567890123456789"}),
        ('{"name": "has a column", "description": 1}', {}),
    ],
)  # fmt: skip
def test_keys_of_extra_as_text(extra, texts):
    assert extra_texts(extra, WireShape.DOCUMENTED) == texts


def test_metadata_is_compared_without_the_keys_of_columns():
    extra = '{"x": 1, "metadata": {"x": 2, "status": "active", "name": "n"}}'
    found = extra_texts(extra, WireShape.DOCUMENTED)
    assert found == {"extra.x": "1", "extra.metadata": '{"x": 2}'}
    assert extra_texts('{"metadata": {"name": "n"}}', WireShape.DOCUMENTED) == {}
    assert extra_texts('{"metadata": {"name": "n"}}', WireShape.OPENAI) == {"extra.metadata": '{"name": "n"}'}
    assert extra_texts('{"metadata": [1]}', WireShape.DOCUMENTED) == {"extra.metadata": "[1]"}


@pytest.mark.parametrize("extra", ["[]", "{", "null", "x" * 81])
def test_an_extra_that_is_no_object_is_told(extra):
    with pytest.raises(StorageError) as told:
        extra_texts(extra, WireShape.DOCUMENTED)
    assert str(told.value) == f"A models file has an `extra` that is no JSON object: {extra[:80]!r}."
