"""The changes route: what filters rows, what filters models, what is counted as hidden."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from helpers.stores import model_row, nth_day
from io_intelligence_provider.store.layout import changes_path

pytestmark = pytest.mark.long


@pytest.fixture
def page(builder: Any, serve: Any) -> Any:
    """Two days: a moved a little and much, b a little, c came, d's quota moved, e got its first price."""
    builder.file(
        0,
        model_row("org/a", output_token_price="100", input_token_price="100"),
        model_row("org/b", output_token_price="100"),
        model_row("d", chat_daily_quota_tier_1=10),
        model_row("e"),
        changes=True,
    )
    builder.file(
        1,
        model_row("org/a", output_token_price="150", input_token_price="99"),
        model_row("org/b", output_token_price="102"),
        model_row("org/c"),
        model_row("d", chat_daily_quota_tier_1=20),
        model_row("e", output_token_price="7"),
        changes=True,
    )
    return serve(builder.root)


def test_access_tiers_and_keys_of_extra(builder: Any, serve: Any) -> None:
    for number, (tier, extra) in enumerate(
        [("standard", '{"a": 1}'), ("professional", '{"a": 2, "b.c": 1}')]
    ):
        builder.file(number, model_row("m", min_access_tier=tier, extra=extra), changes=True)
    page = serve(builder.root)
    assert told(page.api("changes", kinds=["quota_changed", "access_changed"])) == [
        ("m", "min_access_tier", True)
    ]
    assert told(page.api("changes", fields=["extra.a", "extra.b.c"])) == [
        ("m", "extra.a", True),
        ("m", "extra.b.c", True),
    ]
    assert told(page.api("changes", fields="extra.z")) == []
    newest = page.api("changes/days")["days"][-1]
    assert (newest["date"], newest["quota"], newest["other"]) == (nth_day(1).isoformat(), 1, 2)
    (event,) = page.api("overview")["events"]
    assert (event["change"], event["new_value"]) == ("access_changed", "professional")


def told(found: Any) -> list[tuple[str, str | None, bool]]:
    return [(item["name"], item["field"], item["passes"]) for item in found["items"]]


def test_all_of_them(page: Any) -> None:
    found = page.api("changes")
    assert told(found) == [
        ("d", "chat_daily_quota_tier_1", True),
        ("e", "output_token_price", True),
        ("org/a", "input_token_price", True),
        ("org/a", "output_token_price", True),
        ("org/b", "output_token_price", True),
        ("org/c", None, True),
    ]
    newest, first = found["days"]
    assert newest == {
        "date": nth_day(1).isoformat(),
        "previous_date": nth_day(0).isoformat(),
        "changes": 6,
        "price_changes": 4,
        "up": 2,
        "down": 1,
        "shown": 6,
        "hidden": 0,
    }
    assert (first["date"], first["previous_date"], first["changes"]) == (nth_day(0).isoformat(), None, 0)


def test_a_model_stays_whole_when_one_of_its_changes_passes(page: Any) -> None:
    found = page.api("changes", min_pct=10)
    assert told(found) == [
        ("d", "chat_daily_quota_tier_1", True),
        ("e", "output_token_price", True),  # no percentage passes every threshold
        ("org/a", "input_token_price", False),
        ("org/a", "output_token_price", True),
        ("org/c", None, True),
    ]
    assert (found["total"], found["days"][0]["shown"], found["days"][0]["hidden"]) == (5, 5, 1)


def test_a_fall_counts_by_its_size(page: Any, builder: Any) -> None:
    builder.file(2, model_row("org/b", output_token_price="51"), changes=True)
    found = page.api("changes", start=nth_day(2).isoformat(), min_pct=50, kinds="price_changed")
    assert told(found) == [("org/b", "output_token_price", True)]
    assert (
        page.api("changes", start=nth_day(2).isoformat(), min_pct=50.1, kinds="price_changed")["total"] == 0
    )


def test_direction_is_asked_of_each_row(page: Any) -> None:
    found = page.api("changes", direction="down")
    assert told(found) == [("org/a", "input_token_price", True), ("org/a", "output_token_price", False)]
    assert found["days"][0]["hidden"] == 4


