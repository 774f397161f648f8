"""Profiles of columns: exact while short, close when long, the same however the rows are cut."""

from __future__ import annotations

import datetime as dt
import random
import statistics
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider.quality.profile import EXACT_DISTINCT, SAMPLE, Profiler
from io_intelligence_provider.quality.result import ColumnProfile


def profiled(*frames: pl.DataFrame) -> dict[str, ColumnProfile]:
    profiler = Profiler()
    for frame in frames:
        profiler.add(frame)
    return {column.column: column for column in profiler.finish()}


def one(values: Any, dtype: object = None) -> ColumnProfile:
    return profiled(pl.DataFrame({"x": pl.Series(values, dtype=dtype, strict=False)}))["x"]


def test_a_column_of_numbers():
    assert one([3, 1, None, 2, 10]) == ColumnProfile("x", 5, 1, 4, True, 1.0, 10.0, 2.5, 1.0)


def test_nan_is_no_value_and_infinity_no_bound():
    profile = one([float("nan"), float("inf"), float("-inf"), 1.0, 3.0, None])
    assert (profile.rows, profile.nulls) == (6, 2)
    assert (profile.min, profile.max, profile.median, profile.mad) == (1.0, 3.0, 2.0, 1.0)


def test_zero_has_no_sign():
    profile = one([-0.0, None])
    assert str([profile.min, profile.max]) == "[0.0, 0.0]"


def test_exact_decimals_dates_moments_and_texts():
    assert one([Decimal("0.1"), Decimal("0.3")]).median == 0.2
    assert (one([dt.date(2026, 1, 2), None]).min, one([dt.date(2026, 1, 2)]).max) == ("2026-01-02",) * 2
    assert one([dt.datetime(2026, 1, 2, tzinfo=dt.UTC)]).max == "2026-01-02T00:00:00+00:00"
    text = one(["b", "a", "a"])
    assert (text.min, text.max, text.median, text.distinct) == (None, None, None, 2)


def test_what_is_unknown_is_not_zero():
    empty = one([None, None], pl.Float64)
    assert (empty.nulls, empty.distinct) == (2, 0)
    assert (empty.min, empty.max, empty.median, empty.mad) == (None,) * 4
    assert empty.distinct_share is None
    assert ColumnProfile("x", 0, 0).null_share is None
    assert profiled(pl.DataFrame({"x": []})) == {}


@pytest.mark.parametrize(
    "values",
    [[[1, 2], [3], [1, 2]], [{"a": 1}, {"a": 2}, {"a": 1}], [b"a", b"b", b"a"], [True, False, True]],
)
def test_nested_types_and_others_are_told_apart(values):
    assert one(values).distinct == 2


def test_a_category_is_its_text_whatever_its_code():
    frames = [
        pl.DataFrame({"x": pl.Series(["b", "a"], dtype=pl.Categorical)}),
        pl.DataFrame({"x": ["b", "c"]}),  # another file, written without a dictionary
        pl.DataFrame({"x": pl.Series(["c"], dtype=pl.Enum(["c", "b"]))}),
    ]
    assert profiled(*frames)["x"].distinct == 3


@pytest.mark.parametrize("of", [pl.List, lambda inner: pl.Array(inner, 1)], ids=["list", "array"])
def test_a_category_within_a_value_is_its_text_too(of):
    try:
        pl.Series([["a"]], dtype=of(pl.Categorical))
        pl.Series([["a"]], dtype=of(pl.String)).hash()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        pytest.skip(f"polars {pl.__version__}: {error}")
    profiler = Profiler()
    for texts in (["b", "a"], ["a", "b"], ["c", "a"]):  # the codes begin anew when a frame is gone
        profiler.add(pl.DataFrame({"x": pl.Series([[text] for text in texts], dtype=of(pl.Categorical))}))
    assert profiler.finish()[0].distinct == 3


def test_deviations_beyond_the_floats_are_unknown():
    assert one([-1.7e308, -1.7e308, 1.7e308, 1.7e308]).mad is None


