"""``changes.parquet``: the order of its rows, and a table as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from io_intelligence_provider.store.changes import changes_schema
from io_intelligence_provider.store.table import file_metadata

__all__ = ["SORTED_BY", "changes_schema", "to_parquet"]

SORTED_BY: Final = ("name", "change", "field", "model_id")
"""The order of the rows, by code points, nulls first. The last one tells apart models of one name."""

_ROW_GROUP: Final = 65_536


def to_parquet(changes: pa.Table, metadata: Mapping[str, str]) -> bytes:
    """Serialise a table of changes: zstd, statistics, row groups of 65,536 rows."""
    sink = pa.BufferOutputStream()
    table = changes.replace_schema_metadata(file_metadata(metadata))
    pq.write_table(table, sink, compression="zstd", write_statistics=True, row_group_size=_ROW_GROUP)
    data: bytes = sink.getvalue().to_pybytes()
    return data
