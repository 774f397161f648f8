"""One pass over a data set: judge each group of rows, part the refused from the valid, keep count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.datasets.piece import Piece
from io_intelligence_provider.datasets.record import plain_rows, record_text, value_text
from io_intelligence_provider.datasets.rows import RowJudge
from io_intelligence_provider.datasets.tally import Tally
from io_intelligence_provider.datasets.write import RefusedRow
from io_intelligence_provider.quality.judge import Failed
from io_intelligence_provider.quality.report import MAX_EXAMPLES

__all__ = ["Judged", "Repeats", "judge_piece"]

_AT_A_TIME: Final = 10_000
"""Refused rows that are Python objects at a time."""


@dataclass(frozen=True)
class Repeats:
    """Rows of the data set that repeat a key.

    :param marks: one for every row of the data set.
    """

    check: str
    columns: tuple[str, ...]
    marks: pl.Series

    def of(self, piece: Piece) -> Failed | None:
        """Return those of one piece as a failure."""
        rows = self.marks.slice(piece.offset, piece.rows).arg_true().to_list()
        return repeated(self.check, self.columns, rows) if rows else None


def repeated(check: str, columns: tuple[str, ...], rows: Sequence[int]) -> Failed:
    """Return the failure of rows that repeat a key."""
    if check == "field_uniqueness":
        return Failed(check, columns[0], rows, "is not unique")
    return Failed(check, None, rows, f"the columns {', '.join(columns)} are not unique together")


@dataclass
class Judged:
    """A piece and its verdict.

    :param reasons: the failures of each refused row.
    """

    piece: Piece
    reasons: Mapping[int, Sequence[Failed]]

    @property
    def valid(self) -> pl.Series:
        """A mark for every row."""
        marks = pl.repeat(value=True, n=self.piece.rows, dtype=pl.Boolean, eager=True)
        return marks.scatter(list(self.reasons), False)

    def refused_rows(self) -> Iterator[list[RefusedRow]]:
        """Yield the refused rows with their reasons, some thousands at a time."""
        rows = sorted(self.reasons)
        for start in range(0, len(rows), _AT_A_TIME):
            chunk = rows[start : start + _AT_A_TIME]
            plain = plain_rows(self.piece.table, chunk)
            yield [self._refused(row, values) for row, values in zip(chunk, plain, strict=True)]

    def _refused(self, row: int, values: dict[str, Any]) -> RefusedRow:
        failures = tuple(
            (failed.check, failed.column, value_text(values.get(failed.column or "")), failed.message)
            for failed in self.reasons[row]
        )
        first = self.piece.first
        return RefusedRow(
            record_text(values), failures, self.piece.file or None, None if first < 0 else first + row
        )


def judge_piece(judge: RowJudge, tally: Tally, piece: Piece, repeats: Iterable[Failed | None]) -> Judged:
    """Judge some rows and count what was found.

    :param repeats: failures of uniqueness, which looks beyond these rows.
    """
    reasons: dict[int, list[Failed]] = defaultdict(list)
    governed: set[int] = set()

    def count(failed: Failed) -> None:
        if failed.rows is None:
            where = {"file": piece.file} if piece.file else {}
            tally.count_whole(failed.check, failed.column, failed.message, **where)
            return
        tally.count_rows(failed.check, failed.column, len(failed.rows), _examples(piece, failed))
        if tally.severity(failed.check, failed.column) == "error":
            if tally.policy.threshold_of(failed.check, failed.column) is None:
                governed.update(failed.rows)
            for row in failed.rows:
                reasons[row].append(failed)

    for failed in [*judge.examine_piece(piece), *(item for item in repeats if item is not None)]:
        count(failed)
    if dropped := judge.dropped(piece):
        count(dropped)
    tally.rows += piece.rows
    tally.quarantined += len(reasons)
    tally.governed += len(governed)
    return Judged(piece, reasons)


def _examples(piece: Piece, failed: Failed) -> list[dict[str, Any]]:
    rows = list(failed.rows or ())[:MAX_EXAMPLES]
    columns = [failed.column] if failed.column in piece.table.column_names else []
    values = plain_rows(piece.table.select(columns), rows) if columns else [{}] * len(rows)
    where = {"file": piece.file} if piece.file else {}
    return [
        where
        | ({"row": piece.first + row} if piece.first >= 0 else {})
        | {"value": value_text(plain.get(failed.column or "")), "message": failed.message}
        for row, plain in zip(rows, values, strict=True)
    ]


def whole_piece(table: pa.Table) -> Piece:
    """Return all rows of a data set as one piece."""
    return Piece(table, "", 0, 0)
