"""From what a user names as a schema to one pandera schema."""

from __future__ import annotations

import importlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from io_intelligence_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from io_intelligence_provider.quality.judge import Schema

__all__ = ["Backend", "LoadedSchema", "load_schema"]

Backend: TypeAlias = Literal["pandas", "polars"]

_FILES: Final = (".yaml", ".yml")
_BACKENDS: Final[dict[str, Backend]] = {"pandera.api.pandas": "pandas", "pandera.api.polars": "polars"}


@dataclass(frozen=True)
class LoadedSchema:
    """A pandera schema and the kind of frame it judges.

    :param name: what it is called in reports: ``module:object``, the file's path, or its own name.
    """

    schema: Schema
    backend: Backend
    name: str


def load_schema(source: Any) -> LoadedSchema:
    """Load a schema: ``"module:object"``, the path of a pandera YAML file, or an object.

    The object is a ``DataFrameModel`` class or a ``DataFrameSchema``, for pandas or for polars.

    :raises ConfigurationError: when there is no such schema, or it is of another kind.
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
        raise ConfigurationError(
            f"The schema {text!r} could not be imported: {error}. "
            "The module has to be importable where the task runs."
        ) from error
    return found


def _from_yaml(path: Path) -> Any:
    import yaml

    try:
        text = path.expanduser().read_text()
        document = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The schema file {str(path)!r} could not be read: {error}.") from error
    if not isinstance(document, dict) or "columns" not in document:
        raise ConfigurationError(f"{str(path)!r} is no schema that pandera wrote: it has no columns.")
    module = "polars_io" if document.get("schema_type") == "polars_dataframe" else "pandas_io"
    try:
        return importlib.import_module(f"pandera.io.{module}").from_yaml(text)
    except Exception as error:
        raise ConfigurationError(f"pandera could not read the schema {str(path)!r}: {error}") from error


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
    return LoadedSchema(schema, backend, name or schema.name or "schema")
