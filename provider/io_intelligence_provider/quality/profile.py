"""Profiles the columns of a run: counts, bounds, distinct values, medians."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isinf
from typing import Any, Final

import polars as pl

from io_intelligence_provider.quality.result import ColumnProfile

__all__ = ["EXACT_DISTINCT", "SAMPLE", "Profiler", "without_categories"]


EXACT_DISTINCT: Final = 4_096
SAMPLE: Final = 32_768
_HASHES: Final = 2.0**64
_FIRST: Final = datetime(1, 1, 2)  # noqa: DTZ001 - a day from the end, as zones differ
_LAST: Final = datetime(9999, 12, 30)  # noqa: DTZ001
_LONGEST_MS: Final = 999_999_999 * 86_400_000
_ROW: Final = "\0hash of the row"  # cannot be the name of a user's column


@dataclass
class _Column:
    """The running profile of one column."""

    rows: int = 0
    nulls: int = 0
    smallest: Any = None
    greatest: Any = None
    hashes: pl.Series | None = None  # None: the type cannot be hashed
    hashable: bool = True

    def add(self, values: pl.Series) -> None:
        self.rows += values.len()
        values = _known(values)
        self.nulls += values.null_count()
        if values.dtype.is_temporal() or values.dtype.is_numeric():
            self._widen(*_bounds(values))
        if self.hashable:
            self._hash(values)

    def _widen(self, smallest: Any, greatest: Any) -> None:
        self.smallest = _of(min, self.smallest, smallest)
        self.greatest = _of(max, self.greatest, greatest)

    def _hash(self, values: pl.Series) -> None:
        try:
            hashes = values.drop_nulls().cast(without_categories(values.dtype)).hash()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # older ones panic at lists
            self.hashable, self.hashes = False, None
            return
        self._keep(hashes)

    def _keep(self, hashes: pl.Series) -> None:
        if self.hashes is None:
            self.hashes = pl.Series(dtype=pl.UInt64)
        elif self.hashes.len() > EXACT_DISTINCT:
            # Hashes above the greatest one kept cannot change the result; this drops most rows early.
            hashes = hashes.filter(hashes <= self.hashes[-1])
        # One more than the exact limit, to know that there were more.
        merged = pl.concat([self.hashes, hashes.unique()]).unique().sort()
        self.hashes = merged.head(EXACT_DISTINCT + 1).rechunk()

    def merge(self, other: _Column) -> None:
        self.rows += other.rows
        self.nulls += other.nulls
        self._widen(other.smallest, other.greatest)
        self.hashable = self.hashable and other.hashable
        if not self.hashable:
            self.hashes = None
        elif other.hashes is not None:
            self._keep(other.hashes)

    def distinct(self) -> tuple[int | None, bool]:
        """Return the number of different values, and whether it is exact."""
        if self.hashes is None:
            return None, True
        if self.hashes.len() <= EXACT_DISTINCT:
            return self.hashes.len(), True
        kth = self.hashes[EXACT_DISTINCT - 1]
        estimate = round((EXACT_DISTINCT - 1) / ((kth + 1) / _HASHES))
        return min(estimate, self.rows - self.nulls), False


class Profiler:
    """Adds up profiles over frames.

    ``distinct`` is exact up to :data:`EXACT_DISTINCT` values and estimated from hashes beyond. The median and
    MAD are those of a uniform sample of at most :data:`SAMPLE` rows. All else is exact.

    :param seed: different for each profiler that is merged with others, so that rows of the same
        position are sampled independently.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._seen = 0
        self._columns: dict[str, _Column] = {}
        self._sample: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Count the rows of one more frame."""
        if not frame.height:
            return  # an empty batch may have no types either
        for name in frame.columns:
            self._columns.setdefault(name, _Column()).add(frame[name])
        self._add_sample(frame)
        self._seen += frame.height

    def _add_sample(self, frame: pl.DataFrame) -> None:
        numeric = [name for name, dtype in frame.schema.items() if dtype.is_numeric()]
        if not numeric:
            return
        rows = pl.int_range(self._seen, self._seen + frame.height, dtype=pl.UInt64, eager=True)
        hashes = rows.hash(seed=self._seed).alias(_ROW)
        chosen = pl.DataFrame({_ROW: hashes}).with_row_index("\0row")
        if self._sample is not None and self._sample.height >= SAMPLE:
            chosen = chosen.filter(pl.col(_ROW) < self._sample[_ROW].max())
        chosen = chosen.bottom_k(SAMPLE, by=_ROW) if chosen.height > SAMPLE else chosen
        values = frame.select(_known(frame[name]).cast(pl.Float64) for name in numeric)
        self._merge_sample(values[chosen["\0row"]].with_columns(chosen[_ROW]))

    def _merge_sample(self, more: pl.DataFrame) -> None:
        sample = more if self._sample is None else pl.concat([self._sample, more], how="diagonal")
        self._sample = sample.bottom_k(SAMPLE, by=_ROW).rechunk() if sample.height > SAMPLE else sample

    def state(self) -> bytes:
        """Serialise the profiler, for :meth:`merged` in another process of the same job."""
        return pickle.dumps((self._columns, self._sample))

    @classmethod
    def merged(cls, states: Iterable[bytes]) -> Profiler:
        """Merge the states of several profilers, to be finished.

        They are unpickled, so they must come from the same job.
        """
        whole = cls()
        for state in states:
            columns, sample = pickle.loads(state)  # nosec B301 # noqa: S301 - of the same job
            for name, column in columns.items():
                whole._columns.setdefault(name, _Column()).merge(column)
            if sample is not None:
                whole._merge_sample(sample)
        return whole

    def finish(self) -> tuple[ColumnProfile, ...]:
        """Return the profile of each column, in order of first appearance."""
        return tuple(self._profile(name, column) for name, column in self._columns.items())

    def _profile(self, name: str, column: _Column) -> ColumnProfile:
        distinct, exact = column.distinct()
        median, mad = self._median(name)
        return ColumnProfile(
            column=name,
            rows=column.rows,
            nulls=column.nulls,
            distinct=distinct,
            distinct_exact=exact,
            min=_plain(column.smallest),
            max=_plain(column.greatest),
            median=median,
            mad=mad,
        )

    def _median(self, name: str) -> tuple[float | None, float | None]:
        if self._sample is None or name not in self._sample.columns:
            return None, None
        values = self._sample[name].drop_nulls()
        values = values.filter(values.is_finite())
        median: Any = values.median()
        mad: Any = None if median is None else (values - median).abs().median()
        return median, None if mad is None or isinf(mad) else mad


def _known(values: pl.Series) -> pl.Series:
    """Return the values with NaN as null: both count as missing."""
    return values.fill_nan(None) if values.dtype.is_float() else values


def _bounds(values: pl.Series) -> tuple[Any, Any]:
    """Return the smallest and the greatest finite value."""
    if isinstance(values.dtype, (pl.Date, pl.Datetime)):
        values = _within_python(values)
    elif values.dtype == pl.Duration("ms"):  # the other units end before Python's durations do
        values = values.to_physical().clip(-_LONGEST_MS, _LONGEST_MS).cast(values.dtype)
    bounds = values.min(), values.max()
    if values.dtype.is_float() and any(isinstance(bound, float) and isinf(bound) for bound in bounds):
        values = values.filter(values.is_finite())
        return values.min(), values.max()
    return bounds


def _within_python(values: pl.Series) -> pl.Series:
    """Return dates and times with those beyond the years of Python's datetime as its first or last day."""
    limits = pl.Series([_FIRST, _LAST]).cast(values.dtype if isinstance(values.dtype, pl.Date) else pl.Int64)
    factor = {"ms": 1_000, "ns": 0}.get(getattr(values.dtype, "time_unit", ""), 1)
    if not factor:  # nanoseconds end in the year 2262
        return values
    first, last = (limits.cast(pl.Int64) // factor).to_list()
    return values.to_physical().clip(first, last).cast(values.dtype)


def without_categories(dtype: Any) -> Any:
    """Return a type with text in place of categories, whose hashes differ from frame to frame."""
    if isinstance(dtype, (pl.Categorical, pl.Enum)):
        return pl.String()
    if isinstance(dtype, pl.List):
        return pl.List(without_categories(dtype.inner))
    if isinstance(dtype, pl.Array):
        return pl.Array(without_categories(dtype.inner), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct([pl.Field(one.name, without_categories(one.dtype)) for one in dtype.fields])
    return dtype


def _of(choose: Any, one: Any, other: Any) -> Any:
    values = [value for value in (one, other) if value is not None]
    return choose(values, key=_instant) if values else None


def _instant(value: Any) -> Any:
    """Return a time with a zone in UTC: Python compares those of one zone by the clock, which is set back."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _plain(value: Any) -> float | str | None:
    if value is None:
        return None
    if hasattr(value, "isoformat"):
        text: str = value.isoformat()
        return text
    try:
        return float(value) + 0.0  # no minus zero
    except TypeError:
        return str(value)  # a duration
