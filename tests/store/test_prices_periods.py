"""Tests the periods in which prices held, and zeros that are doubtful."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.records import model_record
from helpers.stores import file_records, model_row, nth_day
from io_intelligence_provider.errors import NotOnFileError
from io_intelligence_provider.store.prices import (
    DOUBTFUL_FOR,
    PERIOD_COLUMNS,
    doubtful_zeros,
    periods_of,
    periods_schema,
)
from io_intelligence_provider.store.store import SnapshotStore

INPUT = "input_token_price"


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


def test_an_empty_store_has_no_periods(store):
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


def test_the_columns_of_periods_are_described():
    fields = {
        field.name: (
            str(field.type),
            field.nullable,
            {k.decode(): v.decode() for k, v in field.metadata.items()},
        )
        for field in periods_schema()
    }
    assert fields == {
        "model_id": ("string", False, {"description": "Identifier of the model"}),
        "name": ("string", False, {"description": "Name of the model in that period"}),
        "field": ("string", False, {"description": "Column of models.parquet that holds the price"}),
        "price": (
            "decimal128(38, 18)",
            False,
            {"description": "Price that held; 0 is free", "unit": "USD per million tokens"},
        ),
        "valid_from": (
            "date32[day]",
            False,
            {"description": "First day of the period: that of its first snapshot"},
        ),
        "valid_to": (
            "date32[day]",
            True,
            {
                "description": "First day after the period: that of the first snapshot that differs; "
                "null while the price is current"
            },
        ),
    }


def held_on(*rows):
    """Return a history: rows of day of January, id, name and input price."""
    money = pl.Decimal(38, 18)
    schema = {"snapshot_date": pl.Date} | {
        name: money if name.endswith("price") else pl.String for name in PERIOD_COLUMNS
    }
    return pl.DataFrame(
        [
            {"snapshot_date": date(2026, 1, day), "model_id": identity, "name": name}
            | {INPUT: price and Decimal(price)}
            for day, identity, name, price in rows
        ],
        schema=schema,
    )


def test_periods_of_a_history_in_any_order():
    rows = held_on((3, "i", "m", "1"), (1, "i", "m", "1"), (2, "j", "m", "1"), (4, "j", "a", "2"))
    dates = [date(2026, 1, day) for day in (4, 1, 2)]  # the third was filed after they were listed
    found = [
        (row["name"], row["model_id"], *(day and day.day for day in (row["valid_from"], row["valid_to"])))
        for row in periods_of(rows.to_arrow(), dates).to_pylist()
    ]
    assert found == [("a", "j", 4, None), ("m", "i", 1, 2), ("m", "i", 3, 4), ("m", "j", 2, 3)]


def test_equal_prices_of_days_in_a_row_are_one_period():
    """However the rows lie, and whatever rows of other models lie between them."""
    rows = held_on(
        (4, "l", "b", "2"), (2, "k", "a", "1"), (1, "l", "b", "2"), (3, "k", "a", "3"), (3, "l", "b", "2"),
        (1, "k", "a", "1"), (2, "l", "b", "2"), (4, "k", "a", "3"),
    )  # fmt: skip
    dates = [date(2026, 1, day) for day in (1, 2, 3, 4)]
    found = [
        (row["name"], row["price"], *(day and day.day for day in (row["valid_from"], row["valid_to"])))
        for row in periods_of(rows.to_arrow(), dates).to_pylist()
    ]
    assert found == [("a", 1, 1, 3), ("a", 3, 3, None), ("b", 2, 1, None)]


def test_a_doubtful_zero_is_found_once_by_the_latest_price():
    rows = held_on(
        (1, "i", "before", "3"), (2, "j", "m", "2"), (3, "i", "m", "0"),
        (3, "k", "twin", "0"), (3, "l", "twin", "0"), (2, "k", "twin", "1"),
    )  # fmt: skip
    found = doubtful_zeros(rows.reverse())
    assert found.columns == [
        "snapshot_date", "model_id", "name", "field", "last_price", "last_date", "is_unique"
    ]  # fmt: skip
    assert found.rows() == [
        (date(2026, 1, 3), "i", "m", INPUT, Decimal(2), date(2026, 1, 2), True),
        (date(2026, 1, 3), "k", "twin", INPUT, Decimal(1), date(2026, 1, 2), False),
    ]


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
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


def doubtful(store, *days, models=None):
    """Return the doubtful zeros of some days of a builder's store: day, name, field, last price, its day."""
    rows = store.doubtful_zeros(nth_day(days[0]), nth_day(days[-1]), models).rows()
    first = nth_day(0)
    return [
        ((day - first).days, name, field.removesuffix("_token_price"), float(last), (when - first).days)
        for day, _, name, field, last, when, _ in rows
    ]


