"""A schema by name, as an object, as YAML."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandera.pandas
import pandera.polars as pa
import polars as pl
import pytest

from io_intelligence_provider.errors import ConfigurationError
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


def test_a_yaml_that_is_no_schema(tmp_path: Path) -> None:
    path = tmp_path / "x.yml"
    path.write_text("a: 1")
    with pytest.raises(ConfigurationError, match="no columns"):
        load_schema(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("columns: {a: {dtype: int64, nulable: true}}", "'nulable'.*Did you mean 'nullable'"),
        ("columns: {a: {dtype: int64}}\nstrickt: true", "'strickt'.*Did you mean 'strict'"),
        ("columns: {a: {dtype: int64, checks: {greater_then: 0}}}", "greater_then"),
        ("columns: {a: {dtype: int64}}\nindex: [{dtype: int64, uniqe: true}]", "'uniqe'"),
    ],
)
def test_a_misspelt_key_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        load_schema(path)


def test_parsers_of_a_polars_schema_are_refused() -> None:
    """pandera runs them for pandas only."""
    import pandera

    parser: Any = pandera.Parser(abs)
    column: Any = pa.Column(int)
    column.parsers = [parser]
    for schema in (pa.DataFrameSchema({"a": column}), pa.DataFrameSchema(parsers=parser)):
        with pytest.raises(ConfigurationError, match="has parsers, which pandera runs on pandas only"):
            load_schema(schema)
