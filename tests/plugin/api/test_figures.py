"""What the page says of the real history, against figures reckoned from the recorded prices themselves."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from helpers.stores import model_row, nth_day
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.emulator.catalogue import PriceHistory

pytestmark = pytest.mark.long

PRICES = ("input_token_price", "output_token_price", "cache_write_token_price", "cache_read_token_price")
LAST = date(2026, 6, 30)


@pytest.fixture(scope="module")
def recorded() -> dict[date, dict[str, dict[str, Fraction | None]]]:
    """Prices by day, model and column, straight from the recording."""

    def number(text: str | None) -> Fraction | None:
        return None if text is None else Fraction(text)

    return {
        state.date: {
            entry.id: {price: number(getattr(entry, price)) for price in PRICES} for entry in state.models
        }
        for state in PriceHistory.load().states
    }


def exact(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def test_the_known_figures_of_the_last_day(real: Any) -> None:
    found = real.api("overview", days=1)
    assert (found["date"], found["previous_date"]) == ("2026-06-30", "2026-06-29")
    assert found["models"] == 26
    assert found["price_changes"] == {"total": 30, "up": 16, "down": 14}
    assert found["repriced"] == {"models": 10, "dearer": 5, "cheaper": 4, "both": 1}
    largest = found["largest"]
    assert (largest["name"], largest["field"]) == ("openai/gpt-oss-120b", "output_token_price")
    assert (largest["old_value"], largest["new_value"]) == ("0.562", "0.68")
    assert round(largest["pct"], 1) == 21.0
    assert found["medians"] == {"output": "2.4", "input": "0.5635"}
    assert found["price_index"]["then_date"] == "2026-05-29"  # what was in force on 31 May
    assert (found["movers"]["up_total"], found["movers"]["down_total"]) == (6, 5)
    assert found["movers"]["since"] == "2026-06-29"
    assert found["warnings"] == []


def test_a_doubtful_zero_is_not_the_largest_move(real: Any) -> None:
    # GLM-4.5-Air read 0 for one day, which is -100 %.
    found = real.api("overview", date="2026-05-26")
    assert found["largest"]["doubtful"] is None
    assert found["largest"]["new_value"] != "0"
    moved = {
        (one["field"], one["old_value"] == "0", one["new_value"] == "0"): one["doubtful"]
        for one in real.api("changes", start="2026-05-26", end="2026-05-27", kinds=["price_changed"])["items"]
        if one["name"] == "zai-org/GLM-4.5-Air"
    }
    assert moved["output_token_price", False, True] == "new"
    assert moved["output_token_price", True, False] == "old"


def test_the_largest_move_is_doubtful_only_without_another(builder: Any, serve: Any) -> None:
    def rows(fell: str, other: str, free: str) -> Any:
        prices = {"fell": fell, "other": other, "free": free}
        return [model_row(name, input_token_price=price) for name, price in prices.items()]

    builder.file(0, *rows("1", "2", "0"))
    builder.file(1, *rows("0", "2", "0"), changes=True)
    builder.file(2, *rows("0", "1", "4"), changes=True)
    page = serve(builder.root)
    alone = page.api("overview", date=str(nth_day(1)))
    assert (alone["largest"]["name"], alone["largest"]["doubtful"]) == ("fell", "new")
    assert page.api("overview")["largest"]["name"] == "other"
    two = page.api("overview", days=7)["movers"]
    assert [(one["name"], one["doubtful"]) for one in two["down"]] == [("other", None), ("fell", "new")]
    assert [(one["name"], one["doubtful"]) for one in two["up"]] == [("free", None)]  # it was never paid for
    (item,) = page.api("model", model="fell")["changes"]
    assert item["doubtful"] == "new"
    (series,) = page.api("history", models=["fell"], fields=["input_token_price"])["series"]
    assert series["doubtful"] == [[str(nth_day(1)), None]]


@pytest.mark.parametrize(
    ("prices", "median"),
    [
        (["99999999999999999999.999999999999999999", "0.000000000000000001"], "50000000000000000000"),
        (["99999999999999999999.999999999999999999"], "99999999999999999999.999999999999999999"),
        (["0.000000000000000001", "0.000000000000000002"], "0.0000000000000000015"),
        (["3", "1", None, "2"], "2"),
        ([None, None], None),
    ],
)
def test_a_median_is_exact_to_the_last_digit(
    builder: Any, serve: Any, prices: list[str | None], median: str | None
) -> None:
    builder.file(
        0, *(model_row(name, output_token_price=price) for name, price in zip("abcd", prices, strict=False))
    )
    assert serve(builder.root).api("overview")["medians"]["output"] == median


def test_a_doubtful_zero_is_in_no_median(builder: Any, serve: Any) -> None:
    prices = {"fell": ("5", "0"), "free": ("0", "0"), "a": ("3", "3"), "b": ("4", "4")}
    for day in range(2):
        builder.file(day, *(model_row(name, output_token_price=of[day]) for name, of in prices.items()))
    assert serve(builder.root).api("overview")["medians"]["output"] == "3"


@pytest.mark.parametrize("day", [LAST, date(2026, 5, 26), date(2026, 2, 13)])
def test_the_index_and_the_medians_are_those_of_the_store(
    real: Any, recorded: Any, recorded_store: Path, day: date
) -> None:
    found = real.api("overview", date=day.isoformat())
    rows = SnapshotStore(recorded_store).price_index(end=day).to_pylist()
    for kind, of_kind in found["price_index"].items():
        if kind == "then_date":
            continue
        for name, since in (("day", found["previous_date"]), ("then", found["price_index"]["then_date"])):
            if since is None:
                assert of_kind[name] is None
                continue
            (then,) = [row for row in rows if row["snapshot_date"] == date.fromisoformat(since)]
            steps = [row[f"{kind}_pairs"] for row in rows if row["snapshot_date"] > then["snapshot_date"]]
            assert of_kind[name] == {
                "pct": pytest.approx(100 * (rows[-1][kind] / then[kind] - 1)),
                "pairs": min(steps),
                "most_pairs": max(steps),
            }
        if of_kind["left_out"]:
            assert sum(of_kind["left_out"].values()) == rows[-1][f"{kind}_left_out"]
        series, value = dict(of_kind["series"]), None
        for row in rows:
            value = series.get(row["snapshot_date"].isoformat(), value)
            assert value == pytest.approx(row[kind], abs=1e-4)
    zeros = SnapshotStore(recorded_store).doubtful_zeros(day, day)
    for kind, median in found["medians"].items():
        doubtful = zeros.filter(zeros["field"] == f"{kind}_token_price").height
        listed = (model[f"{kind}_token_price"] for model in recorded[day].values())
        prices = sorted(price for price in listed if price is not None)[doubtful:]
        assert exact(median) == (prices[(len(prices) - 1) // 2] + prices[len(prices) // 2]) / 2


def test_what_the_index_leaves_out_is_counted_by_reason(builder: Any, serve: Any) -> None:
    def row(name: str, first: str | None, second: str | None = "1") -> Any:
        return model_row(name, input_token_price=first, output_token_price=second)

    builder.file(0, row("a", "1"), row("free", "0"), row("gone", "1"))
    first, second = (row("fell", "5"), row("late", "2")), (row("fell", "0"), row("late", "0"))
    builder.file(40, row("a", "1"), row("free", "0"), row("unknown", None), *first)
    builder.file(41, row("a", "2"), row("free", "0"), row("unknown", "1"), *second)
    builder.file(71, row("a", "2"), row("free", "0"), row("unknown", "1"), row("fell", "0"), row("late", "3"))
    page = serve(builder.root)
    index = page.api("overview", date=str(nth_day(41)))["price_index"]
    assert index["input"]["day"] == {"pct": pytest.approx(100), "pairs": 1, "most_pairs": 1}
    assert index["input"]["left_out"] == {"not_published": 1, "doubtful": 2, "free": 1}
    assert index["output"]["left_out"] == {"not_published": 0, "doubtful": 0, "free": 0}
    assert index["blended"]["left_out"] == index["input"]["left_out"]
    # On day 71 the last positive price of `fell` is 31 days old: it is free now, and was doubtful on day 41.
    later = page.api("overview")["price_index"]["input"]
    assert later["left_out"] == {"not_published": 0, "doubtful": 2, "free": 1}
    doubtful = {model["name"]: model["doubtful"] for model in page.api("models")["items"]}
    assert doubtful["fell"] == []
    earlier = page.api("models", date=str(nth_day(41)))["items"]
    assert {model["name"] for model in earlier if model["doubtful"]} == {"fell", "late"}


@pytest.mark.parametrize("days", [1, 7, 30])
def test_movers_are_those_of_the_recording(real: Any, recorded: Any, days: int) -> None:
    found = real.api("overview", days=days)["movers"]
    since = max(when for when in recorded if when <= LAST - timedelta(days=days))
    assert found["since"] == since.isoformat()
    best: dict[tuple[str, str], Fraction] = {}
    for name, now in recorded[LAST].items():
        for price in PRICES:
            old, new = recorded[since].get(name, {}).get(price), now[price]
            if old and new is not None and old != new:
                key = (name, "up" if new > old else "down")
                best[key] = max(best.get(key, Fraction(0)), abs(new - old) / old)
    for way in ("up", "down"):
        expected = sorted((-size, name) for (name, direction), size in best.items() if direction == way)
        assert found[f"{way}_total"] == len(expected)
        assert [mover["name"] for mover in found[way]] == [name for _, name in expected[:8]]
        assert [abs(mover["pct"]) for mover in found[way]] == pytest.approx(
            [float(-size * 100) for size, _ in expected[:8]]
        )


def test_models_carry_the_prices_of_the_day_as_text(real: Any, recorded: Any) -> None:
    for when in (LAST, date(2026, 5, 26), date(2026, 2, 13)):
        found = real.api("models", date=when.isoformat())
        assert found["total"] == len(found["items"]) == len(recorded[when])
        assert [item["name"] for item in found["items"]] == sorted(recorded[when])
        for item in found["items"]:
            prices = item["prices"]
            assert all(value is None or isinstance(value, str) for value in prices.values())
            assert {price: exact(prices[price]) for price in PRICES} == recorded[when][item["name"]]
            assert not any(
                value and ("e" in value.lower() or value.endswith(".")) for value in prices.values()
            )
            assert not any(value and "." in value and value.endswith("0") for value in prices.values())


def test_a_change_over_thirty_days_is_that_of_the_recording(real: Any, recorded: Any) -> None:
    found = real.api("models")
    then = date.fromisoformat(found["then_date"])
    assert then == max(when for when in recorded if when <= LAST - timedelta(days=30))
    earlier = {name for when, models in recorded.items() if when <= then for name in models}
    for item in found["items"]:
        old = recorded[then].get(item["name"], {}).get("output_token_price")
        new = recorded[LAST][item["name"]]["output_token_price"]
        change = item["change"]
        assert exact(change["old"]) == old
        assert change["new"] == (item["name"] not in earlier)
        if old and new is not None:
            assert change["pct"] == pytest.approx(float((new - old) / old * 100))
        else:
            assert change["pct"] is None


def test_steps_tell_every_day_of_the_recording(real: Any, recorded: Any) -> None:
    names = sorted({name for models in recorded.values() for name in models})
    for start in range(0, len(names), 10):
        wanted = names[start : start + 10]
        found = real.api("history", models=wanted, fields=list(PRICES))
        assert found["dates"] == [when.isoformat() for when in recorded]
        assert len(found["series"]) == len(wanted) * len(PRICES)
        for series in found["series"]:
            steps = {date.fromisoformat(when): (exact(value), on) for when, value, on in series["steps"]}
            assert series["before"] is None
            assert min(steps) == min(recorded)
            state: tuple[Fraction | None, bool] = (None, False)
            changes = -1
            for when, models in recorded.items():
                was, state = state, steps.get(when, state)
                changes += was != state
                on_file = series["name"] in models
                assert state == (models[series["name"]][series["field"]] if on_file else None, on_file)
            assert len(steps) <= changes + 2  # a step for each change, and the first


def test_a_range_starts_with_what_held_and_names_what_was_before(real: Any) -> None:
    model, field = "openai/gpt-oss-120b", "output_token_price"
    whole = real.api("history", models=model, fields=field)["series"][0]["steps"]
    found = real.api("history", models=model, fields=field, start="2026-06-07", end="2026-06-15")
    assert (found["start"], found["end"]) == ("2026-06-07", "2026-06-15")
    assert found["dates"][0] == "2026-06-08"
    assert found["dates"][-1] == "2026-06-14"
    steps, before = found["series"][0]["steps"], found["series"][0]["before"]
    held = [step for step in whole if step[0] <= "2026-06-08"][-1]
    assert steps[0] == ["2026-06-08", *held[1:]]
    assert before == [step for step in whole if step[0] < "2026-06-08"][-1]
    assert steps[1:] == [step for step in whole if "2026-06-08" < step[0] <= "2026-06-14"]


def test_sparks_are_the_last_thirty_days(real: Any, recorded: Any) -> None:
    first = LAST - timedelta(days=30)
    for item in real.api("models")["items"]:
        told = {first + timedelta(days=offset): exact(value) for offset, value in item["spark"]}
        value: Fraction | None = None
        for number in range(31):
            when = first + timedelta(days=number)
            value = told.get(when, value)
            held = max(other for other in recorded if other <= when)
            assert value == recorded[held].get(item["name"], {}).get("output_token_price"), (
                item["name"],
                when,
            )
        values = [value for _, value in item["spark"]]
        assert all(one != other for one, other in pairwise(values))


def test_changes_by_day_add_up(real: Any, recorded_store: Path) -> None:
    table = SnapshotStore(recorded_store).changes().to_pylist()
    days = real.api("changes/days")["days"]
    assert [row["date"] for row in days] == real.api("status")["dates"]
    for row in days:
        mine = [change for change in table if change["snapshot_date"].isoformat() == row["date"]]
        kinds = ("up", "down", "added", "removed", "quota", "other")
        assert sum(row[kind] for kind in kinds) == len(mine)
        assert row["added"] == sum(change["change"] == "model_added" for change in mine)
        assert row["up"] == sum(
            change["change"] == "price_changed" and change["direction"] == "up" for change in mine
        )
    assert real.api("overview")["per_day"] == days[-60:]
    status = real.api("status")
    assert status["changes"] == sum(row["snapshot_date"] == LAST for row in table) == 30


def test_changes_are_those_on_file(real: Any, recorded_store: Path) -> None:
    found = real.api("changes", start="2026-02-13", limit=5000)
    table = SnapshotStore(recorded_store).changes().to_pylist()
    newest_first = sorted(
        table,
        key=lambda row: (-row["snapshot_date"].toordinal(), row["name"], row["change"], row["field"] or ""),
    )
    keys = ("model_id", "name", "change", "field", "old_value", "new_value", "pct", "direction")
    assert [[item[key] for key in keys] for item in found["items"]] == [
        [row[key] for key in keys] for row in newest_first
    ]
    assert found["total"] == len(table)
    default = real.api("changes")
    assert (default["start"], default["end"]) == ("2026-06-17", "2026-06-30")


def test_one_model_is_told_whole(real: Any, recorded: Any, recorded_store: Path) -> None:
    name = "openai/gpt-oss-120b"
    by_name = real.api("model", model=name)
    by_id = real.api("model", model=by_name["model"]["model_id"])
    assert by_id["model"] == by_name["model"]
    on_file = [when for when, models in recorded.items() if name in models]
    assert by_name["first_seen"] == on_file[0].isoformat()
    assert by_name["last_seen"] == on_file[-1].isoformat()
    assert by_name["days_on_file"] == len(on_file)
    rows = [row for row in SnapshotStore(recorded_store).changes().to_pylist() if row["name"] == name]
    prices = [row for row in rows if row["change"] == "price_changed"]
    assert by_name["price_changes"] == len(prices)
    assert by_name["price_change_days"] == len({row["snapshot_date"] for row in prices})
    assert len(by_name["changes"]) == min(len(rows), 200)
    first = recorded[on_file[0]][name]["output_token_price"]
    now = recorded[LAST][name]["output_token_price"]
    since = by_name["since"]["output_token_price"]
    assert exact(since["first_value"]) == first
    assert since["pct"] == pytest.approx(float((now - first) / first * 100))
    known = {fact["column"] for fact in by_name["model"]["facts"]}
    assert {"description", "tags", "license", "created_at", "extra"} <= known
    assert not known & {"name", "output_token_price", "status"}


def test_a_price_that_fell_to_zero_is_doubtful_for_thirty_days(
    real: Any, recorded: Any, recorded_store: Path
) -> None:
    # 2026-05-26: GLM-4.5-Air read 0 for one day; 2026-05-15: fifteen cache-write prices fell to 0.
    def doubtful(when: str) -> set[tuple[str, str]]:
        return {
            (item["name"], price)
            for item in real.api("models", date=when)["items"]
            for price in item["doubtful"]
        }

    on_the_day = {name for name, price in doubtful("2026-05-26") if price == "output_token_price"}
    assert any("GLM-4.5-Air" in name for name in on_the_day)
    assert not any(price == "output_token_price" for _, price in doubtful("2026-05-27"))
    assert sum(price == "cache_write_token_price" for _, price in doubtful("2026-05-15")) == 15
    # The same rule as in messages and exports: for 30 days after the last positive price.
    zeros = SnapshotStore(recorded_store).doubtful_zeros(min(recorded), max(recorded))
    for day in recorded:
        rows = zeros.filter(zeros["snapshot_date"] == day).select("name", "field").rows()
        assert doubtful(day.isoformat()) == set(rows), day
