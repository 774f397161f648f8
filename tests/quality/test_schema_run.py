"""The engine's verdicts are those of ``schema.validate(lazy=True)``, row by row."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from helpers.schema_cases import PANDAS, POLARS

CASES = [
    pytest.param(case, id=f"{kind}-{case.name}")
    for kind, cases in (("polars", POLARS), ("pandas", PANDAS))
    for case in cases
]


def refused_by_pandera(schema: Any, frame: Any) -> set[tuple[int, str | None]]:
    """(row, column) of every failure case that names a row; of checks of the whole frame only the row."""
    from pandera.errors import SchemaErrors

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
        rows = cases.to_dicts() if hasattr(cases, "to_dicts") else cases.to_dict("records")
        return {
            (
                int(row["index"]),
                row["column"]
                if row["schema_context"] == "Column"
                else _coerced_column(row)
                if str(row["check"]).startswith("coerce_dtype")
                else None,
            )
            for row in rows
            if row["index"] is not None and row["index"] == row["index"]
        }
    return set()


def _coerced_column(row: dict[str, Any]) -> str:
    return str(row["column"] or "a")  # pandera says it for polars only in its message


@pytest.mark.parametrize("case", CASES)
def test_the_same_rows_are_refused(case: Any, write: Callable[..., str], check: Callable[..., Any]) -> None:
    schema, frame = case.make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandera's and polars' own advice about the schema
        expected = refused_by_pandera(schema, frame)
    assert expected, "the case breaks nothing"
    checked = check(write(frame), schema)
    found = {(row, column) for row, column, _ in checked.failures}
    patterns = {column for _, column in expected if column and column.startswith("^")}
    if patterns:  # pandera names the pattern for polars, we the column
        (pattern,) = patterns
        found = {(row, pattern if column and re.match(pattern, column) else column) for row, column in found}
    assert found == expected
    assert checked.run.mode == ("rows" if case.rows else "whole")


@pytest.mark.long
@pytest.mark.parametrize("case", [item for item in CASES if item.values[0].rows])
def test_small_row_groups_change_nothing(
    case: Any, write: Callable[..., str], check: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from io_intelligence_provider.quality import batches

    schema, frame = case.make()
    path = write(frame)
    whole = check(path, schema)
    monkeypatch.setattr(batches, "_MOST_ROWS", 2)
    grouped = check(path, schema)
    assert grouped.failures == whole.failures
    assert [item.to_dict() for item in grouped.run.checks] == [item.to_dict() for item in whole.run.checks]
    assert (grouped.valid is None) == (whole.valid is None)
    assert grouped.valid is None or grouped.valid.to_pylist() == whole.valid.to_pylist()


@pytest.mark.parametrize("case", CASES)
def test_what_is_valid_passes_the_schema(
    case: Any, write: Callable[..., str], check: Callable[..., Any]
) -> None:
    schema, frame = case.make()
    checked = check(write(frame), schema)
    if case.name in ("_grouped", "_vectorised_polars", "_vectorised_pandas"):
        return  # what the others are compared with has changed
    valid = checked.valid
    assert valid is not None
    import polars as pl

    again = pl.from_arrow(valid) if isinstance(frame, pl.DataFrame) else valid.to_pandas()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema.validate(again, lazy=True)
