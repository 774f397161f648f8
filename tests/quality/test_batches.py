"""A data set is read in batches of bounded size, each row once, with its place in its file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from io_intelligence_provider.errors import ConfigurationError
from io_intelligence_provider.quality import batches
from io_intelligence_provider.quality.batches import (
    Batch,
    Files,
    InMemory,
    native_groups,
    open_files,
    read_all_rows,
    read_native,
)
from io_intelligence_provider.quality.files import find

Write = Callable[..., str]


@pytest.fixture
def rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets the size of batches."""

    def set_size(rows: int) -> None:
        monkeypatch.setattr(batches, "_MOST_ROWS", rows)
        monkeypatch.setattr(batches, "_FEWEST_ROWS", 1)

    return set_size


def places(source: Any, **arguments: Any) -> list[tuple[str, int, int, int]]:
    """Return of each batch its file, its first row there, its first row in the data set, and its rows."""
    found = source.batches(**arguments)
    return [(Path(one.file).name, one.first, one.offset, one.rows) for one in found]


def test_a_table_in_memory_is_read_in_slices(rows_at_a_time: Callable[[int], None]) -> None:
    rows_at_a_time(2)
    table = pa.table({"a": [1, 2, 3, 4, 5], "b": [1, None, 3, 4, 5]})
    source = InMemory(table)
    assert (source.schema, source.rows, source.bytes) == (table.schema, 5, table.nbytes)
    assert (source.files, source.differing) == (0, ())
    assert source.with_nulls() == {"b"}
    assert places(source) == [("", 0, 0, 2), ("", 2, 2, 2), ("", 4, 4, 1)]
    assert [batch.table for batch in source.batches()] == [table[:2], table[2:4], table[4:]]
    assert [batch.table for batch in source.batches(["b"])] == [
        table.select(["b"])[first : first + 2] for first in (0, 2, 4)
    ]
    assert [one.locate(0) for one in source.batches()] == [(None, 0), (None, 2), (None, 4)]
    assert places(InMemory(table[:0])) == []


PIECE, MOST, FEWEST = 64 * 2**20, 1_048_576, 8_192


@pytest.mark.parametrize(
    ("bytes_per_row", "rows"),
    [
        (0.5, MOST),
        (64, MOST),
        (65, PIECE // 65),
        (100.5, PIECE // 100),
        (8_191, 8_193),
        (8_192, FEWEST),
        (2**20, FEWEST),
    ],
)
def test_a_batch_has_64_mib_within_bounds(write: Write, bytes_per_row: float, rows: int) -> None:
    total = rows + 1
    found = find(write(pa.table({"a": pa.repeat(pa.scalar(1, pa.int8()), total)}), row_group_size=total))
    source = Files(found, pa.schema([("a", pa.int8())]), total, int(bytes_per_row * total), ())
    assert [batch.rows for batch in source.batches()] == [rows, 1]
    in_memory = InMemory(pa.table({"a": pa.repeat(pa.scalar(1, pa.int8()), total)}))
    in_memory.bytes = source.bytes
    assert [batch.rows for batch in in_memory.batches()] == [rows, 1]


def test_files_are_read_one_after_the_other(
    write: Write, rows_at_a_time: Callable[[int], None], tmp_path: Path
) -> None:
    rows_at_a_time(2)
    write(pa.table({"a": [1, 2, 3, 7, 8], "b": ["x", "y", "z", "s", "t"]}), "in/1.parquet", row_group_size=1)
    write(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())}), "in/2.parquet")
    write(pa.table({"a": [4, 5, 6], "b": ["u", "v", "w"]}), "in/3.parquet", row_group_size=3)
    source = open_files(find(str(tmp_path / "in")))
    assert (source.rows, source.files, source.differing) == (8, 3, ())
    expected = [
        ("1.parquet", 0, 0, 2),
        ("1.parquet", 2, 2, 2),
        ("1.parquet", 4, 4, 1),
        ("3.parquet", 0, 5, 2),
        ("3.parquet", 2, 7, 1),
    ]
    assert places(source) == expected
    tables = [batch.table for batch in source.batches(["b"])]
    assert {name for table in tables for name in table.column_names} == {"b"}
    assert pa.concat_tables(tables)["b"].to_pylist() == list("xyzstuvw")
    assert [batch.locate(0) for batch in source.batches()] == [
        (str(tmp_path / "in" / name), first) for name, first, _, _ in expected
    ]


