"""Tests the observed shape: identity, prices per token, Unix seconds, and no defaults."""

from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from uuid import NAMESPACE_URL, uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.records import observed_record, outcomes, validate_all
from io_intelligence_provider.catalog.wire import WireShape, decode_record
from io_intelligence_provider.contract.columns import (
    COLUMN_BY_NAME,
    COLUMNS,
    OBSERVED_KEYS_WITHOUT_COLUMN,
    PRICE_COLUMNS,
)
from io_intelligence_provider.contract.parsing import storer
from io_intelligence_provider.emulator.catalogue import PriceHistory

URL = "https://api.intelligence.io.solutions/api/v1/models/"


@pytest.fixture(scope="module")
def observed_outcomes():
    return partial(outcomes, shape=WireShape.OPENAI)


@pytest.fixture(scope="module")
def judge_observed():
    return partial(validate_all, shape=WireShape.OPENAI)


def test_identity_name_and_display_name(observed_outcomes):
    (row,) = observed_outcomes(observed_record(id="meta-llama/Llama", name="Llama!"))
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
    "99999999999999.9": "99999999999999900000",
    "9.999999999999999e-08": "0.1",
    "0.00000009999999999999999": "0.1",
    "1.3333333333333333e-09": "0.00133333333333333",
    "1.5666666666666667e-07": "0.156666666666667",
    "1.234567890123449e-7": "0.123456789012345",
    "1.234567890123445e-7": "0.123456789012344",  # half to even
    "1.234567890123455e-7": "0.123456789012346",
    "1.234567890123450001e-7": "0.123456789012345",
    "1.23456789012345e-7": "0.123456789012345",  # 15 digits are exact
    "1.2345678901234567e-20": "0.000000000000012346",
    "1.5000000000000001e-24": "0.000000000000000002",
    "2.5000000000000001e-24": "0.000000000000000002",  # 2.5 once it has 15 digits: to the even one
    "1.23456789012345678901e3": "1234567890.12346",
    "1.0000000000000000000000000000000000000": "1000000",
    "null": None,
}
NO_PRICES = [
    '"1e-07"', '"0"', '""', "true", "[]", "{}", "-1e-9", "1e-25", "1.5e-24",
    "1e-30", "1.2345678901234567e-30", "5.0000000000000001e-25", "1.23456789012345e-11",
    "9.9999999999999999e999999999999999993", "-1.2345678901234567e-30", "-9.999999999999999e-08",
    "99999999999999.999999999999999999999999",
    "1.2345678901234567e999999", "1.2345678901234567e-999999999999999999", "1e14", "100000000000000",
    "1e999", "1e-999", "1e999999999999999999", "-1e999999999999999999999", "9" * 5_000,
]  # fmt: skip


def with_price(text, column="input_token_price"):
    return json.dumps(observed_record(**{column: "@@"})).replace('"@@"', text).encode()


def test_prices_are_moved_six_places_exactly(observed_outcomes):
    rows = observed_outcomes(*(with_price(text) for text in PRICES))
    found = {text: row["input_token_price"] for text, row in zip(PRICES, rows, strict=True)}
    assert found == {text: None if price is None else Decimal(price) for text, price in PRICES.items()}


def test_what_is_no_price_is_refused(observed_outcomes):
    found = observed_outcomes(*(with_price(text) for text in NO_PRICES))
    wanted = [("price", "input_token_price")]
    assert [text for text, outcome in zip(NO_PRICES, found, strict=True) if outcome != wanted] == []


REAL = sorted(
    {
        price
        for state in PriceHistory.load().states
        for entry in state.models
        for price in (
            entry.input_token_price,
            entry.output_token_price,
            entry.cache_read_token_price,
            entry.cache_write_token_price,
        )
        if price is not None
    }
)


@pytest.mark.parametrize("per_token", [lambda price: price * 1e-6, lambda price: price / 1e6, str])
def test_every_real_price_survives_the_arithmetic_of_a_client(observed_outcomes, per_token):
    """As a float times 1e-6, as a float over 1e6, and as the exact decimal."""
    assert len(REAL) > 500
    if per_token is str:
        texts = [str(Decimal(price).scaleb(-6)) for price in REAL]
    else:
        texts = [json.dumps(per_token(float(price))) for price in REAL]
    rows = observed_outcomes(*(with_price(text) for text in texts))
    found = [row["input_token_price"] for row in rows]
    assert found == [Decimal(price) for price in REAL]


@given(st.decimals("0.00001", "1000", places=5), st.sampled_from([lambda p: p * 1e-6, lambda p: p / 1e6]))
@settings(deadline=None, max_examples=200)
def test_a_price_with_five_decimals_survives_it(price, per_token):
    text = storer(COLUMN_BY_NAME["input_token_price"], WireShape.OPENAI)(
        decode_record(json.dumps(per_token(float(price))).encode())
    )
    assert Decimal(text) == price


