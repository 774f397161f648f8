"""Tests the results of checks against history as a whole: borders, figures, messages, columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Any

import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.history import HistoryChecks
from io_intelligence_provider.quality.result import CheckResult, CheckRun, ColumnProfile

START = datetime(2026, 1, 1, 6, tzinfo=UTC)
COLUMNS = (("id", "int64"), ("price", "double"), ("at", "timestamp[us, tz=UTC]"), ("day", "date32[day]"))


def run(number: int, rows: int = 100, *profile: ColumnProfile, **changes: Any) -> CheckRun:
    """Return a run, one a day; ``number`` is the day."""
    found = CheckRun(
        run_id=f"run-{number}",
        dataset="orders",
        schema="s",
        checked_at=START + timedelta(days=number),
        seconds=None,
        engine="local",
        mode="rows",
        outcome="passed",
        score=1.0,
        rows=rows,
        valid=rows,
        quarantined=0,
        files=1,
        checks=(),
        columns=COLUMNS,
        profile=profile,
    )
    return replace(found, **changes)


def price(name: str = "price", **changes: Any) -> ColumnProfile:
    return replace(ColumnProfile(name, 100, 0, 50, True, 1.0, 9.0, 5.0, 1.0), **changes)


def results(config: Any, now: CheckRun, past: Sequence[CheckRun]) -> list[CheckResult]:
    return HistoryChecks.from_config(config).evaluate(now, past)


def flagged(check: str, column: str | None, **example: Any) -> CheckResult:
    return CheckResult(check, column, "dataset", "warn", 1, 1, [example])


def fine(check: str, column: str | None = None) -> CheckResult:
    return CheckResult(check, column, "dataset", "warn", 1, 0)


def idle(check: str, column: str | None, why: str, severity: Any = "warn") -> CheckResult:
    return CheckResult(check, column, "dataset", severity, 0, 0, [{"message": f"not evaluated: {why}"}])


def volume(*rows: int) -> list[CheckRun]:
    return [run(day, count) for day, count in enumerate(rows)]


EXACT = {"volume": {"min_change": 0.0, "deviations": 2.0, "min_runs": 3, "settle": 0}}


@pytest.mark.parametrize(
    ("now", "past", "settings", "expected"),
    [
        (104, (100, 100, 100), {"min_change": 0.04}, fine("volume")),
        (105, (100, 100, 100), {"min_change": 0.04}, {"value": 105, "usual": 100, "tolerance": 4.0}),
        (96, (100, 100, 100), {"min_change": 0.04}, fine("volume")),
        (95, (100, 100, 100), {"min_change": 0.04}, {"value": 95, "usual": 100, "tolerance": 4.0}),
        # two robust deviations of 1.4826 x 10
        (129, (90, 100, 110), {}, fine("volume")),
        (130, (90, 100, 110), {}, {"value": 130, "usual": 100, "tolerance": 29.652}),
        (130, (90, 100, 110), {"min_change": 0.3}, fine("volume")),
        # of the last four runs only
        (100, (1, 1, 100, 100, 100, 100), {"window": 4}, fine("volume")),
        (100, (1, 1, 1, 100, 100, 100, 100), {"window": 4}, fine("volume")),
        # the last two runs were within 5 per cent of today's
        (105, (50, 50, 50, 100, 110), {"min_change": 0.05, "settle": 2}, fine("volume")),
        (
            104,
            (50, 50, 50, 100, 110),
            {"min_change": 0.05, "settle": 2},
            {"value": 104, "usual": 50, "tolerance": 2.5},
        ),
        (
            105,
            (50, 50, 50, 100, 110),
            {"min_change": 0.05, "settle": 3},
            {"value": 105, "usual": 50, "tolerance": 2.5},
        ),
    ],
)
def test_borders_of_volume(now: int, past: Sequence[int], settings: Any, expected: Any) -> None:
    (found,) = results({"volume": {**EXACT["volume"], **settings}}, run(50, now), volume(*past))
    if isinstance(expected, dict):
        expected = flagged("volume", None, **expected, runs=min(len(past), settings.get("window", 99)))
    assert found == expected


def test_every_check_has_its_results_in_their_order() -> None:
    past = [run(day, 100, price(), price("other")) for day in range(3)]
    config = {check: {"min_runs": 3} for check in ("volume", "null_share", "column_drift", "distinct_share")}
    found = results(config, run(3, 100, price(), price("other")), past)
    assert found == [
        fine("volume"),
        fine("null_share", "price"),
        fine("null_share", "other"),
        CheckResult("column_drift", None, "dataset", "warn", 4, 0),
        fine("distinct_share", "price"),
        fine("distinct_share", "other"),
    ]


def test_shares_that_differ_name_their_column_and_what_lacks_is_said() -> None:
    past = [run(day, 100, price(), price("b"), price("c", distinct=None)) for day in range(3)]
    now = run(3, 100, price(nulls=20), price("b", rows=0, distinct=0), price("c", distinct=None))
    settings = {"min_runs": 3, "min_change": 0.05, "columns": ["gone", "price", "b", "c"]}
    now = replace(now, columns=(*COLUMNS, ("gone", "int64")))
    assert results({"null_share": settings}, now, past) == [
        idle("null_share", "gone", "this run has no profile of this column"),
        flagged("null_share", "price", value=0.2, usual=0.0, tolerance=0.05, runs=3),
        idle("null_share", "b", "there are no rows"),
        fine("null_share", "c"),
    ]
    all_columns = {"min_runs": 3, "min_change": 0.05}
    assert results({"distinct_share": all_columns}, now, past) == [
        flagged("distinct_share", "price", value=0.625, usual=0.5, tolerance=0.05, runs=3),
        idle("distinct_share", "b", "there are no values to tell apart"),
    ]
    assert results({"distinct_share": {**all_columns, "columns": ["c"]}}, now, past) == [
        idle("distinct_share", "c", "there are no values to tell apart"),
    ]
    few = run(3, 100, price(rows=10, nulls=2))
    assert results({"null_share": all_columns}, few, past) == [fine("null_share", "price")]


@pytest.mark.parametrize(
    ("rows", "change", "least"),
    [
        (100, 0.0, 2 * 1.2533 * 1.4826 * 2.0 / sqrt(90)),
        (11, 0.0, 2 * 1.2533 * 1.4826 * 2.0),
        (10, 0.0, 2 * 1.2533 * 1.4826 * 2.0),
        (100, 0.5, 2.5),  # half of the centre, which is more than half of the spread
    ],
)
def test_the_least_shift_of_a_median(rows: int, change: float, least: float) -> None:
    """It is of the usual spread and of the values of today."""
    past = [run(day, 100, price(mad=mad)) for day, mad in enumerate([1.0, 2.0, 3.0, None])]
    settings = {"min_runs": 4, "min_change": change, "deviations": 0.0, "settle": 0}
    for shift, is_flagged in ((least * 0.99, False), (least * 1.01, True)):
        now = run(5, rows, price(rows=rows, nulls=10, median=5.0 + shift, mad=99.0))
        (found,) = results({"numeric_shift": settings}, now, past)
        assert (found.column, found.evaluated, found.failed) == ("price", 1, is_flagged)
    assert found.examples[0]["tolerance"] == pytest.approx(least, rel=1e-4)


def test_a_median_about_zero_and_one_without_a_spread() -> None:
    settings = {"numeric_shift": {"min_runs": 3, "min_change": 0.5, "deviations": 0.0, "settle": 0}}
    around = [run(day, 100, price(median=0.0, mad=8.0, rows=10**9)) for day in range(3)]
    for median, failed in ((3.9, 0), (4.1, 1)):
        (found,) = results(settings, run(5, 100, price(median=median, rows=10**9)), around)
        assert found.failed == failed
    without = [run(day, 100, price(median=0.0, mad=None)) for day in range(3)]
    (found,) = results(settings, run(5, 100, price(median=0.01)), without)
    assert found.failed == 1
    (found,) = results(settings, run(5, 100, price(median=None)), without)
    assert found == idle("numeric_shift", "price", "there are no numbers this time")
    assert results(settings, run(5, 100, price("new", median=None)), without) == []


def newest(day: int, hours: float, zone: str = "+00:00", name: str = "at", **changes: Any) -> CheckRun:
    """Return a run whose newest value is some hours old."""
    at = (START + timedelta(days=day) - timedelta(hours=hours)).replace(tzinfo=None).isoformat() + zone
    return run(day, 100, price(name, max=at, median=None), **changes)


@pytest.mark.parametrize(
    ("now", "settings", "expected"),
    [
        (newest(9, 24), {"max_age_hours": 24}, fine("freshness", "at")),
        (
            newest(9, 24.5),
            {"max_age_hours": 24},
            flagged("freshness", "at", age_hours=24.5, max_age_hours=24),
        ),
        (newest(9, 22, "-02:00"), {"max_age_hours": 21}, fine("freshness", "at")),
        (newest(9, 3), {"min_change": 2}, fine("freshness", "at")),
        (
            newest(9, 3.5),
            {"min_change": 2},
            flagged("freshness", "at", value=3.5, usual=1.0, tolerance=2.0, runs=3),
        ),
        (run(9, 100, price("at", max=None)), {}, flagged("freshness", "at", message="there are no values")),
        (run(9, 100), {}, idle("freshness", "at", "this run has no profile of its columns")),
        (
            newest(9, -48),
            {},
            flagged(
                "freshness",
                "at",
                age_hours=-48.0,
                message="the newest value is in the future, so the age of the data is unknown",
            ),
        ),
    ],
)
def test_ages(now: CheckRun, settings: Any, expected: CheckResult) -> None:
    past = [newest(day, 1) for day in range(3)]
    base = {"columns": ["at"], "min_runs": 3, "deviations": 0.0, "settle": 0}
    assert results({"freshness": {**base, **settings}}, now, past) == [expected]


def test_a_date_and_a_column_without_values_have_an_age_and_other_types_have_none() -> None:
    past = [newest(day, 1, "", "day") for day in range(3)]
    settings = {"min_runs": 3, "columns": ["day"]}
    assert results({"freshness": settings}, newest(9, 1, "", "day"), past) == [fine("freshness", "day")]
    empty = replace(newest(9, 1, "", "day"), columns=(("day", "null"),))
    assert results({"freshness": settings}, empty, past) == [fine("freshness", "day")]
    with pytest.raises(ConfigurationError) as told:
        results({"freshness": {"columns": ["id"]}}, newest(9, 1), past)
    assert str(told.value) == "freshness: 'id' is of the type int64; a date or timestamp has an age."


def test_drift_against_the_latest_run_with_columns() -> None:
    past = [run(0, columns=(("x", "int64"),)), run(1), run(2, columns=())]
    now = run(3, columns=(("id", "string"), ("price", "double"), ("at", "null"), ("new", "int64")))
    (found,) = results({"column_drift": {"ignore": ["at"], "severity": "error"}}, now, past)
    assert found == CheckResult(
        "column_drift", None, "dataset", "error", 4, 3,
        [
            {"column": "id", "old_type": "int64", "new_type": "string"},
            {"column": "day", "old_type": "date32[day]", "new_type": None},
            {"column": "new", "old_type": None, "new_type": "int64"},
        ],
    )  # fmt: skip
    assert results({"column_drift": {"severity": "error", "min_runs": 2}}, now, []) == [
        idle("column_drift", None, "earlier runs needed: 2, on file: 0", "error")
    ]


def test_a_column_that_is_unknown_is_named_beside_the_known_ones() -> None:
    now = run(3, 100, price("extra"))
    past = [run(2, columns=(("before", "int64"),))]
    with pytest.raises(ConfigurationError) as told:
        results({"null_share": {"columns": ["before", "price"], "ignore": ["x"]}}, now, past)
    assert str(told.value) == (
        "null_share: orders has no column 'before', 'x'. It has id, price, at, day, extra."
    )
    with pytest.raises(ConfigurationError, match="column_drift: orders has no column 'x'"):
        results({"column_drift": {"columns": ["before", "x"]}}, now, past)


def test_since_includes_its_moment_and_a_run_of_the_same_moment_is_not_earlier() -> None:
    past = volume(1, 1, 100, 100, 100)
    settings = {**EXACT["volume"], "since": START + timedelta(days=2)}
    assert results({"volume": settings}, run(9, 100), past) == [fine("volume")]
    settings["since"] = START + timedelta(days=2, seconds=1)
    assert results({"volume": settings}, run(9, 100), past) == [
        idle("volume", None, "earlier runs needed: 3, on file: 2")
    ]
    again = run(4, 100, run_id="other")
    assert results(EXACT, again, past[2:]) == [idle("volume", None, "earlier runs needed: 3, on file: 2")]


def test_figures_have_six_digits() -> None:
    past = [run(day, 100, price(median=1 / 3, mad=0.0)) for day in range(3)]
    settings = {"min_runs": 3, "min_change": 0.0, "deviations": 1.0}
    (found,) = results({"numeric_shift": settings}, run(9, 100, price(median=2 / 3)), past)
    assert found.examples == [{"value": 0.666667, "usual": 0.333333, "tolerance": 0.0, "runs": 3}]
