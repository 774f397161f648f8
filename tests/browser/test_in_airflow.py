"""Tests the two pages inside Airflow's own UI, behind its login and a base URL with a path."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from chromium import expect

from airflow import __version__ as airflow_version
from io_intelligence_provider.cli.standalone import Standalone

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800), pytest.mark.long]

DAILY = "io_intelligence_daily_pricing"


@pytest.fixture
def logged_in(new_page: Callable[..., Page], airflow: Standalone) -> Callable[..., Page]:
    """Return a function that logs in through Airflow's own form."""

    def log_in(user: str = "vera", **options: Any) -> Page:
        page = new_page(**options)
        page.goto(f"{airflow.url}/")
        page.get_by_label("Username").fill(user)
        page.get_by_label("Password").fill(airflow.passwords[user])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("link", name="Dags").first).to_be_visible()
        return page

    return log_in


def side_bar(page: Page, entry: str) -> Locator:
    """Return a page's entry in the side bar. Before Airflow 3.3 it is in a menu, which this opens."""
    if not airflow_version.startswith("3.2."):
        return page.get_by_role("link", name=entry, exact=True)
    page.get_by_role("button", name="Plugins").click()
    return page.get_by_role("menuitem", name=entry, exact=True)


def opened(page: Page, entry: str = "IO Models") -> FrameLocator:
    """Open a page from the side bar."""
    side_bar(page, entry).click()
    return page.frame_locator("iframe")


@pytest.mark.parametrize("user", ["vera", "ada"])
def test_it_opens_from_the_side_bar(logged_in: Callable[..., Page], user: str) -> None:
    frame = opened(logged_in(user))
    expect(frame.get_by_role("heading", name="IO Intelligence")).to_be_visible()
    expect(frame.get_by_text("Like for like").first).to_be_visible()
    for view in ("Models", "Prices", "Quotas", "Changes", "Quality"):
        frame.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()
        expect(frame.locator(f"main .view.{view.lower()}")).to_be_visible()


@pytest.mark.parametrize("user", ["vera", "ada"])
def test_the_page_of_data_sets_opens_from_the_side_bar(
    logged_in: Callable[..., Page], airflow: Standalone, run_id: str, user: str
) -> None:
    page = logged_in(user)
    frame = opened(page, "Quality")
    expect(frame.get_by_role("heading", name="Data quality")).to_be_visible()
    frame.get_by_role("table", name="Data sets").get_by_role("link", name="io_intelligence_models").click()
    expect(frame.locator(".tile").filter(has_text="Outcome")).to_contain_text("the run went on")
    expect(frame.get_by_text("Values are not shown to you")).to_have_count(0)
    run = frame.locator(".tile").get_by_role("link", name=f"{DAILY}.snapshot")
    run.click()
    expect(page).to_have_url(re.compile(rf"^{re.escape(f'{airflow.url}/dags/{DAILY}/runs/')}"))
    expect(page.get_by_text(run_id).first).to_be_visible()


ENTRIES = [("IO Models", "icon"), ("Quality", "quality")]


@pytest.mark.parametrize(("entry", "icon"), [("IO Models", "icon"), ("Quality", "quality")])
def test_its_icon_and_its_name_are_whole(logged_in: Callable[..., Page], entry: str, icon: str) -> None:
    page = logged_in()
    link = side_bar(page, entry)
    expect(link).to_be_visible()
    image = link.locator("img")
    expect(image).to_have_attribute("src", re.compile(rf"io-intelligence/static/{icon}(-dark)?\.svg$"))
    image.evaluate("(image) => image.decode()")  # waits for the image, and fails when it is none
    name = page.get_by_text(entry, exact=True)
    expect(name).to_be_visible()
    assert name.evaluate("(node) => node.scrollWidth <= node.clientWidth")


def test_a_reload_keeps_the_view(logged_in: Callable[..., Page], airflow: Standalone) -> None:
    page = logged_in()
    frame = opened(page)
    frame.get_by_role("navigation", name="Views").get_by_role("link", name="Models").click()
    frame.get_by_role("searchbox").fill("glm")
    expect(page).to_have_url(
        re.compile(rf"^{re.escape(airflow.url)}/plugin/io-intelligence\S*#/models\?q=glm$")
    )
    page.reload()
    expect(frame.get_by_role("searchbox")).to_have_value("glm")
    page.get_by_role("link", name="Dags").first.click()
    expect(page).not_to_have_url(re.compile("#/models"))
    page.go_back()
    expect(frame.get_by_role("searchbox")).to_have_value("glm")


def test_a_reload_keeps_the_data_set(logged_in: Callable[..., Page], airflow: Standalone) -> None:
    page = logged_in()
    frame = opened(page, "Quality")
    frame.get_by_role("table", name="Data sets").get_by_role("link", name="io_intelligence_models").click()
    kept = re.compile(
        rf"^{re.escape(airflow.url)}/plugin/io-data-quality\S*#/dataset\?id=io_intelligence_models$"
    )
    expect(page).to_have_url(kept)
    runs = frame.get_by_role("table", name="Runs of this data set")
    page.reload()
    expect(runs).to_be_visible()
    deep = page.url
    page.get_by_role("link", name="Dags").first.click()
    expect(page).not_to_have_url(kept)
    page.goto(deep)
    expect(runs).to_be_visible()
    page.goto("about:blank")
    page.goto(f"{airflow.url}/plugin/io-data-quality#/datasets?q=nothing")  # as Airflow 3.2 writes it
    expect(frame.get_by_text("No data set matches “nothing”")).to_be_visible()


