"""The answer of every route over one small store, compared with a file as it was published.

They change only on purpose: ``PYTHONPATH=tests python tests/plugin/api/test_golden.py`` writes them anew.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import time_machine

from helpers.http_clients import json_paths, serve_page
from helpers.stores import FETCHED_AT, StoreBuilder, make_check_run, model_row, refused_record
from io_intelligence_provider.quality.quarantine import RefusedRow, quarantine_table
from io_intelligence_provider.quality.result import CheckFailure, CheckResult, ColumnProfile
from io_intelligence_provider.quality.results_store import ResultHistory, TaskRun, dataset_id

GOLDEN = Path(__file__).parent / "golden"
ORDERS: Final = dataset_id("orders", "schemas.orders:Orders")
STOPPED: Final = "20260301T120000Z-0a1b2c3d"

ASKED: Final[dict[str, list[dict[str, Any]]]] = {
    "status": [{}],
    "overview": [{}, {"days": 7, "date": "2026-03-03"}],
    "models": [{}, {"date": "2026-03-02"}],
    "model": [{"model": "acme/one"}],
    "history": [
        {"models": ["acme/one", "<b>two</b>"], "fields": ["input_token_price", "chat_daily_quota_tier_1"]}
    ],
    "traffic": [{}],
    "alerts": [{}, {"models": ["acme/one"], "start": "2026-03-03"}],
    "trust": [{}, {"date": "2026-03-01"}],
    "changes": [{}, {"kinds": ["price_changed"], "limit": 1}],
    "changes/days": [{}],
    "quality": [{}, {"date": "2026-03-03"}],
    "quarantine": [{}],
    "datasets": [{}, {"q": "orders", "limit": 1}],
    "dataset": [{"id": ORDERS}, {"id": ORDERS, "run": STOPPED}, {"id": "io_intelligence_models"}],
    "dataset/refused": [{"id": ORDERS}, {"id": ORDERS, "limit": 1, "offset": 1}],
}
"""What each route is asked."""

POSTED: Final[dict[str, list[dict[str, Any]]]] = {
    "costs": [
        {
            "traffic": [
                {"model": "acme/one", "input": "3000000", "output": 1_000_001},
                {"model": "<b>two</b>", "input": "1"},
                {"model": "acme/three", "input": 5, "cache_read": 7},
            ],
        },
        {
            "traffic": [{"model": "nobody", "input": 1}, {"model": "acme/one", "input": 2_000_000}],
            "context_window": 1,
            "date": "2026-03-02",
        },
    ]
}
"""What is sent to each route that takes a body."""


LEDGER: Final = {
    "version": 1,
    "run_id": "scheduled__1",
    "rule": "<b>any</b>",
    "notifier": "module.Notifier:0",
    "snapshot_date": "2026-03-03",
    "snapshot_id": "RUN",
    "sent_at": "2026-03-03T07:00:00+00:00",
    "task": {"dag_id": "daily", "run_id": "scheduled__1", "task_id": "alert"},
    "alerts": [
        {
            "change": "price_changed",
            "model_id": "de83e03b-40a8-5b24-82c4-192fce70095f",
            "name": "acme/one",
            "field": "output_token_price",
            "old_value": "0.3",
            "new_value": "0",
            "pct": -100.0,
            "since": "2026-03-02",
            "doubtful": "new",
        },
        {"change": "model_added", "model_id": "x", "name": "<b>three</b>"},
    ],
    "told": [],
}


def fill(root: Path) -> None:
    """File four days: a price that moves, one that is unknown, a new model, a gone one, a refused record."""
    builder = StoreBuilder(root)
    one = {"input_token_price": "0.1", "output_token_price": "0.3", "chat_daily_quota_tier_1": 100}
    two = {"input_token_price": "12345678901234567890.123456789012345678", "min_access_tier": "pro"}
    builder.file(0, model_row("acme/one", **one), model_row("<b>two</b>", **two))
    one["input_token_price"] = "0.2"
    builder.file(1, model_row("acme/one", **one), model_row("<b>two</b>", **two), changes=True)
    one["output_token_price"], one["chat_daily_quota_tier_1"] = "0", 50
    move = CheckResult("price_move", None, "snapshot", "warn", 3, 1, [{"name": "acme/one"}])
    builder.file(
        2,
        model_row("acme/one", **one),
        model_row("acme/three", input_token_price=None),
        refused=[refused_record("<b>two</b>")],
        checks=[move],
        outcome="warned",
        changes=True,
    )
    alerts = builder.root / "alerts/snapshot_date=2026-03-03"
    alerts.mkdir(parents=True)
    (alerts / "0123456789abcdef-1.json").write_text(json.dumps(LEDGER), "utf-8")
    builder.file(3, checks=[CheckResult("complete", None, "snapshot", "error", 1, 1)], outcome="failed")
    file_orders(root)


def file_orders(root: Path) -> None:
    """File two runs on another data set: one was stopped, one refused two rows, and a column came."""
    history = ResultHistory(root)
    task = TaskRun("check_orders", "check", "manual__1", -1, 1)
    missing = CheckResult("column_in_dataframe", "price", "dataset", "error", 1, 1, dimension="completeness")
    common = {"dataset": "/lake/orders", "schema": "schemas.orders:Orders"}
    stopped: Any = common | {"run_id": STOPPED, "checked_at": FETCHED_AT, "outcome": "failed", "score": 0.0}
    history.add(make_check_run(missing, columns=(("id", "int64"),), **stopped), "orders", task)
    run_id, when = "20260302T120000Z-0a1b2c3d", FETCHED_AT + timedelta(days=1)
    path = root / "refused.parquet"
    failure = CheckFailure("greater_than_or_equal_to", "price", None, "is less than 0", "-5")
    rows = [RefusedRow('{"price":-5,"note":"<b>"}', (failure,), "orders.parquet", row) for row in (3, 4)]
    pq.write_table(quarantine_table(rows, run_id, when), path)
    negative = CheckResult(
        "greater_than_or_equal_to", "price", "row", "error", 5, 2, [{"value": "-5", "row": 3}]
    )
    profile = (ColumnProfile("price", 5, 1, 4, min=-5.0, max=12.0, median=9.9, mad=2.1),)
    columns = (("id", "int64"), ("price", "double"))
    counts: Any = {"rows": 5, "valid": 3, "quarantined": 2, "quarantine_path": str(path)}
    names: Any = common | {"run_id": run_id, "checked_at": when, "columns": columns, "profile": profile}
    history.add(make_check_run(negative, **names, **counts), "orders", replace(task, dag_run_id="manual__2"))


def answers_in(root: Path) -> Iterator[tuple[str, str]]:
    """Yield each route's file and what it holds: what was asked, and the answers."""
    with time_machine.travel(FETCHED_AT, tick=False), serve_page(root) as page:
        fill(root)
        for route, questions in (ASKED | POSTED).items():
            found = [
                {
                    "asked": asked,
                    "answer": page.post(route, asked).json() if route in POSTED else page.api(route, **asked),
                }
                for asked in questions
            ]
            text = json.dumps(found, indent=1).replace(str(root), "ROOT")
            yield f"{route.replace('/', '-')}.json", re.sub(r"(?<!-)\b[0-9a-f]{12}\b", "RUN", text) + "\n"


def test_every_route_is_among_them() -> None:
    assert {path.removeprefix("/api/") for path in json_paths()} == set(ASKED | POSTED)


def test_the_answers_stay_as_they_are(tmp_path: Path) -> None:
    found = dict(answers_in(tmp_path))
    assert found == {name: (GOLDEN / name).read_text("utf-8") for name in found}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        for file, content in answers_in(Path(made)):
            (GOLDEN / file).write_text(content, "utf-8")
