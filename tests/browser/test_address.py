"""Tests the address: it survives a reload in Airflow's frame, is copied, and comes back after the login."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3
from chromium import expect, until_drawn

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

MODEL = "deepseek-ai/DeepSeek-V4-Pro"

# What the two releases do around the frame, in few lines: 3.3 mirrors the frame's address behind its own, and
# opens the frame with it; 3.2 opens it with the plain address, looks no further, and allows no downloads.
HOST = """<!doctype html><base href="/"><title>Airflow</title><iframe name="page" width="1300" height="800"
  sandbox="allow-scripts allow-same-origin allow-forms %s"></iframe><script>
const [, base, rest] = location.pathname.match(/^([/]plugin[/][^/]+)(.*)$/);
const frame = document.querySelector("iframe"), mirrors = %s;
const plain = base.endsWith("io-data-quality") ? "/io-intelligence/data-quality" : "/io-intelligence/";
if (mirrors) frame.addEventListener("load", () => {
  const { pathname, search, hash, href } = frame.contentWindow.location;
  if (href !== "about:blank") history.replaceState({ key: "host" }, "", base + pathname + search + hash);
});
frame.src = mirrors && rest ? rest + location.search + location.hash : plain;
</script>"""


class Host(BaseHTTPRequestHandler):
    """Serves the framing page, and passes everything else on to the page's server."""

    target = ""
    mirrors = False

    def do_GET(self) -> None:
        if self.path.startswith("/plugin/"):
            release = ("allow-downloads", "true") if self.mirrors else ("", "false")
            self._reply(200, {"Content-Type": "text/html"}, (HOST % release).encode())
            return
        headers = {
            key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")
        }
        url = self.target.removesuffix("/io-intelligence/") + self.path
        answer = urllib3.request("GET", url, headers=headers, decode_content=False, redirect=False)
        kept = {key: value for key, value in answer.headers.items() if key.lower() != "content-length"}
        self._reply(answer.status, kept, answer.data)

    def _reply(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(params=["3.2", "3.3"])
def host(bare: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of the pages in a frame as in that release of Airflow, without their route."""
    handler = type("Configured", (Host,), {"target": bare, "mirrors": request.param == "3.3"})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/plugin/"
        server.shutdown()
        thread.join()


def frame_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


def test_a_reload_in_the_frame_keeps_the_view(new_page: Callable[..., Page], host: str) -> None:
    page = new_page()
    page.goto(f"{host}io-intelligence")
    frame = frame_of(page)
    frame.get_by_role("navigation", name="Views").get_by_role("link", name="Models").click()
    frame.get_by_role("searchbox").fill("glm")
    expect(page).to_have_url(re.compile(r"/plugin/io-intelligence\S*#/models\?q=glm$"))
    page.reload()
    expect(frame.get_by_role("searchbox")).to_have_value("glm")
    frame.get_by_role("link", name="zai-org/GLM-5.2").click()
    expect(page).to_have_url(re.compile(r"q=glm&model=zai-org"))
    page.reload()
    expect(frame.get_by_role("dialog").get_by_role("heading", name="GLM-5.2")).to_be_visible()
    page.go_back()  # what was opened in the frame is closed in it
    expect(frame.get_by_role("searchbox")).to_be_visible()


def test_a_table_can_be_downloaded_from_the_frame(new_page: Callable[..., Page], host: str) -> None:
    page = new_page()
    page.goto(f"{host}io-intelligence#/models")
    frame = frame_of(page)
    with page.expect_download() as waiting:
        frame.get_by_role("button", name=re.compile("^CSV")).click()
        frame.get_by_role("button", name=re.compile("^Decimal point")).click()
    assert waiting.value.suggested_filename == "io-intelligence-models-2026-06-30.csv"


def test_the_page_of_data_sets_keeps_its_view_too(new_page: Callable[..., Page], host: str) -> None:
    page = new_page()
    page.goto(f"{host}io-data-quality")
    frame = frame_of(page)
    frame.get_by_role("table", name="Data sets").get_by_role("link", name="io_intelligence_models").click()
    expect(page).to_have_url(re.compile(r"/plugin/io-data-quality\S*#/dataset\?id=io_intelligence_models$"))
    page.reload()
    expect(frame.get_by_role("table", name="Runs of this data set")).to_be_visible()
    page.goto("about:blank")
    page.goto(f"{host}io-data-quality#/datasets?q=nothing")
    expect(frame.get_by_text("No data set matches “nothing”")).to_be_visible()


def test_copy_link_gives_the_address_in_airflow_pinned_to_its_day(
    new_page: Callable[..., Page], host: str
) -> None:
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{host}io-intelligence#/models?q=glm")
    frame = frame_of(page)
    expect(frame.get_by_role("searchbox")).to_be_visible()
    frame.get_by_role("button", name="Copy link").click()
    expect(frame.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(host)
    assert copied.endswith("#/models?q=glm&date=2026-06-30")
    page.goto("about:blank")
    page.goto(copied)
    expect(frame.get_by_role("searchbox")).to_have_value("glm")


PINNED = {
    "#/overview?days=7": "days=7&date=2026-06-30",
    "#/models?sort=name": "sort=name&date=2026-06-30",
    "#/prices?model=openai/gpt-oss-20b": "model=openai%2Fgpt-oss-20b&start=2026-05-01&end=2026-06-30",
    "#/changes?size=20": "size=20&start=2026-06-18&end=2026-06-30",
    "#/alerts": "end=2026-06-30",
    "#/quality": "day=2026-06-30",
}


@pytest.mark.parametrize("address", PINNED)
def test_a_copied_link_names_its_days(new_page: Callable[..., Page], bare: str, address: str) -> None:
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(bare + address)
    until_drawn(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.partition("?")[2] == PINNED[address]
    page.goto("about:blank")
    page.goto(copied)
    until_drawn(page)
    expect(page.locator(".banner.error")).to_have_count(0)


def test_the_login_comes_back_to_the_view(
    new_page: Callable[..., Page], bare: str, guards: list[Any]
) -> None:
    page = new_page()
    guards[-1].expect("401")
    page.route("**/api/**", lambda route: route.fulfill(status=401, body=""))
    page.goto(f"{bare}#/models?q=glm")
    href = page.get_by_role("link", name="Log in").get_attribute("href") or ""
    assert urlsplit(href).path == "../api/v2/auth/login"
    assert parse_qs(urlsplit(href).query)["next"] == [f"{bare}#/models?q=glm"]


def test_the_servers_own_login_page_comes_back_too(
    new_page: Callable[..., Page], bare: str, guards: list[Any]
) -> None:
    from io_intelligence_provider.plugin.errors import _LOGIN

    page = new_page()
    guards[-1].expect("401")
    page.route(
        bare, lambda route: route.fulfill(status=401, content_type="text/html", body=_LOGIN.format(text=""))
    )
    page.goto(f"{bare}#/changes?size=20")
    link = page.get_by_role("link", name="Log in")
    expect(link).to_have_attribute("href", re.compile("next="))
    query = parse_qs(urlsplit(link.get_attribute("href") or "").query)
    assert query["next"] == [f"{bare}#/changes?size=20"]


def test_a_model_opens_over_the_view_and_closing_comes_back_to_it(
    new_page: Callable[..., Page], bare: str
) -> None:
    page = new_page(height=500)
    page.goto(f"{bare}#/changes?start=2026-06-01&end=2026-06-30")
    until_drawn(page)
    link = page.get_by_role("table", name="Changes").get_by_role("link").nth(40)
    link.scroll_into_view_if_needed()
    scrolled = page.evaluate("scrollY")
    assert scrolled > 300
    link.click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("table").first).to_be_visible()
    expect(page).to_have_url(re.compile(r"#/changes\?start=2026-06-01&end=2026-06-30&open="))
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(page).to_have_url(re.compile(r"end=2026-06-30$"))
    assert page.evaluate("scrollY") == scrolled
    expect(link).to_be_focused()


def test_a_removed_model_is_found_and_opened(new_page: Callable[..., Page], bare: str) -> None:
    page = new_page()
    page.goto(f"{bare}#/models?q=cobuddy")
    until_drawn(page)
    card = page.locator(".card").filter(has_text="Earlier models")
    expect(card).to_contain_text(re.compile("last seen 2026-05-"))
    card.get_by_role("link").first.click()
    panel = page.get_by_role("dialog")
    expect(panel).to_contain_text("Removed: not on file after")
    panel.get_by_role("link", name="Open in Prices").click()
    expect(page.locator(".pill").filter(has_text="cobuddy")).to_be_visible()
    expect(page.locator(".drawing .line").first).to_be_attached()  # a level line has no height


def test_the_list_of_models_covers_no_other_control(new_page: Callable[..., Page], bare: str) -> None:
    page = new_page()
    page.goto(f"{bare}#/prices?model=openai/gpt-oss-120b")
    until_drawn(page)
    box = page.get_by_role("combobox", name="Add model")
    box.fill("glm-5.2")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("GLM-5.2"))
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.get_by_role("combobox", name="Add model").fill("glm")
    expect(page.get_by_role("listbox")).to_be_visible()
    page.get_by_role("button", name="90 d").click()
    expect(page).to_have_url(re.compile("range=90d"))
    assert page.url.count("model=") == 2


def test_two_models_of_one_name_open_in_prices(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    from helpers.stores import StoreBuilder, model_row, uuid_of

    builder = StoreBuilder(tmp_path / "store")
    for number in range(2):
        rows = [
            model_row("twin", model_id=uuid_of(key), output_token_price=str(number + price))
            for key, price in (("a", 1), ("b", 5))
        ]
        builder.file(number, *rows, changes=True)
    page = new_page()
    page.goto(f"{serve(builder.root)}#/models")
    page.get_by_role("link", name="twin").first.click()
    page.get_by_role("dialog").get_by_role("link", name="Open in Prices").click()
    expect(page.locator(".drawing .line").first).to_be_attached()  # a level line has no height
    expect(page.locator(".banner")).to_have_count(1)  # of the old snapshot; none of the name
    expect(page.locator(".banner")).to_contain_text("The last snapshot is")
