"""Tests the like-for-like price index against a plain computation."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.stores import FETCHED_AT, model_row
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.store.price_index import number_rows

DAYS = [FETCHED_AT.date() + timedelta(days=number) for number in range(6)]


def priced(name: str, input_price: Any, output_price: Any = "1", **more: Any) -> Any:
    prices = {"input_token_price": input_price, "output_token_price": output_price}
    return model_row(name, **{key: value and Decimal(value) for key, value in prices.items()}, **more)


def test_the_same_models_are_compared_whatever_comes_and_goes(builder: Any) -> None:
    builder.file(DAYS[0], priced("a", "1"), priced("b", "4"))
    builder.file(DAYS[1], priced("a", "2"), priced("b", "4"), priced("dear", "1000"))
    builder.file(DAYS[2], priced("b", "2"), priced("dear", "1000"))
    found = builder.store.price_index().to_pydict()
    assert found["snapshot_date"] == DAYS[:3]
    assert found["input"] == pytest.approx([100, 100 * math.sqrt(2), 100 * math.sqrt(2) * math.sqrt(1 / 2)])
    assert found["input_pairs"] == [0, 2, 2]
    assert found["input_left_out"] == [0, 0, 0]
    assert found["output"] == pytest.approx([100, 100, 100])


def test_unknown_and_zero_prices_are_left_out_and_counted(builder: Any) -> None:
    builder.file(DAYS[0], priced("a", "1"), priced("b", "0"), priced("c", None), priced("d", "5"))
    builder.file(DAYS[1], priced("a", "3"), priced("b", "4"), priced("c", "4"), priced("d", "0"))
    found = builder.store.price_index().to_pylist()[1]
    assert found["input"] == pytest.approx(300)
    assert (found["input_pairs"], found["input_left_out"]) == (1, 3)
    assert (found["blended_pairs"], found["output_pairs"]) == (1, 4)


def test_a_day_without_a_pair_has_no_index_and_the_next_goes_on_from_the_last(builder: Any) -> None:
    builder.file(DAYS[0], priced("gone", "7", None))
    builder.file(DAYS[1], priced("a", "2"))
    builder.file(DAYS[2], priced("b", "5"))
    builder.file(DAYS[3], priced("a", "3"), priced("b", "5"))
    found = builder.store.price_index(models=["a"]).to_pydict()
    assert found["input"] == pytest.approx([None, 100, None, 150])
    assert found["input_pairs"] == [0, 0, 0, 1]


def test_the_blend_weighs_input_and_output(builder: Any) -> None:
    builder.file(DAYS[0], priced("a", "1", "2"))
    builder.file(DAYS[1], priced("a", "2", "2"))
    of = {
        blend: builder.store.price_index(blend=blend).to_pydict()["blended"][1] for blend in ((3, 1), (0, 1))
    }
    assert of[3, 1] == pytest.approx(100 * 8 / 5)
    assert of[0, 1] == pytest.approx(100)


def test_a_price_without_weight_is_not_needed(builder: Any) -> None:
    builder.file(DAYS[0], priced("a", "1", None))
    builder.file(DAYS[1], priced("a", "2", None))
    assert builder.store.price_index(blend=(1, 0)).to_pydict()["blended"] == pytest.approx([100, 200])


@pytest.mark.parametrize(
    "blend", [(0, 0), (-1, 2), (1,), "31x", None, (float("nan"), 1), (float("inf"), 1), (1, float("inf"))]
)
def test_what_are_no_weights_is_refused(builder: Any, blend: Any) -> None:
    builder.file(DAYS[0], priced("a", "1"))
    with pytest.raises(ConfigurationError, match="blend is"):
        builder.store.price_index(blend=blend)


def test_a_model_that_keeps_its_name_under_a_new_id_is_the_same(builder: Any) -> None:
    builder.file(DAYS[0], priced("a", "1", model_id="0" * 8), priced("twice", "1", model_id="1" * 8))
    builder.file(
        DAYS[1],
        priced("a", "2", model_id="2" * 8),
        priced("twice", "8", model_id="3" * 8),
        priced("twice", "9", model_id="4" * 8),
    )
    found = builder.store.price_index().to_pylist()[1]
    assert (found["input"], found["input_pairs"]) == (pytest.approx(200), 1)


def test_an_empty_store_has_an_empty_index(builder: Any) -> None:
    found = builder.store.price_index()
    assert found.num_rows == 0
    assert found.schema.field("input").nullable
    assert not found.schema.field("input_pairs").nullable
    assert not found.schema.field("snapshot_date").nullable
    for field in found.schema:
        assert len(field.metadata[b"description"]) > 10


PRICES = st.sampled_from([None, "0", "0.1", "1", "2.5", "1e3"])


@given(st.lists(st.lists(st.tuples(PRICES, PRICES), min_size=3, max_size=3), min_size=1, max_size=6))
def test_it_is_what_a_loop_over_pairs_computes(days: list[list[tuple[Any, Any]]]) -> None:
    import polars as pl

    from io_intelligence_provider.store.price_index import price_index

    rows = [
        (day, f"m{number}", f"m{number}", *(price and Decimal(price) for price in pair))
        for day, pairs in zip(DAYS, days, strict=False)
        for number, pair in enumerate(pairs)
    ]
    schema = {"snapshot_date": pl.Date, "model_id": pl.String, "name": pl.String}
    money = {"input_token_price": pl.Decimal(38, 18), "output_token_price": pl.Decimal(38, 18)}
    history = pl.DataFrame(rows[::-1], schema=schema | money, orient="row")
    found = price_index(history, DAYS[: len(days)])
    assert found["input"].to_pylist() == pytest.approx(_looped([[pair[0] for pair in day] for day in days]))
    blends = [[_blended(*pair) for pair in day] for day in days]
    assert found["blended"].to_pylist() == pytest.approx(_looped(blends))


def _blended(first: str | None, second: str | None) -> float | None:
    known = first and second and float(first) and float(second)
    return (3 * float(first) + float(second)) / 4 if known and first and second else None


def _looped(days: list[list[Any]]) -> list[float | None]:
    """Return the index of prices by day and model, computed one by one."""
    numbers = [[float(price) if price and float(price) > 0 else None for price in day] for day in days]
    found: list[float | None] = []
    base: list[float | None] | None = None
    value = 100.0
    for day in numbers:
        if base is None:
            found.append(value if any(day) else None)
            base = day if any(day) else None
            continue
        ratios = [new / old for old, new in zip(base, day, strict=True) if old and new]
        if not ratios:
            found.append(None)
            continue
        value *= math.prod(ratios) ** (1 / len(ratios))
        found.append(value)
        base = day
    return found


SWAPPED = [(0, "a", "1"), (0, "b", "2"), (1, "a", "2"), (1, "b", "1")]
PASSED = [(0, "m", "1"), (1, "m", "1"), (1, "m", "2"), (2, "m", "2")]


@pytest.mark.parametrize(
    ("rows", "tracks"),
    [
        ([(0, "a", "1"), (0, "b", "2"), (1, "b", "2"), (1, "a", "1")], "abba"),
        ([(0, "a", "1"), (1, "a", "2"), (2, "b", "2"), (2, "c", "3")], "aaab"),
        ([(0, "m", "1"), (0, "m", "2"), (1, "m", "2"), (1, "m", "1")], "abba"),
        ([(0, "m", "1"), (0, "m", "2"), (0, "n", "3"), (1, "n", "4")], "abcc"),
        (SWAPPED, "abab"),
        ([*SWAPPED, (2, "c", "3"), (3, "c", "4"), (3, "d", "5")], "ababccd"),
        ([*SWAPPED, (2, "a", "1"), (2, "a", "2"), (2, "d", "5")], "abab" + "cde"),
        ([*SWAPPED, (0, "c", "3"), (1, "d", "3")], "ababcc"),
        (PASSED, "aabb"),
        ([(0, "p", "0"), (1, "p", "1"), *((day + 2, *key) for day, *key in PASSED)], "aaaabb"),
    ],
    ids=[
        "ids",
        "a new id, a new name",
        "one name",
        "a name of two",
        "swapped",
        "others",
        "swapped, one name",
        "swapped, another renamed",
        "passed on",
        "a new id, a new name, passed on",
    ],
)
def test_which_rows_are_one_model(rows: list[tuple[int, str, str]], tracks: str) -> None:
    frame = pl.DataFrame(
        rows, schema={"day": pl.UInt32, "name": pl.String, "model_id": pl.String}, orient="row"
    )
    found, by_key = number_rows(frame)
    letters: dict[int, str] = {}
    assert "".join(letters.setdefault(one, "abcdefg"[len(letters)]) for one in found) == tracks
    assert set(by_key.values()) == set(found)
    assert found.dtype == pl.UInt32
