"""Some rows of a data set, as a table or as the frame they were read as."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import polars as pl
import pyarrow as pa

__all__ = ["Piece"]


class Piece:
    """Some rows of one file.

    :param table: the rows.
    :param file: the file's name; empty for a table in memory.
    :param first: position of the first row in that file; negative where rows have no position.
    :param offset: position of the first row in the data set.
    """

    def __init__(self, table: pa.Table | None, file: str, first: int, offset: int) -> None:
        self._table = table
        self._schema: pa.Schema | None = None
        self.frame: pl.DataFrame | None = None
        self.file, self.first, self.offset = file, first, offset

    @classmethod
    def of_frame(cls, frame: pl.DataFrame, schema: pa.Schema, file: str, first: int, offset: int) -> Piece:
        """Make a piece of a frame; it becomes a table when one is asked for, which most never are."""
        piece = cls(None, file, first, offset)
        piece.frame, piece._schema = frame, schema
        return piece

    @property
    def rows(self) -> int:
        """How many there are."""
        return int(self.table.num_rows) if self.frame is None else self.frame.height

    @cached_property
    def table(self) -> pa.Table:
        """The rows as a table."""
        if self.frame is None:
            return self._table
        table: Any = self.frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        return table.cast(self._schema)
