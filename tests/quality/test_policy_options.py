"""Tests the arguments of a check: what each may be, what is said of another, and what holds unless told."""

from __future__ import annotations

import math
from datetime import datetime

import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.checks import Declared
from io_intelligence_provider.quality.policy import CheckOptions, Policy, policy_of


def test_the_name_with_a_column_goes_before_the_one_without():
    policy = Policy({"c": "warn", "a.c": "error"}, {"c": 3, "a.c": 0})
    assert [policy.severity_of("c", column, "error") for column in ("a", "b", None)] == [
        "error", "warn", "warn"
    ]  # fmt: skip
    assert policy.severity_of("other", "a", "warn") == "warn"
    assert [policy.threshold_of("c", column) for column in ("a", "b", None)] == [0, 3, 3]
    assert policy.threshold_of("other", "a") is None


@pytest.mark.parametrize(
    ("severity", "thresholds", "why"),
    [
        (
            {"a.ge": "warn", "ge": "warn", "min_rows": "warn", "validate": "warn"},
            {"x2.isin": 1, "isin": 1},
            None,
        ),
        ({"add_missing_has_default": "warn", "same_columns": "warn", "lacks": "warn"}, {"dtype": 1}, None),
        ({"b.ge": "warn", "a.isin": "warn"}, {"nothing": 1}, "severity names 'a.isin', 'b.ge'"),
        ({}, {"nothing": 1}, "thresholds names 'nothing'"),
    ],
)
def test_a_name_of_no_check_is_told_with_those_there_are(severity, thresholds, why):
    declared = [Declared("ge", "a", True), Declared("isin", "x.", True, regex=True)]
    if "lacks" in severity:
        declared += [Declared("lacks", "a", False), Declared("dtype", "a", False)]
    policy = Policy(severity, thresholds)
    if why is None:
        policy.check_names(declared, ["a", "x2"])
        return
    with pytest.raises(ConfigurationError) as told:
        policy.check_names(declared, ["a", "x2"])
    assert str(told.value) == (
        f"{why}, which is no check of the schema. It has add_missing_has_default, "
        "dataframe_column_labels_unique, ge, isin, no_regex_column_match; 'column.check' names one column's."
    )


@pytest.mark.parametrize("name", ["quarantine_share", "min_rows", "validate", "lacks", "a.lacks"])
def test_a_threshold_of_no_check_of_rows_is_refused(name):
    declared = [Declared("ge", "a", True), Declared("lacks", "a", False)]
    with pytest.raises(ConfigurationError, match=f"thresholds names '{name}', which is no check of rows"):
        Policy({}, {name: 5, "a.ge": 5}).check_names(declared, ["a"])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"min_rows": 1.0}, "min_rows is 1.0; it is a number of rows, or None."),
        ({"examples": 101}, "examples is 101; it is from 0 to 100."),
        ({"examples": None}, "examples is None; it is from 0 to 100."),
        ({"memory_limit": "2 XB"}, "memory_limit is '2 XB'; it is bytes, or text such as '2GiB' or '500MB'."),
        ({"memory_limit": 0}, "memory_limit is 0; it is bytes, or text such as '2GiB' or '500MB'."),
        ({"memory_limit": "-1"}, "memory_limit is '-1'; it is bytes, or text such as '2GiB' or '500MB'."),
        ({"fail_on": "x"}, "fail_on is 'x'; it is one of error, warn, never."),
        ({"max_quarantine_share": 1.1}, "max_quarantine_share is 1.1; it is a share from 0 to 1."),
        ({"max_quarantine_share": True}, "max_quarantine_share is True; it is a share from 0 to 1."),
        ({"severity": "warn"}, "severity is 'warn'; it is a mapping of names of checks."),
        ({"thresholds": "{}"}, "thresholds is '{}'; it is a mapping of names of checks."),
        ({"severity": {"c": "x"}}, "severity of 'c' is 'x'; it is 'error' or 'warn'."),
        (
            {"severity": {"a.b.coerce_dtype": "warn"}},
            "severity of 'a.b.coerce_dtype' cannot be 'warn': a value of another type cannot be valid.",
        ),
        (
            {"severity": {"a.coerce_dtype": "warn"}},
            "severity of 'a.coerce_dtype' cannot be 'warn': a value of another type cannot be valid.",
        ),
        ({"thresholds": {"c": True}}, "threshold of 'c' is True; it is a count (int) or a share (float)."),
        ({"thresholds": {"c": "x"}}, "threshold of 'c' is 'x'; it is a count (int) or a share (float)."),
        ({"thresholds": {"c": None}}, "threshold of 'c' is None; it is a count (int) or a share (float)."),
        ({"thresholds": {"c": math.nan}}, "threshold of 'c' is nan; it is a count (int) or a share (float)."),
        ({"thresholds": {"c": "-1"}}, "threshold of 'c' is '-1'; it is a count (int) or a share (float)."),
        ({"thresholds": {"c": 1.01}}, "threshold of 'c' is 1.01; a share is from 0.0 to 1.0."),
        ({"earlier_runs": lambda _: ()}, "earlier_runs does nothing without history_checks."),
        (
            {"data_interval_start": "2026-01-01"},
            "data_interval_start is '2026-01-01'; it is a datetime with a time zone, or None.",
        ),
        (
            {"data_interval_start": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the mistake
            f"data_interval_start is {datetime(2026, 1, 1)!r}; it is a datetime with a time zone, or None.",  # noqa: DTZ001
        ),
    ],
)
def test_a_mistaken_option_is_told_with_what_it_may_be(options, why):
    with pytest.raises(ConfigurationError) as told:
        CheckOptions(**options)
    assert str(told.value) == why


