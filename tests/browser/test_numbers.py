"""Looks at the numbers of every view: no digit is cut, at any width, and no doubtful 0 is called free."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import expect, until_drawn
from test_views import saved

from helpers.stores import StoreBuilder, model_row, nth_day
from io_intelligence_provider.alerts.evaluate import evaluate
from io_intelligence_provider.alerts.ledger import record_sent

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

VIEWS = {
    "overview": "#/overview?days=30",
    "models": "#/models",
    "model": "#/models?model=acme/model-0",
    "prices": "#/prices?range=all",
    "finder": "#/models?by=blended&ratio=2:1",
    "quotas": "#/quotas",
    "changes": "#/changes",
    "quality": "#/quality",
}
WIDTHS = (320, 375, 480, 640, 860, 1150, 1300, 1440, 2560)
"""In CSS pixels: a window of 1440 at 200 % zoom has 720 of them."""

CUT = r"""() => {
  // Names and words may be cut; the model's panel has them in full.
  const words = ".name, .pill, .end-name, .columns-of, .state, .of, .segments, .unseen, pre, select";
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const box = (node) => node.getBoundingClientRect();
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const parent = text.parentElement;
    if (!/\d/.test(text.data) || !parent.closest("main, dialog") || parent.closest(words)) continue;
    if (!parent.checkVisibility({ visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(text);
    for (const rect of range.getClientRects()) {
      if (!rect.width) continue;
      for (let node = parent; node && node !== document.body; node = node.parentElement) {
        const style = getComputedStyle(node);
        if (style.display === "inline" || style.overflowX === "visible") continue;
        const outer = box(node);
        if (rect.left < outer.left - 1 || rect.right > outer.right + 1)
          found.push(`${text.data} is cut by ${node.tagName}.${node.className.baseVal ?? node.className}`);
      }
      if (rect.left < -1 || rect.right > document.documentElement.clientWidth + 1)
        found.push(`${text.data} is outside of the window`);
    }
  }
  // Neighbours do not overlap either.
  for (const row of document.querySelectorAll("main tr, dialog tr")) {
    const numbers = [...row.cells].filter((cell) => cell.classList.contains("number"));
    for (const cell of numbers.filter((one) => one.checkVisibility()))
      if (cell.scrollWidth > cell.clientWidth + 1) found.push(`${cell.textContent} is wider than its cell`);
  }
  return found.slice(0, 5);
}"""

LONG = {
    "input_token_price": "12345678901234567890.123456789012345678",
    "output_token_price": "0.000000000000000001",
    "cache_read_token_price": "1234567.5",
    "cache_write_token_price": "0",
    "context_window": 9_007_199_254_740_993,
    "chat_daily_quota_tier_1": 9_007_199_254_740_993,
    "audio_speech_daily_quota_tier_1": 1_000_000_000_000,
}


@pytest.fixture(scope="module")
def stores(
    serve_all: Callable[[Path], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """URLs of the page over a store with the usual numbers, and over one with very long ones."""
    found = {}
    roots = tmp_path_factory.mktemp("numbers")
    usual, long = StoreBuilder(roots / "usual"), StoreBuilder(roots / "long")
    for day, factor in enumerate((1, 16)):
        rows = [
            model_row(
                f"acme/model-{number}",
                input_token_price=f"{(number + 1) * factor / 7:.5f}",
                output_token_price=f"{2000 * (number + 1) * factor / 11:.3f}",
                cache_read_token_price=f"{(number + 2) / factor / 13:.6f}",
                context_window=131_072 * (number + 1),
                chat_daily_quota_tier_1=1_000_000 * factor,
            )
            for number in range(12)
        ]
        usual.file(day, *rows, changes=True)
        extreme = LONG | ({"output_token_price": "98765432109876543210.5"} if day else {})
        long.file(day, *(model_row(f"acme/model-{number}", **extreme) for number in range(3)), changes=True)
    with serve_all(usual.root) as first, serve_all(long.root) as second:
        found = {"usual": first, "long": second}
        yield found


@pytest.mark.parametrize("numbers", ["usual", pytest.param("long", marks=pytest.mark.long)])
@pytest.mark.parametrize("view", VIEWS)
def test_no_digit_is_cut_at_any_width(
    new_page: Callable[..., Page], stores: dict[str, str], view: str, numbers: str
) -> None:
    page = new_page(width=WIDTHS[-1], height=900)
    page.goto(stores[numbers] + VIEWS[view])
    until_drawn(page)
    found: dict[int, Any] = {}
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        cut = page.evaluate(CUT)
        if cut:
            found[width] = cut
    assert found == {}


@pytest.fixture
def doubted(serve: Callable[[Path], str], tmp_path: Path) -> str:
    """URL of the page over a store whose zeros are doubtful: of "fell", and of "late" after a lost day."""
    builder = StoreBuilder(tmp_path / "store")
    for day, price in enumerate(("2", "0", "0")):
        fell = {"output_token_price": price, "cache_read_token_price": price}
        late = [model_row("late", input_token_price="0")] if day else []
        builder.file(day, model_row("fell", **fell), *late, model_row("other"), changes=True)
    rule = [{"name": "any", "changes": ["price_changed"]}]
    record_sent(builder.store, evaluate(builder.store, rule, nth_day(1), "n"), "n", "run")
    builder.file(-1, model_row("other"))
    builder.damage(builder.models_file(-1))
    return serve(builder.root)


FREE = """[...document.querySelectorAll("main *, dialog *")]
  .filter((node) => !node.closest("button, .footnotes"))  // the filter, and what the word means
  .flatMap((node) => [node.title, node.ariaLabel, ...[...node.childNodes].map((one) => one.data)])
  .filter((text) => /free/i.test(text ?? ""))"""


@pytest.mark.parametrize(
    ("view", "written"),
    [
        ("#/overview?days=30", "0 (doubtful)"),
        ("#/models?by=blended", "a doubtful 0"),
        ("#/models?model=fell", "a doubtful 0"),
        ("#/models?model=late", "a doubtful 0"),
        ("#/prices?model=fell&model=other", "0 (doubtful)"),
        ("#/prices?model=late&field=input_token_price&scale=log", "0 (doubtful)"),
        ("#/changes", "0 (doubtful)"),
        ("#/alerts", "0 (doubtful)"),
    ],
)
def test_a_doubtful_zero_is_nowhere_called_free(
    new_page: Callable[..., Page], doubted: str, view: str, written: str
) -> None:
    page = new_page()
    page.goto(doubted + view)
    until_drawn(page)
    shown = page.get_by_role("dialog") if "model=" in view and "models" in view else page.locator("main")
    expect(shown).to_contain_text(written)
    for chart in shown.locator(".plot [role=img]").all():
        chart.focus()
        page.keyboard.press("End")
    if "price" in view:
        expect(shown.locator(".end-value").first).to_have_text("0 (doubtful)")
        expect(shown.locator(".hover-card")).to_contain_text("0 (doubtful)")
    assert page.evaluate(FREE) == []


@pytest.mark.parametrize(
    ("view", "column", "said"),
    [
        ("models", "doubtful", "output_token_price; cache_read_token_price"),
        ("prices?model=fell", "state", "doubtful"),
        ("changes?model=fell", "doubtful", "new"),
    ],
)
def test_a_file_says_which_zero_is_doubtful(
    new_page: Callable[..., Page], doubted: str, tmp_path: Path, view: str, column: str, said: str
) -> None:
    page = new_page()
    page.goto(f"{doubted}#/{view}")
    until_drawn(page)
    with page.expect_download() as waiting:
        saved(page)
    waiting.value.save_as(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8-sig", newline="") as file:
        assert said in [row[column] for row in csv.DictReader(file) if row["name"] == "fell"]


def test_a_footnote_keeps_the_view_and_opens_nothing(new_page: Callable[..., Page], doubted: str) -> None:
    page = new_page()
    page.goto(f"{doubted}#/models?sort=name")
    page.get_by_role("link", name="footnote").first.click()
    expect(page.locator(".footnotes [id]")).to_be_focused()
    expect(page).to_have_url(re.compile(r"#/models\?sort=name$"))
    expect(page.get_by_role("dialog")).to_have_count(0)
