"""Shared fixtures: one emulator for the whole run, and an Airflow home of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Airflow reads its home when it is first imported, so it is set before any test module is.
_HOME = tempfile.TemporaryDirectory(prefix="io-intelligence-airflow-")
os.environ["AIRFLOW_HOME"] = _HOME.name
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "false"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "true"
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_HOME.name}/airflow.db"
for _name in list(os.environ):
    if _name.lower() in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "netrc"):
        del os.environ[_name]


@pytest.fixture(scope="session", autouse=True)
def airflow_home() -> Iterator[Path]:
    yield Path(_HOME.name)
    _HOME.cleanup()


_BY_REQUEST = {
    "browser": "the page in Chromium; `make test-browser` runs it",
    "standalone": "starts a whole Airflow; `make test-standalone` runs it",
    "spark": "needs PySpark and Java; `make test-spark` runs it",
}


_LONG = {
    "test_page_access.py",
    "test_notebooks.py",
    "test_killed_writer.py",
    "test_s3.py",
    "test_changes_replay.py",
    "test_in_airflow.py",
}
"""Files that take longest. They come first: one that begins last would keep a single core busy at the end."""


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in _BY_REQUEST.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that take minutes, or need more, unless they are asked for by their mark."""
    left_out = [name for name in _BY_REQUEST if name not in config.option.markexpr]
    slow = [item for item in items if any(item.get_closest_marker(name) for name in left_out)]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    items.sort(key=lambda item: item.path.name not in _LONG)
