"""Tests that a root belongs to one query, and that another host or shape is reported."""

from __future__ import annotations

import pytest

from helpers.records import model_record
from helpers.stores import PreparedClient, file_records
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.snapshot import take_snapshot


@pytest.mark.parametrize(
    ("first", "then"), [(None, "llama"), ("llama", None), ("llama", "Llama"), ("a", "b")]
)
def test_another_query_is_refused_before_anything_is_fetched(store, first, then):
    file_records(store, [model_record()], q=first)
    client = PreparedClient([model_record()])
    with pytest.raises(ConfigurationError, match="belongs to one query"):
        take_snapshot(client, store, snapshot_date="2026-01-03", q=then)
    assert client.asked == []
    assert len(store.dates()) == 1


@pytest.mark.long
@pytest.mark.parametrize(("first", "then"), [(None, ""), ("", "  "), ("llama", " llama "), ("a", "a")])
def test_the_same_query_in_other_words_is_taken(store, first, then):
    file_records(store, [model_record()], q=first)
    file_records(store, [model_record()], q=then)
    assert store.info().query == (first or "").strip()


@pytest.mark.long
def test_another_host_is_a_warning(store):
    file_records(store, [model_record()], "2026-01-01")
    summary = file_records(
        store, [model_record()], "2026-01-02", source_url="https://elsewhere/api/v1/models"
    )
    assert summary.outcome == "warned"
    found = [check.examples for check in store.quality().checks if check.check == "source"]
    assert found == [[{"old_value": "host", "new_value": "elsewhere"}]]
    assert store.info().source_url == "https://elsewhere/api/v1/models"


def test_a_predecessor_of_the_other_shape_is_compared_by_name(store):
    observed = [{"id": f"m{n}", "input_token_price": n, "owned_by": "x"} for n in range(6)]
    file_records(store, observed, "2026-01-01", shape=WireShape.OPENAI)
    prices = [f"{n}000000" if n != 5 else "20000000" for n in range(6)]
    records = [model_record(f"m{n}", {"input_token_price": price}) for n, price in enumerate(prices)]
    summary = file_records(store, records, "2026-01-02")
    assert (summary.wire_shape, store.info("2026-01-01").wire_shape) == ("documented", "openai")
    counted = {c.check: (c.evaluated, c.failed) for c in store.quality().checks if c.level == "snapshot"}
    assert counted["volume"] == (1, 0)
    assert counted["price_unit"] == (1, 0)
    assert counted["price_move"] == (5, 1)
    assert counted["missing_fields"] == (0, 0)


def test_keys_that_no_record_has_any_more_are_drift(store):
    file_records(store, [model_record("a", {"old": 1, "both": 2})], "2026-01-01")
    summary = file_records(store, [model_record("a", {"new": 1, "both": 2})], "2026-01-02")
    report = store.quality()
    assert summary.outcome == "warned"
    assert (report.unknown_fields, report.missing_fields) == (("both", "new"), ("old",))


def test_without_the_predecessors_report_missing_keys_are_not_evaluated(local_store, tmp_path):
    file_records(local_store, [model_record()], "2026-01-01")
    for path in (tmp_path / "store" / "quality").rglob("*.json"):
        path.unlink()
    assert file_records(local_store, [model_record()], "2026-01-02").outcome == "passed"
    counted = {check.check: check.evaluated for check in local_store.quality().checks}
    assert counted["missing_fields"] == 0
    assert counted["volume"] == 1
