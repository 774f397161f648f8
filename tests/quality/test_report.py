"""The report: its published form, there and back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider.contract.report import KnownChecks, QualityReport
from io_intelligence_provider.quality.result import CheckResult, Presentation

FORM = {
    "snapshot_id": "20260102T030405Z-0a1b2c3d",
    "snapshot_date": "2026-01-02",
    "fetched_at": "2026-01-02T03:04:05.000006+00:00",
    "source_url": "https://host/api/v1/models",
    "wire_shape": "documented",
    "outcome": "warned",
    "score": 0.45,
    "rows": {"served": 10, "valid": 9, "quarantined": 1},
    "checks": [
        {
            "check": "type",
            "column": "name",
            "level": "row",
            "severity": "error",
            "evaluated": 10,
            "failed": 1,
            "passed": False,
            "examples": [{"model_id": None, "name": None, "value": "5", "message": "is a number"}],
        },
        {
            "check": "not_empty",
            "column": None,
            "level": "snapshot",
            "severity": "error",
            "evaluated": 1,
            "failed": 0,
            "passed": True,
            "examples": [],
        },
        {
            "check": "source",
            "column": None,
            "level": "snapshot",
            "severity": "warn",
            "evaluated": 1,
            "failed": 1,
            "passed": False,
            "examples": [{"old_value": "a", "new_value": "b"}],
        },
        {
            "check": "volume",
            "column": None,
            "level": "snapshot",
            "severity": "error",
            "evaluated": 0,
            "failed": 0,
            "passed": True,
            "examples": [],
        },
    ],
    "fields": ["metadata", "name", "n\\ud800"],
    "drift": {"unknown_fields": ["n\\ud800"], "missing_fields": ["gone"]},
}


def test_the_json_form_is_the_published_one_key_by_key():
    report = QualityReport.from_dict(FORM)
    assert json.loads(report.to_json()) == FORM
    assert list(report.to_dict()) == list(FORM)
    assert [list(check) for check in report.to_dict()["checks"]] == [
        ["check", "column", "level", "severity", "evaluated", "failed", "examples", "passed"]
    ] * 4


def test_the_fields_are_typed():
    report = QualityReport.from_dict(FORM)
    assert report.snapshot_date == date(2026, 1, 2)
    assert report.fetched_at == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert report.checks[0].column == "name"
    assert not report.checks[0].passed


def test_the_summary_counts_what_was_evaluated():
    assert QualityReport.from_dict(FORM).result() == {"score": 0.45, "passed": 1, "failed": 1, "warned": 1}


@pytest.mark.long
@given(
    texts=st.lists(st.text(), max_size=5),
    example=st.dictionaries(st.text(), st.none() | st.text() | st.integers()),
)
def test_there_and_back(texts, example):
    report = QualityReport(
        run_id="x",
        snapshot_date=date(2026, 1, 1),
        checked_at=datetime(2026, 1, 1, tzinfo=UTC),
        source_url="",
        wire_shape="openai",
        outcome="failed",
        score=1 / 3,
        rows=3,
        valid=1,
        quarantined=2,
        checks=(CheckResult("c", None, "snapshot", "warn", 1, 1, [example]),),
        fields=tuple(texts),
        unknown_fields=tuple(texts[:2]),
    )
    text = report.to_json()
    assert text.isascii()
    assert QualityReport.from_dict(json.loads(text)) == report
    assert QualityReport.from_json(text) == QualityReport.from_json(text.encode()) == report


def test_a_lone_surrogate_comes_back():
    data = {**FORM, "fields": ["n\ud800"]}
    assert QualityReport.from_json(json.dumps(data)).fields == ("n\ud800",)


def test_equal_checks_are_shared_and_others_are_not():
    changed = {**FORM, "checks": [{**FORM["checks"][0], "failed": 99}, *FORM["checks"][1:]]}
    known = KnownChecks()
    one, other, again = (
        QualityReport.from_json(json.dumps(data), known) for data in (FORM, changed, changed)
    )
    assert one == QualityReport.from_dict(FORM)
    assert other == again == QualityReport.from_dict(changed)
    same = [mine is held for mine, held in zip(other.checks, one.checks, strict=True)]
    assert same == [False, True, True, True]
    assert again.checks is other.checks


@pytest.mark.parametrize(
    "data",
    [
        [],
        {},
        None,
        "report",
        {**FORM, "checks": [1]},
        {**FORM, "checks": [{}]},
        {**FORM, "rows": None},
        {**FORM, "snapshot_date": "yesterday"},
        {**FORM, "fetched_at": 5},
        {key: value for key, value in FORM.items() if key != "drift"},
    ],
)
def test_what_is_no_report_says_so(data: Any):
    with pytest.raises(ValueError, match=r"\S"):
        QualityReport.from_dict(data)
    with pytest.raises(ValueError, match=r"\S"):
        QualityReport.from_json(json.dumps(data))


def test_an_error_says_where_it_is() -> None:
    checks = [FORM["checks"][0], {**FORM["checks"][1], "failed": "two"}]
    with pytest.raises(ValueError, match=r"\$\.checks\[1\]\.failed"):
        QualityReport.from_json(json.dumps({**FORM, "checks": checks}))


def test_what_is_no_json_says_so():
    for data in (b"", b"{", b"\xff", "nonsense"):
        with pytest.raises(ValueError, match=r"\S"):
            QualityReport.from_json(data)


def test_its_texts_for_the_page_and_the_terminal():
    assert QualityReport.from_dict(FORM).presentation() == Presentation(
        subject="2026-01-02",
        outcome="Committed, with findings",
        facts=(
            "https://host/api/v1/models",
            "documented shape",
            "read 2026-01-02 03:04:05 UTC",
            "run 20260102T030405Z-0a1b2c3d",
        ),
        read="10 served",
        on_whole="Snapshot checks",
        drift={"Unknown": ("n\\ud800",), "Missing since the previous snapshot": ("gone",)},
    )


def test_a_report_that_is_nested_too_deeply_says_so():
    text = json.dumps(FORM).replace('"checks": [', f'"checks": [{"[" * 100_000}', 1)
    with pytest.raises(ValueError, match=r"^it is nested too deep$"):
        QualityReport.from_json(text)
