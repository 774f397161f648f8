"""``uuid``, ``allowed_values``, ``in_range``, ``non_negative``, ``not_before``: both sides of each border."""

from __future__ import annotations

import pytest

from helpers.records import documented_record, outcomes, validate_records
from io_intelligence_provider.contract.columns import QUOTA_COLUMNS

ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def test_a_uuid_is_stored_in_lower_case():
    given = [ID, ID.upper(), ID.title(), "0" * 8 + "-0000-0000-0000-" + "0" * 12]
    rows = outcomes(*(documented_record(model_id=text) for text in given))
    assert [row["model_id"] for row in rows] == [text.lower() for text in given]


def test_what_is_no_canonical_uuid_is_refused():
    given = ["", " " + ID, ID + "\n", ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}", ID[:-1], ID + "0",
             ID.replace("3", "g", 1), ID.replace("3", "٣", 1)]  # fmt: skip
    found = outcomes(*(documented_record(model_id=text) for text in given))
    assert found == [[("uuid", "model_id")]] * len(given)


def test_the_status_is_one_of_two():
    good, bad = ["active", "inactive"], ["Active", "", "active ", "retired"]
    found = outcomes(*(documented_record(status=status) for status in good + bad))
    assert [row["status"] for row in found[:2]] == good
    assert found[2:] == [[("allowed_values", "status")]] * len(bad)


def test_trendiness_is_from_0_to_10():
    low, zero, ten, high = outcomes(*(documented_record({"trendiness": value}) for value in (-1, 0, 10, 11)))
    assert low == high == [("in_range", "trendiness")]
    assert (zero["trendiness"], ten["trendiness"]) == (0, 10)


@pytest.mark.parametrize("column", [*QUOTA_COLUMNS, "max_tokens", "context_window"])
def test_quotas_and_limits_are_not_negative(column):
    values = (-1, 0, 2**63 - 1)
    records = [
        documented_record(**{column: value})
        if column in QUOTA_COLUMNS
        else documented_record({column: value})
        for value in values
    ]
    below, *others = outcomes(*records)
    assert below == [("non_negative", column)]
    assert [row[column] for row in others] == [0, 2**63 - 1]


@pytest.mark.parametrize(
    ("updated", "flagged"),
    [
        ("2025-01-02T03:04:04.999999Z", True),
        ("2025-01-02T03:04:05Z", False),
        ("2025-01-02T04:04:04+01:00", True),
        ("2025-01-02T04:04:05+01:00", False),
    ],
)
def test_an_update_before_the_creation_is_flagged_and_kept(updated, flagged):
    verdict = validate_records(documented_record(updated_at=updated))
    assert verdict.valid.height == 1
    assert list(verdict.warned) == ([("not_before", "updated_at")] if flagged else [])


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("model_id", "X", "is not a UUID in its canonical form"),
        ("status", "x", "is none of active, inactive"),
        ("chat_daily_quota_tier_1", -1, "is negative"),
    ],
)
def test_a_failure_shows_the_value_as_served(column, value, message):
    (refused,) = validate_records(documented_record(**{column: value})).refused
    (failure,) = refused.failures
    assert (failure.value, failure.message) == (str(value), message)
