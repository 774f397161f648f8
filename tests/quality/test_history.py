"""Checks against history: what they flag, what they leave alone, what they say when they cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.history import DEFAULTS, STANDARD, HistoryChecks
from io_intelligence_provider.quality.result import CheckResult, CheckRun, ColumnProfile

START = datetime(2026, 1, 1, 6, tzinfo=UTC)


def run(day: int, rows: int = 1_000, *profile: ColumnProfile, **changes: Any) -> CheckRun:
    fields: dict[str, Any] = {
        "run_id": f"run-{day}",
        "dataset": "orders",
        "schema": "schemas:orders",
        "checked_at": START + timedelta(days=day),
        "seconds": 1.0,
        "engine": "local",
        "mode": "rows",
        "outcome": "passed",
        "score": 1.0,
        "rows": rows,
        "valid": rows,
        "quarantined": 0,
        "files": 1,
        "checks": (),
        "columns": (("id", "int64"), ("price", "double")),
        "profile": profile,
    }
    return CheckRun(**{**fields, **changes})


def price(**changes: Any) -> ColumnProfile:
    return replace(ColumnProfile("price", 1_000, 10, 500, True, 1.0, 9.0, 5.0, 1.0), **changes)


def evaluated(config: Any, now: CheckRun, past: Sequence[CheckRun]) -> CheckResult:
    (result,) = HistoryChecks.from_config(config).evaluate(now, past)
    return result


STEADY = [run(day, 1_000 + day % 3, price(median=5.0 + 0.01 * (day % 3))) for day in range(10)]


@pytest.mark.parametrize(
    ("check", "now"),
    [
        ("volume", run(10, 400)),
        ("volume", run(10, 2_000)),
        ("volume", run(10, 0)),
        ("null_share", run(10, 1_000, price(nulls=300))),
        ("distinct_share", run(10, 1_000, price(distinct=5))),
        ("numeric_shift", run(10, 1_000, price(median=5_000.0, mad=1_000.0))),
        ("numeric_shift", run(10, 1_000, price(median=-5.0))),
    ],
)
def test_it_flags(check, now):
    result = evaluated([check], now, STEADY)
    assert (result.check, result.level, result.severity, result.evaluated) == (check, "dataset", "warn", 1)
    assert not result.passed
    assert set(result.examples[0]) == {"value", "usual", "tolerance", "runs"}
    assert result.examples[0]["runs"] == 10


@pytest.mark.parametrize("check", ["volume", "null_share", "distinct_share", "numeric_shift"])
def test_it_leaves_the_usual_alone(check):
    now = run(10, 1_040, price(nulls=15, distinct=480, median=5.1))
    result = evaluated([check], now, STEADY)
    assert (result.evaluated, result.failed, result.examples) == (1, 0, [])


def test_outliers_of_the_past_do_not_move_it():
    past = [*STEADY[:7], run(7, 1_000_000), run(8, 1), run(9, 1_000)]
    assert evaluated(["volume"], run(10, 1_010), past).passed
    assert not evaluated(["volume"], run(10, 400), past).passed


def test_with_too_short_a_history_it_is_silent_and_says_so():
    result = evaluated(["volume"], run(10, 1), STEADY[:6])
    assert (result.evaluated, result.failed, result.passed) == (0, 0, True)
    assert result.examples == [{"message": "not evaluated: earlier runs needed: 7, on file: 6"}]
    assert not evaluated({"volume": {"min_runs": 6}}, run(10, 1), STEADY[:6]).passed


def test_stopped_runs_later_runs_and_the_run_itself_do_not_count():
    other = [replace(old, outcome="failed") for old in STEADY[:2]] + [run(10, 5), run(11, 5), run(12, 5)]
    result = evaluated(["volume"], run(10, 1), [*STEADY[2:8], *other])
    assert result.examples == [{"message": "not evaluated: earlier runs needed: 7, on file: 6"}]


def of_interval(day: int, attempt: int = 0, rows: int = 1_000, **changes: Any) -> CheckRun:
    """Return a run on the data of a day, checked on the next day, once for each attempt."""
    return run(
        day + 1,
        rows,
        run_id=f"run-{day}-{attempt}",
        data_interval_start=START + timedelta(days=day),
        checked_at=START + timedelta(days=day + 1, minutes=attempt),
        **changes,
    )


def test_a_bad_day_that_is_checked_four_times_does_not_become_the_norm():
    past = [of_interval(day) for day in range(10)]
    for attempt in range(4):
        now = of_interval(10, attempt, 3_000)
        result = evaluated(["volume"], now, past)
        assert not result.passed, "its own earlier runs are not the usual"
        assert result.examples[0]["runs"] == 10
        past.append(now)
    result = evaluated(["volume"], of_interval(11, 0, 3_000), past)
    assert not result.passed, "the day counts once"
    assert result.examples[0]["runs"] == 11


def test_of_each_data_interval_the_latest_run_counts():
    past = [of_interval(day, 1) for day in range(8)] + [of_interval(day, 0, 9_000) for day in range(8)]
    assert evaluated(["volume"], of_interval(8), past).passed
    stopped = [*past, of_interval(7, 2, outcome="failed")]
    result = evaluated({"volume": {"min_runs": 8}}, of_interval(8), stopped)
    assert result.examples == [{"message": "not evaluated: earlier runs needed: 8, on file: 7"}]


def test_the_history_is_in_the_order_of_the_data_intervals():
    """A backfill checks old days late: later days do not count, and the latest runs are of the last days."""
    days = [*range(5, 12), *range(5)]
    past = [
        replace(
            of_interval(day, 0, 3_000 if day > 8 else 1_000), checked_at=START + timedelta(days=20 + place)
        )
        for place, day in enumerate(days)
    ]
    assert evaluated(["volume"], of_interval(12, 0, 3_000), past).passed, "settled on days 9, 10 and 11"
    assert not evaluated(["volume"], of_interval(9, 5, 3_000), past).passed, "only days 0 to 8 are before it"
    since = {"volume": {"since": (START + timedelta(days=9)).isoformat(), "min_runs": 3, "settle": 0}}
    assert evaluated(since, of_interval(12, 0, 3_000), past).passed


def test_runs_without_a_data_interval_count_by_themselves():
    past = [*(of_interval(day) for day in range(5)), run(7, 1_000), run(8, 1_000)]
    assert evaluated(["volume"], run(9, 400), past).examples[0]["runs"] == 7
    assert evaluated(["volume"], of_interval(8, 0, 400), past).examples[0]["runs"] == 7


def test_the_order_of_the_past_does_not_matter():
    now = run(10, 400)
    assert evaluated(NARROW, now, STEADY) == evaluated(NARROW, now, STEADY[::-1])


NARROW = {"volume": {"window": 8}}


def test_a_new_level_is_told_until_it_has_settled():
    past = list(STEADY)
    flags = []
    for day in range(10, 16):
        now = run(day, 3_000)
        flags.append(not evaluated(["volume"], now, past).passed)
        past.append(now)
    assert flags == [True, True, True, False, False, False]
    assert not evaluated({"volume": {"settle": 0}}, run(13, 3_000), past).passed


def test_a_stopped_level_never_settles():
    past = [*STEADY, *(replace(run(day, 3_000), outcome="failed") for day in range(10, 15))]
    assert not evaluated({"volume": {"severity": "error"}}, run(15, 3_000), past).passed


def test_what_lies_before_the_window_does_not_count():
    past = [*(run(day, 100) for day in range(20)), *(run(day, 1_000) for day in range(20, 28))]
    assert evaluated({"volume": {"window": 8, "settle": 0}}, run(28, 1_000), past).passed
    assert not evaluated({"volume": {"window": 28, "settle": 0}}, run(28, 1_000), past).passed


def test_since_forgets_what_was_before():
    past = [*STEADY, *(run(day, 5_000) for day in range(10, 17))]
    meant = {"volume": {"since": "2026-01-11", "settle": 0}}
    assert not evaluated({"volume": {"settle": 0}}, run(17, 5_000), past).passed
    assert evaluated(meant, run(17, 5_000), past).evaluated == 1
    assert evaluated(meant, run(17, 5_000), past).passed


def test_a_small_table_may_change_by_a_row_or_two():
    small = [run(day, 10, ColumnProfile("price", 10, 0, 10, median=5.0, mad=2.0)) for day in range(8)]
    two_nulls = run(8, 10, ColumnProfile("price", 10, 2, 8, median=5.5, mad=2.0))
    three_nulls = run(8, 10, ColumnProfile("price", 10, 3, 7, median=5.5, mad=2.0))
    assert evaluated(["null_share"], two_nulls, small).passed
    assert not evaluated(["null_share"], three_nulls, small).passed
    # Half a point is a tenth of 5, but far less than the median's own standard error of 1.2.
    assert evaluated({"numeric_shift": {"min_change": 0.01}}, two_nulls, small).passed


def test_numbers_that_grew_a_thousandfold_do_not_excuse_themselves():
    small = [run(day, 4, ColumnProfile("price", 4, 0, 4, median=5.0, mad=2.0)) for day in range(8)]
    now = run(8, 4, ColumnProfile("price", 4, 0, 4, median=5_000.0, mad=2_000.0))
    assert not evaluated(["numeric_shift"], now, small).passed


def test_a_column_about_zero_is_measured_by_its_spread():
    past = [run(day, 1_000, price(median=0.0, mad=10.0)) for day in range(8)]
    assert evaluated(["numeric_shift"], run(8, 1_000, price(median=0.9, mad=10.0)), past).passed
    assert not evaluated(["numeric_shift"], run(8, 1_000, price(median=1.5, mad=10.0)), past).passed


def test_column_drift_names_what_came_went_and_changed():
    past = [run(0)]
    now = run(1, columns=(("id", "string"), ("name", "string")))
    result = evaluated(["column_drift"], now, past)
    assert (result.evaluated, result.failed) == (3, 3)
    assert result.examples == [
        {"column": "id", "old_type": "int64", "new_type": "string"},
        {"column": "price", "old_type": "double", "new_type": None},
        {"column": "name", "old_type": None, "new_type": "string"},
    ]
    assert evaluated(["column_drift"], run(1), past).passed
    assert evaluated({"column_drift": {"ignore": ["id", "price", "name"]}}, now, past).passed
    assert evaluated(["column_drift"], now, []).evaluated == 0


def stamped(day: int, age_hours: float) -> CheckRun:
    newest = (START + timedelta(days=day) - timedelta(hours=age_hours)).isoformat()
    return run(day, 1_000, ColumnProfile("at", 1_000, 0, max=newest))


def test_freshness_against_the_usual_age_and_against_a_limit():
    past = [stamped(day, 2) for day in range(8)]
    config = {"freshness": {"columns": "at"}}
    assert evaluated(config, stamped(8, 2.5), past).passed
    assert evaluated(config, stamped(8, 0), past).passed, "fresher than usual is fine"
    late = evaluated(config, stamped(8, 26), past)
    assert not late.passed
    assert late.examples[0]["value"] == 26
    limit = {"freshness": {"columns": ["at"], "max_age_hours": "24"}}
    assert not evaluated(limit, stamped(8, 26), []).passed
    assert evaluated(limit, stamped(8, 23), []).passed
    unprofiled = run(8, 10, columns=(("at", "timestamp[us]"),))
    assert evaluated(config, unprofiled, past).examples == [
        {"message": "not evaluated: this run has no profile of its columns"}
    ]


def test_data_without_any_time_are_not_fresh():
    config = {"freshness": {"columns": "at", "max_age_hours": 24, "severity": "error"}}
    empty = ColumnProfile("at", 9, 9)
    for now in (run(8, 9, empty), run(8, 0, columns=(("at", "timestamp[us, tz=UTC]"),))):
        result = evaluated(config, now, [])
        assert (result.evaluated, result.passed, result.severity) == (1, False, "error")
        assert result.examples == [{"message": "there are no values"}]


@pytest.mark.parametrize(
    ("newest", "passes"),
    [
        ("9999-12-31T23:59:59-05:00", False),
        ((START + timedelta(days=8, hours=2)).isoformat(), False),
        ((START + timedelta(days=8, minutes=5)).isoformat(), True),
        ("2026-01-09T20:00:00", True),
        ("2026-01-09", True),
        ("2026-01-10", False),
    ],
)
def test_a_time_in_the_future_is_a_finding(newest, passes):
    now = run(8, 9, ColumnProfile("at", 9, 0, max=newest))
    result = evaluated({"freshness": {"columns": "at", "max_age_hours": 24}}, now, [])
    assert (result.evaluated, result.passed) == (1, passes)
    if not passes:
        assert "is in the future" in result.examples[0]["message"]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (
            {"freshness": {"columns": "updatet_at"}},
            "freshness: orders has no column 'updatet_at'. It has id, price.",
        ),
        ({"null_share": {"columns": ["id", "prize"]}}, "null_share: orders has no column 'prize'"),
        ({"numeric_shift": {"ignore": "prize"}}, "numeric_shift: orders has no column 'prize'"),
        ({"column_drift": {"ignore": "prize"}}, "column_drift: orders has no column 'prize'"),
        ({"freshness": {"columns": "price"}}, "'price' is of the type double"),
    ],
)
def test_a_column_that_is_not_there_is_a_mistake(config, says):
    with pytest.raises(ConfigurationError) as error:
        HistoryChecks.from_config(config).evaluate(run(10, 9, price()), STEADY)
    assert says in str(error.value)


def test_a_column_that_has_vanished_is_a_finding_of_column_drift():
    past = [run(0, columns=(("id", "int64"), ("gone", "string")))]
    assert not evaluated({"column_drift": {"columns": "gone"}}, run(1), past).passed
    assert evaluated({"column_drift": {"ignore": ["gone", "price"]}}, run(1), past).passed


def test_data_that_stay_behind_are_told_every_day():
    past = [stamped(day, 2) for day in range(8)]
    for day in range(8, 14):
        now = stamped(day, 2 + 24 * (day - 7))
        assert not evaluated({"freshness": {"columns": "at"}}, now, past).passed
        past.append(now)


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (run(10), "this run has no profile of its columns"),
        (run(10, 0, price(rows=0, nulls=0)), "there are no rows"),
        (run(10, 9, ColumnProfile("id", 9, 0)), "this run has no profile of this column"),
    ],
)
def test_what_cannot_be_told_is_said(now, says):
    result = evaluated({"null_share": {"columns": ["price"]}}, now, STEADY)
    assert (result.evaluated, result.passed) == (0, True)
    assert result.examples == [{"message": f"not evaluated: {says}"}]


def test_a_column_without_numbers_this_time_is_said():
    result = evaluated(["numeric_shift"], run(10, 9, price(median=None)), STEADY)
    assert result.examples == [{"message": "not evaluated: there are no numbers this time"}]
    text = run(10, 9, ColumnProfile("name", 9, 0))
    assert HistoryChecks.from_config(["numeric_shift"]).evaluate(text, STEADY) == []


def test_configurations():
    assert HistoryChecks.from_config(None) == HistoryChecks.from_config(False) == HistoryChecks()
    assert tuple(rule.name for rule in HistoryChecks.from_config(True).rules) == STANDARD
    (rule,) = HistoryChecks.from_config({"volume": {"min_change": "0.5", "min_runs": "40"}}).rules
    assert (rule.min_change, rule.min_runs, rule.window) == (0.5, 40, 40)
    assert HistoryChecks.from_config({"volume": None}).rules == (DEFAULTS["volume"],)
    checks = HistoryChecks.from_config(["volume"])
    assert HistoryChecks.from_config(checks) is checks
