"""Tests the settings of the history checks: their defaults, forms and borders, and what is said of others."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.history_rules import DEFAULTS, STANDARD, HistoryRule, moment, rules_from

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("config", [None, False, [], {}])
def test_nothing_is_no_rule(config):
    assert rules_from(config) == ()


def test_names_have_the_defaults():
    standard = tuple(DEFAULTS[name] for name in STANDARD)
    assert rules_from(True) == standard
    assert rules_from(STANDARD) == rules_from(dict.fromkeys(STANDARD)) == standard
    assert rules_from(name for name in ["volume"]) == (DEFAULTS["volume"],)


def test_every_setting_is_read_from_text():
    settings = {
        "min_change": "0.5", "severity": "error", "deviations": "4", "min_runs": "3", "window": "9",
        "settle": "2", "columns": "price", "ignore": ["b", 1], "since": "2026-01-02T13:00:00+01:00",
    }  # fmt: skip
    assert rules_from({"null_share": settings}) == (
        HistoryRule("null_share", 0.5, "error", 4.0, 3, 9, 2, ("price",), ("b", "1"), NOON),
    )
    (fresh,) = rules_from({"freshness": {"columns": ["at"], "max_age_hours": "26"}})
    assert (fresh.columns, fresh.max_age_hours, fresh.needs_history) == (("at",), 26.0, False)
    unset = dict.fromkeys(settings)
    assert rules_from({"null_share": unset}) == (DEFAULTS["null_share"],)


def test_the_window_holds_the_runs_that_are_needed():
    assert rules_from({"volume": {"min_runs": 40}})[0].window == 40
    assert rules_from({"volume": {"min_runs": 5}})[0].window == 30
    assert rules_from({"column_drift": {"min_runs": 2}})[0].window == 2
    assert rules_from({"volume": {"window": 9}})[0].min_runs == 7


RUNS = "min_runs is at least 1, window at least min_runs and at most 100."


@pytest.mark.parametrize(
    ("config", "why"),
    [
        (3, "History checks are 3; give True, names, or a mapping of names to settings."),
        ("volume", "History checks are 'volume'; give True, names, or a mapping of names to settings."),
        (b"x", "History checks are b'x'; give True, names, or a mapping of names to settings."),
        (["x"], f"There is no history check 'x'. There are: {', '.join(DEFAULTS)}."),
        ([["volume"]], f"There is no history check ['volume']. There are: {', '.join(DEFAULTS)}."),
        ({"volume": [1]}, "volume: the settings are [1]; give a mapping."),
        ({"volume": False}, "volume: the settings are False; give a mapping."),
        ({"volume": {"window": 7.5}}, "volume: window is 7.5, which cannot be read."),
        ({"volume": {"min_runs": True}}, "volume: min_runs is True, which cannot be read."),
        ({"volume": {"min_change": True}}, "volume: min_change is True, which cannot be read."),
        ({"volume": {"window": "x"}}, "volume: window is 'x', which cannot be read."),
        ({"volume": {"window": [1]}}, "volume: window is [1], which cannot be read."),
        ({"volume": {"since": "yesterday"}}, "volume: since is 'yesterday', which cannot be read."),
        ({"volume": {"since": 3}}, "volume: since is 3, which cannot be read."),
        ({"freshness": {}}, "freshness: columns is missing; name the date or timestamp columns to check."),
        ({"volume": {"severity": "x"}}, "volume: severity is 'x'; it is error or warn."),
        ({"volume": {"min_runs": 0}}, f"volume: min_runs is 0 and window 30; {RUNS}"),
        ({"volume": {"window": 6}}, f"volume: min_runs is 7 and window 6; {RUNS}"),
        ({"volume": {"window": 101}}, f"volume: min_runs is 7 and window 101; {RUNS}"),
        ({"volume": {"min_change": -0.1}}, "volume: min_change is -0.1; it is finite and not negative."),
        ({"volume": {"deviations": "inf"}}, "volume: deviations is inf; it is finite and not negative."),
        ({"volume": {"settle": -1}}, "volume: settle is -1; it is finite and not negative."),
        ({"freshness": {"columns": "a", "max_age_hours": "nan"}},
         "freshness: max_age_hours is nan; it is finite and not negative."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_may_be_given(config, why):
    with pytest.raises(ConfigurationError) as told:
        rules_from(config)
    assert str(told.value) == why


@pytest.mark.parametrize(
    ("name", "unknown", "others"),
    [
        ("volume", "columns", "since"),
        ("volume", "ignore", "since"),
        ("freshness", "ignore", "columns, since, max_age_hours"),
        ("null_share", "max_age_hours", "columns, ignore, since"),
        ("column_drift", "min_chang", "columns, ignore, since"),
    ],
)
def test_a_setting_that_a_check_does_not_have_is_told_with_those_it_has(name, unknown, others):
    with pytest.raises(ConfigurationError) as told:
        rules_from({name: {"settle": 1, unknown: "a"}})
    known = f"min_change, severity, deviations, min_runs, window, settle, {others}"
    assert str(told.value) == f"{name}: unknown settings ['{unknown}']. There are: {known}."


def test_the_borders_are_allowed():
    rule = HistoryRule(
        "volume", min_change=0, deviations=0, min_runs=1, window=100, settle=0, max_age_hours=0
    )
    assert not rule.needs_history
    assert HistoryRule("volume", min_runs=100, window=100).needs_history


def test_the_columns_that_a_rule_looks_at():
    rules = HistoryRule("x", ignore=("a",)), HistoryRule("x", columns=("a", "b"), ignore=("a",))
    assert [[rule.looks_at(column) for column in "abc"] for rule in rules] == [
        [False, True, True], [False, True, False]
    ]  # fmt: skip
    assert not HistoryRule("x", columns=()).looks_at("a")


@pytest.mark.parametrize(
    ("value", "utc"),
    [
        ("2026-01-02T12:00:00", NOON),
        ("2026-01-02T12:00:00Z", NOON),
        (datetime(2026, 1, 2, 7, tzinfo=timezone(timedelta(hours=-5))), NOON),
        (datetime(2026, 1, 2, 12), NOON),  # noqa: DTZ001 - without a zone it is of UTC
        (date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc(value, utc):
    found = moment(value)
    assert (found, found.tzinfo) == (utc, UTC)


def test_what_is_no_moment_is_told():
    with pytest.raises(ValueError, match=r"^3 is no moment$"):
        moment(3)
