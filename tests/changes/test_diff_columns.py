"""Tests snapshots of several versions: a column that one of two files lacks is not compared."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.stores import model_row, nth_day
from io_intelligence_provider.alerts.evaluate import evaluate, pending
from io_intelligence_provider.alerts.ledger import record_sent
from io_intelligence_provider.changes.days import Day
from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.store.layout import models_path

LATE = ("precision", "tags", "context_window", "cache_read_token_price")


def without(builder: Any, when: Any, *columns: str) -> None:
    """Rewrite a models file as a version wrote it that did not know some columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = models_path(when)
    table = pq.read_table(pa.BufferReader(builder.store.files.read(path)))
    sink = pa.BufferOutputStream()
    pq.write_table(table.drop_columns(list(columns)), sink)
    builder.store.files.put(path, sink.getvalue().to_pybytes())


def values(number: int) -> dict[str, Any]:
    """Values of which every one differs from day to day."""
    return {
        "precision": f"fp{number}",
        "tags": [str(number)],
        "context_window": number + 1,
        "cache_read_token_price": str(number + 1),
        "output_token_price": str(number + 1),
    }


@pytest.fixture
def three(builder: Any) -> Any:
    for number in range(3):
        builder.file(number, model_row("a", **values(number)))
    return builder


@pytest.mark.long
@pytest.mark.parametrize("old", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}, set()])
def test_only_what_both_files_have_is_compared(three: Any, old: set[int]) -> None:
    for number in old:
        without(three, nth_day(number), *LATE)
    for number in (1, 2):
        counts = detect_changes(three.store, nth_day(number)).counts
        fields = {row["field"] for row in three.store.changes(nth_day(number), nth_day(number)).to_pylist()}
        late = set() if old & {number - 1, number} else set(LATE)
        assert fields == {"output_token_price"} | late
        assert sum(counts.values()) == len(fields)
    summary = detect_changes(three.store, nth_day(2), nth_day(0))
    assert sum(summary.counts.values()) == (1 if old & {0, 2} else 5)


def test_a_file_says_which_columns_it_has(three: Any) -> None:
    without(three, nth_day(1), "precision")
    with Day.open(three.store, nth_day(1)) as opened:
        assert opened.has("tags")
        assert not opened.has("precision")
        assert not opened.has("never_heard_of")
        with pytest.raises(StorageError, match=r"models file of 2026-03-02 has no column precision"):
            opened.column("precision")


def test_a_column_of_another_type_is_told(three: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = models_path(nth_day(1))
    table = pq.read_table(pa.BufferReader(three.store.files.read(path)))
    at = table.schema.get_field_index("context_window")
    table = table.set_column(at, "context_window", pa.array(["many"]))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    three.store.files.put(path, sink.getvalue().to_pybytes())
    with pytest.raises(StorageError, match=r"2026-03-02/models\.parquet .*column context_window is string"):
        detect_changes(three.store, nth_day(1))


def rule(baseline: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": "r",
            "changes": ["attribute_changed", "limit_changed", "price_changed"],
            "baseline": baseline,
            "fields": list(LATE),
        }
    ]


@pytest.mark.parametrize(
    ("baseline", "old", "since"),
    [
        ("last_alert", {0}, 1),
        ("last_alert", set(), 0),
        ("last_alert", {1}, 0),
        ("last_alert", {0, 1}, None),
        ("last_alert", {2}, None),
        ("previous", {0}, 1),
        ("previous", {1}, None),
        (2, {0}, None),
        (2, {1}, 0),
    ],
)
def test_baselines_of_alerts(three: Any, baseline: Any, old: set[int], since: int | None) -> None:
    """The first value of a column is that of the first file which has it, not of the model's first day."""
    for number in old:
        without(three, nth_day(number), *LATE)
    found = [
        alert for group in evaluate(three.store, rule(baseline), nth_day(2)).groups for alert in group.alerts
    ]
    if since is None:
        assert found == []
        return
    assert {alert.field for alert in found} == set(LATE)
    assert {alert.since for alert in found} == {nth_day(since)}
    (context,) = (alert for alert in found if alert.field == "context_window")
    assert (context.old_value, context.new_value) == (str(since + 1), "3")


def test_columns_that_came_one_after_the_other(three: Any) -> None:
    three.file(3, model_row("a", **values(3)), model_row("b", **values(3)))
    without(three, nth_day(0), "precision", "tags")
    without(three, nth_day(1), "precision")
    found = [
        alert
        for group in evaluate(three.store, rule("last_alert"), nth_day(3)).groups
        for alert in group.alerts
    ]
    assert {alert.field: alert.since for alert in found} == {
        "precision": nth_day(2),
        "tags": nth_day(1),
        "context_window": nth_day(0),
        "cache_read_token_price": nth_day(0),
    }


def test_what_was_told_stands_while_a_file_lacks_the_column(three: Any) -> None:
    (digest,) = pending(three.store, rule("last_alert"), ["n"], nth_day(1)).values()
    record_sent(three.store, digest, "n", "run")
    without(three, nth_day(2), *LATE)
    assert pending(three.store, rule("last_alert"), ["n"], nth_day(2)) == {}
    without(three, nth_day(1), *LATE)
    assert pending(three.store, rule("last_alert"), ["n"], nth_day(1)) == {}
