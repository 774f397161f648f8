"""A schema by name, as an object, as YAML."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality import schema as schema_module
from io_intelligence_provider.quality.schema import load_schema

MODULE = """
import pandera.polars as pa
import pandera.pandas as pp

class Model(pa.DataFrameModel):
    a: int = pa.Field(ge=0)

class Outer:
    class Inner(pp.DataFrameModel):
        a: int = pp.Field(ge=0)

schema = pa.DataFrameSchema({"a": pa.Column(int, pa.Check.ge(0))}, name="named")
other = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_schemas.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("my_schemas", None)


@pytest.mark.parametrize(
    ("name", "backend"),
    [("my_schemas:Model", "polars"), ("my_schemas:Outer.Inner", "pandas"), ("my_schemas:schema", "polars")],
)
def test_a_schema_by_name(
    write: Callable[..., str], check: Callable[..., Any], name: str, backend: str
) -> None:
    assert load_schema(name).backend == backend
    checked = check(write(pl.DataFrame({"a": [1, -1]})), name)
    assert checked.run.schema == name
    assert checked.failures == {(1, "a", "greater_than_or_equal_to")}


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_schema_in_yaml(
    write: Callable[..., str], check: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    from pandera.io import pandas_io, polars_io

    library: Any = pa if kind == "polars" else pandera.pandas
    schema = library.DataFrameSchema(
        {"a": library.Column(int, library.Check.ge(0)), "s": library.Column(str)}
    )
    path = tmp_path / "schema.yaml"
    path.write_text((polars_io if kind == "polars" else pandas_io).to_yaml(schema))
    assert load_schema(str(path)).backend == kind
    checked = check(write(pl.DataFrame({"a": [1, -1], "s": ["x", "y"]})), str(path))
    assert checked.failures == {(1, "a", "greater_than_or_equal_to")}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("my_schemas", "'module:object'"),
        ("my_schemas:schema:other", "'module:object'"),
        ("my schemas:schema", "'module:object'"),
        ("schemaless", "'module:object'"),
        ("no_such_module:schema", "could not be imported"),
        ("my_schemas:nothing", "could not be imported"),
        ("my_schemas:other", "builtins.int"),
        ("missing.yaml", "could not be read"),
        (3, "DataFrameModel or a DataFrameSchema"),
    ],
)
def test_what_is_no_schema(source: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_schema(source)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "columns: {a: {dtype: int64, nulable: true}}",
            "The schema {} has the key 'nulable', which means nothing. Did you mean 'nullable'?",
        ),
        (
            "columns: {a: {dtype: int64}}\nstrickt: true",
            "The schema {} has the key 'strickt', which means nothing. Did you mean 'strict'?",
        ),
        (
            "columns: {a: {dtype: int64, checks: {greater_then: 0}}}",
            "pandera could not read the schema {}: '<class 'pandera.api.checks.Check'>' object has no.*",
        ),
        (
            "columns: {a: {dtype: int64}}\nindex: [{dtype: int64, uniqe: true}]",
            "The schema {} has the key 'uniqe', which means nothing. Did you mean 'unique'?",
        ),
        (
            "columns: {a: {dtype: int64, _name: x, 5: y}}",
            "The schema {} has the key '5', which means nothing.",
        ),
        ("columns: {a: {dtype: int64, _get_check_fn_code: 1}}", "The schema {} has the key '_get.*"),
        ("columns: {a: int64}", "The schema {} has a column without keys such as `dtype`."),
        ("columns: abc", "The schema {} has `columns` or an `index` that list no columns."),
        ("columns: {}\nindex: abc", "The schema {} has `columns` or an `index` that list no columns."),
        ("columns: " + "[" * 5_000, "The schema file {} is nested too deeply to be read."),
        ("columns: {a: {", "The schema file {} could not be read: while parsing a flow node.*"),
        ("a: 1", "{} is no schema that pandera wrote: it has no columns."),
    ],
)
def test_a_file_that_is_no_schema_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as told:
        load_schema(path)
    before, _, after = said.partition("{}")
    ending = after.removesuffix(".*")
    pattern = f"{re.escape(f'{before}{str(path)!r}{ending}')}{'.*' if ending != after else ''}"
    assert re.fullmatch(pattern, str(told.value), re.DOTALL), str(told.value)


