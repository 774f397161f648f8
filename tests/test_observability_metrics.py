"""Tests metrics that a real StatsD listener got from a real Airflow, and a dead listener."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.stores import make_check_run
from io_intelligence_provider.observability import emit_metrics
from io_intelligence_provider.operators.results import log_findings, open_history, read_history, record_result
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.quality.results_store import ResultHistory

pytestmark = pytest.mark.airflow

RUN = make_check_run(
    CheckResult("in_range", "price", "row", "error", 4, 1),
    run_id="20260101T060000Z-0a1b2c3d",
    dataset="s3://lake/orders",
    seconds=1.5,
    score=0.75,
    rows=4,
    valid=3,
)


class Recorder:
    """Takes what Airflow would send."""

    def __init__(self) -> None:
        self.sent: dict[str, tuple[Any, Any]] = {}

    def gauge(self, stat: str, value: Any, *, tags: Any = None, **_: Any) -> None:
        self.sent[stat] = (value, tags)

    timing = gauge

    def incr(self, stat: str, *, tags: Any = None, **_: Any) -> None:
        self.sent[stat] = (1, tags)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Airflow's own front, with a logger behind it that remembers; the former state comes back."""
    from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger

    recorder = Recorder()
    _initialise(lambda: recorder)
    yield recorder
    _initialise(NoStatsLogger)


def _initialise(factory: Any) -> None:
    from airflow.sdk.observability.stats import Stats

    try:
        Stats.initialize(factory=factory, export_legacy_names=False)
    except TypeError:  # Airflow 3.2
        Stats.initialize(factory=factory)


def test_a_listener_gets_counts_shares_and_durations_of_a_good_run(observed_run):
    for line in (
        "dataquality.rows.read:3|g",
        "dataquality.io_intelligence_models.rows.read:3|g",
        "dataquality.io_intelligence_models.rows.valid:2|g",
        "dataquality.io_intelligence_models.rows.quarantined:1|g",
        "dataquality.io_intelligence_models.checks.failed:1|g",
        "dataquality.io_intelligence_models.runs.warned:1|c",
    ):
        assert f"airflow.{line}" in observed_run.metrics
    values = dict(line.removeprefix("airflow.").partition(":")[::2] for line in observed_run.metrics)
    share, kind = values["dataquality.quarantined_share"].split("|")
    assert (round(float(share), 3), kind) == (0.333, "g")
    milliseconds, kind = values["dataquality.io_intelligence_models.duration"].split("|")
    assert kind == "ms"
    assert 10 < float(milliseconds) < 120_000


def test_it_hears_of_a_stopped_run_as_well(observed_run):
    assert "airflow.dataquality.runs.failed:1|c" in observed_run.metrics
    assert observed_run.metrics.count("airflow.dataquality.io_intelligence_models.rows.read:3|g") == 2


def test_it_hears_of_checks_on_any_data_set(observed_run):
    for line in ("checked.runs.warned:1|c", "refused.runs.failed:1|c", "checked.rows.quarantined:1|g"):
        assert f"airflow.dataquality.{line}" in observed_run.metrics


def test_results_of_checks_are_kept_whatever_the_outcome(observed_run):
    assert observed_run.states["checked"] == "success"
    assert observed_run.states["refused"] == "failed"
    history = ResultHistory(observed_run.folder / "kept")
    assert [(run.dataset, run.outcome) for run in history.runs()] == [
        ("checked", "warned"), ("refused", "failed"),
    ]  # fmt: skip
    assert {row["column"] for row in history.table("columns").to_pylist()} == {"price"}


def test_in_a_real_run_results_that_cannot_be_kept_change_nothing(observed_run):
    assert observed_run.states["unkept"] == "success"
    assert "The result of unkept could not be filed" in observed_run.output
    assert "airflow.dataquality.unkept.rows.read:3|g" in observed_run.metrics


def test_each_figure_goes_out_with_tags_and_with_the_name(recorder):
    emit_metrics(RUN, dataset="s3://lake/orders")
    assert recorder.sent["dataquality.score"] == (0.75, {"dataset": "s3://lake/orders"})
    assert recorder.sent["dataquality.s3_lake_orders.score"] == (0.75, None)
    assert recorder.sent["dataquality.duration"][0] == 1_500
    assert recorder.sent["dataquality.runs.warned"][0] == 1
    assert recorder.sent["dataquality.checks.failed"][0] == 1
    assert len(recorder.sent) == 2 * 10


