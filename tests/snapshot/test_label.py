"""Tests under which date a run may write the current catalogue."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider.snapshot import LateRunError, snapshot_date_for, snapshot_date_for_run

DAY = date(2026, 1, 2)
RUN = datetime(2026, 1, 2, 6, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("on_file", [False, True])
@pytest.mark.parametrize(
    "now",
    [
        "2026-01-02T00:00:00Z",
        "2026-01-02T06:00:00Z",
        "2026-01-02T23:59:59.999999Z",
        "2026-01-03T00:59:59+01:00",
    ],
)
def test_on_its_own_day_a_run_files_and_replaces(now, on_file):
    assert snapshot_date_for(RUN, at(now), on_file=on_file) == DAY


@pytest.mark.parametrize(
    "now", ["2026-01-03T00:00:00Z", "2026-01-03T05:59:59.999999Z", "2026-01-03T06:59:59+01:00"]
)
def test_within_six_hours_after_midnight_only_a_missing_day_is_filed(now):
    assert snapshot_date_for(RUN, at(now), on_file=False) == DAY
    with pytest.raises(LateRunError, match="has its snapshot"):
        snapshot_date_for(RUN, at(now), on_file=True)


@pytest.mark.parametrize("on_file", [False, True])
@pytest.mark.parametrize("now", ["2026-01-03T06:00:00Z", "2026-01-04T00:00:00Z", "2027-01-02T06:00:00Z"])
def test_later_a_missed_day_stays_missing(now, on_file):
    with pytest.raises(LateRunError, match="A missed day cannot be filed later"):
        snapshot_date_for(RUN, at(now), on_file=on_file)


@pytest.mark.parametrize("now", ["2026-01-01T23:59:59Z", "2025-01-02T06:00:00Z"])
def test_a_day_that_has_not_come_is_refused(now):
    with pytest.raises(LateRunError, match="has not begun"):
        snapshot_date_for(RUN, at(now), on_file=False)


def test_the_date_is_that_of_utc():
    tokyo = timezone(timedelta(hours=9))
    assert (
        snapshot_date_for(
            datetime(2026, 1, 3, 8, 59, tzinfo=tokyo), at("2026-01-02T23:59:00Z"), on_file=False
        )
        == DAY
    )


def test_a_time_without_a_zone_is_utc():
    naive = datetime(2026, 1, 2, 23, 59)  # noqa: DTZ001
    assert snapshot_date_for(naive, naive, on_file=True) == DAY
    assert snapshot_date_for(naive, datetime(2026, 1, 3, 5, 59), on_file=False) == DAY  # noqa: DTZ001


def test_over_a_change_of_the_year():
    run = datetime(2025, 12, 31, 12, tzinfo=UTC)
    assert snapshot_date_for(run, at("2026-01-01T05:59:00Z"), on_file=False) == date(2025, 12, 31)


def test_the_store_says_whether_the_day_is_on_file(store):
    night = at("2026-01-03T01:00:00Z")
    assert snapshot_date_for_run(store, RUN, night) == DAY
    file_records(store, [model_record()], DAY)
    with pytest.raises(LateRunError, match="has its snapshot"):
        snapshot_date_for_run(store, RUN, night)
    assert snapshot_date_for_run(store, RUN, RUN) == DAY
