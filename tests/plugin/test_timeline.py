"""Which rows of which days are the same model, and how gaps and unknown prices are told."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from helpers.stores import model_row, nth_day, refused_record

PRICE = "output_token_price"


def uid(text: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, text))


def steps(page: Any, model: str, field: str = PRICE) -> list[tuple[str | None, bool]]:
    (series,) = page.api("history", models=model, fields=field)["series"]
    return [(value, on_file) for _, value, on_file in series["steps"]]


@pytest.mark.long
def test_a_new_id_under_the_same_name_is_the_same_model(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", model_id=uid("one"), output_token_price="1"))
    builder.file(1, model_row("a", model_id=uid("two"), output_token_price="2"))
    page = serve(builder.root)
    for asked in ("a", uid("one"), uid("two")):
        assert steps(page, asked) == [("1", True), ("2", True)]
    found = page.api("model", model="a")
    assert (found["first_seen"], found["days_on_file"]) == (nth_day(0).isoformat(), 2)
    assert page.api("models")["items"][0]["change"] == {"pct": 100.0, "new": False, "old": "1"}
    assert page.api("overview")["movers"]["up_total"] == 1


@pytest.mark.long
def test_a_new_name_under_the_same_id_is_the_same_model(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", model_id=uid("one"), output_token_price="1"))
    builder.file(1, model_row("b", model_id=uid("one"), output_token_price="2"))
    page = serve(builder.root)
    for asked in ("a", "b", uid("one")):
        assert steps(page, asked) == [("1", True), ("2", True)]
    assert page.api("model", model="a")["model"]["name"] == "b"


def test_ids_of_another_wire_shape_are_followed_by_name(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", output_token_price="1"), model_row("b", output_token_price="5"))
    builder.file(
        1,
        model_row("a", model_id=uid("x"), output_token_price="2"),
        model_row("b", model_id=uid("y")),
        shape="openai",
    )
    page = serve(builder.root)
    assert steps(page, "a") == [("1", True), ("2", True)]
    assert steps(page, "b") == [("5", True), (None, True)]  # on file, and its price not published
    assert page.api("status")["wire_shape"] == "openai"


@pytest.mark.long
def test_two_models_of_one_name_are_told_apart(builder: Any, serve: Any) -> None:
    for number in range(2):
        builder.file(
            number,
            model_row("a", model_id=uid("one"), output_token_price=f"{1 + number}"),
            model_row("a", model_id=uid("two"), output_token_price=f"{10 + number}"),
        )
    page = serve(builder.root)
    assert steps(page, uid("one")) == [("1", True), ("2", True)]
    assert steps(page, uid("two")) == [("10", True), ("11", True)]
    for route, params in (("model", {"model": "a"}), ("history", {"models": "a", "fields": PRICE})):
        status, error = page.problem(route, **params)
        assert (status, error["kind"]) == (422, "invalid")
        assert uid("one") in error["message"]
        assert uid("two") in error["message"]
    items = page.api("models")["items"]
    assert [item["change"]["old"] for item in sorted(items, key=lambda item: item["prices"][PRICE])] == [
        "10",
        "1",
    ]


@pytest.mark.long
def test_a_name_that_becomes_shared_stays_with_who_had_it(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", model_id=uid("one"), output_token_price="1"))
    builder.file(
        1,
        model_row("a", model_id=uid("one"), output_token_price="2"),
        model_row("a", model_id=uid("two"), output_token_price="9"),
    )
    builder.file(2, model_row("a", model_id=uid("one"), output_token_price="3"))
    page = serve(builder.root)
    assert steps(page, uid("one")) == [("1", True), ("2", True), ("3", True)]
    assert steps(page, uid("two")) == [(None, False), ("9", True), (None, False)]
    assert steps(page, "a") == steps(page, uid("one"))  # the other one is gone


@pytest.mark.long
@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_model_in_quarantine_is_not_told_to_be_removed(builder: Any, serve: Any, is_damaged: bool) -> None:
    builder.file(0, *(model_row(name) for name in ("kept", "gone", "hidden")))
    builder.file(1, model_row("kept"), refused=[refused_record("hidden")])
    if is_damaged:
        (path,) = builder.root.glob(f"quarantine/*{nth_day(1)}/*.parquet")
        builder.damage(path)
    page = serve(builder.root)
    expected = {name: None if is_damaged else name == "hidden" for name in ("gone", "hidden")}
    assert {one["name"]: one["in_quarantine"] for one in page.api("models")["removed"]} == expected
    for name, is_refused in (expected | {"kept": False}).items():
        assert page.api("model", model=name)["in_quarantine"] is is_refused
        assert page.api("model", model=name, date=nth_day(0).isoformat())["in_quarantine"] is False


@pytest.mark.long
def test_a_name_that_passes_to_another_id_leaves_each_id_its_days(builder: Any, serve: Any) -> None:
    """Both have it for a day, on which the changes know them by their ids."""
    old, new = uid("old"), uid("new")
    days = [{old: "5"}, {old: "0", new: "7"}, {new: "8"}]
    for number, prices in enumerate(days):
        rows = [model_row("n", model_id=model, output_token_price=price) for model, price in prices.items()]
        builder.file(number, *rows, changes=True)
    page = serve(builder.root)
    assert steps(page, old) == [("5", True), ("0", True), (None, False)]
    assert steps(page, new) == [(None, False), ("7", True), ("8", True)]
    assert steps(page, "n") == steps(page, new)
    day = nth_day(1).isoformat()
    doubtful = {model["model_id"]: model["doubtful"] for model in page.api("models", date=day)["items"]}
    assert doubtful == {old: [PRICE], new: []}
    traffic = [{"model": model, "output": 1_000_000} for model in (old, new)]
    (now, *_) = page.post("costs", {"traffic": traffic, "date": day}).json()["bills"]
    assert (now["total"], [one["reason"] for one in now["unknown"]]) == ("7", ["a doubtful 0"])
    assert builder.store.cost(new, when=nth_day(1), output_tokens=1_000_000) == 7


@pytest.mark.long
def test_models_that_swap_names_are_who_their_names_say(builder: Any, serve: Any) -> None:
    builder.file(
        0,
        model_row("a", model_id=uid("1"), output_token_price="1"),
        model_row("b", model_id=uid("2"), output_token_price="2"),
    )
    builder.file(
        1,
        model_row("a", model_id=uid("2"), output_token_price="3"),
        model_row("b", model_id=uid("1"), output_token_price="4"),
    )
    page = serve(builder.root)
    assert steps(page, "a") == [("1", True), ("3", True)]
    assert steps(page, "b") == [("2", True), ("4", True)]


@pytest.mark.long
def test_absent_not_published_and_free_are_three_things(builder: Any, serve: Any) -> None:
    always = model_row("z", output_token_price="1")
    for number, price in enumerate(["1", None, "gone", "0", "0", "0.50"]):
        rows = [always] if price == "gone" else [always, model_row("a", output_token_price=price)]
        builder.file(number, *rows)
    page = serve(builder.root)
    assert steps(page, "a") == [("1", True), (None, True), (None, False), ("0", True), ("0.5", True)]
    item = next(item for item in page.api("models")["items"] if item["name"] == "a")
    assert item["spark"] == [[25, "1"], [26, None], [28, "0"], [30, "0.5"]]
    free = next(
        item for item in page.api("models", date=nth_day(4).isoformat())["items"] if item["name"] == "a"
    )
    assert free["doubtful"] == [PRICE]
    assert free["change"] == {"pct": -100.0, "new": False, "old": "1"}
    found = page.api("model", model="a")
    assert found["days_on_file"] == 5
    gone = page.api("model", model="a", date=nth_day(2).isoformat())
    assert (gone["date"], gone["as_of"], gone["days_on_file"]) == (
        nth_day(2).isoformat(),
        nth_day(1).isoformat(),
        2,
    )
    assert gone["series"][PRICE][-1] == [nth_day(2).isoformat(), None, False]
    assert gone["model"]["prices"][PRICE] is None


def test_a_free_model_that_never_cost_anything_is_not_doubtful(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", output_token_price="0"), model_row("b"))
    builder.file(1, model_row("a", output_token_price="0"), model_row("b", output_token_price="0"))
    for item in serve(builder.root).api("models")["items"]:
        assert item["doubtful"] == []


def test_a_zero_up_to_thirty_days_after_an_unreadable_day_is_doubtful(builder: Any, serve: Any) -> None:
    for number, free in enumerate(["0", "1", "0"]):
        builder.file(number, model_row("a", output_token_price=free), model_row("b", output_token_price="2"))
    builder.file(31, model_row("a", output_token_price="0"))
    builder.file(32, model_row("a", output_token_price="0"))
    builder.damage(builder.models_file(1))
    page = serve(builder.root)

    def doubtful(number: int) -> list[str]:
        items = page.api("models", date=nth_day(number).isoformat())["items"]
        return [item["name"] for item in items if item["doubtful"]]

    assert [doubtful(number) for number in (0, 2, 31, 32)] == [[], ["a"], ["a"], []]


@pytest.mark.long
def test_a_model_is_not_on_file_before_it_came(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("z"))
    builder.file(1, model_row("z"), model_row("a"))
    page = serve(builder.root)
    status, error = page.problem("model", model="a", date=nth_day(0).isoformat())
    assert (status, error["kind"]) == (404, "not_on_file")
    assert nth_day(1).isoformat() in error["message"]
    assert [item["change"]["new"] for item in page.api("models")["items"]] == [True, False]


@pytest.mark.long
def test_prices_and_quotas_keep_every_digit(builder: Any, serve: Any) -> None:
    price, quota = "12345678901234567890.123456789012345678", 9_007_199_254_740_993
    builder.file(0, model_row("a", output_token_price=price, chat_daily_quota_tier_1=quota))
    page = serve(builder.root)
    assert page.api("models")["items"][0]["prices"][PRICE] == price
    assert steps(page, "a") == [(price, True)]
    assert steps(page, "a", "chat_daily_quota_tier_1") == [(str(quota), True)]
    assert str(quota).encode() in page.get("api/models").body


@pytest.mark.long
@pytest.mark.parametrize("size", [0, 2**53, 2**53 + 1, 2**63 - 1])
def test_an_integer_that_javascript_would_round_is_text(builder: Any, serve: Any, size: int) -> None:
    names = ("max_tokens", "context_window", "chat_daily_quota_tier_1")
    builder.file(0, model_row("a", **dict.fromkeys(names, size)))
    page = serve(builder.root)
    shown = size if size <= 2**53 else str(size)
    (item,) = page.api("models")["items"]
    assert [item["max_tokens"], item["context_window"], item["quotas"][names[2]]] == [shown] * 3
    found = page.api("model", model="a")["model"]
    assert [found["max_tokens"], found["context_window"], found["quotas"][names[2]]] == [shown] * 3


@pytest.mark.long
def test_access_tiers_over_time(builder: Any, serve: Any) -> None:
    tier = "min_access_tier"
    for number, said in enumerate(["standard", "standard", "tier.100", None, "professional"]):
        builder.file(number, model_row("a", min_access_tier=said), *([model_row("b")] if number < 2 else []),
                   shape="openai", changes=True)  # fmt: skip
    page = serve(builder.root)
    assert steps(page, "a", tier) == [
        ("standard", True), ("tier.100", True), (None, True), ("professional", True),
    ]  # fmt: skip
    assert steps(page, "b", tier) == [(None, True), (None, False)]
    (item,) = page.api("models")["items"]
    assert item[tier] == "professional"
    found = page.api("model", model="a")["model"]
    assert found[tier] == "professional"
    assert tier not in {fact["column"] for fact in found["facts"]}
    both = page.api("history", models="a", fields=[tier, "chat_daily_quota_tier_1"])["series"]
    assert [series["field"] for series in both] == [tier, "chat_daily_quota_tier_1"]


def test_what_the_live_api_says_of_a_model_is_among_its_facts(builder: Any, serve: Any) -> None:
    builder.file(
        0,
        model_row("a", display_name="A!", supports_tools=True, supports_reasoning=True,
                  input_modalities=["text"], avg_latency_ms_per_day=812.25, supports_attestation=False),
        shape="openai",
    )  # fmt: skip
    found = serve(builder.root).api("model", model="a")["model"]
    assert found["capabilities"] == ["reasoning", "tools"]
    facts = {fact["column"]: (fact["value"], fact["unit"]) for fact in found["facts"]}
    assert facts["avg_latency_ms_per_day"] == (812.25, "ms")
    assert facts["display_name"] == ("A!", None)
    assert facts["input_modalities"] == (["text"], None)


@pytest.mark.long
def test_a_first_snapshot_has_nothing_to_be_compared_with(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a", output_token_price="1"), changes=True)
    page = serve(builder.root)
    found = page.api("overview", days=30)
    assert found["previous_date"] is None
    assert found["movers"] == {"since": None, "up": [], "down": [], "up_total": 0, "down_total": 0}
    assert found["price_changes"] == {"total": 0, "up": 0, "down": 0}
    models = page.api("models")
    assert models["then_date"] is None
    assert models["items"][0]["change"] == {"pct": None, "new": False, "old": None}


@pytest.mark.long
def test_movers_from_free_have_no_percentage_and_come_last(builder: Any, serve: Any) -> None:
    builder.file(
        0,
        model_row("a", output_token_price="0"),
        model_row("b", output_token_price="1"),
        model_row("c", output_token_price="5"),
    )
    builder.file(
        1, model_row("a", output_token_price="3"), model_row("b", output_token_price="1.1"), model_row("c")
    )
    found = serve(builder.root).api("overview")["movers"]
    assert [(mover["name"], mover["pct"]) for mover in found["up"]] == [("b", 10.0), ("a", None)]
    assert found["down"] == []  # from published to not published is no price cut


def test_capabilities_and_developer(builder: Any, serve: Any) -> None:
    builder.file(
        0,
        model_row("org/a", enable_api_chat_completions=True, supports_images_input=False, tool_support="yes"),
        model_row(
            "b", developer="Vendor", supports_prompt_cache=True, enable_audio_tts=True, tool_support="no"
        ),
        model_row("c"),
    )
    items = {item["name"]: item for item in serve(builder.root).api("models")["items"]}
    assert (items["org/a"]["developer"], items["org/a"]["capabilities"]) == ("org", ["chat", "tools"])
    assert (items["b"]["developer"], items["b"]["capabilities"]) == (
        "Vendor",
        ["text to speech", "prompt cache"],
    )
    assert (items["c"]["developer"], items["c"]["capabilities"]) == (None, [])


@pytest.mark.long
def test_active_is_unknown_when_nobody_publishes_a_status(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a"), model_row("b"))
    builder.file(1, model_row("a", status="inactive"), model_row("b"))
    page = serve(builder.root)
    assert page.api("overview", date=nth_day(0).isoformat())["active"] is None
    assert page.api("overview")["active"] == 0
