"""A schema that tasks of the tests can import."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

MODULE = """
import pandera.polars as pa
schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0, name="positive"))})
"""


@pytest.fixture
def schemas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make ``check_schemas:schema`` importable, and the results go below ``tmp_path``."""
    (tmp_path / "check_schemas.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "check_schemas", raising=False)
    monkeypatch.setenv("AIRFLOW__IO_INTELLIGENCE__ROOT", str(tmp_path / "root"))