@pytest.mark.parametrize("name", ["quarantine_path", "valid_path"])
def test_a_path_with_credentials_is_refused_by_the_name_of_its_argument(name):
    with pytest.raises(ConfigurationError, match=name) as told:
        CheckOptions(**{name: "s3://key:secret@bucket/x"})
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("limit", "size"),
    [
        ("1", 1), ("1 b", 1), (" 2kb ", 2_000), ("3MB", 3 * 10**6), ("4GB", 4 * 10**9), ("5TB", 5 * 10**12),
        ("2KiB", 2_048), ("3MIB", 3 * 2**20), ("4gib", 2**32), ("0.5TiB", 2**39), (7, 7), ("1.5", 1),
    ],
)  # fmt: skip
def test_a_size_has_each_unit(limit, size):
    assert CheckOptions(memory_limit=limit).memory_bytes == size


def test_unless_told():
    options = CheckOptions()
    assert (options.fail_on, options.max_quarantine_share, options.min_rows, options.examples) == (
        "error", 0.0, None, 5
    )  # fmt: skip
    assert options.memory_bytes == 2**31
    assert (options.policy, options.history.rules, options.profile) == (Policy({}, {}), (), False)
    assert options.quarantine_file("run") is None
    assert CheckOptions(examples=100).examples == 100


def test_the_quarantine_is_a_file_or_a_folder_of_files():
    assert CheckOptions(quarantine_path="/x/q.parquet").quarantine_file("run") == "/x/q.parquet"
    assert CheckOptions(quarantine_path="/x/q/").quarantine_file("run") == "/x/q/run.parquet"
    assert CheckOptions(quarantine_path="/x/X").quarantine_file("run") == "/x/X/run.parquet"


def test_thresholds_are_read_from_text():
    given = {"a": "2", "b": " +3 ", "c": "0.5", "d": 1.0, "e": 0, "f": "1e-3"}
    assert policy_of(None, given) == Policy({}, {"a": 2, "b": 3, "c": 0.5, "d": 1.0, "e": 0, "f": 0.001})
    assert {type(value) for name, value in policy_of(None, given).thresholds.items() if name in "abe"} == {
        int
    }
    severity = {"a": "warn", "x.coerce_dtype": "error"}
    assert policy_of(severity, None) == Policy(severity, {})
