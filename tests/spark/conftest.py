"""The Spark Connect server of the one Spark that all tests share."""

from __future__ import annotations

from typing import Any

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "spark: needs pyspark and Java; `make test-spark` runs it")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these out unless they are asked for by their mark."""
    if "spark" in config.option.markexpr:
        return
    if left_out := [item for item in items if item.get_closest_marker("spark")]:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def connect_url(spark: Any) -> str:
    """The Spark Connect server of the same Spark."""
    return f"sc://127.0.0.1:{spark.conf.get('spark.connect.grpc.binding.port')}"
