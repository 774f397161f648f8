"""Tests that other engines read ``<root>/models`` by its path: the same rows and exact types."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider import SnapshotStore

pytestmark = pytest.mark.long

COLUMNS = [
    "name",
    "input_token_price",
    "output_token_price",
    "max_tokens",
    "supports_prompt_cache",
    "tags",
    "created_at",
    "fetched_at",
]
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def expected(store: SnapshotStore) -> list[Row]:
    """What the store says, with the day as text first: exact values of Python's own types."""
    rows = store.history(columns=COLUMNS).to_pylist()
    assert {type(row["input_token_price"]) for row in rows} >= {Decimal}
    assert any(row["tags"] for row in rows)
    return ordered((str(row["snapshot_date"]), *(row[name] for name in COLUMNS)) for row in rows)


def ordered(rows: Any) -> list[Row]:
    return sorted((tuple(row) for row in rows), key=lambda row: row[:2])


def in_utc(row: Row) -> Row:
    """Return a row with its times in UTC: some engines give them in the zone of the machine."""
    return tuple(item.astimezone(UTC) if isinstance(item, datetime) else item for item in row)


def test_pyarrow(folder: Path, expected: list[Row]) -> None:
    import pyarrow as pa
    import pyarrow.dataset as ds

    table = ds.dataset(folder, partitioning="hive").to_table()
    assert table.schema.field("input_token_price").type == pa.decimal128(38, 18)
    assert table.schema.field("created_at").type == pa.timestamp("us", tz="UTC")
    assert table.schema.field("tags").type == pa.list_(pa.string())
    assert table.schema.field("snapshot_date").type == pa.string()
    rows = zip(*(table[name].to_pylist() for name in ["snapshot_date", *COLUMNS]), strict=True)
    assert ordered(rows) == expected


def test_duckdb(folder: Path, expected: list[Row]) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        query = f"SELECT snapshot_date, {', '.join(COLUMNS)} FROM read_parquet(?, hive_partitioning = true)"  # noqa: S608
        glob = [f"{folder}/*/*.parquet"]
        types = dict(row[:2] for row in connection.execute(f"DESCRIBE {query}", glob).fetchall())
        rows = connection.execute(query, glob).fetchall()
    assert types["input_token_price"] == "DECIMAL(38,18)"
    assert types["created_at"] == "TIMESTAMP WITH TIME ZONE"
    assert types["tags"] == "VARCHAR[]"
    assert types["snapshot_date"] == "DATE"
    assert ordered(in_utc((str(row[0]), *row[1:])) for row in rows) == expected


@pytest.mark.parametrize("path", ["", "/**/*.parquet"])
def test_polars(folder: Path, expected: list[Row], path: str) -> None:
    import polars as pl

    frame = pl.scan_parquet(f"{folder}{path}", hive_partitioning=True).collect()
    assert frame.schema["input_token_price"] == pl.Decimal(38, 18)
    assert frame.schema["created_at"] == pl.Datetime("us", "UTC")
    assert frame.schema["tags"] == pl.List(pl.String)
    assert frame.schema["snapshot_date"] == pl.Date
    rows = frame.select("snapshot_date", *COLUMNS).rows()
    assert ordered(in_utc((str(row[0]), *row[1:])) for row in rows) == expected


def test_polars_over_one_model(folder: Path, store: SnapshotStore) -> None:
    import polars as pl

    lazy = pl.scan_parquet(folder, hive_partitioning=True).filter(name="zai-org/GLM-5.2")
    found = lazy.select("snapshot_date", "input_token_price").collect().sort("snapshot_date").rows()
    table = store.history(models=["zai-org/GLM-5.2"], columns=["input_token_price"])
    assert found == list(zip(*table.to_pydict().values(), strict=True))


def test_pandas_with_arrow_types(folder: Path, expected: list[Row]) -> None:
    import pandas as pd
    import pyarrow as pa

    frame = pd.read_parquet(folder, dtype_backend="pyarrow")
    assert frame["input_token_price"].dtype == pd.ArrowDtype(pa.decimal128(38, 18))
    assert frame["created_at"].dtype == pd.ArrowDtype(pa.timestamp("us", tz="UTC"))
    assert frame["tags"].dtype == pd.ArrowDtype(pa.list_(pa.string()))
    table = pa.Table.from_pandas(frame[COLUMNS], preserve_index=False)
    days = frame["snapshot_date"].astype(str)
    rows = zip(days, *(table[name].to_pylist() for name in COLUMNS), strict=True)
    assert ordered(rows) == expected


def test_pandas_as_it_comes(folder: Path, store: SnapshotStore) -> None:
    """Without Arrow types prices are Python decimals: exact as well."""
    import pandas as pd

    frame = pd.read_parquet(folder, filters=[("name", "==", "zai-org/GLM-5.2")])
    found = frame.sort_values("snapshot_date")[["snapshot_date", "input_token_price"]]
    table = store.history(models=["zai-org/GLM-5.2"], columns=["input_token_price"])
    assert [(str(day), price) for day, price in found.itertuples(index=False)] == [
        (str(day), price) for day, price in zip(*table.to_pydict().values(), strict=True)
    ]


@pytest.mark.spark
@pytest.mark.filterwarnings(
    "ignore:PySpark does not yet fully support pandas:FutureWarning"
)  # says PySpark itself
def test_pyspark(folder: Path, expected: list[Row], spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    frame = spark.read.parquet(str(folder))
    types = dict(frame.dtypes)
    rows = frame.select("snapshot_date", *COLUMNS).collect()
    assert types["input_token_price"] == "decimal(38,18)"
    assert types["created_at"] == "timestamp"
    assert types["tags"] == "array<string>"
    assert types["snapshot_date"] == "date"
    assert ordered(in_utc((str(row[0]), *row[1:])) for row in rows) == expected


def test_the_day_is_a_partition_that_engines_prune_by(folder: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        plan = connection.execute(
            "EXPLAIN SELECT count(*) FROM read_parquet(?, hive_partitioning = true) "
            "WHERE snapshot_date = DATE '2026-06-30'",
            [f"{folder}/*/*.parquet"],
        ).fetchall()
        (days,) = connection.execute(
            "SELECT list(DISTINCT snapshot_date) FROM read_parquet(?, hive_partitioning = true) "
            "WHERE snapshot_date >= DATE '2026-06-30'",
            [f"{folder}/*/*.parquet"],
        ).fetchall()[0]
    assert sorted(days) == [date(2026, 6, 30), date(2026, 7, 1)]
    assert "Scanning Files: 1/" in str(plan)
