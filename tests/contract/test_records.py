"""Every reason of every refused record, one per column, the first in the order required, type, value."""

from __future__ import annotations

import json

from helpers.records import documented_record, outcomes, validate_records

ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def test_all_columns_report_and_each_its_first_kind_only():
    record = documented_record(
        {
            "trendiness": 11,
            "max_tokens": "many",
            "input_token_price": "free",
            "tags": 5,
            "tool_support": None,
        },
        model_id="no uuid",
        name=None,
        status="retired",
        chat_daily_quota_tier_1=-1,
        api_completions_daily_quota_tier_1=True,
        embeddings_daily_quota_tier_1=...,
        created_at="yesterday",
    )
    (refused,) = validate_records(record).refused
    assert [(f.check, f.column) for f in refused.failures] == [
        ("uuid", "model_id"),
        ("required", "name"),
        ("allowed_values", "status"),
        ("non_negative", "chat_daily_quota_tier_1"),
        ("type", "api_completions_daily_quota_tier_1"),
        ("required", "embeddings_daily_quota_tier_1"),
        ("type", "tags"),
        ("in_range", "trendiness"),
        ("type", "max_tokens"),
        ("price", "input_token_price"),
        ("timestamp", "created_at"),
    ]
    assert all(failure.message for failure in refused.failures)


def test_a_required_value_of_a_wrong_type_is_not_also_absent():
    found = outcomes(
        documented_record(name=5), documented_record({"trendiness": "1"}), documented_record(created_at=1)
    )
    assert found == [[("type", "name")], [("type", "trendiness")], [("type", "created_at")]]


def test_an_id_that_is_no_uuid_reports_that_before_its_repetition():
    verdict = validate_records(
        documented_record(model_id="x"), documented_record(model_id="x", name="b"), conflicting={"x"}
    )
    assert [[f.check for f in refused.failures] for refused in verdict.refused] == [["uuid"], ["uuid"]]


def test_a_repeated_id_is_refused_beside_other_reasons():
    verdict = validate_records(
        documented_record(),
        documented_record(status="?"),
        documented_record(model_id=ID[:-1] + "b"),
        conflicting={ID},
    )
    assert [[(f.check, f.column) for f in refused.failures] for refused in verdict.refused] == [
        [("unique", "model_id")],
        [("unique", "model_id"), ("allowed_values", "status")],
    ]
    assert verdict.valid["model_id"].to_list() == [ID[:-1] + "b"]


def test_valid_rows_are_unaffected_by_refused_neighbours():
    good = [documented_record({"max_tokens": number}, name=f"good-{number}") for number in range(3)]
    bad = [
        documented_record({"max_tokens": -1}),
        b"[]",
        documented_record({"max_tokens": "x", "tags": [1]}, name=None),
    ]
    alone = validate_records(*good).valid
    mixed = [good[0], bad[0], bad[1], good[1], bad[2], good[2]]
    assert validate_records(*mixed).valid.equals(alone)


def test_a_refused_record_keeps_who_it_is_and_its_text():
    record = documented_record({"x": "é"}, model_id=ID.upper(), status="?")
    raw = json.dumps(record, ensure_ascii=False, indent=1).encode()
    (refused,) = validate_records(raw).refused
    assert (refused.model_id, refused.name) == (ID, "org/model")
    assert refused.record.isascii()
    assert json.loads(refused.record) == record


def test_an_empty_batch_is_fine():
    verdict = validate_records()
    assert (verdict.rows, verdict.valid.height, verdict.refused) == (0, 0, [])
