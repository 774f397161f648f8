"""Tests ``fail_on`` end to end: what each mode commits, with which outcome and score."""

from __future__ import annotations

import pytest

from helpers.records import model_record
from helpers.stores import PreparedClient, file_records
from io_intelligence_provider.errors import ConfigurationError, QualityError


@pytest.fixture
def outcome(local_store):
    """Return a function that files records and gives the outcome, ``failed`` included."""

    def run(records, **options) -> str:
        try:
            summary = file_records(local_store, records, **options)
        except QualityError as error:
            refused = error.report
        else:
            assert local_store.quality().outcome == summary.outcome
            assert local_store.quality().score == summary.score
            return summary.outcome
        assert local_store.runs() == [refused]
        assert not local_store.dates()
        return refused.outcome

    return run


CASES = {
    "clean": ("passed", "passed", "passed"),
    "coerced": ("warned", "failed", "warned"),
    "one refused of ten": ("warned", "failed", "warned"),
    "two refused of ten": ("failed", "failed", "warned"),
    "all refused": ("failed", "failed", "failed"),
    "empty": ("failed", "failed", "failed"),
    "incomplete": ("failed", "failed", "failed"),
    "unknown key": ("warned", "failed", "warned"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("fail_on", ["error", "warn", "never"])
def test_each_mode(outcome, case, fail_on):
    names = [f"m{number}" for number in range(10)]
    records = {
        "clean": [model_record(name) for name in names],
        "coerced": [model_record("a", {"tags": "New"})],
        "one refused of ten": [
            model_record(name, status="?" if name == "m0" else "active") for name in names
        ],
        "two refused of ten": [model_record(name, status="?" if name < "m2" else "active") for name in names],
        "all refused": [model_record(name, status="?") for name in names],
        "empty": [],
        "incomplete": [model_record(name) for name in names],
        "unknown key": [model_record("a", {"new": 1})],
    }[case]
    total = {"total": 11} if case == "incomplete" else {}
    wanted = CASES[case][["error", "warn", "never"].index(fail_on)]
    assert outcome(records, fail_on=fail_on, **total) == wanted


def test_the_score(local_store):
    # First run: four snapshot checks can be evaluated; one record of four is refused, one check fails.
    records = [
        model_record("a"),
        model_record("b"),
        model_record("c", {"new": 1}),
        model_record("d", status="?"),
    ]
    summary = file_records(local_store, records, max_quarantine_share=0.25)
    checks = [
        check for check in local_store.quality().checks if check.level == "snapshot" and check.evaluated
    ]
    assert [check.check for check in checks] == [
        "not_empty",
        "complete",
        "quarantine_share",
        "unknown_fields",
    ]
    assert summary.score == 3 / 4 * 3 / 4


def test_the_error_carries_the_report_and_says_where_to_look(local_store):
    with pytest.raises(QualityError) as caught:
        file_records(local_store, [model_record(status="?")])
    message, report = str(caught.value), caught.value.report
    assert "not_empty" in message
    assert "quarantine_share" in message
    assert f"{report.snapshot_id}.html" in message
    assert local_store.runs()[0] == report


def test_the_message_of_the_error_stays_short(local_store):
    with pytest.raises(QualityError) as caught:
        file_records(local_store, [model_record("n" * 10_000, {"k" * 10_000: 1, "tags": 5})], fail_on="warn")
    assert len(str(caught.value)) < 5_000


@pytest.mark.parametrize(
    "options", [{"fail_on": "sometimes"}, {"max_quarantine_share": 2}, {"max_quarantine_share": -1}]
)
def test_wrong_thresholds_are_refused_before_anything_is_fetched(local_store, options):
    from io_intelligence_provider.snapshot import take_snapshot

    client = PreparedClient([])
    with pytest.raises(ConfigurationError):
        take_snapshot(client, local_store, **options)
    assert client.asked == []
