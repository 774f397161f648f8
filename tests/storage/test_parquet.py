"""Tests how columns are read: repeated texts within a bound, and those that have no value."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from io_intelligence_provider.errors import NotOnFileError, StorageError, UnreadableFileError
from io_intelligence_provider.storage.digest import with_digests
from io_intelligence_provider.storage.file_kind import FileKind
from io_intelligence_provider.storage.location import Storage
from io_intelligence_provider.storage.parquet import CheckedFile, open_any

LONG = "x" * 200_000


def read(data: bytes, dtype: pa.DataType) -> pa.Table:
    schema = pa.schema([("a", dtype)])
    kind = FileKind("test file", lambda: schema, most_rows=4_000_000, rows_free=100_000, rows_per_byte=8)
    with CheckedFile(pa.BufferReader(data), "a.parquet", kind) as file:
        return file.read()


def written(column: pa.Array, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": column}), sink, **{"compression": "zstd", **options})
    data: bytes = sink.getvalue().to_pybytes()
    return data


@pytest.mark.parametrize("dtype", [pa.string(), pa.large_string(), pa.string_view()])
def test_a_text_that_is_repeated_in_every_row(dtype: pa.DataType) -> None:
    try:
        data = written(pa.array([LONG] * 2_000, dtype))
    except pa.ArrowNotImplementedError:
        pytest.skip(f"pyarrow {pa.__version__} writes no {dtype}")
    with pytest.raises(UnreadableFileError, match="texts unpack"):
        read(data, pa.string())


def test_a_text_whose_beginning_is_repeated_without_a_dictionary() -> None:
    data = written(
        pa.array([f"{LONG}{number}" for number in range(2_000)]),
        use_dictionary=False,
        column_encoding="DELTA_BYTE_ARRAY",
    )
    with pytest.raises(UnreadableFileError, match="texts unpack"):
        read(data, pa.string())


def test_texts_that_stand_by_themselves_are_read_in_one_piece() -> None:
    texts = [f"{number:>1000}" for number in range(20_000)]
    found = read(written(pa.array(texts), use_dictionary=False, row_group_size=500), pa.string())["a"]
    assert found.to_pylist() == texts
    assert found.num_chunks == 1


def test_a_text_that_is_repeated_in_lists() -> None:
    with pytest.raises(UnreadableFileError, match="texts unpack"):
        read(written(pa.array([[LONG]] * 2_000, pa.list_(pa.string()))), pa.list_(pa.string()))


REPEATED = bytes.fromhex(
    "50415231150415d2cf24155c4c1504150012000028b52ffda0e99304006c000028e0930400780100f8ff39d002020010"
    "78750000307801000000790100e0131d08011500153015422c15c63e1510150615061c00000028b52ffd2018c1000007"
    "00000003feb03e01060003000000c63e0101c03e0006011504192c35001806736368656d61150200150c250418016125"
    "004c1c0000001608191c191c26001c150c193500061019180161150c16c63e16cad02416e6012684012608292c150415"
    "00150200150015101502003c1686b0b4f808192608be3e192600c63e00000016cad0241608260816e601002820706172"
    "717565742d6370702d6172726f772076657273696f6e2032362e302e31191c1c0000009c00000050415231"
)
"""``repeated binary a (STRING)``, a list without groups, of four rows; the first has 300 KB 4,000 times."""


def test_a_list_without_groups_has_many_texts_a_row() -> None:
    with pytest.raises(UnreadableFileError, match="texts unpack to 1200000003 bytes"):
        read(REPEATED, pa.list_(pa.string()))


def test_what_stays_within_the_bound_is_read_and_empty_texts_do_not_count() -> None:
    texts = ["x" * 300_000] * 223 + ["y" * 200_000] + [""] * 20_000
    assert read(written(pa.array(texts)), pa.string())["a"].to_pylist() == texts


@pytest.mark.parametrize("options", [{}, {"write_statistics": False}], ids=["counted", "not counted"])
@pytest.mark.parametrize("seal", [bytes, with_digests], ids=["no digests", "digests"])
@pytest.mark.parametrize(
    "column",
    [
        pa.nulls(5, pa.string()),
        pa.array([None, None, "a", None, None]),
        pa.array([[], [None], None, [], []], pa.list_(pa.string())),
        pa.array([{"b": None}, None, {"b": None}], pa.struct([("b", pa.string())])),
        pa.nulls(0, pa.decimal128(38, 18)),
    ],
    ids=["nulls", "a text", "lists", "structs", "no rows"],
)
def test_what_has_few_values_or_none(column: pa.Array, seal: Any, options: dict[str, Any]) -> None:
    found = read(seal(written(column, row_group_size=2, **options)), column.type)
    assert found["a"].to_pylist() == column.to_pylist()
    assert found.schema == pa.schema([("a", column.type)])


def test_an_index_beyond_the_dictionary_is_a_damaged_file() -> None:
    column = pa.array([["x" * 100_000, "y"], *[["x" * 100_000] * 2] * 1_500])
    data = bytearray(
        written(
            column, compression="none", data_page_version="1.0", write_statistics=False, store_schema=False
        )
    )
    (footer,) = struct.unpack("<I", data[-8:-4])
    data[len(data) - 8 - footer - 1] = 5  # the last index of the only page
    with pytest.raises(UnreadableFileError, match="dictionary"):
        read(bytes(data), pa.list_(pa.string()))


class EndpointError(Exception):
    """As botocore raises where no endpoint answers: no OSError."""


class Unplugged(MemoryFileSystem):  # type: ignore[misc]
    """A file system whose endpoint does not answer."""

    cachable = False

    def open(self, path: str, *_: Any, **__: Any) -> Any:
        raise EndpointError(f"no answer for {path} from https://user:hunter2@example.com")


def test_an_error_of_any_type_of_an_object_store_is_a_storage_error() -> None:
    storage = Storage(Unplugged(), "/a.parquet", is_local=False)
    with (
        pytest.raises(StorageError, match=r"Could not read s3://b/a as Parquet: no answer") as caught,
        open_any(storage, storage.key, "s3://b/a"),
    ):
        pass
    assert "hunter2" not in str(caught.value)


def test_an_error_within_the_block_keeps_its_type(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(written(pa.array([1])))
    for raised in (NotOnFileError("gone"), ZeroDivisionError()):
        with pytest.raises(type(raised)), open_any(Storage(None, str(file), True), str(file), str(file)):
            raise raised
