"""Measures parsing the sample Dag against a Dag with an empty operator; run by ``run.py``."""

from __future__ import annotations

import runpy
import sys
import tempfile
import time
from pathlib import Path

import airflow.sdk
from airflow.sdk.definitions.dag import DAG  # noqa: F401 - loaded before the clock starts, as in a Dag processor

EMPTY = """
from __future__ import annotations
from datetime import UTC, datetime
from airflow.sdk import BaseOperator, dag

class Empty(BaseOperator):
    def execute(self, context): ...

@dag(schedule="@daily", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False)
def empty():
    Empty(task_id="empty")

empty()
"""


def seconds(path: Path) -> float:
    start = time.perf_counter()
    runpy.run_path(str(path))
    return time.perf_counter() - start


if __name__ == "__main__":
    airflow.sdk.BaseOperator  # noqa: B018 - the lazy import happens here
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.py"
        empty.write_text(EMPTY)
        seconds(empty)  # what every Dag of this Airflow needs once
        ours = seconds(Path(sys.argv[1]))
        print(f"{ours - seconds(empty):.3f}")
