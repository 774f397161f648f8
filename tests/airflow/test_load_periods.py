"""Runs the Dag that loads price periods into a SQL database, on a real SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from helpers.airflow_runs import catalogue_records, load_dag
from io_intelligence_provider import SnapshotStore

EXACT = "12345678901234567890.123456789012345678"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database file, and the connection that the Dag names."""
    path = tmp_path / "warehouse.db"
    connection = {"conn_type": "sqlite", "host": str(path)}
    monkeypatch.setenv("AIRFLOW_CONN_IO_INTELLIGENCE_WAREHOUSE", json.dumps(connection))
    return path


@pytest.fixture
def filed(file_day: Callable[..., Any]) -> None:
    """Three days: one price moves, one is free, one goes, one needs all its digits."""
    served = catalogue_records()
    for record, price in zip(served, (EXACT, "0", "2"), strict=True):
        record["metadata"]["input_token_price"] = price
    file_day(date(2026, 1, 1), served)
    served[2]["metadata"]["input_token_price"] = None
    file_day(date(2026, 1, 2), served)
    served[1]["metadata"]["input_token_price"] = "1"
    file_day(date(2026, 1, 5), served)


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT * FROM io_intelligence_price_periods ORDER BY name, model_id, field, valid_from"
        return connection.execute(query).fetchall()


def test_it_loads_every_period_exactly_and_a_rerun_loads_the_same(
    filed: None, database: Path, root: Path, run_dag: Callable[..., Any]
) -> None:
    dag = load_dag("io_intelligence_load_periods")
    assert run_dag(dag).state == "success"
    rows = rows_of(database)
    expected = SnapshotStore(root).periods()
    assert [(*row[:3], Decimal(row[3]), *row[4:]) for row in rows] == [
        (
            *row[:4],
            row[4].isoformat(),
            row[5].isoformat() if row[5] else None,
        )
        for row in zip(*expected.to_pydict().values(), strict=True)
    ]
    prices = [row[3:] for row in rows if row[2] == "input_token_price"]
    assert (EXACT, "2026-01-01", None) in prices
    assert ("0", "2026-01-01", "2026-01-05") in prices
    assert ("2", "2026-01-01", "2026-01-02") in prices
    run = run_dag(dag)
    assert run.state == "success"
    assert rows_of(database) == rows
    summary = run.get_task_instances()[0].xcom_pull(task_ids="load_periods")
    assert summary == {"periods": len(rows)}


def test_the_price_of_a_day_is_one_look_up(filed: None, database: Path, run_dag: Callable[..., Any]) -> None:
    assert run_dag(load_dag("io_intelligence_load_periods")).state == "success"
    query = (
        "SELECT price FROM io_intelligence_price_periods WHERE field = 'input_token_price' "
        "AND price IN ('0', '1') AND valid_from <= :day AND (valid_to IS NULL OR :day < valid_to)"
    )
    with closing(sqlite3.connect(database)) as connection:
        for day, price in (("2026-01-01", "0"), ("2026-01-04", "0"), ("2026-01-05", "1")):
            assert connection.execute(query, {"day": day}).fetchall() == [(price,)]


def test_a_failure_in_the_middle_leaves_the_old_rows(
    filed: None, database: Path, run_dag: Callable[..., Any], file_day: Callable[..., Any]
) -> None:
    dag = load_dag("io_intelligence_load_periods")
    assert run_dag(dag).state == "success"
    rows = rows_of(database)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON io_intelligence_price_periods WHEN NEW.price = '77' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        connection.commit()
    served = catalogue_records()
    served[-1]["metadata"]["output_token_price"] = "77"
    file_day(date(2026, 1, 7), served)
    assert run_dag(dag).state == "failed"
    assert rows_of(database) == rows


def test_a_driver_that_commits_each_statement_is_told_not_to(
    filed: None, database: Path, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Snowflake's does: else a failure after the deletion would leave an empty table."""
    from airflow.providers.sqlite.hooks.sqlite import SqliteHook

    class Committing(SqliteHook):
        supports_autocommit = True

        def get_conn(self) -> Any:
            connection = super().get_conn()
            connection.isolation_level = None
            return connection

        def set_autocommit(self, conn: Any, autocommit: bool) -> None:
            conn.isolation_level = None if autocommit else "DEFERRED"

    from airflow.sdk import Connection

    monkeypatch.setattr(Connection, "get_hook", lambda one, **_: Committing(one.conn_id))
    dag = load_dag("io_intelligence_load_periods")
    assert run_dag(dag).state == "success"
    rows = rows_of(database)
    dag.get_task("load_periods").python_callable.__globals__["CHUNK"] = 1
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON io_intelligence_price_periods WHEN NEW.price = '1' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        connection.commit()
    assert run_dag(dag).state == "failed"
    assert rows_of(database) == rows


def test_a_store_without_a_snapshot_empties_no_table(
    filed: None, database: Path, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dag = load_dag("io_intelligence_load_periods")
    assert run_dag(dag).state == "success"
    rows = rows_of(database)
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", str(tmp_path / "not_mounted"))
    assert run_dag(dag).state == "failed"
    assert rows_of(database) == rows
