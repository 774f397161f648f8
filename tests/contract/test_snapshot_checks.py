"""Tests each snapshot check on both sides of its border, and when it is not evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from io_intelligence_provider.catalog.wire import WireShape
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.contract.records import RecordCounts
from io_intelligence_provider.contract.snapshot_checks import PreviousSnapshot, RunFacts, snapshot_checks
from io_intelligence_provider.quality.result import LONGEST_IN_EXAMPLE, CheckResult
from io_intelligence_provider.text import cut

if TYPE_CHECKING:
    import polars as pl

ERRORS = {"not_empty", "complete", "volume", "price_unit", "quarantine_share"}
WARNINGS = {"price_move", "price_to_zero", "unknown_fields", "missing_fields", "source"}


def models(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Return models from (model_id, name, input price, output price, …)."""
    import polars as pl

    price = pl.Decimal(38, 18)
    return pl.DataFrame(
        [
            {"model_id": row[0], "name": row[1]}
            | {
                column: None if amount is None else Decimal(amount)
                for column, amount in zip(PRICE_COLUMNS, (*row[2:], *[None] * 4), strict=False)
            }
            for row in rows
        ],
        schema={"model_id": pl.String, "name": pl.String, **dict.fromkeys(PRICE_COLUMNS, price)},
    )


def numbered(*prices: Any) -> pl.DataFrame:
    """Return one model per input price."""
    return models(*((f"id-{n}", f"m{n}", price) for n, price in enumerate(prices)))


def before(frame: pl.DataFrame, **changes: Any) -> PreviousSnapshot:
    return replace(PreviousSnapshot(frame, "documented", "https://host/api/v1/models", None), **changes)


@pytest.fixture
def check() -> Callable[..., CheckResult]:
    """Return a function that evaluates one check on a run of some models; ``counts`` sets its counts."""

    def evaluate(
        name: str, frame: pl.DataFrame, counts: dict[str, Any] | None = None, **facts: Any
    ) -> CheckResult:
        found = RecordCounts(WireShape.DOCUMENTED)
        found.checks.rows = frame.height
        for key, value in (counts or {}).items():
            setattr(found.checks if hasattr(found.checks, key) else found, key, value)
        run = RunFacts(
            models=frame,
            counts=found,
            **{
                "shape": WireShape.DOCUMENTED,
                "source_url": "https://host/api/v1/models",
                "received": frame.height,
                "total": frame.height,
                "max_quarantine_share": 0.1,
                "previous": None,
                **facts,
            },
        )
        return next(result for result in snapshot_checks(run) if result.check == name)

    return evaluate


def outcome_of(result: CheckResult) -> tuple[int, int]:
    return result.evaluated, result.failed


def test_severities_are_those_of_the_contract(check):
    for names, severity in ((ERRORS, "error"), (WARNINGS, "warn")):
        for name in names:
            result = check(name, numbered())
            assert (result.severity, result.level, result.column) == (severity, "snapshot", None)


def test_a_first_run_evaluates_nothing_that_needs_a_predecessor(check):
    for name in ("volume", "price_unit", "price_move", "price_to_zero", "missing_fields", "source"):
        assert outcome_of(check(name, numbered("1"))) == (0, 0), name


def test_not_empty(check):
    assert outcome_of(check("not_empty", numbered("1"))) == (1, 0)
    assert outcome_of(check("not_empty", numbered())) == (1, 1)


def test_what_the_examples_say(check):
    assert check("not_empty", numbered()).examples == [{"message": "the snapshot would hold no model at all"}]
    incomplete = check("complete", numbered("1"), received=1, total=2, on_two_pages=("i" * 1_000,))
    (example,) = incomplete.examples
    assert (example["received"], example["total"]) == (1, 2)
    assert example["on_two_pages"] == [cut("i" * 1_000, LONGEST_IN_EXAMPLE)]
    share = check("quarantine_share", numbered("1"), {"rows": 4, "quarantined": 3}, max_quarantine_share=0.5)
    assert share.examples == [{"share": 0.75, "max_quarantine_share": 0.5}]
    unreadable = check("previous_unreadable", numbered("1"), unreadable="why " * 1_000)
    assert (unreadable.severity, outcome_of(unreadable)) == ("warn", (1, 1))
    (example,) = unreadable.examples
    assert example["message"].startswith("why why")
    assert len(example["message"]) < 3_000


