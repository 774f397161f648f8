"""One pass over a data set: judge each group of rows, part the refused from the valid, keep count."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from io_intelligence_provider.datasets.piece import Piece
from io_intelligence_provider.datasets.record import plain_rows, record_text, value_text
from io_intelligence_provider.datasets.rows import RowJudge
from io_intelligence_provider.datasets.tally import Tally
from io_intelligence_provider.datasets.write import RefusedRow
from io_intelligence_provider.quality.judge import Failed
from io_intelligence_provider.quality.report import MAX_EXAMPLES

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

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
    marks: np.ndarray[Any, Any]

    def of(self, piece: Piece) -> Failed | None:
        """Return those of one piece as a failure."""
        rows = self.marks[piece.offset : piece.offset + piece.rows].nonzero()[0].tolist()
        return repeated(self.check, self.columns, rows) if rows else None


def repeated(check: str, columns: tuple[str, ...], rows: Sequence[int]) -> Failed:
    """Return the failure of rows that repeat a key."""
    if check == "field_uniqueness":
        return Failed(check, columns[0], rows, "is not unique")
    return Failed(check, None, rows, f"the columns {', '.join(columns)} are not unique together")


@dataclass
class Judged:
    """A piece and its verdict.

    :param refused: a mark for every row.
    """

    piece: Piece
    refused: np.ndarray[Any, Any]
    _reasons: dict[int, list[Failed]] = field(default_factory=dict)

    @property
    def valid(self) -> np.ndarray[Any, Any]:
        """A mark for every row."""
        return ~self.refused

    def refused_rows(self) -> Iterator[list[RefusedRow]]:
        """Yield the refused rows with their reasons, some thousands at a time."""
        rows = self.refused.nonzero()[0].tolist()
        for start in range(0, len(rows), _AT_A_TIME):
            chunk = rows[start : start + _AT_A_TIME]
            plain = plain_rows(self.piece.table, chunk)
            yield [self._refused(row, values) for row, values in zip(chunk, plain, strict=True)]

    def _refused(self, row: int, values: dict[str, Any]) -> RefusedRow:
        failures = tuple(
            (failed.check, failed.column, value_text(values.get(failed.column or "")), failed.message)
            for failed in self._reasons[row]
        )
        first = self.piece.first
        return RefusedRow(
            record_text(values), failures, self.piece.file or None, None if first < 0 else first + row
        )


def judge_piece(judge: RowJudge, tally: Tally, piece: Piece, repeats: Iterable[Failed | None]) -> Judged:
    """Judge some rows and count what was found.

    :param repeats: failures of uniqueness, which looks beyond these rows.
    """
    import numpy as np

    refused, governed = (np.zeros(piece.rows, dtype=np.bool_) for _ in range(2))
    reasons: dict[int, list[Failed]] = defaultdict(list)

    def count(failed: Failed) -> None:
        if failed.rows is None:
            where = {"file": piece.file} if piece.file else {}
            tally.count_whole(failed.check, failed.column, failed.message, **where)
            return
        tally.count_rows(failed.check, failed.column, len(failed.rows), _examples(piece, failed))
        if tally.severity(failed.check, failed.column) == "error":
            refused[failed.rows] = True
            if tally.policy.threshold_of(failed.check, failed.column) is None:
                governed[failed.rows] = True
            for row in failed.rows:
                reasons[row].append(failed)

    for failed in [*judge.examine_piece(piece), *(item for item in repeats if item is not None)]:
        count(failed)
    if dropped := judge.dropped(piece):
        count(dropped)
    tally.rows += piece.rows
    tally.quarantined += int(refused.sum())
    tally.governed += int(governed.sum())
    return Judged(piece, refused, reasons)


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
