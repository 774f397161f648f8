"""Tests which rules are refused, and each field on both sides of its border."""

from __future__ import annotations

import json

import pytest

from helpers.records import uuid_of
from helpers.stores import model_row, nth_day
from io_intelligence_provider.alerts.evaluate import evaluate, pending
from io_intelligence_provider.alerts.ledger import record_sent
from io_intelligence_provider.alerts.rules import AlertRule, rules_from
from io_intelligence_provider.errors import ConfigurationError, NotOnFileError


def heard(builder, *rules, when=None):
    """Return (name, field, old, new) of what one rule makes of the latest day."""
    digest = evaluate(builder.store, rules, when)
    return [
        (alert.name, alert.field, alert.old_value, alert.new_value)
        for group in digest.groups
        for alert in group.alerts
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": " "}, "name"),
        ({"name": 3}, "name"),
        ({"changes": ()}, "changes"),
        ({"changes": "price"}, "known are model_added"),
        ({"changes": 3}, "changes"),
        ({"changes": ["price_changed", 3]}, "changes"),
        ({"fields": "status"}, "fields of price_changed"),
        ({"fields": "Input*"}, "fields"),
        ({"changes": "model_added", "fields": "status"}, "none"),
        ({"fields": "extra.*"}, "fields of price_changed"),
        ({"changes": "attribute_changed", "fields": "extra"}, r"extra\.<key>"),
        ({"changes": "attribute_changed", "fields": "extr"}, r"extra\.<key>"),
        ({"changes": "attribute_changed", "fields": "min_access_tier"}, "fields of attribute_changed"),
        ({"changes": "access_changed", "fields": "*_price"}, "fields of access_changed are min_access_tier"),
        ({"changes": "quarantined", "fields": "status"}, "fields of quarantined are none"),
        ({"changes": "quarantine"}, "known are .*attribute_changed, quarantined"),
        ({"models": ""}, "models"),
        ({"models": []}, "models"),
        ({"min_pct": -1}, "min_pct"),
        ({"min_pct": True}, "min_pct"),
        ({"min_pct": "5"}, "min_pct"),
        ({"min_pct": float("nan")}, "min_pct"),
        ({"min_pct": float("inf")}, "min_pct"),
        ({"direction": "Up"}, "direction"),
        ({"direction": ""}, "direction"),
        ({"baseline": 0}, "baseline"),
        ({"baseline": True}, "baseline"),
        ({"baseline": 36_501}, "baseline"),
        ({"baseline": 7.0}, "baseline"),
        ({"baseline": "7"}, "baseline"),
        ({"baseline": []}, "baseline"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        AlertRule(**{"name": "r", **arguments})


@pytest.mark.parametrize(
    ("globs", "fields"),
    [
        ("*", ["extra.a", "extra.a.b", "extra.c d", "version"]),
        ("extra.*", ["extra.a", "extra.a.b", "extra.c d"]),
        ("extra.a", ["extra.a"]),
        ("*.b", ["extra.a.b"]),
        ("e?tra.c*", ["extra.c d"]),
        ("[ev]*[dn]", ["extra.c d", "version"]),
        ("version", ["version"]),
        (["extra.A", "extra."], []),
    ],
)
def test_globs_over_the_keys_of_extra(builder, globs, fields):
    builder.file(1, model_row("m", version="1", extra='{"a": 1, "a.b": "x", "c d": null, "s": 0}'))
    builder.file(2, model_row("m", version="2", extra='{"a": 2, "a.b": "y", "s": 0}'))
    rule = AlertRule("r", changes="attribute_changed", fields=globs, min_pct=50)
    assert sorted(row[1] for row in heard(builder, rule)) == fields


def test_access_tiers(builder):
    builder.file(1, model_row("m", min_access_tier="standard"), model_row("n", min_access_tier="standard"))
    builder.file(2, model_row("m", min_access_tier="professional"), model_row("n"))
    for baseline in ("previous", "last_alert", 1):
        assert heard(builder, AlertRule("r", changes="access_changed", baseline=baseline)) == [
            ("m", "min_access_tier", "standard", "professional"),
            ("n", "min_access_tier", "standard", None),
        ]


@pytest.mark.parametrize("value", [0, 5, 0.5, None])
def test_a_threshold_is_any_number_from_zero(value):
    assert AlertRule("r", min_pct=value).min_pct == value


@pytest.mark.parametrize("baseline", [1, 36_500, "previous", "last_alert"])
def test_baselines(baseline):
    assert AlertRule("r", baseline=baseline).baseline == baseline


class TestBorders:
    """What passes, and what does not just beyond."""

    @pytest.fixture(autouse=True)
    def _two_days(self, builder):
        for when, step in ((1, 0), (2, 1)):
            builder.file(
                when,
                model_row(
                    "org/a", input_token_price=("0.2", "0.21")[step], output_token_price=("1", "0.95")[step]
                ),
                model_row(
                    "org/B",
                    cache_read_token_price=(None, "1")[step],
                    cache_write_token_price=("0", "1")[step],
                ),
                model_row("c", chat_daily_quota_tier_1=(10, 9)[step], status=("active", "inactive")[step]),
                *([model_row("new")] if step else [model_row("gone")]),
            )

    def test_unless_told_prices_and_quotas(self, builder):
        assert [row[1] for row in heard(builder, AlertRule("r"))] == [
            "chat_daily_quota_tier_1",
            "cache_read_token_price",
            "cache_write_token_price",
            "input_token_price",
            "output_token_price",
        ]

    def test_changes(self, builder):
        assert heard(builder, AlertRule("r", changes="status_changed")) == [
            ("c", "status", "active", "inactive")
        ]
        assert heard(builder, AlertRule("r", changes=["model_added", "model_removed"])) == [
            ("gone", None, None, None),
            ("new", None, None, None),
        ]
        assert heard(builder, AlertRule("r", changes=["limit_changed"])) == []

    @pytest.mark.parametrize(
        ("globs", "names"),
        [("org/*", ["org/B", "org/a"]), ("org/b", []), (["c", "*/a"], ["c", "org/a"]), ("org", [])],
    )
    def test_models(self, builder, globs, names):
        assert sorted({row[0] for row in heard(builder, AlertRule("r", models=globs))}) == names

    @pytest.mark.parametrize(
        ("globs", "fields"),
        [
            ("input_*", ["input_token_price"]),
            (["cache_read*", "chat_*"], ["cache_read_token_price", "chat_daily_quota_tier_1"]),
            ("*_quota_*", ["chat_daily_quota_tier_1"]),
        ],
    )
    def test_fields(self, builder, globs, fields):
        assert sorted(row[1] for row in heard(builder, AlertRule("r", fields=globs))) == fields

    def test_a_whole_model_passes_every_field(self, builder):
        rule = AlertRule("r", changes=("price_changed", "model_removed"), fields="input_*")
        assert [row[:2] for row in heard(builder, rule)] == [("gone", None), ("org/a", "input_token_price")]

    @pytest.mark.parametrize(
        ("direction", "fields"),
        [
            ("up", ["cache_write_token_price", "input_token_price"]),
            ("down", ["chat_daily_quota_tier_1", "output_token_price"]),
        ],
    )
    def test_direction_excludes_what_has_none(self, builder, direction, fields):
        assert sorted(row[1] for row in heard(builder, AlertRule("r", direction=direction))) == fields

    @pytest.mark.parametrize(
        ("least", "fields"),
        [
            (4.999, {"input_token_price", "output_token_price", "chat_daily_quota_tier_1"}),
            (5, {"input_token_price", "output_token_price", "chat_daily_quota_tier_1"}),
            (5.000000000001, {"chat_daily_quota_tier_1"}),
            (10, {"chat_daily_quota_tier_1"}),
            (10.0001, set()),
        ],
    )
    def test_least_per_cent_is_exact_and_null_passes(self, builder, least, fields):
        unknown = {"cache_read_token_price", "cache_write_token_price"}
        assert {row[1] for row in heard(builder, AlertRule("r", min_pct=least))} == fields | unknown

    def test_what_is_no_number_passes_every_least_per_cent(self, builder):
        rule = AlertRule("r", changes="status_changed", min_pct=99)
        assert heard(builder, rule) == [("c", "status", "active", "inactive")]

    def test_rules_group_in_their_order_and_silent_ones_are_left_out(self, builder):
        rules = [AlertRule("z", models="c"), AlertRule("silent", models="-"), AlertRule("a", models="org/a")]
        digest = evaluate(builder.store, rules)
        assert [(group.rule, len(group.alerts)) for group in digest.groups] == [("z", 1), ("a", 2)]
        assert digest.count == 3
        json.dumps(digest.to_dict())


class TestBaselines:
    """Against what a value is held."""

    @pytest.fixture(autouse=True)
    def _creeping(self, builder):
        price = 100.0
        for when in range(10):
            builder.file(when, model_row("m", input_token_price=f"{price:.4f}"))
            price *= 1.03

    @pytest.mark.long
    def test_a_creeping_price_never_exceeds_the_day_before(self, builder):
        rule = AlertRule("r", min_pct=5)
        assert not any(evaluate(builder.store, [rule], nth_day(when)) for when in range(10))

    @pytest.mark.long
    def test_against_a_number_of_days(self, builder):
        rule = AlertRule("r", min_pct=9, baseline=3)
        assert [when for when in range(10) if evaluate(builder.store, [rule], nth_day(when))] == list(
            range(3, 10)
        )
        ((_, _, old, new),) = heard(builder, rule)
        assert (old, new) == ("119.4052", "130.4773")

    def test_the_snapshot_that_was_valid_on_that_day(self, builder):
        builder.file(20, model_row("m", input_token_price="1"))
        assert heard(builder, AlertRule("r", baseline=10)) == [("m", "input_token_price", "130.4773", "1")]
        assert heard(builder, AlertRule("r", baseline=12))[0][2] == "126.677"
        assert heard(builder, AlertRule("r", baseline=20))[0][2] == "100"
        assert heard(builder, AlertRule("r", baseline=21)) == []

    @pytest.mark.long
    def test_against_first_seen(self, builder):
        builder.file(10, model_row("m", input_token_price="100"), model_row("n", input_token_price="1"))
        builder.file(11, model_row("m", input_token_price="100"), model_row("n", input_token_price="2"))
        rule = AlertRule("r", baseline="last_alert", changes=("price_changed", "model_added"))
        assert heard(builder, rule, when=nth_day(9)) == [("m", "input_token_price", "100", "130.4773")]
        assert heard(builder, rule, when=nth_day(10)) == [("n", None, None, None)]
        assert heard(builder, rule, when=nth_day(11)) == [("n", "input_token_price", "1", "2")]


class TestSinceLastAlert:
    """Against the value that was sent, or the one of the first snapshot."""

    RULE = AlertRule("r", baseline="last_alert", changes=("price_changed", "model_added"))

    def test_whole_models_are_told_on_their_day_if_the_rule_asks_for_them(self, builder):
        builder.file(0, model_row("m", input_token_price="1"))
        builder.file(1, model_row("m", input_token_price="1"), model_row("n", input_token_price="2"))
        assert heard(builder, self.RULE) == [("n", None, None, None)]
        assert heard(builder, AlertRule("r", baseline="last_alert")) == []
        builder.file(2, model_row("m", input_token_price="3"), model_row("n", input_token_price="2"))
        assert heard(builder, self.RULE) == [("m", "input_token_price", "1", "3")]

    def test_later_snapshots_do_not_count(self, builder):
        for when, price in enumerate(["1", "2", "3"]):
            extra = [model_row("n", input_token_price="9")] if when else []
            builder.file(when, model_row("m", input_token_price=price), *extra)
        digest = evaluate(builder.store, [self.RULE], nth_day(1))
        assert digest.snapshot_id == builder.store.quality(nth_day(1)).snapshot_id
        assert [(one.name, one.old_value, one.new_value) for one in digest.alerts] == [
            ("m", "1", "2"), ("n", None, None)
        ]  # fmt: skip

    @pytest.mark.parametrize("damaged", [0, 1, 2])
    def test_a_day_that_cannot_be_read_is_left_out(self, builder, damaged):
        for when in range(4):
            builder.file(when, model_row("m", input_token_price=str(when + 1)))
        builder.damage(builder.models_file(damaged))
        first = "2" if damaged == 0 else "1"
        assert heard(builder, self.RULE) == [("m", "input_token_price", first, "4")]

    def test_a_model_keeps_its_first_value_in_another_shape(self, builder):
        """Between two shapes a model is known by its name."""
        builder.file(0, model_row("m", model_id=uuid_of("old"), input_token_price="1"), shape="openai")
        builder.file(1, model_row("m", input_token_price="2"), model_row("n", input_token_price="1"))
        builder.file(2, model_row("m", input_token_price="2"), model_row("n", input_token_price="3"))
        assert heard(builder, self.RULE) == [
            ("m", "input_token_price", "1", "2"),
            ("n", "input_token_price", "1", "3"),
        ]

    @pytest.mark.parametrize(("way", "told"), [("up", ["2 3"]), ("down", [])])
    def test_what_was_sent_is_compared_by_direction(self, builder, way, told):
        builder.file(0, model_row("m", input_token_price="1"))
        builder.file(1, model_row("m", input_token_price="2"))
        (digest,) = pending(builder.store, [self.RULE], ["a"]).values()
        record_sent(builder.store, digest, "a", "run")
        builder.file(2, model_row("m", input_token_price="3"))
        rule = AlertRule("r", baseline="last_alert", direction=way)
        found = [alert for one in pending(builder.store, [rule], ["a"]).values() for alert in one.alerts]
        assert [f"{alert.old_value} {alert.new_value}" for alert in found] == told
        assert [(alert.direction, alert.pct, alert.since) for alert in found] == [
            ("up", 50.0, nth_day(1)) for _ in told
        ]


def test_what_a_notifier_was_sent_is_left_out_for_it(builder):
    builder.file(0, model_row("m", input_token_price="1", output_token_price="5"))
    builder.file(1, model_row("m", input_token_price="2", output_token_price="4"))
    rules = [AlertRule("r")]
    digest = pending(builder.store, rules, ["a"], nth_day(1))["a"]
    assert [alert.field for alert in digest.alerts] == ["input_token_price", "output_token_price"]
    record_sent(builder.store, digest, "a", "run")
    builder.file(2, model_row("m", input_token_price="7", output_token_price="4"))
    assert not evaluate(builder.store, rules, nth_day(1), "a")
    assert evaluate(builder.store, rules, nth_day(1), "b").count == 2
    assert evaluate(builder.store, rules, nth_day(1)).count == 2
    assert pending(builder.store, rules, ["a"], nth_day(1)) == {}
    builder.file(1, model_row("m", input_token_price="3", output_token_price="4"))
    (revised,) = pending(builder.store, rules, ["a"], nth_day(1))["a"].alerts
    assert (revised.old_value, revised.new_value, revised.told, revised.correction) == ("1", "3", "2", True)


YAML = """
- name: dearer
  changes: [price_changed]
  direction: up
  min_pct: 5
  baseline: last_alert
- name: gone
  changes: [model_removed, quarantined]
"""


def test_yaml_json_and_mappings_mean_the_same(tmp_path):
    rules = rules_from(YAML)
    assert rules == (
        AlertRule("dearer", changes=["price_changed"], direction="up", min_pct=5, baseline="last_alert"),
        AlertRule("gone", changes=("model_removed", "quarantined")),
    )
    plain = [
        {
            "name": "dearer",
            "changes": ["price_changed"],
            "direction": "up",
            "min_pct": 5,
            "baseline": "last_alert",
        },
        {"name": "gone", "changes": ["model_removed", "quarantined"]},
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(YAML)
    for source in (plain, {"rules": plain}, json.dumps(plain), json.dumps({"rules": plain}), path, rules):
        assert rules_from(source) == rules


@pytest.mark.parametrize(
    "source",
    [
        "",
        "[]",
        "null",
        "just words",
        "{",
        "a: [",
        '{"rules": []}',
        '{"rules": [], "more": 1}',
        '[{"name": "a", "min": 3}]',
        '[{"changes": "model_added"}]',
        '["a"]',
        '[{"name": "a"}, {"name": "a"}]',
        '[{"name": "a", "baseline": "7"}]',
        "!!python/object/apply:os.getcwd []",
    ],
)
def test_text_that_is_no_rules_is_refused(source):
    with pytest.raises(ConfigurationError):
        rules_from(source)


def test_a_rules_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        rules_from(tmp_path / "nowhere.yaml")


def test_no_snapshot_no_alert(builder):
    with pytest.raises(NotOnFileError):
        evaluate(builder.store, [AlertRule("r")])
