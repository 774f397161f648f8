"""The result of a run: its published form, its texts and its summary; which files are no result."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from helpers.stores import make_check_run
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.quality.result import (
    CheckFailure,
    CheckResult,
    CheckRun,
    ColumnProfile,
    Presentation,
    checked,
    is_run_id,
    new_run_id,
    run_file,
)

POSITIVE = CheckResult(
    "positive",
    "price",
    "row",
    "error",
    evaluated=10,
    failed=3,
    examples=[{"row": 4, "value": "-1", "message": "is negative"}],
    threshold=0.25,
    rule_id="r1",
    dimension="validity",
)
FULL = make_check_run(
    POSITIVE,
    seconds=1.25,
    score=0.5,
    rows=10,
    valid=7,
    quarantined=3,
    files=2,
    columns=(("price", "double"), ("at", "string")),
    quarantine_path="/out/refused.parquet",
    valid_path="/out/valid.parquet",
    profile=(ColumnProfile("price", 10, 2, 4, False, -1.0, 9.0, 2.5, 0.5),),
    data_interval_start=datetime(2026, 1, 1, tzinfo=UTC),
)
FORM: dict[str, Any] = {
    "run_id": "20260102T030405Z-0a1b2c3d",
    "dataset": "s3://lake/orders/*.parquet",
    "schema": "schemas.orders:Orders",
    "checked_at": "2026-01-02T03:04:05.000006+00:00",
    "seconds": 1.25,
    "engine": "local",
    "mode": "rows",
    "outcome": "warned",
    "score": 0.5,
    "rows": {"read": 10, "valid": 7, "quarantined": 3},
    "files": 2,
    "checks": [
        {
            "check": "positive",
            "column": "price",
            "level": "row",
            "severity": "error",
            "evaluated": 10,
            "failed": 3,
            "examples": [{"row": 4, "value": "-1", "message": "is negative"}],
            "threshold": 0.25,
            "rule_id": "r1",
            "dimension": "validity",
            "passed": False,
        }
    ],
    "columns": [{"name": "price", "type": "double"}, {"name": "at", "type": "string"}],
    "quarantine_path": "/out/refused.parquet",
    "valid_path": "/out/valid.parquet",
    "profile": [
        {
            "column": "price",
            "rows": 10,
            "nulls": 2,
            "distinct": 4,
            "distinct_exact": False,
            "min": -1.0,
            "max": 9.0,
            "median": 2.5,
            "mad": 0.5,
        }
    ],
    "data_interval_start": "2026-01-01T00:00:00+00:00",
}


def test_the_published_form_key_by_key_there_and_back() -> None:
    assert FULL.to_dict() == FORM
    assert list(FULL.to_dict()) == list(FORM)
    assert list(FULL.to_dict()["checks"][0]) == list(FORM["checks"][0])
    assert CheckRun.from_dict(FORM) == FULL


def test_what_a_run_does_not_have_is_no_key_of_its_check_or_its_interval() -> None:
    run = make_check_run(CheckResult("few", None, "dataset", "warn", 1, 0, threshold=0), seconds=None)
    form = run.to_dict()
    assert form["checks"] == [
        {
            "check": "few",
            "column": None,
            "level": "dataset",
            "severity": "warn",
            "evaluated": 1,
            "failed": 0,
            "examples": [],
            "threshold": 0,
            "passed": True,
        }
    ]
    assert "data_interval_start" not in form
    assert [form[name] for name in ("seconds", "quarantine_path", "valid_path")] == [None] * 3
    assert CheckRun.from_dict(form) == run


def test_the_json_is_ascii_with_a_line_for_each_value() -> None:
    text = replace(FULL, dataset="ü").to_json()
    assert text.isascii()
    assert text.splitlines()[:3] == ["{", f' "run_id": "{FULL.run_id}",', ' "dataset": "\\u00fc",']
    assert json.loads(text) == FORM | {"dataset": "ü"}


def test_examples_of_the_form_are_not_those_of_the_result() -> None:
    POSITIVE.to_dict()["examples"].append({})
    assert len(POSITIVE.examples) == 1


def test_a_failure_as_quarantine_holds_it() -> None:
    failure = CheckFailure("positive", "price", [4], "is negative", "-1")
    assert failure.to_dict() == {
        "check": "positive",
        "column": "price",
        "value": "-1",
        "message": "is negative",
    }


@pytest.mark.parametrize(
    ("threshold", "evaluated", "failed", "passed"),
    [
        (None, 10, 0, True),
        (None, 10, 1, False),
        (2, 10, 2, True),
        (2, 10, 3, False),
        (0.29, 100, 29, True),
        (0.29, 100, 30, False),
        (0.0, 0, 0, True),
        (0.5, 0, 1, False),
        (1.0, 10, 10, True),
    ],
)
def test_a_threshold_is_a_number_or_a_share(
    threshold: float | None, evaluated: int, failed: int, passed: bool
) -> None:
    assert CheckResult("c", None, "row", "warn", evaluated, failed, threshold=threshold).passed == passed


@pytest.mark.parametrize(
    ("rows", "nulls", "distinct", "null_share", "distinct_share"),
    [
        (0, 0, 0, None, None),
        (4, 4, 0, 1.0, None),
        (4, 1, 2, 0.25, 2 / 3),
        (4, 0, None, 0.0, None),
        (4, 0, 0, 0.0, 0.0),
    ],
)
def test_shares_are_unknown_where_there_is_nothing_to_divide_by(
    rows: int, nulls: int, distinct: int | None, null_share: float | None, distinct_share: float | None
) -> None:
    column = ColumnProfile("a", rows, nulls, distinct)
    assert (column.null_share, column.distinct_share) == (null_share, distinct_share)


LIMIT = 2**53


@pytest.mark.parametrize(("evaluated", "failed"), [(0, 0), (LIMIT, LIMIT), (0, 1)])
def test_counts_within_their_range_are_accepted(evaluated: int, failed: int) -> None:
    result = CheckResult("c", None, "row", "error", evaluated, failed)
    assert checked(result) is result


@pytest.mark.parametrize(("evaluated", "failed"), [(-1, 0), (0, -1), (LIMIT + 1, 0), (0, LIMIT + 1)])
def test_counts_out_of_range_are_refused_by_the_name_of_the_check(evaluated: int, failed: int) -> None:
    result = CheckResult("n" * 101, None, "row", "error", evaluated, failed)
    with pytest.raises(ValueError, match=rf"^the counts of the check '{'n' * 100}' are out of range$"):
        checked(result)


def nested(levels: int, kind: str) -> Any:
    """Return a value in so many lists or mappings."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind == "lists" else {"a": value}
    return value


