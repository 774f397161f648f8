"""Which rows of a data set repeat a key that the schema wants unique."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import polars as pl
import pyarrow as pa

from io_intelligence_provider.datasets.frames import frame_columns, to_frame
from io_intelligence_provider.datasets.judgement import Repeats
from io_intelligence_provider.datasets.piece import Piece
from io_intelligence_provider.datasets.prepare import COERCION, DTYPE, Prepared
from io_intelligence_provider.datasets.rows import RowJudge
from io_intelligence_provider.datasets.source import Source
from io_intelligence_provider.datasets.unique import Repeated, key_hashes

__all__ = ["find_repeats", "key_frame"]


def find_repeats(
    source: Source, prepared: Prepared, judge: RowJudge, *, whole: bool = False
) -> list[Repeats]:
    """Read the keys of a whole data set and return, by key, the rows that repeat one.

    Keys are compared as the schema parses them; a row whose value cannot be parsed is refused for that
    and has no key.

    :param whole: the schema may parse a group of rows differently from the whole; there is one group.
    """
    keys = [
        (unique, columns)
        for unique in prepared.unique
        for columns in unique.resolved(frame_columns(source.schema, prepared))
    ]
    if not keys:
        return []
    wanted = (
        None
        if prepared.parses or prepared.index
        else sorted({name for _, columns in keys for name in columns})
    )
    with ExitStack() as stack:
        repeated = [stack.enter_context(Repeated(unique.keep, source.rows)) for unique, _ in keys]
        for piece in _whole(source) if whole else source.pieces(wanted):
            frame, rows = key_frame(piece.table, prepared, judge)
            for (_, columns), collected in zip(keys, repeated, strict=True):
                collected.add(key_hashes(frame[list(columns)], rows + piece.offset))
        return [
            Repeats(unique.check, columns, collected.finish())
            for (unique, columns), collected in zip(keys, repeated, strict=True)
        ]


def _whole(source: Any) -> list[Piece]:
    return [Piece(source.table, "", 0, 0)]


def key_frame(table: pa.Table, prepared: Prepared, judge: RowJudge) -> tuple[Any, pl.Series]:
    """Return what the schema makes of a table, and the positions of the rows that are left."""
    rows = pl.int_range(table.num_rows, eager=True)
    if not prepared.parses:
        return to_frame(table, prepared) if prepared.index else pl.from_arrow(table), rows
    parsed = judge.parsed(table)
    if parsed is None:
        unreadable = {
            row
            for failed in judge.examine(table)
            if failed.check in (COERCION, DTYPE)
            for row in failed.rows or ()
        }
        rows = rows.filter(~rows.is_in(sorted(unreadable)))
        table = table.take(rows.to_arrow())
        parsed = judge.parsed(table)
        if parsed is None:  # the whole column has the wrong type: compared as it is
            return pl.from_arrow(table), rows
    frame, left = parsed
    return frame, rows.gather(left)
