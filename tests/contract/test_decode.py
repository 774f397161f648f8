"""Tests raw records as columns: absent and null, each JSON type, and what cannot be decoded."""

from __future__ import annotations

import gc
import json
from decimal import Decimal

import pytest

from helpers.records import documented_record, outcomes, validate_all
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMNS, Kind, Place

REQUIRED = (
    "model_id",
    "name",
    "status",
    "chat_daily_quota_tier_1",
    "api_completions_daily_quota_tier_1",
    "embeddings_daily_quota_tier_1",
    "audio_transcriptions_daily_quota_tier_1",
    "audio_speech_daily_quota_tier_1",
    "created_at",
    "updated_at",
)
DEFAULTS = {
    "trendiness": 0,
    "tool_support": "no",
    "enable_chat_ui": True,
    "enable_api_chat_completions": False,
    "enable_api_embeddings": False,
    "enable_audio_stt": False,
    "enable_audio_tts": False,
    "supports_images_input": False,
    "supports_prompt_cache": False,
}
WIRE = [column for column in COLUMNS if column.place is not Place.PROVIDER]


def test_an_absent_key_is_refused_or_takes_its_documented_default():
    records = [
        documented_record() if column.place is Place.METADATA else documented_record(**{column.name: ...})
        for column in WIRE
    ]
    for column, outcome in zip(WIRE, outcomes(*records), strict=True):
        if column.name in REQUIRED:
            assert outcome == [("required", column.name)]
        else:
            assert outcome[column.name] == DEFAULTS.get(column.name), column.name


def test_an_explicit_null_stays_null_or_is_refused():
    records = [
        documented_record({column.name: None})
        if column.place is Place.METADATA
        else documented_record(**{column.name: None})
        for column in WIRE
    ]
    for column, outcome in zip(WIRE, outcomes(*records), strict=True):
        if column.name in (*REQUIRED, "trendiness"):
            assert outcome == [("required", column.name)]
        else:
            assert outcome[column.name] is None, column.name


def test_the_message_tells_absent_from_null():
    result = validate_all(documented_record(name=None), documented_record(name=...))
    assert [(f.value, f.message) for refused in result.refused for f in refused.failures] == [
        (None, "is null"),
        (None, "is absent"),
    ]


@pytest.mark.parametrize(
    ("metadata", "check", "message"),
    [
        (..., "required", "is absent"),
        (None, "required", "is null"),
        ([], "type", "is a list, not an object"),
        ("{}", "type", "is a string, not an object"),
        (0, "type", "is a number, not an object"),
    ],
)
def test_metadata_must_be_an_object(metadata, check, message):
    (refused,) = validate_all(documented_record(metadata=metadata)).refused
    assert [(f.check, f.column, f.message) for f in refused.failures] == [(check, "metadata", message)]


def test_empty_strings_are_values():
    (row,) = outcomes(documented_record({"version": ""}, description="", name=""))
    assert (row["name"], row["description"], row["version"]) == ("", "", "")


def test_a_metadata_key_on_the_record_itself_is_unknown():
    names = [column.name for column in WIRE if column.place is Place.METADATA]
    result = validate_all(*(documented_record(**{name: "elsewhere"}) for name in names))
    assert result.unknown == set(names)
    assert result.valid["extra"].to_list() == [f'{{"{name}": "elsewhere"}}' for name in names]
    for name in names:
        assert set(result.valid[name]) == {DEFAULTS.get(name)}


def test_every_kind_of_column_was_looked_at():
    assert {column.kind for column in WIRE} == set(Kind)


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
    result = validate_all(*(with_json(column, text) for text in NO_MEASUREMENTS), with_json(column, "5"))
    assert result.refused == []
    assert result.valid[column].to_list() == [None] * len(NO_MEASUREMENTS) + [5.0]
    ((key, rows),) = result.warned.items()
    assert (key, len(rows)) == (("coerced", column), len(NO_MEASUREMENTS))


@pytest.mark.parametrize("column", ["input_modalities", "output_modalities"])
def test_one_string_is_no_list_but_of_tags(with_json, column):
    assert outcomes(with_json(column, '"text"')) == [[("type", column)]]


def test_tags_keep_their_order(with_json):
    cases = ["[]", '["a"]', '["b", "a", ""]', "null"]
    found = outcomes(*(with_json("tags", text) for text in cases))
    assert [row["tags"] for row in found] == [json.loads(text) for text in cases]