@pytest.mark.parametrize("kind", ["lists", "mappings"])
def test_examples_are_as_many_and_as_deep_as_other_writers_may_need(kind: str) -> None:
    def of(*examples: Any) -> CheckResult:
        return CheckResult("n" * 101, None, "row", "error", 1, 1, list(examples))

    for result in (of(*[{}] * 1_000), of({"a": nested(18, kind)}), of({"a": 1, "b": nested(18, kind)})):
        assert checked(result) is result
    said = rf"^the examples of the check '{'n' * 100}' are too many, or nested too deep$"
    for result in (of(*[{}] * 1_001), of({"a": nested(19, kind)}), of({"a": 1, "b": nested(19, kind)})):
        with pytest.raises(ValueError, match=said):
            checked(result)


def test_the_counts_of_an_asset_event_are_of_evaluated_checks() -> None:
    def of(severity: Any, evaluated: int, failed: int) -> CheckResult:
        return CheckResult("c", None, "dataset", severity, evaluated, failed)

    run = make_check_run(
        of("error", 1, 1),
        of("error", 1, 1),
        of("warn", 1, 1),
        *[of("error", 1, 0)] * 3,
        *[of("warn", 1, 0)] * 2,
        of("error", 0, 1),
        of("warn", 0, 0),
    )
    assert run.result() == {"score": 0.5, "passed": 5, "failed": 2, "warned": 1}


