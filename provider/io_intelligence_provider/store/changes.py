"""``changes.parquet``: its columns. What fills it is ``changes/``; the store reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["changes_schema"]


def changes_schema() -> pa.Schema:
    """Return the Arrow schema of ``changes.parquet``; fields carry a ``description``."""
    import pyarrow as pa

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
