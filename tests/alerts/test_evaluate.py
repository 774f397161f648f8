"""Tests which alerts a rule makes: the order, baselines, columns that came later, and quarantines."""

from __future__ import annotations

from typing import Any

import pytest

from helpers.records import uuid_of
from helpers.stores import LATE_COLUMNS, late_values, model_row, nth_day, refused_record
from io_intelligence_provider.alerts.evaluate import evaluate, pending
from io_intelligence_provider.alerts.ledger import record_sent
from io_intelligence_provider.alerts.rules import AlertRule


@pytest.fixture
def three(builder: Any) -> Any:
    for number in range(3):
        builder.file(number, model_row("a", **late_values(number)))
    return builder


def rule(baseline: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": "r",
            "changes": ["attribute_changed", "limit_changed", "price_changed"],
            "baseline": baseline,
            "fields": list(LATE_COLUMNS),
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
        three.drop_columns(nth_day(number), *LATE_COLUMNS)
    found = [
        alert for group in evaluate(three.store, rule(baseline), nth_day(2)).groups for alert in group.alerts
    ]
    if since is None:
        assert found == []
        return
    assert {alert.field for alert in found} == set(LATE_COLUMNS)
    assert {alert.since for alert in found} == {nth_day(since)}
    (context,) = (alert for alert in found if alert.field == "context_window")
    assert (context.old_value, context.new_value) == (str(since + 1), "3")


def test_columns_that_came_one_after_the_other(three: Any) -> None:
    three.file(3, model_row("a", **late_values(3)), model_row("b", **late_values(3)))
    three.drop_columns(nth_day(0), "precision", "tags")
    three.drop_columns(nth_day(1), "precision")
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
    three.drop_columns(nth_day(2), *LATE_COLUMNS)
    assert pending(three.store, rule("last_alert"), ["n"], nth_day(2)) == {}
    three.drop_columns(nth_day(1), *LATE_COLUMNS)
    assert pending(three.store, rule("last_alert"), ["n"], nth_day(1)) == {}


def test_alerts_are_in_order_of_name_change_and_field(builder: Any) -> None:
    prices = ("output_token_price", "input_token_price", "cache_read_token_price")
    for number in (1, 2):
        values = dict.fromkeys(prices, str(number)) | {"max_tokens": number}
        builder.file(number, model_row("b", **values), model_row("a", **values))
    found = evaluate(builder.store, [AlertRule("r", changes=("price_changed", "limit_changed"))]).alerts
    assert [(alert.name, alert.field) for alert in found] == [
        (name, field) for name in "ab" for field in ("max_tokens", *sorted(prices))
    ]


def test_first_values_are_read_column_by_column_from_large_days(
    builder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("io_intelligence_provider.changes.days._ROWS_READ_AT_ONCE", 0)
    builder.file(0, model_row("a", input_token_price="1"))
    builder.file(1, model_row("a", input_token_price="2"), model_row("b", input_token_price="1"))
    builder.file(2, model_row("a", input_token_price="3"), model_row("b", input_token_price="5"))
    found = evaluate(builder.store, [AlertRule("r", changes="price_changed", baseline="last_alert")]).alerts
    assert [(one.name, one.old_value, one.new_value, one.since) for one in found] == [
        ("a", "1", "3", nth_day(0)),
        ("b", "1", "5", nth_day(1)),
    ]


def test_a_model_that_came_back_the_day_it_was_told_of_is_told_of_again(builder: Any) -> None:
    rule = AlertRule("r", changes="quarantined")
    refused = [refused_record("m", model_id=uuid_of("m"))]
    builder.file(1, model_row("m"), model_row("n"))
    builder.file(2, model_row("n"), refused=refused)
    for digest in pending(builder.store, [rule], ["n"]).values():
        record_sent(builder.store, digest, "n", "run")
    assert pending(builder.store, [rule], ["n"]) == {}
    builder.file(2, model_row("m"), model_row("n"))
    builder.file(3, model_row("n"), refused=refused)
    (digest,) = pending(builder.store, [rule], ["n"]).values()
    assert [(alert.change, alert.name, alert.since) for alert in digest.alerts] == [
        ("quarantined", "m", nth_day(2))
    ]


def test_a_file_without_a_column_between_two_that_have_it_loses_no_first_value(builder: Any) -> None:
    builder.file(0, model_row("a", **late_values(0)))
    builder.file(1, model_row("a", **late_values(1)), model_row("b", **late_values(1)))
    builder.file(2, model_row("a", **late_values(2)), model_row("b", **late_values(2)))
    builder.drop_columns(nth_day(1), "precision")
    found = evaluate(builder.store, rule("last_alert"), nth_day(2)).alerts
    since = {(alert.name, alert.field): alert.since for alert in found}
    assert since == {
        **{("a", field): nth_day(0) for field in LATE_COLUMNS},
        **{("b", field): nth_day(1) for field in LATE_COLUMNS if field != "precision"},
    }


def test_a_new_twin_is_not_compared_with_the_first_price_of_the_other(builder: Any) -> None:
    one = model_row("twin", model_id=uuid_of("one"), input_token_price="1")
    builder.file(0, one)
    builder.file(1, one)
    builder.file(2, one, model_row("twin", model_id=uuid_of("two"), input_token_price="5"))
    assert evaluate(builder.store, [AlertRule("r", baseline="last_alert")]).groups == ()
