"""Measures the box of every number in every view: no digit is cut, at any width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import until_drawn

from helpers.stores import StoreBuilder, model_row

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
WIDTHS = (320, 375, 480, 640, 860, 1150, 1440, 2560)
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
