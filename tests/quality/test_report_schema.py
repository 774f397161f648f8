"""The published JSON schema: every result validates against it, and little else does."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from helpers.records import documented_record, validate_all
from helpers.stores import make_check_run, quality_report
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.records import RecordCounts
from io_intelligence_provider.quality.result import CheckResult, CheckRun, ColumnProfile

SCHEMA = json.loads(files("io_intelligence_provider.quality").joinpath("report.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)

checks = st.builds(
    CheckResult,
    check=st.text(min_size=1),
    column=st.none() | st.text(),
    level=st.sampled_from(["row", "dataset"]),
    severity=st.sampled_from(["error", "warn"]),
    evaluated=st.integers(0, 2**53),
    failed=st.integers(0, 2**53),
    examples=st.lists(st.dictionaries(st.text(), st.none() | st.text() | st.integers()), max_size=5),
    threshold=st.none() | st.integers(0, 99) | st.floats(0, 1),
)
bounds = st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.just("2026-01-01")
columns = st.builds(
    ColumnProfile,
    column=st.text(),
    rows=st.integers(0, 9),
    nulls=st.integers(0, 9),
    distinct=st.none() | st.integers(0, 9),
    distinct_exact=st.booleans(),
    min=bounds,
    max=bounds,
    median=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    mad=st.none() | st.floats(0, 9),
)


def errors(data: Any) -> list[str]:
    """Return what is wrong, with the form that was meant; ``oneOf`` alone would only say "no"."""
    form = "check_run" if "run_id" in data else "snapshot_report"
    schema = {"$ref": f"#/$defs/{form}", "$defs": SCHEMA["$defs"]}
    found = Draft202012Validator(schema, format_checker=VALIDATOR.format_checker).iter_errors(data)
    return [error.message for error in found]


def test_the_schema_is_one_of_its_draft():
    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    assert [error.message for error in meta.iter_errors(SCHEMA)] == []


@pytest.mark.long
@given(
    found=st.lists(checks, max_size=4),
    profile=st.lists(columns, max_size=3),
    names=st.lists(st.tuples(st.text(), st.text()), max_size=3),
    path=st.none() | st.text(),
)
@settings(max_examples=60)
def test_every_result_of_a_run_validates_and_comes_back(found, profile, names, path):
    run = make_check_run(
        *found, profile=tuple(profile), columns=tuple(names), quarantine_path=path, valid_path=path
    )
    data = json.loads(run.to_json())
    assert errors(data) == []
    assert VALIDATOR.is_valid(data)
    assert CheckRun.from_dict(data) == run


def test_a_data_interval_is_part_of_the_form_where_there_is_one():
    run = make_check_run(data_interval_start=datetime(2026, 1, 1, tzinfo=UTC))
    data = json.loads(run.to_json())
    assert errors(data) == []
    assert CheckRun.from_dict(data) == run


@pytest.mark.parametrize("text", ["x", "\N{EURO SIGN}", '"'])
def test_a_summary_is_always_short(text):
    failed = [CheckResult(text * 500, text * 500, "row", "error", 2**53, 2**53)] * 9
    run = make_check_run(*failed, dataset=text * 500, quarantine_path=text * 500, valid_path=text * 500)
    summary = run.summary(text * 500)
    assert len(json.dumps(summary)) < 2_048
    assert summary["findings"] == 9
    assert summary["checks"]
    assert summary["source"] == summary["dataset"]


def test_the_report_of_a_catalogue_that_is_wrong_in_many_ways_validates():
    counts = RecordCounts(WireShape.DOCUMENTED)
    counts.add(
        validate_all(
            documented_record(),
            documented_record(model_id="x", name=5),
            documented_record({"new": 1}, status=None),
            [],
        )
    )
    report = quality_report(
        *counts.results(),
        outcome="warned",
        rows=counts.served,
        valid=counts.valid,
        quarantined=counts.quarantined,
        fields=tuple(counts.fields),
        unknown_fields=tuple(counts.unknown),
    )
    data = json.loads(report.to_json())
    assert any(not check["passed"] for check in data["checks"])
    assert errors(data) == []
    assert VALIDATOR.is_valid(data)


def _without(data: dict[str, Any], *path: str) -> None:
    for step in path[:-1]:
        data = data[step]
    del data[path[-1]]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: _without(data, "rows", "valid"),
        lambda data: _without(data, "outcome"),
        lambda data: data.update(outcome="fine"),
        lambda data: data.update(score=1.5),
        lambda data: data.update(more=1),
        lambda data: data.update(checked_at=5),
        lambda data: data["checks"][0].update(failed=-1),
        lambda data: data["checks"][0].update(level="table"),
        lambda data: data["checks"][0].update(threshold=None),
        lambda data: data["checks"][0].update(examples=[{}] * 6),
        lambda data: data["profile"][0].update(median="5"),
    ],
)
def test_what_is_no_result_does_not_validate(spoil: Any):
    good = make_check_run(
        CheckResult("c", "a", "row", "error", 2, 1), profile=(ColumnProfile("a", 2, 0),)
    ).to_dict()
    bad = copy.deepcopy(good)
    spoil(bad)
    assert VALIDATOR.is_valid(good)
    assert not VALIDATOR.is_valid(bad)


def test_an_unknown_duration_validates_and_comes_back() -> None:
    run = make_check_run(seconds=None)
    data = json.loads(run.to_json())
    assert errors(data) == []
    assert CheckRun.from_dict(data) == run
