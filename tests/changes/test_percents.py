"""Tests that percentages and directions of columns equal those of each pair, to the last bit."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from io_intelligence_provider.changes.values import direction, directions, percent, percents

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
