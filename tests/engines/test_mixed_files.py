"""Tests files of several versions together: some lack columns, some have an unknown one.

The snippets are those of the README and of docs/sql.md, word for word.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from helpers.fixtures import RunConsumer
from helpers.months import days_read
from io_intelligence_provider import SnapshotStore, detect_changes
from io_intelligence_provider.store.layout import models_path
from io_intelligence_provider.store.models_file import MODELS_KIND

pytestmark = pytest.mark.long

REPO = Path(__file__).parents[2]
README = (REPO / "README.md").read_text("utf-8")
SQL = (REPO / "docs" / "sql.md").read_text("utf-8")
LATE = ["tags", "supports_prompt_cache", "precision", "created_at", "cache_read_token_price"]
"""Columns that the older files lack: of every type."""
FUTURE = "from_the_future"
OLD: dict[str, Callable[[int, int], bool]] = {
    "old, then new": lambda number, count: number < count // 2,
    "new, then old": lambda number, count: number >= count // 2,
    "mixed, old first": lambda number, _: number % 2 == 0,
    "mixed, new first": lambda number, _: number % 2 == 1,
    "all old": lambda *_: True,
}


def of_another_version(path: Path, *, old: bool) -> None:
    """Rewrite a models file as an older version wrote it, or as a newer one will."""
    with pq.ParquetFile(path) as file:
        table = file.read()
    if old:
        table = table.drop_columns(LATE)
    else:
        table = table.add_column(3, pa.field(FUTURE, pa.int64()), pa.array(range(table.num_rows)))
    pq.write_table(table, path, compression="zstd")


@pytest.fixture(scope="module", params=OLD)
def mixed(
    request: pytest.FixtureRequest, store: SnapshotStore, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SnapshotStore, set[date]]:
    """A copy of the store, and the days whose file is old."""
    root = tmp_path_factory.mktemp("mixed") / ".demo" / "store"
    shutil.copytree(store.files.url(""), root)
    days = store.dates()
    old = {day for number, day in enumerate(days) if OLD[request.param](number, len(days))}
    for day in days:
        of_another_version(root / models_path(day), old=day in old)
    return SnapshotStore(root), old


@pytest.fixture
def here(mixed: tuple[SnapshotStore, set[date]], monkeypatch: pytest.MonkeyPatch) -> set[date]:
    """Go where the snippets find ``.demo/store``; return the days whose file is old."""
    made, old = mixed
    monkeypatch.chdir(Path(made.files.url("")).parents[1])
    return old


@pytest.fixture
def expected(store: SnapshotStore, mixed: tuple[SnapshotStore, set[date]]) -> list[dict[str, Any]]:
    """Every row of every day with what its file can say."""
    _, old = mixed
    rows = store.history().to_pylist()
    return [row | (dict.fromkeys(LATE) if row["snapshot_date"] in old else {}) for row in rows]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def ran(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "snippet", "exec"), names)  # noqa: S102 - our own documentation
    return names


CHECKED = ["snapshot_date", "name", "input_token_price", "cache_read_token_price", "tags", "created_at"]


def shown(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Return what is compared of each row, in one order, times as numbers."""
    plain = [[row.get(name) for name in CHECKED] for row in rows]
    return sorted(
        (str(day), name, one, other, None if tags is None else list(tags), at and at.timestamp())
        for day, name, one, other, tags, at in plain
    )


def python_of(library: str) -> str:
    """Return the snippet below "Other engines" that imports a library."""
    (code,) = [
        code for code in blocks(SQL.split("## Other engines")[1], "python") if f"import {library}" in code
    ]
    return code


def test_polars(here: set[date], expected: list[dict[str, Any]]) -> None:
    import polars as pl

    models = ran(python_of("polars as pl"))["models"]
    assert models.schema["input_token_price"] == pl.Decimal(38, 18)
    assert models.schema["snapshot_date"] == pl.Date
    assert shown(models.to_dicts()) == shown(expected)


