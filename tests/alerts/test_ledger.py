"""Tests what is sent to each notifier: at least once, never twice by a retry, and corrections."""

from __future__ import annotations

import json
import shutil
from decimal import Decimal

import pytest

from helpers.ledger import ledger, send
from helpers.records import uuid_of
from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider.alerts.evaluate import pending
from io_intelligence_provider.alerts.ledger import (
    last_notified,
    record_sent,
)
from io_intelligence_provider.alerts.rules import AlertRule
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.store.store import SnapshotStore


def test_a_retry_and_a_rerun_send_nothing_that_was_sent(builder, prices):
    prices(1, "1")
    prices(2, "2")
    assert send(builder, notifiers=("a", "b"), fail=("b",)) == {"a": [("1", "2", False)]}
    assert send(builder, notifiers=("a", "b")) == {"b": [("1", "2", False)]}
    assert send(builder, notifiers=("a", "b")) == {}
    assert send(builder, notifiers=("a", "b"), run="another") == {}
    assert len(ledger(builder)) == 2


def test_a_run_killed_between_two_files_sends_the_rest_again(builder, prices):
    prices(1, "1")
    prices(2, "2")
    rules = [AlertRule("one"), AlertRule("two")]
    digest = pending(builder.store, rules, ["a"])["a"]
    first, second = record_sent(builder.store, digest, "a", "run")
    builder.store.files.delete(second)
    assert [group.rule for group in pending(builder.store, rules, ["a"])["a"].groups] == ["two"]
    assert first


@pytest.mark.long
def test_a_price_taken_back_the_same_day_is_corrected_once(builder, prices):
    prices(1, "1")
    prices(2, "2")
    assert send(builder) == {"a": [("1", "2", False)]}
    prices(2, "1")
    assert send(builder, run="second", notifiers=("a", "new")) == {"a": [("2", "1", True)]}
    assert send(builder, run="third") == {}
    prices(2, "2")
    assert send(builder, run="fourth") == {"a": [("1", "2", True)]}


@pytest.mark.parametrize(("price", "sent"), [("1.04", ("2", "1.04", True)), ("3", ("1", "3", True))])
def test_another_price_the_same_day_replaces_what_was_told(builder, prices, price, sent):
    prices(1, "1")
    prices(2, "2")
    send(builder)
    prices(2, price)
    assert send(builder, run="second") == {"a": [sent]}
    told = [json.loads(builder.store.files.read(path))["told"] for path in ledger(builder)]
    assert sorted(entry["value"] for (entry,) in told) == sorted(["2", sent[1]])


def test_a_correction_asks_for_neither_threshold_nor_direction(builder, prices):
    rule = AlertRule("r", direction="up", min_pct=50, baseline="last_alert")
    prices(1, "1")
    prices(2, "2")
    send(builder, [rule])
    prices(2, "1.99")
    assert send(builder, [rule]) == {"a": [("2", "1.99", True)]}


def test_the_day_after_nothing_is_corrected(builder, prices):
    prices(1, "1")
    prices(2, "2")
    send(builder)
    prices(3, "1.95")
    assert send(builder) == {}


def test_the_same_step_on_another_day_is_news(builder, prices):
    rule = AlertRule("r", direction="up")
    sent = []
    for when, price in enumerate(["1", "2", "1", "2"]):
        prices(when, price)
        sent.append(send(builder, [rule], run=str(when)).get("a"))
    assert sent == [None, [("1", "2", False)], None, [("1", "2", False)]]


def test_what_means_something_else_in_another_shape_is_not_corrected(builder):
    rule = AlertRule("r", changes="attribute_changed")
    builder.file(1, model_row("m", extra='{"a": 1}'))
    builder.file(2, model_row("m", extra='{"a": 2}'))
    assert len(send(builder, [rule])["a"]) == 1
    builder.file(2, model_row("m", extra='{"b": 2}'), shape="openai")
    assert send(builder, [rule]) == {}


def test_a_model_that_came_and_went_within_a_day_is_corrected(builder):
    rule = AlertRule("r", changes=("model_added", "model_removed"))
    builder.file(1, model_row("m"))
    builder.file(2, model_row("n"))
    assert [row[:2] for row in send(builder, [rule])["a"]] == [(None, None)] * 2
    builder.file(2, model_row("m"), refused=[refused_record("n", model_id=uuid_of("n"))])
    digest = pending(builder.store, [rule], ["a"])["a"]
    assert [(alert.name, alert.told, alert.new_value) for alert in digest.groups[0].alerts] == [
        ("m", "not listed", "listed")
    ]
    record_sent(builder.store, digest, "a", "second")
    builder.file(2, model_row("m"))
    assert send(builder, [rule]) == {"a": [("listed", "not listed", True)]}
    assert send(builder, [rule]) == {}