def test_polars_reads_whole_row_groups_of_plain_files(
    write: Write, rows_at_a_time: Callable[[int], None], tmp_path: Path
) -> None:
    rows_at_a_time(3)
    write(pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": list("vwxyz")}), "in/1.parquet", row_group_size=2)
    write(pl.DataFrame({"b": ["u"], "a": [6]}), "in/2.parquet")
    write(pl.DataFrame({"a": [7], "b": ["t"]}), "in/3.parquet")
    source = open_files(find(str(tmp_path / "in")))
    found = list(source.batches(native=True))
    assert places(source, native=True) == [
        ("1.parquet", 0, 0, 2),
        ("1.parquet", 2, 2, 3),
        ("2.parquet", 0, 5, 1),
        ("3.parquet", 0, 6, 1),
    ]
    assert [batch.frame is not None for batch in found] == [True] * 4
    table = pa.concat_tables([batch.table for batch in found])
    assert table.schema == source.schema
    assert table.to_pydict() == {"a": [1, 2, 3, 4, 5, 6, 7], "b": list("vwxyzut")}


def test_polars_does_not_read_what_it_may_read_otherwise(
    write: Write, rows_at_a_time: Callable[[int], None], tmp_path: Path
) -> None:
    def is_native(path: str, **arguments: Any) -> bool:
        (first, *_) = open_files(find(path)).batches(**({"native": True} | arguments))
        return first.frame is not None

    plain = write(pl.DataFrame({"a": [1, 2, 3]}), "plain/1.parquet")
    assert is_native(plain)
    assert not is_native(plain, native=False)
    assert not is_native(plain, columns=["a"])
    write(pl.DataFrame({"a": [1]}), "parts/day=1/1.parquet")
    assert not is_native(str(tmp_path / "parts"))
    write(pl.DataFrame({"a": [1]}), "some/day=1/1.parquet")
    write(pl.DataFrame({"a": [1]}), "some/2.parquet")
    assert not is_native(str(tmp_path / "some"))
    write(pl.DataFrame({"a": [1]}), "differing/1.parquet")
    write(pl.DataFrame({"a": [1.0]}), "differing/2.parquet")
    assert not is_native(str(tmp_path / "differing"))
    assert not is_native(write(pl.DataFrame({"a": [[1]]}), "lists/1.parquet"))
    remote = fsspec.filesystem("memory")
    remote.pipe_file("/batches/1.parquet", Path(plain).read_bytes())
    try:
        assert not is_native("memory://batches")
    finally:
        remote.rm("/batches", recursive=True)
    rows_at_a_time(1)
    assert not is_native(plain)


def grouped(tmp_path: Path, *rows: int) -> pq.ParquetFile:
    """Return a file with row groups of so many rows."""
    schema = pa.schema([("a", pa.int64())])
    with pq.ParquetWriter(tmp_path / "grouped.parquet", schema) as writer:
        for count in rows:
            writer.write_table(pa.table({"a": range(count)}, schema))
    return pq.ParquetFile(tmp_path / "grouped.parquet")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((), []),
        ((0,), []),
        ((4,), [(0, 4)]),
        ((8,), [(0, 8)]),
        ((9,), []),
        ((1, 9), []),
        ((2, 2), [(0, 4)]),
        ((2, 3), [(0, 2), (2, 5)]),
        ((1, 1, 1, 1, 1), [(0, 4), (4, 5)]),
        ((5, 1, 3, 1), [(0, 5), (5, 9), (9, 10)]),
    ],
)
def test_row_groups_are_read_together_up_to_the_size_of_a_batch(
    tmp_path: Path, rows: tuple[int, ...], expected: list[tuple[int, int]]
) -> None:
    with grouped(tmp_path, *rows) as file:
        assert native_groups(file, file.schema_arrow, 4) == expected
    for start, stop in expected:
        frame = read_native(str(tmp_path / "grouped.parquet"), start, stop)
        assert frame["a"].to_list() == [at for count in rows for at in range(count)][start:stop]