def test_pandas_and_pyarrow(here: set[date], expected: list[dict[str, Any]]) -> None:
    import pandas as pd

    found = ran(python_of("pandas as pd"))
    table, models = found["table"], found["models"]
    for name, kind in (("input_token_price", pa.decimal128(38, 18)), ("snapshot_date", pa.date32())):
        assert table.schema.field(name).type == kind
        assert models[name].dtype == pd.ArrowDtype(kind)
    assert shown(table.to_pylist()) == shown(expected)
    names = [name for name in CHECKED if name in models.columns]
    assert shown(pa.Table.from_pandas(models[names], preserve_index=False).to_pylist()) == shown(expected)


def test_duckdb(here: set[date], expected: list[dict[str, Any]]) -> None:
    (query,) = blocks(SQL.split("## Other engines")[1], "sql")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(query)
        names = [column[0] for column in found.description]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert shown(rows) == shown(expected)


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.usefixtures("here", "spark")
def test_pyspark(expected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    # Java keeps the folder that it was started in.
    code = python_of("SparkSession").replace(".demo/store", str(Path(".demo/store").resolve()))
    monkeypatch.setenv("TZ", "UTC")
    models = ran(code)["models"]  # its getOrCreate() finds the session of the fixture
    rows = [row.asDict() for row in models.collect()]
    assert shown(rows) == shown(expected)


@pytest.mark.exports
@pytest.mark.parametrize("mixed", ["old, then new", "new, then old"], indirect=True)
@pytest.mark.parametrize("imported", ["DeltaTable", "load_catalog"])
def test_delta_lake_and_iceberg(
    mixed: tuple[SnapshotStore, set[date]], imported: str, run_consumer: RunConsumer, tmp_path: Path
) -> None:
    """Every day is loaded twice; before the second time one of them loses a model."""
    made, old = mixed
    store = SnapshotStore(tmp_path / ".demo" / "store")
    for day in made.dates()[::5]:
        store.files.put(models_path(day), made.files.read(models_path(day)))
    days = store.dates()
    assert 2 < len(old & set(days)) < len(days) - 2
    code = f"{python_of(imported)}\npq.write_table(models, 'read back.parquet')"
    for _ in range(2):
        run_consumer(code, cwd=tmp_path)
        found, expected = pq.read_table(tmp_path / "read back.parquet"), store.history()
        assert sorted_rows(found.drop_columns(FUTURE)) == sorted_rows(expected)
        for name in ("snapshot_date", "cache_read_token_price", "created_at", "fetched_at"):
            assert found.schema.field(name).type == expected.schema.field(name).type
        unknown = found.filter(pc.is_null(found[FUTURE]))["snapshot_date"]
        assert set(unknown.to_pylist()) == old & set(days)
        path = Path(store.files.url(models_path(days[1])))
        pq.write_table(pq.read_table(path, partitioning=None)[1:], path)


def sorted_rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.sort_by([(name, "ascending") for name in ("snapshot_date", "model_id")]).to_pylist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("code", [code for code in blocks(README, "python") if ".demo/store" in code])
def test_the_python_of_the_readme(here: set[date], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran(code)
    assert "1.678" in capsys.readouterr().out


def test_the_sql_of_the_readme(here: set[date], store: SnapshotStore) -> None:
    (query,) = blocks(README, "sql")
    rows = duckdb.sql(query).fetchall()
    prices = store.history(models=["zai-org/GLM-5.2"], columns=["input_token_price"]).to_pylist()
    assert [row[:2] for row in rows] == [tuple(row.values()) for row in prices]
    assert isinstance(rows[0][1], Decimal)


def test_the_questions_have_the_same_answers(
    mixed: tuple[SnapshotStore, set[date]], store: SnapshotStore
) -> None:
    questions = [
        block
        for block in blocks(SQL.split("## Other engines")[0], "sql")
        if "cache_read_token_price" not in block
    ]
    assert len(questions) == 9  # the two views are one block

    def answers(of: SnapshotStore) -> Iterator[Any]:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for block in questions:
                rows = connection.execute(block.replace(".demo/store", of.files.url(""))).fetchall()
                # DuckDB may add doubles in the order of the files.
                yield [
                    [round(value, 9) if isinstance(value, float) else value for value in row] for row in rows
                ]

    assert list(answers(mixed[0])) == list(answers(store))


def test_the_store_reads_them_as_one(
    mixed: tuple[SnapshotStore, set[date]], store: SnapshotStore, expected: list[dict[str, Any]]
) -> None:
    made, old = mixed
    assert made.history().to_pylist() == expected
    assert made.history().schema.equals(store.history().schema)
    assert made.history_frame().to_arrow().to_pylist() == expected
    columns = ["precision", "name", "cache_read_token_price"]
    assert made.history(columns=columns, models=["zai-org/GLM-5.2"]).to_pylist() == [
        {"snapshot_date": row["snapshot_date"], **{name: row[name] for name in columns}}
        for row in expected
        if row["name"] == "zai-org/GLM-5.2"
    ]
    first, last = min(store.dates()), max(store.dates())
    model = next(
        name for name in made.read(first)["name"].to_pylist() if name in made.read(last)["name"].to_pylist()
    )
    for day in (first, last):
        table = made.read(day)
        assert table.schema.names == store.read(day).schema.names
        of_day = [row for row in expected if row["snapshot_date"] == day]
        assert [{"snapshot_date": day, **row} for row in table.to_pylist()] == of_day
        prices, full = made.price_at(model, day), store.price_at(model, day)
        assert (prices.input, prices.output) == (full.input, full.output)
        assert prices.cache_read == (None if day in old else full.cache_read)
        tokens = {"input_tokens": 3, "cache_write_tokens": 7}
        assert made.cost(model, when=day, **tokens) == store.cost(model, when=day, **tokens)
    periods, all_periods = (one.periods().to_pylist() for one in (made, store))
    assert [row for row in periods if row["field"] not in LATE] == [
        row for row in all_periods if row["field"] not in LATE
    ]


@pytest.mark.usefixtures("settled")
def test_months_are_rolled_up_of_both_kinds(
    mixed: tuple[SnapshotStore, set[date]], expected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = mixed
    made.compact()
    names = made.files.list("compacted/models")
    assert [name[:7] for name in names] == ["2026-05", "2026-06"]
    assert {day.month for day in days_read(made, monkeypatch)} <= {7}
    assert made.history(end="2026-06-30").to_pylist() == [
        row for row in expected if row["snapshot_date"] <= date(2026, 6, 30)
    ]


@pytest.mark.usefixtures("settled")
def test_a_new_column_makes_months_stale_and_they_are_rolled_up_again(
    mixed: tuple[SnapshotStore, set[date]], expected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Months of a version that knew fewer columns: not read, replaced by the next run."""
    from io_intelligence_provider.contract.columns import arrow_schema

    made, _ = mixed

    def older() -> Any:
        return pa.schema([field for field in arrow_schema() if field.name not in LATE])

    with monkeypatch.context() as patched:
        patched.setattr(made._models, "_kind", replace(MODELS_KIND, schema=older))
        made.compact()
        stale = made.files.list("compacted/models")
    assert len(stale) == 2
    assert made.history().to_pylist() == expected
    made.compact()
    fresh = made.files.list("compacted/models")
    assert [name[:7] for name in fresh] == ["2026-05", "2026-06"]
    assert not set(fresh) & set(stale)
    assert made.history().to_pylist() == expected


def test_changes_leave_out_what_one_of_two_files_lacks(
    mixed: tuple[SnapshotStore, set[date]], store: SnapshotStore
) -> None:
    made, old = mixed
    days = made.dates()
    for before, day in pairwise(days[-8:]):
        detect_changes(made, day)
        found = made.changes(day, day).to_pylist()
        lacks = bool({before, day} & old)
        assert found == [
            row for row in store.changes(day, day).to_pylist() if not (lacks and row["field"] in LATE)
        ]
