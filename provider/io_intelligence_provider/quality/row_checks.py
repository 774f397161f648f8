"""The verdict on a batch of records: which rows are valid, why each of the others is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from io_intelligence_provider.catalog.wire import WireShape, ascii_json, decode_record
from io_intelligence_provider.quality.batch import Batch, read_batch
from io_intelligence_provider.quality.contract import (
    ABSENT,
    COLUMN_BY_NAME,
    COLUMNS,
    Kind,
    Place,
)
from io_intelligence_provider.quality.failure import RowFailure, shown_value
from io_intelligence_provider.quality.judge import NOT_NULLABLE, judge
from io_intelligence_provider.quality.parse import parse_prices, parse_timestamps
from io_intelligence_provider.quality.schema import NOT_BEFORE, REPEATED, batch_schema, parsed_name

__all__ = ["RefusedRecord", "Verdict", "judge_records"]

REQUIRED: Final = "required"
COERCED: Final = "coerced"


@dataclass(frozen=True)
class RefusedRecord:
    """A record for the quarantine: its text as served and every reason."""

    model_id: str | None
    name: str | None
    record: str
    failures: tuple[RowFailure, ...]


@dataclass(frozen=True)
class Verdict:
    """What became of the records of one batch.

    :param valid: the typed columns of the contract but ``fetched_at``, one row per valid record.
    :param refused: the others, with their reasons.
    :param warned: per (check, column) of severity ``warn``: (model_id, name) of each row concerned.
    :param fields: every key that was seen; ``unknown``: those that the contract does not know.
    """

    rows: int
    valid: pl.DataFrame
    refused: list[RefusedRecord]
    warned: dict[tuple[str, str], list[tuple[str | None, str | None]]]
    fields: set[str]
    unknown: set[str]


def judge_records(
    raw_records: list[bytes], shape: WireShape, conflicting: Collection[str] = frozenset()
) -> Verdict:
    """Check every record and part the valid ones from the others.

    One column reports its first failing kind only, in the order required, type, value; different
    columns all report.

    :param conflicting: ids that two differing records of the catalogue bear.
    """
    batch = read_batch(raw_records, shape)
    frame = _with_helpers(batch, conflicting)
    failures, warned = _findings(batch, frame, raw_records)
    refused_rows = sorted(failures)
    refused = [
        RefusedRecord(*who, ascii_json(raw_records[row]), tuple(sorted(failures[row], key=_position)))
        for row, who in zip(refused_rows, _who(frame, refused_rows), strict=True)
    ]
    return Verdict(
        rows=batch.rows,
        valid=_valid_rows(frame, failures),
        refused=refused,
        warned={key: _who(frame, rows) for key, rows in warned.items()},
        fields=batch.fields,
        unknown=batch.unknown,
    )


def _who(frame: pl.DataFrame, rows: list[int]) -> list[tuple[str | None, str | None]]:
    """Return (model_id, name) of some rows."""
    return frame.select("model_id", "name")[rows].rows()


_POSITIONS: Final = {column.name: position for position, column in enumerate(COLUMNS)}


def _position(failure: RowFailure) -> int:
    return _POSITIONS.get(failure.column, -1)  # the record and its metadata come first


def _with_helpers(batch: Batch, conflicting: Collection[str]) -> pl.DataFrame:
    frame = batch.frame
    parsed = []
    for column in COLUMNS:
        if column.place is Place.PROVIDER or column.kind not in (Kind.PRICE, Kind.TIMESTAMP):
            continue
        parse = parse_prices if column.kind is Kind.PRICE else parse_timestamps
        parsed.append(parse(frame[column.name]).alias(parsed_name(column.name)))
    # The walk knows the ids on the wire: in the observed shape that is the name.
    identity = "name" if batch.shape is WireShape.OPENAI else "model_id"
    repeated = (
        pl.col(identity).is_in(list(conflicting)).fill_null(value=False) if conflicting else pl.lit(False)
    )
    return frame.with_columns(*parsed, repeated.alias(REPEATED))


def _findings(
    batch: Batch, frame: pl.DataFrame, raw_records: list[bytes]
) -> tuple[dict[int, list[RowFailure]], dict[tuple[str, str], list[int]]]:
    """Merge what the reading of the batch found with what pandera finds: failures and warned rows."""
    failures: dict[int, list[RowFailure]] = defaultdict(list)
    for failure in batch.failures:
        failures[failure.row].append(failure)
    reported = {(failure.row, failure.column) for failure in batch.failures}
    whole = {failure.row for failure in batch.failures if failure.column == "record"}
    warned: dict[tuple[str, str], list[int]] = defaultdict(list)
    for column_name, rows in batch.coerced.items():
        warned[COERCED, column_name] = rows
    served: dict[int, Any] = {}
    for finding in judge(frame, batch_schema(batch.shape)):
        row, column = finding.row, finding.column
        if row is None or column is None:
            raise RuntimeError(f"{finding.check} speaks of no row: the schema does not fit the batch")
        if finding.check == NOT_BEFORE:
            warned[finding.check, column].append(row)
            continue
        # A null that stands for a mistyped value is reported once, as what it is.
        if row in whole or (row, column) in reported:
            continue
        if row not in served:
            served[row] = decode_record(raw_records[row])
        reported.add((row, column))
        failures[row].append(_failure(batch, row, column, finding.check, served[row]))
    return failures, {key: rows for key, rows in warned.items() if rows}


def _failure(batch: Batch, row: int, column: str, check: str, record: dict[str, Any]) -> RowFailure:
    value = _served_value(batch, column, record)
    if check == NOT_NULLABLE:
        return RowFailure(row, REQUIRED, column, None, "is absent" if value is ABSENT else "is null")
    return RowFailure(
        row,
        check,
        column,
        None if value is ABSENT else shown_value(value),
        _message(batch.shape, column, check),
    )


def _served_value(batch: Batch, column: str, record: dict[str, Any]) -> Any:
    """Return the value as it was served: not lowered, not scaled."""
    spec = COLUMN_BY_NAME[column]
    key = spec.key(batch.shape) or ("id" if column == "model_id" else column)
    inner = spec.place is Place.METADATA and batch.shape is WireShape.DOCUMENTED
    source = record.get("metadata") if inner else record
    return source.get(key, ABSENT) if isinstance(source, dict) else ABSENT


def _message(shape: WireShape, column: str, check: str) -> str:
    checks = batch_schema(shape).columns[column].checks
    return next(str(item.error) for item in checks if item.name == check)


def _valid_rows(frame: pl.DataFrame, failures: Collection[int]) -> pl.DataFrame:
    """Return the rows without a failure, with typed prices and timestamps under their own names."""
    if failures:
        frame = frame.filter(
            pl.Series([row not in failures for row in range(frame.height)], dtype=pl.Boolean)
        )
    names = [column.name for column in COLUMNS if column.name != "fetched_at"]
    return frame.select(
        pl.col(parsed_name(name)).alias(name) if parsed_name(name) in frame.columns else pl.col(name)
        for name in names
    )
