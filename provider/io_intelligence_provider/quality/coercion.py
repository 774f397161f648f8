"""Reads values as the types of a schema: one that cannot be read changes nothing about the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from io_intelligence_provider.quality.frames import (
    NOT_OF_ONE_TYPE,
    model_types,
    not_of_one_type,
    nullable_type,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["first_format", "read_column", "read_rows", "read_series"]


def read_rows(frame: Any, model: type[BaseModel]) -> tuple[pa.Table, list[int]]:
    """Read each row of a frame as a pydantic model; return the models as a table, and the rows that are none.

    pandera does the same with frames, which pandas makes floats of, and with the types of the first rows.
    Times get the zone UTC: importing pandera sets ``PYARROW_IGNORE_TIMEZONE``, with which pyarrow takes the
    clock of a time of Python for UTC.
    """
    by_alias = not isinstance(frame, pl.DataFrame)
    read: list[dict[str, Any]] = []
    bad = []
    for row, values in enumerate(_python_rows(frame)):
        try:
            read.append(_in_utc(model.model_validate(values).model_dump(by_alias=by_alias)))
        except Exception:  # noqa: BLE001 - a model's validators may raise anything
            read.append({})
            bad.append(row)
    return _table(read, model_types(model, by_alias=by_alias)), bad


def _in_utc(value: Any) -> Any:
    """Return a value of Python with the times in it in UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, dict):
        return {name: _in_utc(item) for name, item in value.items()}
    return [_in_utc(item) for item in value] if isinstance(value, list) else value


def _python_rows(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows with Python's values; what is missing is ``None``."""
    if isinstance(frame, pl.DataFrame):
        yield from frame.iter_rows(named=True)
        return
    columns = [frame[name].astype(object).where(frame[name].notna(), None) for name in frame.columns]
    for values in zip(*columns, strict=True):
        yield dict(zip(map(str, frame.columns), values, strict=True))


def _table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, pa.DataType | None]) -> pa.Table:
    """Return rows as a table.

    :param rows: dumped models, or empty for rows without one.
    :param types: the types of columns, as far as they are known.
    :raises ConfigurationError: when the values of a column do not have one type.
    """
    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row) or types:
        try:
            columns[name] = pa.array([row.get(name) for row in rows], types.get(name))
        except NOT_OF_ONE_TYPE as error:
            raise not_of_one_type(name, types.get(name), error) from error
    return pa.table(columns)


def read_series(series: Any, dtype: Any) -> tuple[Any, list[int]]:
    """Return a pandas column in a type, and the positions of the values that cannot be read as it.

    Nulls stay null: whether they are allowed is another check.
    """
    import pandas as pd

    missing, beyond = series.isna(), _beyond_integers(series, dtype)
    if not missing.any() and not beyond.any():
        with suppress(Exception):  # some value is of another type; it is found below
            return dtype.coerce(series), []
    present = series[~missing]
    # Texts are read once each: the same bad value may be on a million rows.
    distinct = pd.api.types.infer_dtype(present) == "string"
    codes: Any
    codes, found = pd.factorize(present) if distinct else (None, None)
    values = pd.Series(found, dtype=present.dtype) if distinct else present
    left = _without_texts_that_are_no_numbers(values, dtype) if distinct else values[~beyond[~missing]]
    pieces, _ = _bisect(len(left), lambda start, stop: dtype.coerce(left.iloc[start:stop]))
    read = pd.concat(pieces) if pieces else dtype.coerce(values.iloc[:0])
    if not pieces and dtype.type == "object":
        read = read.astype(object)  # types of Python's own make no objects of no values
    if distinct:
        kept = pd.Series(codes).isin(read.index).to_numpy()
        read = read.loc[codes[kept]].set_axis(present.index[kept])
    bad = present.index.difference(read.index)
    if (nullable := nullable_type(read.dtype)) is not None and len(read) < len(series):
        read = read.astype(nullable)
    return read.reindex(series.index), [int(row) for row in bad]


_MOST_GUESSED: Final = 1_000


def first_format(texts: Any, dayfirst: bool) -> str | None:
    """Return the form of the first text of a pandas column that pandas knows as a time.

    Those of ISO 8601, which cannot be confused, count as one; other values than texts have none.
    """
    import pandas as pd
    from pandas.tseries.api import guess_datetime_format

    if pd.api.types.infer_dtype(texts) != "string":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a form that is told by its first text
        forms = (guess_datetime_format(text, dayfirst) for text in texts.dropna().head(_MOST_GUESSED))
        form: str | None = next(filter(None, forms), None)
    return "ISO8601" if form and form.startswith(("%Y-%m", "%Y/%m", "%Y%m")) else form