def test_each_price_column_is_checked(observed_outcomes):
    good = observed_outcomes(*(with_price("1e-6", column) for column in PRICE_COLUMNS))
    assert [row[column] for row, column in zip(good, PRICE_COLUMNS, strict=True)] == [1, 1, 1, 1]
    bad = observed_outcomes(*(with_price("-1", column) for column in PRICE_COLUMNS))
    assert bad == [[("price", column)] for column in PRICE_COLUMNS]


def test_a_refused_price_is_shown_as_served(judge_observed):
    (refused,) = judge_observed(with_price("-1e-9")).refused
    (failure,) = refused.failures
    assert failure.value == "-1E-9"


def test_created_is_unix_seconds(observed_outcomes):
    texts = ["0", "-1", "1738563250.0", "253402300799", "-62135596800", "null"]
    raw = [json.dumps(observed_record(created="@@")).replace('"@@"', text).encode() for text in texts]
    rows = observed_outcomes(*raw)
    assert [row["created_at"] and row["created_at"].isoformat() for row in rows] == [
        "1970-01-01T00:00:00+00:00",
        "1969-12-31T23:59:59+00:00",
        "2025-02-03T06:14:10+00:00",
        "9999-12-31T23:59:59+00:00",
        "0001-01-01T00:00:00+00:00",
        None,
    ]


def test_a_created_of_another_kind_is_refused(observed_outcomes):
    mistyped = ["2025-01-01T00:00:00Z", True, 1.5, 2**63]
    beyond = [253402300800, -62135596801, 2**63 - 1]
    found = observed_outcomes(*(observed_record(created=created) for created in [*mistyped, *beyond]))
    assert found == [[("type", "created_at")]] * 4 + [[("timestamp", "created_at")]] * 3


@pytest.mark.parametrize(
    ("created", "message"),
    [
        (1789049414000, "looks like milliseconds (2026-09-10); Unix seconds are expected"),
        (1789049414000.0, "looks like milliseconds (2026-09-10); Unix seconds are expected"),
        (1789049414123456, "looks like microseconds (2026-09-10); Unix seconds are expected"),
        (1789049414123456789, "looks like nanoseconds (2026-09-10); Unix seconds are expected"),
        (253402300800, "looks like milliseconds (1978-01-11); Unix seconds are expected"),
        (-(2**63), "looks like nanoseconds (1677-09-21); Unix seconds are expected"),
        ("1789049414", "is a string, not an integer; Unix seconds are expected"),
        ("2026-09-10T00:00:00Z", "is a string, not an integer; Unix seconds are expected"),
        (1789049414.5, "is a number with a fraction, not an integer; Unix seconds are expected"),
        (True, "is a boolean, not an integer; Unix seconds are expected"),
        ([], "is a list, not an integer; Unix seconds are expected"),
        (2**63, "is an integer beyond 64 bits; Unix seconds are expected"),
    ],
)
def test_what_is_no_created_says_what_it_is(judge_observed, created, message):
    (refused,) = judge_observed(observed_record(created=created)).refused
    (failure,) = refused.failures
    assert failure.message == message


def test_flags_limits_and_tags_are_read_from_the_top_level(observed_outcomes):
    (row,) = observed_outcomes(
        observed_record(
            max_tokens=5.0, context_window=7, supports_images_input=True, precision="fp8", tags="New"
        )
    )
    assert (row["max_tokens"], row["context_window"], row["precision"]) == (5, 7, "fp8")
    assert (row["supports_images_input"], row["tags"]) == (True, ["New"])


def test_known_keys_without_a_column_are_kept_and_no_drift(judge_observed):
    keys = {key: [1] for key in OBSERVED_KEYS_WITHOUT_COLUMN}
    result = judge_observed(observed_record(**keys, brand_new=1))
    stored = {key: value for key, value in keys.items() if key != "permission"}
    assert json.loads(result.valid["extra"][0]) == {**stored, "brand_new": 1}
    assert result.unknown == {"brand_new"}
    assert result.fields == {*OBSERVED_KEYS_WITHOUT_COLUMN, "id", "created", "name", "brand_new"}


def test_metadata_and_model_id_mean_nothing_here(judge_observed):
    result = judge_observed(observed_record(metadata={"trendiness": 99}, model_id="x"))
    assert result.refused == []
    assert result.unknown == {"metadata", "model_id"}


def test_quotas_and_status_are_checked_when_they_do_come(observed_outcomes):
    found = observed_outcomes(
        observed_record(status="?", chat_daily_quota_tier_1=-1, trendiness=11, updated_at="x")
    )
    assert found == [[
        ("allowed_values", "status"),
        ("non_negative", "chat_daily_quota_tier_1"),
        ("in_range", "trendiness"),
        ("timestamp", "updated_at"),
    ]]  # fmt: skip


def test_two_differing_records_of_one_id_are_both_refused(judge_observed):
    result = judge_observed(
        observed_record(), observed_record(name="x"), observed_record(id="b"), conflicting={"org/model"}
    )
    assert [[(f.check, f.column, f.value) for f in r.failures] for r in result.refused] == [
        [("unique", "model_id", "org/model")],
        [("unique", "model_id", "org/model")],
    ]
    assert result.valid["name"].to_list() == ["b"]
