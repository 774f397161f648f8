"""Tests which traffic is refused, and what price changes add to a bill: exact, and unknown is never zero."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from io_intelligence_provider.alerts.digest import Alert
from io_intelligence_provider.alerts.traffic import (
    BillChange,
    bill_of,
    change_between,
    sum_of,
    traffic_from,
)
from io_intelligence_provider.errors import ConfigurationError

DAY = date(2026, 6, 29)
MODELS = [("id-a", "org/a"), ("id-b", "org/b"), ("id-t", "twin"), ("id-u", "twin")]


def move(identity="id-a", field="input_token_price", old="1", new="2", **more):
    values = {"change": "price_changed", "since": DAY} | more
    return Alert(
        model_id=identity, name=identity, field=field, old_value=old, new_value=new, pct=None, direction=None,
        **values,
    )  # fmt: skip


def bill(traffic, *moves, refused=()):
    return bill_of(traffic, moves, MODELS, refused)


def test_the_biggest_comes_first_and_a_total():
    found = bill(
        {"org/a": {"input": 10**6, "output": 10**6}, "id-b": {"input": 4 * 10**6}},
        move(),
        move(field="output_token_price", old="0.1", new="0.4"),
        move("id-b", old="2", new="1"),
    )
    assert found.to_dict() == {
        "total": "-2.70",
        "additions": [
            {"model": "id-b", "amount": "-4.00", "kinds": {"input": "-4.00"}},
            {"model": "org/a", "amount": "1.30", "kinds": {"input": "1.00", "output": "0.30"}},
        ],
        "not_counted": [],
    }
    (one,) = bill(
        {"org/a": {"input": 10**6, "output": 10**6, "cache_read": 0}},
        move(old="1", new="1.5"),
        move(field="output_token_price", old="3", new="1"),
        move(field="cache_read_token_price", old="3", new="1"),
    ).additions
    assert list(one.kinds.items()) == [("output", Decimal("-2.00")), ("input", Decimal("0.50"))]
    json.dumps(found.to_dict())


@pytest.mark.parametrize(
    ("traffic", "moves", "refused", "named"),
    [
        ({"org/a": {"input": 5}}, [move(old=None)], (), [("org/a", "input", "not published before")]),
        ({"org/a": {"input": 5}}, [move(new=None)], (), [("org/a", "input", "not published now")]),
        (
            {"org/a": {"input": 5}},
            [move(new="0", doubtful="new")],
            (),
            [("org/a", "input", "a doubtful 0, so no saving")],
        ),
        (
            {"org/a": {"input": 5}},
            [move(old="0", doubtful="old")],
            (),
            [("org/a", "input", "a doubtful 0 before")],
        ),
        ({"no/such": {}}, [], (), [("no/such", None, "not in the catalogue")]),
        ({"no/such": {}}, [], ("no/such",), [("no/such", None, "in quarantine")]),
        ({"twin": {"input": 1}}, [], (), [("twin", None, "the name of several models")]),
        ({"org/a": {"input": 0, "output": 5}}, [move(old=None)], (), []),
        ({"org/a": {"input": 5}}, [move(change="quota_changed"), move("id-b")], (), []),
    ],
)  # fmt: skip
def test_what_is_unknown_is_named_and_not_counted(traffic, moves, refused, named):
    found = bill(traffic, *moves, refused=refused)
    assert [(one.model, one.kind, one.reason) for one in found.not_counted] == named
    assert (found.total, found.additions) == (0, ())


def test_all_that_is_unknown_is_named():
    traffic = {name: {"input": 5, "output": 5} for name in ("gone", "org/a", "id-b")}
    found = bill(traffic, move(old=None), move("id-b", new=None))
    assert found.to_dict() == {
        "total": "0.00",
        "additions": [],
        "not_counted": [
            {"model": "gone", "kind": None, "reason": "not in the catalogue"},
            {"model": "org/a", "kind": "input", "reason": "not published before"},
            {"model": "id-b", "kind": "input", "reason": "not published now"},
        ],
    }


def test_no_tokens_are_a_number_of_tokens():
    assert traffic_from({"org/a": {"input": 0, "output": 5.0}}) == {"org/a": {"input": 0, "output": 5}}


def test_a_change_of_a_bill_is_that_of_prices_and_that_of_models():
    then = {"both": Decimal("1.005"), "gone": Decimal(3)}
    now = {"new": Decimal(7), "both": Decimal("1.25")}
    assert change_between(then, now) == BillChange(
        total=Decimal("4.245"), price=Decimal("0.245"), models=Decimal("4.00")
    )


def test_a_price_that_two_rules_report_counts_once_since_the_earlier_day():
    found = bill({"org/a": {"input": 10**6}}, move(old="1.5"), move(old="1", since=date(2026, 6, 1)))
    assert found.total == 1


PRICE = st.decimals(0, 10**20 - 1, places=18)


@given(PRICE, PRICE, st.integers(1, 10**29))
def test_no_digit_is_lost(old, new, tokens):
    found = bill({"org/a": {"input": tokens}}, move(old=f"{old:f}", new=f"{new:f}"))
    exact = (Fraction(new) - Fraction(old)) * tokens / 10**6
    assert Fraction(found.total) == exact
    assert Fraction(found.to_dict()["additions"][0]["kinds"]["input"]) == exact


def test_a_sum_of_more_digits_than_decimal_has_by_default():
    assert str(sum_of([Decimal("9" * 29), Decimal(1)])) == f"1{'0' * 29}.00"


def test_forms_of_traffic(tmp_path):
    expected = {"org/a": {"input": 1_000_000_000, "cache_write": 5}}
    text = '{"org/a": {"input": 1e9, "cache_write": 5}}'
    path = tmp_path / "traffic.yaml"
    path.write_text("org/a:\n  input: 1_000_000_000\n  cache_write: 5\n")
    for source in (text, path, expected, "org/a: {input: 1000000000, cache_write: 5}"):
        assert traffic_from(source) == expected


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (
            "[]",
            'not list: {"org/model": {"input": 1000000, "output": 200000}}.',
        ),
        ("just words", "a mapping of models"),
        ("{", "neither JSON nor YAML"),
        ({3: {}}, "the key 3"),
        ({" ": {}}, "the key ' '"),
        ({"m": 5}, "Traffic of 'm' is 5; give a mapping of input, output, cache_read, cache_write"),
        ({"m": {"inputs": 5}}, "Traffic of 'm': unknown key 'inputs'; known are input, output"),
        ({"m": {"input": -1}}, "Traffic of 'm': input is -1"),
        ({"m": {"input": True}}, "input is True"),
        ({"m": {"output": 1.5}}, "output is 1.5"),
        ({"m": {"output": float("nan")}}, "output is nan"),
        ({"m": {"output": "1e9"}}, "output is '1e9'"),
        ({"m": {"cache_read": None}}, "cache_read is None"),
        ({"m": {"cache_read": Decimal(5)}}, "cache_read is"),
        ({"m": {"cache_read": 10**30}}, "cache_read is"),
    ],
)
def test_malformed_traffic_is_an_error_that_names_the_key(source, says):
    with pytest.raises(ConfigurationError) as caught:
        traffic_from(source)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"Cannot read the traffic .*nowhere"):
        traffic_from(tmp_path / "nowhere.yaml")