def test_what_filters_rows_hides_nothing(page: Any) -> None:
    found = page.api("changes", kinds=["price_changed"], fields=["output_token_price"], min_pct=10)
    assert [name for name, *_ in told(found)] == ["e", "org/a"]
    assert found["days"][0]["hidden"] == 1
    assert found["days"][0]["changes"] == 6
    assert [name for name, *_ in told(page.api("changes", kinds=["model_added", "quota_changed"]))] == [
        "d",
        "org/c",
    ]


@pytest.mark.parametrize("sought", ["ORG/", "org/"])
def test_search_is_by_part_of_the_name_in_any_case(page: Any, sought: str) -> None:
    found = page.api("changes", q=sought)
    assert {name for name, *_ in told(found)} == {"org/a", "org/b", "org/c"}
    assert page.api("changes", q="nothing like it")["items"] == []
    assert page.api("changes", q=".*")["items"] == []
    model_id = found["items"][0]["model_id"]
    assert {name for name, *_ in told(page.api("changes", q=model_id[3:15].upper()))} == {"org/a"}
    assert page.api("changes", q=model_id[:1] + "-")["items"] == []


def test_one_model(page: Any) -> None:
    found = page.api("changes", model="org/a")
    assert {name for name, *_ in told(found)} == {"org/a"}
    model_id = found["items"][0]["model_id"]
    assert page.api("changes", model=model_id)["items"] == found["items"]
    assert page.problem("changes", model="nobody")[0] == 404


def test_pages_make_up_the_whole(page: Any) -> None:
    whole = page.api("changes")["items"]
    for limit in (1, 2, 5):
        found = [page.api("changes", limit=limit, offset=offset) for offset in range(0, 6, limit)]
        assert [item for part in found for item in part["items"]] == whole
        assert {part["total"] for part in found} == {6}


def test_a_day_whose_changes_were_never_detected_is_said_and_absent(page: Any, builder: Any) -> None:
    builder.file(2, model_row("org/a"))
    found = page.api("changes")
    assert [row["date"] for row in found["days"]] == [nth_day(1).isoformat(), nth_day(0).isoformat()]
    assert any(nth_day(2).isoformat() in text for text in found["warnings"])
    overview = page.api("overview")
    assert (
        overview["price_changes"] is overview["added"] is overview["repriced"] is overview["largest"] is None
    )
    assert any(nth_day(2).isoformat() in text for text in overview["warnings"])
    assert page.api("status")["changes"] is None
    assert [row["date"] for row in page.api("changes/days")["days"]] == [
        nth_day(0).isoformat(),
        nth_day(1).isoformat(),
    ]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_days_whose_changes_are_left_out_are_named(builder: Any, serve: Any, is_damaged: bool) -> None:
    for number in range(4):
        builder.file(number, model_row("a", context_window=number), changes=number > 0)
    path = builder.root / changes_path(nth_day(2))
    if is_damaged:
        builder.damage(path)
    else:
        path.unlink()
    page = serve(builder.root)
    found = page.api("overview")
    assert [event["date"] for event in found["events"]] == [nth_day(3).isoformat(), nth_day(1).isoformat()]
    for answer in (found, page.api("model", model="a")):
        (warning,) = answer["warnings"]
        assert nth_day(2).isoformat() in warning
    for route in ("overview", "model"):
        assert page.api(route, model="a", date=nth_day(1).isoformat())["warnings"] == []


def test_a_fall_to_zero_is_doubtful_when_the_day_before_was_pruned(builder: Any, serve: Any) -> None:
    for number, prices in enumerate((["5", None], ["0", "0"])):
        rows = (model_row(name, input_token_price=price) for name, price in zip("ab", prices, strict=True))
        builder.file(number, *rows, changes=True)
    shutil.rmtree(builder.root / f"models/snapshot_date={nth_day(0)}")
    items = serve(builder.root).api("changes")["items"]
    # What was not published before is free.
    assert {item["name"]: item["doubtful"] for item in items} == {"a": "new", "b": None}


def test_events_are_the_newest_of_models_quotas_limits_and_status(page: Any) -> None:
    events = page.api("overview")["events"]
    assert [(event["name"], event["change"]) for event in events] == [
        ("d", "quota_changed"),
        ("org/c", "model_added"),
    ]
    assert (events[0]["old_value"], events[0]["new_value"], events[0]["date"]) == (
        "10",
        "20",
        nth_day(1).isoformat(),
    )
