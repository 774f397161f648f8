"""Tests answers that are late, fail, or are of another day: what stays, and what is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import expect, until_drawn

from helpers.stores import StoreBuilder, model_row
from io_intelligence_provider import SnapshotStore

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

MODEL = "openai/gpt-oss-120b"
NOT_ON_FILE = {"kind": "not_on_file", "title": "Not on file", "message": "It is gone.", "action": "Look."}


def go(page: Page, address: str) -> None:
    page.evaluate("(to) => { window.location.hash = to }", address)


def patched(page: Page, route: str, **changes: Any) -> None:
    """Change parts of the answers of a route, whose addresses match a pattern."""

    def answer(asked: Route) -> None:
        found = asked.fetch()
        asked.fulfill(response=found, json=found.json() | changes)

    page.route(re.compile(route), answer)


@pytest.mark.parametrize("address", ["#/quality", "#/models?date=2026-05-18"], ids=["view", "day"])
def test_a_failure_that_is_late_does_not_replace_what_is_shown(
    show: Callable[..., Page], guards: list[Any], address: str
) -> None:
    page = show("#/models")
    guards[-1].expect("404")
    held: list[Route] = []
    asked = re.compile(r"api/models\?.*2026-05-20")
    page.route(asked, lambda route: held.append(route))  # noqa: PLW0108 - playwright wants a function
    with page.expect_request(asked):
        go(page, "#/models?date=2026-05-20")
    go(page, address)
    until_drawn(page)
    if "models" in address:
        expect(page.get_by_label("As of", exact=True)).to_have_value("2026-05-18")
    else:
        expect(page.locator("main .view.quality")).to_be_visible()
    with page.expect_response(asked):
        held[0].fulfill(status=404, json={"error": NOT_ON_FILE})
    page.evaluate("fetch('api/status').then((found) => found.text())")
    expect(page.locator("main .view")).to_be_visible()
    expect(page.get_by_text("It is gone.")).to_have_count(0)


@pytest.mark.parametrize(
    ("route", "address"), [("overview", "#/overview?date={}"), ("quality", "#/quality?day={}")]
)
def test_the_warnings_are_those_of_the_day_that_is_shown(
    show: Callable[..., Page], route: str, address: str
) -> None:
    page = show(address.format("2026-06-30"))
    warning = page.get_by_text("Something of that day is missing.")
    patched(page, rf"api/{route}\?.*2026-06-29", warnings=["Something of that day is missing."])
    go(page, address.format("2026-06-29"))
    expect(warning).to_be_visible()
    go(page, address.format("2026-05-20"))
    expect(page.get_by_text("2026-05-20").first).to_be_visible()
    expect(warning).to_have_count(0)


def test_what_a_button_fails_to_get_is_told_and_asked_for_again(
    show: Callable[..., Page], guards: list[Any]
) -> None:
    page = show("#/changes?start=2026-06-30&end=2026-06-30&size=20")
    guards[-1].expect("ERR_FAILED")
    button = page.get_by_role("table", name="Changes").get_by_role("button", name="show")
    page.route("**/api/changes?*", lambda route: route.abort())
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("Airflow cannot be reached")
    page.get_by_role("button", name=re.compile("^CSV")).click()
    page.get_by_role("button", name=re.compile("^Decimal point")).click()
    expect(page.get_by_role("alert")).to_have_count(2)
    page.unroute("**/api/changes?*")
    button.click()
    expect(page.get_by_text("all shown")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(1)


def test_more_is_asked_for_once_and_dropped_when_another_question_came(show: Callable[..., Page]) -> None:
    page = show("#/overview")
    sent = {
        "sent_at": "2026-06-30T12:00:00Z", "date": "2026-06-30", "rule": "r", "notifier": "n", "run_id": None,
        "task": None, "change": "model_added", "name": MODEL, "model_id": MODEL, "field": None,
        "old_value": None, "new_value": None, "pct": None, "since": None, "doubtful": None,
        "correction": False,
    }  # fmt: skip
    held: list[Route] = []

    def answer(route: Route) -> None:
        if "offset=" in route.request.url:
            held.append(route)
        elif "models=" in route.request.url:
            route.fulfill(json={"warnings": [], "total": 0, "items": []})
        else:
            route.fulfill(json={"warnings": [], "total": 2, "items": [sent]})

    page.route("**/api/alerts*", answer)
    go(page, "#/alerts")
    more = page.get_by_role("button", name="Show more of 1")
    with page.expect_request("**/api/alerts*offset=*"):
        more.dblclick()
    go(page, f"#/alerts?model={MODEL}")
    expect(page.get_by_text("No alert was sent")).to_be_visible()
    assert len(held) == 1
    with page.expect_response("**/api/alerts*offset=*"):
        held[0].fulfill(json={"warnings": [], "total": 2, "items": [sent]})
    page.evaluate("fetch('api/status').then((found) => found.text())")
    expect(page.get_by_text("No alert was sent")).to_be_visible()


def test_the_panel_of_a_model_follows_the_day_of_the_address(show: Callable[..., Page]) -> None:
    page = show(f"#/models?date=2026-06-29&model={MODEL}")
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("As of the snapshot of 2026-06-29")
    go(page, f"#/models?date=2026-05-20&model={MODEL}")
    expect(panel).to_contain_text("As of the snapshot of 2026-05-20")
    expect(panel).to_have_count(1)


def test_text_that_begins_with_a_time_is_shown_whole(show: Callable[..., Page]) -> None:
    page = show("#/models")
    text = "2026-06-30 12:05 was the end of its preview."

    def answer(route: Route) -> None:
        found = route.fetch().json()
        fact = {"column": "description", "label": "", "value": text, "unit": None}
        found["model"]["facts"].append(fact)
        route.fulfill(json=found)

    page.route("**/api/model?*", answer)
    go(page, f"#/models?model={MODEL}")
    expect(page.get_by_role("dialog")).to_contain_text(text)


def test_quotas_of_an_older_day_are_shown_though_the_last_day_has_access_tiers(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    builder = StoreBuilder(tmp_path / "store")
    builder.file(0, model_row("a", chat_daily_quota_tier_1=7000), changes=True)
    builder.file(1, model_row("a", min_access_tier="standard"), changes=True)
    first, last = SnapshotStore(builder.root).dates()
    page = new_page()
    page.goto(f"{serve(builder.root)}#/quotas")
    table = page.get_by_role("table", name=f"Quotas of {last}")
    expect(table.locator("tbody")).to_contain_text("standard")
    go(page, f"#/quotas?end={first}")
    expect(page.get_by_role("table", name=f"Quotas of {first}")).to_contain_text("7\u202f000")
    expect(page.get_by_text("Daily quotas of tier 1")).to_be_visible()


def test_an_unpublished_status_is_not_inactive_and_a_developer_may_be_called_unknown(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    builder = StoreBuilder(tmp_path / "store")
    rows = [model_row("a", status="active"), model_row("b", developer="unknown")]
    builder.file(0, *rows, changes=True)
    page = new_page()
    page.goto(f"{serve(builder.root)}#/overview")
    tile = page.locator(".tile").filter(has_text="Active")
    expect(tile).to_contain_text("1 other")
    go(page, "#/models")
    expect(page.get_by_label("Developer").locator("option")).to_have_text(["All 1", "unknown"])
    expect(page.get_by_label("Status").locator("option")).to_have_text(["Any", "active", "not published"])