def test_the_middle_ratio_is_that_of_the_prices_in_order_of_their_ratios(check):
    """Three prices are as before and two 200 times as high, whatever their size."""
    old, new = numbered("0.3", "0.2", "30", "0.3", "0.4"), numbered("0.3", "40", "30", "60", "0.4")
    assert outcome_of(check("price_unit", new, previous=before(old))) == (1, 0)
    higher = numbered("60", "40", "30", "60", "0.4")
    result = check("price_unit", higher, previous=before(old))
    assert result.examples == [{"median_ratio": 200, "prices": 5}]


def test_prices_of_an_example_are_plain_numbers(check):
    result = check("price_move", numbered("100", "0.5"), previous=before(numbered("10", "0.10")))
    shown = [(example["old_value"], example["new_value"]) for example in result.examples]
    assert shown == [("10", "100"), ("0.1", "0.5")]


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"fields": ("a", "b")}, ["b"]),
        ({"fields": None}, []),
        ({"fields": ("a", "b"), "wire_shape": "openai"}, []),
        ({"fields": None, "wire_shape": "openai"}, []),
    ],
)
def test_fields_are_missing_where_both_days_have_the_shape_and_say_them(check, changes, missing):
    earlier = before(numbered("1"), **changes)
    result = check("missing_fields", numbered("1"), {"fields": {"a"}}, previous=earlier)
    assert [example["field"] for example in result.examples] == missing
    assert outcome_of(result)[1] == len(missing)


@pytest.mark.parametrize(
    ("received", "total", "found"),
    [(2, 2, (1, 0)), (1, 2, (1, 1)), (3, 2, (1, 1)), (5, None, (0, 0)), (0, 0, (1, 0))],
)
def test_complete(check, received, total, found):
    assert outcome_of(check("complete", numbered(), received=received, total=total)) == found


@pytest.mark.parametrize(
    ("served", "valid", "limit", "found"),
    [
        (10, 9, 0.1, (1, 0)),
        (10, 8, 0.1, (1, 1)),
        (30, 27, 0.1, (1, 0)),
        (10, 10, 0.0, (1, 0)),
        (10, 9, 0.0, (1, 1)),
        (10, 0, 1.0, (1, 0)),
        (10, 0, 0.999, (1, 1)),
        (0, 0, 0.0, (0, 0)),
    ],
)
def test_quarantine_share(check, served, valid, limit, found):
    counts = {"rows": served, "quarantined": served - valid}
    assert outcome_of(check("quarantine_share", numbered("1"), counts, max_quarantine_share=limit)) == found


class TestVolume:
    def test_half_may_vanish_and_no_more(self, check):
        previous = before(numbered(*"1111"))
        assert outcome_of(check("volume", numbered("1", "1"), previous=previous)) == (1, 0)
        result = check("volume", numbered("1"), previous=previous)
        assert outcome_of(result) == (1, 1)
        assert result.examples == [{"vanished": 3, "previous": 4, "names": ["m1", "m2", "m3"]}]

    def test_of_an_odd_number_the_smaller_half_may(self, check):
        previous = before(numbered(*"111"))
        assert outcome_of(check("volume", numbered("1", "1"), previous=previous)) == (1, 0)
        assert outcome_of(check("volume", numbered("1"), previous=previous)) == (1, 1)

    @pytest.mark.parametrize("how", [{"refused_ids": {"id-1", "id-0"}}, {"refused_names": {"m1", "m2"}}])
    def test_quarantined_models_have_not_vanished(self, check, how):
        previous = before(numbered(*"1111"))
        assert outcome_of(check("volume", numbered(), how, previous=previous)) == (1, 0)

    def test_a_model_under_a_new_id_has_not_vanished(self, check):
        previous = before(models(("a", "x"), ("b", "y")))
        assert outcome_of(check("volume", models(("c", "x"), ("d", "y")), previous=previous)) == (1, 0)

    def test_a_name_of_two_models_stands_for_neither(self, check):
        previous = before(models(("a", "x"), ("b", "x"), ("c", "y")))
        assert outcome_of(check("volume", models(("d", "x"), ("e", "z")), previous=previous)) == (1, 1)

    def test_across_shapes_the_name_says_who_is_who(self, check):
        previous = before(models(("a", "x"), ("b", "y")), wire_shape="openai")
        assert outcome_of(check("volume", models(("c", "x")), previous=previous)) == (1, 0)
        assert outcome_of(check("volume", models(("c", "z")), previous=previous)) == (1, 1)

    def test_after_an_empty_snapshot_nothing_can_vanish(self, check):
        assert outcome_of(check("volume", numbered("1"), previous=before(numbered()))) == (0, 0)


