"""The verdict on some rows: why each refused one is refused, and what is said of them as a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.datasets.frames import to_frame, to_table
from io_intelligence_provider.datasets.piece import Piece
from io_intelligence_provider.datasets.prepare import COERCION, DTYPE, Prepared
from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality.judge import NOT_NULLABLE, Failed, Frame, Schema, examine, lean

__all__ = ["DROPPED", "RowJudge"]

DROPPED: Final = "dropped_by_parser"
"""The check under which a row is refused that a parser of the schema left out."""

_TYPE: Final = (COERCION, DTYPE)


@dataclass
class RowJudge:
    """Judges tables by a prepared schema.

    :param floats: integer columns that hold a null somewhere in the data set, and that the schema wants as
        floats: pandas makes them floats in every group of rows then.
    """

    prepared: Prepared
    floats: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._lean: Schema | None = None
        self._parser: Schema | None = None

    def examine(self, table: pa.Table) -> list[Failed]:
        """Judge a table, see :meth:`examine_piece`."""
        return self.examine_piece(Piece(table, "", 0, 0))

    def examine_piece(self, piece: Piece) -> list[Failed]:
        """Judge some rows; positions are those in the piece.

        A row whose value cannot be read as the schema's type is refused for that, and the others are judged
        as they would be without it: one bad value does not hide what the other checks have to say.
        """
        alive = pl.int_range(piece.rows, eager=True)
        found: list[Failed] = []
        while True:
            failures = self._examine(piece if len(alive) == piece.rows else _some(piece, alive))
            blocked = _blocked(failures)
            if not blocked:
                return found + [_at(failed, alive) for failed in failures]
            removed = set().union(*blocked.values())
            found += [_at(failed, alive) for failed in _of_removed(failures, blocked, removed)]
            places = pl.int_range(len(alive), eager=True)
            alive = alive.filter(~places.is_in(sorted(removed)))

    def _examine(self, piece: Piece) -> list[Failed]:
        from pandera.errors import SchemaDefinitionError

        frame: Any = piece.frame
        if frame is None:
            frame = to_frame(piece.table, self.prepared, self.floats)
        if self._lean is None:
            self._lean = lean(self.prepared.schema, frame)
        try:
            failures = examine(frame, self._lean)
        except SchemaDefinitionError as error:
            raise ConfigurationError(
                f"pandera refuses the schema {self.prepared.loaded.name}: {error}"
            ) from error
        return failures + _further_extras(failures, self._lean, list(frame.columns))

    def parsed(self, table: pa.Table) -> tuple[Frame, list[int]] | None:
        """Return a table as the schema parses it, and the positions of the rows that are left.

        ``None`` when some row cannot be parsed.
        """
        from pandera.errors import SchemaErrors

        frame = to_frame(table, self.prepared, self.floats)
        if self._parser is None:
            self._parser = lean(self.prepared.parser, frame)
        try:
            parsed = self._parser.validate(frame, lazy=True)
        except SchemaErrors as errors:
            # The type of a column may be wrong for all rows; what could be parsed is.
            if any(str(error.check).startswith(COERCION) for error in errors.schema_errors):
                return None
            parsed = errors.data
        except Exception:  # noqa: BLE001 - a parser of the user's; the judge reports what it raised
            return None
        return parsed, _positions(parsed, table.num_rows)

    def valid_table(self, table: pa.Table, valid: pl.Series, like: pa.Schema | None) -> pa.Table:
        """Return the valid rows as the schema parses them, or as they are when it parses nothing.

        :param valid: a mark for every row.
        :param like: the schema that earlier tables were written with.
        """
        kept = table.filter(valid.to_arrow())
        if not self.prepared.parses:
            return kept
        parsed = self.parsed(kept)
        return kept if parsed is None else to_table(parsed[0], like)

    def dropped(self, piece: Piece) -> Failed | None:
        """Return the rows that a parser of the schema drops, which are refused then."""
        if not getattr(self.prepared.schema, "parsers", None):
            return None
        parsed = self.parsed(piece.table)
        if parsed is None:
            return None
        missing = sorted(set(range(piece.rows)) - set(parsed[1]))
        if not missing:
            return None
        return Failed(DROPPED, None, missing, "is dropped by a parser of the schema")


def _some(piece: Piece, rows: pl.Series) -> Piece:
    return Piece(piece.table.take(rows.to_arrow()), piece.file, 0, 0)


def _positions(frame: Any, rows: int) -> list[int]:
    if hasattr(frame, "index"):
        labels = frame.index.tolist()
        if len(set(labels)) == len(labels) and all(
            isinstance(label, int) and label < rows for label in labels
        ):
            return list(labels)
    return list(range(len(frame)))


def _blocked(failures: Sequence[Failed]) -> dict[str, set[int]]:
    """Return, by column, the rows that keep the column from having its type."""
    blocked: dict[str, set[int]] = {}
    wrong = {failed.column for failed in failures if failed.check in _TYPE}
    for failed in failures:
        if failed.column is None or not failed.rows:
            continue
        # A null makes pandas' integers floats and its booleans objects.
        if failed.check in _TYPE or (failed.check == NOT_NULLABLE and failed.column in wrong):
            blocked.setdefault(failed.column, set()).update(failed.rows)
    return blocked


def _of_removed(
    failures: Sequence[Failed], blocked: Mapping[str, set[int]], removed: AbstractSet[int]
) -> list[Failed]:
    """Return what is said of the removed rows: of the blocking columns only that they block."""
    kept = []
    for failed in failures:
        if not failed.rows or (failed.column in blocked and failed.check not in (*_TYPE, NOT_NULLABLE)):
            continue
        if rows := [row for row in failed.rows if row in removed]:
            kept.append(replace(failed, rows=rows, message=_TYPE_MESSAGE.get(failed.check, failed.message)))
    return kept


_TYPE_MESSAGE: Final = {
    COERCION: "cannot be read as the schema's type",
    DTYPE: "is not of the schema's type",
}


def _at(failed: Failed, alive: pl.Series) -> Failed:
    return failed if failed.rows is None else replace(failed, rows=alive.gather(list(failed.rows)).to_list())


def _further_extras(failures: Sequence[Failed], schema: Any, present: Sequence[str]) -> list[Failed]:
    """Return the columns beyond a strict schema that pandera did not name: for polars it stops at one."""
    if schema.strict is not True:
        return []
    named = {failed.column for failed in failures if failed.check == "column_in_schema"}
    extra = [
        name
        for name in present
        if name not in schema.columns
        and not any(column.regex and re.match(key, name) for key, column in schema.columns.items())
    ]
    return [
        Failed("column_in_schema", name, None, "is not in the schema") for name in extra if name not in named
    ]