PLAIN = [
    pa.int8(), pa.uint64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(),
    pa.date32(), pa.timestamp("us"), pa.timestamp("ns", "UTC"),
]  # fmt: skip
OTHERS = [
    pa.float16(), pa.date64(), pa.time64("us"), pa.duration("us"), pa.binary(), pa.decimal128(9, 2),
    pa.list_(pa.int64()), pa.struct({"x": pa.int64()}), pa.dictionary(pa.int32(), pa.string()), pa.null(),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [*PLAIN, *OTHERS], ids=str)
def test_polars_reads_plain_types_only(tmp_path: Path, dtype: pa.DataType) -> None:
    with grouped(tmp_path, 1) as file:
        schema = pa.schema([("x", pa.int64()), ("a", dtype)])
        assert native_groups(file, schema, 4) == ([(0, 1)] if dtype in PLAIN else [])


def test_a_path_with_signs_of_a_glob_is_one_file(write: Write) -> None:
    path = write(pl.DataFrame({"a": [1]}), "day=1/[ab]*.parquet")
    write(pl.DataFrame({"a": [2]}), "day=1/a.parquet")
    assert read_native(path, 0, 1).to_dict(as_series=False) == {"a": [1]}


def test_a_row_is_located_in_the_part_that_it_is_of() -> None:
    batch = Batch(pa.table({"a": range(9)}), "", 0, 0, [(0, "x", 5), (3, "y", 0), (4, "z", -1)])
    assert [batch.locate(row) for row in (0, 2, 3, 4, 8)] == [
        ("x", 5), ("x", 7), ("y", 0), ("z", None), ("z", None)
    ]  # fmt: skip
    alone = Batch(pa.table({"a": range(9)}), "x", 5, 100)
    assert (alone.file, alone.first, alone.offset, alone.rows) == ("x", 5, 100, 9)
    assert [alone.locate(row) for row in (0, 8)] == [("x", 5), ("x", 13)]
    assert Batch(pa.table({"a": [1]}), "x", -1, 0).locate(0) == ("x", None)
    assert alone.frame is None


def test_a_batch_of_a_frame_is_a_table_of_its_schema() -> None:
    schema = pa.schema([("a", pa.int32()), ("t", pa.string())])
    frame = pl.DataFrame({"a": [1, 2], "t": ["x", "y"]}, schema={"a": pl.Int64, "t": pl.String})
    batch = Batch.of_frame(frame, schema, "x", 5, 100)
    assert (batch.file, batch.first, batch.offset, batch.rows) == ("x", 5, 100, 2)
    assert batch.frame is frame
    assert batch.locate(1) == ("x", 6)
    assert batch.table.schema == schema
    assert batch.table.to_pydict() == {"a": [1, 2], "t": ["x", "y"]}


def test_all_rows_are_read_as_one_batch(
    write: Write, rows_at_a_time: Callable[[int], None], tmp_path: Path
) -> None:
    rows_at_a_time(2)
    tables = [pa.table({"a": [1, 2, 3]}), pa.table({"a": [4]})]
    for number, table in enumerate(tables):
        write(table, f"set/{number}.parquet")
    source = open_files(find(str(tmp_path / "set")))
    batch = read_all_rows(source, 2**20, "set", ["x"])
    assert batch.table == pa.concat_tables(tables)
    assert (batch.file, batch.first, batch.offset, batch.rows) == ("", 0, 0, 4)
    files = [str(tmp_path / "set" / name) for name in ("0.parquet", "1.parquet")]
    assert [batch.locate(row) for row in range(4)] == [
        (files[0], 0),
        (files[0], 1),
        (files[0], 2),
        (files[1], 0),
    ]
    empty = read_all_rows(InMemory(tables[0][:0]), 0, "set", ["x"])
    assert empty.table == tables[0][:0]


def test_all_rows_have_to_fit_three_times(write: Write, rows_at_a_time: Callable[[int], None]) -> None:
    rows_at_a_time(2)
    table = pa.table({"a": [1, 2, 3, 4]})
    source = InMemory(table)
    assert read_all_rows(source, 3 * table.nbytes, "set", ["x"]).rows == 4
    with pytest.raises(ConfigurationError):
        read_all_rows(source, 3 * table.nbytes - 1, "set", ["x"])
    source.bytes = 3 * table.nbytes
    assert read_all_rows(source, 3 * table.nbytes, "set", ["x"]).rows == 4
    source.bytes += 1
    with pytest.raises(ConfigurationError):
        read_all_rows(source, 3 * table.nbytes, "set", ["x"])


