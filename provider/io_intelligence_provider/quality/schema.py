"""Loads a pandera schema from an import path, a YAML file or an object."""

from __future__ import annotations

import copy
import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import polars as pl

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.pandera_backend import Schema

__all__ = ["Backend", "LoadedSchema", "load_schema"]


Backend: TypeAlias = Literal["pandas", "polars"]

_FILES: Final = (".yaml", ".yml")
_BACKENDS: Final[dict[str, Backend]] = {"pandera.api.pandas": "pandas", "pandera.api.polars": "polars"}


@dataclass(frozen=True)
class LoadedSchema:
    """A pandera schema and the kind of frame it validates.

    :param name: its name in reports: ``module:object``, the file's path, or its own name.
    """

    schema: Schema
    backend: Backend
    name: str


def load_schema(source: Any) -> LoadedSchema:
    """Load a schema: ``"module:object"``, the path of a pandera YAML file, or an object.

    The object is a ``DataFrameModel`` class or a ``DataFrameSchema``, for pandas or for polars.

    :raises ConfigurationError: when there is no such schema, or the object is neither.
    """
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if text.lower().endswith(_FILES):
            return _of_object(_from_yaml(Path(text)), text)
        return _of_object(_imported(text), text)
    return _of_object(source, getattr(source, "name", None) or getattr(source, "__name__", None))


def _imported(text: str) -> Any:
    module, colon, path = text.partition(":")
    if not colon or not re.fullmatch(r"[\w.]+", module) or not re.fullmatch(r"[\w.]+", path):
        raise ConfigurationError(
            f"The schema is {text!r}; it is 'module:object', the path of a .yaml file, or an object."
        )
    try:
        found: Any = importlib.import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        if _is_for_pandas(error):
            raise _needs_pandas(text, error) from error
        raise ConfigurationError(
            f"The schema {text!r} could not be imported: {error}. "
            "The module has to be importable where the task runs."
        ) from error
    return found


def _from_yaml(path: Path) -> Any:
    import yaml  # here: every snapshot loads this module, and none reads YAML

    try:
        text = path.expanduser().read_text()
        document = yaml.safe_load(text)
    except (OSError, yaml.YAMLError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"The schema file {str(path)!r} could not be read: {error}.") from error
    except RecursionError:
        raise ConfigurationError(f"The schema file {str(path)!r} is nested too deeply to be read.") from None
    if not isinstance(document, dict) or "columns" not in document:
        raise ConfigurationError(f"{str(path)!r} is no schema that pandera wrote: it has no columns.")
    _refuse_unknown_keys(document, path)
    is_polars = document.get("schema_type") == "polars_dataframe"
    try:
        if is_polars and not _has_pandas():
            return _polars_without_pandas(document)
        return importlib.import_module(f"pandera.io.{'polars' if is_polars else 'pandas'}_io").from_yaml(text)
    except Exception as error:
        if _is_for_pandas(error):
            raise _needs_pandas(str(path), error) from error
        raise ConfigurationError(f"pandera could not read the schema {str(path)!r}: {error}") from error


_KEYS: Final = frozenset(
    {
        "schema_type", "version", "api", "columns", "checks", "index", "dtype", "coerce", "strict", "name",
        "ordered", "unique", "report_duplicates", "unique_column_names", "add_missing_columns", "title",
        "description",        "metadata", "drop_invalid_rows",
    }
)  # fmt: skip
_COLUMN_KEYS: Final = frozenset(
    {
        "title", "description", "dtype", "checks", "name", "nullable", "unique", "coerce", "required",
        "regex", "default", "report_duplicates", "drop_invalid_rows", "metadata",
    }
)  # fmt: skip


