"""Tests snapshots of several versions: a column that one of two files lacks is not compared."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.stores import LATE_COLUMNS, late_values, model_row, nth_day
from io_intelligence_provider.changes.days import Day
from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.errors import StorageError
from io_intelligence_provider.store.layout import models_path


@pytest.fixture
def three(builder: Any) -> Any:
    for number in range(3):
        builder.file(number, model_row("a", **late_values(number)))
    return builder


@pytest.mark.long
@pytest.mark.parametrize("old", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}, set()])
def test_only_what_both_files_have_is_compared(three: Any, old: set[int]) -> None:
    for number in old:
        three.drop_columns(nth_day(number), *LATE_COLUMNS)
    for number in (1, 2):
        counts = detect_changes(three.store, nth_day(number)).counts
        fields = {row["field"] for row in three.store.changes(nth_day(number), nth_day(number)).to_pylist()}
        late = set() if old & {number - 1, number} else set(LATE_COLUMNS)
        assert fields == {"output_token_price"} | late
        assert sum(counts.values()) == len(fields)
    summary = detect_changes(three.store, nth_day(2), nth_day(0))
    assert sum(summary.counts.values()) == (1 if old & {0, 2} else 5)


def test_a_file_says_which_columns_it_has(three: Any) -> None:
    three.drop_columns(nth_day(1), "precision")
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
