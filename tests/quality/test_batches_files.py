"""Files are opened as one data set: one schema, what differs, and which columns hold nulls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandera.pandas
import pandera.polars
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from io_intelligence_provider.errors import ConfigurationError, StorageError
from io_intelligence_provider.quality import batches
from io_intelligence_provider.quality.batches import Files, InMemory, float_columns, open_files, wanted_floats
from io_intelligence_provider.quality.files import find
from io_intelligence_provider.quality.prepare import prepare
from io_intelligence_provider.quality.schema import load_schema

Write = Callable[..., str]


def opened(write: Write, tmp_path: Path, *tables: pa.Table, **options: Any) -> Files:
    """Write tables to files and open them as one data set."""
    for number, table in enumerate(tables):
        write(table, f"set/{number}.parquet", **options)
    return open_files(find(str(tmp_path / "set")))


def test_files_have_one_schema_that_holds_them_all(write: Write, tmp_path: Path) -> None:
    first = pa.table({"a": pa.array([1], pa.int8()), "b": [1.5], "c": ["x"]}).replace_schema_metadata(
        {"of": "first"}
    )
    second = pa.table({"d": [True], "a": pa.array([300], pa.int16()), "c": ["y"]})
    source = opened(write, tmp_path, first, second.replace_schema_metadata({"of": "second"}))
    assert dict(zip(source.schema.names, source.schema.types, strict=True)) == {
        "a": pa.int16(), "b": pa.float64(), "c": pa.string(), "d": pa.bool_()
    }  # fmt: skip
    assert source.schema.metadata == {b"of": b"first"}
    table = pa.concat_tables([batch.table for batch in source.batches()])
    assert table.to_pydict() == {"a": [1, 300], "b": [1.5, None], "c": ["x", "y"], "d": [None, True]}
    assert source.with_nulls() == {"b", "d"}
    assert [batch.table.to_pydict() for batch in source.batches(["d", "a"])] == [
        {"d": [None], "a": [1]},
        {"d": [True], "a": [300]},
    ]
    sizes = [pq.read_metadata(file.path).row_group(0).total_byte_size for file in source.found.files]
    assert (source.rows, source.bytes) == (2, sum(sizes))


def test_the_bytes_are_those_of_all_row_groups(write: Write) -> None:
    path = write(pa.table({"a": range(9)}), row_group_size=4)
    metadata = pq.read_metadata(path)
    sizes = [metadata.row_group(number).total_byte_size for number in range(3)]
    assert open_files(find(path)).bytes == sum(sizes)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1], "b": ["x"]}, None),
        ({"b": ["x"], "a": [1]}, None),
        ({"e": [1]}, "lacks the column a, b"),
        ({"a": [1], "b": ["x"], "d": [1], "c": [1]}, "has the further column c, d"),
        ({"a": [1.5], "b": ["x"]}, "has a as double, the first file as int64"),
    ],
)
def test_what_differs_from_the_first_file_is_told(
    write: Write, tmp_path: Path, columns: dict[str, Any], message: str | None
) -> None:
    first = pa.table({"a": [1], "b": ["x"]})
    source = opened(write, tmp_path, first, first, pa.table(columns))
    file = str(tmp_path / "set" / "2.parquet")
    assert source.differing == (({"file": file, "message": message},) if message else ())


def test_files_that_no_schema_holds_are_refused_with_the_one_that_differs(
    write: Write, tmp_path: Path
) -> None:
    first = pa.table({"a": [1]})
    with pytest.raises(StorageError) as caught:
        opened(write, tmp_path, first, first, pa.table({"a": ["x"]}), pa.table({"a": [True]}))
    message = str(caught.value)
    assert message.startswith(f"The files of {tmp_path}/set cannot be read as one data set: ")
    assert message.endswith(f". {tmp_path}/set/2.parquet differs from the first. Check them apart.")


def test_a_file_that_is_no_parquet_is_named(write: Write, tmp_path: Path) -> None:
    write(pa.table({"a": [1]}), "set/1.parquet")
    (tmp_path / "set" / "2.parquet").write_bytes(b"no parquet")
    with pytest.raises(StorageError, match=rf"^Could not read {tmp_path}/set/2\.parquet as Parquet: "):
        open_files(find(str(tmp_path / "set")))


def test_columns_that_cannot_be_checked_are_refused_with_the_file(write: Write, tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    with pytest.raises(ConfigurationError, match=r"set/1\.parquet has two columns 'a'"):
        opened(write, tmp_path, pa.table({"a": [1]}), twice)


def test_a_type_that_only_the_whole_data_set_has_is_refused_with_its_path(
    write: Write, tmp_path: Path
) -> None:
    """Decimals of 38 digits each, that only one of more digits would hold."""
    one = pa.table({"a": pa.array([None], pa.decimal128(38, 0))})
    other = pa.table({"a": pa.array([None], pa.decimal128(38, 38))})
    with pytest.raises((StorageError, ConfigurationError), match=rf"{tmp_path}/set "):
        opened(write, tmp_path, one, other)


def test_a_dictionary_in_some_files_is_read_as_its_values(write: Write, tmp_path: Path) -> None:
    def filed(text: str, *, encoded: bool) -> pa.Array:
        values = pa.array([text])
        return values.dictionary_encode() if encoded else values

    tables = [
        pa.table({"some": filed(text, encoded=encoded), "all": filed(text, encoded=True)})
        for text, encoded in (("x", True), ("y", False))
    ]
    source = opened(write, tmp_path, *tables)
    assert source.schema.field("some").type == pa.string()
    assert pa.types.is_dictionary(source.schema.field("all").type)
    read = pa.concat_tables([batch.table for batch in source.batches()], promote_options="permissive")
    assert read.to_pydict() == {"some": ["x", "y"], "all": ["x", "y"]}


def test_partitions_are_columns_that_may_hold_nulls(write: Write, tmp_path: Path) -> None:
    table = pa.table({"a": [1], "own": [9]})
    write(table, "set/day=2026-01-01/own=5/1.parquet")
    write(table, "set/day=2026-01-02/own=5/1.parquet")
    source = open_files(find(str(tmp_path / "set")))
    assert source.schema.names == ["a", "own", "day"]
    assert source.schema.field("day").type == pa.date32()
    assert source.with_nulls() == {"day"}
    read = pa.concat_tables([batch.table for batch in source.batches(["day", "own"])])
    assert [(str(row["day"]), row["own"]) for row in read.to_pylist()] == [
        ("2026-01-01", 9), ("2026-01-02", 9)
    ]  # fmt: skip


def test_columns_with_nulls_are_those_of_the_statistics(write: Write) -> None:
    table = pa.table(
        {
            "full": [1, 2, 3, 4],
            "last": [1, 2, 3, None],
            "list": [[1], [None], [2], [3]],
            "struct": [{"x": 1, "y": None}, {"x": 1, "y": 2}, {"x": 1, "y": 2}, {"x": 1, "y": 2}],
            "a": ["x", "y", None, "z"],
            "a.b": [1, 2, 3, 4],
            "after": [None, 1, 2, 3],
        }
    )
    assert open_files(find(write(table, row_group_size=2))).with_nulls() == {
        "last", "list", "struct", "a", "after"
    }  # fmt: skip
    path = write(table, "partly.parquet", write_statistics=["full"])
    assert open_files(find(path)).with_nulls() == set(table.column_names) - {"full"}


@pytest.mark.parametrize("names", [("a", "a.b"), ("a.b", "a"), ("a.", "a.b"), ("a.b", "a.b.c")])
def test_a_column_whose_name_begins_like_another_has_nulls_of_its_own(
    write: Write, names: tuple[str, str]
) -> None:
    one, other = names
    for first, second in ((None, 1), (1, None)):
        path = write(
            pa.table({one: [first], other: [second]}, pa.schema({name: pa.int64() for name in names}))
        )
        assert open_files(find(path)).with_nulls() == {one if first is None else other}
    path = write(pa.table({one: [1], other: [{"x": None}]}))
    assert open_files(find(path)).with_nulls() == {other}


def test_columns_with_nulls_are_those_of_any_file(write: Write, tmp_path: Path) -> None:
    tables = [{"a": [1], "b": [1], "c": [1]} | {name: pa.array([None], pa.int64())} for name in "abc"]
    assert opened(write, tmp_path, *map(pa.table, tables)).with_nulls() == {"a", "b", "c"}
    full = {"a": [1], "b": [1]}
    others = [full, full, {"a": pa.array([None], pa.int64())}, full | {"d": [1]}]
    found = opened(write, tmp_path, *map(pa.table, others))
    assert found.with_nulls() == {"a", "b", "d"}


def damage(path: str, *places: tuple[int, int]) -> None:
    """Overwrite the beginning of the pages of a row group's column."""
    data = bytearray(Path(path).read_bytes())
    for group, column in places:
        start = pq.read_metadata(path).row_group(group).column(column).data_page_offset
        data[start : start + 40] = b"\xff" * 40
    Path(path).write_bytes(data)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(
    ("damaged", "named"),
    [([(0, 0)], "row group 0, column 'a': "), ([(1, 1), (1, 2), (2, 0)], "row group 1, column 'b': ")],
)
def test_damaged_pages_are_named(
    write: Write, *, native: bool, damaged: list[tuple[int, int]], named: str
) -> None:
    table = pa.table({name: range(1_500) for name in "abc"})
    path = write(table, row_group_size=500, use_dictionary=False, compression="zstd")
    damage(path, *damaged)
    with pytest.raises(StorageError, match=rf"Could not read {path} as Parquet: {named}\S"):
        list(open_files(find(path)).batches(native=native))


