"""Tests prices as exact decimal text and RFC 3339 timestamps: what is stored and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from helpers.records import documented_record, outcomes, validate_all
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME, PRICE_COLUMNS
from io_intelligence_provider.contract.parsing import (
    MistypedError,
    parse_prices,
    parse_timestamps,
    storer,
    typed_series,
    wire_type,
)
from io_intelligence_provider.text import UnstorableNumber

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


TOO_LARGE = UnstorableNumber("1e" + "9" * 30)


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        ("name", "a", "a"),
        ("context_window", Decimal("5.0"), 5),
        ("context_window", Decimal("0E+99999"), 0),
        ("context_window", Decimal("9223372036854775807.0"), 2**63 - 1),
        ("context_window", -(2**63), -(2**63)),
        ("avg_latency_ms_per_day", Decimal("0.1"), 0.1),
        ("avg_latency_ms_per_day", Decimal("0E-9999"), 0.0),
        ("avg_latency_ms_per_day", 3, 3.0),
        ("supports_tools", False, False),
        ("tags", ["a"], ["a"]),
        ("tags", "a", ["a"]),
        ("license", "MIT", "MIT"),
        ("license", {"b": Decimal("1.0"), "a": None}, '{"b": 1.0, "a": null}'),
        ("input_token_price", "any text", "any text"),
        ("created_at", "any text", "any text"),
    ],
)
def test_a_value_of_its_column_is_converted_exactly(column, value, stored):
    found = storer(COLUMN_BY_NAME[column], WireShape.DOCUMENTED)(value)
    assert (type(found), found) == (type(stored), stored)


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("name", 1, "is a number, not a string"),
        ("name", [], "is a list, not a string"),
        ("name", "\ud800", "holds a lone surrogate or bytes that are no UTF-8"),
        ("tags", ["a", None], "is null, not a string"),
        ("tags", {"a": 1}, "is an object, not a list of strings"),
        ("input_modalities", "text", "is a string, not a list of strings"),
        ("context_window", True, "is a boolean, not an integer"),
        ("context_window", Decimal("5.5"), "is a number with a fraction, not an integer"),
        ("context_window", Decimal("99999999999999999999.5"), "is a number with a fraction, not an integer"),
        ("context_window", Decimal("1E+20"), "is a number, not an integer"),
        ("context_window", TOO_LARGE, "is a number, not an integer"),
        ("context_window", Decimal("9223372036854775808.0"), "is an integer beyond 64 bits"),
        ("context_window", -(2**63) - 1, "is an integer beyond 64 bits"),
        ("avg_latency_ms_per_day", "1", "is a string, not a number"),
        ("avg_latency_ms_per_day", Decimal("1e-400"), "is a number too large or too small for 64 bits"),
        ("avg_latency_ms_per_day", Decimal("1e400"), "is a number too large or too small for 64 bits"),
        ("avg_latency_ms_per_day", 10**400, "is a number too large or too small for 64 bits"),
        ("avg_latency_ms_per_day", TOO_LARGE, "is a number too large or too small for 64 bits"),
        ("supports_tools", 1, "is a number, not a boolean"),
        ("license", "\ud800", "holds a lone surrogate or bytes that are no UTF-8"),
        ("input_token_price", Decimal("1.5"), "is a number, not a decimal number in a string"),
        ("input_token_price", "\ud800", "holds a lone surrogate or bytes that are no UTF-8"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_it_is(column, value, why):
    with pytest.raises(MistypedError) as refused:
        storer(COLUMN_BY_NAME[column], WireShape.DOCUMENTED)(value)
    assert str(refused.value) == why
    assert refused.value.check is None


@pytest.mark.parametrize(
    ("number", "price"),
    [
        (0, "0"),
        (Decimal("-0.0"), "0"),
        (Decimal("0E+99"), "0"),
        (2, "2E+6"),
        (Decimal("1.5e-7"), "0.15"),
        (Decimal("0.00000012345678901234"), "0.12345678901234"),
        (Decimal("0.000000123456789012345"), "0.123456789012345"),  # 15 digits
        (Decimal("0.0000001234567890123445"), "0.123456789012344"),  # 16; a tie goes to the even digit
        (Decimal("0.0000001234567890123455"), "0.123456789012346"),
        (Decimal("1.234567890123456e-11"), "0.000012345678901235"),  # 18 decimals
        (Decimal("1.234567890123e-11"), "0.00001234567890123"),  # short: kept for the check of prices
        (Decimal("1.23456789012345e-11"), "0.0000123456789012345"),
        (Decimal("1.2345678e-20"), "1.2345678E-14"),
        (Decimal("1.234567890123456e-29"), "1.23456789012346E-23"),  # would be 0: kept
        (Decimal("1e-999999999999999999"), "1E-999999999999999993"),
    ],
)
def test_an_observed_price_is_rounded_as_noise_of_a_double(number, price):
    found = storer(COLUMN_BY_NAME["input_token_price"], WireShape.OPENAI)(number)
    assert found == price


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (TOO_LARGE, "is a number too large or too small for a price"),
        (Decimal("1e999999999999999999"), "is a number too large or too small for a price"),
        ("1", "is a string, not a number or null"),
        (True, "is a boolean, not a number or null"),
    ],
)
def test_an_observed_price_that_is_none_is_refused(value, why):
    store = storer(COLUMN_BY_NAME["input_token_price"], WireShape.OPENAI)
    with pytest.raises(MistypedError) as refused:
        store(value)
    assert (str(refused.value), refused.value.check) == (why, None)


@pytest.mark.parametrize(
    ("value", "why", "check"),
    [
        ("x", "is a string, not an integer; Unix seconds are expected", None),
        (1_700_000_000_000, "looks like milliseconds (2023-11-14); Unix seconds are expected", "timestamp"),
        (
            1_700_000_000 * 10**6,
            "looks like microseconds (2023-11-14); Unix seconds are expected",
            "timestamp",
        ),
        (
            1_700_000_000 * 10**9,
            "looks like nanoseconds (2023-11-14); Unix seconds are expected",
            "timestamp",
        ),
        (
            1_700_006_400 * 10**9 - 1,
            "looks like nanoseconds (2023-11-14); Unix seconds are expected",
            "timestamp",
        ),
        (2**63 - 1, "looks like nanoseconds (2262-04-11); Unix seconds are expected", "timestamp"),
        (-(2**63), "looks like nanoseconds (1677-09-21); Unix seconds are expected", "timestamp"),
        (253_402_300_800, "looks like milliseconds (1978-01-11); Unix seconds are expected", "timestamp"),
    ],
)
def test_created_in_other_units_than_seconds_is_refused_by_name(value, why, check):
    store = storer(COLUMN_BY_NAME["created_at"], WireShape.OPENAI)
    with pytest.raises(MistypedError) as refused:
        store(value)
    assert (str(refused.value), refused.value.check) == (why, check)
    assert store(253_402_300_799) == "9999-12-31T23:59:59+00:00"
    assert store(-62_135_596_800) == "0001-01-01T00:00:00+00:00"


def test_the_shapes_share_what_is_no_price_and_no_time():
    for column, value in (("name", "a"), ("max_tokens", 1), ("supports_tools", True), ("tags", ["a"])):
        assert storer(COLUMN_BY_NAME[column], WireShape.OPENAI)(value) == value


def test_prices_are_a_series_of_the_same_name_and_length():
    texts = pl.Series("p", ["1", None, "1e-1", "x", "0e9"])
    found = parse_prices(texts)
    assert (found.name, found.dtype) == ("p", pl.Decimal(38, 18))
    assert found.to_list() == [Decimal(1), None, Decimal("0.1"), None, Decimal(0)]
    assert parse_prices(pl.Series(["1"])).name == ""
    assert parse_prices(pl.Series("p", ["1", None])).to_list() == [Decimal(1), None]
    assert parse_prices(pl.Series("p", [], dtype=pl.String)).to_list() == []


def test_timestamps_are_a_series_of_the_same_name_and_length():
    texts = pl.Series("t", ["2026-01-02T00:00:00+01:00", None, "x"])
    found = parse_timestamps(texts)
    assert (found.name, found.dtype) == ("t", pl.Datetime("us", "UTC"))
    assert found.to_list() == [utc(2026, 1, 1, 23), None, None]


@pytest.mark.parametrize(
    ("column", "documented", "observed"),
    [
        ("name", str, str),
        ("license", str, str),
        ("max_tokens", int, int),
        ("supports_tools", bool, bool),
        ("tags", list, list),
        ("avg_latency_ms_per_day", Any, Any),
        ("input_token_price", str, Any),
        ("created_at", str, Any),
    ],
)
def test_what_is_stored_without_conversion(column, documented, observed):
    assert wire_type(COLUMN_BY_NAME[column], WireShape.DOCUMENTED) is documented
    assert wire_type(COLUMN_BY_NAME[column], WireShape.OPENAI) is observed


@pytest.mark.parametrize(
    ("column", "values", "dtype"),
    [
        ("name", ["a", None], pl.String),
        ("context_window", [1, None], pl.Int64),
        ("avg_latency_ms_per_day", [1.5, None], pl.Float64),
        ("supports_tools", [True, None], pl.Boolean),
        ("tags", [["a"], [], None], pl.List(pl.String)),
    ],
)
def test_values_that_fit_make_a_column(column, values, dtype):
    found = typed_series(COLUMN_BY_NAME[column], values)
    assert (found.name, found.dtype, found.to_list()) == (column, dtype, values)


@pytest.mark.parametrize(("column", "values"), [("name", [1]), ("context_window", ["1"]), ("tags", [[1]])])
def test_values_that_do_not_fit_make_none(column, values):
    with pytest.raises(TypeError):
        typed_series(COLUMN_BY_NAME[column], values)
    with pytest.raises(TypeError, match=r"^a list with null$"):
        typed_series(COLUMN_BY_NAME["tags"], [["a", None]])