def test_a_zero_for_one_day_is_doubtful(builder):
    """As on 2026-05-26, when GLM-4.5-Air read 0 and had read 0.13 and 0.85; its cache was always free."""
    for when, (price, other) in enumerate([("0.13", "0.85"), ("0", "0"), ("0.15667", "0.93667")]):
        values = {INPUT: price, "output_token_price": other, "cache_read_token_price": "0"}
        builder.file(when, model_row("zai-org/GLM-4.5-Air", **values), model_row("free", **{INPUT: "0"}))
    assert doubtful(builder.store, 0, 2) == [
        (1, "zai-org/GLM-4.5-Air", "input", 0.13, 0),
        (1, "zai-org/GLM-4.5-Air", "output", 0.85, 0),
    ]
    assert doubtful(builder.store, 2) == []
    assert doubtful(builder.store, 1, models=["free"]) == []


def test_a_zero_is_doubtful_for_thirty_days(builder):
    builder.file(0, model_row("m", **{INPUT: "3"}))
    builder.file(1, model_row("m", **{INPUT: "2"}))
    for when in (5, 31, 32):
        builder.file(when, model_row("m", **{INPUT: "0"}))
    assert DOUBTFUL_FOR.days == 30
    assert doubtful(builder.store, 5, 32) == [(5, "m", "input", 2, 1), (31, "m", "input", 2, 1)]
    assert doubtful(builder.store, 31) == [(31, "m", "input", 2, 1)]
    assert doubtful(builder.store, 32) == []


def test_a_zero_of_the_first_days_there_are(builder):
    for number, price in enumerate(["1", "0"]):
        builder.file(date.min + timedelta(days=number), model_row("m", output_token_price=price))
    found = builder.store.doubtful_zeros(date.min, date.max)
    assert found["last_date"].to_list() == [date.min]


def test_a_day_without_the_price_changes_nothing(builder):
    for when, price in enumerate(["2", None, "0"]):
        builder.file(when, model_row("m", **{INPUT: price}))
    assert doubtful(builder.store, 0, 2) == [(2, "m", "input", 2, 0)]


@pytest.mark.parametrize(("twins", "found"), [(0, [(1, "m", "input", 2, 0)]), (1, [])])
def test_a_model_is_found_again_by_a_name_that_is_unique(builder, twins, found):
    other = "11111111-1111-4111-8111-111111111111"
    builder.file(0, model_row("m", model_id=other, **{INPUT: "2"}))
    twin = model_row("m", model_id="22222222-2222-4222-8222-222222222222", **{INPUT: "7"})
    builder.file(1, model_row("m", **{INPUT: "0"}), *[twin] * twins)
    assert doubtful(builder.store, 1) == found


def test_a_model_is_found_again_under_another_name(builder):
    identity = "11111111-1111-4111-8111-111111111111"
    builder.file(0, model_row("before", model_id=identity, **{INPUT: "2"}))
    builder.file(1, model_row("after", model_id=identity, **{INPUT: "0"}))
    assert doubtful(builder.store, 1) == [(1, "after", "input", 2, 0)]


@pytest.mark.long
def test_the_real_history_has_one_bad_day_and_one_day_of_free_caches(recorded_store):
    zeros = SnapshotStore(recorded_store).doubtful_zeros(date(2026, 5, 15), date(2026, 6, 30))
    glm = zeros.filter(zeros["name"] == "zai-org/GLM-4.5-Air")
    assert [(str(day), field) for day, _, _, field, *_ in glm.rows()] == [
        ("2026-05-26", "input_token_price"),
        ("2026-05-26", "output_token_price"),
    ]
    caches = zeros.filter(zeros["field"] == "cache_write_token_price")
    assert (str(caches["snapshot_date"].min()), str(caches["snapshot_date"].max())) == (
        "2026-05-15",
        "2026-06-12",
    )
