"""Tests the page of all data sets: list, one data set, a stopped run, withheld values, hostile names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from chromium import expect
from starlette.requests import Request
from test_access import BEYOND, CUT, PHONE, SHORT, axe, findings

from helpers.datasets import ORDERS, file_runs
from helpers.http_clients import reader_of, serve_page
from helpers.stores import StoreBuilder, model_row, refused_record
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.quality.results_store import ResultHistory, dataset_id

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

NOW = datetime(2026, 6, 1, 6, 30, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\u202e"
ADDRESSES = {"list": "#/datasets", "one": f"#/dataset?id={ORDERS}"}


def frame(number: int) -> pl.DataFrame:
    """Return the orders of a day: on the tenth many are refused, on the eleventh few."""
    price = [9.5 + row % 7 for row in range(60)]
    if number > 8:
        price[3:30:number] = [-1.0] * len(price[3:30:number])
    orders = [f"A{row}" if number != 9 or row < 20 else "<script>alert(2)</script>" for row in range(60)]
    return pl.DataFrame({"order": orders, "price": price, "country": ["DE", "FR"] * 30})


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the catalogue and three other data sets."""
    root = tmp_path_factory.mktemp("datasets") / "store"
    builder = StoreBuilder(root)
    move = CheckResult("price_move", None, "snapshot", "warn", 1, 1, [{"name": "acme/one"}])
    builder.file(
        0,
        model_row("acme/one"),
        refused=[refused_record("bad")],
        checks=[move],
        outcome="warned",
        dag_id="daily",
    )
    failed = [CheckResult("complete", None, "snapshot", "error", 1, 1)]
    builder.file(1, checks=failed, outcome="failed")
    file_runs(root, [frame(number) for number in range(11)], NOW)
    file_runs(root, [frame(9)], NOW + timedelta(days=1), dataset=HOSTILE, dag_id=None)
    file_runs(root, [frame(0)], NOW, dataset="s3://lake/" + "long/" * 40 + "customers")
    return root


@pytest.fixture(scope="session")
def address(serve_all: Callable[[Path], AbstractContextManager[str]], results: Path) -> Iterator[str]:
    """URL of the page over these results."""
    with serve_all(results) as url:
        yield f"{url}data-quality"


@pytest.fixture
def show(new_page: Callable[..., Page], address: str) -> Callable[..., Page]:
    """Return a function that opens an address of the page and waits until its view is there."""

    def open_view(hash_: str = "#/datasets", **options: Any) -> Page:
        page = new_page(**options)
        page.goto(address + hash_)
        expect(page.locator("#content .view")).to_be_visible()
        return page

    return open_view


def test_the_list_leads_to_a_data_set_and_its_stopped_run(show: Callable[..., Page]) -> None:
    page = show()
    expect(page).to_have_title("Data quality")
    table = page.get_by_role("table", name="Data sets")
    expect(table.locator("tbody tr")).to_have_count(4)
    row = table.get_by_role("row").filter(has_text="Orders").filter(has_text="check_orders.check").first
    expect(row).to_contain_text("warned")
    page.get_by_role("link", name="orders", exact=True).click()
    expect(page.locator(".equation")).to_have_text(re.compile(r"60 read = 57 valid \+ 3 refused"))
    path = page.get_by_role("navigation", name="Path")
    expect(path.get_by_role("link")).to_have_text(["All data sets", "orders"])
    runs = page.get_by_role("table", name="Runs of this data set")
    expect(runs.locator("tbody tr")).to_have_count(11)
    runs.get_by_role("row").filter(has_text="failed").get_by_role("link").click()
    expect(page.locator(".tile").filter(has_text="Outcome")).to_contain_text("failed")
    expect(page.locator(".tile").filter(has_text="Outcome")).to_contain_text("the run was stopped")
    expect(page.locator(".flags")).to_contain_text("field_uniqueness")
    task = page.locator(".tile").get_by_role("link", name="check_orders.check")
    assert str(task.get_attribute("href")).endswith(
        "dags/check_orders/runs/scheduled__2026-06-10/tasks/check?try_number=1"
    )
    page.go_back()
    expect(page.locator(".equation")).to_have_text(re.compile("3 refused"))
    page.get_by_role("link", name="All data sets").click()
    expect(table.locator("tbody tr")).to_have_count(4)


