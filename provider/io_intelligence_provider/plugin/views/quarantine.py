"""A page of the refused records of many days."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import polars as pl

from io_intelligence_provider.errors import NotOnFileError, StorageError

__all__ = ["LONGEST_RECORD", "quarantine_page"]

LONGEST_RECORD: Final = 20_000
"""Characters given of a record, of a value and of a message; the Parquet file holds them whole."""


def quarantine_page(
    sizes: Mapping[date, int], wanted: slice, read: Callable[[date], pl.DataFrame]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return some of the refused records, and what could not be read.

    :param sizes: number of refused records by day, in the order of the answer.
    :param wanted: positions among all of them.
    :param read: gives the records of a day; only days on the page are read.
    """
    items: list[dict[str, Any]] = []
    warnings: list[str] = []
    start, stop = wanted.start, wanted.stop
    for day, size in sizes.items():
        first, last = max(start, 0), min(stop, size)
        start, stop = start - size, stop - size
        if first >= last:
            continue
        try:
            rows = read(day).slice(first, last - first)
        except (StorageError, NotOnFileError) as error:
            warnings.append(f"The quarantine of {day} cannot be read: {error}")
            continue
        items += [_item(day, row) for row in rows.iter_rows(named=True)]
    return items, warnings


def _item(day: date, row: dict[str, Any]) -> dict[str, Any]:
    record = row["record"]
    return {
        "date": day,
        "model_id": row["model_id"],
        "name": row["name"],
        "record": record[:LONGEST_RECORD],
        "truncated": len(record) > LONGEST_RECORD,
        "failures": [
            {key: text and text[:LONGEST_RECORD] for key, text in failure.items()}
            for failure in row["failures"] or ()
        ],
    }