class TestLastAlert:
    """A slow drift is caught once it adds up."""

    RULE = AlertRule("creep", min_pct=9, baseline="last_alert")

    @pytest.mark.long
    def test_three_per_cent_a_day(self, builder):
        price, told = 100.0, []
        for when in range(10):
            builder.file(when, model_row("m", input_token_price=f"{price:.4f}"))
            for old, new, correction in send(builder, [self.RULE], run=str(when)).get("a", []):
                told.append((when, old, new, correction))
            price *= 1.03
        assert told == [
            (3, "100", "109.2727", False),
            (6, "109.2727", "119.4052", False),
            (9, "119.4052", "130.4773", False),
        ]

    def test_each_notifier_has_its_own_last_value(self, builder, prices):
        prices(1, "100")
        prices(2, "110")
        assert send(builder, [self.RULE], ("a", "b"), fail=("b",)) == {"a": [("100", "110", False)]}
        prices(3, "115")
        assert send(builder, [self.RULE], ("a", "b")) == {"b": [("100", "115", False)]}
        prices(4, "121")
        assert send(builder, [self.RULE], ("a", "b")) == {"a": [("110", "121", False)]}

    def test_it_outlives_days_on_which_others_were_told_something(self, builder):
        for when, (m, n) in enumerate(
            [("100", "1"), ("110", "1"), ("110", "2"), ("115", "3"), ("119.9", "3")]
        ):
            builder.file(when, model_row("m", input_token_price=m), model_row("n", input_token_price=n))
            sent = send(builder, [self.RULE], run=str(when))
        assert sent == {"a": [("110", "119.9", False)]}

    def test_it_follows_a_renamed_id(self, builder):
        builder.file(1, model_row("m", input_token_price="100"))
        builder.file(2, model_row("m", input_token_price="110"))
        send(builder, [self.RULE])
        builder.file(3, model_row("m", model_id=uuid_of("x"), input_token_price="112"))
        assert send(builder, [self.RULE]) == {}
        builder.file(4, model_row("m", input_token_price="120"), shape="openai")
        assert send(builder, [self.RULE]) == {"a": [("110", "120", False)]}

    def test_what_a_shape_cannot_say_is_no_news(self, builder):
        rule = AlertRule("r", changes=("attribute_changed", "status_changed"), baseline="last_alert")
        builder.file(1, model_row("m", status="active", description="a"))
        builder.file(2, model_row("m", status="inactive", description="b"))
        assert len(send(builder, [rule])["a"]) == 2
        builder.file(3, model_row("m"), shape="openai")
        assert send(builder, [rule]) == {}

    def test_a_key_of_extra_is_remembered_until_it_is_a_column(self, builder):
        rule = AlertRule("r", changes="attribute_changed", fields="extra.*", baseline="last_alert")
        sent = []
        for when, extra in enumerate(
            ['{"a": 1, "b": 1}', '{"a": 2, "b": 1}', '{"b": 1}', '{"a": 2.0, "b": 1}', '{"a": 2, "b": "1"}']
        ):
            builder.file(when, model_row("m", extra=extra))
            sent.append(send(builder, [rule], run=str(when)).get("a"))
        assert sent == [None, [("1", "2", False)], [("2", None, False)], [(None, "2", False)],
                        [("1", '"1"', False)]]  # fmt: skip

    @pytest.mark.parametrize("field", ["extra", "extra.supports_tools", "created_at"])
    def test_what_is_not_compared_any_more_is_no_news(self, builder, field):
        rule = AlertRule("r", changes="attribute_changed", baseline="last_alert")
        for when, text in enumerate("abb"):
            builder.file(when, model_row("m", description=text), shape="openai")
            if when == 1:
                send(builder, [rule])
                (name,) = ledger(builder)
                told = builder.store.files.read(name).decode().replace('"description"', json.dumps(field))
                builder.store.files.put(name, told.encode())
        assert send(builder, [rule], run="later") == {"a": [("a", "b", False)]}

    def test_null_and_back(self, builder, prices):
        prices(1, "1")
        prices(2, None)
        assert send(builder, [self.RULE]) == {"a": [("1", None, False)]}
        prices(3, None)
        assert send(builder, [self.RULE]) == {}
        prices(4, "0")
        assert send(builder, [self.RULE]) == {"a": [(None, "0", False)]}


@pytest.mark.long
@pytest.mark.parametrize(
    ("prices", "told_on"),
    [
        ("1111222222", {4: "1 2"}),  # the day it happens, not each day that it is within the window
        ("1111212222", {4: "1 2", 6: "1 2"}),  # a rise of its own, though the value was told before
        ("12221222", {3: "1 2", 4: "2 1", 7: "1 2"}),
    ],
)
def test_against_days_ago_a_change_is_told_once(builder, prices, told_on):
    rule = AlertRule("week", min_pct=5, baseline=3)
    told = {}
    for when, price in enumerate(prices):
        builder.file(when, model_row("m", input_token_price=price))
        for old, new, correction in send(builder, [rule], run=str(when)).get("a", []):
            assert not correction
            told[when] = f"{old} {new}"
    assert told == told_on


