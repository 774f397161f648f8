"""Loads a pandera schema, and runs it on a polars or pandas frame: the failed checks with their rows.

The catalogue's snapshot, any Parquet file and a batch on a Spark worker are all validated here.
"""

from __future__ import annotations

import copy
import importlib
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import polars as pl

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.result import CheckFailure

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas
    import pandera.polars
    from pandera.errors import SchemaError

__all__ = [
    "NOT_NULLABLE",
    "RAISED",
    "Backend",
    "Frame",
    "LoadedSchema",
    "Schema",
    "load_schema",
    "run_schema",
    "whole_validation",
    "without_failure_report",
]

Frame: TypeAlias = "pl.DataFrame | pd.DataFrame"
Schema: TypeAlias = "pandera.polars.DataFrameSchema | pandera.pandas.DataFrameSchema"


NOT_NULLABLE = "not_nullable"
"""pandera's name for a null where the schema allows none."""

RAISED: Final = "validate"
"""The check name for an exception that pandera let through."""


def whole_validation() -> AbstractContextManager[None]:
    """Override pandera's global switch and its shallow mode, which would let bad data pass."""
    from pandera.config import ValidationDepth, config_context

    return config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA)


def run_schema(frame: Frame, schema: Schema) -> list[CheckFailure]:
    """Evaluate every check of ``schema`` on ``frame`` and return those that failed.

    The rows of a pandas frame have to be numbered from 0.

    :raises pandera.errors.SchemaDefinitionError: when the schema itself is wrong.
    """
    from pandera.errors import SchemaDefinitionError, SchemaErrors

    try:
        with whole_validation():
            schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        return [_failed(error, len(frame)) for error in errors.schema_errors]
    except SchemaDefinitionError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # noqa: BLE001 - a check raises anything
        return [CheckFailure(RAISED, None, None, f"raised {type(error).__name__}: {error}")]
    return []


def without_failure_report(schema: Schema, frame: Frame) -> Schema:
    """Return a copy of a schema that makes pandera skip its own report.

    pandera collects all failures in one table. That costs more than the checks, and raises when a column has
    both failing rows and a failing data-set check (seen with 0.35). :func:`run_schema` does not use it.

    :param frame: a frame of the kind that will be validated.
    """
    schema = copy.copy(schema)
    schema.columns = {name: copy.copy(column) for name, column in schema.columns.items()}
    lazy = frame.lazy() if hasattr(frame, "lazy") else frame
    parts = [(schema, frame), *((column, lazy) for column in schema.columns.values())]
    if index := getattr(schema, "index", None):
        schema.index = copy.copy(index)
        parts.append((schema.index, frame))
    for part, kind in parts:
        _without_failure_report(part, kind)
    return schema


def _without_failure_report(part: Any, frame: Any) -> None:
    from pandera.errors import FailureCaseMetadata

    class WithoutFailureReport(type(part.get_backend(frame))):  # type: ignore[misc]  # known at run time only
        def failure_cases_metadata(self, *_: Any) -> FailureCaseMetadata:
            return FailureCaseMetadata(None, {}, {})

    part.get_backend = lambda *_, **__: WithoutFailureReport()


def _failed(error: SchemaError, height: int) -> CheckFailure:
    check = error.check
    column = error.column_name or (error.schema.name if type(error.schema).__name__ != _WHOLE else None)
    rows = _rows(error, height)
    if not isinstance(check, str) and check is not None:
        return CheckFailure(check.name or str(check), column, rows, _message(error, check))
    name = str(check or error.reason_code.name.lower()).partition("(")[0]
    if name in _NAMES_COLUMN and isinstance(error.failure_cases, str):
        column = error.failure_cases
    return CheckFailure(name, column, rows, _MESSAGES.get(name) or _first_line(error))


_WHOLE: Final = "DataFrameSchema"
_NAMES_COLUMN: Final = (
    "column_in_dataframe",
    "column_in_schema",
    "column_ordered",
    "add_missing_has_default",
)
_MESSAGES: Final = {
    NOT_NULLABLE: "is null",
    "field_uniqueness": "is not unique",
    "column_in_dataframe": "is missing",
    "column_in_schema": "is not in the schema",
    "column_ordered": "is out of order",
}


def _first_line(error: SchemaError) -> str:
    return str(error.args[0] if error.args else error).strip().partition("\n")[0]


def _message(error: SchemaError, check: Any) -> str:
    if error.reason_code.name == "CHECK_ERROR":
        return f"could not be evaluated: {str(error.failure_cases).strip()}"
    text = str(check.error) if check.error else ""
    if not text or text.startswith(f"{getattr(check, '_check_fn', None)!s}("):
        return f"fails {text or check.name}"
    return text


def _rows(error: SchemaError, height: int) -> Sequence[int] | None:
    """Return the positions of the failing rows.

    They are read from the check's output, because failure cases may be limited or lose nulls.
    """
    output, cases = error.check_output, error.failure_cases
    if isinstance(output, pl.LazyFrame):
        output = output.collect()
    if isinstance(output, pl.DataFrame):
        if not isinstance(cases, pl.DataFrame) or output.height != height:
            return None
        return (~output["check_output"].fill_null(value=False)).arg_true().to_list()
    if cases is None or isinstance(cases, (str, bool, list)):
        return None
    # A missing answer of a check of values passes in pandera, so it does where another row fails.
    passes = type(error.schema).__name__ != _WHOLE and bool(getattr(error.check, "ignore_na", False))
    return _pandas_rows(output, cases, height, unknown=passes)


def _pandas_rows(output: Any, cases: Any, height: int, *, unknown: bool) -> Sequence[int] | None:
    import pandas as pd

    if isinstance(output, pd.DataFrame) and len(output) == height:
        output = output.all(axis="columns")
    if isinstance(output, pd.Series) and pd.api.types.is_integer_dtype(output.index):
        # Rows without a value are not in the output, so the labels are needed as positions.
        answers = output.dropna().astype(bool)
        failed = answers.index[~answers].tolist()
        return sorted(failed if unknown else failed + output.index[output.isna()].tolist())
    labels = cases["index"] if isinstance(cases, pd.DataFrame) and "index" in cases else None
    if labels is None or not all(isinstance(label, int) and label < height for label in labels.tolist()):
        return None
    return sorted(set(labels.tolist()))


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
        text = path.expanduser().read_text("utf-8")
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
        "description", "metadata", "drop_invalid_rows",
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
