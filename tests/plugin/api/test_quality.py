"""Quality and quarantine: what the reports and the refused records say, day by day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.http_clients import reader_of
from helpers.stores import FETCHED_AT, model_row, nth_day, quality_report, refused_record
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.errors import UnreadableFileError
from io_intelligence_provider.plugin import results
from io_intelligence_provider.quality.result import CheckResult
from io_intelligence_provider.storage.filesystem import Files
from io_intelligence_provider.store.layout import quality_path

pytestmark = pytest.mark.long


def check(name: str, failed: int = 0, column: str | None = None, **fields: Any) -> CheckResult:
    level = fields.pop("level", "row" if column else "snapshot")
    return CheckResult(
        name, column, level, fields.pop("severity", "error"), fields.pop("evaluated", 5), failed
    )


def test_the_real_history_is_told_day_by_day(real: Any, recorded_store: Path) -> None:
    found = real.api("quality")
    store = SnapshotStore(recorded_store)
    report = store.quality()
    told = found["report"]
    assert told["evaluated"] == sum(one.evaluated for one in report.checks)
    assert told["failed"] == sum(one.failed for one in report.checks)
    assert {
        key: value for key, value in told.items() if key not in ("evaluated", "failed")
    } == report.to_dict()
    dates = store.dates()
    assert found["history"]["dates"] == [day.isoformat() for day in dates]
    assert found["runs"] == len(dates)
    reports = {day: store.quality(day) for day in dates}
    assert found["history"]["scores"] == [reports[day].score for day in dates]
    flagged = {day.isoformat() for day in dates if any(not one.passed for one in reports[day].checks)}
    assert found["flagged_days"] == len(flagged)
    for row in found["history"]["checks"]:
        assert len(row["states"]) == len(dates)
        assert row["flagged"] == row["states"].count("f")
    rows = {row["check"]: row for row in found["history"]["checks"] if row["level"] == "snapshot"}
    assert [
        found["history"]["dates"][place]
        for place, at in enumerate(rows["price_to_zero"]["states"])
        if at == "f"
    ] == [flag["date"] for flag in reversed(found["flagged"]) if flag["check"] == "price_to_zero"]
    assert rows["volume"]["states"][0] == "-"  # the first snapshot has no predecessor
    assert {flag["date"] for flag in found["flagged"]} <= flagged


def test_states_are_letters_and_row_checks_one_row(builder: Any, serve: Any) -> None:
    builder.file(
        0,
        model_row("a"),
        checks=[check("price", 0, "x"), check("price", 0, "y"), check("volume", evaluated=0)],
    )
    builder.file(1, model_row("a"), checks=[check("price", 2, "x"), check("price", 0, "y"), check("volume")])
    builder.file(
        2, model_row("a"), checks=[check("price", 0, "x", evaluated=0), check("volume", 1, severity="warn")]
    )
    found = serve(builder.root).api("quality")
    rows = {row["check"]: row for row in found["history"]["checks"]}
    assert rows["price"]["states"] == "pf-"
    assert rows["price"]["columns"] == ["x", "y"]
    assert (rows["price"]["level"], rows["price"]["column"], rows["price"]["flagged"]) == ("row", None, 1)
    assert rows["volume"]["states"] == "-pf"
    assert rows["volume"]["severity"] == "error"  # the graver of the two it had
    assert found["flagged_days"] == 2
    assert [(flag["check"], flag["column"], flag["failed"]) for flag in found["flagged"]] == [
        ("volume", None, 1),
        ("price", "x", 2),
    ]


def test_failed_runs_are_named_and_no_part_of_the_history(builder: Any, serve: Any) -> None:
    committed = builder.file(0, model_row("a"))
    failed = builder.file(0, model_row("a"), outcome="failed", checks=[check("complete", 1), check("volume")])
    alone = builder.file(1, model_row("a"), outcome="failed", checks=[check("not_empty", 1)])
    found = serve(builder.root).api("quality")
    assert found["report"]["snapshot_id"] == committed
    assert found["history"]["dates"] == [nth_day(0).isoformat()]
    assert found["history"]["outcomes"] == ["passed"]
    assert [(run["snapshot_id"], run["checks"]) for run in found["failed_runs"]] == [
        (alone, ["not_empty"]),
        (failed, ["complete"]),
    ]
    assert found["runs"] == 3


def test_one_run_is_shown_by_its_id_also_when_it_was_stopped(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a"))
    refused = [refused_record("b", "{}")]
    stopped = builder.file(1, model_row("a"), outcome="failed", checks=[check("volume", 1)], refused=refused)
    page = serve(builder.root)
    day = nth_day(1).isoformat()
    for asked in (f"run={stopped}", f"date={day}&run={stopped}"):
        found = page.api(f"quality?{asked}")
        assert (found["date"], found["report"]["snapshot_id"]) == (day, stopped)
        found = page.api(f"quarantine?{asked}")
        assert (found["total"], found["items"][0]["date"], found["items"][0]["name"]) == (1, day, "b")


def test_a_run_that_was_killed_before_its_commit_is_no_committed_run(builder: Any, serve: Any) -> None:
    for number in range(2):
        builder.file(number, model_row("a"), refused=[refused_record("b"), refused_record("c")])
        (path,) = builder.root.glob(f"quality/*{nth_day(number)}/*.json")
        run_id = f"20260301T13000{number}Z-0a1b2c3d"
        killed = quality_report(
            check("volume", 1),
            run_id=run_id,
            checked_at=FETCHED_AT + timedelta(hours=1),
            snapshot_date=nth_day(number),
        )
        builder.store.files.put(quality_path(nth_day(number), run_id), killed.to_json().encode())
    builder.damage(path)
    page = serve(builder.root)
    found = page.api("quality")
    history = found["history"]
    assert (history["quarantined"], history["valid"]) == ([2, None], [1, None])
    assert (found["flagged"], found["runs"]) == ([], 3)
    refused = page.api("quarantine")
    assert (refused["total"], [item["name"] for item in refused["items"]]) == (4, ["b", "c"] * 2)


def test_reports_that_cannot_be_read_are_counted_and_read_again(
    builder: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("reader", "api.quality"):
        monkeypatch.setattr(f"io_intelligence_provider.plugin.{module}.DAMAGE_SECONDS", 0.0)
    for number in range(3):
        builder.file(number, model_row("a"))
    page, read = serve(builder.root), Files.read_many

    def away(*asked: Any) -> Any:
        for number, (path, data) in enumerate(read(*asked)):
            yield path, UnreadableFileError("away for a moment") if number == 1 else data

    with monkeypatch.context() as broken:
        broken.setattr(Files, "read_many", away)
        found, of_all = page.api("quality"), page.api("datasets")
    assert (found["history"]["outcomes"], found["runs"]) == (["passed", None, "passed"], 2)
    warning = "Reports of runs that cannot be read, and are left out: 1."
    assert (found["warnings"], of_all["warnings"]) == ([warning], [warning])
    found = page.api("quality")
    assert (found["history"]["outcomes"], found["runs"], found["warnings"]) == (["passed"] * 3, 3, [])


def test_a_run_that_was_replaced_is_said_and_its_day_is_shown(builder: Any, serve: Any) -> None:
    committed = builder.file(0, model_row("a"))
    page = serve(builder.root)
    found = page.api(f"quality?date={nth_day(0)}&run=gone")
    assert found["report"]["snapshot_id"] == committed
    assert "The run gone is not on file" in found["warnings"][0]
    assert page.get("api/quality?run=gone").status == 404


def test_a_store_whose_every_run_failed_has_a_quality(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a"), outcome="failed", checks=[check("complete", 1)])
    page = serve(builder.root)
    found = page.api("quality")
    assert (found["date"], found["report"]) == (None, None)
    assert len(found["failed_runs"]) == 1
    assert page.api("status")["state"] == "empty"


def test_quarantine_pages_newest_day_first(builder: Any, serve: Any) -> None:
    builder.file(0, model_row("a"), refused=[refused_record(f"old-{number}", "{}") for number in range(3)])
    builder.file(1, model_row("a"))
    builder.file(
        2, model_row("a"), refused=[refused_record(f"new-{number}", '{"x": 1}') for number in range(2)]
    )
    page = serve(builder.root)
    found = page.api("quarantine")
    names = ["new-0", "new-1", "old-0", "old-1", "old-2"]
    assert (found["date"], found["total"]) == (None, 5)
    assert [item["name"] for item in found["items"]] == names
    assert found["items"][0]["date"] == nth_day(2).isoformat()
    assert found["items"][0]["record"] == '{"x": 1}'
    assert found["items"][0]["failures"] == [
        {"check": "price", "column": "input_token_price", "value": "x", "message": "is no price"}
    ]
    for limit in (1, 2, 3):
        told = [
            item["name"]
            for offset in range(0, 5, limit)
            for item in page.api("quarantine", limit=limit, offset=offset)["items"]
        ]
        assert told == names
    one = page.api("quarantine", date=nth_day(0).isoformat())
    assert (one["total"], len(one["items"])) == (3, 3)
    assert page.api("quarantine", date=nth_day(1).isoformat())["total"] == 0
    assert page.api("quarantine", offset=5)["items"] == []


def test_a_huge_record_is_cut_and_says_so(builder: Any, serve: Any) -> None:
    builder.file(
        0, model_row("a"), refused=[refused_record("a", "x" * 50_000), refused_record("b", "x" * 20_000)]
    )
    items = serve(builder.root).api("quarantine")["items"]
    assert [(len(item["record"]), item["truncated"]) for item in items] == [(20_000, True), (20_000, False)]


def test_values_need_access_to_the_dag_that_filed_the_run(builder: Any, serve: Any) -> None:
    for number, dag in enumerate(("ours", "theirs", None)):
        builder.file(
            number,
            model_row("a"),
            refused=[refused_record(f"{dag}-{at}", f'"refused by {dag}"') for at in range(number + 1)],
            checks=[CheckResult("price_move", None, "snapshot", "warn", 5, 1, [{"name": f"seen by {dag}"}])],
            dag_id=dag,
        )
    builder.file(3, model_row("a"), dag_id="passed")
    page = serve(builder.root, dag_access=reader_of("ours"))
    found = page.api("quality", date=nth_day(3).isoformat())
    assert found["withheld_by"] == []  # the report of that day has no values, the flags have their own
    assert [(flag["failed"], flag["examples"], flag["withheld_by"]) for flag in found["flagged"]] == [
        (1, [], [None]),
        (1, [], ["theirs"]),
        (1, [{"name": "seen by ours"}], []),
    ]
    found = page.api("quarantine")
    assert ([item["name"] for item in found["items"]], found["total"]) == (["ours-0"], 6)
    assert (found["withheld"], found["withheld_by"]) == (5, [None, "theirs"])
    for number, dag in enumerate(("ours", "theirs", None)):
        day = nth_day(number).isoformat()
        for route in ("quality", "quarantine", "report"):
            text = page.get(f"api/{route}", {"date": day}).text
            assert (f"seen by {dag}" in text or f"refused by {dag}" in text) is (dag == "ours"), (route, dag)
        found = page.api("quality", date=day)
        assert found["withheld_by"] == ([] if dag == "ours" else [dag])
        report = found["report"]
        assert (report["rows"]["quarantined"], report["checks"][0]["failed"]) == (number + 1, 1)
        refused = page.api("quarantine", date=day)
        shown = 1 if dag == "ours" else 0
        assert (refused["total"], len(refused["items"])) == (number + 1, shown)
        assert refused["withheld"] == number + 1 - shown
        assert page.api("quarantine", run=report["snapshot_id"])["items"] == refused["items"]
    everything = serve(builder.root)
    found = everything.api("quality")
    assert (found["withheld_by"], [flag["withheld_by"] for flag in found["flagged"]]) == ([], [[]] * 3)
    assert (everything.api("quarantine")["total"], everything.api("quarantine")["withheld"]) == (6, 0)


def test_what_a_quarantine_file_says_of_itself_does_not_decide_who_sees_it(builder: Any, serve: Any) -> None:
    ours = builder.file(0, model_row("a"), refused=[refused_record("ours", "{}")], dag_id="ours")
    theirs = builder.file(1, model_row("a"), refused=[refused_record("theirs", "{}")], dag_id="theirs")
    page, everything = serve(builder.root, dag_access=reader_of("ours")), serve(builder.root)
    (path,) = builder.root.glob(f"quarantine/*{nth_day(1)}/{theirs}.parquet")
    table = pq.read_table(path, partitioning=None)
    place = table.schema.get_field_index("snapshot_id")
    for claimed in (ours, "../x"):
        pq.write_table(table.set_column(place, table.schema.field(place), pa.array([claimed])), path)
        for asked in ({}, {"date": nth_day(1).isoformat()}, {"run": theirs}):
            found = page.api("quarantine", **asked)
            shown = [] if asked else ["ours"]
            assert [item["name"] for item in found["items"]] == shown, (claimed, asked)
            assert (found["withheld"], found["withheld_by"], found["warnings"]) == (1, ["theirs"], [])
        assert [item["name"] for item in everything.api("quarantine")["items"]] == ["theirs", "ours"]


def test_an_unreadable_file_withholds_values_and_is_named(builder: Any, serve: Any) -> None:
    seen = [CheckResult("price_move", None, "snapshot", "warn", 5, 1, [{"name": "a"}])]
    runs = [builder.file(number, model_row("a"), checks=seen, dag_id="ours") for number in range(4)]
    for run, damage in zip(runs, (None, builder.damage, Path.unlink, None), strict=True):
        if damage:
            damage(next(builder.root.glob(f"quarantine/*/{run}.parquet")))
    found = serve(builder.root, dag_access=reader_of("ours")).api("quality")
    assert [flag["withheld_by"] for flag in found["flagged"]] == [[], [None], [None], []]
    (warning,) = found["warnings"]
    assert f"{runs[2]}.parquet" in warning
    assert "unknown as well: 1." in warning
    everything = serve(builder.root).api("quality")
    assert (everything["warnings"], {len(flag["examples"]) for flag in everything["flagged"]}) == ([], {1})


def test_who_may_read_all_dags_is_shown_values_without_looking_up_any(
    builder: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(results, "task_of_run", lambda _, path: opened.append(path))
    seen = [CheckResult("price_move", None, "snapshot", "warn", 5, 1, [{"name": "a"}])]
    for number in range(3):
        refused = [refused_record("b", "{}")]
        builder.file(number, model_row("a"), checks=seen if number else [], refused=refused)
    page = serve(builder.root)
    for route in ("quality", "quarantine"):
        page.api(route)
    assert page.get("api/report").status == 200
    assert opened == []
    serve(builder.root, dag_access=reader_of("ours")).api("quality")
    assert len(opened) == 2  # of the runs with examples only, each once
