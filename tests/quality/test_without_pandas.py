"""What a new installation has: no numpy, no pandas. Each script runs in an interpreter that refuses both."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest
from pandera.io import pandas_io, polars_io

from io_intelligence_provider.emulator.server import EmulatorServer

pytestmark = pytest.mark.long

REFUSED = """
import sys
from importlib.machinery import PathFinder

class WithoutPandas(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "pandas"):
            return None
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutPandas
"""


def run(script: str, folder: Path) -> Any:
    """Run a script without numpy and pandas and return the JSON that it printed last."""
    (folder / "script.py").write_text(REFUSED + textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, "-W", "error", "script.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_files_and_frames_are_checked(tmp_path: Path) -> None:
    """Groups of rows, keys spread over files, values that cannot be read, a profile, both outputs."""
    rows = pl.DataFrame(
        {
            "a": ["1", "2", "x", "2", "5", "1"],
            "b": [1, -1, 1, 1, None, 1],
            "c": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5],
        }
    )
    rows.write_parquet(tmp_path / "data.parquet")
    found = run(
        """
        import json
        from dataclasses import replace
        import pandera.polars as pa, polars as pl, pyarrow.parquet as pq
        from io_intelligence_provider.quality import batches, uniqueness
        from io_intelligence_provider.quality.policy import CheckOptions
        from io_intelligence_provider.quality.run import check_dataset, check_frame

        batches._MOST_ROWS, uniqueness._IN_MEMORY = 2, 1
        schema = pa.DataFrameSchema(
            {
                "a": pa.Column(int, unique=True, coerce=True),
                "b": pa.Column(int, pa.Check.ge(0), nullable=True),
                "c": pa.Column(float, pa.Check(lambda data: data.lazyframe.select(pl.col(data.key).gt(0)))),
            },
            unique=["a", "b"],
        )
        options = CheckOptions(
            max_quarantine_share=1.0,
            profile=True,
            quarantine_path="refused.parquet",
            valid_path="valid.parquet",
        )
        runs = [check_dataset("data.parquet", schema, options)]
        del schema.columns["c"].checks[:]
        runs.append(check_dataset("data.parquet", schema, options))
        refused = pq.read_table("refused.parquet").to_pylist()
        options = replace(options, valid_path="other.parquet")
        runs.append(check_frame(pl.scan_parquet("data.parquet"), schema, options))
        print(json.dumps({
            "runs": [[run.mode, run.rows, run.valid, run.quarantined] for run in runs],
            "refused": [[row["row"], sorted({item["check"] for item in row["failures"]})] for row in refused],
            "valid": pq.read_table("valid.parquet").to_pylist(),
            "median": runs[0].profile[2].median,
        }))
        """,
        tmp_path,
    )
    assert found["runs"] == [["whole", 6, 1, 5], ["rows", 6, 1, 5], ["rows", 6, 1, 5]]
    assert found["refused"] == [
        [0, ["field_uniqueness", "multiple_fields_uniqueness"]],
        [1, ["field_uniqueness", "greater_than_or_equal_to"]],
        [2, ["coerce_dtype"]],
        [3, ["field_uniqueness"]],
        [5, ["field_uniqueness", "multiple_fields_uniqueness"]],
    ]
    assert found["valid"] == [{"a": 5, "b": None, "c": 5.5}]
    assert found["median"] == 4.0


MODULES = {
    "pandera_pandas": "import pandera.pandas as pa\nschema = pa.DataFrameSchema({'a': pa.Column(int)})",
    "plain_pandera": "import pandera as pa\nschema = pa.DataFrameSchema({'a': pa.Column(int)})",
    "model": "from pandera import DataFrameModel\nclass schema(DataFrameModel): a: int",
    "attribute": "import pandera as pa\nclass schema(pa.DataFrameModel): a: int",
    "typing": "from pandera.typing.pandas import Series\nschema = None",
    "pandas": "import pandas as pd\nschema = None",
}


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Name by name: the error that loading a schema of pandas raised, and its message."""
    folder = tmp_path_factory.mktemp("pandas")
    sources = {}
    for name, text in MODULES.items():
        (folder / f"my_{name}.py").write_text(text)
        sources[name] = f"my_{name}:schema"
    column = pandera.pandas.Column(int, pandera.pandas.Check.ge(0))
    (folder / "pandas.yaml").write_text(pandas_io.to_yaml(pandera.pandas.DataFrameSchema({"a": column})))
    of_time = pa.Column(pl.Datetime("us"), pa.Check.ge(pl.datetime(2026, 1, 1)))
    of_time.checks[0].statistics["min_value"] = "2026-01-01 00:00:00"
    (folder / "time.yaml").write_text(polars_io.to_yaml(pa.DataFrameSchema({"a": of_time})))
    sources |= {"yaml": "pandas.yaml", "time": "time.yaml", "absent": "no_such_module:schema"}
    found: dict[str, list[str]] = run(
        f"""
        import json
        from io_intelligence_provider.quality.schema import load_schema
        found = {{}}
        for name, source in {sources!r}.items():
            try:
                load_schema(source)
            except Exception as error:
                found[name] = [type(error).__name__, str(error)]
        print(json.dumps(found))
        """,
        folder,
    )
    return found


