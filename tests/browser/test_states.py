"""Tests the page over an empty, broken or damaged store, and after a stopped run: what it reports, where."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chromium import expect

from helpers.airflow_runs import catalogue_records
from io_intelligence_provider import IOIntelligenceClient, SnapshotStore, take_snapshot
from io_intelligence_provider.emulator.catalogue import FixedCatalogue
from io_intelligence_provider.emulator.server import EmulatorServer
from io_intelligence_provider.errors import QualityError

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LATEST = "2026-06-30"


@pytest.fixture
def damaged(recorded_store: Path, tmp_path: Path) -> Path:
    """A copy of the recorded history, to be broken."""
    return shutil.copytree(recorded_store, tmp_path / "store")


def models_file(root: Path, day: str) -> Path:
    return root / "models" / f"snapshot_date={day}" / "models.parquet"


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def test_an_empty_store_says_how_to_begin(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    page = new_page()
    page.goto(serve(tmp_path / "nothing here"))
    expect(page.get_by_role("heading", name="No snapshot yet")).to_be_visible()
    expect(page.get_by_role("link", name="Open the Dag")).to_be_visible()
    expect(page.get_by_text("nothing here")).to_be_visible()
    expect(page.get_by_text("does not exist yet")).to_be_visible()


def test_an_empty_folder_is_no_missing_one(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path
) -> None:
    root = tmp_path / "store"
    root.mkdir()
    page = new_page()
    page.goto(serve(root))
    expect(page.get_by_text("the store is reachable and empty")).to_be_visible()


def test_a_store_that_cannot_be_read_says_where_it_looked(
    new_page: Callable[..., Page], serve: Callable[[Path], str], tmp_path: Path, guards: list[Any]
) -> None:
    root = tmp_path / "a file"
    root.write_text("no folder")
    page = new_page()
    guards[-1].expect("503")
    page.goto(serve(root))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("a file")
    expect(alert).not_to_contain_text("Traceback")
    root.unlink()
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="No snapshot yet")).to_be_visible()


def test_the_last_good_day_is_shown_when_the_latest_is_damaged(
    new_page: Callable[..., Page], serve: Callable[[Path], str], damaged: Path
) -> None:
    cut_short(models_file(damaged, LATEST))
    page = new_page()
    page.goto(serve(damaged))
    expect(page.locator(".banner").filter(has_text=f"{LATEST} cannot be read").first).to_be_visible()
    expect(page.get_by_text("Snapshot 2026-06-29")).to_be_visible()
    expect(page.locator(".lead")).to_contain_text("On 2026-06-29")
    for view in ("Models", "Prices", "Quotas", "Changes", "Quality"):
        page.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()
        expect(page.locator(f"main .view.{view.lower()}")).to_be_visible()
        expect(page.locator(".banner.error")).to_have_count(0)


def test_an_older_damaged_day_takes_nothing_else_down(
    new_page: Callable[..., Page], serve: Callable[[Path], str], damaged: Path
) -> None:
    cut_short(models_file(damaged, "2026-05-26"))
    page = new_page()
    page.goto(f"{serve(damaged)}#/prices?model=zai-org/GLM-5.1&range=all")
    expect(page.locator(".plot .drawing .line").first).to_be_visible()
    expect(page.locator(".banner.error")).to_have_count(0)


def test_a_missing_report_takes_only_its_own_part_away(
    new_page: Callable[..., Page], serve: Callable[[Path], str], damaged: Path
) -> None:
    shutil.rmtree(damaged / "quality" / f"snapshot_date={LATEST}")
    page = new_page()
    page.goto(serve(damaged))
    expect(page.locator(".lead")).to_contain_text(f"On {LATEST}")
    expect(page.locator(".tile").filter(has_text="Data quality")).to_contain_text("—")


def test_a_model_whose_changes_were_never_detected_is_not_said_to_have_none(
    new_page: Callable[..., Page], serve: Callable[[Path], str], damaged: Path
) -> None:
    shutil.rmtree(damaged / "changes")
    page = new_page()
    page.goto(f"{serve(damaged)}#/models?model=openai/gpt-oss-120b")
    expect(page.get_by_role("dialog").locator(".facts").first).to_be_visible()
    expect(page.get_by_role("dialog")).not_to_contain_text("None since the first snapshot")


def test_a_store_that_fills_while_one_looks(
    new_page: Callable[..., Page], serve: Callable[[Path], str], recorded_store: Path, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    page = new_page()
    page.goto(serve(root))
    expect(page.get_by_role("heading", name="No snapshot yet")).to_be_visible()
    shutil.copytree(recorded_store, root)
    page.reload()
    expect(page.locator(".lead")).to_contain_text(f"On {LATEST}")


def test_a_link_of_a_task_shows_its_own_run_stopped_or_passed(
    new_page: Callable[..., Page], serve: Callable[[Path], str], damaged: Path
) -> None:
    store = SnapshotStore(damaged)
    committed = store.info(LATEST).snapshot_id
    served = catalogue_records(26)
    for record in served[:4]:
        record["metadata"]["input_token_price"] = "free"
    with (
        EmulatorServer(catalogue=FixedCatalogue(served)) as server,
        IOIntelligenceClient(server.url) as client,
        pytest.raises(QualityError) as stop,
    ):
        take_snapshot(client, store, snapshot_date=date.fromisoformat(LATEST))
    stopped = stop.value.report.snapshot_id
    page = new_page()
    url = serve(damaged)
    tiles = page.locator(".tile")
    report = page.get_by_role("link", name="HTML report")

    page.goto(f"{url}#/quality?day={LATEST}&run={stopped}")
    expect(tiles.filter(has_text="Outcome")).to_contain_text(f"run {stopped} was not committed")
    expect(tiles.filter(has_text="Records")).to_contain_text("26 served = 22 valid + 4 refused")
    refused = page.locator(".refused details")
    expect(refused).to_have_count(4)
    refused.first.locator("summary").click()
    expect(refused.first.locator(".reasons")).to_contain_text("price input_token_price")
    expect(refused.first.locator(".reasons")).to_contain_text("free")
    address = report.get_attribute("href")
    assert address is not None
    assert f"snapshot_id={stopped}" in address
    assert "quarantine_share" in page.request.get(f"{url}{address}").text()

    page.goto(f"{url}#/quality?day={LATEST}&run={committed}")
    expect(tiles.filter(has_text="Outcome")).to_contain_text(f"snapshot of {LATEST}")
    expect(page.get_by_text("No record refused")).to_be_visible()
    stopped_runs = page.locator("section").filter(has_text="Runs that were stopped")
    stopped_runs.get_by_role("link", name=LATEST).click()
    expect(tiles.filter(has_text="Outcome")).to_contain_text(f"run {stopped} was not committed")
