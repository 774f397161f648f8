"""Defines the columns of ``changes.parquet``, which ``changes/`` writes and the store reads."""

from __future__ import annotations

from functools import cache
from typing import Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.storage.parquet import FileKind

__all__ = ["CHANGES_KIND", "changes_schema"]


_WITHOUT_FIELD: Final = ("model_added", "model_removed")


@cache
def changes_schema() -> pa.Schema:
    """Return the Arrow schema of ``changes.parquet``; fields carry a ``description``."""

    def field(name: str, kind: pa.DataType, description: str, nullable: bool = True) -> pa.Field:
        return pa.field(name, kind, nullable=nullable, metadata={"description": description})

    text = pa.string()
    return pa.schema(
        [
            field(
                "previous_date",
                pa.date32(),
                "Day the model was compared with: the latest earlier one on which it was not in quarantine",
                nullable=False,
            ),
            field("model_id", text, "Identifier of the model, the new one when it changed", nullable=False),
            field("name", text, "Name of the model, the new one when it changed", nullable=False),
            field("change", text, "Kind of change", nullable=False),
            field("field", text, "Column that changed, or extra.<key>; null for a whole model"),
            field("old_value", text, "Value before, as text; null: not published"),
            field("new_value", text, "Value now, as text; null: not published"),
            field(
                "pct",
                pa.float64(),
                "100 * (new - old) / old; null for what is no number, from or to null, and from 0",
            ),
            field("direction", text, "up or down, of numbers; null from or to null"),
        ]
    )


def _check(frame: pl.DataFrame) -> str | None:
    if not {"change", "field"} <= set(frame.columns):
        return None
    without_field = pl.col("change").is_in(_WITHOUT_FIELD)
    wrong = frame.filter(without_field == pl.col("field").is_not_null())
    if wrong.is_empty():
        return None
    return f"a row of {wrong['change'][0][:40]} has the field {wrong['field'][0]!r}"


CHANGES_KIND: Final = FileKind("changes file", changes_schema, 4_000_000, 100_000, 8, check=_check)
"""A model can have forty changes a day that differ in their fields only."""
