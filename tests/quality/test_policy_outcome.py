"""From findings to the outcome: what stops a commit in each mode, and the score."""

from __future__ import annotations

import math

import pytest

from io_intelligence_provider.contract.snapshot_checks import ALWAYS_STOPPING
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.policy import check_thresholds, score, stopping
from io_intelligence_provider.quality.result import CheckResult

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


@pytest.mark.parametrize(("fail_on", "share"), [("error", 0), ("warn", 1), ("never", 0.5)])
def test_good_thresholds(fail_on, share):
    check_thresholds(fail_on, share)


@pytest.mark.parametrize(
    ("fail_on", "share"),
    [("", 0.1), ("Error", 0.1), (None, 0.1), ("error", -0.01), ("error", 1.01), ("error", math.nan),
     ("error", math.inf), ("error", "0.1"), ("error", None)],
)  # fmt: skip
def test_bad_thresholds(fail_on, share):
    with pytest.raises(ConfigurationError):
        check_thresholds(fail_on, share)
