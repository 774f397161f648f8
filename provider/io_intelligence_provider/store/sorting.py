"""Sorting more models than should be in memory at once.

The valid rows of each batch wait in a temporary file; in memory stay the sort keys, about 100 bytes a
model. When all are there, each row's place is known, the rows are dealt out to slices of
:data:`SLICE` in one pass over the file, and each slice is sorted by itself.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from typing import Final, Self, TypeAlias

import polars as pl

__all__ = ["SLICE", "SORT_KEYS", "ModelSorter"]

SLICE: Final = 8_192
"""Rows of a sorted slice; one slice is one row group of the Parquet file."""

SORT_KEYS: Final = ("name", "model_id")

_Span: TypeAlias = tuple[int, int]


class _FrameFile:
    """Frames in a temporary file, found again by offset and length."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the sorter

    def write(self, frame: pl.DataFrame) -> _Span:
        buffer = io.BytesIO()
        frame.write_ipc_stream(buffer, compression="lz4")
        offset = self._file.seek(0, io.SEEK_END)
        return offset, self._file.write(buffer.getbuffer())

    def read(self, span: _Span) -> pl.DataFrame:
        self._file.seek(span[0])
        return pl.read_ipc_stream(io.BytesIO(self._file.read(span[1])))

    def close(self) -> None:
        self._file.close()


class ModelSorter:
    """Takes batches of models in any order and gives them back by ``name`` then ``model_id``.

    Both are compared by their code points. A context manager: the temporary file goes with it.
    """

    def __init__(self) -> None:
        self._file = _FrameFile()
        self._keys: list[pl.DataFrame] = []
        self._parts: list[_Span] = []
        self._first: pl.DataFrame | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, models: pl.DataFrame) -> None:
        """Take one batch. A single one stays in memory; further ones send it to the file."""
        if not self._keys:
            self._first = models
        else:
            self._spill_first()
            self._parts.append(self._file.write(models))
        self._keys.append(models.select(SORT_KEYS))

    def _spill_first(self) -> None:
        if self._first is not None:
            self._parts.append(self._file.write(self._first))
            self._first = None

    def slices(self) -> Iterator[pl.DataFrame]:
        """Yield all models in order, :data:`SLICE` rows at a time; at least one slice, even if empty."""
        if self._first is not None:
            ordered = self._first.sort(SORT_KEYS)
            for start in range(0, max(ordered.height, 1), SLICE):
                yield ordered.slice(start, SLICE)
            return
        for spans in self._deal():
            yield self._slice(spans)

    def _deal(self) -> list[list[_Span]]:
        """Send each row to the slice that its place falls into; return what each slice consists of."""
        keys = pl.concat(self._keys)
        places = keys.select(pl.arg_sort_by(SORT_KEYS)).to_series().arg_sort().rename("place")
        slices: list[list[_Span]] = [[] for _ in range(-(-keys.height // SLICE))]
        start = 0
        for part, rows in zip(self._parts, self._keys, strict=True):
            placed = self._file.read(part).with_columns(places.slice(start, rows.height))
            start += rows.height
            dealt = placed.with_columns(slice=pl.col("place") // SLICE).partition_by(
                "slice", as_dict=True, include_key=False
            )
            for (number,), rows_of_slice in dealt.items():
                slices[number].append(self._file.write(rows_of_slice))
        return slices

    def _slice(self, spans: list[_Span]) -> pl.DataFrame:
        return pl.concat([self._file.read(span) for span in spans]).sort("place").drop("place")
