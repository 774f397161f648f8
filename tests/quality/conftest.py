"""Helpers: a Parquet file, a check of it, and what the quarantine says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from io_intelligence_provider.errors import QualityError
from io_intelligence_provider.quality.policy import CheckOptions
from io_intelligence_provider.quality.result import CheckRun
from io_intelligence_provider.quality.run import check_dataset


@dataclass
class Checked:
    """A run, the refused rows and the valid ones."""

    run: CheckRun
    refused: list[dict[str, Any]]
    valid: Any
    stopped: QualityError | None

    @property
    def failures(self) -> set[tuple[int, str | None, str]]:
        """(row, column, check) of every reason."""
        return {
            (row["row"], failure["column"], failure["check"])
            for row in self.refused
            for failure in row["failures"]
        }

    def result(self, check: str, column: str | None = None) -> Any:
        (found,) = [item for item in self.run.checks if (item.check, item.column) == (check, column)]
        return found


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a frame as Parquet and returns the path."""

    def write(frame: Any, name: str = "in/data.parquet", **arguments: Any) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if hasattr(frame, "write_parquet"):
            frame.write_parquet(path, **arguments)
        elif hasattr(frame, "to_parquet"):
            frame.to_parquet(path, **arguments)
        else:
            import pyarrow.parquet as pq

            pq.write_table(frame, path, **arguments)
        return str(path)

    return write


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., Checked]:
    """Return a function that checks a path; rows may be refused unless it is told otherwise."""

    def check(path: str, schema: Any, **options: Any) -> Checked:
        import pyarrow.parquet as pq

        options = {
            "quarantine_path": str(tmp_path / "out" / "refused.parquet"),
            "valid_path": str(tmp_path / "out" / "valid.parquet"),
            "max_quarantine_share": 1.0,
        } | options
        stopped = None
        try:
            run = check_dataset(path, schema, CheckOptions(**options))
        except QualityError as error:
            stopped, run = error, error.report
        assert isinstance(run, CheckRun)
        assert run.rows == run.valid + run.quarantined
        assert len(str(run.summary())) < 2048
        refused = pq.read_table(run.quarantine_path).to_pylist() if run.quarantine_path else []
        assert not run.quarantine_path or len(refused) == run.quarantined
        valid = pq.ParquetFile(run.valid_path).read() if run.valid_path else None
        assert valid is None or valid.num_rows == run.valid
        return Checked(run, refused, valid, stopped)

    return check


@pytest.fixture(scope="session")
def connect_url(spark: Any) -> str:
    """The Spark Connect server of the one Spark that all tests share."""
    return f"sc://127.0.0.1:{spark.conf.get('spark.connect.grpc.binding.port')}"