@pytest.mark.long
def test_against_days_ago_a_new_model_is_told_once(builder):
    rule = AlertRule("week", baseline=3, changes="model_added")
    told = []
    for when in range(9):
        builder.file(when, model_row("m"), *([model_row("n")] if when > 3 else []))
        told += [when for _ in send(builder, [rule], run=str(when))]
    assert told == [4]


def test_what_no_rule_needs_is_not_carried_on(builder, prices):
    for when, price in enumerate(["1", "2", "4", "8"]):
        prices(when, price, output_token_price=price if when < 2 else "2")
        send(builder)
    told = last_notified(builder.store, "prices", "a", nth_day(3))
    assert [(entry.field, entry.value) for entry in told] == [("input_token_price", "8")]
    assert [entry.value for entry in last_notified(builder.store, "prices", "a", nth_day(1))] == ["2", "2"]


def test_a_value_is_looked_up_by_id_before_the_name(builder):
    """Two models may have the same name, and a model may get the name that another had."""
    rule = AlertRule("r", baseline="last_alert")
    ids = [uuid_of("one"), uuid_of("two")]

    def file(when, *prices, name="twin"):
        rows = zip(ids, prices, strict=True)
        builder.file(when, *(model_row(name, model_id=one, input_token_price=price) for one, price in rows))

    file(1, "1", "5")
    file(2, "2", "6")
    assert sorted(send(builder, [rule])["a"]) == [("1", "2", False), ("5", "6", False)]
    file(2, "3", "6")
    assert send(builder, [rule]) == {"a": [("2", "3", True)]}


@pytest.mark.parametrize("baseline", ["previous", "last_alert"])
def test_a_model_that_is_gone_is_not_another_of_its_name(builder, baseline):
    rule = AlertRule("r", changes=["price_changed", "model_removed", "model_added"], baseline=baseline)
    gone, stays = uuid_of("one"), uuid_of("two")

    def file(when, price):
        models = [(gone, price)] * (price is not None) + [(stays, "5")]
        builder.file(when, *(model_row("twin", model_id=one, input_token_price=usd) for one, usd in models))

    told = []
    for when, price in enumerate(["1", "2", None, None, "2"]):
        file(when, price)
        for _ in ("once", "again"):
            digest = pending(builder.store, [rule], ["a"], nth_day(when)).get("a")
            if digest:
                told += [(when, one.change, one.model_id, one.new_value) for one in digest.alerts]
                record_sent(builder.store, digest, "a", f"{when}")
    assert told == [
        (1, "price_changed", gone, "2"),
        (2, "model_removed", gone, None),
        (4, "model_added", gone, None),
    ]


def test_what_another_shape_does_not_say_is_not_corrected(builder):
    rule = AlertRule("r", changes="attribute_changed")
    builder.file(1, model_row("m", description="old"))
    builder.file(2, model_row("m", description="new"))
    assert len(send(builder, [rule])["a"]) == 1
    builder.file(2, model_row("m", description=None), shape="openai")
    assert send(builder, [rule]) == {}


@pytest.mark.long
def test_the_real_history_is_told_completely_and_nothing_twice(recorded_store, tmp_path):
    """Against a simple implementation: the last value told, or the first one seen, of each price."""
    days = [f"snapshot_date=2026-05-{day}" for day in range(20, 31)]  # with the day of the doubtful zeros
    for part in ("models", "quality", "quarantine"):
        for day in days:
            if (recorded_store / part / day).exists():
                shutil.copytree(recorded_store / part / day, tmp_path / part / day)
    store = SnapshotStore(tmp_path)
    rule = AlertRule("drift", changes="price_changed", min_pct=10, baseline="last_alert")
    held: dict[tuple[str, str], Decimal | None] = {}
    columns = ["model_id", *PRICE_COLUMNS]
    for day in store.dates():
        expected = set()
        for row in store.read(day, columns=columns).to_pylist():
            for field in PRICE_COLUMNS:
                key, price = (row["model_id"], field), row[field]
                old = held.setdefault(key, price)
                moved = price != old
                if moved and old and price is not None:
                    moved = abs(price - old) * 10 >= old
                if moved:
                    expected.add((*key, old, price))
                    held[key] = price
        told = []
        for digest in pending(store, [rule], ["a"], day).values():
            told = [
                (
                    one.model_id,
                    one.field,
                    *(value and Decimal(value) for value in (one.old_value, one.new_value)),
                )
                for one in digest.alerts
            ]
            record_sent(store, digest, "a", "run")
        assert len(told) == len(set(told))
        assert set(told) == expected, day
    assert pending(store, [rule], ["a"]) == {}
