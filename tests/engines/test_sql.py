"""Runs the twelve queries of docs/sql.md in DuckDB, and compares each with the store's own result."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from helpers.stores import StoreBuilder, model_row
from io_intelligence_provider import SnapshotStore
from io_intelligence_provider.contract.columns import PRICE_COLUMNS
from io_intelligence_provider.errors import NotOnFileError

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text("utf-8")
LAST = date(2026, 7, 1)
Rows = list[dict[str, Any]]


def statements(heading: str) -> str:
    """Return the SQL below a heading; ``""`` gives what stands before the first one."""
    section = PAGE.split("\n## ")[0] if not heading else PAGE.split(f"\n## {heading}")[1].split("\n## ")[0]
    return "\n".join(re.findall(r"```sql\n(.*?)```", section, re.DOTALL))


@contextmanager
def opened(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(located(statements(""), folder))
        yield connection


@pytest.fixture(scope="module")
def database(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with opened(folder) as connection:
        yield connection


def located(sql: str, folder: Path) -> str:
    return sql.replace(".demo/store", str(folder.parent))


@pytest.fixture
def ask(database: duckdb.DuckDBPyConnection, folder: Path) -> Any:
    return lambda number: answers(database, folder, number)


def answers(connection: duckdb.DuckDBPyConnection, folder: Path, number: int) -> Rows:
    (heading,) = re.findall(rf"^## ({number}\. .*)$", PAGE, re.MULTILINE)
    found = connection.execute(located(statements(heading), folder))
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def latest(store: SnapshotStore) -> Rows:
    return store.read().to_pylist()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def changes(store: SnapshotStore) -> Rows:
    return store.changes().to_pylist()  # type: ignore[no-any-return]


def test_there_are_twelve_questions() -> None:
    assert [int(number) for number in re.findall(r"^## (\d+)\.", PAGE, re.MULTILINE)] == list(range(1, 13))


def test_1_the_current_price_list(ask: Any, latest: Rows) -> None:
    rows = ask(1)
    assert rows == [{name: row[name] for name in rows[0]} for row in latest]
    assert len(rows) == 24


def test_2_the_cheapest_for_a_context(ask: Any, latest: Rows) -> None:
    fits = [
        (
            Decimal("0.75") * row["input_token_price"] + Decimal("0.25") * row["output_token_price"],
            row["name"],
        )
        for row in latest
        if (row["context_window"] or 0) >= 128_000
        and row["input_token_price"] is not None
        and row["output_token_price"] is not None
    ]
    rows = ask(2)
    assert [(row["usd_per_million"], row["name"]) for row in rows] == sorted(fits)[:5]
    assert len(rows) == 5


def test_3_the_biggest_moves(ask: Any, changes: Rows) -> None:
    month = [
        row
        for row in changes
        if row["change"] == "price_changed" and row["snapshot_date"] >= date(2026, 7, 1)
    ]
    rows = ask(3)
    assert len(rows) == len(month) == 2
    assert rows[0]["new_value"] is None
    assert rows[0]["pct"] is None
    assert rows[1]["new_value"] == "0"
    assert rows[1]["pct"] == -100


def test_4_models_that_vanished(ask: Any, store: SnapshotStore) -> None:
    seen = {row["name"]: row["snapshot_date"] for row in store.history(columns=["name"]).to_pylist()}
    there = {*store.read()["name"].to_pylist(), *store.quarantine(LAST, LAST)["name"].to_pylist()}
    rows = ask(4)
    assert {row["name"]: row["last_seen"] for row in rows} == {
        name: day for name, day in seen.items() if name not in there
    }
    assert rows[0]["last_seen"] == date(2026, 6, 30)
    assert store.quarantine(LAST, LAST).num_rows == 1


def test_5_changes_of_quotas(ask: Any, changes: Rows) -> None:
    rows = ask(5)
    quotas = [row for row in changes if row["change"] == "quota_changed"]
    assert [(row["snapshot_date"], row["name"], row["field"], str(row["now"])) for row in rows] == [
        (row["snapshot_date"], row["name"], row["field"], row["new_value"]) for row in quotas
    ]
    last = rows[-1]
    assert (last["snapshot_date"], last["now"], last["field"]) == (LAST, 7, "chat_daily_quota_tier_1")


def test_6_the_price_on_a_day(ask: Any, store: SnapshotStore) -> None:
    rows = ask(6)
    assert len(rows) == 3
    for row in rows:
        try:
            prices = store.price_at(row["name"], row["day"])
        except NotOnFileError:
            assert (row["name"], row["input_token_price"]) == ("no/such-model", None)
            continue
        assert row["snapshot_date"] == prices.snapshot_date <= row["day"]
        assert (row["input_token_price"], row["output_token_price"]) == (prices.input, prices.output)


def test_7_what_traffic_cost(ask: Any, store: SnapshotStore) -> None:
    unknown, known = ask(7)
    tokens = {"input_tokens": 12_000_000, "output_tokens": 3_000_000, "cache_read_tokens": 40_000_000}
    cost = sum(store.cost("zai-org/GLM-4.6", when=day, **tokens) for day in ("2026-05-20", "2026-06-20"))
    assert known == {"name": "zai-org/GLM-4.6", "usd": cost, "unpriced_days": 0}
    assert isinstance(known["usd"], Decimal)
    assert known["usd"] > 10
    assert unknown == {"name": "no/such-model", "usd": None, "unpriced_days": 1}


def test_8_free_is_not_unpublished(ask: Any, latest: Rows) -> None:
    rows = {row.pop("meaning"): row for row in ask(8)}
    for column in PRICE_COLUMNS:
        kind = column.removesuffix("_token_price")
        counted = Counter(
            "not published" if row[column] is None else "priced" if row[column] else "free" for row in latest
        )
        assert {meaning: row[kind] for meaning, row in rows.items() if row[kind]} == dict(counted)
    assert rows["free"]["input"] == 1
    assert rows["not published"]["output"] == 1


def test_9_days_of_repricing(ask: Any, changes: Rows, store: SnapshotStore) -> None:
    moved = {(row["snapshot_date"], row["model_id"]) for row in changes if row["change"] == "price_changed"}
    repriced = Counter(day for day, _ in moved)
    offered = Counter(store.history(columns=["name"])["snapshot_date"].to_pylist())
    expected = [(day, n, offered[day]) for day, n in sorted(repriced.items()) if n >= 0.25 * offered[day]]
    rows = ask(9)
    assert [tuple(row.values()) for row in rows] == expected
    assert (date(2026, 5, 20), 21, 24) in expected  # the real one: of 22 old and 2 new models


def test_10_quality_over_time(ask: Any, store: SnapshotStore) -> None:
    rows, runs = ask(10), store.runs()
    assert len(rows) == len(runs) == len(store.dates())
    for row, run in zip(rows, sorted(runs, key=lambda run: run.fetched_at), strict=True):
        assert row["snapshot_date"] == run.snapshot_date
        assert row["fetched_at"].astimezone(UTC) == run.fetched_at
        assert (row["outcome"], row["score"]) == (run.outcome, pytest.approx(run.score))
        assert (row["served"], row["quarantined"]) == (run.served, run.quarantined)
        failed = [check for check in json.loads(run.to_json())["checks"] if not check["passed"]]
        assert row["findings"] == [
            check["check"] + (f" on {check['column']}" if check["column"] else "") for check in failed
        ]
    flagged = {row["snapshot_date"]: row["findings"] for row in rows if row["findings"]}
    assert any("price_to_zero" in finding for finding in flagged[date(2026, 5, 26)])
    assert flagged[LAST]


def compare_indices(rows: Rows, store: SnapshotStore) -> None:
    found = {(row["snapshot_date"], row["kind"]): row for row in rows}
    expected = store.price_index().to_pylist()
    started: set[str] = set()
    for row in expected:
        for kind in ("input", "output", "blended"):
            started |= {kind} if row[kind] is not None else set()
            if kind not in started:
                assert (row["snapshot_date"], kind) not in found
                continue
            one = found.pop((row["snapshot_date"], kind))
            assert one["price_index"] == (row[kind] and pytest.approx(row[kind], rel=1e-12, abs=0))
            assert (one["pairs"], one["left_out"]) == (row[f"{kind}_pairs"], row[f"{kind}_left_out"])
    assert found == {}


def test_11_the_index(ask: Any, store: SnapshotStore) -> None:
    rows = ask(11)
    compare_indices(rows, store)
    assert rows[-1]["snapshot_date"] == LAST
    assert {row["kind"]: row["left_out"] for row in rows[-3:]} == {"blended": 2, "input": 1, "output": 1}


def test_11_the_index_where_models_come_and_go(builder: StoreBuilder) -> None:
    """No model in common with the day before, no price at all, two models of one name, a new id."""

    def row(name: str, input_price: Any, output_price: Any, **more: Any) -> dict[str, Any]:
        return model_row(name, input_token_price=input_price, output_token_price=output_price, **more)

    builder.file(0, row("free", "0", None))
    builder.file(1, row("a", "1", None), row("b", "2", "0"))
    builder.file(2, row("c", "5", "7"))
    builder.file(
        3, row("a", "3", "1", model_id="1" * 8), row("b", "0.000000000000000007", None), row("c", "5", "8")
    )
    builder.file(4, row("twice", "1", "1"), row("twice", "2", "2", model_id="2" * 8), row("c", None, "9"))
    builder.file(
        6, row("twice", "3", "1"), row("twice", "4", "2", model_id="2" * 8), row("a", "4", "4"), changes=True
    )
    folder = builder.root / "models"
    with opened(folder) as connection:
        compare_indices(answers(connection, folder, 11), builder.store)


def test_12_a_bill_over_time(ask: Any, store: SnapshotStore) -> None:
    traffic = {
        "zai-org/GLM-4.6": {
            "input_tokens": 360_000_000,
            "output_tokens": 90_000_000,
            "cache_read_tokens": 1_200_000_000,
        },
        "zai-org/GLM-4.5-Air": {"input_tokens": 50_000_000, "output_tokens": 5_000_000},
    }
    doubtful = store.doubtful_zeros("2026-05-14", LAST).select("snapshot_date", "name", "field").rows()
    rows = ask(12)
    assert [row["snapshot_date"] for row in rows] == store.dates()
    reasons = set()
    for row in rows:
        day, total, not_counted = row["snapshot_date"], Decimal(0), []
        for name, tokens in sorted(traffic.items()):
            for kind, count in sorted(tokens.items()):
                part = f"{name} {kind.removesuffix('_tokens')}"
                try:
                    cost = store.cost(name, when=day, **{kind: count})
                except NotOnFileError:
                    not_counted.append(f"{part}: unknown price")
                    continue
                if (day, name, kind.replace("tokens", "token_price")) in doubtful:
                    not_counted.append(f"{part}: doubtful 0")
                else:
                    total += cost
        assert (row["usd"], row["not_counted"] or []) == (total, not_counted)
        assert isinstance(row["usd"], Decimal)
        reasons |= {text.partition(": ")[2] for text in not_counted}
    assert reasons == {"unknown price", "doubtful 0"}
