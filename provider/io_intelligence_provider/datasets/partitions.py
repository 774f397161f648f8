"""Columns that stand in the names of folders: ``day=2026-01-31/region=eu/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final
from urllib.parse import unquote

import pyarrow as pa

from io_intelligence_provider.datasets.find import FoundFile

__all__ = ["partition_types", "with_partitions"]

_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


def partition_types(files: Sequence[FoundFile]) -> dict[str, pa.DataType]:
    """Return the type of each partition column: integer or date where every value is one, else string."""
    values: dict[str, set[str]] = {}
    for file in files:
        for name, value in file.partitions.items():
            values.setdefault(name, set()).add(value)
    types = {}
    for name, texts in values.items():
        known = texts - {_NULL}
        if known and all(_is_integer(text) for text in known):
            types[name] = pa.int64()
        elif known and all(_is_date(text) for text in known):
            types[name] = pa.date32()
        else:
            types[name] = pa.string()
    return types


def with_partitions(table: pa.Table, partitions: Mapping[str, str], target: pa.Schema) -> pa.Table:
    """Return a table as the target schema has it, with the partitions as columns and nulls for the rest."""
    there = set(table.column_names)
    if table.schema.equals(target):
        return table.replace_schema_metadata(target.metadata)
    columns = []
    for wanted in target:
        if wanted.name in there:
            column = table[wanted.name]
            columns.append(column if column.type == wanted.type else column.cast(wanted.type))
        else:
            value = _value(partitions.get(wanted.name, _NULL), wanted.type)
            columns.append(pa.repeat(pa.scalar(value, wanted.type), table.num_rows))
    return pa.Table.from_arrays(columns, schema=target)


def _value(text: str, dtype: pa.DataType) -> Any:
    if text == _NULL:
        return None
    if pa.types.is_integer(dtype):
        return int(text)
    return date.fromisoformat(text) if pa.types.is_date(dtype) else unquote(text)


def _is_integer(text: str) -> bool:
    # Leading zeros are part of a code, not of a number.
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 19 and str(int(text)) == text


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
