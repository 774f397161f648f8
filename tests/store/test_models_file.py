"""Tests the models file: a stable hash over its values, and one order however models were batched."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import COLUMN_BY_NAME, COLUMNS, Kind
from io_intelligence_provider.store import models_file
from io_intelligence_provider.store.models_file import SORT_KEYS, ModelSorter
from io_intelligence_provider.store.models_file import content_hash as hash_of

content_hash = partial(hash_of, shape=WireShape.DOCUMENTED)

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 6, UTC)
VALUES: dict[Kind, tuple[Any, Any]] = {
    Kind.STRING: ("a", "b"),
    Kind.JSON_TEXT: ("a", "b"),
    Kind.INTEGER: (1, 2),
    Kind.FLOAT: (1.5, 2.5),
    Kind.BOOLEAN: (True, False),
    Kind.STRING_LIST: (["a", "b"], ["a,b"]),
    Kind.PRICE: (Decimal("0.1"), Decimal("0.100000000000000001")),
    Kind.TIMESTAMP: (MOMENT, MOMENT.replace(microsecond=7)),
}
STORED = [column for column in COLUMNS if column.name != "fetched_at"]
HASHED = [column for column in STORED if not column.measurement]


def frame(*rows: dict[str, Any]):
    import polars as pl

    types: dict[Kind, Any] = {
        Kind.INTEGER: pl.Int64,
        Kind.FLOAT: pl.Float64,
        Kind.BOOLEAN: pl.Boolean,
        Kind.STRING_LIST: pl.List(pl.String),
        Kind.PRICE: pl.Decimal(38, 18),
        Kind.TIMESTAMP: pl.Datetime("us", "UTC"),
    }
    base = {column.name: VALUES[column.kind][0] for column in STORED}
    schema = {column.name: types.get(column.kind, pl.String) for column in STORED}
    return pl.DataFrame([base | row for row in rows], schema=schema, orient="row")


def test_a_fixed_table_has_a_fixed_hash():
    table = frame({"name": "a"}, {"name": "é", "tags": None, "description": "", "input_token_price": None})
    assert content_hash(table) == "5816993f44ba6e180a8aa818a752d018f1fb03f07b0db8c317496892e349a466"


@pytest.mark.parametrize("column", HASHED, ids=lambda column: column.name)
def test_one_value_of_one_column_makes_the_difference(column):
    rows = [{"name": "x"}, {"name": "y"}]
    hashes = {content_hash(frame(*rows))}
    for other in (VALUES[column.kind][1], None):
        changed = [rows[0], {**rows[1], column.name: other}]
        hashes.add(content_hash(frame(*changed)))
    assert len(hashes) == 3


@pytest.mark.parametrize("shape", WireShape)
def test_what_moves_by_itself_makes_no_difference(shape):
    moving = [column.name for column in COLUMNS if column.measurement]
    assert moving == ["avg_latency_ms_per_day", "avg_throughput_per_day"]
    moving += ["created_at"] if shape is WireShape.OPENAI else []
    rows = [{name: VALUES[COLUMN_BY_NAME[name].kind][at] for name in moving} for at in (0, 1)]
    assert len({hash_of(frame(row), shape) for row in [*rows, dict.fromkeys(moving)]}) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            [{"description": "ab", "name": "x"}, {"description": "c"}],
            [{"description": "a", "name": "x"}, {"description": "bc"}],
        ),
        ([{"version": ""}], [{"version": None}]),
        ([{"tags": []}], [{"tags": None}]),
        ([{"tags": []}], [{"tags": [""]}]),
        ([{"tags": ["a", ""]}], [{"tags": ["", "a"]}]),
        ([{"tags": ["ab", "c"]}], [{"tags": ["a", "bc"]}]),
        ([{"tags": ["1;a"]}], [{"tags": ["1", "a"]}]),
        ([{"input_token_price": Decimal(0)}], [{"input_token_price": None}]),
        ([{"version": "a", "developer": "b"}], [{"version": "b", "developer": "a"}]),
        ([{}], [{}, {}]),
        ([], [{}]),
    ],
)
def test_values_never_run_into_one_another(first, second):
    assert content_hash(frame(*first)) != content_hash(frame(*second))


def test_it_does_not_depend_on_the_order_of_the_answer_nor_on_fetched_at(store):
    records = [model_record("a"), model_record("b")]
    one = file_records(store, records, "2026-01-01")
    two = file_records(store, records[::-1], "2026-01-02")
    assert one.content_hash == two.content_hash
    assert store.read("2026-01-01")["fetched_at"] != store.read("2026-01-02")["fetched_at"]


@pytest.mark.long
def test_prices_are_hashed_by_value(local_store):
    hashes = {
        file_records(local_store, [model_record("a", {"input_token_price": text})]).content_hash
        for text in ("2", "2.0", "2e0", "0.2e1")
    }
    assert len(hashes) == 1


def test_chunks_and_slices_make_no_difference():
    import polars as pl

    whole = frame(*({"name": f"{n:03}"} for n in range(50)))
    parts = pl.concat([whole.slice(0, 7), whole.slice(7)], rechunk=False)
    assert (
        content_hash(parts) == content_hash(whole) == content_hash(whole.reverse().sort("name", "model_id"))
    )


@pytest.mark.long
@given(
    names=st.lists(st.text(alphabet="aé\U0001f600Z", max_size=2), max_size=60),
    batch=st.integers(1, 20),
    size=st.integers(1, 15),
    in_memory=st.sampled_from([0, 500, 1_000_000]),
)
def test_it_equals_a_sort_of_all(names: list[str], batch: int, size: int, in_memory: int) -> None:
    import polars as pl

    rows = [(name, f"{number:03}", number) for number, name in enumerate(names)]
    frame = pl.DataFrame(rows, schema={"name": pl.String, "model_id": pl.String, "x": pl.Int64}, orient="row")
    kept, models_file.SLICE = models_file.SLICE, size
    try:
        with ModelSorter(in_memory) as sorter:
            for start in range(0, max(len(rows), 1), batch):
                sorter.add(frame.slice(start, batch))
            assert sorter._file.seek(0, 2) > 0 or in_memory or not rows
            slices = list(sorter.slices())
    finally:
        models_file.SLICE = kept
    assert [part.height for part in slices[:-1]] == [size] * (len(slices) - 1)
    assert pl.concat(slices).rows() == frame.sort(SORT_KEYS).rows()
    assert pl.concat(slices).rows() == sorted(rows, key=lambda row: (row[0].encode(), row[1]))
