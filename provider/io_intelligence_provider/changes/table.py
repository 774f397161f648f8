"""``changes.parquet``: its columns, and a table as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from io_intelligence_provider.changes.kinds import KINDS
from io_intelligence_provider.store.table import file_metadata

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["SORTED_BY", "changes_schema", "to_parquet"]

SORTED_BY: Final = ("name", "change", "field", "model_id")
"""The order of the rows, by code points, nulls first. The last one tells apart models of one name."""

_ROW_GROUP: Final = 65_536


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
            field("change", text, f"Kind of change: {', '.join(KINDS)}", nullable=False),
            field("field", text, "Column of models.parquet that changed; null for a whole model"),
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


def to_parquet(changes: pa.Table, metadata: Mapping[str, str]) -> bytes:
    """Serialise a table of changes: zstd, statistics, row groups of 65,536 rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    table = changes.replace_schema_metadata(file_metadata(metadata))
    pq.write_table(table, sink, compression="zstd", write_statistics=True, row_group_size=_ROW_GROUP)
    data: bytes = sink.getvalue().to_pybytes()
    return data