needs_types = pytest.mark.skipif(
    not hasattr(polars_io, "_polars_dtype_from_repr"),
    reason="before 0.35, pandera reads no polars type with arguments from YAML",
)


@pytest.mark.parametrize("name", [*MODULES, "yaml", pytest.param("time", marks=needs_types)])
def test_a_schema_that_needs_pandas_names_the_extra(refusals: dict[str, list[str]], name: str) -> None:
    kind, message = refusals[name]
    assert kind == "ConfigurationError"
    assert "needs pandas, which is not installed" in message
    assert "pip install 'airflow-provider-io-intelligence[pandas]'" in message


def test_another_module_that_is_missing_is_not_put_down_to_pandas(refusals: dict[str, list[str]]) -> None:
    kind, message = refusals["absent"]
    assert kind == "ConfigurationError"
    assert "pandas" not in message


@needs_types
def test_a_polars_schema_in_yaml_is_the_same_without_pandas(tmp_path: Path) -> None:
    """pandera itself imports pandas to read it."""
    schema = pa.DataFrameSchema(
        {
            "a": pa.Column(int, [pa.Check.in_range(0, 9), pa.Check.ne(5)], nullable=True, unique=True),
            "s": pa.Column(str, pa.Check.str_matches("^x"), coerce=True),
            "t": pa.Column(pl.Datetime("us"), nullable=True),
        },
        strict=True,
        unique=["a", "s"],
        name="named",
    )
    (tmp_path / "schema.yaml").write_text(polars_io.to_yaml(schema))
    pl.DataFrame(
        {"a": [1, 10, 5, None, 1], "s": ["x", "x", "x", "y", "x"], "t": [None] * 5},
        schema_overrides={"t": pl.Datetime("us")},
    ).write_parquet(tmp_path / "data.parquet")
    script = """
        import json
        from io_intelligence_provider.quality.policy import CheckOptions
        from io_intelligence_provider.quality.run import check_dataset
        run = check_dataset("data.parquet", "schema.yaml", CheckOptions(max_quarantine_share=1.0))
        print(json.dumps([run.outcome, [[c.check, c.column, c.failed, c.evaluated] for c in run.checks]]))
        """
    outcome, checks = run(script, tmp_path)
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    with_pandas = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [outcome, checks] == json.loads(with_pandas.stdout.splitlines()[-1])
    assert sum(failed for _, _, failed, _ in checks) == 7


def test_a_snapshot_loads_no_library_that_takes_longer_than_itself(
    server: EmulatorServer, tmp_path: Path
) -> None:
    loaded = run(
        f"""
        import json
        from io_intelligence_provider import (
            IOIntelligenceClient, SnapshotStore, detect_changes, take_snapshot,
        )
        store = SnapshotStore("store")
        with IOIntelligenceClient({server.url!r}) as client:
            day = take_snapshot(client, store).snapshot_date
        detect_changes(store, day)
        print(json.dumps(sorted(sys.modules)))
        """,
        tmp_path,
    )
    assert "pyarrow.parquet" in loaded
    assert not {"airflow", "fastapi", "pyarrow.compute", "pyarrow.dataset"} & set(loaded)
