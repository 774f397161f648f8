"""Tests any JSON value in any field: stored exactly or refused with a reason, never lost."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.records import documented_record, observed_record, validate_all
from io_intelligence_provider.catalog.wire import WireShape, decode_record
from io_intelligence_provider.contract.columns import COLUMNS, Kind, Place
from io_intelligence_provider.contract.decode import read_rows

pytestmark = pytest.mark.long

quiet = settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])

numbers = st.one_of(
    st.integers(),
    st.integers(-(2**65), 2**65),
    st.integers(min_value=10**999, max_value=10**1000),
    st.decimals(allow_nan=False, allow_infinity=False),
)
texts = st.one_of(
    st.text(st.characters(), max_size=20),
    st.text(st.characters(categories=["Cs", "Ll"]), max_size=3),  # lone surrogates
    st.sampled_from(
        ["active", "2025-01-02T03:04:05Z", "0.15", "1e-7", "3c90c3cc-0d44-4b50-8888-8dd25736052A"]
    ),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=0).map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "+01:00"),
).map(lambda text: json.loads(json.dumps(text)))  # two surrogates that make a pair are one character
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
columns = [column for column in COLUMNS if column.place is not Place.PROVIDER]


def dump(value):
    """Write JSON as a server may: numbers digit by digit, surrogates as escapes."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{dump(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value)


def is_faithful(kind: Kind, value, kept, shape: WireShape) -> bool:
    if kind is Kind.PRICE:
        wanted = Decimal(value) * (1 if shape is WireShape.DOCUMENTED else 1_000_000)
        rounded = shape is WireShape.OPENAI and len(Decimal(value).as_tuple().digits) > 15
        return abs(kept - wanted) <= (wanted / 10**14 + Decimal("1e-18") if rounded else 0)
    if kind is Kind.TIMESTAMP:
        wanted = datetime.fromisoformat(value.upper()).timestamp() if isinstance(value, str) else value
        return kept.timestamp() == wanted
    if kind is Kind.FLOAT:  # what is no number becomes null
        return kept is None or (isinstance(value, int | Decimal) and kept == float(value))
    if kind is Kind.STRING_LIST:
        return kept in (value, [value])
    if kind is Kind.JSON_TEXT and not isinstance(value, str):
        return decode_record(kept.encode()) == value
    return type(kept) in (str, int, bool) and kept == value


@pytest.mark.parametrize("shape", WireShape)
@given(candidates=st.lists(values, min_size=len(columns), max_size=len(columns)))
@quiet
def test_any_value_in_any_field(shape, candidates):
    # One record per column, each with one arbitrary value.
    cases, raw = [], []
    for number, (column, value) in enumerate(zip(columns, candidates, strict=True)):
        key = column.key(shape)
        if key is None:
            continue
        if shape is WireShape.OPENAI:
            record = observed_record(**{"id": f"m{number}", key: value})
        elif column.place is Place.METADATA:
            record = documented_record({key: value}, model_id=str(UUID(int=number)))
        else:
            record = documented_record(**{"model_id": str(UUID(int=number)), key: value})
        cases.append((column, value))
        raw.append(dump(record).encode())
    result = validate_all(*raw, shape=shape)
    refused = {found.record: found for found in result.refused}
    rows = iter(result.valid.to_dicts())
    for (column, value), text in zip(cases, raw, strict=True):
        if (found := refused.get(text.decode())) is not None:
            assert {failure.column for failure in found.failures} == {column.name}
            assert all(failure.message for failure in found.failures)
        else:
            kept = next(rows)[column.name]
            wanted = value.lower() if column.name == "model_id" else value
            faithful = kept is value is None or is_faithful(column.kind, wanted, kept, shape)
            assert faithful, (column.name, value, kept)
    assert next(rows, None) is None


@pytest.mark.parametrize("shape", WireShape)
@given(
    records=st.lists(
        values | st.dictionaries(st.sampled_from([c.name for c in columns] + ["id", "metadata"]), values),
        max_size=30,
    )
)
@quiet
def test_every_record_is_valid_or_refused_with_a_reason(shape, records):
    result = validate_all(*(dump(record).encode() for record in records), shape=shape)
    assert result.rows == result.valid.height + len(result.refused) == len(records)
    for refused in result.refused:
        assert refused.failures
        assert refused.record.isascii()
        assert len({failure.column for failure in refused.failures}) == len(refused.failures)
        for failure in refused.failures:
            (failure.value or "").encode()