DOCUMENT = """
schema_type: polars_dataframe
name: n
columns:
  a: {dtype: Int64, nullable: true, checks: {greater_than: 0}}
  s: {dtype: String, unique: true}
checks: null
"""
TIMES = """
schema_type: polars_dataframe
columns: {at: {dtype: "Datetime(time_unit='us', time_zone=None)"}}
"""


def test_a_polars_schema_without_pandas_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(DOCUMENT)
    expected = load_schema(path).schema
    monkeypatch.setattr(schema_module, "_has_pandas", lambda: False)
    found = load_schema(path)
    assert (found.backend, found.name, found.schema.name) == ("polars", str(path), "n")
    assert found.schema == expected
    assert found.schema.columns["a"].dtype == expected.columns["a"].dtype
    path.write_text("schema_type: polars_dataframe\ncolumns: null\n")
    assert load_schema(path).schema.columns == {}


def test_checks_of_times_in_yaml_need_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(TIMES)
    try:
        expected = load_schema(path).schema
    except ConfigurationError:
        pytest.skip(f"pandera {pandera.__version__} does not read the types of times that it writes")
    monkeypatch.setattr(schema_module, "_has_pandas", lambda: False)
    assert load_schema(path).schema == expected
    path.write_text(TIMES.replace("}}", ", checks: {greater_than: 2026-01-01}}}"))
    with pytest.raises(ConfigurationError) as told:
        load_schema(path)
    assert str(told.value) == (
        f"The schema {str(path)!r} needs pandas, which is not installed (column 'at' has checks of times). "
        "Install the extra where the task runs: pip install 'airflow-provider-io-intelligence[pandas]'; "
        "or use pandera.polars."
    )


@pytest.mark.parametrize(
    ("body", "needs_pandas"),
    [
        ("import pandas_of_nobody", False),
        ("raise ModuleNotFoundError('no', name='pandas.core')", True),
        ("raise ModuleNotFoundError('no', name='numpy')", True),
        ("raise ImportError('no', name='other.pandas')", False),
        ("import pandera; pandera.NoName", True),
        ("import json; json.NoName", False),
        ("raise AttributeError('no')", False),
    ],
)
def test_a_module_that_needs_pandas_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, needs_pandas: bool
) -> None:
    (tmp_path / "my_schemas.py").write_text(body)
    for has_pandas in (False, True):
        monkeypatch.setattr(schema_module, "_has_pandas", lambda has_pandas=has_pandas: has_pandas)
        with pytest.raises(ConfigurationError) as told:
            load_schema("my_schemas:schema")
        if needs_pandas and not has_pandas:
            why = f"'my_schemas:schema' needs pandas, which is not installed ({told.value.__cause__})."
            assert why in str(told.value)
        else:
            assert str(told.value).startswith("The schema 'my_schemas:schema' could not be imported: ")
            assert str(told.value).endswith(". The module has to be importable where the task runs.")


def test_a_check_of_the_whole_frame_may_say_which_of_its_values_fail() -> None:
    frame = pandera.pandas.DataFrameSchema(
        checks=pandera.pandas.Check(lambda data: data > 0, name="c", n_failure_cases=1)
    )
    found = schema_module.run_schema(pd.DataFrame({"a": [1, 0, 3, 4], "b": [1, 2, -3, 4]}), frame)
    assert [(one.check, one.column, one.rows) for one in found] == [("c", None, [1, 2])]


def test_parsers_of_a_polars_schema_are_refused() -> None:
    """pandera runs them for pandas only."""
    import pandera

    parser: Any = pandera.Parser(abs)
    column: Any = pa.Column(int)
    column.parsers = [parser]
    for schema in (pa.DataFrameSchema({"a": column}), pa.DataFrameSchema(parsers=parser)):
        with pytest.raises(ConfigurationError, match="has parsers, which pandera runs on pandas only"):
            load_schema(schema)
