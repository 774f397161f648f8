"""Tests each view over the recorded history: its content and its controls."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import expect, until_drawn

from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.cli.emulator import replay
from io_intelligence_provider.emulator.catalogue import PriceHistory
from io_intelligence_provider.emulator.server import EmulatorServer

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

MODEL = "deepseek-ai/DeepSeek-V4-Pro"
_TEXT = "(node) => node.innerText + [...node.querySelectorAll('input')].map((input) => input.value)"


@pytest.fixture
def show(new_page: Callable[..., Page], bare: str) -> Callable[..., Page]:
    """Return a function that opens an address of the page and waits until its view stands."""

    def open_view(address: str = "#/overview", **options: Any) -> Page:
        page = new_page(**options)
        page.goto(bare + address)
        expect(page.locator("main .view")).to_be_visible()
        return page

    return open_view


def saved(page: Page, form: str = "Decimal point") -> None:
    """Choose a form in the first menu of CSV."""
    page.get_by_role("button", name=re.compile("^CSV")).first.click()
    page.get_by_role("button", name=re.compile(f"^{form}")).first.click()


def names(page: Page) -> Locator:
    """Return the models of the table, from the top."""
    return page.locator("table.models-table tbody th .name.row")


def test_the_overview_says_what_happened_on_the_day(show: Callable[..., Page]) -> None:
    page = show()
    lead = page.locator(".lead")
    expect(lead).to_contain_text("On 2026-06-30, 10 of 26 models changed price")
    expect(lead).to_contain_text(re.compile(r"5 .*dearer, ▼4 .*cheaper, 1 both ways"))
    expect(lead).to_contain_text(re.compile(r"gpt-oss-120b output 0\.562 → 0\.68 USD, ▲\+21\.0.%"))
    tiles = page.locator(".tile")
    expect(tiles.filter(has_text="Price changes")).to_contain_text(
        re.compile(r"30.*16 up.*14 down", re.DOTALL)
    )
    expect(page.get_by_text("6 models with a rise")).to_be_visible()
    expect(page.get_by_text("5 models with a fall")).to_be_visible()


def test_the_index_of_the_overview_is_that_of_the_store(
    show: Callable[..., Page], recorded_store: Path
) -> None:
    index = {
        row["snapshot_date"].isoformat(): row
        for row in SnapshotStore(recorded_store).price_index().to_pylist()
    }
    then, last = index["2026-05-29"], index["2026-06-30"]
    page = show()
    tile = page.locator(".tile").filter(has_text="Like for like")
    moved = 100 * (last["blended"] / then["blended"] - 1)
    expect(tile.locator(".figure")).to_have_text(re.compile(rf"▲?\+{moved:.2f}.%"))
    expect(tile).to_contain_text("since 29 May, 24 to 26 pairs")
    rows = page.get_by_role("table", name="How the prices of the same models moved").get_by_role("row")
    for row, kind in enumerate(("output", "input", "blended"), start=1):
        moved = 100 * (last[kind] / then[kind] - 1)
        expect(rows.nth(row)).to_contain_text(f"{abs(moved):.{2 if abs(moved) < 0.05 else 1}f}")
        expect(rows.nth(row)).to_contain_text(str(last[f"{kind}_pairs"]))
    expect(page.locator("#content")).to_contain_text(
        "Median of what is listed: input 0.5635, output 2.40 USD"
    )


def test_the_overview_of_another_day(show: Callable[..., Page]) -> None:
    page = show("#/overview?date=2026-05-26")
    expect(page.locator(".lead")).to_contain_text("2026-05-26")
    expect(page.locator(".tile").filter(has_text="Data quality")).to_contain_text("warned")


@pytest.mark.parametrize(
    ("tile", "address"),
    [
        ("Price changes", r"#/changes\?start=2026-06-30&end=2026-06-30$"),
        ("Models", r"#/models\?date=2026-06-30$"),
        ("Active", r"#/models\?date=2026-06-30&status=active$"),
        ("Like for like", r"#/prices\?end=2026-06-30$"),
        ("Data quality", r"#/quality\?day=2026-06-30$"),
    ],
)
def test_a_figure_leads_to_what_it_counts(show: Callable[..., Page], tile: str, address: str) -> None:
    page = show()
    page.locator(".tile").get_by_role("link", name=tile).click()
    expect(page).to_have_url(re.compile(address))
    expect(page.locator("main .view")).to_be_visible()
    expect(
        page.locator(".banner.error, .banner.warn").filter(has_not_text="The last snapshot")
    ).to_have_count(0)


def test_the_span_of_the_moves_is_part_of_the_address(show: Callable[..., Page]) -> None:
    page = show()
    page.get_by_role("button", name="30 days").click()
    expect(page).to_have_url(re.compile(r"#/overview\?days=30$"))
    expect(page.get_by_role("button", name="30 days")).to_have_attribute("aria-pressed", "true")


def test_each_tab_opens_its_view(show: Callable[..., Page]) -> None:
    page = show()
    tabs = page.get_by_role("navigation", name="Views")
    for name in ("Models", "Prices", "Costs", "Quotas", "Changes", "Alerts", "Quality", "Overview"):
        tabs.get_by_role("link", name=name).click()
        expect(page.locator(f"main .view.{name.lower()}")).to_be_visible()
        expect(tabs.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        expect(page).to_have_title(f"{name} · IO Intelligence")
        expect(page.locator(".banner.error")).to_have_count(0)


def test_a_view_that_was_left_while_it_loaded_draws_nothing(show: Callable[..., Page]) -> None:
    page = show()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/views/prices.js", hold)
    tabs = page.get_by_role("navigation", name="Views")
    with page.expect_request("**/views/prices.js"):
        tabs.get_by_role("link", name="Prices").click()
    tabs.get_by_role("link", name="Quality").click()
    expect(page.locator("main .view.quality")).to_be_visible()
    with page.expect_response("**/views/prices.js"):
        held[0].continue_()
    page.evaluate("(url) => import(url)", held[0].request.url)  # it has arrived, and what waited for it ran
    expect(tabs.get_by_role("link", name="Quality")).to_have_attribute("aria-current", "page")
    expect(page.locator("main .view.quality")).to_be_visible()
    expect(page).to_have_title("Quality · IO Intelligence")


@pytest.mark.parametrize(
    ("route", "address", "shown"),
    [
        ("overview", "#/overview?date={}", ".lead"),
        ("quality", "#/quality?day={}", ".card.tiles"),
        ("models", "#/models?date={}", "main .controls"),
        ("models", "#/quotas?end={}", "main .view > .card"),
    ],
    ids=["overview", "quality", "models", "quotas"],
)
def test_an_answer_that_is_late_does_not_replace_a_later_one(
    show: Callable[..., Page], route: str, address: str, shown: str
) -> None:
    first, second = "2026-05-20", "2026-05-18"
    page = show(address.format("2026-06-29"))
    held: list[Route] = []
    page.route(re.compile(rf"api/{route}\?.*{first}"), lambda route: held.append(route))  # noqa: PLW0108 - playwright wants a function
    with page.expect_request(re.compile(rf"api/{route}\?.*{first}")):
        page.evaluate("(to) => { window.location.hash = to }", address.format(first))
    with page.expect_response(re.compile(rf"api/{route}\?.*{second}")):
        page.evaluate("(to) => { window.location.hash = to }", address.format(second))
    until_drawn(page)
    before = page.locator(shown).first.evaluate(_TEXT)
    with page.expect_response(re.compile(rf"api/{route}\?.*{first}")):
        held[0].continue_()
    until_drawn(page)
    assert page.locator(shown).first.evaluate(_TEXT) == before


def test_bars_of_rises_stand_on_those_of_falls(show: Callable[..., Page]) -> None:
    page = show("#/changes")
    bars = page.locator(".strip .bar")
    expect(bars).to_have_count(2)
    up, down = (bars.nth(side).bounding_box() for side in (0, 1))
    assert up
    assert down
    assert min(up["height"], down["height"]) > 5
    assert abs(up["y"] + up["height"] - down["y"]) < 2
    fills = bars.evaluate_all("(nodes) => nodes.map((node) => getComputedStyle(node).fill)")
    assert len(set(fills)) == 2


def test_search_filters_and_says_how_many_are_left(show: Callable[..., Page]) -> None:
    page = show("#/models")
    page.keyboard.press("/")
    page.keyboard.type("glm 4.7")
    expect(page.get_by_text("2 models", exact=True).first).to_be_visible()
    expect(names(page)).to_have_count(2)
    assert sorted(names(page).all_inner_texts()) == ["zai-org/GLM-4.7", "zai-org/GLM-4.7-Flash"]
    page.get_by_role("searchbox").fill("no such model")
    expect(page.get_by_text("No model matches “no such model”")).to_be_visible()
    page.get_by_role("button", name="Clear search and filter").click()
    expect(page.get_by_text("26 models", exact=True).first).to_be_visible()


def test_columns_sort_both_ways_by_number(show: Callable[..., Page]) -> None:
    page = show("#/models")
    expect(names(page).first).to_have_text("zai-org/GLM-5.2")
    head = page.get_by_role("columnheader", name="Output", exact=True)
    expect(head).to_have_attribute("aria-sort", "descending")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(names(page).first).to_have_text("openai/gpt-oss-20b")
    head = page.get_by_role("columnheader", name="Model")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    shown = names(page).all_inner_texts()
    # Upper and lower case count as one, and 20b comes before 120b.
    assert shown == sorted(
        shown, key=lambda name: re.sub(r"\d+", lambda number: number[0].zfill(9), name.lower())
    )


def test_a_filter_by_developer(show: Callable[..., Page]) -> None:
    page = show("#/models")
    page.get_by_label("Developer").select_option("openai")
    expect(page.get_by_text("2 models", exact=True).first).to_be_visible()
    expect(names(page)).to_have_count(2)
    assert sorted(names(page).all_inner_texts()) == ["openai/gpt-oss-120b", "openai/gpt-oss-20b"]


def test_a_row_opens_the_model_and_escape_closes_it(show: Callable[..., Page]) -> None:
    page = show("#/models")
    row = page.get_by_role("link", name=MODEL)
    row.click()
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("heading", name="DeepSeek-V4-Pro")).to_be_visible()
    expect(panel.get_by_text("2.949").first).to_be_visible()
    expect(page).to_have_url(re.compile(r"#/models\?model=deepseek-ai"))
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(page).to_have_url(re.compile(r"#/models$"))
    expect(page.get_by_role("link", name=MODEL)).to_be_focused()


def test_a_deep_link_to_a_model_opens_it(show: Callable[..., Page]) -> None:
    page = show(f"#/models?model={MODEL}")
    panel = page.get_by_role("dialog")
    expect(panel.get_by_role("heading", name="DeepSeek-V4-Pro")).to_be_visible()
    expect(panel.get_by_role("table").first).to_contain_text("2.949")
    panel.get_by_role("link", name="Open in Prices").click()
    expect(page.locator("main .view.prices")).to_be_visible()


def test_a_models_table_of_another_day(show: Callable[..., Page]) -> None:
    page = show("#/models")
    day = page.get_by_label("As of", exact=True)
    day.fill("2026-03-01")  # there is no snapshot of that day; the one before it holds
    day.press("Enter")
    expect(page).to_have_url(re.compile(r"date=2026-02-25"))
    expect(day).to_have_value("2026-02-25")


def test_prices_of_a_deep_link_are_drawn_and_listed(show: Callable[..., Page]) -> None:
    page = show(
        "#/prices?model=zai-org/GLM-5.2&model=openai/gpt-oss-120b&field=output_token_price"
        "&start=2026-06-20&end=2026-06-30"
    )
    expect(page.locator(".plot .drawing .line").first).to_be_visible()
    table = page.get_by_role("table").last
    expect(table).to_contain_text("GLM-5.2")
    expect(table).to_contain_text("5.53")
    expect(table).to_contain_text("0.68")


def test_pointing_at_a_chart_reads_every_value_of_the_day(show: Callable[..., Page]) -> None:
    page = show("#/prices?model=openai/gpt-oss-120b&field=output_token_price&start=2026-06-20&end=2026-06-30")
    expect(page.locator(".plot .drawing .line").first).to_be_visible()
    chart = page.locator(".plot [role=img]").first
    chart.focus()
    page.keyboard.press("ArrowRight")
    card = page.locator(".hover-card")
    expect(card).to_contain_text("2026-06-30")
    expect(card).to_contain_text("0.68")
    expect(card).to_contain_text(re.compile(r"\+21\.0.%"))
    page.keyboard.press("ArrowLeft")
    expect(card).to_contain_text("2026-06-29")
    expect(card).to_contain_text("0.562")
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(card).to_contain_text("gpt-oss-120b")


def test_a_model_is_added_to_the_comparison_by_typing(show: Callable[..., Page]) -> None:
    page = show("#/prices?model=openai/gpt-oss-120b&field=output_token_price")
    until_drawn(page)
    box = page.get_by_role("combobox", name="Add model")
    box.fill("glm-5.2")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"model=zai-org"))
    expect(page.get_by_role("table").last).to_contain_text("GLM-5.2")


def test_changes_of_one_day(show: Callable[..., Page]) -> None:
    page = show("#/changes?start=2026-06-30&end=2026-06-30")
    table = page.get_by_role("table", name="Changes")
    expect(table).to_contain_text("30 price changes")
    expect(table).to_contain_text("gpt-oss-120b")


def test_smaller_changes_are_counted_and_shown_when_asked_for(show: Callable[..., Page]) -> None:
    page = show("#/changes?start=2026-06-30&end=2026-06-30")
    table = page.get_by_role("table", name="Changes")
    expect(table).to_contain_text("GLM-4.7")
    page.get_by_role("button", name=re.compile("≥ 20")).click()
    expect(table).not_to_contain_text("GLM-4.7")
    expect(table).to_contain_text("3 of 30 changes")
    expect(table).to_contain_text("27 smaller")
    table.get_by_role("button", name="show").click()
    expect(table).to_contain_text("GLM-4.7")


def test_what_no_change_matches_says_so(show: Callable[..., Page]) -> None:
    page = show("#/changes?q=no-such-model")
    expect(page.get_by_text("No change matches")).to_be_visible()
    expect(page.locator(".feed")).to_have_count(0)
    page.get_by_role("button", name="Clear search and filters").click()
    expect(page.get_by_role("table", name="Changes")).to_contain_text("30 price changes")
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_the_search_of_quotas_is_cleared_with_its_field(show: Callable[..., Page]) -> None:
    page = show("#/quotas?q=no-such-model")
    page.get_by_role("button", name="Clear the search").click()
    expect(page.get_by_role("table", name="Quotas of 2026-06-30")).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_count_of_what_is_hidden_says_why(show: Callable[..., Page]) -> None:
    page = show("#/changes?direction=up&start=2026-06-30&end=2026-06-30")
    table = page.get_by_role("table", name="Changes")
    expect(table).to_contain_text(re.compile(r"\d+ of 30 changes"))
    expect(table).to_contain_text(re.compile(r"\d+ not up"))
    expect(table).not_to_contain_text("smaller")


def test_days_on_which_nothing_matches_are_left_out(show: Callable[..., Page]) -> None:
    page = show("#/changes?kind=model&start=2026-05-20&end=2026-06-30")
    table = page.get_by_role("table", name="Changes")
    expect(table).to_contain_text("2026-06-17")
    expect(table).not_to_contain_text("2026-06-30")


def test_quotas_open_on_those_that_changed(show: Callable[..., Page]) -> None:
    page = show("#/quotas")
    until_drawn(page)
    expect(page.get_by_text("No quota has changed so far.")).to_be_visible()
    expect(page.locator(".plot")).to_have_count(0)


def test_a_check_leads_to_its_flags(show: Callable[..., Page]) -> None:
    page = show("#/quality")
    page.get_by_role("link", name="price_to_zero").click()
    expect(page.get_by_role("heading", name="Flagged by price_to_zero")).to_be_visible()
    flags = page.locator(".flags > li")
    expect(flags.first).to_contain_text("price_to_zero")
    assert all("price_to_zero" in text for text in flags.all_inner_texts())
    flags.first.get_by_role("link").first.click()
    expect(page.locator(".tile").filter(has_text="Outcome")).to_contain_text("warned")


def test_the_html_report_can_be_opened(show: Callable[..., Page]) -> None:
    page = show("#/quality?day=2026-05-26")
    with page.context.expect_page() as opening:
        page.get_by_role("link", name="HTML report").click()
    report = opening.value
    expect(report.locator("body")).to_contain_text("price_to_zero")
    assert report.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"


def test_quality_tells_the_sum_and_every_check(show: Callable[..., Page]) -> None:
    page = show("#/quality?day=2026-06-30")
    expect(page.locator(".equation")).to_have_text(re.compile(r"26 served = 26 valid \+ 0 refused"))
    for check in ("required", "price", "volume", "price_move"):
        expect(page.get_by_role("row").filter(has_text=check).first).to_be_visible()


def test_quality_of_the_day_that_a_price_fell_to_nought(show: Callable[..., Page]) -> None:
    page = show("#/quality?day=2026-05-26")
    expect(page.locator(".tile").filter(has_text="Outcome")).to_contain_text("warned")
    expect(page.get_by_role("row").filter(has_text="price_to_zero").first).to_be_visible()


def test_what_is_not_on_file_says_so_and_leads_back(
    show: Callable[..., Page], guards: list[Any], new_page: Callable[..., Page], bare: str
) -> None:
    page = new_page()
    guards[-1].expect("404")
    page.goto(f"{bare}#/quality?day=2020-01-01")
    expect(page.get_by_role("link", name="Show the latest")).to_be_visible()
    page.get_by_role("link", name="Show the latest").click()
    expect(page.locator(".equation")).to_be_visible()


@pytest.mark.parametrize("view", ["models", "changes", "prices", "quotas"])
def test_a_download_holds_the_table(show: Callable[..., Page], tmp_path: Path, view: str) -> None:
    page = show(f"#/{view}")
    until_drawn(page)
    with page.expect_download() as waiting:
        saved(page)
    path = tmp_path / "table.csv"
    waiting.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}
    assert "name" in rows[0]
    assert {"meta-llama/Llama-3.3-70B-Instruct"} <= {row[rows[0].index("name")] for row in rows}


def test_a_german_spreadsheet_is_offered_its_form_first(show: Callable[..., Page], tmp_path: Path) -> None:
    page = show("#/models", locale="de-DE")
    until_drawn(page)
    expect(page.locator("#content")).to_contain_text("1.678")  # the page itself reads the same everywhere
    with page.expect_download() as waiting:
        page.get_by_role("button", name=re.compile("^CSV")).click()
        page.locator(".menu-list button").first.click()
    path = tmp_path / "table.csv"
    waiting.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    prices = {row["name"]: row["input_token_price"] for row in rows}
    assert prices["zai-org/GLM-5.2"] == "1,678"


def test_a_download_of_models_has_every_column_shown(show: Callable[..., Page], tmp_path: Path) -> None:
    page = show("#/models")
    until_drawn(page)
    with page.expect_download() as waiting:
        saved(page)
    path = tmp_path / "table.csv"
    waiting.value.save_as(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["name"] == "zai-org/GLM-5"]
    assert row["output_token_price"] == "2.846"
    assert float(row["output_token_price_change_pct"]) == pytest.approx(-4.4, abs=0.05)
    assert row["context_window"] == "202752"
    assert row["chat_daily_quota_tier_1"] == "0"


@pytest.fixture(scope="module")
def observed(
    serve_all: Callable[[Path], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """URL of the page over three days of the live API's shape, which has access tiers and no quotas."""
    root = tmp_path_factory.mktemp("observed") / "store"
    history = PriceHistory.load()
    with EmulatorServer(catalogue=history, shape="openai") as server:
        replay(server, SnapshotStore(root), history.dates[-3:])
    with serve_all(root) as url:
        yield url


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_access_tiers_have_a_column_and_a_lane_for_each_model(
    new_page: Callable[..., Page], observed: str, theme: str
) -> None:
    page = new_page(theme=theme)
    page.goto(f"{observed}#/quotas")
    expect(page.get_by_role("heading", name="Access tiers over time")).to_be_visible()
    heads = page.get_by_role("table").first.get_by_role("columnheader")
    expect(heads).to_have_text([re.compile("Model"), re.compile("Access tier")])
    lanes = page.locator(".lanes .lane")
    expect(lanes).to_have_count(10)
    for lane in lanes.all():
        expect(lane.get_by_role("listitem")).to_have_text(re.compile("standard|developer|professional"))
