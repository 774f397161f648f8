"""Records that are no objects, cannot be decoded, or hold what no column can: refused, not crashed on."""

from __future__ import annotations

import json

import pytest

from helpers.records import documented_record, outcomes, validate_records
from io_intelligence_provider.catalog.wire import WireShape

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
    (refused,) = validate_records(raw, shape=shape).refused
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
    verdict = validate_records(raw)
    assert json.loads(verdict.valid["extra"][0]) == {"k\ud800": "v\udfff"}
    assert verdict.unknown == {"k\\ud800"}


def test_bytes_that_are_no_utf8_are_refused_in_a_column():
    raw = json.dumps(documented_record(name="@@")).encode().replace(b"@@", b"a\xffb")
    (refused,) = validate_records(raw).refused
    assert [(f.check, f.column) for f in refused.failures] == [("type", "name")]
    assert refused.record.isascii()


def test_numbers_of_any_size_are_kept_in_extra():
    digits = "9" * 5_000
    raw = (
        json.dumps(documented_record({"n": "@@", "e": "##"}))
        .replace('"@@"', digits)
        .replace('"##"', "1e99999999999999999999")
    )
    (extra,) = validate_records(raw.encode()).valid["extra"]
    assert extra == f'{{"e": 1e99999999999999999999, "n": {digits}}}'


def test_an_unknown_value_nested_too_deeply_to_be_written_is_refused():
    raw = json.dumps(documented_record({"deep": "@@"})).encode().replace(b'"@@"', b"[" * 900 + b"]" * 900)
    verdict = validate_records(raw)
    assert [(f.check, f.column) for r in verdict.refused for f in r.failures] in (
        [],  # where the interpreter's stack allows it
        [("type", "extra")],
        [("type", "record")],
    )
    assert verdict.valid.height + len(verdict.refused) == 1


def test_long_values_are_cut_in_the_reason_and_whole_in_the_record():
    (refused,) = validate_records(documented_record(status="x" * 10_000)).refused
    (failure,) = refused.failures
    assert failure.value == "x" * 500 + "… (10000 characters)"
    assert "x" * 10_000 in refused.record


def test_of_two_equal_keys_the_last_one_counts():
    raw = json.dumps(documented_record()).encode().replace(b'"name":', b'"name": 5, "name":', 1)
    assert validate_records(raw).valid["name"].to_list() == ["org/model"]


def test_the_order_of_unknown_keys_is_the_servers_affair():
    ordered, turned = ({"b": {"y": 1, "x": 2}, "a": 3}, {"a": 3, "b": {"x": 2, "y": 1}})
    (one,), (other,) = (
        validate_records(documented_record(more)).valid["extra"] for more in (ordered, turned)
    )
    assert one == other == '{"a": 3, "b": {"x": 2, "y": 1}}'
