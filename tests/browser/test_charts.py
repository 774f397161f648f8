"""Tests the charts: what they draw, and how they are read and zoomed by pointer and keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chromium import expect, until_drawn

from helpers.stores import StoreBuilder, model_row

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

RANGE = "start=2026-06-20&end=2026-06-30"
PRICES = f"#/prices?model=openai/gpt-oss-120b&field=output_token_price&{RANGE}"


def chart(page: Page) -> Locator:
    return page.locator(".plot [role=img]").first


def drag(page: Page, start: float, end: float) -> None:
    """Drag over a chart between two shares of its width."""
    box = chart(page).bounding_box()
    assert box
    x = [box["x"] + share * box["width"] for share in (start, end)]
    y = box["y"] + box["height"] / 2
    page.mouse.move(x[0], y)
    page.mouse.down()
    page.mouse.move((x[0] + x[1]) / 2, y, steps=3)
    expect(page.locator(".chart-overlay .selection").first).to_be_visible()
    page.mouse.move(x[1], y, steps=3)
    page.mouse.up()


def test_a_brush_zooms_the_prices_the_address_and_the_table(show: Callable[..., Page]) -> None:
    page = show(PRICES + "&range=all")
    drag(page, 0.2, 0.5)
    expect(page).to_have_url(re.compile(r"start=(2026-06-2\d)&end=(2026-06-2\d)"))
    found = re.search(r"start=(2026-06-2\d)&end=(2026-06-2\d)", page.url)
    assert found
    expect(page.get_by_role("table").last).to_contain_text(found[1])
    page.get_by_role("button", name="Reset zoom").click()
    expect(page).to_have_url(re.compile(r"range=all$"))
    expect(page.get_by_role("button", name="Reset zoom")).to_be_hidden()


def test_a_chart_without_an_address_zooms_itself(show: Callable[..., Page]) -> None:
    page = show("#/models?model=deepseek-ai/DeepSeek-V4-Pro")
    panel = page.get_by_role("dialog")
    line = panel.locator(".drawing .line").first
    before = line.get_attribute("d")
    drag(page, 0.5, 0.7)
    expect(line).not_to_have_attribute("d", before or "")
    panel.get_by_role("button", name="Reset zoom").click()
    expect(line).to_have_attribute("d", before or "")


def test_the_keyboard_selects_and_zooms_and_comes_back(show: Callable[..., Page]) -> None:
    page = show("#/models?model=deepseek-ai/DeepSeek-V4-Pro")
    panel = page.get_by_role("dialog")
    line = panel.locator(".drawing .line").first
    before = line.get_attribute("d")
    chart(page).focus()
    page.keyboard.press("End")
    for _ in range(4):
        page.keyboard.press("Shift+ArrowLeft")
    expect(panel.locator(".chart-overlay .selection")).to_be_visible()
    page.keyboard.press("Enter")
    expect(line).not_to_have_attribute("d", before or "")
    page.keyboard.press("Escape")
    expect(line).to_have_attribute("d", before or "")
    expect(panel).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


@pytest.mark.parametrize("address", [PRICES + "&range=all", "#/changes"], ids=["prices", "changes"])
def test_a_chart_that_the_keyboard_zoomed_keeps_the_focus(show: Callable[..., Page], address: str) -> None:
    page = show(address)
    chart(page).focus()
    page.keyboard.press("End")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    before = page.url
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(before)
    until_drawn(page)
    expect(chart(page)).to_be_focused()


def test_a_day_to_compare_with_after_the_range_has_its_own_price(show: Callable[..., Page]) -> None:
    page = show("#/prices?model=openai/gpt-oss-120b&start=2026-06-20&end=2026-06-25&compare=2026-06-30")
    cells = page.get_by_role("table").last.locator("tbody tr").first.locator("td")
    expect(cells.nth(0)).to_have_text("0.68")
    expect(cells.nth(1)).not_to_have_text("0.68")
    with page.expect_download() as waiting:
        page.get_by_role("button", name=re.compile("^CSV")).click()
        page.get_by_role("button", name=re.compile("^Decimal point")).click()
    assert "2026-06-30" not in Path(waiting.value.path()).read_text("utf-8")


def test_pointing_at_bars_reads_the_counts_of_the_day(show: Callable[..., Page]) -> None:
    page = show("#/changes")
    bars = chart(page)
    bars.focus()
    page.keyboard.press("End")
    card = page.locator(".strip .hover-card")
    expect(card).to_contain_text(re.compile(r"2026-06-30.*16 up.*14 down", re.DOTALL))
    page.keyboard.press("ArrowLeft")
    expect(card).to_contain_text(re.compile(r"2026-06-29.*against 2026-06-26", re.DOTALL))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("start=2026-06-29&end=2026-06-29"))


def test_a_brush_over_bars_selects_their_days(show: Callable[..., Page]) -> None:
    page = show("#/changes")
    drag(page, 0.72, 0.8)
    expect(page).to_have_url(re.compile(r"start=(\S+?)&end=(\S+)"))
    found = re.search(r"start=(\S+?)&end=(\S+)", page.url)
    assert found
    assert "2026-05-15" < found[1] < found[2] < "2026-06-15"
    page.go_back()
    expect(page).to_have_url(re.compile(r"#/changes$"))


def test_a_bar_of_the_overview_leads_to_the_changes_of_its_day(show: Callable[..., Page]) -> None:
    page = show("#/overview")
    chart(page).focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"#/changes\?start=2026-06-30&end=2026-06-30$"))


def test_a_range_that_starts_without_a_snapshot_has_the_price_that_held(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    """Every figure of such a range read "not published", and the highest price was that of a later day."""
    builder = StoreBuilder(tmp_path / "store")
    for number, text in enumerate(("9", "3", "3")):
        builder.file(number * 10, model_row("a", output_token_price=text), changes=True)
    first, _, last = builder.store.dates()
    start = first.replace(day=first.day + 3).isoformat()
    page = new_page()
    page.goto(f"{serve(builder.root)}#/prices?model=a&start={start}&end={last}")
    until_drawn(page)
    row = page.get_by_role("table").last.get_by_role("row").last
    expect(row).to_contain_text(re.compile(r"9\.00.*3\.00.*66\.7"))
    assert row.get_by_role("cell").last.inner_text() == "1"  # one change
    line = page.locator(".drawing .line").get_attribute("d") or ""
    left = re.match(r"M([\d.]+) ", line)
    axis = re.match(r"M([\d.]+) ", page.locator(".drawing .axis").get_attribute("d") or "")
    assert left
    assert axis
    assert left[1] == axis[1]


def test_an_unknown_value_is_a_gap(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    builder = StoreBuilder(tmp_path / "store")
    for number, text in enumerate(("2", None, "4")):
        builder.file(number, model_row("a", output_token_price=text), changes=True)
    page = new_page()
    page.goto(f"{serve(builder.root)}#/prices?model=a&range=all")
    until_drawn(page)
    path = page.locator(".drawing .line").get_attribute("d") or ""
    assert len(re.findall("M", path)) == 2
    axis = page.locator(".drawing .axis").get_attribute("d") or ""
    bottom = re.search(r"M[\d.]+ ([\d.]+)H", axis)
    assert bottom
    assert all(float(y) < float(bottom[1]) for y in re.findall(r"(?:M[\d.]+ |V)([\d.]+)", path))


def test_a_price_that_is_new_on_a_day_is_not_said_to_be_unchanged(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    builder = StoreBuilder(tmp_path / "store")
    for number in range(3):
        late = [model_row("b", output_token_price="3")] if number else []
        builder.file(number, model_row("a", output_token_price="2"), *late, changes=True)
    page = new_page()
    page.goto(f"{serve(builder.root)}#/models?model=b")
    until_drawn(page)
    chart(page).focus()
    page.keyboard.press("End")
    row = page.locator(".hover-card .hover-row")
    expect(row).to_have_text("Output3.00unchanged")
    page.keyboard.press("Home")
    expect(row).to_have_text("Output3.00n/a")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_are_those_of_the_theme(show: Callable[..., Page], theme: str) -> None:
    page = show(PRICES, theme=theme)
    stroke, token = page.evaluate(
        """() => {
          const probe = document.createElement("i");
          probe.className = "series-1";
          document.body.append(probe);
          const line = getComputedStyle(document.querySelector(".drawing .line"));
          return [line.stroke, getComputedStyle(probe).color];
        }"""
    )
    assert stroke == token


def test_a_day_without_an_index_says_so(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    builder = StoreBuilder(tmp_path / "store")
    for number, text in enumerate(("2", None, "4")):
        builder.file(number, model_row("a", input_token_price=text), changes=True)
    page = new_page()
    page.goto(f"{serve(builder.root)}#/overview")
    until_drawn(page)
    chart = page.get_by_role("img", name="Like-for-like price index")
    chart.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    row = page.locator(".hover-card .hover-row").filter(has_text="Input")
    expect(row).to_have_text("Inputno index")
