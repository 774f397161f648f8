"""Tests costs, the finder, alerts and the trust line in Chromium, against the store's own figures."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import expect, until_drawn
from test_numbers import CUT, WIDTHS

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.alerts.rules import AlertRule
from io_intelligence_provider.alerts.send import send_pending

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

ONE, TWO = "openai/gpt-oss-120b", "deepseek-ai/DeepSeek-V4-Pro"


@pytest.fixture(scope="module")
def store(recorded_store: Path, tmp_path_factory: pytest.TempPathFactory) -> SnapshotStore:
    """A copy of the recorded history, the alerts of whose last day were sent."""
    root = shutil.copytree(recorded_store, tmp_path_factory.mktemp("costs") / "store")
    found = SnapshotStore(root)
    rule = AlertRule("<b>ten percent</b>", min_pct=10)
    send_pending(found, [rule], {"module.Notifier:key": lambda _: None}, found.dates()[-1], "manual__1")
    return found


@pytest.fixture(scope="module")
def url(serve_all: Callable[[Path], AbstractContextManager[str]], store: SnapshotStore) -> Iterator[str]:
    with serve_all(Path(store.files.url(""))) as found:
        yield found


@pytest.fixture
def show(new_page: Callable[..., Page], url: str) -> Callable[..., Page]:
    """Return a function that opens an address of the page and waits until its view stands."""

    def open_view(address: str, **options: Any) -> Page:
        page = new_page(**options)
        page.goto(url + address)
        until_drawn(page)
        return page

    return open_view


def written(amount: Decimal) -> str:
    """Return an amount as the page writes it."""
    whole, _, part = f"{amount:f}".partition(".")
    return f"{int(whole):,}".replace(",", "\u202f") + "." + part.ljust(2, "0")


def test_the_bill_is_that_of_the_store_and_stays_in_the_browser(
    show: Callable[..., Page], store: SnapshotStore
) -> None:
    page = show("#/costs")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    page.get_by_text("Paste CSV").click()
    page.get_by_label("Tokens to paste").fill(
        f"model,input,output,cache_read\n{ONE},1000000007,200000003,0\n{TWO},7,11,13\n"
    )
    page.get_by_role("button", name="Replace the list").click()
    first = store.cost(ONE, input_tokens=1_000_000_007, output_tokens=200_000_003)
    second = store.cost(TWO, input_tokens=7, output_tokens=11, cache_read_tokens=13)
    tiles = page.locator(".costs-tiles .tile")
    expect(tiles.first).to_contain_text(written(first + second))
    rows = page.get_by_role("table", name="Costs by model").locator("tbody tr")
    expect(rows.first).to_contain_text(written(first))
    then = store.cost(ONE, when="2026-05-29", input_tokens=1_000_000_007, output_tokens=200_000_003)
    expect(rows.first).to_contain_text(written(then))
    until_drawn(page)
    page.locator(".plot [role=img]").focus()
    page.keyboard.press("End")
    expect(page.locator(".hover-card")).to_contain_text("Bill")
    expect(page.locator(".hover-card")).not_to_contain_text("not on file")
    assert not any("gpt-oss" in address or "1000000007" in address for address in [*sent, page.url])
    page.reload()
    expect(tiles.first).to_contain_text(written(first + second))
    page.get_by_label("Input, line 1").fill("0")
    page.get_by_label("Output, line 1").fill("1.5")
    expect(page.get_by_text("Line 1: output is no whole number of tokens.")).to_be_visible()
    page.get_by_role("button", name="Forget").click()
    expect(page.get_by_text("No tokens yet")).to_be_visible()
    assert page.evaluate("localStorage.getItem('io-intelligence-traffic')") is None


def test_names_that_are_typed_are_text(show: Callable[..., Page]) -> None:
    lines = [{"model": "<img src=x onerror=alert(1)>", "input": "9" * 30}]
    page = show("#/costs")
    page.get_by_text("Paste CSV").click()
    page.get_by_label("Tokens to paste").fill(json.dumps(lines))
    page.get_by_role("button", name="Replace the list").click()
    expect(page.get_by_text("<img src=x onerror=alert(1)>").first).to_be_visible()
    expect(page.get_by_text("not in the catalogue")).to_be_visible()
    assert page.locator("main img").count() == 0


def test_the_cheapest_is_one_address(show: Callable[..., Page], store: SnapshotStore) -> None:
    page = show("#/models?by=blended&ratio=2:1&zero=hide&sort=blended")
    shown = page.locator("table.models-table tbody th .name.row")
    rows = store.read().to_pylist()
    price = {
        row["name"]: (2 * row["input_token_price"] + row["output_token_price"]) / 3
        for row in rows
        if row["input_token_price"] and row["output_token_price"]
    }
    cheapest = sorted(price, key=lambda name: price[name])
    expect(shown.first).to_have_text(cheapest[0])
    expect(page.get_by_text(f"{len(price)} models", exact=True).first).to_be_visible()
    most = price[cheapest[4]]
    page.get_by_label("At most, USD").fill(f"{most:.12f}")
    page.get_by_label("At most, USD").press("Enter")
    number = sum(one <= Decimal(f"{most:.12f}") for one in price.values())
    expect(page.get_by_text(f"{number} models", exact=True).first).to_be_visible()
    page.get_by_label(f"Compare {cheapest[0]}").check()
    page.get_by_label(f"Compare {cheapest[1]}").check()
    page.reload()
    expect(page.get_by_label(f"Compare {cheapest[1]}")).to_be_checked()
    page.get_by_role("link", name="Compare 2 in Prices").click()
    expect(page.locator(".view.prices .pill")).to_have_count(2)


def test_the_preset_of_the_finder_is_restored_by_its_address(show: Callable[..., Page]) -> None:
    page = show("#/models")
    page.get_by_text("Finder").click()
    page.get_by_role("link", name="Cheapest with 128k and tools").click()
    expect(page).to_have_url(re.compile(r"context=128k&capability=tools&by=blended&zero=hide&sort=blended"))
    expect(
        page.get_by_text("No model matches")
    ).to_be_visible()  # the recording says of no model that it has tools
    page.get_by_role("button", name="Clear search and filter").click()
    expect(page.get_by_text("26 models", exact=True).first).to_be_visible()


TYPED = [
    {"model": ONE, "input": "9" * 30, "output": "1", "cache_read": "", "cache_write": ""},
    {"model": TWO, "input": "1", "output": "250M", "cache_read": "7", "cache_write": "1"},
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("address", ["#/costs", "#/alerts", "#/models?by=blended&tick=a"])
def test_the_views_with_content_are_accessible_and_cut_no_digit(
    new_page: Callable[..., Page], url: str, address: str, theme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = new_page(theme=theme)
    page.add_init_script(f"localStorage.setItem('io-intelligence-traffic', {json.dumps(json.dumps(TYPED))})")
    page.goto(url + address)
    until_drawn(page)
    if address == "#/costs":
        expect(page.locator(".candidates")).to_have_count(2)
    found = Axe().run(page).response["violations"]
    assert [item["id"] for item in found if item["impact"] in ("serious", "critical")] == []
    cut: dict[int, Any] = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if seen := page.evaluate(CUT):
            cut[width] = seen
    assert cut == {}


def test_alerts_are_listed_filtered_and_marked(show: Callable[..., Page]) -> None:
    page = show("#/alerts")
    first = page.locator(".alerts li").first
    expect(first).to_contain_text("<b>ten percent</b>")
    expect(first).to_contain_text("Notifier key")
    expect(page.get_by_text("output 0.562 → 0.68")).to_be_visible()
    page.goto(re.sub(r"#.*", "", page.url) + f"#/alerts?model={TWO}")
    expect(page.get_by_text("No alert was sent")).to_be_visible()
    page.goto(re.sub(r"#.*", "", page.url) + f"#/prices?model={ONE}")
    expect(page.get_by_text("on 1 day a change was alerted")).to_be_visible()
    assert page.locator(".alert-marks").get_attribute("d")


def test_the_trust_line_says_what_was_done(show: Callable[..., Page]) -> None:
    page = show("#/overview")
    line = page.locator(".trust li")
    expect(line).to_have_count(5)
    expect(line.nth(1)).to_contain_text("passed")
    expect(line.nth(4)).to_contain_text("1 change")
    page = show("#/overview?date=2026-05-26")
    expect(page.locator(".trust li").nth(4)).to_contain_text("not alerted")