def test_a_search_narrows_the_list_and_keeps_the_focus(show: Callable[..., Page]) -> None:
    page = show()
    page.keyboard.press("/")
    page.keyboard.type("custo")
    expect(page.get_by_role("table", name="Data sets").locator("tbody tr")).to_have_count(1)
    expect(page.get_by_role("searchbox")).to_have_value("custo")
    page.keyboard.type("xyz")
    expect(page.get_by_text("No data set matches “custoxyz”")).to_be_visible()
    page.locator("main").get_by_role("link", name="All data sets").click()
    expect(page.get_by_role("table", name="Data sets").locator("tbody tr")).to_have_count(4)


def test_refused_rows_are_turned_page_by_page(show: Callable[..., Page], results: Path) -> None:
    stopped = ResultHistory(results).runs("orders")[9]
    page = show(f"#/dataset?id={ORDERS}&run={stopped.run_id}")
    rows = page.locator(".refused > li")
    expect(rows).to_have_count(20)
    first = rows.first.inner_text()
    page.get_by_role("button", name="Next").click()
    expect(rows.first).not_to_have_text(first)
    expect(page).to_have_url(re.compile("offset=20"))
    rows.first.locator("summary").click()
    expect(rows.first.locator(".record")).to_contain_text("<script>alert(2)</script>")
    with page.context.expect_page() as opening:
        page.get_by_role("link", name="HTML report").click()
    expect(opening.value.locator("body")).to_contain_text("field_uniqueness")


def test_the_catalogue_is_one_of_them(show: Callable[..., Page]) -> None:
    page = show("#/dataset?id=io_intelligence_models")
    expect(page.locator(".tile").filter(has_text="Outcome")).to_contain_text("failed")
    with page.context.expect_page() as opening:
        page.get_by_role("link", name="In IO Models").click()
    expect(opening.value.locator("main .view.quality")).to_be_visible()


def test_names_from_outside_are_inert(show: Callable[..., Page]) -> None:
    page = show(f"#/dataset?id={dataset_id(HOSTILE, 'Orders')}")
    expect(page.locator("main")).to_contain_text("<img src=x onerror=alert(1)>\\u202e")
    expect(page.locator(".tile").last).to_contain_text("no Dag")
    assert page.evaluate("document.querySelectorAll('main img, main script').length") == 0


def test_without_access_to_the_dag_there_are_counts_and_no_values(
    new_page: Callable[..., Page], results: Path
) -> None:
    def no_dag(request: Request) -> None:
        request.state.may_read_dag = lambda _: False

    with serve_page(results, dag_access=no_dag) as served:
        page = new_page()
        page.goto(f"{served.host}/io-intelligence/data-quality{ADDRESSES['one']}")
        expect(page.locator(".equation")).to_have_text(re.compile("3 refused"))
        expect(page.get_by_text("Values are not shown to you")).to_have_count(2)
        expect(page.locator("main")).to_contain_text("read access to the Dag check_orders")
        expect(page.locator(".flags")).to_contain_text("3 failed")
        expect(page.locator(".flags .new-line")).to_have_count(0)
        page.goto(f"{served.host}/io-intelligence/#/quality")
        expect(page.locator(".equation")).to_have_text(re.compile("1 refused"))
        expect(page.locator(".flags")).to_contain_text("1 failed")
        expect(page.locator(".flags .new-line")).to_have_count(0)
        expect(page.get_by_text("Values are not shown to you")).to_be_visible()
        expect(page.get_by_text("1 refused record not shown to you")).to_be_visible()
        expect(page.get_by_text("This needs read access to the Dag daily.")).to_have_count(2)
        page.goto("about:blank")


