"""Tests how failures of checks are counted, merged and reported, and how rules are told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pandera.pandas
import pandera.polars
import pytest

from io_intelligence_provider.quality.checks import CheckCounts, Declared, identified, rule_of, rule_text
from io_intelligence_provider.quality.policy import Policy
from io_intelligence_provider.quality.result import CheckResult

DECLARED = (
    Declared("column_in_dataframe", "a", of_rows=False),
    Declared("ge", "a", of_rows=True),
    Declared("even", r"n_\d$", of_rows=True, regex=True, severity="warn"),
    Declared("whole", None, of_rows=False),
)
COLUMNS = ["a", "n_1", "n_2", "m_1"]


def results(counts: CheckCounts, columns: Any = COLUMNS) -> dict[tuple[str, str | None, str], CheckResult]:
    found = counts.results(columns)
    assert len({(one.check, one.column, one.level) for one in found}) == len(found)
    return {(one.check, one.column, one.level): one for one in found}


def rows(*values: Any) -> list[dict[str, Any]]:
    return [{"row": value} for value in values]


def test_each_declared_check_has_a_result_in_their_order() -> None:
    counts = CheckCounts(DECLARED)
    counts.rows = 7
    assert counts.results(COLUMNS) == [
        CheckResult("column_in_dataframe", "a", "dataset", "error", 1, 0),
        CheckResult("ge", "a", "row", "error", 7, 0),
        CheckResult("even", "n_1", "row", "warn", 7, 0),
        CheckResult("even", "n_2", "row", "warn", 7, 0),
        CheckResult("whole", None, "dataset", "error", 1, 0),
    ]


def test_a_check_of_a_column_that_is_not_there_was_not_evaluated() -> None:
    counts = CheckCounts(DECLARED)
    counts.rows = 7
    assert results(counts, ["b"])["column_in_dataframe", "a", "dataset"].evaluated == 1
    counts.count_dataset("column_in_dataframe", "a", "is missing")
    found = results(counts, ["b"])
    assert found["column_in_dataframe", "a", "dataset"].evaluated == 1
    assert found["column_in_dataframe", "a", "dataset"].failed == 1
    assert found["ge", "a", "row"].evaluated == 0
    assert found["even", r"n_\d$", "row"].evaluated == 0
    added = CheckCounts(DECLARED)
    added.rows = 7
    added.columns = {"a": None, "n_3": None}
    assert results(added, ["a"])["even", "n_3", "row"].evaluated == 7


def test_failing_rows_are_added_up_with_the_first_examples() -> None:
    counts = CheckCounts(DECLARED, examples=3)
    counts.rows = 9
    counts.count_rows("ge", "a", 4, rows(1, 2))
    counts.count_rows("ge", "a", 2, rows(3, 4))
    counts.count_rows("ge", "a", 1, rows(5))
    assert results(counts)["ge", "a", "row"] == CheckResult("ge", "a", "row", "error", 9, 7, rows(1, 2, 3))
    none = CheckCounts(DECLARED, examples=0)
    none.count_rows("ge", "a", 1, rows(1))
    assert results(none)["ge", "a", "row"].examples == []


def test_long_texts_of_examples_are_cut_and_other_values_are_kept() -> None:
    counts = CheckCounts(DECLARED)
    counts.count_rows("ge", "a", 1, [{"value": "x" * 2_000, "message": "y" * 2_000, "row": 10**200}])
    (example,) = results(counts)["ge", "a", "row"].examples
    assert 50 < len(example["value"]) < 200
    assert 1_000 <= len(example["message"]) < 1_050
    assert example["row"] == 10**200
    counts.count_dataset("whole", None, "y" * 2_000)
    assert results(counts)["whole", None, "dataset"].examples == [{"message": example["message"]}]


def test_a_check_of_the_data_set_fails_once() -> None:
    counts = CheckCounts(DECLARED)
    counts.rows = 10
    for _ in range(3):
        counts.count_dataset("ge", "a", "raised ValueError: no", 2, batch=1)
    counts.count_rows("ge", "a", 1, [])
    found = results(counts)
    assert found["ge", "a", "dataset"] == CheckResult(
        "ge", "a", "dataset", "error", 1, 1, [{"batch": 1, "message": "raised ValueError: no"}]
    )
    assert (found["ge", "a", "row"].evaluated, found["ge", "a", "row"].failed) == (4, 1)
    only = CheckCounts(DECLARED)
    only.count_dataset("ge", "a", "raised")
    assert ("ge", "a", "row") not in results(only)


def test_a_failing_check_of_the_frame_names_up_to_five_columns() -> None:
    counts = CheckCounts(DECLARED)
    for name in "aabcdef":
        counts.count_dataset("whole", name, "differs")
    found = results(counts)["whole", None, "dataset"]
    assert found.failed == 1
    assert found.examples == [{"column": name, "message": "differs"} for name in "abcde"]
    other = CheckCounts(DECLARED)
    other.count_dataset("undeclared", "a", "differs")
    other.count_dataset("undeclared", "a", "differs otherwise")
    assert results(other)["undeclared", "a", "dataset"].examples == [{"message": "differs"}]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("raised ValueError: 4711 is\nsecret", "raised ValueError"),
        ("could not be evaluated: TypeError: 4711", "could not be evaluated: TypeError"),
        ("is missing: raised ValueError: x", "is missing: raised ValueError: x"),
    ],
)
def test_without_examples_no_text_of_an_exception_is_kept(message: str, shown: str) -> None:
    for examples, expected in ((0, shown), (5, message)):
        counts = CheckCounts(DECLARED, examples=examples)
        counts.count_dataset("ge", "a", message)
        assert results(counts)["ge", "a", "dataset"].examples == [{"message": expected}]


def test_severities_and_thresholds() -> None:
    counts = CheckCounts(DECLARED, Policy({"ge": "warn"}, {"ge": 0.1}))
    assert counts.severity("ge", "a") == "warn"
    assert counts.severity("even", "n_1") == "warn"
    for check, column in (("even", "m_1"), ("even", None), ("odd", "n_1"), ("whole", None)):
        assert counts.severity(check, column) == "error"
    assert results(counts)["ge", "a", "row"].threshold == 0.1
    of_a = CheckCounts(DECLARED, Policy({"a.ge": "warn"}, {"a.ge": 2}))
    assert [of_a.severity("ge", column) for column in ("a", "b")] == ["warn", "error"]
    assert results(of_a)["ge", "a", "row"].threshold == 2
    assert CheckCounts([Declared("ge", "a", of_rows=True, severity="warn")]).severity("ge", "a") == "warn"
    assert results(counts)["even", "n_1", "row"].threshold is None


def part(first: int) -> CheckCounts:
    """Return the counts of one batch."""
    counts = CheckCounts(DECLARED, examples=3)
    counts.rows, counts.quarantined, counts.governed = 10, 2, 1
    counts.columns = {"a": None, f"n_{first}": None}
    counts.count_rows("ge", "a", 2, rows(first, first + 1))
    counts.count_rows("ge", "a", 0, rows(0))
    counts.count_dataset("whole", "a", "differs", 3)
    counts.count_dataset("whole", f"n_{first}", "differs")
    return counts


def test_counts_of_several_processes_are_merged() -> None:
    whole = CheckCounts(DECLARED, examples=3)
    for first in (1, 2):
        whole.merge(json.loads(json.dumps(part(first).to_dict())))
    assert (whole.rows, whole.quarantined, whole.governed) == (20, 4, 2)
    assert list(whole.columns) == ["a", "n_1", "n_2"]
    found = results(whole, ["a"])
    assert found["ge", "a", "row"] == CheckResult("ge", "a", "row", "error", 20, 4, rows(1, 2, 0))
    assert found["whole", None, "dataset"] == CheckResult(
        "whole", None, "dataset", "error", 1, 1,
        [{"column": name, "message": "differs"} for name in ("a", "n_1", "n_2")],
    )  # fmt: skip
    assert whole.to_dict()["entries"] == [
        ["ge", "a", True, 4, 0, rows(1, 2, 0)],
        ["whole", None, False, 1, 6, found["whole", None, "dataset"].examples],
    ]


def test_merged_examples_of_the_data_set_are_five_at_most_and_none_twice() -> None:
    whole = CheckCounts(DECLARED, examples=0)
    for names in ("abc", "bcdefg"):
        one = CheckCounts(DECLARED, examples=0)
        for name in names:
            one.count_dataset("whole", name, "differs")
        whole.merge(one.to_dict())
    assert [one["column"] for one in results(whole)["whole", None, "dataset"].examples] == [*"abcde"]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        (None, "kind"),
        ({}, "kind"),
        ({"b": 1, "a": "x"}, "kind(a='x',b=1)"),
        ({"values": {3, 1, 2}}, "kind(values={1,2,3})"),
        ({"values": [3, (1, {"z": frozenset("a")})]}, "kind(values=[3,[1,z={'a'}]])"),
        ({2: "x", "10": "y"}, "kind(10='y',2='x')"),
    ],
)
def test_a_rule_as_text(parameters: Any, text: str) -> None:
    assert rule_text("kind", parameters) == text


def above(value: int, least: int, most: int = 9) -> bool:
    """Return whether a number is above another."""
    return least < value < most


class Even:
    """A check that is no function."""

    def __call__(self, value: int) -> bool:
        return value % 2 == 0

    def of(self, value: int) -> bool:
        return self(value)


(IDENTITY,) = (lambda value: value,)


def nested() -> Any:
    def inner(value: int) -> bool:
        return bool(value)

    return inner


@pytest.mark.parametrize("backend", [pandera.pandas, pandera.polars], ids=["pandas", "polars"])
def test_a_check_of_pandera_as_a_rule(backend: Any) -> None:
    check, here = backend.Check, __name__
    rules = {
        "greater_than_or_equal_to(min_value=0)": check.ge(0, name="n", error="is less"),
        "isin(allowed_values={'a','b'})": check.isin(["b", "a"]),
        "in_range(include_max=True,include_min=True,max_value=2,min_value=1)": check.in_range(1, 2),
        f"{here}.above(least=3)": check(above, least=3),
        f"{here}.above(0=1,least=3)": check(partial(above, 1, least=3), name="n"),
        f"{here}.above(0=1,least=3,most=4)": check(partial(above, 1, most=4), least=3),
        f"{here}.Even(k=1)": check(Even(), k=1),
        f"{here}.Even": check(partial(Even())),
        f"{here}.Even.of": check(Even().of),
        "builtins.abs": check(abs),
        "named(k=1)": check(lambda value, k: value > k, name="named", k=1),
        "<lambda>": check(lambda value: value),
        "within": check(nested(), name="within"),
        "inner": check(nested()),
        "of_module": check(IDENTITY, name="of_module"),
    }
    assert [rule_of(one) for one in rules.values()] == [*rules]


class _Plain:
    def __repr__(self) -> str:
        return "<Plain object at 0X7fA03>"


def test_no_address_is_part_of_a_rule() -> None:
    assert rule_text("kind", {"a": _Plain()}) == "kind(a=<Plain object>)"


def result(check: str, column: str | None) -> CheckResult:
    return CheckResult(check, column, "row", "error", 1, 0)


def test_rules_are_told_apart_by_column_kind_and_place() -> None:
    declared = [
        Declared("one", "a", of_rows=True, rule="f"),
        Declared("two", "a", of_rows=True, rule="f"),
        Declared("three", "a", of_rows=True, rule="f"),
        Declared("one", "b", of_rows=True, rule="f"),
        Declared("of_all", None, of_rows=True, rule="g(1)"),
        Declared("each", r"n_", of_rows=True, regex=True, rule="h"),
    ]
    pairs = [("one", "a"), ("two", "a"), ("three", "a"), ("one", "b"), ("of_all", "c"), ("each", "n_1"),
             ("each", "n_2"), ("each", None), ("other", "n_1")]  # fmt: skip
    found = identified([result(*pair) for pair in pairs], declared)
    assert len({one.rule_id for one in found}) == len(pairs)
    # The names of checks are no part of it.
    renamed = identified(
        [result(f"{check}!", column) for check, column in pairs[:-2]],
        [replace(one, check=f"{one.check}!") for one in declared],
    )
    assert [one.rule_id for one in renamed] == [one.rule_id for one in found[:-2]]
    assert [one.rule_id for one in identified([result("x", "a")], [])] == [
        one.rule_id for one in identified([result("y", "a")], [Declared("y", "a", of_rows=True, rule="x")])
    ]


@pytest.mark.parametrize(
    ("check", "rule", "column", "dimension"),
    [
        ("not_nullable", "", "a", "completeness"),
        ("volume", "volume(1)", None, "completeness"),
        ("volume", "mine.other", "a", "validity"),
        ("volume", "mine.other", None, "consistency"),
        ("mine", "mine", "a", "validity"),
        ("mine", "mine", None, "consistency"),
    ],
)
def test_a_check_with_the_name_of_another_kind_has_its_own_dimension(
    check: str, rule: str, column: str | None, dimension: str
) -> None:
    declared = Declared(check, column, of_rows=True, rule=rule)
    (found,) = identified([result(check, column)], [declared])
    assert found.dimension == dimension
