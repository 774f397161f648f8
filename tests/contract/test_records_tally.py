"""Row checks counted over batches: every finding is in the report, five of a kind with an example."""

from __future__ import annotations

from collections import Counter

import pytest

from helpers.records import documented_record, observed_record, validate_records
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMNS, Place
from io_intelligence_provider.contract.records import RecordCounts

BROKEN = [5, True, "", "\ud800", -1, [5], {"a": 1}, None, 10**30]


@pytest.fixture(params=WireShape)
def hostile(request):
    """Return a shape and records that break every column in every way."""
    records = [None, [], "x", {}]
    for column in COLUMNS:
        for value in BROKEN:
            if request.param is WireShape.OPENAI:
                records.append(observed_record(**{column.observed_key or column.name: value}))
            elif column.place is Place.METADATA:
                records.append(documented_record({column.name: value}))
            else:
                records.append(documented_record(**{column.name: value}))
    return request.param, [*records, documented_record(metadata=5), documented_record(metadata=None)]


def test_every_reason_of_the_quarantine_is_counted_in_the_report(hostile):
    shape, records = hostile
    tally, reasons, warned = RecordCounts(shape), Counter(), Counter()
    for part in (records[::2], records[1::2], []):
        verdict = validate_records(*part, shape=shape, conflicting={"org/model"})
        tally.add(verdict)
        reasons.update((f.check, f.column) for refused in verdict.refused for f in refused.failures)
        warned.update({key: len(rows) for key, rows in verdict.warned.items()})
    results = {(result.check, result.column): result for result in tally.results()}
    assert len(results) == len(tally.results())
    assert {key: result.failed for key, result in results.items() if result.failed} == dict(reasons + warned)
    for (check, _), result in results.items():
        assert (result.level, result.evaluated) == ("row", len(records)), check
        assert result.severity == ("warn" if check in ("coerced", "not_before") else "error")
        assert len(result.examples) == min(result.failed, 5)
        for example in result.examples:
            assert {"model_id", "name"} <= set(example) <= {"model_id", "name", "value", "message"}
    assert (tally.served, tally.quarantined) == (len(records), tally.served - tally.valid)


def test_warnings_are_counted_over_all_batches_with_five_examples():
    tally = RecordCounts(WireShape.DOCUMENTED)
    for batch in range(3):
        tally.add(
            validate_records(*(documented_record({"tags": "New"}, name=f"{batch}-{n}") for n in range(4)))
        )
    coerced = next(
        result for result in tally.results() if (result.check, result.column) == ("coerced", "tags")
    )
    assert (coerced.failed, coerced.evaluated, tally.quarantined) == (12, 12, 0)
    assert [example["name"] for example in coerced.examples] == ["0-0", "0-1", "0-2", "0-3", "1-0"]


def test_long_names_and_values_are_cut_in_the_examples():
    tally = RecordCounts(WireShape.DOCUMENTED)
    long = "x" * 10_000
    tally.add(
        validate_records(
            documented_record({"tags": "New"}, name=long),
            documented_record(status=long, model_id=long, name=long),
        )
    )
    for result in tally.results():
        for example in result.examples:
            assert all(len(text or "") < 150 for text in example.values()), result.check


def test_long_keys_are_cut_in_the_report():
    tally = RecordCounts(WireShape.DOCUMENTED)
    tally.add(validate_records(documented_record({"k" * 10_000: 1})))
    assert max(map(len, tally.fields)) < 150
    assert max(map(len, tally.unknown)) < 150


def test_a_refused_record_is_known_by_its_id_and_its_name():
    tally = RecordCounts(WireShape.DOCUMENTED)
    tally.add(
        validate_records(
            documented_record(status="?", name="a"),
            documented_record(model_id=None, name="b"),
            documented_record(name=None),
        )
    )
    assert tally.refused_ids == {"3c90c3cc-0d44-4b50-8888-8dd25736052a"}
    assert tally.refused_names == {"a", "b"}
