"""Validates records with pandera: duplicates, valid rows, refused records with reasons, and counts."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from io_intelligence_provider.catalog.pagination import Catalogue
from io_intelligence_provider.catalog.wire import (
    WireShape,
    ascii_json,
    decode_record,
    record_ids,
    stored_form,
)
from io_intelligence_provider.contract.columns import (
    ABSENT,
    COLUMN_BY_NAME,
    COLUMNS,
    AllowedValues,
    Canonical,
    Column,
    InRange,
    Kind,
    NonNegative,
    Place,
)
from io_intelligence_provider.contract.decode import Batch, read_batch
from io_intelligence_provider.contract.parsing import parse_prices, parse_timestamps
from io_intelligence_provider.quality.checks import CheckCounts, Declared
from io_intelligence_provider.quality.quarantine import value_text
from io_intelligence_provider.quality.result import MAX_EXAMPLES, CheckFailure, CheckResult
from io_intelligence_provider.quality.schema import NOT_NULLABLE, run_schema

if TYPE_CHECKING:
    import pandera.polars as pa
    from pandera.api.polars.types import PolarsData

__all__ = [
    "NOT_BEFORE",
    "REPEATED",
    "DuplicateRecords",
    "RecordCounts",
    "RefusedRecord",
    "ValidationResult",
    "batch_schema",
    "parsed_name",
    "validate_records",
]


REQUIRED: Final = "required"
COERCED: Final = "coerced"


class DuplicateRecords:
    """Decides which of the records with repeated ids to keep and which to refuse.

    It keeps 16 bytes for each record with a repeated id or without an id, nothing for the others.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._shape = catalogue.shape
        self._repeated = catalogue.repeated
        self._may_repeat = bool(catalogue.repeated) or catalogue.has_unidentified
        self._seen: set[bytes] = set()
        self.conflicting = self._conflicts(catalogue) if self._repeated else frozenset()

    def _conflicts(self, catalogue: Catalogue) -> frozenset[str]:
        variants: dict[str, set[bytes]] = defaultdict(set)
        for page in catalogue.pages():
            for raw, identity in zip(page, record_ids(page, self._shape), strict=True):
                if identity is not None and identity in self._repeated:
                    variants[identity].add(self._digest(raw))
        return frozenset(identity for identity, digests in variants.items() if len(digests) > 1)

    def distinct(self, pages: Iterator[list[bytes]]) -> Iterator[list[bytes]]:
        """Yield the pages without the second and later copies of records with equal stored values."""
        if not self._may_repeat:
            yield from pages
            return
        for page in pages:
            ids = record_ids(page, self._shape)
            yield [raw for raw, identity in zip(page, ids, strict=True) if self._is_first(raw, identity)]

    def _is_first(self, raw: bytes, identity: str | None) -> bool:
        if identity is not None and identity not in self._repeated:
            return True
        digest = self._digest(raw)
        if digest in self._seen:
            return False
        self._seen.add(digest)
        return True

    def _digest(self, raw: bytes) -> bytes:
        return hashlib.blake2b(stored_form(raw, self._shape), digest_size=16).digest()


@dataclass(frozen=True)
class RefusedRecord:
    """A refused record: its text as served and every reason."""

    model_id: str | None
    name: str | None
    record: str
    failures: tuple[CheckFailure, ...]


@dataclass(frozen=True)
class ValidationResult:
    """The result of validating one batch.

    :param valid: the typed columns of the contract without ``fetched_at``, one row per valid record.
    :param refused: the refused records with their reasons.
    :param warned: per (check, column) of severity ``warn``: (model_id, name) of each row concerned.
    :param fields: every key that was seen; ``unknown``: those that the contract does not know.
    """

    rows: int
    valid: pl.DataFrame
    refused: list[RefusedRecord]
    warned: dict[tuple[str, str], list[tuple[str | None, str | None]]]
    fields: set[str]
    unknown: set[str]


