"""Tests that a record is read the same alone and in a large batch, where keys are learned from others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from helpers.records import documented_record, observed_record
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract import decode
from io_intelligence_provider.contract.decode import read_batch

DOCUMENTED: list[Any] = [
    documented_record(),
    documented_record({"max_tokens": 5}, region="eu"),
    documented_record({"max_tokens": None, "vendor": {"b": [1, None], "a": 1.50}}, region=None),
    documented_record({"vendor": "x"}, region="us", zone="b", a="first"),
    documented_record({"region": "inner"}),  # where the record has it too, it stays nested
    documented_record({"region": "inner", "zone": 1}, region="outer"),
    documented_record({"metadata": 1}, metadata_of="x"),
    documented_record({"status": "a column of the record"}, max_tokens="a column of metadata"),
    documented_record(**{'a "quoted" key': 1, "back\\slash": 2, "é": 3, "x" * 101: 4, "x" * 100: 5, "": 6}),
    documented_record({"tags": "New", "max_tokens": "7"}, region="eu"),
    documented_record({"max_tokens": 5.0, "context_window": 2**70}, name=5),
    documented_record({"output_modalities": ["a", 5]}, description=None),
    documented_record(metadata=...),
    documented_record(metadata=None, region="eu"),
    documented_record(metadata=[1]),
    documented_record(name=..., region="eu"),
    *(documented_record({f"inner{number}": number}, **{f"key{number}": number}) for number in range(40)),
    *(documented_record({"metadata": number}, permission=number) for number in range(7)),
    {"region": "only"},
    [],
    None,
]
OBSERVED: list[Any] = [
    observed_record(),
    observed_record(root="r", parent=None, permission=[{"id": "new on each request"}]),
    observed_record(permission=[], region="eu"),
    observed_record(region={"b": 1, "a": [2.50]}, context_window=128_000, name=None),
    observed_record(input_token_price=1e-07, input_modalities=["text"], supports_tools=True),
    observed_record(input_token_price="1", supports_tools="yes", avg_latency_ms_per_day="fast"),
    observed_record(id=..., region="eu"),
    observed_record(id=5, metadata={"region": "x"}),
    *(observed_record(**{f"key{number}": number}) for number in range(70)),
    *(observed_record(permission=[number], region=number) for number in range(7)),
    {},
    "text",
]


def as_bytes(records: Iterable[Any]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


@pytest.fixture
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_HOT", 3)
    monkeypatch.setattr(decode, "_AT_ONCE", 25)


@pytest.mark.usefixtures("_small_groups")
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("shape", "records"), [(WireShape.DOCUMENTED, DOCUMENTED), (WireShape.OPENAI, OBSERVED)]
)
def test_a_record_is_read_the_same_alone_and_among_others(
    shape: WireShape, records: list[Any], turned: bool
) -> None:
    raw = as_bytes(records[::-1] if turned else records) * 2
    batch = read_batch(raw, shape)
    fields: set[str] = set()
    unknown: set[str] = set()
    failures, coerced = [], []
    for row, one in enumerate(raw):
        alone = read_batch([one], shape)
        assert batch.frame.row(row) == alone.frame.row(0), one
        failures += [(row, failure) for _, failure in alone.failures]
        coerced += [(name, row) for name, rows in alone.coerced.items() for _ in rows]
        fields |= alone.fields
        unknown |= alone.unknown
    by_row = sorted(batch.failures, key=lambda found: found[0])
    assert sorted(by_row, key=repr) == sorted(failures, key=repr)
    assert sorted((name, row) for name, rows in batch.coerced.items() for row in rows) == sorted(coerced)
    assert (batch.rows, batch.frame.height) == (len(raw), len(raw))
    assert batch.fields == fields
    assert batch.unknown == unknown


@pytest.mark.usefixtures("_small_groups")
def test_keys_without_a_column_are_stored_sorted_and_where_they_were() -> None:
    extras = read_batch(as_bytes(DOCUMENTED), WireShape.DOCUMENTED).frame["extra"].to_list()
    assert extras[:9] == [
        None,
        '{"region": "eu"}',
        '{"region": null, "vendor": {"a": 1.5, "b": [1, null]}}',
        '{"a": "first", "region": "us", "vendor": "x", "zone": "b"}',
        '{"region": "inner"}',
        '{"metadata": {"region": "inner"}, "region": "outer", "zone": 1}',
        '{"metadata": {"metadata": 1}, "metadata_of": "x"}',
        '{"max_tokens": "a column of metadata", "status": "a column of the record"}',
        json.dumps({"": 6, 'a "quoted" key': 1, "back\\slash": 2, "x" * 100: 5, "x" * 101: 4, "é": 3}),
    ]
    observed = read_batch(as_bytes(OBSERVED), WireShape.OPENAI).frame["extra"].to_list()
    assert observed[:4] == [
        '{"object": "model"}',
        '{"object": "model", "parent": null, "root": "r"}',
        '{"object": "model", "region": "eu"}',
        '{"object": "model", "region": {"a": [2.5], "b": 1}}',
    ]


@pytest.mark.usefixtures("_small_groups")
def test_a_new_key_takes_the_slow_path_once(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[int] = []
    careful = decode._careful_row

    def counted(row: int, *others: Any) -> Any:
        slow.append(row)
        return careful(row, *others)

    monkeypatch.setattr(decode, "_careful_row", counted)
    records = [documented_record({"inner": number}, outer=number) for number in range(12)]
    records[7] = documented_record({"inner": 7, "another": 7})
    batch = read_batch(as_bytes(records), WireShape.DOCUMENTED)
    assert slow == [0, 7]
    assert batch.frame["extra"][8] == '{"inner": 8, "outer": 8}'

    slow.clear()
    many = [documented_record(**{f"key{number}": number}) for number in range(70)]
    monkeypatch.setattr(decode, "_AT_ONCE", 1_000)
    read_batch(as_bytes(many * 2), WireShape.DOCUMENTED)
    assert slow == [*range(70), *range(70 + 63, 140)]  # no more than 64 keys, `metadata` among them


def test_the_text_of_a_long_key_is_cut_in_the_report_and_whole_in_the_file() -> None:
    key = "k" * 300
    batch = read_batch(as_bytes([documented_record({key: 1})]), WireShape.DOCUMENTED)
    (shown,) = batch.unknown
    assert shown == "k" * 100 + "… (300 characters)"
    assert batch.frame["extra"][0] == f'{{"{key}": 1}}'
    assert batch.unknown <= batch.fields


@pytest.mark.usefixtures("_small_groups")
def test_a_learned_key_may_be_absent() -> None:
    nested = documented_record(region={"b": 1, "a": 2})
    records = [nested, *[documented_record()] * 3, documented_record(region=None)] * 3
    extras = read_batch(as_bytes(records), WireShape.DOCUMENTED).frame["extra"].to_list()
    assert extras == ['{"region": {"a": 2, "b": 1}}', None, None, None, '{"region": null}'] * 3


def test_records_without_a_surprise_are_decoded_as_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_decode_each", None)
    assert read_batch(as_bytes([documented_record()] * 9), WireShape.DOCUMENTED).frame.height == 9
    assert read_batch(as_bytes([observed_record(object=...)] * 9), WireShape.OPENAI).frame.height == 9


def test_the_fields_are_those_that_came() -> None:
    keys = {*documented_record(), "max_tokens", "region"}
    records = [documented_record({"max_tokens": 1}, region=2), documented_record()]
    batch = read_batch(as_bytes(records), WireShape.DOCUMENTED)
    assert (batch.fields, batch.unknown) == (keys, {"region"})
    for metadata, fields in ((None, {"metadata"}), ([], {"metadata"}), (..., set())):
        record = documented_record(metadata=metadata)
        assert read_batch(as_bytes([record]), WireShape.DOCUMENTED).fields & {"metadata"} == fields
    observed = observed_record(permission=[], root=None, region=1)
    batch = read_batch(as_bytes([observed]), WireShape.OPENAI)
    assert (batch.fields, batch.unknown) == ({*observed}, {"region"})


@pytest.mark.parametrize(
    ("record", "column", "value"),
    [
        (documented_record(metadata=[1]), "metadata", "[1]"),
        (documented_record(metadata=None), "metadata", None),
        ([5], "record", "[5]"),
        ("text", "record", "text"),
    ],
)
def test_a_failure_has_the_value_that_came(record: Any, column: str, value: str | None) -> None:
    failures = [failure for _, failure in read_batch(as_bytes([record]), WireShape.DOCUMENTED).failures]
    assert [failure.value for failure in failures if failure.column == column] == [value]
