"""Tests hostile names and values: nothing runs or overflows, and no cell is a formula."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import expect, until_drawn

from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.alerts.rules import AlertRule
from io_intelligence_provider.alerts.send import send_pending
from io_intelligence_provider.changes.detect import detect_changes
from io_intelligence_provider.emulator.catalogue import FixedCatalogue, PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

IMAGE = "<img src=x onerror=alert(1)>"
NAMES = [
    IMAGE,
    "</script><script>alert(2)</script>",
    '"><svg onload=alert(3)>',
    "javascript:alert(4)",
    '=HYPERLINK("http://evil.example/","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1-1",
    "-2+3",
    "\t=1+1",
    "x" * 10_000,
    "wide " * 2_000,
    "\u202eevil\u202c/\u200fשלח מדבר",
    "مرحبا/نموذج",
    "two\nlines\r\nand\x00\x1b[31m",
    "org/%2e%2e%2f&model=x#y?z",
    "../../etc/passwd",
    "${7*7}{{7*7}}",
    "",
    " ",
    "__proto__",
]
DAYS = date(2026, 6, 29), date(2026, 6, 30)
VIEWS = ["overview", "models", "prices", "costs", "quotas", "changes", "alerts", "quality"]


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two days on which every model has a name of the list, and every price moved."""
    root = tmp_path_factory.mktemp("hostile") / "store"
    store = SnapshotStore(root)
    for number, day in enumerate(DAYS):
        with (
            EmulatorServer(catalogue=FixedCatalogue(records(number))) as server,
            IOIntelligenceClient(server.url) as client,
        ):
            take_snapshot(client, store, snapshot_date=day, fail_on="never", max_quarantine_share=1.0)
        detect_changes(store, day)
        send_pending(store, [AlertRule(IMAGE)], {f"module.{IMAGE}:{IMAGE}": lambda _: None}, day, IMAGE)
    assert store.read().num_rows >= len(NAMES) - 2
    return root


def records(number: int) -> list[dict[str, Any]]:
    served = PriceHistory.load().records()[: len(NAMES)]
    for index, (record, name) in enumerate(zip(served, NAMES, strict=True)):
        record["name"] = name
        record["description"] = IMAGE * 20
        record["metadata"]["output_token_price"] = f"{index + 1 + number / 3:.3f}"
        record["metadata"]["developer"] = name
        record["metadata"]["image_url"] = "javascript:alert(5)"
        record["metadata"]["tags"] = [name, IMAGE]
    refused = dict(served[0], model_id="not-a-uuid", name=IMAGE)
    return [*served, refused]


@pytest.fixture(scope="module")
def url(serve_all: Callable[[Path], AbstractContextManager[str]], hostile: Path) -> Iterator[str]:
    """URL of the page over that store."""
    with serve_all(hostile) as found:
        yield found


@pytest.mark.parametrize("width", [375, 1376])
@pytest.mark.parametrize("view", VIEWS)
def test_no_view_runs_or_overflows(
    new_page: Callable[..., Page],
    url: str,
    view: str,
    width: int,
) -> None:
    page = new_page(width=width)
    page.goto(f"{url}#/{view}")
    expect(page.locator(f"main .view.{view}")).to_be_visible()
    until_drawn(page)
    expect(page.locator(".banner.error")).to_have_count(0)
    assert harmless(page) == []
    inner, outer = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert inner <= outer


def harmless(page: Page) -> list[str]:
    """Return elements that can only have come from a name."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll(
          "img, svg[onload], [onerror], a[href^='javascript:'], body script, iframe"
        )].map((node) => node.outerHTML.slice(0, 200))"""
    )
    return found


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_invisible_reaches_the_page(new_page: Callable[..., Page], url: str, view: str) -> None:
    """A right-to-left override in a name turned the text around it."""
    page = new_page()
    page.goto(f"{url}#/{view}")
    until_drawn(page)
    hidden = page.evaluate(
        r"""[...document.documentElement.innerHTML.matchAll(
          /[\u0000-\u0008\u000b-\u001f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g
        )].map((found) => found.input.slice(found.index - 30, found.index + 30))"""
    )
    # An address keeps the name as it is, but percent-encoded; the value of an option likewise.
    assert [text for text in hidden if "<option value=" not in text] == []
    if view in ("models", "quotas"):
        expect(page.get_by_role("table").first.get_by_text(r"\u202eevil\u202c").first).to_be_visible()


def test_every_model_can_be_opened(new_page: Callable[..., Page], url: str, hostile: Path) -> None:
    page = new_page()
    for model_id in SnapshotStore(hostile).read()["model_id"].to_pylist():
        page.goto("about:blank")
        page.goto(f"{url}#/models?model={model_id}")
        panel = page.get_by_role("dialog")
        expect(panel.get_by_role("table").first).to_be_visible()
        expect(panel.locator(".banner.error")).to_have_count(0)
        assert harmless(page) == []
        assert page.evaluate("document.querySelector('dialog').scrollWidth") <= page.evaluate(
            "document.querySelector('dialog').clientWidth"
        )


def test_a_refused_record_is_shown_as_text(new_page: Callable[..., Page], url: str) -> None:
    page = new_page()
    page.goto(f"{url}#/quality")
    expect(page.get_by_text(IMAGE).first).to_be_visible()
    assert harmless(page) == []


def test_a_record_that_is_cut_short_keeps_the_words_of_its_last_text(
    new_page: Callable[..., Page], url: str
) -> None:
    page = new_page()
    page.goto(f"{url}#/quality")
    shown = page.evaluate("""async () => {
      const base = document.querySelector("script[type=module]").src.replace(/app[.]js$/, "");
      const { record } = await import(`${base}quality/record.js`);
      return record('{"text":"two words, and: more', [], true).textContent;
    }""")
    assert '"text": "two words, and: more…' in shown


def test_what_one_searches_for_is_text(new_page: Callable[..., Page], url: str) -> None:
    page = new_page()
    page.goto(f"{url}#/models?q=%3Cimg%20src%3Dq%20onerror%3Dalert(6)%3E")
    expect(page.get_by_text("No model matches")).to_be_visible()
    assert harmless(page) == []


@pytest.mark.parametrize("view", ["models", "changes", "prices", "quotas"])
def test_no_cell_of_a_download_is_a_formula(
    new_page: Callable[..., Page], url: str, tmp_path: Path, view: str
) -> None:
    page = new_page()
    page.goto(f"{url}#/{view}")
    until_drawn(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").first.click()
        page.get_by_role("button", name="Decimal point").first.click()
    path = tmp_path / "table.csv"
    waiting.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells)
    assert [cell for cell in cells if starts_a_formula(cell)] == []


def starts_a_formula(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lstrip().startswith(("=", "+", "-", "@", "|", "%"))
    return False