def validate_records(
    raw_records: list[bytes], shape: WireShape, conflicting: Collection[str] = frozenset()
) -> ValidationResult:
    """Check every record and separate valid from refused ones.

    A column reports only its first failing kind of check, in the order required, type, value. All failing
    columns are reported.

    :param conflicting: ids of two or more differing records of the catalogue.
    """
    batch = read_batch(raw_records, shape)
    frame = _with_helpers(batch, conflicting)
    failures, warned = _findings(batch, frame, raw_records)
    refused_rows = sorted(failures)
    refused = [
        RefusedRecord(*who, ascii_json(raw_records[row]), tuple(sorted(failures[row], key=_position)))
        for row, who in zip(refused_rows, _who(frame, refused_rows), strict=True)
    ]
    return ValidationResult(
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


def _position(failure: CheckFailure) -> int:
    return _POSITIONS.get(failure.column or "", -1)  # failures of the record and its metadata come first


def _with_helpers(batch: Batch, conflicting: Collection[str]) -> pl.DataFrame:
    frame = batch.frame
    parsed = []
    for column in COLUMNS:
        if column.place is Place.PROVIDER or column.kind not in (Kind.PRICE, Kind.TIMESTAMP):
            continue
        parse = parse_prices if column.kind is Kind.PRICE else parse_timestamps
        parsed.append(parse(frame[column.name]).alias(parsed_name(column.name)))
    # The ids are those on the wire: in the observed shape that is the name.
    identity = "name" if batch.shape is WireShape.OPENAI else "model_id"
    repeated = (
        pl.col(identity).is_in(list(conflicting)).fill_null(value=False) if conflicting else pl.lit(False)
    )
    return frame.with_columns(*parsed, repeated.alias(REPEATED))


def _findings(
    batch: Batch, frame: pl.DataFrame, raw_records: list[bytes]
) -> tuple[dict[int, list[CheckFailure]], dict[tuple[str, str], list[int]]]:
    """Merge the failures of decoding with those of pandera; return failures and warned rows."""
    failures: dict[int, list[CheckFailure]] = defaultdict(list)
    for row, failure in batch.failures:
        failures[row].append(failure)
    reported = {(row, failure.column) for row, failure in batch.failures}
    without_object = {row for row, failure in batch.failures if failure.column == "record"}
    warned: dict[tuple[str, str], list[int]] = defaultdict(list)
    for column_name, rows in batch.coerced.items():
        warned[COERCED, column_name] = rows
    served: dict[int, Any] = {}
    for found in run_schema(frame, batch_schema(batch.shape)):
        column = found.column
        if found.rows is None or column is None:
            raise RuntimeError(f"{found.check} names no row: the schema does not fit the batch")
        if found.check == NOT_BEFORE:
            warned[found.check, column] += found.rows
            continue
        for row in found.rows:
            # The null of a mistyped value is only reported as mistyped.
            if row in without_object or (row, column) in reported:
                continue
            if row not in served:
                served[row] = decode_record(raw_records[row])
            reported.add((row, column))
            failures[row].append(_failure(batch, column, found.check, served[row]))
    return failures, {key: rows for key, rows in warned.items() if rows}


def _failure(batch: Batch, column: str, check: str, record: dict[str, Any]) -> CheckFailure:
    value = _served_value(batch, column, record)
    if check == NOT_NULLABLE:
        return CheckFailure(REQUIRED, column, None, "is absent" if value is ABSENT else "is null")
    text = None if value is ABSENT else value_text(value)
    return CheckFailure(check, column, None, _message(batch.shape, column, check), text)


def _served_value(batch: Batch, column: str, record: dict[str, Any]) -> Any:
    """Return the value as served: not lowered, not scaled."""
    spec = COLUMN_BY_NAME[column]
    key = spec.key(batch.shape) or ("id" if column == "model_id" else column)
    inner = spec.place is Place.METADATA and batch.shape is WireShape.DOCUMENTED
    source = record.get("metadata") if inner else record
    return source.get(key, ABSENT) if isinstance(source, dict) else ABSENT


def _message(shape: WireShape, column: str, check: str) -> str:
    checks = batch_schema(shape).columns[column].checks
    return next(str(item.error) for item in checks if item.name == check)


def _valid_rows(frame: pl.DataFrame, failures: Collection[int]) -> pl.DataFrame:
    """Return the rows without a failure, with typed prices and timestamps under their column names."""
    names = [column.name for column in COLUMNS if column.name != "fetched_at"]
    valid = frame.select(
        pl.col(parsed_name(name)).alias(name) if parsed_name(name) in frame.columns else pl.col(name)
        for name in names
    )
    if not failures:
        return valid
    kept = pl.Series([row not in failures for row in range(frame.height)], dtype=pl.Boolean)
    # By way of Arrow, because a filtered column of polars keeps the texts of all rows in memory.
    return pl.DataFrame(valid.filter(kept).to_arrow())


NOT_BEFORE: Final = "not_before"
REPEATED: Final = "repeated"
"""Helper column: whether another, differing record has the same id."""

_UUID: Final = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def parsed_name(column: str) -> str:
    """Return the name of the helper column that holds the typed value of a text column."""
    return f"{column}.parsed"


@cache
def batch_schema(shape: WireShape) -> pa.DataFrameSchema:
    """Return the pandera schema for batches of a shape.

    The frame holds the columns of the contract, prices and timestamps as text, their typed values in
    ``<name>.parsed``, and ``repeated``. A required column is ``nullable=False``; every check passes null.
    """
    import pandera.polars as pa

    dtypes: dict[Kind, Any] = {
        Kind.INTEGER: pl.Int64,
        Kind.FLOAT: pl.Float64,
        Kind.BOOLEAN: pl.Boolean,
        Kind.STRING_LIST: pl.List(pl.String),
    }
    columns = {
        column.name: pa.Column(
            dtypes.get(column.kind, pl.String),
            nullable=not column.required(shape),
            checks=[check for check in (_kind_check(column, shape), _value_check(column)) if check],
        )
        for column in COLUMNS
        # A nullable column without a check needs no entry: decoding has checked its type.
        if column.place is not Place.PROVIDER
        and (column.required(shape) or column.check or column.kind in (Kind.PRICE, Kind.TIMESTAMP))
    }
    columns["model_id"].checks.append(
        pa.Check(_not_repeated, name="unique", error="is the id of another, differing record as well")
    )
    columns["updated_at"].checks.append(pa.Check(_not_before, name=NOT_BEFORE, error="is before created_at"))
    return pa.DataFrameSchema(columns)


def _kind_check(column: Column, shape: WireShape) -> pa.Check | None:
    """Return the check that the text of a price or a timestamp could be parsed."""
    import pandera.polars as pa

    if column.kind is Kind.PRICE:
        return pa.Check(_is_parsed, name="price", error=_PRICE_MESSAGES[shape])
    if column.kind is Kind.TIMESTAMP:
        return pa.Check(_is_parsed, name="timestamp", error="is no RFC 3339 timestamp with an offset")
    return None


_PRICE_MESSAGES: Final = {
    WireShape.DOCUMENTED: "is no plain, finite, non-negative decimal number of at most 20 integer digits "
    "and 18 decimals",
    WireShape.OPENAI: "is negative or, in USD per million tokens, has more than 20 integer digits "
    "or 18 decimals",
}


def _value_check(column: Column) -> pa.Check | None:
    import pandera.polars as pa

    rule = column.check
    if rule is None:
        return None
    if isinstance(rule, Canonical):
        return pa.Check.str_matches(_UUID, name=rule.name, error=rule.message)
    if isinstance(rule, AllowedValues):
        return pa.Check.isin(rule.values, name=rule.name, error=rule.message)
    if isinstance(rule, InRange):
        return pa.Check.in_range(rule.minimum, rule.maximum, name=rule.name, error=rule.message)
    if isinstance(rule, NonNegative):
        return pa.Check.ge(0, name=rule.name, error=rule.message)
    raise TypeError(f"no check for {rule!r}")  # pragma: no cover - mypy proves the list complete


def _is_parsed(data: PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_null() | pl.col(parsed_name(data.key)).is_not_null())


def _not_repeated(data: PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(~pl.col(REPEATED))


def _not_before(data: PolarsData) -> pl.LazyFrame:
    updated, created = (pl.col(parsed_name(name)) for name in ("updated_at", "created_at"))
    return data.lazyframe.select((updated >= created).fill_null(value=True))


_REDACTED: Final = "redacted"
_WARNINGS: Final = (
    *((COERCED, column.name) for column in COLUMNS if column.takes_one_string or column.measurement),
    (NOT_BEFORE, "updated_at"),
)


class RecordCounts:
    """Adds up the results of batches: counts per check, keys seen, refused records.

    :param redacted: records in which the client masked a credential.
    """

    def __init__(self, shape: WireShape, redacted: int = 0) -> None:
        self.checks = CheckCounts(_row_checks(shape))
        self._columns = [item.column or "" for item in _row_checks(shape)]
        self._redacted = redacted
        self.fields: set[str] = set()
        self.unknown: set[str] = set()
        self.refused_ids: set[str] = set()
        self.refused_names: set[str] = set()

    @property
    def served(self) -> int:
        """Rows so far."""
        return self.checks.rows

    @property
    def quarantined(self) -> int:
        """Rows refused so far."""
        return self.checks.quarantined

    @property
    def valid(self) -> int:
        """Rows that were not refused so far."""
        return self.served - self.quarantined

    def add(self, result: ValidationResult) -> None:
        """Add a batch."""
        self.checks.rows += result.rows
        self.checks.quarantined += len(result.refused)
        self.fields |= result.fields
        self.unknown |= result.unknown
        for record in result.refused:
            who = {"model_id": record.model_id, "name": record.name}
            self.refused_ids |= {record.model_id} if record.model_id else set()
            self.refused_names |= {record.name} if record.name else set()
            for failure in record.failures:
                example = who | {"value": failure.value, "message": failure.message}
                self.checks.count_rows(failure.check, failure.column, 1, [example])
        for (check, column), rows in result.warned.items():
            examples = [{"model_id": model_id, "name": name} for model_id, name in rows[:MAX_EXAMPLES]]
            self.checks.count_rows(check, column, len(rows), examples)

    def results(self) -> list[CheckResult]:
        """Return one result per row check of the contract, including those without failures.

        ``redacted`` is included only when it found something, because no server should repeat a credential.
        """
        results = self.checks.results(self._columns)
        if self._redacted:
            # Identical repeats count once as served, but each was counted here.
            failed, advice = min(self._redacted, self.served), "the server repeats the credential; renew it"
            results.append(
                CheckResult(_REDACTED, None, "row", "warn", self.served, failed, [{"message": advice}])
            )
        return results


@cache
def _row_checks(shape: WireShape) -> tuple[Declared, ...]:
    """List every row check of a shape, in the order of the columns."""
    listed = [Declared("type", "record", of_rows=True)]
    if shape is WireShape.DOCUMENTED:
        listed += [Declared(check, "metadata", of_rows=True) for check in ("required", "type")]
    for column in COLUMNS:
        if column.place is Place.PROVIDER:
            continue
        checks = ["required"] if column.required(shape) else []
        if column.key(shape) and column.kind is not Kind.PRICE and not column.measurement:
            checks.append("type")
        checks += {Kind.PRICE: ["price"], Kind.TIMESTAMP: ["timestamp"]}.get(column.kind, [])
        checks += [column.check.name] if column.check else []
        checks += ["unique"] if column.name == "model_id" else []
        listed += [Declared(check, column.name, of_rows=True) for check in checks]
    listed.append(Declared("type", "extra", of_rows=True))
    listed += [Declared(check, column, of_rows=True, severity="warn") for check, column in _WARNINGS]
    return tuple(listed)