def test_the_texts_for_the_page_and_the_terminal() -> None:
    assert FULL.presentation() == Presentation(
        subject="s3://lake/orders/*.parquet",
        outcome="Passed, with findings",
        facts=(
            "schema schemas.orders:Orders",
            "checked 2026-01-02 03:04:05 UTC in 1.2 s",
            "local, row by row",
            "run 20260102T030405Z-0a1b2c3d",
            "quarantine in /out/refused.parquet",
            "valid rows in /out/valid.parquet",
        ),
        read="10 rows of 2 files",
        on_whole="Checks of the data set",
    )


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("passed", "Passed, nothing found"), ("warned", "Passed, with findings"), ("failed", "Stopped")],
)
def test_each_outcome_has_its_words(outcome: Any, said: str) -> None:
    assert make_check_run(outcome=outcome).presentation().outcome == said


def test_the_texts_of_a_run_without_a_duration_or_files() -> None:
    texts = make_check_run(seconds=None, mode="whole", engine="spark", files=1, rows=0).presentation()
    assert texts.facts == (
        "schema schemas.orders:Orders",
        "checked 2026-01-02 03:04:05 UTC",
        "spark, as a whole",
        "run 20260102T030405Z-0a1b2c3d",
    )
    assert texts.read == "0 rows of 1 file"
    assert texts.drift is None


def test_long_names_and_paths_are_cut_in_texts() -> None:
    name, exact = "n" * 201, "n" * 200
    cut = f"{exact}… (201 characters)"
    run = make_check_run(dataset=name, schema=name, quarantine_path=name, valid_path=name)
    texts = run.presentation()
    assert texts.subject == cut
    assert [fact for fact in texts.facts if "n" * 9 in fact] == [
        f"schema {cut}",
        f"quarantine in {cut}",
        f"valid rows in {cut}",
    ]
    assert make_check_run(dataset=exact).presentation().subject == exact


WRONG: list[dict[str, Any]] = [
    {"rows": {"read": 1, "valid": 1}},
    {"rows": {"read": -1, "valid": 1, "quarantined": 1}},
    {"files": LIMIT + 1},
    {"outcome": "fine"},
    {"score": 1.01},
    {"score": -0.01},
    {"checked_at": "2026-01-02T03:04:05"},
    {"data_interval_start": "2026-01-02T03:04:05"},
    {"columns": [{"name": "a"}]},
    {"checks": [FORM["checks"][0] | {"severity": "fatal"}]},
    {"checks": [FORM["checks"][0] | {"failed": -1}]},
    {"profile": [{"column": "a", "rows": 1}]},
]


@pytest.mark.parametrize("changes", WRONG, ids=str)
def test_what_does_not_have_the_form_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        CheckRun.from_dict(FORM | changes)


def test_a_refusal_says_where_and_nothing_of_the_library() -> None:
    with pytest.raises(ValueError, match=r"Invalid enum value 'fine' - at `\$\.outcome`$") as caught:
        CheckRun.from_dict(FORM | {"outcome": "fine"})
    assert type(caught.value) is ValueError
    assert caught.value.__suppress_context__


def test_a_summary_of_a_run_without_a_name() -> None:
    run = replace(FULL, checks=(POSITIVE, CheckResult("fine", None, "dataset", "error", 1, 0)))
    assert run.summary() == {
        "run_id": FULL.run_id,
        "dataset": "s3://lake/orders/*.parquet",
        "outcome": "warned",
        "score": 0.5,
        "rows": 10,
        "valid": 7,
        "quarantined": 3,
        "files": 2,
        "engine": "local",
        "mode": "rows",
        "quarantine_path": "/out/refused.parquet",
        "valid_path": "/out/valid.parquet",
        "findings": 1,
        "checks": [{"check": "positive", "column": "price", "severity": "error", "failed": 3}],
    }


