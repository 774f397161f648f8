"""Tests when a snapshot is overdue, and what the reasons say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from helpers.stores import FETCHED_AT, model_row, quality_report
from io_intelligence_provider.alerts.ledger import record_stop
from io_intelligence_provider.alerts.overdue import overdue_reasons
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.store.layout import models_path, quality_path

DAY = timedelta(days=1)


def stopped(builder: Any, when: datetime, outcome: Any = "failed") -> None:
    """File the report of a run."""
    checks = (
        CheckResult("price_move", None, "snapshot", "warn", 9, 1, [{"name": "<script>"}]),
        CheckResult("complete", None, "snapshot", "error", 1, 1, [{"name": "<script>"}]),
        CheckResult("type", "status", "row", "error", 26, 2),
        CheckResult("volume", None, "snapshot", "error", 9, 0),
    )
    run = f"run-{when:%Y%m%dT%H%M%S}"
    report = quality_report(
        *checks,
        run_id=run,
        checked_at=when,
        snapshot_date=when.date(),
        outcome=outcome,
        score=0.5,
        rows=26,
        valid=24,
        quarantined=2,
    )
    builder.store.files.put(quality_path(when.date(), run), report.to_json().encode())


def test_an_empty_store_is_silent(builder):
    (said,) = overdue_reasons(builder.store, FETCHED_AT)
    assert said.endswith("holds no snapshot.")


@pytest.mark.parametrize(("age", "count"), [(DAY, 0), (DAY + timedelta(seconds=1), 1)])
def test_a_snapshot_may_be_a_day_old_and_no_older(builder, age, count):
    builder.file(FETCHED_AT.date(), model_row("m"))
    assert len(overdue_reasons(builder.store, FETCHED_AT + age)) == count
    assert overdue_reasons(builder.store, FETCHED_AT + age, expected_within=2 * DAY) == []


def test_it_says_how_long_and_since_when(builder):
    builder.file(FETCHED_AT.date(), model_row("m"))
    (said,) = overdue_reasons(builder.store, FETCHED_AT + timedelta(hours=31))
    assert said == (
        "No snapshot was committed for 31 hours. The latest is of 2026-03-01, read from the API at "
        "2026-03-01 12:00 UTC."
    )
    assert "for 9 days" in overdue_reasons(builder.store, FETCHED_AT + 9 * DAY)[0]
    assert overdue_reasons(builder.store, (FETCHED_AT + timedelta(hours=31)).replace(tzinfo=None)) == [said]


def test_a_run_that_failed_since_is_told_with_its_reason(builder):
    builder.file(FETCHED_AT.date(), model_row("m"))
    stopped(builder, FETCHED_AT + timedelta(hours=12))
    (said,) = overdue_reasons(builder.store, FETCHED_AT + timedelta(hours=13))
    assert said == (
        "The run of 2026-03-02 was stopped by its checks. At 2026-03-02 00:00 UTC failed: complete "
        "(1 of 1: name: <script>). 2 of 26 records were refused: status type (2)."
    )


def test_silence_and_its_reason_come_together(builder):
    builder.file(FETCHED_AT.date(), model_row("m"))
    stopped(builder, FETCHED_AT + timedelta(hours=12))
    assert len(overdue_reasons(builder.store, FETCHED_AT + timedelta(hours=25))) == 2


def test_a_run_that_failed_before_a_good_one_or_long_ago_or_passed_is_no_news(builder):
    builder.file(FETCHED_AT.date(), model_row("m"))
    stopped(builder, FETCHED_AT - timedelta(minutes=5))
    stopped(builder, FETCHED_AT + timedelta(minutes=5), "warned")
    stopped(builder, FETCHED_AT + timedelta(hours=2))  # after the moment that is judged
    assert overdue_reasons(builder.store, FETCHED_AT + timedelta(hours=1)) == []


def test_runs_are_counted_when_they_are_many(builder):
    builder.file(FETCHED_AT.date(), model_row("m"))
    for minute in range(1, 9):
        stopped(builder, FETCHED_AT + timedelta(minutes=minute))
    said = overdue_reasons(builder.store, FETCHED_AT + timedelta(hours=1))
    assert len(said) == 6
    assert said[-1] == "3 more runs failed before."
    assert "12:08" in said[-2]


class TestARunThatNotifiersWereToldOf:
    AT = FETCHED_AT + 18 * timedelta(hours=1)

    @pytest.fixture(autouse=True)
    def files(self, builder):
        builder.file(FETCHED_AT.date(), model_row("m"))
        stopped(builder, self.AT - timedelta(hours=5))
        stopped(builder, self.AT)

    @staticmethod
    def record(builder, *numbers):
        failed = [report for report in builder.store.runs() if report.outcome == "failed"]
        for number in numbers:
            record_stop(builder.store, failed[number], "scheduled__1")

    def test_it_is_not_repeated_on_that_day_nor_is_the_missing_snapshot(self, builder):
        later = self.AT + timedelta(hours=7)
        assert len(overdue_reasons(builder.store, later)) == 3
        self.record(builder, 1)
        assert overdue_reasons(builder.store, later) == []
        assert len(overdue_reasons(builder.store, later, repeat=True)) == 3

    def test_it_is_reported_when_it_is_not_recent_or_another_one_failed_later(self, builder):
        self.record(builder, 1)
        assert len(overdue_reasons(builder.store, self.AT + DAY)) == 0
        assert len(overdue_reasons(builder.store, self.AT + DAY + timedelta(seconds=1))) == 3
        stopped(builder, self.AT + timedelta(hours=1))
        assert len(overdue_reasons(builder.store, self.AT + timedelta(hours=2))) == 3

    def test_a_store_without_a_snapshot_is_always_reported(self, builder):
        self.record(builder, 1)
        builder.store.files.delete(models_path(FETCHED_AT.date()))
        assert len(overdue_reasons(builder.store, self.AT)) == 3


@pytest.mark.parametrize(
    ("age", "said"), [(40, "40 min"), (119, "119 min"), (120, "2 hours"), (72 * 60, "3 days")]
)
def test_the_age_is_given_in_a_unit_that_fits(builder, age, said):
    builder.file(0, model_row("m"))
    (reason,) = overdue_reasons(
        builder.store, FETCHED_AT + timedelta(minutes=age), expected_within=timedelta(minutes=30)
    )
    assert reason.startswith(f"No snapshot was committed for {said}. ")
