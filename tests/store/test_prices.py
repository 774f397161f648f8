"""Tests the prices and the cost of a model on a day: exact, and unknown is never zero."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.records import model_record
from helpers.stores import file_records
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError
from io_intelligence_provider.store.prices import (
    Prices,
    check_counts,
    cost_of,
    prices_of,
    token_cost,
)
from io_intelligence_provider.store.store import SnapshotStore

INPUT = "input_token_price"
ALL = {
    "input_token_price": "0.1",
    "output_token_price": "2",
    "cache_write_token_price": "0",
    "cache_read_token_price": "0.000000000000000001",
}


@pytest.fixture(scope="module", params=["local", "memory"])
def filed(request, tmp_path_factory):
    """Four days: a price that moves, a model in quarantine on one of them, twins, and one that goes."""
    root = tmp_path_factory.mktemp("prices")
    store = SnapshotStore(root if request.param == "local" else f"memory:/{root}")
    twin = model_record("twin", {"input_token_price": "3"}, model_id="11111111-1111-4111-8111-111111111111")
    other = model_record("only-input", {"input_token_price": "5"})
    namesake = model_record(other["model_id"], {"input_token_price": "6"})  # one's name is the other's id
    rest = [model_record("twin"), twin, other, namesake]
    days = {
        "2026-01-01": [model_record("m", ALL), model_record("gone", ALL)],
        "2026-01-05": [model_record("m", ALL | {"input_token_price": "0.3"}), model_record("gone", ALL)],
        "2026-01-06": [model_record("m", ALL, status="?"), model_record("gone", ALL)],
        "2026-01-09": [model_record("m", ALL)],
    }
    for day, records in days.items():
        file_records(store, [*records, *rest], day, max_quarantine_share=1)
    return store


def test_the_earlier_snapshot_holds(filed):
    first = Prices(date(2026, 1, 1), Decimal("0.1"), Decimal(2), Decimal(0), Decimal("1E-18"))
    assert filed.price_at("m", "2026-01-01") == first
    assert filed.price_at("m", "2026-01-04") == first
    assert filed.price_at("m", date(2026, 1, 5)).input == Decimal("0.3")
    assert filed.price_at(model_record("m")["model_id"], "2026-01-05") == filed.price_at("m", "2026-01-05")
    for later in ("latest", "2026-01-09", "2026-12-31"):
        assert filed.price_at("m", later).snapshot_date == date(2026, 1, 9)
    assert filed.price_at("m") == filed.price_at("m", "latest")


def test_a_moment_is_its_day_in_utc(filed):
    evening = datetime(2026, 1, 4, 22, tzinfo=timezone(timedelta(hours=-5)))
    assert filed.price_at("m", evening).snapshot_date == date(2026, 1, 5)
    assert filed.price_at("m", datetime(2026, 1, 4, 22, tzinfo=UTC)).snapshot_date == date(2026, 1, 1)


@pytest.mark.parametrize(
    ("name", "when", "says"),
    [
        ("m", "2025-12-31", "no snapshot of 2025-12-31 or before; the first is of 2026-01-01"),
        ("M", "latest", "2026-01-09 has no model 'M'"),
        ("gone", "2026-01-09", "2026-01-09 has no model 'gone'.$"),
        ("m", "2026-01-08", "2026-01-06 has no model 'm'. Its record was refused that day"),
        ("", "latest", "no model ''"),
    ],
)
def test_what_is_not_on_file_is_told(filed, name, when, says):
    for ask in (filed.price_at, lambda name, when: filed.cost(name, when=when)):
        with pytest.raises(NotOnFileError, match=says):
            ask(name, when)


def test_a_refused_record_is_known_by_its_id_too(filed):
    with pytest.raises(NotOnFileError, match="refused that day"):
        filed.price_at(model_record("m")["model_id"], "2026-01-06")


def test_an_empty_store(store):
    with pytest.raises(NotOnFileError, match="no snapshot yet"):
        store.price_at("m")
    with pytest.raises(NotOnFileError, match="or before yet"):
        store.price_at("m", "2026-01-01")


def test_a_name_of_two_models(filed):
    with pytest.raises(ConfigurationError, match=r"2 models have the name 'twin'.*11111111-1111"):
        filed.price_at("twin")
    assert filed.price_at("11111111-1111-4111-8111-111111111111").input == 3
    assert filed.price_at(model_record("twin")["model_id"]).input == 1


def test_an_id_is_an_id_though_another_model_is_called_so(filed):
    identity = model_record("only-input")["model_id"]
    assert filed.price_at(identity).input == 5
    assert filed.price_at(model_record(identity)["model_id"]).input == 6


@pytest.mark.parametrize("when", ["yesterday", "2026-02-30", 7, None])
def test_what_is_no_date(filed, when):
    with pytest.raises(ConfigurationError, match="is no date"):
        filed.cost("m", when=when)


def test_costs_are_exact(filed):
    assert filed.cost("m", when="2026-01-01", input_tokens=3) == Decimal("0.0000003")
    assert filed.cost("m", when="2026-01-05", input_tokens=3) == Decimal("0.0000009")
    assert str(filed.cost("m", input_tokens=10**15, output_tokens=10**15)) == "2100000000"
    assert filed.cost("m", cache_read_tokens=1) == Decimal("1E-24")
    assert filed.cost("m", cache_write_tokens=10**9) == 0
    both = filed.cost("m", input_tokens=1_000_000, cache_read_tokens=1)
    assert str(both) == "0.100000000000000000000001"
    assert str(filed.cost("m")) == "0"


def test_a_price_that_was_not_published_is_not_zero(filed):
    assert filed.cost("only-input", input_tokens=2_000_000) == 10
    assert filed.cost("only-input", input_tokens=1_000_000, output_tokens=0) == 5
    for kind in ("output", "cache_write", "cache_read"):
        with pytest.raises(NotOnFileError, match=f"No {kind} price of 'only-input' was published"):
            filed.cost("only-input", input_tokens=1, **{f"{kind}_tokens": 1})


@pytest.mark.parametrize("count", [-1, 1.0, 1.5, "1", None, True, Decimal(1), 10**101, float("nan")])
@pytest.mark.parametrize("kind", ["input", "output", "cache_read", "cache_write"])
def test_what_is_no_number_of_tokens(filed, kind, count):
    with pytest.raises(ConfigurationError, match=f"{kind}_tokens is"):
        filed.cost("nobody", **{f"{kind}_tokens": count})


def test_counts_of_numpy_are_integers(filed):
    import numpy as np

    assert filed.cost("m", input_tokens=np.int64(10**7)) == 1


prices = st.decimals(min_value=0, max_value=10**19, places=18, allow_nan=False)


@settings(max_examples=60)
@given(
    st.tuples(prices, prices, prices, prices),
    st.tuples(*[st.integers(min_value=0, max_value=10**20)] * 4),
)
def test_no_digit_is_lost(given_prices, counts):
    held = Prices(date(2026, 1, 1), *given_prices)
    tokens = dict(zip(("input", "output", "cache_write", "cache_read"), counts, strict=True))
    expected = sum(Fraction(p) * n for p, n in zip(given_prices, counts, strict=True)) / 10**6
    assert Fraction(cost_of("m", held, tokens)) == expected


HELD = Prices(date(2026, 1, 1), Decimal("0.50"), None, Decimal(0), Decimal("1E+3"))


def test_the_prices_of_a_row_are_plain_numbers():
    row = {"model_id": "i", "name": "n", **{field: Decimal(text) for field, text in ALL.items()}}
    row["input_token_price"], row["output_token_price"] = Decimal("1E+3"), None
    rows = pa.Table.from_pylist([row])
    found = prices_of("n", date(2026, 1, 1), rows)
    assert found == Prices(date(2026, 1, 1), Decimal(1000), None, Decimal(0), Decimal("1E-18"))
    assert str(found.input) == "1000"
    assert prices_of("i", date(2026, 1, 1), rows) == found
    with pytest.raises(NotOnFileError) as told:
        prices_of("x", date(2026, 1, 1), rows.slice(1))
    assert str(told.value) == "The snapshot of 2026-01-01 has no model 'x'."
    twins = pa.Table.from_pylist([row, row | {"model_id": "j"}])
    with pytest.raises(ConfigurationError) as told:
        prices_of("n", date(2026, 1, 1), twins)
    assert str(told.value) == "2 models have the name 'n' on 2026-01-01; give an id: i, j."
    assert prices_of("j", date(2026, 1, 1), twins) == found


def test_a_cost_without_a_price_says_what_is_unknown():
    assert str(cost_of("m", HELD, {"cache_read": 10**9, "output": 0, "input": 20})) == "1000000.00001"
    with pytest.raises(NotOnFileError) as told:
        cost_of("m", HELD, {"output": 7})
    assert str(told.value) == (
        "No output price of 'm' was published on 2026-01-01, so the cost of 7 tokens is unknown. "
        "It is not zero."
    )
    assert str(token_cost(4, Decimal(250_000))) == "1"
    assert token_cost(10**100 - 1, Decimal("1E-18")) == Decimal("9" * 76 + "." + "9" * 24)


def test_what_is_no_number_of_tokens_is_told_before_any_price_is_read():
    check_counts({"input": 0, "output": 10**100 - 1})
    for count in (-1, 10**100, True, 1.0):
        with pytest.raises(ConfigurationError) as told:
            check_counts({"input": 0, "output": count})
        assert str(told.value) == f"output_tokens is {count!r}; it must be an integer of 0 or more."


@pytest.mark.long
def test_nothing_of_airflow_is_imported(filed, tmp_path):
    root = tmp_path / "store"
    file_records(SnapshotStore(root), [model_record("m", ALL)])
    code = (
        "import sys; from io_intelligence_provider import SnapshotStore; store = SnapshotStore(sys.argv[1]);"
        "store.price_at('m'), store.cost('m', input_tokens=1), store.periods(), store.history();"
        "print([name for name in sys.modules if name.split('.')[0] in ('airflow', 'pandas')])"
    )
    done = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
