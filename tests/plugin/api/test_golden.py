"""The answer of every route over one small store, compared with a file as it was published.

They change only on purpose: ``PYTHONPATH=tests python tests/plugin/api/test_golden.py`` writes them anew.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import time_machine

from helpers.http_clients import json_paths, serve_page
from helpers.stores import FETCHED_AT, StoreBuilder, model_row, refused_record
from io_intelligence_provider.quality.result import CheckResult

GOLDEN = Path(__file__).parent / "golden"

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
