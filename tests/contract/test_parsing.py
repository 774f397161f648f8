"""Tests prices as exact decimal text and RFC 3339 timestamps: what is stored and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from helpers.records import documented_record, outcomes, validate_all
from io_intelligence_provider.contract.columns import PRICE_COLUMNS

GOOD_PRICES = [
    "0", "0.0", "00", "0e5", "0e-999999999999999999999", "0.000000000000000000000000",
    "2", "0.15", "007.50", "1e-7", "1E-7", "1.5e+3", "1.5E3", "12e0",
    "0.000000000000000001", "1e-18", "10e-19", "0.0000000000000000010", "0.00000000000000000100e0",
    "99999999999999999999", "99999999999999999999.999999999999999999", "9.9e19", "0.99999999999999999999e20",
    "000000000000000000000000000000000000000001", "1" + "0" * 40 + "e-40", "0." + "0" * 100 + "1e101",
]  # fmt: skip
BAD_PRICES = [
    "", " ", "free", "$1", "0,15", "1_000", "NaN", "nan", "Infinity", "inf", "-1", "-0", "+1", "٣", "1٣",
    "1.", ".5", "1e", "e5", "1e5.0", "1 ", " 1", "1\n", "0x1", "1e+", "1.2.3", "\uff11",
    "0.0000000000000000001", "1e-19", "0.0000000000000000015", "1.0000000000000000001",
    "100000000000000000000", "1e20", "1e99", "9e999999999999999999999", "9e-999999999999999999999",
    "99999999999999999999.9999999999999999999", "1" * 5000,
]  # fmt: skip


def test_a_price_is_stored_to_the_last_digit():
    rows = outcomes(*(documented_record({"input_token_price": text}) for text in GOOD_PRICES))
    for text, row in zip(GOOD_PRICES, rows, strict=True):
        mantissa = text.lower().partition("e")[0]
        assert row["input_token_price"] == (Decimal(text) if mantissa.strip("0.") else 0), text


def test_what_is_no_price_is_refused():
    found = outcomes(*(documented_record({"input_token_price": text}) for text in BAD_PRICES))
    wanted = [("price", "input_token_price")]
    assert [text for text, outcome in zip(BAD_PRICES, found, strict=True) if outcome != wanted] == []


def test_each_price_column_is_checked():
    good = outcomes(*(documented_record({column: "1.5"}) for column in PRICE_COLUMNS))
    assert [row[column] for row, column in zip(good, PRICE_COLUMNS, strict=True)] == [Decimal("1.5")] * 4
    bad = outcomes(*(documented_record({column: "1,5"}) for column in PRICE_COLUMNS))
    assert bad == [[("price", column)] for column in PRICE_COLUMNS]


def test_zero_and_null_differ():
    (row,) = outcomes(documented_record({"input_token_price": "0", "output_token_price": None}))
    assert row["input_token_price"] == 0
    assert row["output_token_price"] is None


def test_a_failure_shows_the_text_as_served():
    (refused,) = validate_all(documented_record({"input_token_price": "1e20"})).refused
    (failure,) = refused.failures
    assert failure.value == "1e20"
    assert "at most 20 integer digits and 18 decimals" in failure.message


def test_odd_and_plain_prices_of_one_column_keep_their_rows():
    texts = ["1", "1e-1", "x", None, "0.25", "25e-2", "1e20"]
    result = validate_all(
        *(documented_record({"input_token_price": text}, name=f"{n}") for n, text in enumerate(texts))
    )
    assert result.valid["input_token_price"].to_list() == [
        Decimal(1), Decimal("0.1"), None, Decimal("0.25"), Decimal("0.25")
    ]  # fmt: skip
    assert [refused.name for refused in result.refused] == ["2", "6"]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type]


GOOD_TIMESTAMPS = {
    "2023-11-07T05:31:56Z": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07t05:31:56z": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07 05:31:56+00:00": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07T05:31:56-00:00": utc(2023, 11, 7, 5, 31, 56),
    "2023-11-07T05:31:56+05:30": utc(2023, 11, 7, 0, 1, 56),
    "2023-11-07T05:31:56-23:59": utc(2023, 11, 8, 5, 30, 56),
    "2023-11-07T05:31:56.1Z": utc(2023, 11, 7, 5, 31, 56, 100_000),
    "2023-11-07T05:31:56.123456Z": utc(2023, 11, 7, 5, 31, 56, 123_456),
    "2023-11-07T05:31:56.123456999Z": utc(2023, 11, 7, 5, 31, 56, 123_456),
    "2023-11-07T05:31:56.999999999-01:00": utc(2023, 11, 7, 6, 31, 56, 999_999),
    "1969-12-31T23:59:59.5Z": utc(1969, 12, 31, 23, 59, 59, 500_000),
    "2024-02-29T00:00:00Z": utc(2024, 2, 29),
    "0001-01-01T00:00:00Z": utc(1, 1, 1),
    "9999-12-31T23:59:59.999999999Z": utc(9999, 12, 31, 23, 59, 59, 999_999),
}
BAD_TIMESTAMPS = [
    "",
    "2023-11-07",
    "2023-11-07T05:31:56",
    "2023-11-07T05:31Z",
    "2023-11-07T05:31:56+0530",
    "2023-11-07T05:31:56+05",
    "2023-11-07T05:31:56+24:00",
    "2023-11-07T05:31:56+05:60",
    "2023-11-07T05:31:56.Z",
    "2023-11-07T05:31:56,5Z",
    "2023-11-07T24:00:00Z",
    "2023-11-07T05:60:00Z",
    "2023-11-07T23:59:60Z",
    "2023-02-29T00:00:00Z",
    "2023-13-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "9999-12-31T23:59:59-00:01",
    "10000-01-01T00:00:00Z",
    " 2023-11-07T05:31:56Z",
    "2023-11-07T05:31:56Z\n",
    "2023-11-07T05:31:56 Z",
    "٢٠٢٣-11-07T05:31:56Z",
    "1699335116",
    "yesterday",
]


def test_a_timestamp_is_stored_in_utc():
    rows = outcomes(*(documented_record(created_at=text) for text in GOOD_TIMESTAMPS))
    assert {
        text: row["created_at"] for text, row in zip(GOOD_TIMESTAMPS, rows, strict=True)
    } == GOOD_TIMESTAMPS


@pytest.mark.parametrize("column", ["created_at", "updated_at"])
def test_what_is_no_timestamp_is_refused(column):
    found = outcomes(*(documented_record(**{column: text}) for text in BAD_TIMESTAMPS))
    assert [
        text for text, why in zip(BAD_TIMESTAMPS, found, strict=True) if why != [("timestamp", column)]
    ] == []