def test_a_column_that_comes_later_counts_from_there():
    profiles = profiled(pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1], "b": [2.0]}))
    assert (profiles["a"].rows, profiles["b"].rows, profiles["b"].median) == (2, 1, 2.0)


numbers = st.lists(st.none() | st.integers(-50, 50) | st.floats(-9, 9, width=32), max_size=60)


@pytest.mark.long
@given(values=numbers, cut=st.integers(0, 60))
def test_cut_anywhere_it_is_what_statistics_says(values, cut):
    whole = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})
    profile = profiled(whole[:cut], whole[cut:]).get("x")
    if profile is None:
        assert not values
        return
    known = [float(value) for value in values if value is not None]
    assert profile.nulls == len(values) - len(known)
    assert profile.distinct == len(set(known))
    if known:
        median = statistics.median(known)
        assert profile.median == pytest.approx(median)
        assert profile.mad == pytest.approx(statistics.median(abs(value - median) for value in known))
        assert (profile.min, profile.max) == (min(known), max(known))


def test_the_last_number_that_is_exact_and_the_first_that_is_not():
    exact = one(list(range(EXACT_DISTINCT)))
    assert (exact.distinct, exact.distinct_exact) == (EXACT_DISTINCT, True)
    more = one(list(range(EXACT_DISTINCT + 1)))
    assert not more.distinct_exact
    assert more.distinct == pytest.approx(EXACT_DISTINCT, rel=0.1)


def test_the_first_number_that_is_not_exact_is_noticed_in_any_frame():
    values = pl.Series(list(range(EXACT_DISTINCT + 1)))
    values = values.gather(values.hash().arg_sort())  # the last is the one that is not kept
    frame = pl.DataFrame({"x": values})
    assert not profiled(frame[:EXACT_DISTINCT], frame[EXACT_DISTINCT:])["x"].distinct_exact
    assert profiled(frame[:EXACT_DISTINCT], frame[:5])["x"].distinct_exact


def test_an_estimate_is_made_of_the_smallest_hashes():
    rows = 10 * EXACT_DISTINCT
    kth = pl.Series(list(range(rows))).hash().sort()[EXACT_DISTINCT - 1]
    assert one(list(range(rows))).distinct == round((EXACT_DISTINCT - 1) * 2**64 / kth)


def test_an_estimate_is_never_more_than_there_are_values():
    for first in range(20):
        values = range(first * 10_000, first * 10_000 + EXACT_DISTINCT + 1)
        assert one([*values, *[None] * 1_000]).distinct <= EXACT_DISTINCT + 1


@pytest.mark.long
def test_a_long_column_is_close_and_bounded():
    rows = 20 * SAMPLE
    values = list(range(rows))
    random.Random(5).shuffle(values)  # noqa: S311 - no secret
    frame = pl.DataFrame({"id": values, "few": [value % 1_000 for value in values]})
    profiler = Profiler()
    for start in range(0, rows, 50_000):
        profiler.add(frame[start : start + 50_000])
    ids, few = profiler.finish()
    # Four standard errors, of the sample's rank and of the estimate.
    assert ids.median == pytest.approx(rows / 2, abs=4 * rows * 0.5 / SAMPLE**0.5)
    assert ids.mad == pytest.approx(rows / 4, rel=0.03)
    assert ids.distinct == pytest.approx(rows, rel=4 * 0.016)
    assert (few.distinct, few.distinct_exact, few.max) == (1_000, True, 999.0)
    # 8 bytes: the hashes of both columns; the sample of both, and of its rows.
    assert len(profiler.state()) < 8 * (2 * (EXACT_DISTINCT + 1) + 3 * SAMPLE) + 10_000


def test_merged_partitions_are_as_good_as_one_pass():
    frame = pl.DataFrame({"x": [float(value) for value in range(1_000)], "s": ["a", None] * 500})
    states = []
    for seed in range(4):
        part = Profiler(seed)
        part.add(frame[seed::4])
        states.append(part.state())
    merged = {column.column: column for column in Profiler.merged(states).finish()}
    assert merged == profiled(frame)
    assert Profiler.merged([]).finish() == ()


