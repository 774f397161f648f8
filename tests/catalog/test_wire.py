"""Tests the decoding of both shapes: every record exactly as it was served."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider.catalog.wire import WireShape, ascii_json, decode_page, decode_record, record_id
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.errors import ResponseError
from io_intelligence_provider.text import UnstorableNumber, dump_json

PAGINATION = b'"pagination":{"total":1,"has_next":false,"page":1}'


def documented(record: bytes) -> bytes:
    return b'{"data":[' + record + b"]," + PAGINATION + b"}"


@pytest.mark.parametrize(
    ("body", "shape", "total", "has_next"),
    [
        (documented(b"{}"), WireShape.DOCUMENTED, 1, False),
        (b'{"pagination":{"has_next":true,"total":0},"data":[{}]}', WireShape.DOCUMENTED, 0, True),
        (b'{"object":"list","data":[{}],' + PAGINATION + b"}", WireShape.DOCUMENTED, 1, False),
        (b'{"object":"list","data":[{}]}', WireShape.OPENAI, None, False),
        (b' \n{"object":"list","data":[{}],"pagination":null}\n', WireShape.OPENAI, None, False),
    ],
)
def test_the_form_tells_the_shape(body: bytes, shape: WireShape, total: int | None, has_next: bool) -> None:
    page = decode_page(body, "GET x")
    assert (page.shape, page.total, page.has_next, page.records) == (shape, total, has_next, [b"{}"])


@pytest.mark.parametrize("shape", ["documented", "openai"])
def test_both_shapes_are_served_to_the_end(emulator: Any, connect: Any, shape: Any) -> None:
    emulator.state.shape = shape
    with connect(emulator.url, page_size=2).fetch_catalogue() as catalogue:
        assert (catalogue.shape, catalogue.received) == (WireShape(shape), 7)
        assert catalogue.total == (7 if shape == "documented" else None)
        assert catalogue.inconsistency is None


ODD = [
    b"null",
    b"true",
    b"7",
    b'"text"',
    b"[1, 2]",
    b"{}",
    b'{"model_id":null}',
    b'{"model_id":"a","price":"0.1000000000000000000000000000001"}',
    b'{"model_id":"b","price":1e-07}',
    b'{"model_id":"c","price":0.10000000000000000000000000000000000000001}',
    b'{"model_id":"d","many":' + b"9" * 1_000 + b"}",
    b'{"model_id":"e","many":' + b"9" * 10_000 + b"}",
    b'{"model_id":"f","many":-' + b"9" * 10_000 + b"}",
    b'{"model_id":"g","many":1e' + b"9" * 30 + b"}",
    b'{"model_id":"h","lone":"\\ud800"}',
    b'{"model_id":"i","bytes":"\xff"}',
    b'{"model_id":"j","deep":' + b"[" * 200 + b"]" * 200 + b"}",
    b'{"model_id":"k","twice":1,"twice":2}',
    b'{"model_id":"l","escaped":"\\u0000\\n\\"","emoji":"\xf0\x9f\x98\x80"}',
]


def test_odd_records_pass_through_the_whole_walk(emulator: Any, connect: Any) -> None:
    emulator.state.catalogue = FixedCatalogue(ODD)
    found = list(connect(emulator.url, page_size=4).iter_models())
    assert len(found) == len(ODD)
    assert found[:6] == [None, True, 7, "text", [1, 2], {}]
    assert found[8]["price"] == Decimal("1e-07")
    assert str(found[9]["price"]) == "0.10000000000000000000000000000000000000001"
    assert found[10]["many"] == int("9" * 1_000)
    assert isinstance(found[11]["many"], UnstorableNumber)
    assert found[14]["lone"] == "\ud800"


@pytest.mark.parametrize("record", ODD, ids=range(len(ODD)))
def test_a_record_survives_being_written_again(record: bytes) -> None:
    (raw,) = decode_page(documented(record), "GET x").records
    value = decode_record(raw)
    text = dump_json(value)
    assert text.isascii()
    assert dump_json(decode_record(text.encode())) == text
    assert ascii_json(raw).isascii()
    assert dump_json(decode_record(ascii_json(raw).encode())) == text


@pytest.mark.parametrize("spoilt", [b'"\\ud800"', b'"\xff"'])
def test_a_page_with_one_bad_string_keeps_every_digit_of_the_others(spoilt: bytes) -> None:
    record = b'{"a":0.10,"b":1E-7,"c":' + b"9" * 5_000 + b',"d":1e' + b"9" * 30 + b"}"
    body = b'{"data":[' + record + b",{" + b'"x":' + spoilt + b"}]," + PAGINATION + b"}"
    first, second = map(decode_record, decode_page(body, "GET x").records)
    assert (str(first["a"]), first["b"]) == ("0.10", Decimal("1e-7"))
    assert (first["c"].text, first["d"].text) == ("9" * 5_000, "1e" + "9" * 30)
    assert len(second["x"]) == 1


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_number_is_lost(number: Decimal) -> None:
    (raw,) = decode_page(documented(b'{"price":%b}' % str(number).encode()), "GET x").records
    price = decode_record(raw)["price"]
    assert Decimal(price) == number
    if "." in str(number):
        assert str(price) == str(number)


@given(st.binary() | st.text().map(str.encode) | st.just(b"{}").map(documented))
def test_any_body_is_a_page_or_a_response_error(body: bytes) -> None:
    for candidate in (body, documented(body), b'{"object":"list","data":' + body + b"}"):
        try:
            page = decode_page(candidate, "GET x")
        except ResponseError:
            continue
        for raw in page.records:
            assert raw in candidate
            decode_record(raw)
            assert isinstance(record_id(raw, page.shape), str | None)


@pytest.mark.parametrize(
    ("raw", "documented_id", "openai_id"),
    [
        (b'{"model_id":"AbC","id":"Org/Model"}', "abc", "Org/Model"),
        (b'{"model_id":7,"id":null}', None, None),
        (b'{"model_id":["a"],"id":{}}', None, None),
        (b"{}", None, None),
        (b"null", None, None),
        (b"[]", None, None),
        (b'{"model_id":"a","id":"b","x":"\\ud800"}', "a", "b"),
        (b'{"model_id":"a","id":"b","x":"\xff"}', "a", "b"),
        (b'{"model_id":"\\ud800","id":"\\ud800"}', "\ud800", "\ud800"),
        (b'{"model_id":"a","id":' + b"9" * 5_000 + b"}", "a", None),
        (b'{"model_id":"a","id":"b","x":' + b"9" * 5_000 + b"}", "a", "b"),
    ],
)
def test_an_id_is_found_in_any_record_that_has_one(
    raw: bytes, documented_id: str | None, openai_id: str | None
) -> None:
    assert record_id(raw, WireShape.DOCUMENTED) == documented_id
    assert record_id(raw, WireShape.OPENAI) == openai_id


def test_sorted_keys_make_equal_objects_equal_texts() -> None:
    one, two = b'{"a":{"c":1,"b":[2]}}', b'{"a":{"b":[2],"c":1}}'
    assert dump_json(decode_record(one), sort_keys=True) == dump_json(decode_record(two), sort_keys=True)
    assert json.loads(dump_json(decode_record(one))) == json.loads(one)
