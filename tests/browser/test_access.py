"""Tests the accessibility of every view: themes, widths, the keyboard alone, and axe-core."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import expect, until_drawn

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

VIEWS = {
    "overview": "#/overview",
    "models": "#/models",
    "model": "#/models?model=openai/gpt-oss-120b",
    "prices": "#/prices?model=openai/gpt-oss-120b&model=zai-org/GLM-5.2&field=output_token_price",
    "costs": "#/costs",
    "quotas": "#/quotas",
    "changes": "#/changes",
    "alerts": "#/alerts",
    "quality": "#/quality",
}
PHONE, WIDE = 375, 1920


def axe(page: Page) -> list[str]:
    """Return everything that axe-core finds, of any impact."""
    from axe_playwright_python.sync_playwright import Axe

    return [
        f"{item['id']} ({item['impact']}): {node['html'][:120]} {node['failureSummary'][:200]}"
        for item in Axe().run(page).response["violations"]
        for node in item["nodes"][:3]
    ]


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1376, PHONE])
def test_axe_finds_nothing_in_any_view(show: Callable[..., Page], theme: str, width: int) -> None:
    found = {}
    for view, address in VIEWS.items():
        page = show(address, theme=theme, width=width)
        expect(page.locator("html")).to_have_class(re.compile(theme))
        found[view] = axe(page)
        page.close()
    assert {view: issues for view, issues in found.items() if issues} == {}


def no_store(page: Page) -> None:
    expect(page.get_by_role("heading", name="No snapshot yet")).to_be_visible()


def no_answer(page: Page) -> None:
    expect(page.get_by_role("alert")).to_be_visible()


def loading(page: Page) -> None:
    expect(page.locator("[aria-busy=true]").first).to_be_visible()


def nothing_found(page: Page) -> None:
    expect(page.get_by_text(re.compile("No (model|change) matches"))).to_be_visible()


def not_on_file(page: Page) -> None:
    expect(page.get_by_role("link", name="Show the latest")).to_be_visible()


def unknown_model(page: Page) -> None:
    expect(page.get_by_role("dialog")).to_contain_text("No snapshot holds")


def menu_open(page: Page) -> None:
    until_drawn(page)
    page.get_by_role("button", name=re.compile("^CSV")).first.click()
    expect(page.get_by_role("button", name=re.compile("^Decimal point")).first).to_be_visible()


def list_open(page: Page) -> None:
    until_drawn(page)
    page.get_by_role("combobox", name="Add model").fill("glm")
    expect(page.get_by_role("option").first).to_be_visible()


def all_open(page: Page) -> None:
    until_drawn(page)
    page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")


def day_shown(page: Page) -> None:
    until_drawn(page)
    page.locator(".plot [role=img]").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".hover-card")).to_be_visible()


STATES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "empty": ("#/overview", no_store),
    "error": ("#/overview", no_answer),
    "loading": ("#/models", loading),
    "no model matches": ("#/models?q=no-such-model", nothing_found),
    "no change matches": ("#/changes?q=no-such-model", nothing_found),
    "not on file": ("#/quality?day=2020-01-01", not_on_file),
    "unknown model": ("#/models?model=nobody", unknown_model),
    "menu open": ("#/models", menu_open),
    "list open": (VIEWS["prices"], list_open),
    "day shown": (VIEWS["prices"], day_shown),
    "details open": ("#/quality?day=2026-05-26&check=price_to_zero", all_open),
}


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_state(
    new_page: Callable[..., Page],
    serve: Callable[[Path], str],
    bare: str,
    guards: list[Any],
    tmp_path: Path,
    theme: str,
) -> None:
    (tmp_path / "a file").write_text("no folder")
    urls = {"empty": serve(tmp_path / "nothing"), "error": serve(tmp_path / "a file")}
    found = {}
    held: list[Route] = []
    for state, (address, arrives) in STATES.items():
        page = new_page(theme=theme, width=PHONE if state == "menu open" else 1376)
        guards[-1].expect("404|503")
        if state == "loading":
            page.route("**/api/models*", lambda route: held.append(route))  # noqa: PLW0108 - playwright wants a function
        page.goto(urls.get(state, bare) + address)
        arrives(page)
        found[state] = axe(page)
        while held:
            held.pop().continue_()
        page.close()
    assert {state: issues for state, issues in found.items() if issues} == {}


BEYOND = """document.documentElement.scrollWidth <= document.documentElement.clientWidth ? []
  : [...document.querySelectorAll("main *")]
    .filter((node) => node.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .slice(0, 5).map((node) => node.outerHTML.slice(0, 120))"""
"""What reaches beyond the window, so that the page scrolls sideways."""
CUT = """[...document.querySelectorAll("main .number, main .move, main .to, main td.large:not(.middle)")]
  .map((node) => node.closest("td, th") ?? node)
  .filter((node) => node.checkVisibility() && node.scrollWidth > node.clientWidth + 1)
  .filter((node) => getComputedStyle(node).overflowX !== "visible")
  .map((node) => node.outerHTML.slice(0, 160))"""
"""Numbers that are cut."""
SHORT = """[...document.querySelectorAll("main thead tr:last-child")].filter((row) => row.checkVisibility())
  .map((row) => [row.closest("table"), [...row.cells].findLast((cell) => cell.checkVisibility())])
  .filter(([table, cell]) =>
    Math.abs(table.getBoundingClientRect().right - cell.getBoundingClientRect().right) > 1)
  .map(([, cell]) => cell.outerHTML.slice(0, 160))"""
"""Tables that do not fill their card."""


def findings(page: Page, script: str) -> Any:
    """Return what a script finds, once it finds nothing or a while has passed: a view follows its window."""
    from playwright.sync_api import TimeoutError as TooLateError

    with suppress(TooLateError):
        page.wait_for_function(f"() => ({script}).length === 0", timeout=20_000)
    return page.evaluate(script)


@pytest.mark.parametrize("view", VIEWS)
def test_at_every_width_nothing_is_cut_and_nothing_scrolls_sideways(
    show: Callable[..., Page], view: str
) -> None:
    page = show(VIEWS[view], width=WIDE, height=800)
    for width in (WIDE, 1376, 1150, 768, PHONE, PHONE - 64):
        page.set_viewport_size({"width": width, "height": 800})
        assert findings(page, BEYOND) == [], width
        if PHONE <= width < WIDE:
            assert findings(page, CUT) == [], width
            assert findings(page, SHORT) == [], width


@pytest.mark.parametrize("view", VIEWS)
def test_what_one_touches_on_a_phone_is_large_enough(show: Callable[..., Page], view: str) -> None:
    page = show(VIEWS[view], width=PHONE, height=800, has_touch=True, is_mobile=True)
    assert findings(page, BEYOND) == []
    small = page.evaluate(
        """[...document.querySelectorAll("main button, main select, main input:not([tabindex='-1']), nav a")]
        .filter((node) => !node.closest("thead"))  // the list "Sort" does the same
        .map((node) => [node.closest("label, .field, .segments, .pill") ?? node, node])
        .map(([area, node]) => [area.getBoundingClientRect(), node])
        .filter(([box]) => box.width && box.height && box.height < 43.5)
        .map(([box, node]) => `${box.height} ${node.outerHTML.slice(0, 120)}`)"""
    )
    assert small == []


def test_the_theme_follows_the_system_and_what_airflow_remembers(
    show: Callable[..., Page],
) -> None:
    page = show(theme="dark")
    expect(page.locator("html")).to_have_class("dark")
    dark = background(page)
    page.emulate_media(color_scheme="light")
    expect(page.locator("html")).to_have_class("light")
    assert background(page) != dark
    page.evaluate("localStorage.setItem('theme', 'dark')")
    page.reload()
    expect(page.locator("html")).to_have_class("dark")
    assert background(page) == dark


def background(page: Page) -> str:
    found: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return found


def test_the_keyboard_alone_reaches_a_model_and_comes_back(show: Callable[..., Page]) -> None:
    page = show("#/overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").startswith("Models"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("main .view.models")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("gpt-oss-120b")
    expect(page.get_by_text("1 model", exact=True).first).to_be_visible()
    link = page.get_by_role("link", name="openai/gpt-oss-120b")
    for _ in range(40):
        page.keyboard.press("Tab")
        if link.evaluate("(node) => node === document.activeElement"):
            break
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("table").first).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(link).to_be_focused()


def test_the_focus_can_be_seen(show: Callable[..., Page]) -> None:
    page = show("#/models")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "2px"


def test_less_motion_is_no_motion(show: Callable[..., Page]) -> None:
    page = show("#/models?model=openai/gpt-oss-120b", reduced_motion="reduce")
    running = page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length")
    assert running == 0