def test_integers_that_a_schema_of_pandas_wants_as_floats() -> None:
    table = pa.table(
        {"a": [1, None], "b": [1, None], "c": [1, None], "full": [1, 2], "f": [1.5, None], "new": [1, None]}
    )
    pandas, polars = pandera.pandas, pandera.polars
    columns = {"a": float, "b": "Int64", "c": "float32", "full": float, "f": float}

    def prepared(library: Any, **options: Any) -> Any:
        types = {
            name: library.Column(dtype if library is pandas else float, nullable=True)
            for name, dtype in columns.items()
        }
        return prepare(load_schema(library.DataFrameSchema(types, **options)))

    source = InMemory(table)
    assert float_columns(prepared(pandas), table.schema) == {"a", "full"}
    assert wanted_floats(prepared(pandas), source) == {"a"}
    same = pandas.Parser(lambda frame: frame)
    assert float_columns(prepared(pandas, parsers=same), table.schema) == {"a", "full", "new"}
    assert wanted_floats(prepared(pandas, parsers=same), source) == {"a", "new"}
    assert float_columns(prepared(polars), table.schema) == frozenset()


def test_an_error_that_is_of_no_row_group_is_said_as_it_is(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> Any:
        raise pl.exceptions.ComputeError("no such thing")

    monkeypatch.setattr(batches, "read_native", fails)
    path = write(pa.table({"a": [1]}))
    with pytest.raises(StorageError, match=rf"^Could not read {path} as Parquet: no such thing\."):
        list(open_files(find(path)).batches(native=True))
