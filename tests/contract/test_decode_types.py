"""``type``: the JSON type of each value, and values that no file can hold."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from helpers.records import documented_record, outcomes, validate_records
from io_intelligence_provider.contract.columns import COLUMNS, Kind, Place

OF_KIND = {
    kind: [c.name for c in COLUMNS if c.kind is kind and c.place is not Place.PROVIDER] for kind in Kind
}
IN_METADATA = {column.name for column in COLUMNS if column.place is Place.METADATA}


@pytest.fixture
def with_json():
    """Return a function that puts a JSON text into one column of a valid record."""

    def build(column: str, text: str) -> bytes:
        marked = {column: "@@"}
        record = documented_record(marked) if column in IN_METADATA else documented_record(**marked)
        return json.dumps(record).replace('"@@"', text).encode()

    return build


WRONG = {
    Kind.STRING: ["5", "true", "[]", "{}", "1e999", r'"\ud800"', r'"a\udfffb"'],
    Kind.JSON_TEXT: [r'"\ud800"'],
    Kind.INTEGER: ["true", "false", '"7"', "5.5", "[5]", "{}", "1e-1", "9223372036854775808", "1" * 1000,
                   "1" * 5000, "9223372036854775807.5", "1e19", "1e999999999", "-1e999999999999999999999"],
    Kind.BOOLEAN: ["0", "1", '"true"', "[]", "{}", "1.0"],
    Kind.STRING_LIST: ["5", "{}", "true", '["a", 5]', '["a", null]', '[["a"]]', r'["\ud800"]', r'"\ud800"'],
    Kind.TIMESTAMP: ["5", "true", "[]", "{}", r'"\ud800"'],
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG, ids=lambda kind: kind.name.lower())
def test_a_wrong_type_is_refused_as_such(with_json, kind):
    cases = [(column, text) for column in OF_KIND[kind] for text in WRONG[kind]]
    found = outcomes(*(with_json(column, text) for column, text in cases))
    assert dict(zip(cases, found, strict=True)) == {case: [("type", case[0])] for case in cases}


def test_a_price_of_a_wrong_type_is_no_price(with_json):
    texts = ["5", "0.15", "true", "[]", "{}", r'"\ud800"']
    cases = [(column, text) for column in OF_KIND[Kind.PRICE] for text in texts]
    found = outcomes(*(with_json(column, text) for column, text in cases))
    assert dict(zip(cases, found, strict=True)) == {case: [("price", case[0])] for case in cases}


def test_an_integer_is_a_number_without_a_fraction(with_json):
    cases = {
        "0": 0,
        "-0": 0,
        "-0.0": 0,
        "0e999999999": 0,
        "5.0": 5,
        "5.000": 5,
        "1e3": 1000,
        "1200e-2": 12,
        "9223372036854775807": 2**63 - 1,
        "9223372036854775807.0": 2**63 - 1,
        "9.223372036854775807e18": 2**63 - 1,
    }
    found = outcomes(*(with_json("max_tokens", text) for text in cases))
    assert {text: row["max_tokens"] for text, row in zip(cases, found, strict=True)} == cases


def test_the_smallest_integer_is_stored_as_one_and_refused_for_its_value(with_json):
    columns = OF_KIND[Kind.INTEGER]
    checks = ["in_range" if column == "trendiness" else "non_negative" for column in columns]
    assert outcomes(*(with_json(column, str(-(2**63))) for column in columns)) == [
        [(check, column)] for check, column in zip(checks, columns, strict=True)
    ]
    assert outcomes(*(with_json(column, str(-(2**63) - 1)) for column in columns)) == [
        [("type", column)] for column in columns
    ]


@pytest.mark.parametrize("column", OF_KIND[Kind.JSON_TEXT])
def test_license_and_tool_support_keep_other_values_as_their_json(with_json, column):
    cases = {
        '"MIT"': "MIT",
        '""': "",
        "true": "true",
        "1.50": "1.50",
        "[]": "[]",
        '{"id":"x", "n": [1, null]}': '{"id": "x", "n": [1, null]}',
        "1" * 5000: "1" * 5000,
        r'["\ud800"]': r'["\ud800"]',
    }
    found = outcomes(*(with_json(column, text) for text in cases))
    assert {text: row[column] for text, row in zip(cases, found, strict=True)} == cases


MEASUREMENTS = [column.name for column in COLUMNS if column.measurement]
NO_MEASUREMENTS = [
    "true", '"812.25"', "[]", "{}", r'"\ud800"', "1e400", "-1e400", "1e-400", "1e999999999999999999999",
    "1" * 400, "1" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("column", MEASUREMENTS)
def test_a_measurement_is_stored_as_a_double(with_json, column):
    cases = {"812.25": 812.25, "0": 0.0, "-0.0": 0.0, "7": 7.0, "null": None, "0e-999": 0.0, "1e-7": 1e-7}
    found = outcomes(*(with_json(column, text) for text in cases))
    assert {text: row[column] for text, row in zip(cases, found, strict=True)} == cases
    assert OF_KIND[Kind.FLOAT] == MEASUREMENTS


@pytest.mark.parametrize("column", MEASUREMENTS)
def test_a_measurement_that_is_none_becomes_null_and_refuses_nothing(with_json, column):
    verdict = validate_records(*(with_json(column, text) for text in NO_MEASUREMENTS), with_json(column, "5"))
    assert verdict.refused == []
    assert verdict.valid[column].to_list() == [None] * len(NO_MEASUREMENTS) + [5.0]
    ((key, rows),) = verdict.warned.items()
    assert (key, len(rows)) == (("coerced", column), len(NO_MEASUREMENTS))


@pytest.mark.parametrize("column", ["input_modalities", "output_modalities"])
def test_one_string_is_no_list_but_of_tags(with_json, column):
    assert outcomes(with_json(column, '"text"')) == [[("type", column)]]


def test_tags_keep_their_order(with_json):
    cases = ["[]", '["a"]', '["b", "a", ""]', "null"]
    found = outcomes(*(with_json("tags", text) for text in cases))
    assert [row["tags"] for row in found] == [json.loads(text) for text in cases]


def test_tags_in_one_string_become_a_list_and_are_counted():
    verdict = validate_records(
        documented_record({"tags": ["a"]}), documented_record({"tags": "New"}, name="other")
    )
    assert verdict.valid["tags"].to_list() == [["a"], ["New"]]
    ((key, rows),) = verdict.warned.items()
    assert key == ("coerced", "tags")
    assert [name for _, name in rows] == ["other"]


def test_strings_keep_every_character():
    text = '\0\x7f\u00e9\u202e\ufffe\U0001f600=HYPERLINK("x")\'<script>'
    (row,) = outcomes(documented_record(name=text))
    assert row["name"] == text


def test_booleans_are_stored_as_such():
    (row,) = outcomes(documented_record({"enable_audio_stt": True, "enable_chat_ui": False}))
    assert (row["enable_audio_stt"], row["enable_chat_ui"]) == (True, False)


def test_the_message_and_value_say_what_came():
    (refused,) = validate_records(
        documented_record({"max_tokens": True}, name=5, status=Decimal("1.50"))
    ).refused
    assert [(f.column, f.value, f.message) for f in refused.failures] == [
        ("name", "5", "is a number, not a string"),
        ("status", "1.50", "is a number, not a string"),
        ("max_tokens", "true", "is a boolean, not an integer"),
    ]
