"""Tests duplicates: identical records count once, differing records of one id are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from io_intelligence_provider.catalog.pagination import Catalogue, Spool
from io_intelligence_provider.catalog.wire import WireShape, record_id
from io_intelligence_provider.contract.records import DuplicateRecords

ID = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


@pytest.fixture
def look() -> Callable[..., tuple[list[bytes], frozenset[str]]]:
    """Return a function that gives what is left of some records, and the conflicting ids."""

    def distinct(*raw: bytes, shape: WireShape = WireShape.DOCUMENTED) -> tuple[list[bytes], frozenset[str]]:
        ids = [record_id(record, shape) for record in raw]
        repeated = frozenset(found for found in ids if found is not None and ids.count(found) > 1)
        spool = Spool()
        for record in raw:
            spool.append([record])
        now = datetime.now(UTC)
        with Catalogue(shape, len(raw), None, repeated, now, None, spool) as catalogue:
            repeats = DuplicateRecords(catalogue)
            left = [record for page in repeats.distinct(catalogue.pages()) for record in page]
        return left, frozenset(repeats.conflicting)

    return distinct


def raw(value: Any, **options: Any) -> bytes:
    return json.dumps(value, **options).encode()


def test_the_order_of_keys_and_white_space_make_no_difference(look):
    record = {"model_id": ID, "name": "a", "metadata": {"x": 1, "y": [1, 2]}}
    turned = {"metadata": {"y": [1, 2], "x": 1}, "name": "a", "model_id": ID}
    first = raw(record)
    assert look(first, raw(turned, indent=3)) == ([first], frozenset())


@pytest.mark.parametrize("other", [{"name": "b"}, {"name": "a", "x": None}, {"name": "a ", "metadata": []}])
def test_a_differing_record_conflicts(look, other):
    first, second = raw({"model_id": ID, "name": "a"}), raw({"model_id": ID, **other})
    assert look(first, second, first) == ([first, second], frozenset({ID}))


def test_upper_and_lower_case_are_one_id_but_two_records(look):
    lower, upper = raw({"model_id": ID}), raw({"model_id": ID.upper()})
    assert look(lower, upper) == ([lower, upper], frozenset({ID}))
    assert look(upper, upper) == ([upper], frozenset())


def test_in_the_observed_shape_case_matters(look):
    records = raw({"id": "a"}), raw({"id": "A"})
    assert look(*records, shape=WireShape.OPENAI) == (list(records), frozenset())


def test_records_without_an_id_count_once_each(look):
    kept = [b"null", b"[]", b'{"name": "a"}', b'{"name": "b"}', b'{"model_id": 5}']
    assert look(*kept, *kept) == (kept, frozenset())


def test_numbers_are_compared_by_their_value_not_by_a_float(look):
    first = b'{"model_id": "%s", "n": 0.10000000000000000001}' % ID.encode()
    second = b'{"model_id": "%s", "n": 0.1}' % ID.encode()
    assert look(first, second)[1] == {ID}


@pytest.mark.long
def test_what_cannot_be_decoded_is_compared_as_it_came(look):
    broken, deep = b'{"a": "\x01"}', b"[" * 20_000 + b"]" * 20_000
    assert look(broken, deep, broken, deep) == ([broken, deep], frozenset())
