"""Runs a pandera schema on a polars or pandas frame and returns the failed checks with their rows.

The catalogue's snapshot, any Parquet file and a batch on a Spark worker are all validated here.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import polars as pl

from io_intelligence_provider.quality.result import CheckFailure

if TYPE_CHECKING:
    import pandas as pd
    import pandera.pandas
    import pandera.polars
    from pandera.errors import SchemaError

__all__ = [
    "NOT_NULLABLE",
    "RAISED",
    "Frame",
    "Schema",
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
    return _pandas_rows(output, cases, height)


def _pandas_rows(output: Any, cases: Any, height: int) -> Sequence[int] | None:
    import pandas as pd

    if isinstance(output, pd.DataFrame) and len(output) == height:
        output = output.all(axis="columns")
    if isinstance(output, pd.Series) and pd.api.types.is_integer_dtype(output.index):
        # Rows without a value are not in the output, so the labels are needed as positions.
        return sorted(output.index[~output.fillna(value=False).astype(bool)].tolist())
    labels = cases["index"] if isinstance(cases, pd.DataFrame) and "index" in cases else None
    if labels is None or not all(isinstance(label, int) and label < height for label in labels.tolist()):
        return None
    return sorted(set(labels.tolist()))
