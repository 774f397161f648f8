"""Spark Connect: the client has no JVM, and is a process of its own, as one process is of one kind only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore")]

CLIENT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import pandera.polars as pa
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.run import check_dataset
from io_intelligence_provider.quality.spark import check_on_spark
from io_intelligence_provider.errors import QualityError

url, path, folder = sys.argv[1:]
schema = pa.DataFrameSchema(
    {"id": pa.Column(int, unique=True), "price": pa.Column(float, pa.Check.ge(0))}, name="offers"
)
found = {}
for engine in ("local", "spark"):
    options = CheckOptions(
        quarantine_path=f"{folder}/{engine}.parquet", valid_path=f"{folder}/{engine}",
        max_quarantine_share=1.0, fail_on="never", profile=True,
    )
    run = check_dataset(path, schema, options) if engine == "local" else (
        check_on_spark(path, schema, options, spark=url)
    )
    found[engine] = run.to_dict()
print(json.dumps(found))
"""


def test_a_url_gives_the_same_verdicts(connect_url: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pl.DataFrame({"id": [1, 2, 2, 4], "price": [1.0, -1.0, 2.0, 3.0]}).write_parquet(
        tmp_path / "in" / "a.parquet"
    )
    pl.DataFrame({"id": [5, 6], "price": [0.5, -2.0]}).write_parquet(tmp_path / "in" / "b.parquet")
    client = tmp_path / "client.py"
    client.write_text(CLIENT)
    done = subprocess.run(
        [sys.executable, str(client), connect_url, str(tmp_path / "in"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("SPARK_")},
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    local, there = found["local"], found["spark"]
    assert there["engine"] == "spark"
    for run in (local, there):
        run["checks"] = {
            (check["check"], check["column"]): (check["evaluated"], check["failed"])
            for check in run["checks"]
            if check["check"] != "same_columns"  # Spark merges the columns and does not tell
        }
    alike = ("outcome", "score", "rows", "files", "checks")
    assert {name: there[name] for name in alike} == {name: local[name] for name in alike}
    assert there["rows"] == {"read": 6, "valid": 3, "quarantined": 3}
    refused = [
        pq.read_table(tmp_path / f"{engine}.parquet").select(["record", "failures"]).to_pylist()
        for engine in ("local", "spark")
    ]
    assert sorted(refused[0], key=str) == sorted(refused[1], key=str)
    valid = pq.read_table(there["valid_path"]).to_pylist()
    assert sorted(row["id"] for row in valid) == [1, 4, 5]