def _refuse_unknown_keys(document: Mapping[str, Any], path: Path) -> None:
    """Refuse keys that pandera would ignore, so that a misspelt word switches off no check.

    :raises ConfigurationError: when there are some, or a column is not described by keys.
    """
    columns, index = document["columns"] or {}, document.get("index") or []
    parts = [*columns.values()] if isinstance(columns, dict) else columns
    if not (isinstance(parts, list) and isinstance(index, list)):
        raise ConfigurationError(
            f"The schema {str(path)!r} has `columns` or an `index` that list no columns."
        )
    parts = [*parts, *index]
    if not all(isinstance(part, dict) for part in parts):
        raise ConfigurationError(f"The schema {str(path)!r} has a column without keys such as `dtype`.")
    unknown = set(document) - _KEYS
    for part in parts:
        # A check may also stand beside the other keys of its column.
        unknown |= {key for key in part if key not in _COLUMN_KEYS and not _is_check(key)}
    if unknown:
        key = min(map(str, unknown))
        close = get_close_matches(key, sorted(_KEYS | _COLUMN_KEYS), n=1)
        meant = f" Did you mean {close[0]!r}?" if close else ""
        raise ConfigurationError(f"The schema {str(path)!r} has the key {key!r}, which means nothing.{meant}")


def _is_check(key: object) -> bool:
    from pandera.api.checks import Check

    return isinstance(key, str) and not key.startswith("_") and callable(getattr(Check, key, None))


def _polars_without_pandas(document: Mapping[str, Any]) -> Any:
    """Build a polars schema from a YAML document without importing pandas.

    pandera (0.35) imports pandas for every check of a column with a type, although only times need it. So the
    checks are read without the types, and the types are set afterwards.

    :raises ImportError: when a check compares times.
    """
    from pandera.io import polars_io

    deserialize: Any = polars_io.deserialize_schema
    columns = copy.deepcopy(document["columns"] or {})
    types = {name: {"dtype": column.pop("dtype", None)} for name, column in columns.items()}
    typed = deserialize({**document, "checks": None, "columns": types}).columns
    schema = deserialize({**document, "columns": columns})
    for name, column in schema.columns.items():
        dtype = typed[name].dtype
        if column.checks and isinstance(getattr(dtype, "type", None), (pl.Datetime, pl.Duration)):
            raise ModuleNotFoundError(f"column {name!r} has checks of times", name="pandas")
        column.dtype = dtype
    return schema


def _has_pandas() -> bool:
    return all(find_spec(name) is not None for name in ("pandas", "numpy"))


def _is_for_pandas(error: Exception) -> bool:
    """Return whether an import failed because pandas is missing: pandera then lacks its pandas names."""
    if _has_pandas():
        return False
    # An AttributeError names the module it was raised for, an ImportError the missing one.
    module = getattr(getattr(error, "obj", None), "__name__", None) or getattr(error, "name", None)
    return str(module).partition(".")[0] in ("pandas", "numpy", "pandera")


def _needs_pandas(schema: str, error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The schema {schema!r} needs pandas, which is not installed ({error}). Install the extra where the "
        "task runs: pip install 'airflow-provider-io-intelligence[pandas]'; or use pandera.polars."
    )


def _of_object(found: Any, name: str | None) -> LoadedSchema:
    to_schema = getattr(found, "to_schema", None)
    try:
        schema = to_schema() if isinstance(found, type) and callable(to_schema) else found
    except Exception as error:
        raise ConfigurationError(f"The model {name!r} makes no schema: {error}") from error
    backend = next(
        (
            backend
            for cls in type(schema).__mro__
            for prefix, backend in _BACKENDS.items()
            if cls.__module__.startswith(prefix) and cls.__name__ == "DataFrameSchema"
        ),
        None,
    )
    if backend is None:
        raise ConfigurationError(
            f"The schema {name or found!r} is a {type(schema).__module__}.{type(schema).__name__}; a "
            "DataFrameModel or a DataFrameSchema of pandera.pandas or pandera.polars is needed."
        )
    parts: Any = [schema, *schema.columns.values()]
    if backend == "polars" and any(getattr(part, "parsers", None) for part in parts):
        raise ConfigurationError(
            f"The schema {name or schema.name or 'given'!r} has parsers, which pandera runs on "
            "pandas only. Change the data before the check, or use pandera.pandas."
        )
    return LoadedSchema(schema, backend, name or schema.name or "schema")