class TestPriceUnit:
    @pytest.mark.parametrize(
        ("old", "new", "failed"),
        [
            ("0.07", "7", 0),
            ("0.07", "7.000000000000000001", 1),
            ("7", "0.07", 0),
            ("7", "0.069999999999999999", 1),
            ("0.000000000000000001", "99999999999999999999", 1),
            ("99999999999999999999.999999999999999999", "0.000000000000000001", 1),
            ("3", "3", 0),
        ],
    )
    def test_the_median_ratio_is_compared_exactly(self, check, old, new, failed):
        result = check("price_unit", numbered(*[new] * 5), previous=before(numbered(*[old] * 5)))
        assert outcome_of(result) == (1, failed)

    def test_fewer_than_five_positive_prices_are_not_evaluated(self, check):
        previous = before(numbered(*[1] * 4, 0, None))
        assert outcome_of(check("price_unit", numbered(*[1000] * 6), previous=previous)) == (0, 0)
        assert outcome_of(
            check("price_unit", numbered(*[1000] * 5, 0), previous=before(numbered(*[1] * 6)))
        ) == (
            1,
            1,
        )

    def test_two_of_five_may_be_wild(self, check):
        previous = before(numbered(*[1] * 5))
        assert outcome_of(check("price_unit", numbered(1, 1, 1, 5000, 5000), previous=previous)) == (1, 0)
        result = check("price_unit", numbered(1, 1, 5000, 5000, 5000), previous=previous)
        assert result.examples == [{"median_ratio": 5000.0, "prices": 5}]

    def test_of_an_even_number_the_middle_two_are_averaged(self, check):
        previous = before(numbered(*[1] * 6))
        assert outcome_of(check("price_unit", numbered(1, 1, 1, 199, 999, 999), previous=previous)) == (1, 0)
        assert outcome_of(check("price_unit", numbered(1, 1, 1, "199.01", 999, 999), previous=previous)) == (
            1,
            1,
        )

    def test_prices_of_all_columns_count(self, check):
        previous = before(models(("a", "x", 1, 1, 1, 1), ("b", "y", 1)))
        now = models(("a", "x", 200, 200, 200, 200), ("b", "y", 200))
        assert outcome_of(check("price_unit", now, previous=previous)) == (1, 1)

    def test_a_change_of_the_unit_across_shapes_is_seen(self, check):
        previous = before(models(*((f"o{n}", f"m{n}", "1") for n in range(5))), wire_shape="openai")
        assert outcome_of(check("price_unit", numbered(*["0.000001"] * 5), previous=previous)) == (1, 1)


