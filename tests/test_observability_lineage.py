"""Tests OpenLineage events that a real Airflow wrote through its file transport."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from helpers.stores import make_check_run
from io_intelligence_provider.contract.report import QualityReport
from io_intelligence_provider.observability import (
    check_lineage,
    dataset_name,
    snapshot_lineage,
)
from io_intelligence_provider.quality.result import CheckResult, ColumnProfile

pytestmark = pytest.mark.airflow

RUN = make_check_run(
    CheckResult("in_range", "price", "row", "error", 4, 1, [{"value": "secret-value"}]),
    CheckResult("few", "name", "row", "warn", 4, 1, threshold=0.5),
    CheckResult("volume", None, "dataset", "warn", 1, 1, [{"value": 4, "usual": 100.5, "of": "x"}]),
    CheckResult("null_share", "price", "dataset", "warn", 0, 0, [{"message": "not evaluated"}]),
    run_id="20260101T060000Z-0a1b2c3d",
    dataset="s3://lake/orders/day=*/part.parquet",
    schema="schemas:Orders",
    checked_at=datetime(2026, 1, 1, 6, tzinfo=UTC),
    seconds=1.5,
    rows=4,
    valid=3,
    files=2,
    columns=(("price", "double"), ("name", "string")),
    quarantine_path="s3://lake/quarantine/1.parquet",
    valid_path="/data/valid.parquet",
    profile=(
        ColumnProfile("price", 4, 1, 3, True, 0.5, 9.0, 2.5, 1.0),
        ColumnProfile("day", 4, 0, 2, True, "2026-01-01", "2026-01-02"),
    ),
)


def input_facets(event: dict[str, Any]) -> dict[str, Any]:
    (source,) = event["inputs"]
    return source["inputFacets"]


def test_a_snapshot_tells_what_it_read_checked_and_wrote(observed_run):
    assert observed_run.states["good"] == "success"
    event = observed_run.event("observed_good.snapshot", "COMPLETE")
    (source,) = event["inputs"]
    assert (source["namespace"], source["name"]) == (observed_run.url, "/api/v1/models")
    facets = source["inputFacets"]
    assert facets["dataQualityMetrics"]["rowCount"] == 3
    failed = [entry for entry in facets["dataQualityAssertions"]["assertions"] if not entry["success"]]
    assert [(entry["assertion"], entry["column"], entry["severity"]) for entry in failed] == [
        ("allowed_values", "status", "error")
    ]
    assert failed[0]["actual"] == "1 of 3 failing"
    assert len(facets["dataQualityAssertions"]["assertions"]) > 50
    models, quarantine = event["outputs"]
    assert (models["namespace"], models["name"]) == ("file", str(observed_run.folder / "good" / "models"))
    assert models["outputFacets"]["outputStatistics"]["rowCount"] == 2
    types = {field["name"]: field["type"] for field in models["facets"]["schema"]["fields"]}
    assert types["input_token_price"] == "decimal128(38, 18)"
    columns = models["facets"]["dataQualityMetrics"]["columnMetrics"]
    assert columns["input_token_price"]["nullCount"] == 0
    assert columns["input_token_price"]["min"] > 0
    assert "min" not in columns["name"], "a text is no metric"
    assert quarantine["name"] == str(observed_run.folder / "good" / "quarantine")
    assert quarantine["outputFacets"]["outputStatistics"]["rowCount"] == 1


def test_the_run_tells_every_test_also_those_that_could_not_be_made(observed_run):
    tests = observed_run.event("observed_good.snapshot", "COMPLETE")["run"]["facets"]["test"]["tests"]
    statuses = {entry["name"]: entry["status"] for entry in tests}
    assert statuses["not_empty"] == "pass"
    assert statuses["allowed_values status"] == "fail"
    assert statuses["volume"] == "skip", "a first snapshot has nothing to be compared with"
    assert len(tests) > len(
        input_facets(observed_run.event("observed_good.snapshot", "COMPLETE"))["dataQualityAssertions"][
            "assertions"
        ]
    )


def test_a_stopped_snapshot_tells_why_and_no_models(observed_run):
    assert observed_run.states["stopped"] == "failed"
    event = observed_run.event("observed_stopped.snapshot", "FAIL")
    failed = [
        entry for entry in input_facets(event)["dataQualityAssertions"]["assertions"] if not entry["success"]
    ]
    assert [entry["assertion"] for entry in failed] == ["allowed_values"]
    assert [Path(output["name"]).name for output in event["outputs"]] == ["quarantine"]
    assert "was not committed" in event["run"]["facets"]["errorMessage"]["message"]


@pytest.mark.parametrize(("name", "kind"), [("checked", "COMPLETE"), ("refused", "FAIL")])
def test_a_check_tells_what_it_read_checked_and_refused_also_when_it_failed(observed_run, name, kind):
    event = observed_run.event(f"observed_{name}.check", kind)
    (source,) = event["inputs"]
    assert (source["namespace"], source["name"]) == ("file", str(observed_run.folder / "orders.parquet"))
    assert [field["name"] for field in source["facets"]["schema"]["fields"]] == ["price"]
    failed = [
        (entry["assertion"], entry["column"], entry["actual"])
        for entry in source["inputFacets"]["dataQualityAssertions"]["assertions"]
        if not entry["success"]
    ]
    assert failed == [("not_below_0", "price", "1 of 3 failing")]
    price = source["inputFacets"]["dataQualityMetrics"]["columnMetrics"]["price"]
    assert (price["min"], price["max"], price["quantiles"]) == (-2.0, 3.0, {"0.5": 1.5})
    (quarantine,) = event["outputs"]
    assert quarantine["name"] == str(observed_run.folder / name), "the folder: one data set, not one a run"
    assert quarantine["outputFacets"]["outputStatistics"]["rowCount"] == 1
    statuses = {entry["name"]: entry["status"] for entry in event["run"]["facets"]["test"]["tests"]}
    assert statuses["not_below_0 price"] == "fail"
    assert statuses["volume"] == "skip"


def test_no_event_holds_the_key_and_no_warning_was_logged(observed_run):
    assert "secret-key" not in (observed_run.folder / "events.jsonl").read_text()
    assert "OpenLineage method failed" not in observed_run.output
    assert "could not be built" not in observed_run.output
    assert "could not be prepared" not in observed_run.output


def test_a_check_run_in_facets():
    lineage = check_lineage(RUN)
    assert lineage is not None
    (source,) = lineage.inputs
    assert (source.namespace, source.name) == ("s3://lake", "orders")
    assert [field.name for field in source.facets["schema"].fields] == ["price", "name"]
    quality = source.inputFacets["dataQualityAssertions"].assertions
    assert [(entry.assertion, entry.column, entry.success) for entry in quality] == [
        ("in_range", "price", False), ("few", "name", True), ("volume", None, False),
    ]  # fmt: skip
    assert quality[1].expected == "at most 0.5 failing"
    assert quality[2].actual == "1 of 1 failing (value: 4, usual: 100.5)"
    metrics = source.inputFacets["dataQualityMetrics"]
    assert (metrics.rowCount, metrics.fileCount) == (4, 2)
    price, day = metrics.columnMetrics["price"], metrics.columnMetrics["day"]
    assert (price.nullCount, price.distinctCount, price.count, price.min, price.max) == (1, 3, 3, 0.5, 9.0)
    assert price.quantiles == {"0.5": 2.5}
    assert (day.min, day.max, day.quantiles) == (None, None, {})
    assert [(out.namespace, out.name) for out in lineage.outputs] == [
        ("file", "/data/valid.parquet"), ("s3://lake", "quarantine/1.parquet"),
    ]  # fmt: skip
    assert [out.outputFacets["outputStatistics"].rowCount for out in lineage.outputs] == [3, 1]
    assert [entry.status for entry in lineage.run_facets["test"].tests] == ["fail", "pass", "fail", "skip"]


def test_facets_have_rules_and_dimensions() -> None:
    check = CheckResult("ge", "a", "row", "error", 2, 0, rule_id="1f2e3d4c", dimension="validity")
    lineage = check_lineage(replace(RUN, checks=(check,)))
    assert lineage is not None
    (assertion,) = lineage.inputs[0].inputFacets["dataQualityAssertions"].assertions
    found = {key: assertion.params[key] for key in ("rule_id", "dimension")}
    assert found == {"rule_id": "1f2e3d4c", "dimension": "validity"}


def test_values_of_rows_stay_at_home():
    assert "secret-value" not in repr(check_lineage(RUN))


def test_without_a_result_there_is_nothing_to_tell():
    assert check_lineage(None) is None
    assert snapshot_lineage(None, "") is None


def test_a_result_that_cannot_be_told_is_a_warning(caplog: pytest.LogCaptureFixture):
    broken: Any = replace(RUN, dataset=None)  # type: ignore[arg-type]
    assert check_lineage(broken) is None
    assert "could not be built" in caplog.text


def test_a_source_with_a_credential_is_told_without():
    report = QualityReport(
        run_id="20260101T060000Z-0a1b2c3d",
        checked_at=datetime(2026, 1, 1, 6, tzinfo=UTC),
        outcome="warned",
        score=0.5,
        rows=4,
        valid=3,
        quarantined=1,
        checks=RUN.checks,
        snapshot_date=date(2026, 1, 1),
        source_url="https://user:secret-key@host:8443/prefix/api/v1/models",
        wire_shape="documented",
        fields=("name",),
    )
    lineage = snapshot_lineage(report, "gs://bucket/root [1]/")
    assert lineage is not None
    assert "secret-key" not in repr(lineage)
    assert (lineage.inputs[0].namespace, lineage.inputs[0].name) == (
        "https://host:8443",
        "/prefix/api/v1/models",
    )
    assert [(out.namespace, out.name) for out in lineage.outputs] == [
        ("gs://bucket", "root [1]/models"), ("gs://bucket", "root [1]/quarantine"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/orders/", ("file", "/data/orders")),
        ("/data/orders/*/part-?.parquet", ("file", "/data/orders")),
        ("file:///data/a.parquet", ("file", "/data/a.parquet")),
        ("orders.parquet", ("file", str(Path("orders.parquet").absolute()))),
        ("s3://lake/a/b.parquet", ("s3://lake", "a/b.parquet")),
        ("s3://lake/*.parquet", ("s3://lake", "/")),
        ("s3://lake", ("s3://lake", "/")),
        ("S3://lake/a", ("s3://lake", "a")),
        ("abfss://box@account.dfs.host/a", ("abfss://box@account.dfs.host", "a")),
        ("sftp://user:secret@host:22/a", ("sftp://host:22", "a")),
    ],
)
def test_names_follow_the_naming_rules(path, name):
    assert dataset_name(path) == name
