"""The observed shape: identity, prices per token, Unix seconds, and no defaults."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from uuid import NAMESPACE_URL, uuid5

import pytest

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.quality.contract import COLUMNS, OBSERVED_KEYS_WITHOUT_COLUMN, PRICE_COLUMNS

URL = "https://api.intelligence.io.solutions/api/v1/models/"


@pytest.fixture(scope="module")
def observed_outcomes(outcomes):
    return partial(outcomes, shape=WireShape.OPENAI)


@pytest.fixture(scope="module")
def judge_observed(judge):
    return partial(judge, shape=WireShape.OPENAI)


def test_identity_name_and_display_name(observed, observed_outcomes):
    (row,) = observed_outcomes(observed(id="meta-llama/Llama", name="Llama!"))
    assert row["name"] == "meta-llama/Llama"
    assert row["model_id"] == str(uuid5(NAMESPACE_URL, URL + "meta-llama/Llama"))
    assert row["display_name"] == "Llama!"
    assert json.loads(row["extra"]) == {"object": "model"}


def test_only_the_id_is_required_and_nothing_takes_a_default(observed_outcomes):
    (row,) = observed_outcomes({"id": "a"})
    assert {name for name, value in row.items() if value is not None} == {"model_id", "name"}
    assert set(row) == {column.name for column in COLUMNS} - {"fetched_at"}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({}, ("required", "name")),
        ({"id": None}, ("required", "name")),
        ({"id": 5}, ("type", "name")),
        (rb'{"id": "\ud800"}', ("type", "name")),
    ],
)
def test_a_record_without_a_usable_id_is_refused(observed_outcomes, record, reason):
    assert observed_outcomes(record) == [[reason]]


PRICES = {
    "1e-07": "0.1",
    "3.2e-07": "0.32",
    "5E-8": "0.05",
    "0.0000001": "0.1",
    "0": "0",
    "-0": "0",
    "-0.0": "0",
    "0e-400": "0",
    "0e999999999999999999": "0",
    "1": "1000000",
    "1e-24": "0.000000000000000001",
    "99999999999999.999999999999999999999999": "99999999999999999999.999999999999999999",
    "1.0000000000000000000000000000000000000": "1000000",
    "null": None,
}
NO_PRICES = [
    '"1e-07"', '"0"', '""', "true", "[]", "{}", "-1e-9", "1e-25", "1.5e-24", "1e14", "100000000000000",
    "1e999", "1e-999", "1e999999999999999999", "-1e999999999999999999999", "9" * 5_000,
]  # fmt: skip


def with_price(observed, text, column="input_token_price"):
    return json.dumps(observed(**{column: "@@"})).replace('"@@"', text).encode()


def test_prices_are_moved_six_places_exactly(observed, observed_outcomes):
    rows = observed_outcomes(*(with_price(observed, text) for text in PRICES))
    found = {text: row["input_token_price"] for text, row in zip(PRICES, rows, strict=True)}
    assert found == {text: None if price is None else Decimal(price) for text, price in PRICES.items()}


def test_what_is_no_price_is_refused(observed, observed_outcomes):
    found = observed_outcomes(*(with_price(observed, text) for text in NO_PRICES))
    wanted = [("price", "input_token_price")]
    assert [text for text, outcome in zip(NO_PRICES, found, strict=True) if outcome != wanted] == []


def test_each_price_column_is_checked(observed, observed_outcomes):
    good = observed_outcomes(*(with_price(observed, "1e-6", column) for column in PRICE_COLUMNS))
    assert [row[column] for row, column in zip(good, PRICE_COLUMNS, strict=True)] == [1, 1, 1, 1]
    bad = observed_outcomes(*(with_price(observed, "-1", column) for column in PRICE_COLUMNS))
    assert bad == [[("price", column)] for column in PRICE_COLUMNS]


def test_a_refused_price_is_shown_as_served(observed, judge_observed):
    (refused,) = judge_observed(with_price(observed, "-1e-9")).refused
    (failure,) = refused.failures
    assert failure.value == "-1E-9"


def test_created_is_unix_seconds(observed, observed_outcomes):
    texts = ["0", "-1", "1738563250.0", "253402300799", "-62135596800", "null"]
    raw = [json.dumps(observed(created="@@")).replace('"@@"', text).encode() for text in texts]
    rows = observed_outcomes(*raw)
    assert [row["created_at"] and row["created_at"].isoformat() for row in rows] == [
        "1970-01-01T00:00:00+00:00",
        "1969-12-31T23:59:59+00:00",
        "2025-02-03T06:14:10+00:00",
        "9999-12-31T23:59:59+00:00",
        "0001-01-01T00:00:00+00:00",
        None,
    ]


def test_a_created_of_another_kind_is_refused(observed, observed_outcomes):
    mistyped = ["2025-01-01T00:00:00Z", True, 1.5, 2**63]
    beyond = [253402300800, -62135596801, 2**63 - 1]
    found = observed_outcomes(*(observed(created=created) for created in [*mistyped, *beyond]))
    assert found == [[("type", "created_at")]] * 4 + [[("timestamp", "created_at")]] * 3


def test_flags_limits_and_tags_are_read_from_the_top_level(observed, observed_outcomes):
    (row,) = observed_outcomes(
        observed(max_tokens=5.0, context_window=7, supports_images_input=True, precision="fp8", tags="New")
    )
    assert (row["max_tokens"], row["context_window"], row["precision"]) == (5, 7, "fp8")
    assert (row["supports_images_input"], row["tags"]) == (True, ["New"])


def test_known_keys_without_a_column_are_kept_and_no_drift(observed, judge_observed):
    keys = {key: [1] for key in OBSERVED_KEYS_WITHOUT_COLUMN}
    verdict = judge_observed(observed(**keys, brand_new=1))
    stored = {key: value for key, value in keys.items() if key != "permission"}
    assert json.loads(verdict.valid["extra"][0]) == {**stored, "brand_new": 1}
    assert verdict.unknown == {"brand_new"}
    assert verdict.fields == {*OBSERVED_KEYS_WITHOUT_COLUMN, "id", "created", "name", "brand_new"}


def test_metadata_and_model_id_mean_nothing_here(observed, judge_observed):
    verdict = judge_observed(observed(metadata={"trendiness": 99}, model_id="x"))
    assert verdict.refused == []
    assert verdict.unknown == {"metadata", "model_id"}


def test_quotas_and_status_are_checked_when_they_do_come(observed, observed_outcomes):
    found = observed_outcomes(observed(status="?", chat_daily_quota_tier_1=-1, trendiness=11, updated_at="x"))
    assert found == [[
        ("allowed_values", "status"),
        ("non_negative", "chat_daily_quota_tier_1"),
        ("in_range", "trendiness"),
        ("timestamp", "updated_at"),
    ]]  # fmt: skip


def test_two_differing_records_of_one_id_are_both_refused(observed, judge_observed):
    verdict = judge_observed(observed(), observed(name="x"), observed(id="b"), conflicting={"org/model"})
    assert [[(f.check, f.column, f.value) for f in r.failures] for r in verdict.refused] == [
        [("unique", "model_id", "org/model")],
        [("unique", "model_id", "org/model")],
    ]
    assert verdict.valid["name"].to_list() == ["b"]