class TestPriceMove:
    @pytest.mark.parametrize(
        ("old", "new", "failed"),
        [
            ("0.07", "0.21", 0),
            ("0.07", "0.210000000000000001", 1),
            ("0.21", "0.07", 0),
            ("0.21", "0.069999999999999999", 1),
            ("0.000000000000000001", "0.000000000000000003", 0),
            ("0.000000000000000001", "0.000000000000000004", 1),
            ("0.000000000000000003", "0.000000000000000001", 0),
            ("99999999999999999999.999999999999999999", "33333333333333333333.333333333333333333", 0),
            ("99999999999999999999.999999999999999999", "33333333333333333333.333333333333333332", 1),
            ("33333333333333333333.333333333333333333", "99999999999999999999.999999999999999999", 0),
        ],
    )
    def test_a_factor_of_exactly_three_is_no_move(self, check, old, new, failed):
        assert outcome_of(check("price_move", numbered(new), previous=before(numbered(old)))) == (1, failed)

    def test_zero_and_null_are_no_moves(self, check):
        previous = before(numbered(0, 1, None, 1))
        assert outcome_of(check("price_move", numbered(9, 0, 9, None), previous=previous)) == (0, 0)

    def test_examples_name_model_column_and_prices(self, check):
        result = check(
            "price_move",
            models(("a", "x", None, "3.50")),
            previous=before(models(("a", "x", None, "0.10"))),
        )
        assert result.examples == [
            {"name": "x", "column": "output_token_price", "old_value": "0.1", "new_value": "3.5"}
        ]

    def test_all_are_counted_and_five_are_shown(self, check):
        result = check("price_move", numbered(*[9] * 8), previous=before(numbered(*[1] * 8)))
        assert outcome_of(result) == (8, 8)
        assert len(result.examples) == 5

    def test_a_long_name_is_cut(self, check):
        long = "n" * 10_000
        result = check("price_move", models(("a", long, 9)), previous=before(models(("a", long, 1))))
        assert len(result.examples[0]["name"]) < 150


class TestPriceToZero:
    def test_a_positive_price_that_became_zero(self, check):
        previous = before(numbered("0.000000000000000001", 0, None, 1, 1))
        result = check("price_to_zero", numbered(0, 0, 0, None, "0.1"), previous=previous)
        assert outcome_of(result) == (2, 1)
        assert result.examples[0]["name"] == "m0"
        assert result.examples[0]["new_value"] == "0"

    def test_a_new_model_is_no_change(self, check):
        assert outcome_of(check("price_to_zero", models(("z", "z", 0)), previous=before(numbered(1)))) == (
            0,
            0,
        )

    def test_models_of_one_name_are_not_paired_across_shapes(self, check):
        previous = before(models(("a", "x", 1), ("b", "x", 1), ("c", "y", 1)), wire_shape="openai")
        now = models(("d", "x", 0), ("e", "y", 0), ("f", "z", 0))
        result = check("price_to_zero", now, previous=previous)
        assert outcome_of(result) == (1, 1)
        assert result.examples[0]["name"] == "y"


def test_unknown_fields(check):
    result = check("unknown_fields", numbered("1"), {"fields": {"a", "b", "c"}, "unknown": {"c", "b"}})
    assert outcome_of(result) == (3, 2)
    assert result.examples == [{"field": "b"}, {"field": "c"}]
    assert outcome_of(check("unknown_fields", numbered("1"), {"fields": {"a"}})) == (1, 0)


def test_missing_fields(check):
    previous = before(numbered("1"), fields=("a", "b", "c"))
    result = check("missing_fields", numbered("1"), {"fields": {"b", "d"}}, previous=previous)
    assert outcome_of(result) == (3, 2)
    assert result.examples == [{"field": "a"}, {"field": "c"}]
    assert outcome_of(check("missing_fields", numbered("1"), {"fields": set("abc")}, previous=previous)) == (
        3,
        0,
    )
    for unknown in (replace(previous, fields=None), replace(previous, wire_shape="openai")):
        assert outcome_of(check("missing_fields", numbered("1"), previous=unknown)) == (0, 0)


@pytest.mark.parametrize(
    ("url", "failed"),
    [
        ("https://host/api/v1/models", 0),
        ("https://host/prefix/api/v1/models", 0),
        ("http://host/api/v1/models", 0),
        ("https://other/api/v1/models", 1),
        ("https://host:8443/api/v1/models", 1),
    ],
)
def test_source(check, url, failed):
    result = check("source", numbered("1"), source_url=url, previous=before(numbered("1")))
    assert outcome_of(result) == (1, failed)


def test_source_does_not_show_what_stands_before_an_at_sign(check):
    previous = before(numbered("1"), source_url="https://a@b:secret@before/api/v1/models")
    result = check("source", numbered("1"), source_url="https://user@now/api/v1/models", previous=previous)
    assert result.examples == [{"old_value": "before", "new_value": "now"}]