@given(extra=st.dictionaries(texts, values, max_size=4), more=st.dictionaries(texts, values, max_size=4))
@quiet
def test_unknown_keys_of_both_levels_are_kept(extra, more):
    known = {column.name for column in columns} | {"metadata"}
    extra = {key: value for key, value in extra.items() if key not in known}
    more = {key: value for key, value in more.items() if key not in known - {"metadata"}}
    result = validate_all(dump({**documented_record(), **extra, "metadata": more}).encode())
    (text,) = result.valid["extra"]
    kept = decode_record(text.encode()) if text else {}
    inner = kept.pop("metadata", {})
    assert {key: kept[key] for key in extra} == extra
    assert {key: inner.get(key, kept.get(key)) for key in more} == more
    assert len(kept) + len(inner) == len(extra) + len(more)


@pytest.mark.parametrize("shape", WireShape)
@given(extras=st.lists(st.tuples(st.dictionaries(texts, values, max_size=4), st.booleans()), max_size=5))
@quiet
def test_a_record_reads_alike_whatever_came_before_it(shape, extras):
    # The keys that have no column are learned from record to record.
    raw = []
    for number, (extra, is_inner) in enumerate(extras):
        if shape is WireShape.OPENAI:
            record = observed_record(id=f"m{number}") | extra
        else:
            record = documented_record(extra if is_inner else {}, model_id=str(UUID(int=number)))
            record = record if is_inner else extra | record
        raw.append(dump(record).encode())
    together, alone = validate_all(*raw, shape=shape), [validate_all(one, shape=shape) for one in raw]
    assert together.valid.rows() == [row for result in alone for row in result.valid.rows()]
    assert [found.record for found in together.refused] == [f.record for v in alone for f in v.refused]
    assert together.unknown == {key for result in alone for key in result.unknown}
    assert together.fields == {key for result in alone for key in result.fields} or not raw


def test_rows_keep_their_number_beyond_what_is_decoded_at_a_time():
    records = [
        documented_record(model_id=str(UUID(int=number)), name=f"m{number}") for number in range(8_002)
    ]
    for number in (3_999, 4_000, 8_001):
        records[number]["status"] = number
    for number in (4_001, 8_000):
        records[number] |= {f"key{number}": number}
    result = validate_all(*(dump(record).encode() for record in records), shape=WireShape.DOCUMENTED)
    assert [found.name for found in result.refused] == ["m3999", "m4000", "m8001"]
    assert [failure.value for found in result.refused for failure in found.failures] == [
        "3999",
        "4000",
        "8001",
    ]
    extras = dict(result.valid.select("name", "extra").drop_nulls().rows())
    assert extras == {"m4001": '{"key4001": 4001}', "m8000": '{"key8000": 8000}'}
    assert result.unknown == {"key4001", "key8000"}


plain_keys = st.sampled_from(["z", "a", "b c", "permission"])  # fields of the fast parser's records
other_keys = st.sampled_from(["a", "metadata", 'quo"te', "\u00e9"])
unknown = st.dictionaries(plain_keys, values, max_size=4) | st.dictionaries(other_keys, values, max_size=2)


@settings(quiet, max_examples=50)
@given(extras=st.lists(st.tuples(unknown, unknown), min_size=1, max_size=4), shape=st.sampled_from(WireShape))
def test_records_of_one_group_are_read_as_each_alone(extras, shape):
    records = []
    for outer, inner in extras:
        known = documented_record() if shape is WireShape.DOCUMENTED else observed_record()
        record = {key: value for key, value in outer.items() if key != "metadata"} | known
        if shape is WireShape.DOCUMENTED:
            record["metadata"] = inner | record["metadata"]
        records.append(dump(record).encode())
    repeated = records * 160  # three groups: all keys are learned in the first
    together = read_rows(repeated, shape)
    alone = [read_rows([raw], shape) for raw in records]
    assert together.extras == [rows.extras[0] for rows in alone] * 160
    assert together.fields == set().union(*(rows.fields for rows in alone))
    assert together.unknown == set().union(*(rows.unknown for rows in alone))
    for name in together.values:
        assert repr(together.values[name]) == repr([rows.values[name][0] for rows in alone] * 160)
