"""Tests that changed bytes of a store's file are refused before a library parses them."""

from __future__ import annotations

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
from io_intelligence_provider.storage.digest import digest_of_pages, with_digests
from io_intelligence_provider.storage.file_kind import FileKind
from io_intelligence_provider.storage.parquet import CheckedFile, check_files

SCHEMA = pa.schema([("a", pa.string())])
KIND = FileKind("test file", lambda: SCHEMA, most_rows=1_000, rows_free=1_000, rows_per_byte=1)
TABLE = pa.table({"a": [f"text {number}" for number in range(100)]})


def bare() -> pa.Buffer:
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink, row_group_size=30)
    return sink.getvalue()


WRITTEN = with_digests(bare())
FOOTER = len(WRITTEN) - 8 - int.from_bytes(WRITTEN[-8:-4], "little")
"""Where the footer begins."""
PAGES = FOOTER - 64
"""Where the pages end."""


def opened(data: bytes) -> CheckedFile:
    return CheckedFile(pa.BufferReader(data), "a.parquet", KIND)


def test_it_reads_like_a_file_without_them(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(WRITTEN)
    assert opened(WRITTEN).digest
    assert not opened(bare().to_pybytes()).digest
    for found in (
        opened(WRITTEN).read(),
        opened(bare().to_pybytes()).read(),
        pq.read_table(path),
        pl.read_parquet(path).to_arrow().cast(SCHEMA),
        pl.scan_parquet(path).filter(pl.col("a") != "").collect().to_arrow().cast(SCHEMA),
        duckdb.read_parquet(str(path)).to_arrow_table(),
    ):
        assert found.equals(TABLE)


@given(at=st.integers(PAGES, len(WRITTEN) - 1), change=st.integers(1, 255))
def test_no_changed_footer_reaches_a_library(at: int, change: int) -> None:
    damaged = bytearray(WRITTEN)
    damaged[at] ^= change
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet.pq, "ParquetFile", lambda *_: pytest.fail("parsed"))
        with pytest.raises(UnreadableFileError, match=r"bytes have changed|footer has more"):
            opened(bytes(damaged))


@given(at=st.integers(0, PAGES - 1), change=st.integers(1, 255))
def test_no_changed_page_reaches_a_library(tmp_path_factory: Any, at: int, change: int) -> None:
    damaged = bytearray(WRITTEN)
    damaged[at] ^= change
    file = opened(bytes(damaged))
    assert file.metadata.num_rows == 100  # what is asked for metadata reads no page
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CheckedFile, "_read_within_bounds", lambda *_: pytest.fail("parsed"))
        with pytest.raises(UnreadableFileError, match="bytes have changed"):
            file.read()
    path = tmp_path_factory.getbasetemp() / "damaged.parquet"
    path.write_bytes(damaged)
    with pytest.raises(UnreadableFileError, match="bytes have changed"):
        check_files([(str(path), "a.parquet")], KIND)
    path.unlink()


@given(cut=st.integers(8, len(WRITTEN) - 1))
def test_a_file_that_was_cut_is_refused(cut: int) -> None:
    with pytest.raises(UnreadableFileError):
        opened(WRITTEN[:cut])


def test_polars_gets_no_file_without_digests(tmp_path: Path) -> None:
    for name, data in (("with", WRITTEN), ("without", bare().to_pybytes())):
        (tmp_path / name).write_bytes(data)
    files = ((str(tmp_path / name), name) for name in ("with", "without", "with"))
    assert check_files(files, KIND) == [True, False, True]


def test_each_file_of_a_store_has_them(tmp_path: Path) -> None:
    file_every_kind(tmp_path)
    kinds = set()
    for path in tmp_path.rglob("*.parquet"):
        source = pa.BufferReader(path.read_bytes())
        digest = digest_of_pages(source, source.size())
        assert digest, path
        digest.verify(source)
        kinds.add(path.relative_to(tmp_path).parts[0])
    assert kinds == {"changes", "compacted", "models", "quarantine", "results"}