def test_the_note_on_withheld_values_is_that_of_the_flags_that_are_drawn(
    new_page: Callable[..., Page], tmp_path: Path
) -> None:
    builder = StoreBuilder(tmp_path)
    for number, (check, dag) in enumerate([("price_move", "ours"), ("volume", "theirs")]):
        found = CheckResult(check, None, "snapshot", "warn", 1, 1, [{"name": f"seen by {dag}"}])
        builder.file(number, model_row("a"), checks=[found], outcome="warned", dag_id=dag)
    # Closed first also after a failure: the server waits for its connections.
    with serve_page(tmp_path, dag_access=reader_of("ours")) as served, closing(new_page()) as page:
        page.goto(f"{served.host}/io-intelligence/#/quality?check=price_move")
        expect(page.locator(".flags")).to_contain_text("seen by ours")
        expect(page.get_by_text("Values are not shown to you")).to_have_count(0)
        page.goto(f"{served.host}/io-intelligence/#/quality")
        expect(page.get_by_text("This needs read access to the Dag theirs.")).to_be_visible()


def test_an_empty_root_says_where_it_looked(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    page = new_page()
    page.goto(f"{serve(tmp_path / 'nothing here')}data-quality")
    expect(page.get_by_text("No results yet")).to_be_visible()
    expect(page.get_by_text("nothing here")).to_be_visible()


def test_what_is_not_on_file_or_cannot_be_listed_says_so(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path, guards: list[Any]
) -> None:
    (root := tmp_path / "root").mkdir()
    page = new_page()
    guards[-1].expect("404|503")
    url = f"{serve(root)}data-quality"
    page.goto(f"{url}#/dataset?id=nothing")
    expect(page.locator(".banner")).to_contain_text("There are no results of 'nothing'")
    page.get_by_role("link", name="Show the latest").click()
    expect(page.get_by_text("No results yet")).to_be_visible()
    root.rmdir()
    root.write_text("no folder")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("cannot be")
    root.unlink()
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No results yet")).to_be_visible()


def test_damage_is_named_and_newer_results_are_offered(
    new_page: Callable[..., Page], serve: Callable[[Path], str], results: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(results, tmp_path / "store")
    page = new_page()
    page.goto(f"{serve(root)}data-quality{ADDRESSES['one']}")
    expect(page.locator(".equation")).to_have_text(re.compile("3 refused"))
    file_runs(root, [frame(0)], NOW + timedelta(days=20))
    (root / "results" / f"dataset_id={ORDERS}" / "20260101T000000Z-00000000.parquet").write_bytes(b"broken")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".banner.news")).to_contain_text("New results are on file")
    expect(page.locator(".equation")).to_have_text(re.compile("3 refused"))
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".equation")).to_have_text(re.compile("0 refused"))
    expect(page.locator(".banner.warn")).to_contain_text("20260101T000000Z-00000000.parquet")


def test_a_view_that_was_left_while_it_loaded_draws_nothing(show: Callable[..., Page]) -> None:
    page = show()
    held: list[Route] = []
    page.route("**/api/dataset?*", lambda route: held.append(route))  # noqa: PLW0108 - playwright wants a function
    with page.expect_request("**/api/dataset?*"):
        page.get_by_role("link", name="orders", exact=True).click()
    page.get_by_role("link", name="All data sets").click()
    expect(page.get_by_role("table", name="Data sets")).to_be_visible()
    with page.expect_response("**/api/dataset?*"):
        held[0].continue_()
    expect(page.get_by_role("table", name="Data sets")).to_be_visible()
    expect(page.locator(".view.dataset")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1376, PHONE])
@pytest.mark.parametrize("view", ADDRESSES)
def test_axe_finds_nothing(show: Callable[..., Page], view: str, width: int, theme: str) -> None:
    page = show(ADDRESSES[view], theme=theme, width=width)
    expect(page.locator("html")).to_have_class(re.compile(theme))
    assert axe(page) == []


@pytest.mark.parametrize("view", ADDRESSES)
def test_at_every_width_nothing_is_cut_and_nothing_scrolls_sideways(
    show: Callable[..., Page], view: str
) -> None:
    page = show(ADDRESSES[view], width=2560, height=800)
    for width in (2560, 1376, 1150, 768, 375, 320):
        page.set_viewport_size({"width": width, "height": 800})
        assert findings(page, BEYOND) == [], width
        if width >= 375:
            assert findings(page, CUT) == [], width
            assert findings(page, SHORT) == [], width
