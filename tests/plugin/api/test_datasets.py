"""Tests the results of all data sets: bounds, damage, refused rows, and what needs access to a Dag."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from helpers.datasets import ORDERS, file_runs
from helpers.http_clients import PageClient, reader_of
from helpers.stores import StoreBuilder, make_check_run, model_row, nth_day, refused_record
from io_intelligence_provider.plugin import results
from io_intelligence_provider.plugin.cache import Cache
from io_intelligence_provider.plugin.listing import take_listing
from io_intelligence_provider.plugin.reader import Reader
from io_intelligence_provider.plugin.results import task_of_snapshot
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.quality.results_store import ResultHistory

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)
CATALOGUE = "io_intelligence_models"


def orders(*prices: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"order": [f"A{number}" for number in range(len(prices))], "price": prices, "country": "DE"},
        schema_overrides={"price": pl.Float64},
    )


GOOD, BAD, WORSE = orders(1, 2, 3), orders(1, -2, 3), orders(-1, -2, 3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_an_empty_root_has_no_data_sets(serve: Callable[..., PageClient], root: Path) -> None:
    found = serve(root).api("datasets")
    assert (found["total"], found["items"], found["warnings"]) == (0, [], [])
    assert found["root"] == str(root)


def test_the_newest_results_come_first_and_the_catalogue_leads(
    serve: Callable[..., PageClient], root: Path
) -> None:
    file_runs(root, [GOOD, WORSE], NOW)
    file_runs(root, [GOOD], NOW + timedelta(days=5), dataset="returns", dag_id=None)
    page = serve(root)
    assert [item["dataset"] for item in page.api("datasets")["items"]] == ["returns", "orders"]
    StoreBuilder(root).file(0, model_row("a"))
    (catalogue, returns, stopped) = page.api("datasets")["items"]
    assert (catalogue["id"], catalogue["task"]) == (CATALOGUE, None)
    assert (returns["last"]["outcome"], returns["task"]) == ("passed", None)
    assert (stopped["last"]["outcome"], stopped["last"]["quarantined"]) == ("failed", 2)
    assert (stopped["task"]["dag_id"], stopped["task"]["dag_run_id"]) == (
        "check_orders",
        "scheduled__2026-03-02",
    )
    assert stopped["scores"][0] == 1.0
    assert [item["id"] for item in page.api("datasets", q="ORDERS")["items"]] == [ORDERS]
    second = page.api("datasets", limit=1, offset=1)
    assert (second["total"], [item["dataset"] for item in second["items"]]) == (3, ["returns"])
    ResultHistory(root).add(make_check_run(), "日本")
    assert [item["dataset"] for item in page.api("datasets", q="日本")["items"]] == ["日本"]
    assert page.api("datasets", q="日")["total"] == 0


def test_catalogue_reports_that_cannot_be_read_hide_no_other_data_set(
    serve: Callable[..., PageClient], root: Path
) -> None:
    file_runs(root, [GOOD], NOW)
    builder = StoreBuilder(root)
    builder.file(0, model_row("a"))
    for path in root.glob("quality/*/*.json"):
        builder.damage(path)
    page = serve(root)
    found = page.api("datasets")
    assert [(item["id"], item["last"] is None) for item in found["items"]] == [
        (CATALOGUE, True),
        (ORDERS, False),
    ]
    assert found["warnings"] == ["No quality report of a snapshot can be read."]
    assert page.problem("dataset", id=CATALOGUE)[1]["message"] == found["warnings"][0]


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_catalogue_quarantine_that_cannot_be_read_says_why(
    serve: Callable[..., PageClient], root: Path, is_missing: bool
) -> None:
    builder = StoreBuilder(root)
    builder.file(0, model_row("a"), refused=[refused_record("b")])
    (path,) = root.glob("quarantine/*/*.parquet")
    path.unlink() if is_missing else builder.damage(path)
    found = serve(root).api("dataset/refused", id=CATALOGUE)
    assert (found["total"], found["items"]) == (0, [])
    assert path.name in found["missing"]


def test_one_run_is_opened_with_its_findings_and_drift(serve: Callable[..., PageClient], root: Path) -> None:
    first, second, last = file_runs(root, [GOOD, BAD, GOOD.drop("country")], NOW, fail_on="never")
    page = serve(root)
    found = page.api("dataset", id=ORDERS, run=second.run_id)
    assert [run["run_id"] for run in found["runs"]] == [first.run_id, second.run_id, last.run_id]
    (flagged,) = [check for check in found["run"]["checks"] if not check["passed"]]
    assert (flagged["check"], flagged["column"], flagged["failed"]) == (
        "greater_than_or_equal_to",
        "price",
        1,
    )
    assert flagged["examples"]
    states = {(row["check"], row["column"]): row["states"] for row in found["checks"]}
    assert states["greater_than_or_equal_to", "price"] == "pfp"
    assert found["run"]["drift"] == []
    price = next(column for column in found["profile"] if column["column"] == "price")
    assert (price["min"], price["medians"]) == (-2.0, [2.0, 1.0, 2.0])
    (gone,) = page.api("dataset", id=ORDERS)["run"]["drift"]
    assert (gone["column"], gone["change"], gone["after"]) == ("country", "gone", None)
    assert page.api("dataset", id=ORDERS, run=first.run_id)["run"]["drift"] is None


def test_refused_rows_are_paged_as_they_were_filed(serve: Callable[..., PageClient], root: Path) -> None:
    (run,) = file_runs(root, [orders(*range(-150, 50))], NOW)
    page = serve(root)
    found = page.api("dataset/refused", id=ORDERS, run=run.run_id, limit=50, offset=100)
    assert (run.outcome, found["total"], found["missing"]) == ("failed", 150, None)
    assert [row["row"] for row in found["items"]] == list(range(100, 150))
    assert json.loads(found["items"][0]["record"])["price"] == -50
    assert found["items"][0]["failures"][0]["check"] == "greater_than_or_equal_to"
    assert page.api("dataset/refused", id=ORDERS, offset=150)["items"] == []


def test_refused_rows_that_cannot_be_shown_say_why(serve: Callable[..., PageClient], root: Path) -> None:
    page = serve(root)

    def missing(dataset: str = "orders") -> str:
        found = page.api("dataset/refused", id=page.api("datasets", q=dataset)["items"][0]["id"])
        assert found["items"] == []
        return str(found["missing"])

    (run,) = file_runs(root, [BAD], NOW)
    assert run.quarantine_path
    path = Path(run.quarantine_path)
    rows = pl.read_parquet(path)
    rows.with_columns(run_id=pl.lit("another")).write_parquet(path)
    assert "A later run has replaced" in missing()
    rows.drop("failures").write_parquet(path)
    assert "no quarantine" in missing()
    path.write_text("root:x:0:0")
    assert "root:x" not in missing()
    path.unlink()
    assert str(path) in missing()
    file_runs(root, [BAD], NOW, dataset="counted", quarantine=False)
    assert "only counted" in missing("counted")
    elsewhere = make_check_run(dataset="x", schema="s", quarantine_path="s3://lake/refused.parquet")
    ResultHistory(root).add(elsewhere, "elsewhere")
    assert "The refused rows are in s3://lake/refused.parquet" in missing("elsewhere")


def test_a_quarantine_that_is_too_large_is_not_read(
    serve: Callable[..., PageClient], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_runs(root, [BAD], NOW)
    monkeypatch.setattr(results, "_LARGEST_GROUP", 10)
    assert "too large" in serve(root).api("dataset/refused", id=ORDERS)["missing"]


def test_values_need_access_to_the_dag_that_filed_them(serve: Callable[..., PageClient], root: Path) -> None:
    ours, theirs, nobodys = "ours", "theirs", None
    for number, dag in enumerate((ours, theirs, nobodys)):
        file_runs(root, [BAD], NOW + timedelta(days=number), dag_id=dag)
    runs = [run.run_id for run in ResultHistory(root).runs()]
    page = serve(root, dag_access=reader_of("ours"))
    for run, seen in zip(runs, (True, False, False), strict=True):
        found = page.api("dataset", id=ORDERS, run=run)
        (flagged,) = [check for check in found["run"]["checks"] if not check["passed"]]
        assert (found["run"]["withheld"], bool(flagged["examples"]), flagged["failed"]) == (not seen, seen, 1)
        price = next(column for column in found["profile"] if column["column"] == "price")
        assert (price["min"] is not None, price["nulls"], price["medians"]) == (seen, 0.0, [1.0, None, None])
        answer = page.get("api/dataset/report", {"id": ORDERS, "run": run})
        assert (answer.status, "-2.0" in answer.text) == (200, seen)
        answer = page.get("api/dataset/refused", {"id": ORDERS, "run": run})
        assert answer.status == (200 if seen else 403)
        if not seen:
            assert "-2.0" not in answer.json()["error"]["message"]
    _, error = page.problem("dataset/refused", id=ORDERS, run=runs[1])
    assert (error["kind"], "the Dag theirs" in error["message"]) == ("forbidden", True)
    _, error = page.problem("dataset/refused", id=ORDERS, run=runs[2])
    assert "all Dags" in error["message"]
    text = page.get("api/datasets").text
    assert '"quarantined":1' in text


def test_the_catalogues_runs_name_their_task(serve: Callable[..., PageClient], root: Path) -> None:
    builder = StoreBuilder(root)
    failed = [CheckResult("complete", None, "snapshot", "error", 1, 1, [{"expected": 5}])]
    filed: Any = {"refused": [refused_record("bad", '{"a":1}')], "checks": failed, "outcome": "failed"}
    builder.file(0, **filed)
    page = serve(root, dag_access=reader_of("daily"))
    assert page.api("dataset", id=CATALOGUE)["run"]["withheld"]
    run = builder.file(1, dag_id="daily", **filed)
    page = serve(root, dag_access=reader_of("daily"))
    found = page.api("dataset", id=CATALOGUE, run=run)["run"]
    assert (found["outcome"], found["withheld"], found["date"]) == ("failed", False, "2026-03-02")
    assert (found["task"]["dag_id"], found["task"]["task_id"]) == ("daily", "snapshot")
    assert found["checks"][0]["examples"] == [{"expected": 5}]
    (row,) = page.api("dataset/refused", id=CATALOGUE, run=run)["items"]
    assert row["record"] == '{"a":1}'


def test_a_catalogues_run_whose_task_cannot_be_read_says_so(
    serve: Callable[..., PageClient], root: Path
) -> None:
    builder = StoreBuilder(root)
    run = builder.file(0, model_row("a"), refused=[refused_record("b")], dag_id="daily")
    builder.damage(next(root.glob("quarantine/*/*.parquet")))
    page = serve(root, dag_access=reader_of("daily"))
    found = page.api("dataset", id=CATALOGUE)
    assert (found["run"]["withheld"], found["run"]["task"]) == (True, None)
    for warnings in (found["warnings"], page.api("datasets")["warnings"]):
        assert [f"{run}.parquet" in text for text in warnings] == [True]
    code, error = page.problem("dataset/refused", id=CATALOGUE)
    assert code == 403
    assert "all Dags. The Dag that filed the run" in error["message"]
    assert f"{run}.parquet" in error["message"]
    found = task_of_snapshot(Reader(take_listing(builder.store), Cache()), nth_day(0), "../x")
    assert (found.task, "no id of a run" in str(found.warning)) == (None, True)


def test_damaged_results_are_named_and_the_others_shown(serve: Callable[..., PageClient], root: Path) -> None:
    runs = file_runs(root, [GOOD] * 8, NOW)
    for run in runs[1:]:
        path = root / "results" / f"dataset_id={ORDERS}" / f"{run.run_id}.parquet"
        path.write_bytes(path.read_bytes()[:100])
    page = serve(root)
    (item,) = page.api("datasets")["items"]
    assert (item["last"]["run_id"], item["runs"]) == (runs[0].run_id, 8)
    found = page.api("dataset", id=ORDERS)
    assert len(found["warnings"]) == 6
    assert runs[1].run_id in found["warnings"][0]
    assert found["warnings"][-1] == "2 more results cannot be read."
    status, error = page.problem("dataset", id=ORDERS, run=runs[1].run_id)
    assert (status, error["kind"]) == (503, "damaged")
    path = root / "results" / f"dataset_id={ORDERS}" / f"{runs[0].run_id}.parquet"
    path.write_bytes(b"no Parquet")
    page = serve(root)
    (item,) = page.api("datasets")["items"]
    assert (item["last"], item["dataset"]) == (None, ORDERS)
    assert page.problem("dataset", id=ORDERS)[0] == 503


@pytest.mark.parametrize("dataset", ["nothing", "../models", "..", "orders/../..", "\x00", CATALOGUE])
def test_what_is_not_on_file_is_not_found(serve: Callable[..., PageClient], root: Path, dataset: str) -> None:
    file_runs(root, [GOOD], NOW)
    page = serve(root)
    for route in ("dataset", "dataset/refused", "dataset/report"):
        assert page.problem(route, id=dataset)[0] == 404
        assert page.problem(route, id=ORDERS, run="20200101T000000Z-00000000")[0] == 404
    for run in ("../x", "x" * 201):
        assert page.problem("dataset", id=ORDERS, run=run)[0] in (404, 422)


def test_what_many_runs_and_checks_take_is_bounded(serve: Callable[..., PageClient], root: Path) -> None:
    history = ResultHistory(root)
    checks = [CheckResult(f"check_{number}", "a", "row", "warn", 1, 0) for number in range(600)]
    for number in range(results.MOST_RUNS + 5):
        when = NOW + timedelta(days=number)
        few = checks if number == results.MOST_RUNS else checks[:1]
        run = make_check_run(*few, run_id=f"{when:%Y%m%dT%H%M%SZ}-00000000", checked_at=when, schema="s")
        history.add(run, "many")
    page = serve(root)
    (item,) = page.api("datasets")["items"]
    assert (item["runs"], len(item["scores"])) == (results.MOST_RUNS + 5, 15)
    found = page.api("dataset", id=item["id"])
    assert (found["on_file"], len(found["runs"])) == (results.MOST_RUNS + 5, results.MOST_RUNS)
    assert len(found["checks"]) == 500
    assert found["warnings"] == ["500 of 600 checks are shown. The result's Parquet file holds all of them."]
    old = f"{NOW:%Y%m%dT%H%M%SZ}-00000000"
    assert page.api("dataset", id=item["id"], run=old)["run"]["run_id"] == old


def test_texts_of_other_writers_do_no_harm(serve: Callable[..., PageClient], root: Path) -> None:
    example = [{"value": "\ud800<script>", "nan": float("nan")}, {"value": "x" * 100_000}]
    check: Any = CheckResult("<b>", "\u202e", "row", "warn", 1, 1, example)
    ResultHistory(root).add(make_check_run(check, schema="</script>", dataset="x"), "<img src=x>")
    page = serve(root)
    (item,) = page.api("datasets")["items"]
    assert item["dataset"] == "<img src=x>"
    found = page.api("dataset", id=item["id"])
    assert len(found["run"]["checks"][0]["examples"]) == 2
    assert "<script>" not in page.get("api/dataset/report", {"id": item["id"]}).text