MIB = 2**20
ADVICE = (
    "Declare a check that looks at one value at a time element_wise=True or use a built-in one, check a part "
    "of the data at a time, or raise memory_limit."
)


def test_what_does_not_fit_says_why_and_how_much_it_needs(rows_at_a_time: Callable[[int], None]) -> None:
    table = pa.table({"a": pa.repeat(pa.scalar(1, pa.int64()), MIB)})
    source = InMemory(table)
    with pytest.raises(ConfigurationError) as caught:
        read_all_rows(source, 4 * MIB, "the set", ["x", "y", "z"])
    assert str(caught.value) == (
        "the set has to be validated in one batch, because x, y, z may look at all rows. Its 1048576 rows "
        f"need about 8 MiB, memory_limit is 4 MiB. {ADVICE}"
    )
    rows_at_a_time(MIB // 4)
    with pytest.raises(ConfigurationError) as caught:
        read_all_rows(source, 8 * MIB, "the set", ["x", "y", "z", "u"])
    assert str(caught.value) == (
        "the set has to be validated in one batch, because x, y, z and 1 more may look at all rows. Its "
        f"1048576 rows need about 24 MiB, memory_limit is 8 MiB. {ADVICE}"
    )
    rows_at_a_time(1)
    source.bytes = 0
    with pytest.raises(ConfigurationError, match="1048576 rows need about 24 MiB, memory_limit is 0 MiB"):
        read_all_rows(source, 1, "the set", ["x"])


ROWS, GROUP = 10_000_000, 250_000
BOUND_MIB = 150
"""Beyond what one group takes. It was 52; judged in one piece the same rows took 421."""

JUDGE = """
import json, sys
from pathlib import Path
import pandera.polars as pa
from io_intelligence_provider.quality.run import check_dataset

def peak():
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

columns = {"id": pa.Column(int, pa.Check.ge(0)), "price": pa.Column(float, pa.Check.in_range(0, 1))}
schema = pa.DataFrameSchema(columns)
check_dataset(sys.argv[1], schema)
before = peak()
run = check_dataset(sys.argv[2], schema)
print(json.dumps([run.rows, run.valid, run.mode, peak() - before]))
"""


def generate(path: Path, rows: int) -> None:
    made = np.random.default_rng(1)
    with pq.ParquetWriter(path, pa.schema([("id", pa.int64()), ("price", pa.float64())])) as writer:
        for first in range(0, rows, GROUP):
            columns = {"id": np.arange(first, first + GROUP), "price": made.random(GROUP)}
            writer.write_table(pa.table(columns))


@pytest.mark.long
def test_ten_million_rows_in_bounded_memory(tmp_path: Path) -> None:
    small, large = tmp_path / "small.parquet", tmp_path / "large.parquet"
    generate(small, GROUP)
    generate(large, ROWS)
    command = [sys.executable, "-c", JUDGE, str(small), str(large)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows, valid, mode, grown = json.loads(done.stdout.splitlines()[-1])
    assert (rows, valid, mode) == (ROWS, ROWS, "rows")
    assert grown < BOUND_MIB


@pytest.mark.long
@pytest.mark.parametrize("length", [3_000, 5_000], ids=["with statistics", "too long for statistics"])
@pytest.mark.parametrize("native", [True, False])
def test_texts_that_a_dictionary_repeats_count_each_time(
    tmp_path: Path, length: int, *, native: bool
) -> None:
    rows = pa.array(np.arange(3_000) % 2, pa.int32())
    texts = pa.DictionaryArray.from_arrays(rows, pa.array(["x" * length, "y" * length])).cast(pa.string())
    path = tmp_path / "x.parquet"
    with pq.ParquetWriter(path, pa.schema({"a": pa.string()})) as writer:
        for _ in range(15):
            writer.write_table(pa.table({"a": texts}))
    assert path.stat().st_size < 1_000_000
    sizes = [batch.table.nbytes for batch in open_files(find(str(path))).batches(native=native)]
    assert len(sizes) > 1
    assert max(sizes) <= 100 << 20, "about 64 MiB"