def _beyond_integers(series: Any, dtype: Any) -> Any:
    """Mark the floats that an integer type cannot hold: numpy makes 44 of 300 as int8, without an error."""
    kind = getattr(dtype.type, "kind", "")
    if series.dtype.kind != "f" or kind not in ("i", "u"):
        return series.isna() & False
    bits = 8 * dtype.type.itemsize
    least, above = (-float(1 << bits - 1), float(1 << bits - 1)) if kind == "i" else (0.0, float(1 << bits))
    values = series.astype("float64")
    whole = values.abs() // 1  # integers cut the fraction
    return (whole.where(values >= 0, -whole) < least) | (values >= above)


def _without_texts_that_are_no_numbers(values: Any, dtype: Any) -> Any:
    """Return texts without those that neither Python nor numpy reads as a number.

    It saves reading each of them by itself, which takes 0.2 ms.
    """
    kind = getattr(dtype.type, "kind", "") if not hasattr(dtype.type, "na_value") else ""
    number: Any = int if kind in ("i", "u") else float if kind == "f" else None
    if number is None:
        return values

    def is_number(text: str) -> bool:
        try:
            number(text)
        except ValueError:
            return False
        return True

    return values[[is_number(text) for text in values]]


def read_column(column: pl.Series, dtype: Any) -> tuple[pl.Series, list[int]]:
    """Return a polars column in a type, and the positions of the values that cannot be read as it."""
    from pandera.api.polars.types import PolarsData

    def coerce(values: pl.Series) -> pl.Series:
        lazy = dtype.coerce(PolarsData(values.to_frame().lazy(), values.name))
        found: pl.Series = lazy.collect()[values.name]
        return found

    present = column.is_not_null()
    guessed = present & _not_cast(column, dtype)
    # Not column.set, whose nulls keep their bytes for the cast.
    kept = column.zip_with(~guessed, column.clear(len(column))) if guessed.any() else column
    if not guessed.any() or _is_plain_cast(dtype):
        with suppress(Exception):  # the type is no plain cast; its values are read in pieces below
            return coerce(kept), guessed.arg_true().to_list()
    values = column.filter(present)
    pieces, bad = _bisect(len(values), lambda start, stop: coerce(values[start:stop]))
    rows = present.arg_true()
    good = rows.filter(~pl.int_range(len(rows), eager=True).is_in(bad))
    read = pl.concat(pieces) if pieces else coerce(values.clear())
    return read.gather(_places(good.to_list(), len(column))), rows.gather(bad).to_list()


def _not_cast(column: pl.Series, dtype: Any) -> pl.Series:
    """Mark the values that polars does not cast, all of them where there is no cast between the types."""
    if column.dtype == pl.Binary and dtype.type == pl.String:  # one that is no UTF-8 fails the cast of all
        found = [value is not None and value.decode(errors="ignore").encode() != value for value in column]
        return pl.Series(found, dtype=pl.Boolean)
    try:
        return column.cast(dtype.type, strict=False).is_null()
    except Exception:  # noqa: BLE001 - polars raises several kinds
        return pl.repeat(value=True, n=len(column), eager=True)


def _is_plain_cast(dtype: Any) -> bool:
    from pandera.engines import polars_engine

    wanted: Any = type(dtype)
    return bool(wanted.coerce is polars_engine.DataType.coerce)


def _bisect(rows: int, read: Callable[[int, int], Any]) -> tuple[list[Any], list[int]]:
    """Read rows in pieces that are as large as possible; return the pieces read, and the rows that cannot be.

    :param read: reads the rows from ``start`` to before ``stop``, or raises.
    """
    pieces: list[Any] = []
    bad: list[int] = []
    todo = [(0, rows)] if rows else []
    while todo:
        start, stop = todo.pop()
        try:
            pieces.append(read(start, stop))
        except Exception:  # noqa: BLE001 - a type may raise anything for a value that it cannot read
            if stop - start == 1:
                bad.append(start)
            else:
                middle = (start + stop) // 2
                todo += [(middle, stop), (start, middle)]
    return pieces, bad


def _places(rows: Sequence[int], height: int) -> pl.Series:
    """Return for each of ``height`` rows its place in ``rows``, null where it is not among them."""
    places = pl.Series([None], dtype=pl.Int64).new_from_index(0, height)
    return places.scatter(rows, list(range(len(rows))))