def test_the_address_without_its_slash_leads_to_the_page(
    logged_in: Callable[..., Page], airflow: Standalone
) -> None:
    page = logged_in()
    page.goto(f"{airflow.url}/io-intelligence#/models?q=glm")
    expect(page.get_by_role("searchbox")).to_have_value("glm")
    expect(page).to_have_url(f"{airflow.url}/io-intelligence/#/models?q=glm")


def test_the_login_comes_back_to_the_view(
    new_page: Callable[..., Page], airflow: Standalone, guards: list[Any]
) -> None:
    page = new_page()
    guards[-1].expect("401")
    page.goto(f"{airflow.url}/io-intelligence/#/models?q=glm")
    link = page.get_by_role("link", name="Log in")
    expect(link).to_have_attribute("href", re.compile("next="))
    link.click()
    page.get_by_label("Username").fill("vera")
    page.get_by_label("Password").fill(airflow.passwords["vera"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("searchbox")).to_have_value("glm")


@pytest.mark.parametrize("entry", ["IO Models", "Quality"])
def test_it_follows_airflows_theme_live(logged_in: Callable[..., Page], entry: str) -> None:
    page = logged_in(theme="light")
    frame = opened(page, entry)
    expect(frame.locator("html")).to_have_class("light")
    page.evaluate(
        """() => {
          document.documentElement.classList.replace("light", "dark");
          localStorage.setItem("theme", "dark");
        }"""
    )
    expect(frame.locator("html")).to_have_class("dark")
    page.evaluate('document.documentElement.classList.replace("dark", "light")')
    expect(frame.locator("html")).to_have_class("light")


def test_from_the_page_to_the_dag(logged_in: Callable[..., Page], airflow: Standalone) -> None:
    page = logged_in()
    frame = opened(page)
    frame.get_by_role("link", name=DAILY).first.click()
    expect(page).to_have_url(re.compile(rf"^{re.escape(airflow.url)}/dags/{DAILY}"))
    expect(page.get_by_text(DAILY).first).to_be_visible()


def test_a_download_from_within_airflow(logged_in: Callable[..., Page]) -> None:
    page = logged_in()
    frame = opened(page)
    frame.get_by_role("navigation", name="Views").get_by_role("link", name="Models").click()
    with page.expect_download() as waiting:
        frame.get_by_role("button", name=re.compile("^CSV")).click()
        frame.get_by_role("button", name=re.compile("^Decimal point")).click()
    assert re.fullmatch(r"io-intelligence-models-\d{4}-\d\d-\d\d\.csv", waiting.value.suggested_filename)


def test_who_is_not_logged_in_gets_no_data(
    new_page: Callable[..., Page], airflow: Standalone, guards: list[Any]
) -> None:
    page = new_page()
    guards[-1].expect("401")
    answer = page.goto(f"{airflow.url}/io-intelligence/")
    assert answer is not None
    assert answer.status == 401
    assert "snapshot" not in page.content().lower()


@pytest.fixture(scope="module")
def run_id(airflow: Standalone) -> str:
    """The id of a finished run of the daily Dag, made through the REST API."""
    token = asked(airflow, "POST", "/auth/token", {"username": "ada", "password": airflow.passwords["ada"]})
    header = {"Authorization": f"Bearer {token['access_token']}"}
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        if "dag_id" in asked(airflow, "PATCH", f"/api/v2/dags/{DAILY}", {"is_paused": False}, header):
            break
        time.sleep(1)  # until the Dag processor has read the file
    while time.monotonic() < deadline:
        for run in asked(airflow, "GET", f"/api/v2/dags/{DAILY}/dagRuns", None, header)["dag_runs"]:
            if run["state"] in ("success", "failed"):
                assert run["state"] == "success"
                found: str = run["dag_run_id"]
                return found
        time.sleep(1)
    raise AssertionError(f"No run of {DAILY} came to its end:\n{airflow.tail()}")


def asked(
    airflow: Standalone, method: str, path: str, body: Any, header: dict[str, str] | None = None
) -> dict[str, Any]:
    answer = urllib3.request(method, airflow.url + path, json=body, headers=header or {}, timeout=60)
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("task", "button", "view"),
    [
        ("snapshot", "Data quality", "quality"),
        ("changes", "What changed", "changes"),
        ("alert", "What changed", "changes"),
    ],
)
def test_a_task_links_to_its_day_on_the_page(
    logged_in: Callable[..., Page], airflow: Standalone, run_id: str, task: str, button: str, view: str
) -> None:
    page = logged_in()
    page.goto(f"{airflow.url}/dags/{DAILY}/runs/{run_id}/tasks/{task}/details")
    page.get_by_role("link", name=button, exact=True).click()
    expect(page).to_have_url(re.compile(rf"^{re.escape(airflow.url)}/io-intelligence/#/{view}\?"))
    expect(page.locator(f"main .view.{view}")).to_be_visible()
    expect(page.locator(".banner.error")).to_have_count(0)
    (day,) = set(re.findall(r"\d{4}-\d\d-\d\d", page.url))
    expect(page.locator(f"main .view.{view}")).to_contain_text(day)