def test_names_in_other_letters_do_not_share_a_metric(recorder):
    for dataset in ("заказы", "клиенты", "заказы 1", "клиенты 1"):
        emit_metrics(RUN, dataset=dataset)
    names = {name for name in recorder.sent if name.endswith(".score") and name.count(".") > 1}
    assert len(names) == 4
    assert all(re.fullmatch(r"dataquality\.(1_)?[0-9a-f]{8}\.score", name) for name in names)


def test_a_share_of_no_rows_is_not_sent(recorder):
    emit_metrics(replace(RUN, rows=0, valid=0, quarantined=0), dataset="x" * 400)
    assert "dataquality.quarantined_share" not in recorder.sent
    assert all(len(name) < 250 for name in recorder.sent)


def test_a_logger_that_fails_is_a_warning(recorder, monkeypatch, caplog):
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(recorder, "gauge", fail)
    emit_metrics(RUN, dataset="orders")
    assert "The metrics of orders could not be sent: OSError('no route to host')" in caplog.text


def test_recording_a_run_files_and_sends(tmp_path, recorder):
    record_result(RUN, dataset="orders", root=str(tmp_path))
    assert open_history(str(tmp_path)).runs("orders") == [replace(RUN, dataset="orders")]
    assert [path.suffix for path in tmp_path.rglob("*.*") if path.is_file()] == [".parquet"], "filed once"
    assert recorder.sent["dataquality.orders.rows.read"][0] == 4


def test_without_a_root_it_is_the_configured_one(root: Path, recorder):
    record_result(RUN)
    assert len(open_history().runs("s3://lake/orders")) == 1


@pytest.mark.parametrize("obstacle", ["a file where the root should be", "no such file system"])
def test_what_cannot_be_kept_never_fails_the_task(tmp_path, recorder, caplog, obstacle):
    if obstacle == "no such file system":
        record_result(RUN, dataset="orders", root="nosuch://bucket/root")
    else:
        (tmp_path / "root").write_text("a file")
        record_result(RUN, dataset="orders", root=str(tmp_path / "root"))
    assert "The result of orders could not be filed" in caplog.text
    assert recorder.sent["dataquality.orders.rows.read"][0] == 4, "the rest is tried all the same"


def test_a_history_that_cannot_be_opened_is_a_warning(tmp_path, caplog):
    assert read_history("orders", "nosuch://bucket/root") == []
    assert "The history of orders cannot be opened" in caplog.text
    record_result(RUN, dataset="orders", root=str(tmp_path))
    assert len(read_history("orders", str(tmp_path))) == 1


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "WARNING"]


def test_each_finding_is_a_warning(caplog):
    examples = [{"row": number, "value": f"-{number}\nx", "message": None} for number in range(5)]
    findings = (
        CheckResult("isin", "vendor", "row", "warn", 1_000_000, 200),
        CheckResult("in_range", "fare", "row", "error", 1_000_000, 1_004, examples),
        CheckResult("few", None, "row", "error", 9, 2, threshold=3),
        CheckResult("few", "a\nb\x1b[2J", "row", "warn", 9, 1),
        CheckResult("volume", None, "dataset", "warn", 0, 0, [{"message": "not evaluated"}]),
    )
    log_findings(replace(RUN, checks=findings), "trips")
    first, second, third = warnings_in(caplog)
    assert first == (
        "trips: fare in_range failed, 1,004 of 1,000,000 (error): "
        "row: 0, value: -0\N{REPLACEMENT CHARACTER}x; row: 1, value: -1\N{REPLACEMENT CHARACTER}x; "
        "row: 2, value: -2\N{REPLACEMENT CHARACTER}x"
    )
    assert second == "trips: vendor isin failed, 200 of 1,000,000 (warn)"
    assert third.startswith("trips: a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2J few failed")


def test_no_rows_are_a_warning(caplog):
    log_findings(replace(RUN, rows=0, valid=0, quarantined=0, checks=()), "trips")
    assert warnings_in(caplog) == ["trips has no rows."]


def test_a_result_that_is_not_kept_is_still_sent(tmp_path, recorder):
    record_result(RUN, dataset="orders", root=str(tmp_path), keep=False)
    assert open_history(str(tmp_path)).runs("orders") == []
    assert recorder.sent["dataquality.orders.rows.read"][0] == 4


def test_the_findings_of_both_operators_are_in_the_log_of_a_real_run(observed_run):
    assert "checked: price not_below_0 failed, 1 of 3 (error): " in observed_run.output
    assert "io_intelligence_models: status allowed_values failed, 1 of 3 (error): " in observed_run.output
