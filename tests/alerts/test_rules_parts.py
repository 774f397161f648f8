"""Tests what is said of a mistaken rule or source, and what one rule makes of one change."""

from __future__ import annotations

import pytest

from io_intelligence_provider.alerts.rules import AlertRule, read_source, rules_from
from io_intelligence_provider.changes.kinds import KINDS
from io_intelligence_provider.errors import ConfigurationError


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"changes": "x"}, f"changes 'x': known are {', '.join(KINDS)}, quarantined"),
        ({"changes": []}, "changes []: give a text or a list of texts"),
        ({"models": 3}, "models 3: give a text or a list of texts"),
        ({"models": ["a", ""]}, "models ['a', '']: give texts that are not blank"),
        ({"models": " "}, "models ' ': give texts that are not blank"),
        ({"direction": "x"}, "direction 'x': known are up, down"),
        ({"changes": ["access_changed", "model_added"], "direction": "down"},
         "direction 'down': none of the fields that it selects is a number"),
        ({"changes": "attribute_changed", "fields": ["tags", "extra.*"], "direction": "up"},
         "direction 'up': none of the fields that it selects is a number"),
        ({"changes": "access_changed", "fields": ["*", "x"]},
         "fields 'x': fields of access_changed are min_access_tier"),
        ({"changes": ["limit_changed", "status_changed"], "fields": "x"},
         "fields 'x': fields of limit_changed, status_changed are status, max_tokens, context_window"),
        ({"changes": "model_added", "fields": "x"},
         "fields 'x': fields of model_added are none: those changes are of whole models"),
        ({"min_pct": "5"}, "min_pct '5': give a number"),
        ({"min_pct": -1}, "min_pct -1: give a number that is 0 or more"),
        ({"baseline": 0}, "baseline 0: give 1 to 36500 days"),
        ({"baseline": "x"}, "baseline 'x': give previous, last_alert or a number of days"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_with_what_may_be_given(arguments, why):
    with pytest.raises(ConfigurationError) as told:
        AlertRule(**{"name": "r", **arguments})
    assert str(told.value) == f"Alert rule 'r': {why}."


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ([{"name": ""}], "An alert rule needs a name, not ''."),
        ({"rules": [], "b": 1}, "Alert rules are a list, or a mapping with the one key rules, not rules, b."),
        ("'text'", "Alert rules are a list of at least one rule."),
        ("3", "Alert rules are a list of at least one rule."),
        ([], "Alert rules are a list of at least one rule."),
        ([{"name": "z"}, {"name": "a"}] * 2,
         "Two alert rules are called 'a'; the ledger needs one name each."),
        ([3], "An alert rule is a mapping, not 3."),
        ([{"name": "r", "min": 3, "x": 1}],
         f"Alert rule 'r': unknown 'min'; known are {', '.join(AlertRule.__dataclass_fields__)}."),
        ([{"fields": "*"}], "An alert rule needs a name: {'fields': '*'}."),
        ("[" * 100_000, "The alert rules are nested too deeply to be read."),
        ("- " * 600, "The alert rules are nested too deeply to be read."),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_source_that_is_no_rules_is_told(source, why):
    with pytest.raises(ConfigurationError) as told:
        rules_from(source)
    assert str(told.value) == why


@pytest.mark.parametrize("source", ["a: [", "2026-13-45", "!!python/object/apply:os.getcwd []"])
def test_a_text_in_neither_format_is_told_with_the_reason(source):
    with pytest.raises(ConfigurationError, match=r"^The things are neither JSON nor YAML: [^N]") as told:
        read_source(source, "things")
    assert told.value.__suppress_context__


def test_a_file_is_read_as_utf8_or_told(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("[é]", "utf-8")
    assert read_source(path, "things") == ["é"]
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigurationError) as told:
        read_source(path, "things")
    assert str(told.value).startswith(f"Cannot read the things {path}: 'utf-8' codec can't decode")
    assert read_source({"a": 1}, "things") == {"a": 1}


@pytest.mark.parametrize(
    ("limits", "change", "passes"),
    [
        ({}, ("1", "1.0000001", 0.00001, "up"), True),
        ({"min_pct": 5}, ("0.2", "0.21", 5.0, "up"), True),
        ({"min_pct": 5}, ("0.2", "0.19", -5.0, "down"), True),
        ({"min_pct": 5}, ("0.2", "0.2099999999999999999", 5.0, "up"), False),
        (
            {"min_pct": 5},
            ("20000000000000000000", "20999999999999999999.999999999999999999", 5.0, "up"),
            False,
        ),
        ({"min_pct": 0.1}, ("1000", "1001", 0.1, "up"), True),
        ({"min_pct": 0.1}, ("-1000", "-1001", 0.1, "down"), True),
        ({"min_pct": 0.1}, ("-1000", "-1000.9", 0.09, "down"), False),
        ({"min_pct": 5}, (None, "1", None, None), True),
        ({"min_pct": 5}, ("1", None, None, None), True),
        ({"min_pct": 5}, ("0", "1", None, "up"), True),
        ({"min_pct": 5}, ("a", "b", None, None), True),
        ({"direction": "up"}, ("1", "2", 100.0, "up"), True),
        ({"direction": "up"}, ("2", "1", -50.0, "down"), False),
        ({"direction": "down"}, ("1", None, None, None), False),
        ({"direction": "up", "min_pct": 101}, ("1", "2", 100.0, "up"), False),
    ],
)
def test_a_change_passes_by_its_decimal_value(limits, change, passes):
    assert AlertRule("r", **limits).passes(*change) is passes


@pytest.mark.parametrize(
    ("globs", "reads"),
    [
        ("*", True),
        ("e*", True),
        ("extra.a", True),
        ("[e]*", True),
        ("v*", False),
    ],
)
def test_a_rule_reads_extra_when_a_key_could_match(globs, reads):
    rule = AlertRule("r", changes="attribute_changed", fields=[globs, "version"])
    assert rule.reads("extra") is reads
    assert rule.reads("version")
    assert not rule.reads("status")


def test_a_rule_wants_a_kind_a_model_and_a_field():
    rule = AlertRule("r", changes=["price_changed", "model_added"], fields="input*", models=["a*", "b"])
    assert rule.wants("price_changed", "ab", "input_token_price")
    assert rule.wants("model_added", "b", None)
    assert not rule.wants("price_changed", "bb", "input_token_price")
    assert not rule.wants("price_changed", "ab", "output_token_price")
    assert not rule.wants("quota_changed", "ab", "input_token_price")


@pytest.mark.parametrize(
    "text",
    ['{"a": {"input": 1}, "a": {}}', '[{"min_pct": 5, "min_pct": 50}]', "x:\n  - {a: 1, b: 2, a: 3}\n"],
)
def test_a_key_that_is_given_twice_is_refused(text):
    with pytest.raises(ConfigurationError, match=r"^The things have '(a|min_pct)' twice in one mapping"):
        read_source(text, "things")


def test_a_key_may_replace_one_that_is_merged_in():
    text = "- &all {a: 1, b: 1}\n- &some {<<: *all, a: 2}\n- {<<: *some, b: 3}\n"
    assert read_source(text, "things") == [{"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 3}]


@pytest.mark.parametrize(
    "selected",
    [
        {"changes": ["status_changed", "limit_changed"]},
        {"changes": "attribute_changed", "fields": "trend*"},
        {"changes": "quarantined"},
    ],
)
def test_a_rule_with_a_direction_selects_a_number_or_a_quarantine(selected):
    assert AlertRule("r", direction="up", **selected).direction == "up"
