"""pandera's verdict on a frame, row by row: which check of which column failed where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandera.polars as pa
    import polars as pl

__all__ = ["NOT_NULLABLE", "Finding", "judge"]

NOT_NULLABLE = "not_nullable"
"""pandera's name for a null where the schema allows none."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that failed on one row.

    :param column: ``None`` for a check of the whole frame.
    :param row: position in the frame; ``None`` where the check speaks of the frame, not of a row.
    """

    row: int | None
    column: str | None
    check: str


def judge(frame: pl.DataFrame, schema: pa.DataFrameSchema) -> Iterator[Finding]:
    """Evaluate every check of ``schema`` on ``frame`` and yield each failure.

    All checks run, whatever the others say. The names are those of the checks (``Check(name=...)``),
    not the texts that pandera shows.
    """
    from pandera.errors import SchemaErrors

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return
    columns = ("index", "schema_context", "column", "check", "check_number")
    for row, context, column, check, number in zip(*(cases[name] for name in columns), strict=True):
        yield Finding(row, column, _check_name(schema, context, column, check, number))


def _check_name(
    schema: pa.DataFrameSchema, context: str, column: str | None, check: str, number: int | None
) -> str:
    """Return the name of a check: ``failure_cases`` shows its error text and its number."""
    if number is None:
        return check
    checks = schema.columns[column].checks if context == "Column" and column else schema.checks
    return checks[number].name or check
