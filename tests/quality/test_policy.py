"""Severity, thresholds and ``fail_on``: which finding stops a run, and the score."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest

from helpers.stores import make_check_run
from io_intelligence_provider.contract.snapshot_checks import ALWAYS_STOPPING
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.policy import (
    CheckOptions,
    check_thresholds,
    deciding,
    outcome_of,
    reasons_of,
    refusals_of,
    refused_by,
    score,
    stopping,
)
from io_intelligence_provider.quality.result import CheckResult

FRAME = pl.DataFrame({"a": [1, -1, -2, 4], "b": ["x", "y", "zz", "zz"]})


def schema(**arguments: Any) -> pa.DataFrameSchema:
    short = pa.Check.str_length(max_value=1, name="short", **arguments)
    return pa.DataFrameSchema(
        {"a": pa.Column(int, pa.Check.ge(0, name="positive")), "b": pa.Column(str, short)}
    )


def test_a_warning_is_reported_and_refuses_no_row(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    checked = check(write(FRAME), schema(raise_warning=True))
    assert checked.result("short", "b").severity == "warn"
    assert checked.result("short", "b").failed == 2
    assert checked.failures == {(1, "a", "positive"), (2, "a", "positive")}
    assert checked.run.outcome == "warned"


def test_a_severity_of_the_run_goes_before_that_of_the_schema(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    path = write(FRAME)
    louder = check(path, schema(raise_warning=True), severity={"short": "error"})
    assert louder.run.quarantined == 3
    softer = check(path, schema(), severity={"a.positive": "warn", "short": "warn"})
    assert softer.run.quarantined == 0
    assert softer.run.result()["warned"] == 2
    assert softer.valid.num_rows == 4


@pytest.mark.parametrize(
    ("fail_on", "share", "stopped"),
    [
        ("error", 0.0, True),
        ("error", 0.5, True),
        ("error", 0.75, False),
        ("warn", 1.0, True),
        ("never", 0.0, False),
    ],
)
def test_what_stops_a_run(
    write: Callable[..., str], check: Callable[..., Any], fail_on: str, share: float, stopped: bool
) -> None:
    checked = check(write(FRAME), schema(), fail_on=fail_on, max_quarantine_share=share)
    assert (checked.stopped is not None) is stopped
    assert checked.run.outcome == ("failed" if stopped else "warned")
    assert checked.run.quarantined == 3
    assert (checked.valid is None) is stopped  # quarantine in every mode, valid rows only then


@pytest.mark.parametrize(
    ("threshold", "stopped"),
    [(2, False), (1, True), (0.5, False), (0.49, True), ("2", False), ("0.49", True)],
)
def test_a_threshold_is_a_count_or_a_share(
    write: Callable[..., str], check: Callable[..., Any], threshold: Any, stopped: bool
) -> None:
    """Rows that only such a check refuses do not count for the share."""
    thresholds = {"positive": threshold, "b.short": 2}
    checked = check(write(FRAME), schema(), max_quarantine_share=0.0, thresholds=thresholds)
    assert (checked.stopped is not None) is stopped
    assert checked.run.quarantined == 3
    assert checked.result("positive", "a").passed is not stopped


def test_a_share_that_is_just_reached_is_kept() -> None:
    reached = replace(ROW, evaluated=100, failed=29, threshold=0.29)
    assert 0.29 * 100 < 29
    assert reached.passed
    assert not replace(reached, failed=30).passed
    assert not replace(reached, evaluated=0).passed
    assert replace(reached, evaluated=0, failed=0).passed


def test_a_threshold_excuses_no_failure_of_the_data_set(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    """One that counts rows would let pass a check that raised on all of them, and a wrong type."""
    raises = pa.Check(lambda value: value.no_such, element_wise=True, name="raises")
    raising = pa.DataFrameSchema({"a": pa.Column(int, raises), "b": pa.Column(int)})
    checked = check(write(FRAME), raising, thresholds={"raises": 3, "dtype": 3})
    assert {one.check for one in checked.run.checks if not one.passed} == {"raises", "dtype"}
    assert checked.run.outcome == "failed"
    assert checked.valid is None


def test_a_row_that_another_check_refuses_counts_for_the_share(
    write: Callable[..., str], check: Callable[..., Any]
) -> None:
    checked = check(write(FRAME), schema(), max_quarantine_share=0.5, thresholds={"positive": 4})
    assert checked.stopped is None
    assert check(write(FRAME), schema(), max_quarantine_share=0.49, thresholds={"positive": 4}).stopped


@pytest.mark.parametrize(
    "options",
    [
        {"severity": {"positve": "warn"}},
        {"severity": {"positive": "warning"}},
        {"severity": {"coerce_dtype": "warn"}},
        {"thresholds": {"b.positive": 1}},
        {"thresholds": {"positive": -1}},
        {"thresholds": {"positive": 1.5}},
        {"thresholds": {"positive": "many"}},
        {"fail_on": "always"},
        {"max_quarantine_share": 2},
        {"memory_limit": "a lot"},
    ],
)
def test_a_mistaken_argument_is_refused_by_name(
    write: Callable[..., str], check: Callable[..., Any], options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(write(FRAME), schema(), **options)
    name = next(iter(options))
    assert name.rstrip("s") in str(caught.value)


def test_limited_reports_hide_no_row(write: Callable[..., str], check: Callable[..., Any]) -> None:
    limited = pa.DataFrameSchema(
        {"a": pa.Column(int, pa.Check.ge(0, n_failure_cases=1))}, drop_invalid_rows=True
    )
    checked = check(write(FRAME), limited)
    assert {row for row, *_ in checked.failures} == {1, 2}
    assert limited.columns["a"].checks[0].n_failure_cases == 1  # the user's own schema stays as it was


def test_two_checks_of_one_name_are_told_apart(write: Callable[..., str], check: Callable[..., Any]) -> None:
    column = pa.Column(str, [pa.Check.str_matches("^[xyz]"), pa.Check.str_matches("^.$")])
    checked = check(write(FRAME), pa.DataFrameSchema({"b": column}), severity={"str_matches('^.$')": "warn"})
    names = [item.check for item in checked.run.checks if item.check.startswith("str_matches")]
    assert names == ["str_matches('^[xyz]')", "str_matches('^.$')"]
    assert checked.result("str_matches('^.$')", "b").failed == 2


def test_history_checks_count_like_any_other(write: Callable[..., str], check: Callable[..., Any]) -> None:
    path = write(FRAME)
    now = check(path, schema()).run
    earlier = [
        replace(now, run_id=f"run-{day}", checked_at=now.checked_at - timedelta(days=day), rows=9)
        for day in range(1, 9)
    ]
    volume = {"volume": {"severity": "error"}}
    checked = check(path, schema(), history_checks=volume, earlier_runs=lambda _: earlier)
    assert "volume (1 of 1: value: 4, usual: 9" in str(checked.stopped)
    assert check(path, schema(), history_checks=volume).result("volume").evaluated == 0


def test_history_checks_without_history(write: Callable[..., str], check: Callable[..., Any]) -> None:
    frame = pl.DataFrame({"a": [1], "at": [datetime(2020, 1, 1, tzinfo=UTC)]})
    checks = {"freshness": {"columns": ["at"], "max_age_hours": 1, "severity": "error"}, "null_share": {}}
    checked = check(write(frame), pa.DataFrameSchema({"a": pa.Column(int)}), history_checks=checks)
    assert "freshness on at" in str(checked.stopped)
    idle = checked.result("null_share")
    assert (idle.evaluated, idle.examples) == (
        0, [{"message": "not evaluated: earlier runs needed: 7, on file: 0"}],
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="no history check 'volum'"):
        CheckOptions(history_checks={"volum": {}})
    with pytest.raises(ConfigurationError, match="does nothing without history_checks"):
        CheckOptions(earlier_runs=lambda _: ())


def test_options_read_sizes() -> None:
    assert CheckOptions(memory_limit="2GiB").memory_bytes == 2**31
    assert CheckOptions(memory_limit="1.5 MB").memory_bytes == 1_500_000
    assert CheckOptions(memory_limit=5).memory_bytes == 5


ROW = CheckResult("type", "name", "row", "error", 10, 1)
COERCED = CheckResult("coerced", "tags", "row", "warn", 10, 1)
EMPTY = CheckResult("not_empty", None, "snapshot", "error", 1, 1)
PARTIAL = CheckResult("complete", None, "snapshot", "error", 1, 1)
VOLUME = CheckResult("volume", None, "snapshot", "error", 1, 1)
MOVE = CheckResult("price_move", None, "snapshot", "warn", 9, 2)
GOOD = CheckResult("source", None, "snapshot", "warn", 1, 0)
IDLE = CheckResult("price_unit", None, "snapshot", "error", 0, 0)
ALL = [ROW, COERCED, EMPTY, PARTIAL, VOLUME, MOVE, GOOD, IDLE]


@pytest.mark.parametrize(
    ("fail_on", "stops"),
    [
        ("error", [EMPTY, PARTIAL, VOLUME]),
        ("warn", [ROW, COERCED, EMPTY, PARTIAL, VOLUME, MOVE]),
        ("never", [EMPTY, PARTIAL]),
    ],
)
def test_what_stops_the_commit(fail_on, stops):
    assert stopping(ALL, fail_on, ALWAYS_STOPPING) == stops
    assert stopping([GOOD, IDLE], fail_on) == []


def test_the_score_is_the_share_of_valid_rows_times_that_of_passed_snapshot_checks():
    assert score(10, 10, [GOOD, IDLE]) == 1
    assert score(10, 9, [GOOD, IDLE, ROW]) == 0.9
    assert score(3, 2, [GOOD, GOOD, VOLUME, IDLE, COERCED]) == 2 / 3 * 2 / 3
    assert score(10, 0, [GOOD]) == 0
    assert score(0, 0, [EMPTY, GOOD], without_rows=0.0) == 0
    assert score(0, 0, [GOOD]) == 1
    assert score(10, 5, [IDLE, ROW]) == 0.5


@pytest.mark.parametrize(("fail_on", "share"), [("error", 0), ("warn", 1), ("never", 0.5)])
def test_good_thresholds(fail_on, share):
    check_thresholds(fail_on, share)
    options = CheckOptions(fail_on=fail_on, max_quarantine_share=share)
    assert (options.fail_on, options.max_quarantine_share) == (fail_on, share)


@pytest.mark.parametrize(
    ("fail_on", "share"),
    [("", 0.1), ("Error", 0.1), (None, 0.1), ("error", -0.01), ("error", 1.01), ("error", math.nan),
     ("error", math.inf), ("error", "0.1"), ("error", None)],
)  # fmt: skip
def test_bad_thresholds(fail_on, share):
    with pytest.raises(ConfigurationError):
        check_thresholds(fail_on, share)


@pytest.mark.parametrize(
    ("least", "outcome"), [(None, "passed"), (0, "passed"), (1, "failed"), (3, "failed")]
)
def test_too_few_rows_fail_the_data_set(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, least: int | None, outcome: str
) -> None:
    schema = pa.DataFrameSchema({"a": pa.Column(int)})
    target = tmp_path / "out" / "valid.parquet"
    check(write(pl.DataFrame({"a": [1, 2, 3]}), "before.parquet"), schema)
    before = target.read_bytes()
    checked = check(write(pl.DataFrame({"a": []}, schema={"a": pl.Int64})), schema, min_rows=least)
    assert checked.run.outcome == outcome
    assert (target.read_bytes() == before) == (outcome == "failed"), "the last valid rows stay"
    if least:
        assert checked.result("min_rows").examples == [{"rows": 0, "min_rows": least}]


def test_no_value_leaves_with_examples_0(write: Callable[..., str], check: Callable[..., Any]) -> None:
    def secret(value: int) -> bool:
        if value == 77777:
            raise ValueError(f"{value} is secret")
        return value > 0

    schema = pandera.pandas.DataFrameSchema(
        {
            "a": pandera.pandas.Column(
                int,
                [pandera.pandas.Check.lt(10), pandera.pandas.Check(secret, element_wise=True, name="secret")],
            )
        }
    )
    path = write(pl.DataFrame({"a": [1, 55555, 77777]}))
    shown, hidden = check(path, schema), check(path, schema, examples=0)
    assert "55555" in shown.run.to_json()
    assert "77777" in shown.run.to_json()
    assert "55555" not in hidden.run.to_json() + str(hidden.stopped)
    assert "77777" not in hidden.run.to_json() + str(hidden.stopped)
    assert hidden.result("less_than", "a").failed == 2
    assert hidden.result("secret", "a").examples[0]["message"] == "could not be evaluated: ValueError"
    many = check(write(pl.DataFrame({"a": list(range(100, 120))})), schema, examples=8)
    assert len(many.result("less_than", "a").examples) == 8


@pytest.mark.parametrize(
    "options", [{"min_rows": -1}, {"min_rows": True}, {"examples": -1}, {"examples": 101}]
)
def test_counts_are_counts(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        CheckOptions(**options)


def test_a_message_about_types_is_whole(write: Callable[..., str], check: Callable[..., Any]) -> None:
    fields = {f"a_field_with_a_long_name_{number}": number for number in range(6)}
    schema = pa.DataFrameSchema({"a": pa.Column(pl.Struct(dict.fromkeys(fields, pl.String)))})
    message = check(write(pl.DataFrame({"a": [fields]})), schema).result("dtype", "a").examples[0]["message"]
    assert message.count("a_field_with_a_long_name_5") == 2


def test_refused_rows_are_explained_by_their_most_frequent_reasons():
    row = [
        CheckResult("isin", "vendor", "row", "error", 1_000_000, 200),
        CheckResult("greater_than_or_equal_to", "fare", "row", "error", 1_000_000, 1_000),
        CheckResult("later", "at", "row", "warn", 1_000_000, 5_000),
        CheckResult("total", None, "row", "error", 1_000_000, 150),
        *(CheckResult(f"seldom_{number}", "x", "row", "error", 1_000_000, 1) for number in range(4)),
        CheckResult("mean", "fare", "dataset", "error", 1, 1),
    ]
    run = make_check_run(*row, rows=1_000_000, quarantined=1_204)
    assert refusals_of(run) == (
        "1,204 of 1,000,000 rows were refused: fare greater_than_or_equal_to (1,000), vendor isin (200), "
        "total (150), x seldom_0 (1), x seldom_1 (1) and 2 more"
    )
    assert refusals_of(make_check_run(rows=3, quarantined=0), "records") == "0 of 3 records were refused"


def test_names_of_the_data_are_one_visible_line():
    name = "fare\nINFO all is well\x1b[2J\u202e" + "x" * 1_000
    row = CheckResult("in_range", name, "row", "error", 9, 2)
    for text in (reasons_of([row]), refusals_of(make_check_run(row, rows=9, quarantined=2))):
        assert text.isprintable()
        assert "fare\N{REPLACEMENT CHARACTER}INFO all is well\N{REPLACEMENT CHARACTER}[2J" in text
        assert len(text) < 700


def test_the_outcome():
    assert outcome_of([ROW], 1, stopped=True) == "failed"
    assert outcome_of([GOOD, IDLE], 1, stopped=False) == "warned"
    assert outcome_of([GOOD, COERCED], 0, stopped=False) == "warned"
    assert outcome_of([GOOD, IDLE], 0, stopped=False) == "passed"


def test_a_row_check_with_a_threshold_stops():
    within, beyond = (replace(ROW, failed=failed, threshold=0) for failed in (0, 1))
    assert stopping([within, beyond, ROW], "error") == [beyond]
    assert stopping([MOVE, ROW], "error") == []
    assert stopping(ALL, "never") == []


def test_what_decided_is_found_without_fail_on():
    assert deciding(make_check_run(ROW, VOLUME, COERCED)) == [VOLUME]
    assert deciding(make_check_run(MOVE, EMPTY, ROW)) == [EMPTY]
    assert deciding(make_check_run(MOVE, VOLUME)) == [VOLUME]
    assert deciding(make_check_run(ROW, GOOD, COERCED)) == [ROW, COERCED]
    assert deciding(make_check_run(GOOD)) == []


def test_reasons_are_the_first_five_with_counts_and_an_example():
    many = [
        replace(ROW, check=f"c{number}", column=None, failed=1_000, evaluated=2_000) for number in range(5)
    ]
    shown = "; ".join(f"c{number} (1,000 of 2,000)" for number in range(5))
    assert reasons_of(many) == shown
    assert reasons_of([*many, ROW]) == f"{shown} and 1 more"
    example = replace(ROW, examples=[{"row": 3, "value": "x"}, {"row": 4}])
    assert reasons_of([example]) == "type on name (1 of 10: row: 3, value: x)"


def test_only_what_refuses_rows_has_refused_some():
    more = replace(ROW, check="more", failed=2)
    assert refused_by(make_check_run(ROW, COERCED, VOLUME, replace(ROW, failed=0), more)) == [more, ROW]
    assert refusals_of(make_check_run(VOLUME, rows=5, quarantined=1)) == "1 of 5 rows were refused"
    assert refusals_of(make_check_run(ROW, rows=5, quarantined=0)) == "0 of 5 rows were refused"