def test_a_sample_is_the_same_however_the_rows_are_cut():
    frame = pl.DataFrame(
        {"x": [value * value % 100_003 for value in range(2 * SAMPLE)], "s": ["s", None] * SAMPLE}
    )
    cuts = [0, 10, SAMPLE - 1, SAMPLE, SAMPLE + 7, 2 * SAMPLE]
    parts = [frame[start:stop] for start, stop in pairwise(cuts)]
    assert profiled(*parts) == profiled(frame)
    profiler = Profiler()
    for part in parts:
        profiler.add(part)
    assert len(profiler.state()) < 8 * (EXACT_DISTINCT + 1 + 2 * SAMPLE) + 10_000
    assert Profiler.merged([profiler.state(), Profiler().state()]).finish() == profiler.finish()


def test_values_that_cannot_be_hashed_are_not_counted(monkeypatch):
    """Older versions of polars cannot hash lists."""

    def fail(_):
        raise pl.exceptions.InvalidOperationError

    states = []
    for cannot in (False, True, False):
        with monkeypatch.context() as patch:
            if cannot:
                patch.setattr(pl.Series, "hash", fail)
            profiler = Profiler()
            profiler.add(pl.DataFrame({"x": ["a", None]}))
            states.append(profiler.state())
    assert Profiler.merged(states[1:2]).finish() == (ColumnProfile("x", 2, 1, None, True),)
    assert Profiler.merged(states).finish() == (ColumnProfile("x", 6, 3, None, True),)
    with monkeypatch.context() as patch:
        patch.setattr(pl.Series, "hash", fail)
        profiler.add(pl.DataFrame({"x": ["b"]}))
    profiler.add(pl.DataFrame({"x": ["c"]}))
    assert profiler.finish()[0].distinct is None


def test_partitions_are_sampled_independently():
    frame = pl.DataFrame({"x": list(range(3 * SAMPLE))})
    medians = set()
    for seed in range(3):
        profiler = Profiler(seed)
        profiler.add(frame)
        medians.add(profiler.finish()[0].median)
    assert len(medians) == 3


@pytest.mark.parametrize(
    ("dtype", "far"),
    [
        (pl.Datetime("ms"), 10**15),
        (pl.Datetime("us"), 10**18),
        (pl.Datetime("ms", "America/New_York"), 10**15),
        (pl.Date, 10**7),
    ],
)
def test_years_that_python_does_not_know_are_its_first_and_last(dtype, far):
    profile = one(pl.Series([-far, 0, far]).cast(dtype))
    assert str(profile.min).startswith("0001-01-")
    assert str(profile.max).startswith("9999-12-")


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_of_each_unit_are_exact(unit):
    known = [dt.datetime(1700, 1, 2, 3, 4, 5, 678_000), dt.datetime(2261, 1, 2, 3, 4, 5, 678_000)]  # noqa: DTZ001
    profile = one(known, pl.Datetime(unit))
    assert (profile.min, profile.max) == tuple(at.isoformat() for at in known)


def test_a_duration_that_python_does_not_know_is_its_longest():
    profile = one([-(2**62), 0, 2**62], pl.Duration("ms"))
    assert (profile.min, profile.max) == (f"-{999_999_999} days, 0:00:00", "999999999 days, 0:00:00")


def test_times_of_a_clock_that_is_set_back_are_compared_as_moments():
    first, second = (dt.datetime(2020, 10, 25, hour, 30, tzinfo=dt.UTC) for hour in (0, 1))
    zone = pl.Datetime("us", "Europe/Berlin")
    frames = [pl.DataFrame({"at": pl.Series([at], dtype=zone)}) for at in (first, second)]
    for order in (frames, frames[::-1]):
        profile = profiled(*order)["at"]
        assert (profile.min, profile.max) == ("2020-10-25T02:30:00+02:00", "2020-10-25T02:30:00+01:00")
