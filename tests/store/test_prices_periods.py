"""Prices as a slowly changing dimension: every day is in the period that ``price_at`` says, or in none."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.store.prices import periods_schema
from io_intelligence_provider.store.store import SnapshotStore


def short(table, field="input_token_price"):
    """Return rows as (name, price, from, to) with days as their number in January."""
    return [
        (
            row["name"],
            row["price"],
            row["valid_from"].day,
            row["valid_to"].day if row["valid_to"] else None,
        )
        for row in table.to_pylist()
        if row["field"] == field
    ]


def file_days(store, days):
    """File snapshots: day of January to name to input price; ``None`` not published, ``?`` refused."""
    for number, prices in days.items():
        records = [
            model_record(name, {"input_token_price": price} if price else {"max_tokens": 1}, status="active")
            if price != "?"
            else model_record(name, status="?")
            for name, price in prices.items()
        ]
        anchor = [model_record(f"anchor-{n}", {"max_tokens": 1}) for n in range(3)]  # no day is empty
        file_records(store, [*records, *anchor], date(2026, 1, number), max_quarantine_share=1)


def test_an_empty_store(store):
    table = store.periods()
    assert table.num_rows == 0
    assert table.schema.equals(periods_schema(), check_metadata=True)


def test_types_are_exact_and_sorted(store):
    everything = {
        "input_token_price": "0.000000000000000001",
        "output_token_price": "12345678901234567890",
        "cache_write_token_price": "0",
    }
    file_records(store, [model_record("b", everything), model_record("a", everything)], "2026-01-01")
    table = store.periods()
    assert table.schema.equals(periods_schema(), check_metadata=True)
    rows = [(row["name"], row["field"], row["price"]) for row in table.to_pylist()]
    expected = [
        ("cache_write_token_price", 0),
        ("input_token_price", Decimal("1E-18")),
        ("output_token_price", Decimal(12345678901234567890)),
    ]
    assert rows == [(name, *row) for name in ("a", "b") for row in expected]
    assert set(table["valid_from"].to_pylist()) == {date(2026, 1, 1)}
    assert set(table["valid_to"].to_pylist()) == {None}


@pytest.mark.parametrize(
    ("days", "periods"),
    [
        ({1: {"m": "1"}, 2: {"m": "1.0"}, 3: {"m": "1"}}, [("m", 1, 1, None)]),
        ({1: {"m": "1"}, 2: {"m": "2"}}, [("m", 1, 1, 2), ("m", 2, 2, None)]),
        # A day without a run ends nothing, and a move found after it starts on the day it was found.
        ({1: {"m": "1"}, 5: {"m": "1"}, 9: {"m": "2"}}, [("m", 1, 1, 9), ("m", 2, 9, None)]),
        # Absent, refused, not published: unknown, and no period though the price is the same afterwards.
        ({1: {"m": "1"}, 2: {}, 3: {"m": "1"}}, [("m", 1, 1, 2), ("m", 1, 3, None)]),
        ({1: {"m": "1"}, 2: {"m": "?"}, 3: {"m": "1"}}, [("m", 1, 1, 2), ("m", 1, 3, None)]),
        ({1: {"m": "1"}, 2: {"m": None}, 3: {"m": "1"}}, [("m", 1, 1, 2), ("m", 1, 3, None)]),
        ({1: {"m": "1"}, 2: {"m": None}}, [("m", 1, 1, 2)]),
        # Free is a price.
        ({1: {"m": "0"}, 2: {"m": "0"}, 3: {"m": "3"}}, [("m", 0, 1, 3), ("m", 3, 3, None)]),
        # There and back again.
        ({1: {"m": "1"}, 2: {"m": "2"}, 3: {"m": "1"}}, [("m", 1, 1, 2), ("m", 2, 2, 3), ("m", 1, 3, None)]),
        # The end of one model is not continued by the next.
        ({1: {"a": "1"}, 2: {"b": "1"}}, [("a", 1, 1, 2), ("b", 1, 2, None)]),
        ({1: {"a": "1", "b": "1"}, 2: {"b": "1"}}, [("a", 1, 1, 2), ("b", 1, 1, None)]),
    ],
)
def test_periods(local_store, days, periods):
    file_days(local_store, days)
    assert short(local_store.periods()) == periods


def test_one_models_gap_is_seen_without_the_others(local_store):
    file_days(local_store, {1: {"a": "1", "b": "1"}, 2: {"b": "1"}, 3: {"a": "1", "b": "1"}})
    assert short(local_store.periods(["a"])) == [("a", 1, 1, 2), ("a", 1, 3, None)]
    assert local_store.periods(["nobody"]).num_rows == 0


def test_a_new_name_starts_a_new_period(local_store):
    identity = model_record("old")["model_id"]
    file_records(local_store, [model_record("old"), model_record("x")], "2026-01-01")
    file_records(local_store, [model_record("new", model_id=identity), model_record("x")], "2026-01-02")
    assert short(local_store.periods([identity])) == [("new", 1, 2, None), ("old", 1, 1, 2)]


histories = st.dictionaries(
    st.integers(1, 12),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "2", "0", None, "?"])),
    min_size=1,
    max_size=7,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(histories)
def test_a_period_says_what_price_at_says(tmp_path_factory, days):
    store = SnapshotStore(tmp_path_factory.mktemp("periods"))
    file_days(store, dict(sorted(days.items())))
    rows = [row for row in store.periods().to_pylist() if row["field"] == "input_token_price"]
    for name in "ab":
        for number in range(14):
            day = date(2026, 1, 1) + timedelta(days=number)
            held = [
                row["price"]
                for row in rows
                if row["name"] == name
                and row["valid_from"] <= day
                and (row["valid_to"] is None or day < row["valid_to"])
            ]
            try:
                expected = store.price_at(name, day).input
            except NotOnFileError:
                expected = None
            assert held == ([] if expected is None else [expected])
