"""Tests what a visit fetches, and how a page that stays open learns of a new snapshot."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from chromium import expect, until_drawn

if TYPE_CHECKING:
    from playwright.sync_api import Page, Response

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

VIEWS = ["overview", "models", "prices", "costs", "quotas", "changes", "alerts", "quality"]
MOST_REQUESTS = 40
MOST_BYTES = 150_000
LATEST = "2026-06-30"


class Traffic:
    """Collects the answers that a page fetched from the server, not those from its cache."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Network.enable")
        self._session.on("Network.responseReceived", self._received)
        self._session.on("Network.requestServedFromCache", lambda event: self._cached.add(event["requestId"]))
        self._session.on("Network.loadingFinished", self._finished)
        self._cached: set[str] = set()
        self._paths: dict[str, str] = {}
        self.bytes: dict[str, int] = {}

    def _received(self, event: Any) -> None:
        response = event["response"]
        if not response.get("fromDiskCache") and not response.get("fromPrefetchCache"):
            self._paths[event["requestId"]] = urlsplit(response["url"]).path.partition("/io-intelligence/")[2]

    def _finished(self, event: Any) -> None:
        path = self._paths.get(event["requestId"])
        if path is not None and event["requestId"] not in self._cached:
            self.bytes[path] = int(event["encodedDataLength"])


@pytest.mark.parametrize("view", VIEWS)
def test_a_first_visit_is_light_and_a_second_fetches_answers_only(
    new_page: Callable[..., Page], bare: str, view: str
) -> None:
    page = new_page()
    first = Traffic(page)
    page.goto(f"{bare}#/{view}")
    until_drawn(page)
    page.wait_for_load_state("networkidle")
    size = sum(first.bytes.values())
    print(f"{view}: {len(first.bytes)} requests, {size / 1000:.0f} kB")  # noqa: T201
    assert len(first.bytes) <= MOST_REQUESTS
    assert size <= MOST_BYTES
    again = page.context.new_page()
    second = Traffic(again)
    again.goto(f"{bare}#/{view}")
    until_drawn(again)
    again.wait_for_load_state("networkidle")
    assert second.bytes
    assert [path for path in second.bytes if path and not path.startswith("api/")] == []


def test_every_request_for_a_file_has_its_version(new_page: Callable[..., Page], bare: str) -> None:
    page = new_page()
    seen: list[Response] = []
    page.on("response", lambda response: seen.append(response))  # noqa: PLW0108 - playwright wants a function
    page.goto(bare)
    until_drawn(page)
    files = [response for response in seen if "/static/" in response.url]
    assert len(files) > 10
    for response in files:
        assert re.search(r"/static/v-[0-9a-f]{16}/", response.url)
        assert "immutable" in response.headers["cache-control"]


@pytest.fixture
def growing(recorded_store: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of the recorded history without its last day, and where that day is."""
    root = shutil.copytree(recorded_store, tmp_path / "store")
    kept = tmp_path / "kept"
    for part in ("models", "changes", "quality", "quarantine"):
        day = root / part / f"snapshot_date={LATEST}"
        if day.exists():
            shutil.move(day, kept / part / day.name)
    return root, kept


def test_a_new_snapshot_is_offered_and_shown_when_asked_for(
    new_page: Callable[..., Page], serve: Callable[[Path], str], growing: tuple[Path, Path]
) -> None:
    root, kept = growing
    page = new_page()
    page.clock.install(time="2026-06-29T12:00:00Z")
    page.goto(serve(root))
    expect(page.locator(".lead")).to_contain_text("On 2026-06-29")
    shutil.copytree(kept, root, dirs_exist_ok=True)
    page.clock.fast_forward("01:01")
    offer = page.locator(".banner.news")
    expect(offer).to_contain_text(f"snapshot of {LATEST}")
    # Until then, everything is of the day before.
    expect(page.locator("#snapshot")).to_contain_text("2026-06-29")
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Models").click()
    expect(page.get_by_label("As of", exact=True)).to_have_value("2026-06-29")
    offer.get_by_role("button", name="Show").click()
    expect(page.get_by_label("As of", exact=True)).to_have_value(LATEST)
    expect(page.locator("#snapshot")).to_contain_text(LATEST)
    expect(offer).to_have_count(0)


def test_the_age_counts_while_the_page_is_open(new_page: Callable[..., Page], bare: str) -> None:
    page = new_page()
    page.clock.install(time="2026-06-30T23:00:00Z")
    page.goto(bare)
    until_drawn(page)
    chip = page.locator("#snapshot")
    expect(chip).to_contain_text("today")
    page.clock.fast_forward("01:30:00")
    expect(chip).to_contain_text("yesterday")
    page.clock.fast_forward("48:00:00")
    expect(chip).to_contain_text("3 days old")
    expect(page.locator(".banner")).to_contain_text("The last snapshot is 3 days old")


def test_a_page_that_cannot_be_refreshed_says_so(
    new_page: Callable[..., Page], bare: str, guards: list[Any]
) -> None:
    page = new_page()
    guards[-1].expect("401")
    page.clock.install(time="2026-06-30T12:00:00Z")
    page.goto(bare)
    until_drawn(page)
    page.route("**/api/status", lambda route: route.fulfill(status=401, body=""))
    page.clock.fast_forward("01:01")
    banner = page.locator(".banner.warn").filter(has_text="You are logged out")
    expect(banner).to_be_visible()
    expect(page.locator(".lead")).to_be_visible()
    login = banner.get_by_role("link", name="Log in").get_attribute("href") or ""
    assert login.startswith("../api/v2/auth/login?next=http")
    page.unroute("**/api/status")
    page.clock.fast_forward("01:01")
    expect(banner).to_have_count(0)