def test_a_summary_by_name_has_the_path_as_its_source() -> None:
    summary = make_check_run().summary("orders")
    assert (summary["dataset"], summary["source"]) == ("orders", "s3://lake/orders/*.parquet")
    assert (summary["quarantine_path"], summary["valid_path"]) == (None, None)
    assert (summary["findings"], summary["checks"]) == (0, [])


def test_a_summary_shows_errors_first_and_the_most_frequent_of_them() -> None:
    def of(name: str, severity: Any, failed: int) -> CheckResult:
        return CheckResult(name, None, "row", severity, 99, failed)

    checks = [of("d", "warn", 9), of("b", "error", 2), of("a", "error", 3), of("c", "error", 1)]
    checks += [of(f"w{number}", "warn", 5) for number in range(9)]
    summary = make_check_run(*checks).summary()
    assert [shown["check"] for shown in summary["checks"]] == ["a", "b", "c", "d", "w0", "w1", "w2", "w3"]
    assert summary["checks"][0] == {"check": "a", "column": None, "severity": "error", "failed": 3}
    assert summary["findings"] == 13


def test_a_summary_has_the_beginning_of_long_names() -> None:
    failed = CheckResult("c" * 41, "d" * 41, "row", "error", 1, 1)
    run = make_check_run(failed, dataset="p" * 201, quarantine_path="q" * 201, valid_path="v" * 201)
    summary = run.summary("n" * 201)
    assert summary["dataset"] == "n" * 200
    assert summary["source"] == "p" * 200
    assert summary["quarantine_path"] == "q" * 200
    assert summary["valid_path"] == "v" * 200
    assert summary["checks"][0]["check"] == "c" * 40
    assert summary["checks"][0]["column"] == "d" * 40
    assert run.summary()["dataset"] == "p" * 200


def test_a_summary_shows_as_many_checks_as_fit() -> None:
    """Each that fits below the limit is shown: the next would have been too much."""
    failed = CheckResult("c" * 40, "d" * 40, "row", "error", LIMIT, LIMIT)
    for length in range(200):
        path = "p" * 200
        run = make_check_run(
            *[failed] * 9,
            dataset=path,
            quarantine_path=path,
            valid_path=path,
            run_id="r" * 100,
            mode="m" * length,
        )
        summary = run.summary(path)
        shown = len(json.dumps(summary["checks"][0]))
        size = len(json.dumps(summary))
        assert size <= 2_042
        assert len(summary["checks"]) == 8 or size + shown > 2_040


MOMENT = datetime(2026, 6, 30, 0, 0, 12, tzinfo=UTC)


def test_a_new_id_has_the_time_and_differs_from_the_next() -> None:
    ids = {new_run_id(MOMENT) for _ in range(20)}
    assert len(ids) == 20
    for one in ids:
        time, _, random = one.partition("-")
        assert time == "20260630T000012Z"
        assert len(random) == 8
        assert int(random, 16) >= 0
        assert is_run_id(one)


@pytest.mark.parametrize(
    ("value", "is_id"),
    [("a", True), ("0-_Z", True), ("a" * 100, True), ("a" * 101, False), ("", False), ("-a", False),
     ("a/b", False), ("..", False), ("a\n", False), ("ä", False), (5, False), (None, False)],
)  # fmt: skip
def test_an_id_is_no_path(value: Any, is_id: bool) -> None:
    assert is_run_id(value) is is_id


def test_the_file_of_a_run() -> None:
    assert run_file("20260630T000012Z-1f2e3d4c", "json") == "20260630T000012Z-1f2e3d4c.json"


def test_an_id_that_names_no_file_is_shown_in_part() -> None:
    said = rf"^'{'.' * 100}' is no id of a run, so it names no file\. Ids are letters, digits, - and _\.$"
    with pytest.raises(StorageError, match=said.replace("." * 100, r"\." * 100)):
        run_file("." * 101, "json")
