"""Tests what a digest says of its data: doubtful prices, models in quarantine, findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.records import uuid_of
from helpers.stores import model_row, nth_day, refused_record
from io_intelligence_provider import AlertRule
from io_intelligence_provider.alerts.evaluate import evaluate, pending
from io_intelligence_provider.alerts.ledger import record_sent
from io_intelligence_provider.alerts.message import DigestMessage
from io_intelligence_provider.alerts.traffic import traffic_from
from io_intelligence_provider.quality.result import CheckResult

PRICES = AlertRule("prices", changes="price_changed")
REFUSED = AlertRule("refused", changes="quarantined")


def prices(builder, *values):
    for when, value in enumerate(values):
        builder.file(when, model_row("m", input_token_price=value))


def doubts(builder, rule=PRICES, when=None):
    (group,) = evaluate(builder.store, [rule], when).groups
    return [
        (one.old_value, one.new_value, one.doubtful, one.last_price, one.last_date) for one in group.alerts
    ]


class TestDoubtfulZeros:
    def test_a_fall_to_zero_and_the_way_back(self, builder):
        prices(builder, "0.13", "0", "0.15")
        assert doubts(builder, when=nth_day(1)) == [("0.13", "0", "new", "0.13", nth_day(0))]
        assert doubts(builder, when=nth_day(2)) == [("0", "0.15", "old", "0.13", nth_day(0))]
        text = DigestMessage(evaluate(builder.store, [PRICES], nth_day(1))).text
        assert "prices: doubtful prices (1 change" in text
        assert "m  input 0.13 → 0 (doubtful)" in text
        assert "free" not in text
        assert "-100 %" not in text

    def test_what_was_always_free_is_free(self, builder):
        prices(builder, "0", "0", None, "0", "1")
        assert doubts(builder, when=nth_day(3)) == [(None, "0", None, None, None)]
        assert doubts(builder, when=nth_day(4)) == [("0", "1", None, None, None)]

    def test_the_last_positive_price_may_be_older_than_the_one_compared_with(self, builder):
        prices(builder, "3", "2", "0")
        assert doubts(builder, AlertRule("r", baseline=2)) == [("3", "0", "new", "2", nth_day(1))]

    def test_two_models_of_one_name_are_not_taken_for_each_other(self, builder):
        for when, (a, b) in enumerate([("0", "3"), ("0", "0"), ("0.5", "3")]):
            rows = [
                model_row("x", model_id=uuid_of(key), input_token_price=price)
                for key, price in (("a", a), ("b", b))
            ]
            builder.file(when, *rows)
        assert sorted(one[2] or "" for one in doubts(builder, when=nth_day(2))) == ["", "old"]

    @pytest.mark.parametrize(("day", "doubtful"), [(30, "new"), (31, None)])
    def test_after_thirty_days_it_is_free(self, builder, day, doubtful):
        prices(builder, "1")
        builder.file(day, model_row("m", input_token_price="0"))
        assert [one[2] for one in doubts(builder)] == [doubtful]

    def test_days_that_cannot_be_read_make_no_price_free(self, builder, caplog):
        prices(builder, "1", None, "0")
        builder.damage(builder.models_file(0))
        assert doubts(builder) == [(None, "0", "new", None, None)]
        (record,) = caplog.records
        assert record.message.startswith(
            f"Prices of 0 on {nth_day(2)} count as doubtful, as earlier ones cannot be read: "
        )
        assert str(builder.models_file(0)) in record.message

    def test_it_is_no_saving(self, builder):
        prices(builder, "1", "0")
        digest = evaluate(builder.store, [PRICES], traffic=traffic_from({"m": {"input": 10**6}}))
        assert digest.bill is not None
        assert digest.bill.to_dict()["total"] == "0.00"
        assert digest.bill.not_counted[0].reason == "a doubtful 0, so no saving"


def sent_on(builder, *states, rules=(REFUSED,), fail=()):
    """File ``v``alid, ``q``uarantined and ``-`` absent days of a model; return the days it is reported."""
    told = []
    for when, state in enumerate(states):
        builder.file(
            when,
            model_row("other", input_token_price=str(when + 1)),
            *([model_row("m")] if state == "v" else []),
            refused=[refused_record("m", model_id=uuid_of("m"))] if state == "q" else [],
        )
        for _ in range(2):  # a rerun
            for notifier, digest in pending(builder.store, list(rules), ["a"], nth_day(when)).items():
                told += [when for alert in digest.alerts if alert.change == "quarantined"]
                if when not in fail:
                    record_sent(builder.store, digest, notifier, f"run{when}")
    return told


class TestQuarantined:
    @pytest.mark.parametrize(
        ("states", "days"),
        [
            ("vq", [1]),
            ("vqqqq", [1]),
            ("vqvq", [1, 3]),
            ("vqqvvqq", [1, 5]),
            ("qqq", []),
            ("qqvq", [3]),
            ("v-q", []),
            ("vq-q", [1]),
        ],
    )
    def test_it_is_told_once_until_it_is_back(self, builder, states, days):
        assert sent_on(builder, *states) == days

    @pytest.mark.parametrize("baseline", ["previous", "last_alert", 3])
    def test_in_any_rule_beside_other_changes(self, builder, baseline):
        rule = AlertRule(
            "all",
            changes=("quarantined", "price_changed", "model_added", "model_removed"),
            baseline=baseline,
        )
        assert sent_on(builder, *"vvqqqqvvq", rules=[rule]) == [2, 8]

    def test_a_notifier_that_failed_on_the_day_is_told_later(self, builder):
        assert sent_on(builder, *"vqqq", fail=[1]) == [1, 1, 2]

    def test_a_new_model_is_not_new_again_after_a_quarantine(self, builder):
        rule = AlertRule("all", changes=("quarantined", "model_added"), baseline=3)
        news = []
        for when, state in enumerate("---vqvv"):
            builder.file(
                when,
                model_row("other"),
                *([model_row("m")] if state == "v" else []),
                refused=[refused_record("m", model_id=uuid_of("m"))] if state == "q" else [],
            )
            for digest in pending(builder.store, [rule], ["a"], nth_day(when)).values():
                news += [(when, alert.change) for alert in digest.alerts]
                record_sent(builder.store, digest, "a", "run")
        assert news == [(3, "model_added"), (4, "quarantined")]

    def test_accepted_by_a_second_snapshot_of_the_day(self, builder):
        builder.file(0, model_row("m"), model_row("n"))
        builder.file(1, model_row("n"), refused=[refused_record("m", model_id=uuid_of("m"))])
        first = pending(builder.store, [REFUSED], ["a"])["a"]
        assert [(one.name, one.since) for one in first.alerts] == [("m", nth_day(0))]
        record_sent(builder.store, first, "a", "run")
        builder.file(1, model_row("m"), model_row("n"))
        again = pending(builder.store, [REFUSED], ["a"])["a"]
        assert [(one.new_value, one.correction) for one in again.alerts] == [("listed", True)]
        assert "m  is listed after all (correction)" in DigestMessage(again).text
        record_sent(builder.store, again, "a", "run")
        assert pending(builder.store, [REFUSED], ["a"]) == {}
        builder.file(2, model_row("n"), refused=[refused_record("m", model_id=uuid_of("m"))])
        assert len(pending(builder.store, [REFUSED], ["a"])["a"].groups) == 1

    def test_no_other_part_of_a_rule_hides_it(self, builder):
        builder.file(0, model_row("m"), model_row("n"))
        builder.file(1, model_row("n"), refused=[refused_record("m")])
        rule = AlertRule("r", changes=("price_changed", "quarantined"), direction="up", min_pct=5,
                         fields="input_token_price")  # fmt: skip
        assert [alert.name for alert in evaluate(builder.store, [rule]).alerts] == ["m"]

    def test_only_the_models_of_the_rule(self, builder):
        builder.file(0, model_row("m"), model_row("n"))
        builder.file(1, refused=[refused_record("m"), refused_record("n")])
        rule = AlertRule("r", changes="quarantined", models="n")
        assert [alert.name for alert in evaluate(builder.store, [rule]).alerts] == ["n"]

    def test_a_record_that_has_only_the_id(self, builder):
        builder.file(0, model_row("m"), model_row("n"))
        builder.file(1, model_row("n"), refused=[refused_record(None, model_id=uuid_of("m"))])
        digest = evaluate(builder.store, [REFUSED], traffic=traffic_from({"m": {"input": 1}}))
        assert [alert.name for alert in digest.alerts] == ["m"]
        assert digest.bill is not None
        assert digest.bill.not_counted[0].reason == "in quarantine"


def test_what_is_known_of_the_data(builder):
    finding = CheckResult("price_move", None, "snapshot", "warn", 9, 1)
    stopping = CheckResult("price", "input_token_price", "row", "error", 3, 2)
    passed = CheckResult("volume", None, "snapshot", "error", 3, 0)
    builder.file(0, model_row("m", input_token_price="1"), model_row("n"), model_row("o"))
    builder.file(
        1,
        model_row("m", input_token_price="2"),
        refused=[refused_record("n"), refused_record(None)],
        checks=[finding, passed, stopping],
        outcome="warned",
    )
    data = evaluate(builder.store, [PRICES]).data
    assert data is not None
    assert data.to_dict() == {
        "outcome": "warned",
        "findings": [
            {"check": "price", "column": "input_token_price", "level": "row", "severity": "error",
             "evaluated": 3, "failed": 2},
            {"check": "price_move", "column": None, "level": "snapshot", "severity": "warn",
             "evaluated": 9, "failed": 1},
        ],
        "models": 1,
        "previous_date": str(nth_day(0)),
        "models_before": 3,
        "quarantined": 2,
        "quarantined_names": ["n"],
    }  # fmt: skip


def test_refused_records_of_one_name_all_have_it(builder):
    builder.file(0, model_row("m"), refused=[refused_record("x", "{}"), refused_record("x", "{}")])
    text = DigestMessage(evaluate(builder.store, [PRICES])).text
    assert "without a name" not in text


def test_a_report_that_cannot_be_read_is_unknown_and_the_digest_is_sent(builder, caplog):
    prices(builder, "1")
    builder.file(
        1, model_row("m", input_token_price="2"), refused=[refused_record("x"), refused_record(None, "{}")]
    )
    (report,) = (builder.root / f"quality/snapshot_date={nth_day(1)}").iterdir()
    report.write_text("{")
    data = evaluate(builder.store, [PRICES]).data
    assert data is not None
    assert (data.outcome, data.findings, data.quarantined) == (None, (), 2)
    (record,) = caplog.records
    assert record.message.startswith(
        f"The report of {nth_day(1)} cannot be read, so the message has no findings: "
    )
    assert report.name in record.message
    assert "Data quality: unknown" in DigestMessage(evaluate(builder.store, [PRICES])).text


def test_a_day_before_that_cannot_be_read_is_not_counted(builder, caplog):
    prices(builder, "1", "1", "2")
    builder.damage(builder.models_file(1))
    data = evaluate(builder.store, [PRICES]).data
    assert data is not None
    assert (data.previous_date, data.models_before) == (nth_day(1), None)
    (record,) = [record for record in caplog.records if "digest" in record.name]
    assert record.message.startswith(
        f"The snapshot of {nth_day(1)} cannot be read, so the models are not counted: "
    )
    assert str(builder.models_file(1)) in record.message


def test_a_digest_as_json(builder):
    prices(builder, "1", "0")
    digest = evaluate(builder.store, [PRICES], traffic=traffic_from({"m": {"input": 1}}))
    assert digest.data is not None
    assert digest.bill is not None
    assert digest.to_dict() == {
        "snapshot_date": str(nth_day(1)),
        "snapshot_id": digest.snapshot_id,
        "wire_shape": "documented",
        "groups": [
            {
                "rule": "prices",
                "alerts": [
                    {
                        "change": "price_changed",
                        "model_id": uuid_of("m"),
                        "name": "m",
                        "field": "input_token_price",
                        "old_value": "1",
                        "new_value": "0",
                        "pct": -100.0,
                        "direction": "down",
                        "since": str(nth_day(0)),
                        "correction": False,
                        "told": None,
                        "doubtful": "new",
                        "last_price": "1",
                        "last_date": str(nth_day(0)),
                    }
                ],
            }
        ],
        "data": digest.data.to_dict(),
        "bill": digest.bill.to_dict(),
    }
    without = replace(digest, data=None, bill=None).to_dict()
    assert (without["data"], without["bill"]) == (None, None)
