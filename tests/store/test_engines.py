"""Other engines read ``<root>/models`` by its path, with no help from us."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest


@pytest.fixture
def folder(local_store, take, model, tmp_path):
    """Two days, and what a killed writer may have left behind."""
    for day, price in (("2026-01-01", "0.1"), ("2026-01-02", "0.2")):
        take(local_store, [model("a", {"input_token_price": price, "tags": ["x"]}), model("b")], day)
    root = tmp_path / "store"
    (root / ".models.parquet.1-abcd.tmp").write_bytes(b"half a file")
    (root / "models" / "snapshot_date=2026-01-03").mkdir()
    return root / "models"


ROWS = [("2026-01-01", "a", Decimal("0.1")), ("2026-01-02", "a", Decimal("0.2"))]


def test_pyarrow(folder):
    import pyarrow as pa
    import pyarrow.dataset as ds

    partitioning = ds.partitioning(pa.schema([("snapshot_date", pa.string())]), flavor="hive")
    table = ds.dataset(folder, partitioning=partitioning).to_table(filter=ds.field("name") == "a")
    found = table.select(["snapshot_date", "name", "input_token_price"]).to_pylist()
    assert sorted(tuple(row.values()) for row in found) == ROWS


def test_duckdb(folder):
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT snapshot_date, name, input_token_price FROM read_parquet(?, hive_partitioning = true) "
            "WHERE name = 'a' ORDER BY snapshot_date",
            [f"{folder}/*/*.parquet"],
        ).fetchall()
    assert found == [(date.fromisoformat(day), name, price) for day, name, price in ROWS]


@pytest.mark.parametrize("path", ["", "/**/*.parquet"])
def test_polars(folder, path):
    import polars as pl

    frame = pl.scan_parquet(f"{folder}{path}", hive_partitioning=True).filter(pl.col("name") == "a").collect()
    found = frame.sort("snapshot_date").select("snapshot_date", "name", "input_token_price").rows()
    assert [(str(day), name, price) for day, name, price in found] == ROWS


def test_pandas(folder):
    import pandas as pd

    frame = pd.read_parquet(folder, filters=[("name", "==", "a")])
    found = frame.sort_values("snapshot_date")[["snapshot_date", "name", "input_token_price"]]
    assert [(str(day), name, price) for day, name, price in found.itertuples(index=False)] == ROWS