def test_tags_in_one_string_become_a_list_and_are_counted():
    result = validate_all(
        documented_record({"tags": ["a"]}), documented_record({"tags": "New"}, name="other")
    )
    assert result.valid["tags"].to_list() == [["a"], ["New"]]
    ((key, rows),) = result.warned.items()
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
    (refused,) = validate_all(documented_record({"max_tokens": True}, name=5, status=Decimal("1.50"))).refused
    assert [(f.column, f.value, f.message) for f in refused.failures] == [
        ("name", "5", "is a number, not a string"),
        ("status", "1.50", "is a number, not a string"),
        ("max_tokens", "true", "is a boolean, not an integer"),
    ]


DEEP = b'{"a":' * 20_000 + b"1" + b"}" * 20_000


@pytest.mark.parametrize("shape", WireShape)
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"null", "is null, not an object"),
        (b"[]", "is a list, not an object"),
        (b"[[[]]]", "is a list, not an object"),
        (b'"text"', "is a string, not an object"),
        (rb'"\ud800"', "is a string, not an object"),
        (b'"\xff"', "is a string, not an object"),
        (b"true", "is a boolean, not an object"),
        (b"0", "is a number, not an object"),
        (b"1" * 1_000, "is a number, not an object"),
        (b"1" * 10_000, "is a number, not an object"),
        (b"1e999999999999999999999999", "is a number, not an object"),
        (DEEP, "is nested too deeply to be read"),
        (b'{"a": "\x01"}', "is no JSON"),
        (b"{", "is no JSON"),
    ],
    ids=range(14),
)
def test_what_is_no_object_fails_as_a_whole(raw, message, shape):
    (refused,) = validate_all(raw, shape=shape).refused
    (failure,) = refused.failures
    assert (failure.check, failure.column) == ("type", "record")
    assert failure.message.startswith(message)
    assert (refused.model_id, refused.name) == (None, None)
    assert refused.record.isascii()
    assert len(failure.value or "") < 600


def test_an_empty_object_lacks_every_required_column():
    documented, observed = outcomes(b"{}"), outcomes(b"{}", shape=WireShape.OPENAI)
    assert {check for check, _ in documented[0]} == {"required"}
    assert len(documented[0]) == 11  # ten columns and `metadata`
    assert observed == [[("required", "name")]]


def test_a_lone_surrogate_in_a_key_is_kept_in_extra_and_escaped_in_the_report():
    raw = json.dumps(documented_record({"k\ud800": "v\udfff"})).encode()
    result = validate_all(raw)
    assert json.loads(result.valid["extra"][0]) == {"k\ud800": "v\udfff"}
    assert result.unknown == {"k\\ud800"}


def test_bytes_that_are_no_utf8_are_refused_in_a_column():
    raw = json.dumps(documented_record(name="@@")).encode().replace(b"@@", b"a\xffb")
    (refused,) = validate_all(raw).refused
    assert [(f.check, f.column) for f in refused.failures] == [("type", "name")]
    assert refused.record.isascii()


def test_numbers_of_any_size_are_kept_in_extra():
    digits = "9" * 5_000
    raw = (
        json.dumps(documented_record({"n": "@@", "e": "##"}))
        .replace('"@@"', digits)
        .replace('"##"', "1e99999999999999999999")
    )
    (extra,) = validate_all(raw.encode()).valid["extra"]
    assert extra == f'{{"e": 1e99999999999999999999, "n": {digits}}}'


def test_an_unknown_value_nested_too_deeply_to_be_written_is_refused():
    raw = json.dumps(documented_record({"deep": "@@"})).encode().replace(b'"@@"', b"[" * 900 + b"]" * 900)
    result = validate_all(raw)
    assert [(f.check, f.column) for r in result.refused for f in r.failures] in (
        [],  # where the interpreter's stack allows it
        [("type", "extra")],
        [("type", "record")],
    )
    assert result.valid.height + len(result.refused) == 1


def test_long_values_are_cut_in_the_reason_and_whole_in_the_record():
    (refused,) = validate_all(documented_record(status="x" * 10_000)).refused
    (failure,) = refused.failures
    assert failure.value == "x" * 500 + "… (10000 characters)"
    assert "x" * 10_000 in refused.record


def test_of_two_equal_keys_the_last_one_counts():
    raw = json.dumps(documented_record()).encode().replace(b'"name":', b'"name": 5, "name":', 1)
    assert validate_all(raw).valid["name"].to_list() == ["org/model"]


def test_the_order_of_unknown_keys_is_the_servers_affair():
    ordered, turned = ({"b": {"y": 1, "x": 2}, "a": 3}, {"a": 3, "b": {"x": 2, "y": 1}})
    (one,), (other,) = (validate_all(documented_record(more)).valid["extra"] for more in (ordered, turned))
    assert one == other == '{"a": 3, "b": {"x": 2, "y": 1}}'


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    if not enabled:
        gc.disable()
    try:
        validate_all(documented_record(), {"model_id": 5})
        assert gc.isenabled() is enabled
    finally:
        gc.enable()
