"""Tests that changed bytes of a store's file are refused before a library parses them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.stores import file_every_kind
from io_intelligence_provider.errors import UnreadableFileError
from io_intelligence_provider.storage import parquet
from io_intelligence_provider.storage.digest import has_right_digest, with_digest
from io_intelligence_provider.storage.parquet import CheckedFile, FileKind, check_files

SCHEMA = pa.schema([("a", pa.string())])
KIND = FileKind("test file", lambda: SCHEMA, most_rows=1_000, rows_free=1_000, rows_per_byte=1)
TABLE = pa.table({"a": [f"text {number}" for number in range(100)]})


def bare() -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink, row_group_size=30)
    return sink.getvalue()


WRITTEN = with_digest(bare())
PAGES = len(WRITTEN) - 8 - int.from_bytes(WRITTEN[-8:-4], "little") - 32
"""The bytes before the digest."""


def opened(data: bytes) -> CheckedFile:
    return CheckedFile(pa.BufferReader(data), "a.parquet", KIND)


def test_it_reads_like_a_file_without_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(WRITTEN)
    assert opened(WRITTEN).has_digest
    assert not opened(bare().to_pybytes()).has_digest
    for found in (
        opened(WRITTEN).read(),
        opened(bare().to_pybytes()).read(),
        pq.read_table(path),
        pl.read_parquet(path).to_arrow().cast(SCHEMA),
        pl.scan_parquet(path).filter(pl.col("a") != "").collect().to_arrow().cast(SCHEMA),
        duckdb.read_parquet(str(path)).to_arrow_table(),
    ):
        assert found.equals(TABLE)


@given(at=st.integers(0, len(WRITTEN) - 1), change=st.integers(1, 255))
def test_no_changed_byte_reaches_a_library(at: int, change: int) -> None:
    damaged = bytearray(WRITTEN)
    damaged[at] ^= change
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet.pq, "ParquetFile", lambda *_: pytest.fail("parsed"))
        if has_right_digest(pa.BufferReader(damaged), len(damaged)) is None:
            # The mark itself is damaged: this file cannot be told from one that never had it.
            assert at in range(PAGES, PAGES + 16)
        else:
            with pytest.raises(UnreadableFileError, match=r"bytes have changed|footer has more"):
                opened(bytes(damaged))


@given(cut=st.integers(8, len(WRITTEN) - 1))
def test_a_file_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(UnreadableFileError):
        opened(WRITTEN[:cut])


def test_polars_gets_no_file_without_a_digest(tmp_path: Path) -> None:
    for name, data in (("with", WRITTEN), ("without", bare().to_pybytes())):
        (tmp_path / name).write_bytes(data)
    files = {name: (str(tmp_path / name), name) for name in ("with", "without")}
    assert check_files([files["with"]], KIND)
    assert not check_files([*files.values()], KIND)


def test_each_file_of_a_store_has_one(tmp_path: Path) -> None:
    file_every_kind(tmp_path)
    kinds = set()
    for path in tmp_path.rglob("*.parquet"):
        data: Any = io.BytesIO(path.read_bytes())
        source = pa.BufferReader(data.getvalue())
        assert has_right_digest(source, source.size()) is True, path
        kinds.add(path.relative_to(tmp_path).parts[0])
    assert kinds == {"changes", "compacted", "models", "quarantine", "results"}
